//! Any values within any bound: what comes back is judged as tests/bounds judges it.
#![no_main]

#[path = "../../tests/bounds/exact.rs"]
#[allow(dead_code)]
mod exact;
#[path = "../../tests/bounds/judge.rs"]
#[allow(dead_code)]
mod judge;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ndcompact::array::Buf;
use ndcompact::coding::{Bound, Coding, Effort};
use ndcompact::{DType, Spec, filter};

#[derive(Debug, Arbitrary)]
struct Input {
    dtype: u8,
    /// Rows: the values are split into as many as fit.
    rows: u8,
    /// Elements that the chunk has beyond the array.
    beyond: u8,
    effort: u8,
    max_abs: Option<f64>,
    max_rel: Option<f64>,
    rel_floor: f64,
    mean_square: Option<f64>,
    fill: Option<u64>,
    /// Values that are taken over and over, so that structure is found.
    repeat: u8,
    bytes: Vec<u8>,
}

fn limit(x: f64) -> f64 {
    if x.is_finite() { x.abs() } else { 1.0 }
}

fuzz_target!(|input: Input| {
    let dtype = DType::ALL[usize::from(input.dtype) % DType::ALL.len()];
    let mut bytes = input.bytes.repeat(1 + usize::from(input.repeat) % 8);
    bytes.truncate(bytes.len() / dtype.size() * dtype.size());
    if dtype == DType::Bool {
        bytes.iter_mut().for_each(|b| *b &= 1);
    }
    let n = (bytes.len() / dtype.size()) as u64;
    let rows = (1 + u64::from(input.rows)).min(n);
    if n == 0 {
        return;
    }
    let row = n / rows;
    bytes.truncate((rows * row) as usize * dtype.size());
    let chunk = Spec::new(dtype, [rows + u64::from(input.beyond) % 3, row]).unwrap();
    let mut values = Buf::new();
    values.reset(dtype, rows * row).unwrap();
    values.bytes_mut().copy_from_slice(&bytes);
    let bound = Bound {
        max_abs: input.max_abs.map(limit),
        max_rel: input.max_rel.map(limit),
        rel_floor: limit(input.rel_floor),
        mean_square: input.mean_square.map(limit),
    };
    let coding = Coding { bound, effort: Effort::try_from(1 + input.effort % 9).unwrap() };
    let mask = if dtype.size() < 8 { (1u64 << (8 * dtype.size())) - 1 } else { u64::MAX };
    let fill = input.fill.map(|f| f & mask).filter(|_| dtype.word() == dtype.size());

    let (mut scratch, mut coded, mut restored) = (filter::Scratch::default(), Vec::new(), Buf::new());
    let valid = [rows, row];
    filter::encode(&chunk, &valid, &values, &[], &coding, fill, &mut scratch, &mut coded, &mut restored).unwrap();
    let mut back = Buf::new();
    filter::decode(&chunk, &coded, &mut scratch, &mut back).unwrap();
    let (inside, outside) = back.bytes().split_at(bytes.len());
    assert_eq!(inside, restored.bytes());
    assert!(outside.iter().all(|b| *b == 0));
    let verdict = judge::judge(dtype, &bytes, inside, &bound, fill);
    assert_eq!(verdict.broken, 0, "{verdict:?}");
});
