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

#[test]
fn of_a_file_in_memory_what_lies_in_other_files_is_refused_and_the_rest_is_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".venv/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("NDCOMPACT_REQUIRE_PYTHON").is_none(), "no {}: run `make setup`", python.display());
        eprintln!("skipped: no {} (run `make setup`)", python.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Both files have a dataset of the same name: taking one for the other would go unnoticed.
    let code = "
import h5py, numpy as np, os, sys
os.chdir(sys.argv[1])
with h5py.File('other.h5', 'w') as f:
    f['x'] = np.arange(5.0)
with h5py.File('a.h5', 'w', userblock_size=0) as f:
    f['x'] = -np.arange(5.0)
    f['linked'] = h5py.ExternalLink('other.h5', '/x')
    layout = h5py.VirtualLayout((5,), 'f8')
    layout[:] = h5py.VirtualSource('other.h5', 'x', (5,))
    f.create_virtual_dataset('virtual', layout)
    f.create_dataset('external', (5,), 'f8', external=[('raw.bin', 0, 40)])
";
    let made = Command::new(python).args(["-c", code]).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let bytes = std::fs::read(folder.path().join("a.h5")).unwrap();
    let open = |name: &str| ndcompact::Reader::from_bytes(bytes.clone(), Some(name));
    let own: ndarray::ArrayD<f64> = open("x").unwrap().read().unwrap();
    assert_eq!(own, ndarray::arr1(&[0.0, -1.0, -2.0, -3.0, -4.0]).into_dyn());
    for name in ["linked", "virtual", "external"] {
        let error = open(name).unwrap_err();
        assert!(error.to_string().contains("bytes in memory"), "{name}: {error}");
        assert!(!error.to_string().contains("/dev/null"), "{name}: {error}");
    }
}
