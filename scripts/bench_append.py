"""Appending beside h5py and NumPy: whole processes, best of three, in one run.

Usage: bench_append.py COMPACT [ROWS]
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

compact = str(pathlib.Path(sys.argv[1]).resolve())
rows = int(sys.argv[2]) if len(sys.argv) > 2 else 5000

H5PY = """
import sys, h5py, numpy as np
more = np.load(sys.argv[2])
with h5py.File(sys.argv[1], 'a') as f:
    d = f['data']; n = len(d); d.resize(n + len(more), 0); d[n:] = more
"""
NUMPY = """
import sys, numpy as np
np.save(sys.argv[3], np.concatenate([np.load(sys.argv[1]), np.load(sys.argv[2])]))
"""
MAKE = """
import sys, h5py, numpy as np
a = np.load(sys.argv[1])
with h5py.File(sys.argv[2], 'w') as f:
    f.create_dataset('data', data=a, maxshape=(None, *a.shape[1:]), chunks=(6, *a.shape[1:]), compression='gzip', shuffle=True)
"""


def timed(prepare, *args):
    best = 1e9
    for _ in range(3):
        prepare()
        start = time.perf_counter()
        subprocess.run([str(a) for a in args], check=True, stdout=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - start)
    return best


with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
    folder = pathlib.Path(folder)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows + 120, 141, 141)).round(3)
    x += x.transpose(0, 2, 1)
    np.save(folder / "old.npy", x[:rows])
    np.save(folder / "more.npy", x[rows:])
    more = folder / "more.npy"
    size = (folder / "old.npy").stat().st_size / 1e6
    print(f"{rows} matrices of 141 x 141 float64 ({size:.0f} MB), 120 more ({more.stat().st_size / 1e6:.0f} MB)")
    ways = [
        ("plain.npy", []),
        ("tri.npy", ["--triangle", "--f16"]),
        ("tri.h5", ["--triangle", "--codec", "deflate"]),
        ("coded.h5", ["--triangle", "--max-abs", "1e-3"]),
    ]
    for name, flags in ways:
        made, work = folder / ("made-" + name), folder / name
        subprocess.run([compact, folder / "old.npy", *flags, "-o", made, "--quiet"], check=True)
        if name.endswith(".h5"):
            # The first append makes it growable.
            subprocess.run([compact, "append", made, more, "--quiet"], check=True)
        took = timed(lambda: shutil.copyfile(made, work), compact, "append", work, more, "--quiet")
        print(f"compact append {name:10} {' '.join(flags):30} {made.stat().st_size / 1e6:8.1f} MB  {took:7.3f} s")
        made.unlink(), work.unlink()
    made, work = folder / "made-h5py.h5", folder / "h5py.h5"
    subprocess.run([sys.executable, "-c", MAKE, folder / "old.npy", made], check=True)
    took = timed(lambda: shutil.copyfile(made, work), sys.executable, "-c", H5PY, work, more)
    print(f"h5py resize and write, gzip, in place (no safety)      {made.stat().st_size / 1e6:8.1f} MB  {took:7.3f} s")
    took = timed(lambda: shutil.copyfile(made, work), compact, "append", work, more, "--quiet")
    print(f"compact append to the same file of h5py, in a copy     {made.stat().st_size / 1e6:8.1f} MB  {took:7.3f} s")
    took = timed(lambda: None, sys.executable, "-c", NUMPY, folder / "old.npy", more, folder / "new.npy")
    print(f"np.save of np.concatenate                              {size:8.1f} MB  {took:7.3f} s")
