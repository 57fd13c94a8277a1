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
one = (f := h5py.File(out))["values"][slice(*f["row_size"][:18].cumsum()[-2:])].reshape(f["shape"][17])
same([one], images[17:18])

# xarray knows the dimensions, and CF's count variable names the one it counts along.
def dimensions(path):
    """The dimensions of each variable, which both engines must know without a guess."""
    found = []
    for engine in ("netcdf4", "h5netcdf"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with xr.open_dataset(path, engine=engine) as ds:
                assert ds["row_size"].attrs["sample_dimension"] == "value"
                found.append({name: variable.dims for name, variable in ds.variables.items()})
                assert (ds["values"].values == h5py.File(path)["values"][:]).all()
    assert found[0] == found[1], found
    return found[0]


assert dimensions(out) == {"values": ("value",), "row_size": ("item",), "shape": ("item", "axis")}
# Dimensions of one length, in files of few items and of many, with an index, with names, after more were added.
(FOLDER / "few").mkdir()
for n, shape in enumerate([(1, 1), (1, 1), (1, 1), (2, 5), (7, 3), (1, 1)]):
    np.save(FOLDER / "few" / f"{'abcdef'[n]}.npy", np.full(shape, n))
few_of = lambda names: [FOLDER / "few" / f"{name}.npy" for name in names]
named = {"values": ("value",), "row_size": ("item",), "shape": ("item", "axis"), "name": ("item", "character")}
for first, more in (("ab", "c"), ("a", "b"), ("abc", "def"), ("d", "e"), ("f", "abc")):
    run("ragged", *few_of(first), "-o", FOLDER / "few.h5", "--force")
    assert dimensions(FOLDER / "few.h5") == named
    run("ragged", *few_of(more), "-o", FOLDER / "few.h5", "--append")
    assert dimensions(FOLDER / "few.h5") == named
    same(items_of(FOLDER / "few.h5"), [np.load(p) for p in few_of(first + more)])

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
same([back[f"item_{n:06}"] for n in range(4995, 4999)], rows[-5:-1])
for codec in ("none", "deflate", "zstd"):
    some = FOLDER / f"some_{codec}.npz"
    run("restore", FOLDER / "rows.h5", "--items", "::-7", "-o", some, "--codec", codec)
    if codec != "zstd":
        with np.load(some) as archive:
            assert archive.files[:2] == ["item_004999", "item_004992"], archive.files[:2]
            same([archive[name] for name in archive.files], rows[::-7])
    run("ragged", some, "-o", FOLDER / "some.h5", "--force")
    same(items_of(FOLDER / "some.h5"), rows[::-7])
assert "Restore them apart" not in run("restore", FOLDER / "rows.h5", "-o", FOLDER / "some_none.npz", code=2).stderr
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

# Every atom of PyTables: numbers and booleans of any number of axes become items, what is none is refused with the remedy.
atoms = {
    "bool": tables.BoolAtom(),
    "pairs": tables.BoolAtom(shape=(2, 2)),
    "f16": tables.Float16Atom(),
    "c64": tables.ComplexAtom(8),
    "c128": tables.ComplexAtom(16),
    **{f"{kind}{bits}": getattr(tables, f"{kind}{bits}Atom")() for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)},
    **{f"Float{bits}": getattr(tables, f"Float{bits}Atom")() for bits in (32, 64)},
}
refused = {
    "long": (tables.Float128Atom(), np.zeros(3, "f16")),
    "time32": (tables.Time32Atom(), np.zeros(3, "i4")),
    "time64": (tables.Time64Atom(), np.zeros(3)),
    "string": (tables.StringAtom(5), np.array([b"ab"], "S5")),
    "enum": (tables.EnumAtom(["a", "b"], "a", "int8"), np.zeros(3, "i1")),
}
wanted = {}
with tables.open_file(str(FOLDER / "atoms.h5"), "w") as file:
    for n, (name, atom) in enumerate(atoms.items()):
        array = file.create_vlarray("/", name, atom, filters=tables.Filters(3, "zlib") if n % 2 else None)
        wanted[name] = [(rng.random((k, *atom.shape)) * 3).astype(atom.dtype.base) for k in range(9)]
        for row in wanted[name]:
            array.append(row)
    for name, (atom, row) in refused.items():
        file.create_vlarray("/", name, atom).append(row)
for name, rows_of in wanted.items():
    run("ragged", f"{FOLDER}/atoms.h5:/{name}", "-o", FOLDER / "atom.h5", "--force")
    same(items_of(FOLDER / "atom.h5"), rows_of)
for name in refused:
    told = run("ragged", f"{FOLDER}/atoms.h5:/{name}", "-o", FOLDER / "t.h5", code=2).stderr
    assert "as arrays of numbers first" in told, told

# h5py's: any float and byte order, rows never written, a user block before the file.
kinds = {kind: [(rng.random(3 * k) * 3).astype(kind) for k in range(6)] for kind in ("f2", ">f2", ">f8", "c8", ">c16", "u1", ">i4")}
with h5py.File(FOLDER / "kinds.h5", "w", userblock_size=1024) as file:
    for kind, rows_of in kinds.items():
        data = file.create_dataset(kind.replace(">", "big_"), (8,), dtype=h5py.vlen_dtype(np.dtype(kind)))
        for k, row in enumerate(rows_of):
            data[k] = row
    file.create_dataset("fixed", (2,), dtype=h5py.vlen_dtype(np.dtype("S5")))
    file.create_dataset("plane", (2, 2), dtype=h5py.vlen_dtype(np.dtype("f4")))
for kind, rows_of in kinds.items():
    run("ragged", f"{FOLDER}/kinds.h5:/{kind.replace('>', 'big_')}", "-o", FOLDER / "kind.h5", "--force")
    same(items_of(FOLDER / "kind.h5"), [row.astype(row.dtype.newbyteorder("=")) for row in [*rows_of, rows_of[0], rows_of[0]]])
assert "strings" in run("ragged", f"{FOLDER}/kinds.h5:/fixed", "-o", FOLDER / "t.h5", code=2).stderr
assert "along 2 axes" in run("ragged", f"{FOLDER}/kinds.h5:/plane", "-o", FOLDER / "t.h5", code=2).stderr

# A damaged heap, and lengths that are lies: an error, or what a program that believes the bytes reads; no crash, and no memory for what
# is only claimed. Integers of 24 bits are read by libhdf5.
with h5py.File(FOLDER / "sound.h5", "w") as file:
    data = file.create_dataset("rows", (300,), dtype=h5py.vlen_dtype("i4"))
    for k in range(300):
        data[k] = np.arange(k % 40)
    odd = h5py.h5t.STD_I32LE.copy()
    odd.set_precision(24)
    space = h5py.h5s.create_simple((40,))
    h5py.h5d.create(file.id, b"odd", h5py.h5t.vlen_create(odd), space)
    for k in range(40):
        file["odd"][k] = np.arange(k)
    offset = {name: file[name].id.get_offset() for name in ("rows", "odd")}
sound = (FOLDER / "sound.h5").read_bytes()
heaps = [at for at in range(0, len(sound) - 4, 8) if sound[at : at + 4] == b"GCOL"]
assert heaps and all(offset.values())
for name in ("rows", "odd"):
    run("ragged", f"{FOLDER}/sound.h5:/{name}", "-o", FOLDER / f"sound_{name}.h5")
same(items_of(FOLDER / "sound_odd.h5"), [np.arange(k, dtype="i4") for k in range(40)])
few = "ulimit -v 4000000; exec "


def damaged(bytes_, name, must_fail):
    (FOLDER / "damaged.h5").write_bytes(bytes_)
    line = f"{few} {COMPACT} ragged {FOLDER}/damaged.h5:/{name} -o {FOLDER}/d.h5 --force"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode in ((2,) if must_fail else (0, 2)), (done.returncode, done.stderr)
    return done.stderr


for name in ("rows", "odd"):
    for claim in (0xFFFFFFFF, 0x7FFFFFFF, 1 << 24, 38):
        forged = bytearray(sound)
        forged[offset[name] + 16 * 39 : offset[name] + 16 * 39 + 4] = claim.to_bytes(4, "little")
        told = damaged(forged, name, True)
        assert "claims" in told, told
for at in heaps[:2]:
    for place, bytes_ in ((0, b"X"), (4, b"\7"), (8, b"\xff" * 8), (8, b"\0" * 8), (24, b"\xff" * 8)):
        forged = bytearray(sound)
        forged[at + place : at + place + len(bytes_)] = bytes_
        assert "damaged" in damaged(forged, "rows", True)
damaged(sound[: heaps[-1] + 20], "rows", True)
for trial in range(60):
    forged = bytearray(sound)
    for place in rng.integers(min(offset.values()), len(sound), 3):
        forged[place] = rng.integers(256)
    damaged(forged, "rows" if trial % 2 else "odd", False)

# Steps and bounds for the values, end to end: what comes back, what is told, what verify says of it.
(FOLDER / "waves").mkdir()
waves = [np.round(np.sin(np.arange(n) / 9.0) * 40, 6) for n in rng.integers(0, 900, 200)]
for n, wave in enumerate(waves):
    np.save(FOLDER / "waves" / f"w{n}.npy", wave)
ends = np.cumsum([w.size for w in waves])
out = FOLDER / "waves.h5"
for flags, bound in (
    (["--f16"], 40 * 2.0**-11),
    (["--f32"], 40 * 2.0**-24),
    (["--keepbits", "12"], 64 * 2.0**-13),
    (["--scale-offset", "3"], 0.5e-3),
    (["--max-abs", "1e-3"], 1e-3),
    (["--max-rel", "1e-3", "--rel-floor", "1"], 0.04),
    (["--max-abs", "0"], 0),
    (["--scale-offset", "3", "--codec", "zstd"], 0.5e-3),
):
    made = json.loads(run("ragged", FOLDER / "waves", "-o", out, "--force", "--json", *flags).stdout)
    back = restored(out)
    worst = max(np.abs(back[f"w{n}"] - wave).max(initial=0) for n, wave in enumerate(waves))
    assert all(back[f"w{n}"].shape == wave.shape for n, wave in enumerate(waves))
    assert worst <= bound and made["loss"]["max_abs"] == worst, (flags, worst, made["loss"])
    assert made["exact"] == (bound == 0)
    told = json.loads(run("info", out, "--json").stdout)
    assert told["loss"]["max_abs"] == worst, (flags, told)
    assert ("at most" if worst else "loss") in run("info", out).stdout
    run("verify", FOLDER / "waves", out)
    run("verify", FOLDER / "waves", out, "--max-abs", bound)
    if worst > 0:
        run("verify", FOLDER / "waves", out, "--max-abs", worst / 2, code=1)
    report = json.loads(run("report", FOLDER / "waves", out, "--json").stdout)
    array = report["arrays"][0]
    assert array["original"]["place"] == str(FOLDER / "waves") and "/tmp" not in report.get("sha256", ""), array["original"]
    one = restored(out, "--items", "17:18")
    assert (one["w17"] == back["w17"]).all()

# What it is held against must be what it was made of.
np.savez(FOLDER / "waves.npz", *waves)
run("verify", FOLDER / "waves.npz", out)
other = [w.copy() for w in waves]
other[150][:1] += 1
np.savez(FOLDER / "other.npz", *other)
assert waves[150].size and "FAIL" in run("verify", FOLDER / "other.npz", out, code=1).stdout
for change, says in (
    (waves[:-1], "199"),
    ([*waves, waves[0]], "the original has more"),
    ([waves[0][:-1], *waves[1:]], "item 0"),
    ([w.astype("f4") for w in waves], "float32"),
):
    np.savez(FOLDER / "changed.npz", *change)
    told = run("verify", FOLDER / "changed.npz", out, code=2).stderr
    assert says in told, told
run("verify", f"{FOLDER}/vlen.h5:/rows", FOLDER / "rows.h5")

# Archives of many members are opened once.
many = {f"m{k}": np.arange(k % 5) for k in range(5000)}
np.savez(FOLDER / "many.npz", **many)
run("ragged", FOLDER / "many.npz", "-o", FOLDER / "many.h5")
same(items_of(FOLDER / "many.h5"), list(many.values()))

# Items added to a file that another program may have open meanwhile.
run("ragged", FOLDER / "words.npz", "-o", FOLDER / "words.h5", "--append")
same(items_of(FOLDER / "words.h5"), 2 * list(words.values()))
for out in (FOLDER / "twice", FOLDER / "twice.npz"):
    told = run("restore", FOLDER / "words.h5", "-o", out, code=2).stderr
    assert "alpha" in told and "Restore them apart" in told and not out.exists(), told
print("ragged arrays: all as they should be")
