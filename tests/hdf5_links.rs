//! Datasets that lead to others: virtual ones, hard links, references. Files are made by h5py.
#![cfg(all(feature = "cli", feature = "hdf5"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]
#![allow(clippy::print_stdout, reason = "tests that need a Python say when they are skipped")]

#[path = "common/desk.rs"]
mod desk;

use std::path::Path;
use std::process::Command;

use desk::{Desk, bytes};

/// Runs `script` in the folder of `desk`; `false` where there is no Python.
fn python(desk: &Desk, script: &str) -> bool {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("NDCOMPACT_REQUIRE_PYTHON").is_none(), "{} does not exist", python.display());
        println!("skipped: no Python at {}; `make setup` puts it there", python.display());
        return false;
    }
    let script = format!("import h5py, numpy as np\n{script}");
    let done = Command::new(python).args(["-c", &script]).current_dir(desk.path("")).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    true
}

#[test]
fn a_virtual_dataset_without_one_of_its_sources_is_refused_by_the_source() {
    let desk = Desk::new();
    let made = python(
        &desk,
        r"
import os
os.mkdir('parts')
for name in ['parts/a.h5', 'parts/b.h5']:
    with h5py.File(name, 'w') as f:
        f['x'] = np.arange(6.0)
layout = h5py.VirtualLayout((2, 6), 'f8')
layout[0] = h5py.VirtualSource('parts/a.h5', 'x', (6,))
layout[1] = h5py.VirtualSource('parts/b.h5', 'x', (6,))
with h5py.File('v.h5', 'w') as f:
    f.create_virtual_dataset('v', layout, fillvalue=-1)
own = h5py.VirtualLayout((6,), 'f8')
own[:] = h5py.VirtualSource('.', 'x', (6,))
with h5py.File('own.h5', 'w') as f:
    f['x'] = np.arange(6.0)
    f.create_virtual_dataset('v', own, fillvalue=-1)
",
    );
    if !made {
        return;
    }
    desk.done(&["v.h5:/v", "-o", "whole.npy"]);
    desk.done(&["own.h5:/v", "-o", "own.npy"]);
    desk.write("six.npy", "<f8", &[6], &bytes(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
    desk.done(&["verify", "six.npy", "own.npy"]);
    // Found from the file's folder, wherever the program runs.
    let there = desk.path("v.h5").display().to_string() + ":/v";
    let elsewhere = desk.command(&["info", &there]).current_dir("/").output().unwrap();
    assert!(elsewhere.status.success(), "{}", String::from_utf8_lossy(&elsewhere.stderr));

    std::fs::rename(desk.path("parts/b.h5"), desk.path("parts/gone.h5")).unwrap();
    for args in
        [&["v.h5:/v", "--max-abs", "0", "-o", "x.h5"][..], &["info", "v.h5:/v"], &["verify", "whole.npy", "v.h5:/v"]]
    {
        let message = desk.fails(2, args);
        assert!(message.contains("source parts/b.h5:x is not there"), "{message}");
    }
    std::fs::rename(desk.path("parts/gone.h5"), desk.path("parts/b.h5")).unwrap();
    desk.done(&["verify", "whole.npy", "v.h5:/v"]);
    python(&desk, "f = h5py.File('own.h5', 'a'); del f['x']");
    assert!(desk.fails(2, &["own.h5:/v", "-o", "x.npy"]).contains("own.h5:x is not there"));
}

#[test]
fn a_fixed_shape_that_something_else_leads_to_is_not_made_anew() {
    let desk = Desk::new();
    let make = |name: &str| desk.done(&["sym.npy", "--max-abs", "1e-3", "-o", name]);
    let ways = [
        ("link", "f['h'] = f['data']", "1 more hard link"),
        ("reference", "f.create_dataset('r', data=f['data'].ref, dtype=h5py.ref_dtype)", "/r holds references"),
        ("attribute", "f.attrs['r'] = f['data'].ref", "attribute r"),
    ];
    for (name, script, says) in ways {
        let file = format!("{name}.h5");
        make(&file);
        if !python(&desk, &format!("f = h5py.File('{file}', 'a')\n{script}")) {
            return;
        }
        let before = std::fs::read(desk.path(&file)).unwrap();
        let message = desk.fails(2, &["append", &format!("{file}:/data"), "sym.npy"]);
        assert!(message.contains(says) && message.contains("NEW.h5"), "{message}");
        assert!(std::fs::read(desk.path(&file)).unwrap() == before);
    }
    // Another dataset, its scales, and a soft link are in nobody's way; the soft link finds the new one.
    make("free.h5");
    python(
        &desk,
        r"
with h5py.File('free.h5', 'a') as f:
    f['y'] = np.arange(3.0)
    f['s'] = np.arange(3.0)
    f['s'].make_scale()
    f['y'].dims[0].attach_scale(f['s'])
    f['soft'] = h5py.SoftLink('/data')
",
    );
    desk.done(&["append", "free.h5:/data", "sym.npy"]);
    python(&desk, "f = h5py.File('free.h5'); assert f['soft'].maxshape[0] is None and f['soft'].shape[0] == 120");
}

#[test]
fn chunks_that_are_columns_come_out_in_their_places() {
    let desk = Desk::new();
    let values: Vec<f64> = (0..900_000).map(|i| f64::from(i % 7919) / 8.0).collect();
    desk.write("c.npy", "<f8", &[3000, 300], &bytes(&values));
    let columns =
        "f = h5py.File('c.h5', 'w'); f.create_dataset('d', data=np.load('c.npy'), chunks=(3000, 1), compression=1)";
    if !python(&desk, columns) {
        return;
    }
    desk.done(&["c.h5:/d", "-o", "c2.npy"]);
    desk.done(&["verify", "c.npy", "c2.npy"]);
    python(&desk, "np.save('f.npy', np.asfortranarray(np.load('c.npy')))");
    desk.done(&["f.npy", "--max-abs", "0", "-o", "f.h5"]);
    desk.done(&["restore", "f.h5", "-o", "f2.npy"]);
    python(&desk, "assert open('f.npy', 'rb').read() == open('f2.npy', 'rb').read()");
}
