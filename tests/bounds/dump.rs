//! The same chunks for other compressors: `.npy` files with their bounds, and how this library did.

use std::fs;
use std::path::Path;

use ndcompact::DType;
use serde_json::json;

use super::{arrays, run};

/// Seeds looked through.
const SEEDS: u64 = 4000;
/// The most elements of an array: many arrays, and peers take their time.
const MOST: u64 = 20_000;

fn npy(case: &arrays::Case) -> Vec<u8> {
    let shape: String = case.valid.iter().map(|d| format!("{d},")).collect();
    let code = case.chunk.dtype().code();
    let mut header = format!("{{'descr': '<{code}', 'fortran_order': False, 'shape': ({shape}), }}");
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(case.values.bytes());
    file
}

/// Writes float32 and float64 chunks that have an absolute bound above 0 and nothing else.
pub(crate) fn dump(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let mut list = Vec::new();
    for seed in 0..SEEDS {
        let case = run::at_default_effort(&arrays::case(seed, MOST));
        let bound = case.coding.bound;
        let Some(most) = bound.max_abs.filter(|e| *e > 0.0) else { continue };
        let float = matches!(case.chunk.dtype(), DType::F32 | DType::F64);
        if !float || bound.max_rel.is_some() || bound.mean_square.is_some() || !case.steps.is_empty() {
            continue;
        }
        let name = format!("seed-{seed}.npy");
        fs::write(folder.join(&name), npy(&case)).unwrap();
        let outcome = run::run(&case);
        list.push(json!({
            "file": name, "max_abs": most, "values": outcome.verdict.values, "maker": case.maker, "bound": case.limits,
            "bytes": outcome.after, "violations": outcome.verdict.broken, "lost": outcome.verdict.lost,
        }));
    }
    println!("{} arrays in {}", list.len(), folder.display());
    fs::write(folder.join("list.json"), serde_json::to_vec_pretty(&list).unwrap()).unwrap();
}
