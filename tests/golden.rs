//! Files that a release wrote are restored by every later one. Written once, never rewritten.
//!
//! A new release adds a folder: `NDCOMPACT_WRITE_GOLDEN=1 cargo test --test golden`, which only ever adds files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

use std::fs;
use std::path::{Path, PathBuf};

use ndcompact::engine::{CompactOptions, RestoreOptions, Target, compact, restore};
use ndcompact::recipe::asks_from_json;
use ndcompact::store::Place;

#[expect(clippy::type_complexity, reason = "a table")]
/// Each case: name, NumPy type string, Fortran order, shape, recipe, ending of the packed file.
const CASES: &[(&str, &str, bool, &[usize], &str, &str)] = &[
    ("float16_triangle", "<f8", false, &[3, 6, 6], r#"[{"step":"triangle"},{"step":"cast","to":"float16"}]"#, "npy"),
    (
        "lower_float32",
        ">f8",
        false,
        &[4, 4],
        r#"[{"step":"triangle","kind":"lower"},{"step":"cast","to":"float32"}]"#,
        "npy",
    ),
    ("scale_offset", "<f4", false, &[5, 7], r#"[{"step":"scale-offset","digits":2}]"#, "npy"),
    ("scale_offset_fortran", ">f4", true, &[5, 7], r#"[{"step":"scale-offset","bits":12}]"#, "npy"),
    ("bit_round", "<f8", true, &[5, 7], r#"[{"step":"bit-round","keepbits":9}]"#, "npy"),
    ("bfloat16", "<f4", false, &[9], r#"[{"step":"cast","to":"bfloat16"}]"#, "npy"),
    ("mask", "|b1", false, &[3, 21], r#"[{"step":"bitpack"}]"#, "npy"),
    ("mask_little", "|b1", false, &[3, 21], r#"[{"step":"bitpack","order":"little"}]"#, "npy"),
    ("integers", "<i4", false, &[4, 11], r#"[{"step":"scale-offset","digits":0},{"step":"bitpack"}]"#, "npy"),
    ("no_step", ">i2", true, &[2, 3], "[]", "npy"),
    (
        "float16_triangle_hdf5",
        "<f8",
        false,
        &[3, 6, 6],
        r#"[{"step":"triangle"},{"step":"cast","to":"float16"}]"#,
        "h5",
    ),
    ("scale_offset_hdf5", "<f4", false, &[5, 7], r#"[{"step":"scale-offset","digits":2}]"#, "h5"),
    ("mask_hdf5", "|b1", false, &[3, 21], r#"[{"step":"bitpack"}]"#, "h5"),
];

fn npy(descr: &str, fortran: bool, shape: &[usize]) -> Vec<u8> {
    let n: usize = shape.iter().product();
    let size: usize = descr[2..].parse().unwrap();
    let mut state = 5u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 2000
    };
    let symmetric = shape.len() >= 2 && shape[shape.len() - 1] == shape[shape.len() - 2];
    let last = *shape.last().unwrap();
    let mut values: Vec<f64> = (0..n).map(|_| next() as f64 / 8.0 - 60.0).collect();
    if symmetric {
        for m in values.chunks_exact_mut(last * last) {
            for i in 0..last {
                for j in 0..i {
                    m[i * last + j] = m[j * last + i];
                }
            }
        }
    }
    if descr.ends_with("f4") && n > 8 {
        (values[3], values[5], values[8]) = (f64::NAN, f64::INFINITY, f64::NEG_INFINITY);
    }
    let mut data = Vec::new();
    for x in values {
        let mut bytes = match &descr[1..] {
            "f8" => x.to_le_bytes().to_vec(),
            "f4" => (x as f32).to_le_bytes().to_vec(),
            "b1" => vec![u8::from(x > 30.0)],
            _ => (x as i64).to_le_bytes()[..size].to_vec(),
        };
        if descr.starts_with('>') {
            bytes.reverse();
        }
        data.extend_from_slice(&bytes);
    }
    let shape = shape.iter().map(|d| format!("{d}, ")).collect::<String>();
    let shape = if shape.matches(',').count() == 1 { shape.trim_end() } else { shape.trim_end_matches(", ") };
    let fortran = if fortran { "True" } else { "False" };
    let mut dict = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({shape}), }}");
    while (10 + dict.len() + 1) % 64 != 0 {
        dict.push(' ');
    }
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(dict.len() as u16 + 1).to_le_bytes());
    bytes.extend_from_slice(dict.as_bytes());
    bytes.push(b'\n');
    bytes.extend_from_slice(&data);
    bytes
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn place(path: &Path) -> Place {
    Place { path: path.to_owned(), member: None }
}

fn readable(path: &Path) -> bool {
    cfg!(feature = "hdf5") || path.extension().is_none_or(|e| e != "h5")
}

#[test]
fn files_of_every_release_are_restored_to_the_byte() {
    let current = folder().join(concat!("v", env!("CARGO_PKG_VERSION")));
    if std::env::var_os("NDCOMPACT_WRITE_GOLDEN").is_some() {
        fs::create_dir_all(&current).unwrap();
        for (name, descr, fortran, shape, recipe, ending) in CASES {
            let packed = current.join(format!("{name}.packed.{ending}"));
            let restored = current.join(format!("{name}.restored.npy"));
            if packed.exists() {
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            let source = dir.path().join("in.npy");
            fs::write(&source, npy(descr, *fortran, shape)).unwrap();
            let options = CompactOptions { asks: asks_from_json(recipe).unwrap(), ..Default::default() };
            compact(&place(&source), &Target::Place(place(&packed)), &options).unwrap();
            restore(&place(&packed), &Target::Place(place(&restored)), &RestoreOptions::default()).unwrap();
        }
    }
    let mut seen = 0;
    for release in fs::read_dir(folder()).unwrap() {
        for file in fs::read_dir(release.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let Some((stem, _)) = name.split_once(".packed.") else { continue };
            if !readable(&path) {
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            let out = dir.path().join("out.npy");
            restore(&place(&path), &Target::Place(place(&out)), &RestoreOptions::default())
                .unwrap_or_else(|e| panic!("{name}: {e}"));
            let expected = fs::read(path.with_file_name(format!("{stem}.restored.npy"))).unwrap();
            assert_eq!(fs::read(&out).unwrap(), expected, "{name}");
            seen += 1;
        }
    }
    let known = CASES.iter().filter(|c| readable(Path::new(&format!("x.{}", c.5)))).count();
    assert!(seen >= known, "{seen} golden files, {known} expected");
}

#[test]
fn the_same_input_gives_the_same_npy_bytes_as_at_the_release() {
    let current = folder().join(concat!("v", env!("CARGO_PKG_VERSION")));
    for (name, descr, fortran, shape, recipe, _) in CASES.iter().filter(|c| c.5 == "npy") {
        let dir = tempfile::tempdir().unwrap();
        let (source, out) = (dir.path().join("in.npy"), dir.path().join("out.npy"));
        fs::write(&source, npy(descr, *fortran, shape)).unwrap();
        let options = CompactOptions { asks: asks_from_json(recipe).unwrap(), ..Default::default() };
        compact(&place(&source), &Target::Place(place(&out)), &options).unwrap();
        assert_eq!(fs::read(&out).unwrap(), fs::read(current.join(format!("{name}.packed.npy"))).unwrap(), "{name}");
    }
}
