//! Several programs that write into one HDF5 file at the same time: nothing that was said to be written is lost.
#![cfg(all(feature = "cli", feature = "hdf5", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

#[path = "common/desk.rs"]
mod desk;

use desk::{Desk, bytes};
use ndcompact::Reader;
use ndcompact::store::Place;
use ndcompact::store::hdf5::{Container, Lock, list};

const WRITERS: usize = 4;

fn desk() -> Desk {
    let desk = Desk::new();
    let values: Vec<f64> = (0..40_000).map(|i| f64::from(i % 977) / 8.0).collect();
    desk.write("more.npy", "<f8", &[400, 100], &bytes(&values));
    desk
}

/// Runs all at once: those that succeeded.
fn at_once(desk: &Desk, all: &[Vec<String>]) -> Vec<usize> {
    let start = |args: &Vec<String>| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = desk.command(&args);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let started: Vec<_> = all.iter().map(start).collect();
    let mut succeeded = Vec::new();
    for (i, child) in started.into_iter().enumerate() {
        let done = child.wait_with_output().unwrap();
        let message = String::from_utf8(done.stderr).unwrap();
        match done.status.code() {
            Some(0) => succeeded.push(i),
            Some(2) => {
                let names_it = ["another program is adding to", "appeared while it was being made", "exists already"];
                assert!(names_it.iter().any(|n| message.contains(n)), "{message}");
            }
            other => panic!("{other:?}: {message}"),
        }
    }
    assert!(!succeeded.is_empty());
    succeeded
}

fn words(line: String) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn datasets_added_at_once_are_there_or_were_refused() {
    let desk = desk();
    for with in ["", " --max-abs 1e-2", " --force"] {
        for made_before in [true, false] {
            let _ = std::fs::remove_file(desk.path("m.h5"));
            if made_before {
                desk.done(&["more.npy", "-o", "m.h5:/z"]);
            }
            let all: Vec<_> = (0..WRITERS).map(|i| words(format!("more.npy -o m.h5:/d{i}{with}"))).collect();
            let succeeded = at_once(&desk, &all);
            let held: Vec<String> = list(&desk.path("m.h5")).unwrap().into_iter().map(|(name, _)| name).collect();
            let mut expected: Vec<String> = succeeded.iter().map(|i| format!("/d{i}")).collect();
            expected.extend(made_before.then(|| "/z".to_owned()));
            assert_eq!(held, expected, "{with}, made before: {made_before}");
        }
    }
}

#[test]
fn rows_appended_at_once_are_there_or_were_refused() {
    let desk = desk();
    for with in ["--codec zstd", "--max-abs 1e-2"] {
        desk.done(&[vec!["more.npy", "-o", "a.h5", "--force"], with.split(' ').collect()].concat());
        // The first time the dataset is made anew, then it grows as it is.
        for _ in 0..2 {
            let rows = || Reader::at(&Place { path: desk.path("a.h5"), member: None }).unwrap().spec().shape()[0];
            let before = rows();
            let all = vec![words("append a.h5 more.npy".to_owned()); WRITERS];
            let succeeded = at_once(&desk, &all).len() as u64;
            let after = rows();
            assert_eq!(after, before + 400 * succeeded, "{with}");
        }
    }
}

#[test]
fn ragged_items_added_at_once_are_there_or_were_refused() {
    let desk = desk();
    desk.write("few.npy", "<f8", &[2, 3], &bytes(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    desk.done(&["ragged", "few.npy", "more.npy", "-o", "r.h5"]);
    let all = vec![words("ragged few.npy more.npy --append -o r.h5".to_owned()); WRITERS];
    let before = desk.json(&["info", "r.h5", "--json"]);
    let succeeded = at_once(&desk, &all).len();
    let after = desk.json(&["info", "r.h5", "--json"]);
    assert_eq!(after["items"].as_u64().unwrap(), before["items"].as_u64().unwrap() + 2 * succeeded as u64);
    desk.done(&["restore", "r.h5", "--dry-run"]);
}

#[test]
fn the_second_writer_is_refused_at_once_and_readers_are_not_disturbed() {
    let desk = desk();
    desk.done(&["more.npy", "-o", "a.h5:/x"]);
    let before = std::fs::read(desk.path("a.h5")).unwrap();
    let lock = Lock::take(&desk.path("a.h5")).unwrap();
    let writes: [&[&str]; 3] =
        [&["append", "a.h5", "more.npy"], &["more.npy", "-o", "a.h5:/y"], &["sym.npy", "-o", "a.h5:/x", "--force"]];
    for args in writes {
        let message = desk.fails(2, args);
        assert!(message.contains("another program is adding to a.h5"), "{message}");
    }
    let reads: [&[&str]; 3] = [&["info", "a.h5"], &["verify", "more.npy", "a.h5"], &["a.h5", "-o", "copy.npy"]];
    for args in reads {
        desk.done(args);
    }
    let container = Container::open_locked(lock).unwrap();
    assert!(Container::open(&desk.path("a.h5")).is_err());
    desk.done(&["info", "a.h5"]);
    drop(container);
    assert_eq!(std::fs::read(desk.path("a.h5")).unwrap(), before);
    assert_eq!(desk.names(), ["a.h5", "copy.npy", "more.npy", "sym.npy"]);
    for args in writes {
        desk.done(args);
    }
}
