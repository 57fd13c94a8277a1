//! What is not taken into a bundle is named with the reason and counted; small volumes; indexes that were damaged.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

#[path = "common/desk.rs"]
mod desk;

use std::fs;
use std::os::unix::fs::symlink;

use desk::{Desk, bytes, npy};
use ndcompact::store::{TAR_END, tar_header, tar_padding};

/// A desk with `in/a0.npy` to `in/a29.npy`, of 16 kB each.
fn desk() -> Desk {
    let desk = Desk::new();
    fs::create_dir(desk.path("in")).unwrap();
    for i in 0..30u32 {
        let values: Vec<f64> =
            (0..2000u32).map(|k| f64::from(k.wrapping_mul(2_654_435_761) >> 3) * f64::from(i + 1)).collect();
        desk.write(&format!("in/a{i}.npy"), "<f8", &[2000], &bytes(&values));
    }
    desk
}

/// A tar archive of members with a type each; what is no file has no bytes.
fn tar(members: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, content) in members {
        let mut header = Vec::new();
        tar_header(name, content.len() as u64, &mut header);
        header[156] = *kind;
        header[148..156].fill(b' ');
        let sum: u64 = header[..512].iter().map(|b| u64::from(*b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend(header);
        out.extend_from_slice(content);
        out.resize(out.len() + tar_padding(content.len() as u64), 0);
    }
    out.extend_from_slice(&TAR_END);
    out
}

#[test]
fn links_and_sparse_members_are_named_with_the_reason_and_refused_by_strict() {
    let desk = desk();
    symlink("..", desk.path("in/up")).unwrap();
    symlink("nowhere.npy", desk.path("in/gone.npy")).unwrap();
    symlink("a1.npy", desk.path("in/same.npy")).unwrap();
    let array = npy("<f8", &[3], &bytes(&[1.0, 2.0, 3.0]));
    let members: [(&str, u8, &[u8]); 4] =
        [("t/a.npy", b'0', &array), ("t/b.npy", b'1', &[]), ("t/c.npy", b'2', &[]), ("t/d.npy", b'S', &array)];
    fs::write(desk.path("t.tar"), tar(&members)).unwrap();
    let told = desk.json(&["bundle", "in", "t.tar", "-o", "o.tar", "--json"]);
    assert_eq!((told["arrays"].as_u64(), told["skipped"]["others"].as_u64()), (Some(32), Some(5)), "{told}");
    let names = told["skipped"]["other_names"].to_string();
    for words in
        ["in/up: a link", "in/gone.npy: a link", "b.npy: a hard link", "c.npy: a symbolic link", "d.npy: a sparse"]
    {
        assert!(names.contains(words), "{words}: {names}");
    }
    for input in ["in", "t.tar"] {
        desk.fails(2, &["bundle", input, "-o", "s.tar", "--strict"]);
    }
}

#[test]
fn volumes_may_be_smaller_than_a_block() {
    let desk = desk();
    for output in ["o.tar", "o.tar.gz", "o.tar.zst", "o.npz"] {
        let told = desk.json(&["bundle", "in", "-o", output, "--target-size", "50kB", "--json", "--force"]);
        let volumes = told["volumes"].as_array().unwrap();
        assert!(volumes.len() >= 5, "{output}: {volumes:?}");
        for volume in volumes {
            let size = fs::metadata(desk.path(volume.as_str().unwrap())).unwrap().len();
            assert!(size < 60_000, "{volume}: {size}");
        }
    }
}

#[test]
fn a_bundle_in_a_folder_does_not_bring_the_columns_of_its_index() {
    let desk = desk();
    desk.done(&["bundle", "in", "-o", "in/old.tar"]);
    let told = desk.json(&["bundle", "in", "-o", "new.npz", "--json"]);
    // The arrays by themselves and those in the old bundle's volume.
    assert_eq!((told["arrays"].as_u64(), told["skipped"]["others"].as_u64()), (Some(60), Some(1)), "{told}");
    assert!(told["skipped"]["other_names"].to_string().contains("the index of a bundle"));
}

#[test]
fn a_damaged_index_gives_no_array_under_a_wrong_name() {
    let desk = desk();
    desk.done(&["bundle", "in", "-o", "o.tar"]);
    let good = fs::read(desk.path("o.index.npz")).unwrap();
    let mut noticed = 0;
    for at in (0..good.len()).step_by(61) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(desk.path("o.index.npz"), &bad).unwrap();
        let output = desk.run(&["extract", "o.index.npz", "-o", "out", "-q"]);
        if output.status.success() {
            // A byte that says nothing: padding, or a field that only other programs read.
            for i in 0..30 {
                let name = format!("in/a{i}.npy");
                assert_eq!(
                    fs::read(desk.path("out").join(&name)).unwrap(),
                    fs::read(desk.path(&name)).unwrap(),
                    "byte {at}"
                );
            }
            assert_eq!(fs::read_dir(desk.path("out/in")).unwrap().count(), 30, "byte {at}");
        } else {
            noticed += 1;
        }
        let _ = fs::remove_dir_all(desk.path("out"));
    }
    assert!(noticed > 20, "{noticed}");
}
