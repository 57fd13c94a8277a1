"""xarray as the judge of CF attributes: packing and fill values that a file declares are kept, and what we add decodes.

usage: cf_peers.py COMPACT
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

COMPACT = sys.argv[1]


def run(*args, code=0):
    done = subprocess.run([COMPACT, *map(str, args), "--quiet"], capture_output=True)
    assert done.returncode == code, f"{args}: exit {done.returncode}\n{done.stderr.decode()}"
    return done.stderr.decode()


def decoded(path, name="data"):
    with xr.open_dataset(path, engine="h5netcdf", phony_dims="sort") as data:
        return data[name].values


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    rng = np.random.default_rng(1)
    source = folder / "in.h5"
    stored = rng.integers(-5000, 5000, (30, 40)).astype("i2")
    stored[3, 4] = -9999
    floats = rng.normal(280, 5, (20, 30, 40)).astype("f4")
    floats[0, 0] = 1e20
    with h5py.File(source, "w") as f:
        packed = f.create_dataset("packed", data=stored)
        packed.attrs.update(scale_factor=0.01, add_offset=273.15, _FillValue=np.int16(-9999))
        field = f.create_dataset("field", data=floats, chunks=(7, 11, 13), compression="gzip", shuffle=True)
        field.attrs["_FillValue"] = np.float32(1e20)
    expected = decoded(source, "packed")

    # No step, and a step that changes no number: what was declared is declared again.
    run(f"{source}:/packed", "-o", folder / "a.h5")
    np.testing.assert_allclose(decoded(folder / "a.h5"), expected, rtol=1e-12)
    run("restore", folder / "a.h5", "-o", folder / "b.h5")
    np.testing.assert_allclose(decoded(folder / "b.h5"), expected, rtol=1e-12)
    # Packed once more: both packings are undone.
    run(f"{source}:/packed", "--scale-offset", "0", "-o", folder / "c.h5")
    np.testing.assert_allclose(decoded(folder / "c.h5"), expected, rtol=1e-9)
    # Floats with a fill value: missing stays missing, the rest within half a step.
    run(f"{source}:/field", "--scale-offset", "2", "-o", folder / "d.h5")
    got = decoded(folder / "d.h5")
    assert np.isnan(got[0, 0]).all() and np.nanmax(np.abs(got[1:] - floats[1:])) <= 0.00501
    run("restore", folder / "d.h5", "-o", folder / "d.npy")
    assert (np.load(folder / "d.npy")[0, 0] == np.float32(1e20)).all()
    # Rounding leaves the fill value alone.
    run(f"{source}:/field", "--keepbits", "8", "-o", folder / "e.h5")
    got = decoded(folder / "e.h5")
    assert np.isnan(got[0, 0]).all() and np.isfinite(got[1:]).all()
    # CF cannot say "infinite": then nothing is decoded rather than something wrong.
    np.save(folder / "inf.npy", np.array([1.0, np.inf, -np.inf, np.nan]))
    run(folder / "inf.npy", "--scale-offset", "1", "-o", folder / "f.h5")
    with h5py.File(folder / "f.h5") as f:
        assert "scale_factor" not in f["data"].attrs
    run("restore", folder / "f.h5", "-o", folder / "f.npy")
    assert np.load(folder / "f.npy").tobytes()[:24] == np.array([1.0, np.inf, -np.inf]).tobytes()
    # An input is never replaced, under whatever name.
    for target in (source, f"{source}:/packed", f"{source}:packed"):
        run(f"{source}:/packed", "--scale-offset", "0", "-o", target, "--force", code=2)
    assert (decoded(source, "packed") == expected).sum() == np.isfinite(expected).sum()
print("CF attributes decoded by xarray", xr.__version__)
