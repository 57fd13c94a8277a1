//! Ragged files as people make, merge and restore them: what would break the items is refused, names that come twice come back.
#![cfg(all(feature = "cli", feature = "hdf5"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

#[path = "common/desk.rs"]
mod desk;

use std::fs;

use desk::{Desk, bytes};
use ndcompact::collect::ragged::Ragged;

/// `a/img0.npy` to `a/img4.npy` and `b/…` of the same names: other values and shapes.
fn desk() -> Desk {
    let desk = Desk::new();
    for (folder, base) in [("a", 0usize), ("b", 50)] {
        fs::create_dir(desk.path(folder)).unwrap();
        for i in 0..5usize {
            let values: Vec<f64> = (0..(i + 1) * 3).map(|k| (base + i * 7 + k) as f64).collect();
            desk.write(&format!("{folder}/img{i}.npy"), "<f8", &[i + 1, 3], &bytes(&values));
        }
    }
    desk
}

fn elements(npy: &[u8]) -> &[u8] {
    let header = u16::from_le_bytes([npy[8], npy[9]]) as usize;
    &npy[10 + header..]
}

#[test]
fn rows_behind_one_dataset_of_a_ragged_array_are_refused_and_it_stays_sound() {
    let desk = desk();
    desk.done(&["ragged", "a", "-o", "r.h5", "-q"]);
    desk.write("v.npy", "<f8", &[4], &bytes(&[1.0; 4]));
    desk.write("n.npy", "<i8", &[2], &[0; 16]);
    let before = fs::read(desk.path("r.h5")).unwrap();
    for (to, more) in
        [("r.h5:/values", "v.npy"), ("r.h5:values", "v.npy"), ("r.h5:/row_size", "n.npy"), ("r.h5", "v.npy")]
    {
        for extra in [&["append", to, more][..], &["append", to, more, "--dry-run"]] {
            let error = desk.fails(2, extra);
            assert!(error.contains("compact ragged MORE --append -o r.h5"), "{to}: {error}");
        }
    }
    assert!(fs::read(desk.path("r.h5")).unwrap() == before);
    // Another array in the same file may grow.
    desk.done(&["v.npy", "--codec", "deflate", "-o", "r.h5:/mine", "-q"]);
    desk.done(&["append", "r.h5:/mine", "v.npy", "-q"]);
    desk.done(&["restore", "r.h5", "--item", "4", "-o", "x.npy", "-q"]);
    assert_eq!(elements(&fs::read(desk.path("x.npy")).unwrap()), elements(&fs::read(desk.path("a/img4.npy")).unwrap()));
}

#[test]
fn a_file_of_which_one_dataset_grew_alone_gets_no_more_items() {
    use ndcompact::engine::{ArrayWriter, WriterOptions};
    use ndcompact::store::Place;
    let desk = desk();
    desk.done(&["ragged", "a", "-o", "r.h5", "-q"]);
    let place = Place { path: desk.path("r.h5"), member: Some("/values".to_owned()) };
    let mut values = ArrayWriter::open(&place, &WriterOptions::default()).unwrap();
    values.push(ndarray::arr1(&[1.0, 2.0]).into_dyn().view()).unwrap();
    values.finish().unwrap();
    let before = fs::read(desk.path("r.h5")).unwrap();
    for args in [&["ragged", "b", "-o", "r.h5", "--append"][..], &["ragged", "r.h5", "-o", "n.h5"], &["info", "r.h5"]] {
        let error = desk.fails(2, args);
        assert!(error.contains("end at 45") && error.contains("47"), "{args:?}: {error}");
    }
    assert!(fs::read(desk.path("r.h5")).unwrap() == before);
}

#[test]
fn names_that_come_twice_are_refused_where_they_would_meet_and_come_back_otherwise() {
    let desk = desk();
    desk.done(&["ragged", "a", "b", "-o", "r.h5", "-q"]);
    for output in ["back", "back.npz"] {
        let error = desk.fails(2, &["restore", "r.h5", "-o", output, "--force"]);
        assert!(error.contains("img0") && error.contains("--items"), "{error}");
        assert!(!error.contains(".tmp"), "{error}");
    }
    for (items, from) in [(":5", "a"), ("5:", "b")] {
        desk.done(&["restore", "r.h5", "--items", items, "-o", from.to_uppercase().as_str(), "-q"]);
        for i in 0..5 {
            let (back, truth) = (format!("{}/img{i}.npy", from.to_uppercase()), format!("{from}/img{i}.npy"));
            let (back, truth) = (fs::read(desk.path(&back)).unwrap(), fs::read(desk.path(&truth)).unwrap());
            assert_eq!(elements(&back), elements(&truth), "{from}/img{i}");
        }
    }
}

#[test]
fn a_ragged_file_as_input_gives_its_items_with_names_and_shapes() {
    let desk = desk();
    desk.done(&["ragged", "a", "-o", "one.h5", "-q"]);
    desk.done(&["ragged", "b", "-o", "two.h5", "-q"]);
    let told = desk.json(&["ragged", "one.h5", "two.h5", "-o", "both.h5", "--json"]);
    assert_eq!((told["items"].as_u64(), told["axes"].as_u64()), (Some(10), Some(2)));
    desk.done(&["ragged", "one.h5", "-o", "both.h5", "--append", "-q"]);
    let both = Ragged::open(&desk.path("both.h5")).unwrap();
    assert_eq!(both.len(), 15);
    for i in 0..15 {
        let from = format!("{}/img{}.npy", if i / 5 == 1 { "b" } else { "a" }, i % 5);
        assert_eq!(both.shape(i).unwrap(), [i % 5 + 1, 3]);
        assert_eq!(both.name(i).unwrap(), Some(format!("img{}", i % 5)));
        assert_eq!(both.item(i).unwrap().1.bytes(), elements(&fs::read(desk.path(&from)).unwrap()), "{i}");
    }
    // The output as input, and items that are not as the others.
    let error = desk.fails(2, &["ragged", "a", "both.h5", "-o", "both.h5", "--append"]);
    assert!(error.contains("both.h5 is an input and the output"), "{error}");
    desk.fails(2, &["ragged", "both.h5", "-o", "both.h5", "--force"]);
    let error = desk.fails(2, &["ragged", "one.h5", "sym.npy", "-o", "n.h5"]);
    assert!(error.contains("3 axes") && error.contains("with 2"), "{error}");
    assert_eq!(Ragged::open(&desk.path("both.h5")).unwrap().len(), 15);
}

#[test]
fn ranges_that_mean_nothing_are_refused() {
    let desk = desk();
    desk.done(&["ragged", "a", "-o", "r.h5", "-q"]);
    for bad in ["0:5:0", "5:0:0", "", "1,2"] {
        desk.fails(2, &["restore", "r.h5", "--items", bad, "-o", "back"]);
    }
}
