//! Files that lie, break off or rot: an error each time, never a panic, never a huge allocation, nothing left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

mod common;

use std::fs;
use std::path::Path;

use common::Random;
use ndcompact::engine::{CompactOptions, RestoreOptions, Target, compact, restore};
use ndcompact::recipe::asks_from_json;
use ndcompact::store::Place;
use ndcompact::{ErrorKind, Reader, Result};

const RECIPE: &str = r#"[{"step":"triangle","kind":"upper"},{"step":"cast","to":"float16"}]"#;

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + dict.len() + 1) % 64 != 0 {
        dict.push(' ');
    }
    dict.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(dict.len() as u16).to_le_bytes());
    bytes.extend_from_slice(dict.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn symmetric(n: usize) -> Vec<u8> {
    let mut random = Random(3);
    let mut a = vec![0.0f64; 2 * n * n];
    for m in a.chunks_exact_mut(n * n) {
        for i in 0..n {
            for j in i..n {
                let x = random.below(1000) as f64 / 7.0;
                (m[i * n + j], m[j * n + i]) = (x, x);
            }
        }
    }
    npy("<f8", &format!("(2, {n}, {n})"), bytemuck::cast_slice(&a))
}

fn run_compact(input: &Path, output: &Path) -> Result<()> {
    let options = CompactOptions { asks: asks_from_json(RECIPE).unwrap(), ..Default::default() };
    let place = |p: &Path| Place { path: p.to_owned(), member: None };
    compact(&place(input), &Target::Place(place(output)), &options).map(|_| ())
}

fn run_restore(input: &Path, output: &Path) -> Result<()> {
    let place = |p: &Path| Place { path: p.to_owned(), member: None };
    restore(&place(input), &Target::Place(place(output)), &RestoreOptions::default()).map(|_| ())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn headers_that_claim_more_than_the_file_holds_are_refused_before_any_allocation() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("a.npy"), dir.path().join("b.npy"));
    for shape in [
        "(99999999999,)",
        "(4294967296, 4294967296, 4294967296)",
        "(1000000, 1000000)",
        "(18446744073709551615,)",
        "(-1,)",
    ] {
        fs::write(&input, npy("<f8", shape, &[0; 64])).unwrap();
        let error = run_compact(&input, &output).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{shape}: {error}");
        assert_eq!(names(dir.path()), ["a.npy"]);
    }
}

#[test]
fn every_truncation_of_input_and_output_is_an_error_that_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (input, packed, output) = (dir.path().join("a.npy"), dir.path().join("b.npy"), dir.path().join("c.npy"));
    let whole = symmetric(5);
    fs::write(&input, &whole).unwrap();
    run_compact(&input, &packed).unwrap();
    let good = fs::read(&packed).unwrap();
    for (path, bytes) in [(&input, &whole), (&packed, &good)] {
        for len in (0..bytes.len()).step_by(7) {
            fs::write(path, &bytes[..len]).unwrap();
            let result = if path == &input { run_compact(path, &output) } else { run_restore(path, &output) };
            assert!(result.is_err(), "{} of {} bytes", len, bytes.len());
            assert!(!output.exists());
        }
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn every_flipped_bit_of_a_compacted_file_is_noticed_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let (input, packed, output) = (dir.path().join("a.npy"), dir.path().join("b.npy"), dir.path().join("c.npy"));
    fs::write(&input, symmetric(5)).unwrap();
    run_compact(&input, &packed).unwrap();
    run_restore(&packed, &output).unwrap();
    let (good, expected) = (fs::read(&packed).unwrap(), fs::read(&output).unwrap());
    fs::remove_file(&output).unwrap();
    let mut noticed = 0;
    for at in 0..good.len() {
        // The dict has every bit flipped; in padding and data one bit a byte is as good as another.
        let bits = if at < 128 { 0..8 } else { at % 8..at % 8 + 1 };
        for bit in bits {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            fs::write(&packed, &bad).unwrap();
            match run_restore(&packed, &output) {
                Err(_) => {
                    noticed += 1;
                    assert!(!output.exists());
                }
                // A few header bits mean nothing (a space for a tab between words): the result must be right all the same.
                Ok(()) => {
                    assert_eq!(fs::read(&output).unwrap(), expected, "byte {at} bit {bit}");
                    fs::remove_file(&output).unwrap();
                }
            }
        }
    }
    assert!(noticed > good.len() - 128, "{noticed} noticed in {} bytes", good.len());
}

#[test]
fn random_bytes_for_a_file_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("a.npy"), dir.path().join("b.npy"));
    let mut random = Random(11);
    for magic in [&b"\x93NUMPY\x01\x00"[..], b"\x93NUMPY\x03\x00", b"PK\x03\x04", b"", b"\x89HDF\r\n\x1a\n"] {
        for len in [0, 1, 7, 64, 300] {
            let mut bytes = magic.to_vec();
            bytes.extend((0..len).map(|_| random.next() as u8));
            fs::write(&input, &bytes).unwrap();
            assert!(run_compact(&input, &output).is_err());
            assert!(Reader::open(input.to_str().unwrap()).is_err());
            assert_eq!(names(dir.path()), ["a.npy"]);
        }
    }
}

#[test]
fn a_recipe_that_does_not_make_what_the_file_holds_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (input, packed, output) = (dir.path().join("a.npy"), dir.path().join("b.npy"), dir.path().join("c.npy"));
    fs::write(&input, symmetric(5)).unwrap();
    let options = CompactOptions { asks: asks_from_json(RECIPE).unwrap(), sidecar: true, ..Default::default() };
    let place = |p: &Path| Place { path: p.to_owned(), member: None };
    compact(&place(&input), &Target::Place(place(&packed)), &options).unwrap();
    let sidecar = dir.path().join("b.npy.compact.json");
    let good = fs::read_to_string(&sidecar).unwrap();
    run_restore(&packed, &output).unwrap();
    fs::remove_file(&output).unwrap();
    for (from, to) in [
        ("\"shape\":[2,5,5]", "\"shape\":[2,6,6]"),
        ("\"shape\":[2,5,5]", "\"shape\":[2000000000,4000000000,4000000000]"),
        ("\"shape\":[2,5,5]", "\"shape\":[0,18446744073709551615,18446744073709551615]"),
        ("\"float16\"", "\"float32\""),
        ("\"upper\"", "\"strict\""),
        ("\"dtype\":\"float64\"", "\"dtype\":\"complex128\""),
        ("\"steps\":[", "\"steps\":[{\"step\":\"bit-round\",\"keepbits\":255},"),
        ("}", ""),
    ] {
        assert!(good.contains(from), "{from} in {good}");
        fs::write(&sidecar, good.replacen(from, to, 1)).unwrap();
        assert!(run_restore(&packed, &output).is_err(), "{to}");
        assert!(!output.exists());
    }
    fs::write(&sidecar, &good).unwrap();
    run_restore(&packed, &output).unwrap();
}

#[test]
fn values_that_cannot_be_carried_leave_no_output_and_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("a.npy"), dir.path().join("b.npy"));
    let mut bytes = symmetric(5);
    // Element [1, 0, 3] of the second matrix gets another value than its mirror image.
    let at = bytes.len() - 8 * (25 - 3);
    bytes[at..at + 8].copy_from_slice(&123.5f64.to_le_bytes());
    fs::write(&input, &bytes).unwrap();
    let error = run_compact(&input, &output).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let text = error.to_string();
    assert!(text.contains("[1, 3, 0]") || text.contains("[1, 0, 3]"), "{text}");
    assert!(text.contains("--symmetry-tol"), "{text}");
    assert_eq!(names(dir.path()), ["a.npy"]);
}

#[test]
fn what_stands_behind_the_array_is_not_lost_silently() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("a.npy"), dir.path().join("b.npy"));
    let mut bytes = symmetric(3);
    bytes.extend_from_slice(b"more");
    fs::write(&input, &bytes).unwrap();
    let error = run_compact(&input, &output).unwrap_err();
    assert!(error.to_string().contains("4 bytes stand behind"), "{error}");
}
