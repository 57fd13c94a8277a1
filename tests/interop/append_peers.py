"""Appends to files of NumPy, h5py, netCDF4-like and our own making, each read by its peer after every append.

Usage: append_peers.py COMPACT
"""

import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import xarray as xr

compact = str(pathlib.Path(sys.argv[1]).resolve())
count = 0


def run(folder, *args, code=0):
    done = subprocess.run([compact, *map(str, args)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == code, (args, done.stdout, done.stderr)
    return done


def same(found, expected, what):
    global count
    assert found.dtype == expected.dtype and found.shape == expected.shape, (what, found.dtype, found.shape, expected.shape)
    assert np.array_equal(found, expected, equal_nan=expected.dtype.kind in "fc"), what
    count += 1


rng = np.random.default_rng(3)


def parts(kind, shape):
    def one(n):
        x = rng.normal(size=(n, *shape)) * 100
        return (x > 0) if kind == "?" else x.astype(kind)

    return [one(n) for n in (7, 1, 30, 13)]


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    # NumPy's own files of every dtype and both byte orders, in place.
    for kind in ["?", "<i1", "<i2", ">i4", "<i8", "<u2", "<f2", "<f4", ">f8", "<c8", "<c16"]:
        for shape in [(), (5,), (3, 4)]:
            pieces = parts(kind, shape)
            np.save(folder / "a.npy", pieces[0])
            for i, piece in enumerate(pieces[1:], 2):
                np.save(folder / "b.npy", piece)
                run(folder, "append", "a.npy", "b.npy")
                expected = np.concatenate(pieces[:i]).astype(kind)
                same(np.load(folder / "a.npy"), expected, (kind, shape))
                same(np.array(np.load(folder / "a.npy", mmap_mode="r")), expected, (kind, shape))
    # Fortran order cannot grow along its first axis.
    np.save(folder / "f.npy", np.asfortranarray(np.ones((3, 4))))
    np.save(folder / "one.npy", np.ones((1, 4)))
    assert "Fortran order" in run(folder, "append", "f.npy", "one.npy", code=2).stderr
    # ... but rows in Fortran order can be appended.
    pieces = parts("<f8", (3, 4))
    np.save(folder / "c.npy", pieces[0])
    np.save(folder / "d.npy", np.asfortranarray(pieces[2]))
    run(folder, "append", "c.npy", "d.npy")
    same(np.load(folder / "c.npy"), np.concatenate([pieces[0], pieces[2]]), "Fortran rows")

    # Ordinary datasets of h5py with the filters and chunks that it has, beside others and with attributes.
    for filters in [{}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"}, {"fletcher32": True}]:
        for chunks in [(4, 3, 2), (1, 5, 4), (16, 2, 4), True]:
            for kind in ["<f8", ">f4", "<i2", "?"]:
                pieces = parts(kind, (5, 4))
                with h5py.File(folder / "x.h5", "w") as f:
                    d = f.create_dataset("g/x", data=pieces[0], maxshape=(None, 5, None), chunks=chunks, **filters)
                    d.attrs["units"] = "K"
                    d.attrs["numbers"] = [1.5, 2.5]
                    f["other"] = np.arange(5)
                    f["g"].attrs["note"] = "kept"
                for i, piece in enumerate(pieces[1:], 2):
                    np.save(folder / "b.npy", piece)
                    run(folder, "append", "x.h5:/g/x", "b.npy")
                    with h5py.File(folder / "x.h5") as f:
                        same(f["g/x"][...], np.concatenate(pieces[:i]).astype(kind), (filters, chunks, kind))
                        assert f["g/x"].attrs["units"] == "K" and list(f["g/x"].attrs["numbers"]) == [1.5, 2.5]
                        assert f["g"].attrs["note"] == "kept" and list(f["other"]) == [0, 1, 2, 3, 4]
                        assert f["g/x"].maxshape == (None, 5, None)
    # Fill values beyond the edge stay what they were; h5py may go on with the file.
    with h5py.File(folder / "fill.h5", "w") as f:
        f.create_dataset("x", data=np.ones((3, 3)), maxshape=(None, None), chunks=(4, 4), fillvalue=-7.0, fletcher32=True)
    np.save(folder / "b.npy", np.full((2, 3), 2.0))
    run(folder, "append", "fill.h5", "b.npy")
    with h5py.File(folder / "fill.h5", "a") as f:
        f["x"].resize((8, 4))
        x = f["x"][...]
        assert (x[:3, :3] == 1).all() and (x[3:5, :3] == 2).all() and (x[5:] == -7).all() and (x[:5, 3] == -7).all()
        count += 1
    # A shape that is fixed is said so.
    with h5py.File(folder / "fixed.h5", "w") as f:
        f["x"] = np.ones((3, 3))
    assert "maxshape" in run(folder, "append", "fixed.h5", "b.npy", code=2).stderr

    # Ours, with xarray for CF's packing.
    for flags in [["--codec", "deflate"], ["--scale-offset", "1", "--codec", "deflate"], ["--f32"], ["--f16"]]:
        pieces = [np.round(np.clip(p, -99, 99), 1) for p in parts("<f8", (6,))]
        pieces[0][0, :2] = [-99.9, 99.9]
        np.save(folder / "p.npy", pieces[0])
        run(folder, "p.npy", *flags, "-o", "o.h5:/g/v", "--force")
        for i, piece in enumerate(pieces[1:], 2):
            np.save(folder / "b.npy", piece)
            run(folder, "append", "o.h5", "b.npy")
            expected = np.concatenate(pieces[:i])
            run(folder, "restore", "o.h5", "-o", "back.npy", "--force")
            back = np.load(folder / "back.npy")
            np.save(folder / "e.npy", expected)
            run(folder, "verify", "e.npy", "o.h5")
            with h5py.File(folder / "o.h5") as f:
                stored = f["g/v"][...]
                assert f["g/v"].maxshape[0] is None
                assert f["g/v"].attrs["ndcompact_max_abs_error"] == np.abs(expected - back).max()
            if flags[0] == "--scale-offset":
                with xr.open_dataset(folder / "o.h5", group="g") as ds:
                    assert np.allclose(ds["v"].values, expected, atol=1e-9)
            else:
                same(stored.astype("f8"), back, flags)
            count += 1

print(f"{count} appends read by their peers")
