"""NumPy and h5py as the judges of slices: every part that the command takes is NumPy's own slice of the array.

usage: parts_peers.py COMPACT
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

COMPACT = sys.argv[1]
SLICES = ["3", "-1", "::-1", "2:9:3,1", "...,::-2", ":,-4:-1", "5:2", "0:40:7,::-3,4", "...", "-3:-30:-4", "30:2:-9,...,-2", "100:,:0", "-50:50:13,-2:1:-2", "...,-1,::4"]


def run(*args, code=0):
    done = subprocess.run([COMPACT, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == code, f"{args}: exit {done.returncode}\n{done.stderr}"
    return done.stdout


def index(text):
    def axis(part):
        if part.strip() == "...":
            return Ellipsis
        ends = [int(p) if p.strip() else None for p in part.split(":")]
        return ends[0] if len(ends) == 1 else slice(*ends)

    return tuple(axis(part) for part in text.split(","))


checked = 0
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    rng = np.random.default_rng(1)
    grids = rng.integers(0, 100, (40, 9, 9)).astype("f8")
    grids = grids + grids.transpose(0, 2, 1)
    mask = rng.integers(0, 2, (41, 7, 77)) > 0
    np.save(folder / "grids.npy", grids)
    np.save(folder / "fortran.npy", np.asfortranarray(grids))
    np.savez(folder / "stored.npz", grids=grids)
    np.savez_compressed(folder / "deflated.npz", grids=grids)
    np.save(folder / "mask.npy", mask)
    with h5py.File(folder / "theirs.h5", "w") as f:
        f.create_dataset("gzip", data=grids, chunks=(7, 5, 4), compression="gzip", shuffle=True)
        # More chunks than are listed when a file is opened.
        f.create_dataset("many", data=grids, chunks=(1, 2, 1), compression="gzip")
        f.create_dataset("plain", data=grids)
    run(folder / "grids.npy", "--triangle", "-o", folder / "tri.npy", "-q")
    run(folder / "grids.npy", "--triangle", "--codec", "zstd", "-o", folder / "tri.h5", "-q")
    run(folder / "grids.npy", "--max-abs", "0", "-o", folder / "coded.h5", "-q")
    run(folder / "grids.npy", "--triangle", "--f16", "-o", folder / "half.npy", "-q")
    run(folder / "grids.npy", "--scale-offset", "0", "--codec", "deflate", "-o", folder / "steps.h5", "-q")
    run(folder / "grids.npy", "--triangle", "--max-abs", "0", "-o", folder / "both.h5", "-q")
    run(folder / "mask.npy", "--bits", "--codec", "zstd", "-o", folder / "bits.h5", "-q")
    run(folder / "mask.npy", "--bits", "-o", folder / "bits.npy", "-q")
    run(folder / "mask.npy", "--bits=1,order=little", "-o", folder / "little.npy", "-q")
    places = [(p, grids) for p in ("grids.npy", "fortran.npy", "stored.npz:grids", "deflated.npz", "theirs.h5:/gzip")]
    places += [(p, grids) for p in ("theirs.h5:/many", "theirs.h5:/plain", "tri.npy", "tri.h5", "coded.h5")]
    places += [(p, grids) for p in ("half.npy", "steps.h5", "both.h5")]
    places += [("bits.h5", mask), ("bits.npy", mask), ("little.npy", mask)]
    for place, array in places:
        for part in SLICES:
            run("restore", folder / place, f"--slice={part}", "-o", folder / "part.npy", "--force", "-q")
            got, want = np.load(folder / "part.npy"), array[index(part)]
            assert got.dtype == want.dtype and got.shape == want.shape and np.array_equal(got, want), (place, part)
            checked += 1

    # Several at once: names of their own, and one JSON object.
    told = json.loads(run("restore", folder / "coded.h5", "--slice", "3", "--slice", "5:7", "-o", folder / "c.npy", "--json"))
    assert told["status"] == "ok" and [s["shape"] for s in told["slices"]] == [[9, 9], [2, 9, 9]], told
    np.testing.assert_array_equal(np.load(folder / "c-1.npy"), grids[3])
    np.testing.assert_array_equal(np.load(folder / "c-2.npy"), grids[5:7])
    run("restore", folder / "theirs.h5:/gzip", "--slice", "3", "--slice", "5", "--cache", "0", "-q")
    run("restore", folder / "coded.h5", "--slice", "40", "-o", folder / "none.npy", code=2)
    assert not (folder / "none.npy").exists()

    # The crop of a packed mask as docs/masks-and-slices.md takes it without this program.
    packed = np.load(folder / "bits.npy", mmap_mode="r")
    first, last = 11, 70
    bits = np.unpackbits(packed[3:30, 2:5, first // 8 : -(-last // 8)], axis=-1)
    crop = bits[..., first - first // 8 * 8 : last - first // 8 * 8].astype(bool)
    np.testing.assert_array_equal(crop, mask[3:30, 2:5, first:last])
    np.testing.assert_array_equal(packed, np.packbits(mask, axis=-1))

print(f"{checked} slices as NumPy takes them")
