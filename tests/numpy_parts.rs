//! NumPy as the judge of slices: `tests/interop/parts_peers.py` takes them with the built command.
#![cfg(all(feature = "cli", feature = "hdf5"))]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that fails should say where")]

use std::path::Path;
use std::process::Command;

#[test]
fn the_command_takes_the_slices_that_numpy_takes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".venv/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("NDCOMPACT_REQUIRE_PYTHON").is_none(), "no {}: run `make setup`", python.display());
        eprintln!("skipped: no {} (run `make setup`)", python.display());
        return;
    }
    let script = root.join("tests/interop/parts_peers.py");
    let done = Command::new(python).arg(script).arg(env!("CARGO_BIN_EXE_compact")).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}{err}");
    assert!(out.contains("slices as NumPy takes them"), "{out}");
}
