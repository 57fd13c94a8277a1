"""Ragged arrays beside PyTables' VLArray with Blosc and a folder of .npy: sizes, whole processes, one item from a cold process.

usage: .venv/bin/python scripts/bench_ragged.py [--compact target/release/compact] [--items 1000000] [--folder /tmp]
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import tables

arguments = argparse.ArgumentParser()
arguments.add_argument("--compact", default="target/release/compact")
arguments.add_argument("--items", type=int, default=1_000_000)
arguments.add_argument("--folder", default=None)
arguments.add_argument("--runs", type=int, default=31)
options = arguments.parse_args()
# Blosc is a plugin of HDF5.
ENVIRONMENT = os.environ | {"HDF5_PLUGIN_PATH": hdf5plugin.PLUGIN_PATH}
folder = Path(tempfile.mkdtemp(prefix="bench-ragged-", dir=options.folder))


def run(*words):
    start = time.perf_counter()
    done = subprocess.run([options.compact, *map(str, words)], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - start


def python(code):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def read_by(*words):
    """Bytes that a process read, by the kernel's account of it."""
    line = " ".join(map(str, words))
    done = subprocess.run(["sh", "-c", f"{line} > /dev/null; cat /proc/$$/io"], capture_output=True, text=True, check=True)
    return int(done.stdout.split("rchar: ")[1].split()[0])


def megabytes(n):
    return f"{n / 1e6:.2f} MB"


try:
    # 1000 images of random size, as in PyTables' manual: 29,960 int32 below 256.
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 11, (1000, 2))
    while sizes.prod(axis=1).sum() != 29_960:
        sizes[rng.integers(1000)] = rng.integers(1, 11, 2)
    images = [rng.integers(0, 256, s, dtype="i4") for s in sizes]
    (folder / "images").mkdir()
    for n, image in enumerate(images):
        np.save(folder / "images" / f"{n}.npy", image)
    with tables.open_file(str(folder / "images_vl.h5"), "w") as file:
        rows = file.create_vlarray("/", "images", tables.Int32Atom(), filters=tables.Filters(5, "blosc"))
        shapes = file.create_earray("/", "shapes", tables.Int64Atom(), (0, 2), filters=tables.Filters(5, "blosc"))
        for image in images:
            rows.append(image.ravel())
            shapes.append([image.shape])
    run("ragged", folder / "images", "-o", folder / "images.h5")
    npy = sum(p.stat().st_size for p in (folder / "images").iterdir())
    print(f"1000 images, {4 * 29_960} bytes of int32 as they are")
    print(f"  folder of .npy           {npy:>9} bytes")
    print(f"  PyTables VLArray, Blosc  {(folder / 'images_vl.h5').stat().st_size:>9} bytes")
    print(f"  compact ragged           {(folder / 'images.h5').stat().st_size:>9} bytes")

    # 20,000 files.
    (folder / "many").mkdir()
    for n in range(20_000):
        np.save(folder / "many" / f"{n}.npy", np.cumsum(rng.integers(-9, 10, rng.integers(10, 400)), dtype="i4"))
    many = sum(p.stat().st_size for p in (folder / "many").iterdir())
    write = run("ragged", folder / "many", "-o", folder / "many.h5")
    vlarray = python(
        "import numpy as np, tables, glob\n"
        f"file = tables.open_file('{folder}/many_vl.h5', 'w')\n"
        "rows = file.create_vlarray('/', 'rows', tables.Int32Atom(), filters=tables.Filters(5, 'blosc'))\n"
        f"for n in range(20_000): rows.append(np.load(f'{folder}/many/{{n}}.npy'))\n"
        "file.close()"
    )
    print(f"20,000 .npy files, {megabytes(many)}")
    print(f"  PyTables VLArray, Blosc  {megabytes((folder / 'many_vl.h5').stat().st_size)}, written in {vlarray:.2f} s")
    print(f"  compact ragged           {megabytes((folder / 'many.h5').stat().st_size)}, written in {write:.2f} s")
    back = run("restore", folder / "many.h5", "-o", folder / "back")
    print(f"  compact restore          all back as files in {back:.2f} s")

    # A million items.
    lengths = rng.integers(0, 60, options.items)
    values, ends = np.cumsum(rng.integers(-9, 10, lengths.sum()), dtype="i4"), lengths.cumsum()
    start = time.perf_counter()
    with h5py.File(folder / "million_vl.h5", "w") as file:
        rows = file.create_dataset("rows", (options.items,), dtype=h5py.vlen_dtype("i4"))
        for first in range(0, options.items, 50_000):
            some = range(first, min(first + 50_000, options.items))
            block = np.empty(len(some), object)
            for k, i in enumerate(some):
                block[k] = values[ends[i] - lengths[i] : ends[i]]
            rows[some.start : some.stop] = block
    vl_write = time.perf_counter() - start
    start = time.perf_counter()
    with tables.open_file(str(folder / "million_pt.h5"), "w") as file:
        rows = file.create_vlarray("/", "rows", tables.Int32Atom(), filters=tables.Filters(5, "blosc"), expectedrows=options.items)
        for i in range(options.items):
            rows.append(values[ends[i] - lengths[i] : ends[i]])
    pt_write = time.perf_counter() - start
    write = run("ragged", f"{folder}/million_vl.h5:/rows", "-o", folder / "million.h5")
    print(f"{options.items:,} items, {megabytes(values.nbytes)} of int32")
    print(f"  h5py, vlen_dtype         {megabytes((folder / 'million_vl.h5').stat().st_size)}, written in {vl_write:.1f} s")
    print(f"  PyTables VLArray, Blosc  {megabytes((folder / 'million_pt.h5').stat().st_size)}, written in {pt_write:.1f} s")
    print(f"  compact ragged, from it  {megabytes((folder / 'million.h5').stat().st_size)}, written in {write:.1f} s")
    back = run("restore", folder / "million.h5", "-o", folder / "million.npz")
    print(f"  compact restore          all into one .npz in {back:.1f} s")
    again = run("ragged", folder / "million.npz", "-o", folder / "again.h5")
    print(f"  compact ragged           from that .npz in {again:.1f} s")
    picked = random.Random(0).sample(range(options.items), options.runs)
    times = []
    for i in picked:
        times.append(run("restore", folder / "million.h5", "--item", i, "-o", folder / "item.npy", "-q"))
        assert (np.load(folder / "item.npy") == values[ends[i] - lengths[i] : ends[i]]).all()
        (folder / "item.npy").unlink()
    nothing = statistics.median(run("--version") for _ in range(options.runs))
    read = read_by(options.compact, "restore", folder / "million.h5", "--item", picked[0], "--dry-run")
    base = read_by(options.compact, "--version")
    print(
        f"  one item, cold process   median {statistics.median(times) * 1e3:.1f} ms, slowest {max(times) * 1e3:.1f} ms "
        f"(`compact --version`: {nothing * 1e3:.1f} ms); {(read - base) / 1e3:.0f} kB read"
    )
    vl_one = [python(f"import h5py; h5py.File('{folder}/million_vl.h5')['rows'][{i}]") for i in picked[:5]]
    print(f"  one item, h5py           median {statistics.median(vl_one) * 1e3:.0f} ms, Python's start included")
finally:
    shutil.rmtree(folder)
