"""Ragged arrays, judged by others: h5py and PyTables make the sources, xarray, netCDF4 and h5py read what comes of them.

usage: ragged.py COMPACT FOLDER
"""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import tables
import xarray as xr

COMPACT, FOLDER = sys.argv[1], Path(sys.argv[2])
rng = np.random.default_rng(7)


def run(*arguments, code=0, plugins=False):
    environment = {k: v for k, v in os.environ.items() if k != "HDF5_PLUGIN_PATH"}
    if plugins:
        environment["HDF5_PLUGIN_PATH"] = hdf5plugin.PLUGIN_PATH
    done = subprocess.run([COMPACT, *map(str, arguments)], capture_output=True, text=True, env=environment)
    assert done.returncode == code, (arguments, done.returncode, done.stderr)
    return done


def items_of(path):
    """What docs/ragged.md says of reading the file without ndcompact."""
    with h5py.File(path) as file:
        layout = json.loads(file.attrs["ndcompact_ragged"])
        sizes = file[layout["row_size"]][:]
        ends = sizes.cumsum()
        shapes = file[layout["shape"]][:] if "shape" in layout else sizes[:, None]
        shapes = shapes if layout["axes"] else [()] * len(sizes)
        values = file[layout["values"]]
        return [values[e - n : e].reshape(s) for e, n, s in zip(ends, sizes, shapes)]


def same(found, wanted):
    assert len(found) == len(wanted), (len(found), len(wanted))
    for a, b in zip(found, wanted):
        assert a.dtype.newbyteorder("=") == b.dtype and a.shape == b.shape, (a.dtype, a.shape, b.dtype, b.shape)
        assert a.tobytes() == b.tobytes()


def restored(path, *which):
    folder = FOLDER / "restored"
    subprocess.run(["rm", "-rf", folder], check=True)
    run("restore", path, *which, "-o", folder)
    return {p.relative_to(folder).with_suffix("").as_posix(): np.load(p) for p in folder.rglob("*.npy")}


# The example of PyTables' manual: images of random size, int32 below 256.
images = []
while sum(i.size for i in images) < 29_960 or len(images) < 1000:
    images.append(rng.integers(0, 256, rng.integers(1, 11, 2), dtype="i4"))
images = images[:1000]
(FOLDER / "images").mkdir()
for n, image in enumerate(images):
    np.save(FOLDER / "images" / f"img{n}.npy", image)
out = FOLDER / "images.h5"
run("ragged", FOLDER / "images", "-o", out)
raw = 4 * sum(i.size for i in images)
print(f"1000 images: {raw} bytes as they are, {out.stat().st_size} in one file")
assert out.stat().st_size <= 36_000 * raw / 119_840
same(items_of(out), images)
back = restored(out)
same([back[f"img{n}"] for n in range(1000)], images)

# xarray knows the dimensions, and CF's count variable names the one it counts along.
for engine in ("netcdf4", "h5netcdf"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xr.open_dataset(out, engine=engine) as ds:
            assert ds["row_size"].attrs["sample_dimension"] == "value"
            assert ds.sizes["value"] == sum(i.size for i in images)
            if engine == "netcdf4":
                assert ds["row_size"].dims == ("item",) and ds["shape"].dims == ("item", "axis")
            assert (ds["values"].values == np.concatenate([i.ravel() for i in images])).all()

# Archives, with names that are no numbers.
words = {"alpha": rng.random(5), "beta/one": rng.random(0), "gamma": rng.random(2500)}
np.savez_compressed(FOLDER / "words.npz", **words)
out = FOLDER / "words.h5"
run("ragged", FOLDER / "words.npz", "-o", out)
same(items_of(out), list(words.values()))
back = restored(out)
assert sorted(back) == sorted(words)
for name, value in words.items():
    same([back[name]], [value])
with h5py.File(out) as file:
    names = file["name"][:].view(f"S{file['name'].shape[1]}")[:, 0]
    assert [n.decode() for n in names] == list(words)

# h5py's rows of variable length, floats and booleans, of any length.
rows = [rng.random(n) for n in rng.integers(0, 300, 5000)]
flags = [rng.random(n) < 0.5 for n in (3, 0, 700)]
with h5py.File(FOLDER / "vlen.h5", "w") as file:
    file.create_dataset("rows", (len(rows),), dtype=h5py.vlen_dtype("f8"))[:] = rows
    big = file.create_dataset("group/big", (3,), dtype=h5py.vlen_dtype(">i2"), chunks=(2,), compression="gzip")
    for n in range(3):
        big[n] = np.arange(n * 10)
    boolean = file.create_dataset("flags", (3,), dtype=h5py.vlen_dtype(bool))
    for n, flag in enumerate(flags):
        boolean[n] = flag
    text = file.create_dataset("text", (2,), dtype=h5py.string_dtype())
    text[:] = ["a", "b"]
for name, wanted in (
    ("rows", rows),
    ("group/big", [np.arange(n * 10, dtype="i2") for n in range(3)]),
    ("flags", flags),
):
    out = FOLDER / (name.replace("/", "_") + ".h5")
    run("ragged", f"{FOLDER}/vlen.h5:/{name}", "-o", out)
    same(items_of(out), wanted)
back = restored(FOLDER / "rows.h5", "--items", "-5:-1")
same([back[f"{n:04}"] for n in range(4995, 4999)], rows[-5:-1])
assert "strings" in run("ragged", f"{FOLDER}/vlen.h5:/text", "-o", FOLDER / "t.h5", code=2).stderr
assert "name one" in run("ragged", FOLDER / "vlen.h5", "-o", FOLDER / "t.h5", code=2).stderr

# PyTables: plain atoms, shaped atoms (one axis more), and what stands for Python objects, which is refused.
with tables.open_file(str(FOLDER / "tables.h5"), "w") as file:
    filters = tables.Filters(5, "blosc")
    plain = file.create_vlarray("/", "plain", tables.Int32Atom(), filters=filters)
    shaped = file.create_vlarray("/", "shaped", tables.Float32Atom(shape=(3,)))
    objects = file.create_vlarray("/", "objects", tables.ObjectAtom())
    strings = file.create_vlarray("/", "strings", tables.VLUnicodeAtom())
    lists, tracks = [], []
    for n in rng.integers(0, 50, 300):
        lists.append(rng.integers(-9, 9, n, dtype="i4"))
        tracks.append(rng.random((n, 3), dtype="f4"))
        plain.append(lists[-1])
        shaped.append(tracks[-1])
    objects.append({"a": 1})
    strings.append("text")
for name, wanted in (("plain", lists), ("shaped", tracks)):
    out = FOLDER / f"tables_{name}.h5"
    if name == "plain":
        # Blosc is a plugin of HDF5, which the message says how to get.
        told = run("ragged", f"{FOLDER}/tables.h5:/{name}", "-o", out, code=2).stderr
        assert "blosc" in told and "HDF5_PLUGIN_PATH" in told, told
    run("ragged", f"{FOLDER}/tables.h5:/{name}", "-o", out, plugins=True)
    same(items_of(out), wanted)
for name in ("objects", "strings"):
    told = run("ragged", f"{FOLDER}/tables.h5:/{name}", "-o", FOLDER / "t.h5", code=2).stderr
    assert "never unpickled" in told or "strings" in told, told
assert not (FOLDER / "t.h5").exists()

# PyTables reads the values back.
with tables.open_file(str(FOLDER / "tables_plain.h5")) as file:
    assert (file.root.values[:] == np.concatenate(lists)).all()

# Items added to a file that another program may have open meanwhile.
run("ragged", FOLDER / "words.npz", "-o", FOLDER / "words.h5", "--append")
same(items_of(FOLDER / "words.h5"), 2 * list(words.values()))
print("ragged arrays: all as they should be")
