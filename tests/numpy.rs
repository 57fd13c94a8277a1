//! NumPy as the judge: `tests/interop/npy_peers.py` runs the built command and compares every array with NumPy's own,
//! `metric_peers.py` every figure of a report.
#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that fails should say where"
)]

use std::path::Path;
use std::process::Command;

fn judge(script: &str, says: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".venv/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("NDCOMPACT_REQUIRE_PYTHON").is_none(), "no {}: run `make setup`", python.display());
        eprintln!("skipped: no {} (run `make setup`)", python.display());
        return;
    }
    let script = root.join("tests/interop").join(script);
    let done = Command::new(python).arg(script).arg(env!("CARGO_BIN_EXE_compact")).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}{err}");
    assert!(out.contains(says), "{out}");
}

#[test]
fn numpy_reads_what_is_written_and_computes_the_same_bits() {
    judge("npy_peers.py", "arrays compared with NumPy");
}

#[test]
fn archives_of_numpy_and_zipfile_are_read_and_ours_are_read_by_them() {
    judge("npz_peers.py", "arrays compared with NumPy and zipfile");
}

#[test]
fn every_figure_of_a_report_is_numpys_and_no_trap_fools_a_verdict() {
    judge("metric_peers.py", " 0 differ");
}

#[cfg(feature = "hdf5")]
#[test]
fn xarray_decodes_cf_attributes_and_inputs_are_never_replaced() {
    judge("cf_peers.py", "CF attributes decoded by xarray");
}
