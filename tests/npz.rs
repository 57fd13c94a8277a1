//! Archives read and mapped from the library: what is stored is seen in place, what is damaged is an error that names it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, arr2};
use ndcompact::store::{Archive, Mapped, members};
use ndcompact::{ErrorKind, Npz, Reader};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

fn doubles(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_le_bytes).collect()
}

/// Writes an archive with another program's hand.
fn archive(path: &Path, method: CompressionMethod, members: &[(&str, Vec<u8>)]) {
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npz");
    (dir, path)
}

#[test]
fn members_are_seen_in_place_whatever_their_alignment_and_byte_order() {
    let (_dir, path) = folder();
    let values = [1.0f64, 2.0, 3.0, 4.0, 5.0, 6.0];
    let big: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
    // Names of many lengths put the data at all alignments.
    let mut files: Vec<(String, Vec<u8>)> =
        (1..=40).map(|n| ("n".repeat(n) + ".npy", npy("<f8", false, "(2, 3)", &doubles(values)))).collect();
    files.push(("fortran.npy".into(), npy("<f8", true, "(2, 3)", &doubles([1.0, 4.0, 2.0, 5.0, 3.0, 6.0]))));
    files.push(("big.npy".into(), npy(">f8", false, "(2, 3)", &big)));
    files.push(("bigfortran.npy".into(), npy(">f8", true, "(3, 2)", &big)));
    let members: Vec<(&str, Vec<u8>)> = files.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
    archive(&path, CompressionMethod::Stored, &members);
    let npz = Npz::open(&path).unwrap();
    let expected: ArrayD<f64> = arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).into_dyn();
    let (mut views, mut scattered) = (0, 0);
    for name in npz.names().filter(|n| *n != "bigfortran") {
        let array = npz.get::<f64>(name).unwrap();
        assert_eq!(array.to_cow(), expected, "{name}");
        assert_eq!(array.at(&[1, 0]), Some(4.0));
        assert_eq!((array.at(&[2, 0]), array.at(&[0])), (None, None));
        assert!(array.is_in_place());
        match array {
            Mapped::View(_) => views += 1,
            Mapped::Scattered(_) => scattered += 1,
            Mapped::Owned(_) => panic!("{name} was copied"),
        }
        npz.verify(name).unwrap();
    }
    assert!(views >= 1 && scattered >= 2, "{views} {scattered}");
    let turned = npz.get::<f64>("bigfortran").unwrap();
    assert_eq!(turned.to_cow(), expected.t());
    assert_eq!(npz.get::<f32>("big").unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(npz.get::<f64>("none").unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn compressed_members_are_unpacked_and_booleans_must_be_booleans() {
    let (_dir, path) = folder();
    let many = doubles((0..100_000).map(f64::from));
    archive(
        &path,
        CompressionMethod::Deflated,
        &[
            ("a.npy", npy("<f8", false, "(100000,)", &many)),
            ("f.npy", npy("<f8", true, "(2, 2)", &doubles([1.0, 2.0, 3.0, 4.0]))),
            ("e.npy", npy("<f8", false, "(0, 7)", &[])),
            ("s.npy", npy("<f8", false, "()", &doubles([9.0]))),
        ],
    );
    let npz = Npz::open(&path).unwrap();
    let a = npz.get::<f64>("a").unwrap();
    assert!(!a.is_in_place());
    assert_eq!(a.at(&[99_999]), Some(99_999.0));
    assert_eq!(npz.get::<f64>("f").unwrap().at(&[0, 1]), Some(3.0));
    assert_eq!(npz.get::<f64>("e").unwrap().shape(), [0, 7]);
    assert_eq!(npz.get::<f64>("s").unwrap().at(&[]), Some(9.0));
    let mut bytes = Vec::new();
    npz.archive().unpack("a").unwrap().read_to_end(&mut bytes).unwrap();
    assert!(bytes.ends_with(&many));
    // And by position, as the command reads them.
    let reader = Reader::open(&format!("{}:a", path.display())).unwrap();
    assert_eq!(reader.slice::<f64>("99998:").unwrap().to_vec_of(), [99_998.0, 99_999.0]);

    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let good = npy("|b1", false, "(3,)", &[0, 1, 1]);
        let bad = npy("|b1", false, "(3,)", &[0, 1, 2]);
        archive(&path, method, &[("good.npy", good), ("bad.npy", bad), ("e.npy", npy("|b1", false, "(0,)", &[]))]);
        let npz = Npz::open(&path).unwrap();
        assert_eq!(npz.get::<bool>("good").unwrap().at(&[1]), Some(true));
        assert_eq!(npz.get::<bool>("e").unwrap().shape(), [0]);
        let error = npz.get::<bool>("bad").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("bad"), "{error}");
    }
}

trait Flat {
    fn to_vec_of(&self) -> Vec<f64>;
}

impl Flat for ArrayD<f64> {
    fn to_vec_of(&self) -> Vec<f64> {
        self.iter().copied().collect()
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// Where the `i`-th entry of the directory is.
fn entry(bytes: &[u8], i: usize) -> usize {
    (0..bytes.len() - 4).filter(|at| &bytes[*at..at + 4] == b"PK\x01\x02").nth(i).unwrap()
}

fn expect(path: &Path, bytes: &[u8], name: &str, kind: ErrorKind, says: &[&str]) {
    fs::write(path, bytes).unwrap();
    let failed = |error: ndcompact::Error| {
        assert_eq!(error.kind(), kind, "{error}");
        for word in says {
            assert!(error.to_string().contains(word), "{word:?} is missing in {error}");
        }
    };
    match Npz::open(path) {
        Err(error) => failed(error),
        Ok(npz) => {
            let read = npz.get::<f64>(name).map(|_| ()).and_then(|()| npz.verify(name));
            failed(read.expect_err("it should be refused"));
        }
    }
    // The command's way through it ends with an error as well.
    let place = format!("{}:{name}", path.display());
    let all = Reader::open(&place).and_then(|r| r.read::<f64>());
    if !says.contains(&"checksum") {
        assert!(all.is_err(), "{says:?}");
    }
}

#[test]
fn forged_and_damaged_archives_are_refused_by_the_name_of_the_member() {
    let (_dir, path) = folder();
    let data = doubles((0..5000).map(|i| f64::from(i) * 0.37));
    let files = [("one.npy", npy("<f8", false, "(5000,)", &data)), ("two.npy", npy("<f8", false, "(5000,)", &data))];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        archive(&path, method, &files);
        let good = fs::read(&path).unwrap();
        let stored = method == CompressionMethod::Stored;
        let (first, second) = (entry(&good, 0), entry(&good, 1));
        let with = |at: usize, value: &[u8]| {
            let mut bytes = good.clone();
            put(&mut bytes, at, value);
            bytes
        };
        use ErrorKind::{Corrupt, Unsupported};
        // It unpacks to more than it claims, to less, to another sum.
        let size = files[0].1.len() as u32;
        expect(&path, &with(first + 24, &(size - 8).to_le_bytes()), "one", Corrupt, &["one"]);
        expect(&path, &with(first + 24, &(size + 8).to_le_bytes()), "one", Corrupt, &["one"]);
        expect(&path, &with(first + 16, &[1, 2, 3, 4]), "one", Corrupt, &["one", "checksum"]);
        // More than could ever be packed into it.
        expect(&path, &with(first + 24, &0xffff_fff0u32.to_le_bytes()), "one", Corrupt, &["one"]);
        for method in [9u16, 93] {
            let mut bytes = with(first + 24, &0xffff_fff0u32.to_le_bytes());
            put(&mut bytes, first + 10, &method.to_le_bytes());
            expect(&path, &bytes, "one", Corrupt, &["one", "cannot be packed"]);
        }
        // Both have the same bytes.
        expect(&path, &with(second + 42, &0u32.to_le_bytes()), "two", Corrupt, &["overlaps"]);
        // It lies outside, or reaches into the directory.
        expect(&path, &with(second + 42, &0x7fff_ffffu32.to_le_bytes()), "two", Corrupt, &["two.npy"]);
        expect(&path, &with(second + 20, &0x00ff_ffffu32.to_le_bytes()), "two", Corrupt, &["two.npy"]);
        // Another name before the data.
        expect(&path, &with(30, b"owe"), "one", Corrupt, &["one", "another name"]);
        expect(&path, &with(0, b"XX"), "one", Corrupt, &["one", "no header"]);
        // Encrypted, of an unknown method, in parts.
        expect(&path, &with(first + 8, &1u16.to_le_bytes()), "one", Unsupported, &["one", "encrypted"]);
        expect(&path, &with(first + 10, &12u16.to_le_bytes()), "one", Unsupported, &["one", "method 12"]);
        let end = good.len() - 22;
        expect(&path, &with(end + 4, &1u16.to_le_bytes()), "one", Unsupported, &["parts"]);
        // A directory that is larger than it can be, or elsewhere.
        expect(&path, &with(end + 10, &60_000u16.to_le_bytes()), "one", Corrupt, &["60000 members"]);
        expect(&path, &with(end + 12, &0x7fff_ffffu32.to_le_bytes()), "one", Corrupt, &["directory"]);
        // Names that are not UTF-8.
        let mut bytes = with(first + 46, b"\xff");
        put(&mut bytes, first + 8, &(1u16 << 11).to_le_bytes());
        expect(&path, &bytes, "one", Corrupt, &["UTF-8"]);
        // The tail is missing.
        for cut in [1, 10, 22, 60, good.len() - 100] {
            expect(&path, &good[..good.len() - cut], "one", Corrupt, &[]);
        }
        if !stored {
            // Bytes of the stream itself.
            let mut bytes = good.clone();
            bytes[200..260].fill(0xff);
            expect(&path, &bytes, "one", Corrupt, &["one"]);
        }
    }
}

#[test]
fn no_flipped_bit_makes_a_panic_and_none_in_data_goes_unnoticed() {
    let (_dir, path) = folder();
    let data = doubles((0..40).map(f64::from));
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        archive(&path, method, &[("a.npy", npy("<f8", false, "(40,)", &data))]);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            let Ok(npz) = Npz::open(&path) else { continue };
            let Ok(array) = npz.get::<f64>("a") else { continue };
            if npz.verify("a").is_ok() {
                assert_eq!(array.to_cow().as_slice().map(|s| s[39]), Some(39.0), "byte {at}");
            }
        }
    }
}

#[test]
fn two_members_of_one_name_are_not_guessed_at() {
    let (_dir, path) = folder();
    let data = npy("<f8", false, "(1,)", &doubles([1.0]));
    archive(&path, CompressionMethod::Stored, &[("aa.npy", data.clone()), ("bb.npy", data.clone()), ("c.npy", data)]);
    let mut bytes = fs::read(&path).unwrap();
    let second = entry(&bytes, 1);
    put(&mut bytes, second + 46, b"aa");
    fs::write(&path, &bytes).unwrap();
    let npz = Npz::open(&path).unwrap();
    let error = npz.get::<f64>("aa").unwrap_err();
    assert!(error.to_string().contains("member aa") && error.to_string().contains("several"), "{error}");
    assert_eq!(npz.get::<f64>("c").unwrap().at(&[0]), Some(1.0));
}

#[test]
fn archives_behind_other_bytes_and_with_comments_are_read() {
    let (_dir, path) = folder();
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    let _ = zip.set_comment("PK\u{5}\u{6} is no end");
    zip.start_file("größe/x.npy", SimpleFileOptions::default().large_file(true)).unwrap();
    zip.write_all(&npy("<f8", false, "(2,)", &doubles([1.0, 2.0]))).unwrap();
    zip.add_directory("folder/", SimpleFileOptions::default()).unwrap();
    zip.start_file("notes.txt", SimpleFileOptions::default()).unwrap();
    zip.finish().unwrap();
    assert_eq!(members(&path).unwrap(), ["größe/x"]);
    assert_eq!(Archive::open(&path).unwrap().others().collect::<Vec<_>>(), ["notes.txt"]);
    let mut bytes = b"#!/bin/sh\nexit\n".to_vec();
    bytes.extend(fs::read(&path).unwrap());
    fs::write(&path, bytes).unwrap();
    let npz = Npz::open(&path).unwrap();
    assert_eq!(npz.get::<f64>("größe/x").unwrap().at(&[1]), Some(2.0));
}
