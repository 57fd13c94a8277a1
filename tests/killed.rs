//! A process that ends at any moment, or meets a full disk, leaves its input as it was and no output at all.
#![cfg(all(feature = "cli", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const COMPACT: &str = env!("CARGO_BIN_EXE_compact");

/// A stack of zero matrices, sparse on disk, that takes a while to work through.
fn large(path: &Path, matrices: u64) {
    let shape = format!("({matrices}, 141, 141)");
    let mut dict = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + dict.len() + 1) % 64 != 0 {
        dict.push(' ');
    }
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(dict.len() as u16 + 1).to_le_bytes());
    bytes.extend_from_slice(dict.as_bytes());
    bytes.push(b'\n');
    fs::write(path, &bytes).unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(bytes.len() as u64 + matrices * 141 * 141 * 8).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_process_killed_in_the_middle_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.npy");
    large(&input, 20_000);
    let before = fs::metadata(&input).unwrap().modified().unwrap();
    let endings: &[&str] = if cfg!(feature = "hdf5") { &["npy", "h5"] } else { &["npy"] };
    for ending in endings {
        let mut killed = 0;
        for delay in [1, 5, 20, 60, 150] {
            let output = dir.path().join(format!("out.{ending}"));
            let mut child = Command::new(COMPACT)
                .args([&input, Path::new("--f16"), Path::new("--triangle"), Path::new("-o"), &output])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(delay));
            child.kill().unwrap();
            let finished = child.wait().unwrap().success();
            if finished {
                fs::remove_file(&output).unwrap();
            } else {
                killed += 1;
            }
            assert_eq!(names(dir.path()), ["in.npy"], "after {delay} ms");
        }
        assert!(killed > 0, "every run was over before it could be killed");
    }
    assert_eq!(fs::metadata(&input).unwrap().modified().unwrap(), before);
}

#[test]
fn an_archive_that_is_killed_while_arrays_are_added_is_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (small, input, archive) = (dir.path().join("s.npy"), dir.path().join("in.npy"), dir.path().join("a.npz"));
    large(&small, 1);
    large(&input, 20_000);
    let done = Command::new(COMPACT).args([&small, Path::new("-o"), &archive, Path::new("-q")]).status().unwrap();
    assert!(done.success());
    fs::remove_file(&small).unwrap();
    let before = fs::read(&archive).unwrap();
    let mut killed = 0;
    for delay in [1, 5, 20, 60, 150] {
        let mut child = Command::new(COMPACT)
            .args([Path::new("append"), &archive, &input])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            fs::write(&archive, &before).unwrap();
        } else {
            killed += 1;
        }
        assert!(fs::read(&archive).unwrap() == before, "after {delay} ms");
        assert_eq!(names(dir.path()), ["a.npz", "in.npy"], "after {delay} ms");
    }
    assert!(killed > 0, "every run was over before it could be killed");
}

#[test]
fn a_file_size_limit_or_full_disk_is_an_error_that_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.npy");
    large(&input, 100);
    let output = dir.path().join("out.npy");
    // 100 blocks of 512 or 1024 bytes; the signal that would end the process is ignored so that the write itself fails.
    let script =
        format!("trap '' XFSZ; ulimit -f 100; exec '{COMPACT}' '{}' -o '{}'", input.display(), output.display());
    let done = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(done.status.code(), Some(2), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stderr).contains("out.npy"), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(names(dir.path()), ["in.npy"]);
    if cfg!(feature = "hdf5") {
        let output = dir.path().join("out.h5");
        let script = format!(
            "trap '' XFSZ; ulimit -f 100; exec '{COMPACT}' '{}' --codec none -o '{}'",
            input.display(),
            output.display()
        );
        let done = Command::new("bash").args(["-c", &script]).output().unwrap();
        let message = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{message}");
        assert!(message.contains("File too large"), "the system's own reason is missing in {message}");
        assert_eq!(names(dir.path()), ["in.npy"]);
    }
}
