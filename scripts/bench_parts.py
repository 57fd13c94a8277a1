#!/usr/bin/env python3
"""Parts of large files, whole processes and ratios to h5py in the same run.

    make_large_hdf5.py FOLDER; bench_parts.py FOLDER [--compact target/release/compact] [--iterate target/release/examples/iterate]

Makes from FOLDER/zstd6.h5, where they are missing, FOLDER/triangle.h5 (half the values, zstd), FOLDER/filtered.h5 (coded chunks) and FOLDER/mask.npy (100000 x 100000 bits).
Everything is in the page cache: each command runs once before it is timed.
"""
import argparse
import pathlib
import subprocess
import sys
import time

import h5py
import hdf5plugin  # noqa: F401  (registers zstd)
import numpy as np


def once(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def process(command, rounds=15):
    """Median and least wall time of a whole process, in milliseconds."""
    once(command)
    times = sorted(once(command) for _ in range(rounds))
    return times[len(times) // 2] * 1e3, times[0] * 1e3


def prepare(folder, compact):
    recipes = {"triangle.h5": ["--triangle", "--codec", "zstd"], "filtered.h5": ["--max-abs", "0.005"]}
    for name, flags in recipes.items():
        if not (folder / name).exists():
            once([compact, folder / "zstd6.h5", *flags, "-o", folder / name, "-q"])
    if not (folder / "mask.npy").exists():
        side, plain = 100_000, folder / "mask_plain.npy"
        mask = np.lib.format.open_memmap(plain, "w+", "?", (side, side))
        mask[5000:5500, 5000:5500] = np.random.default_rng(1).integers(0, 2, (500, 500)) > 0
        del mask
        once([compact, plain, "--bits", "-o", folder / "mask.npy", "-q"])
        plain.unlink()


def by_h5py(path, rows, most):
    """Seconds and first values of blocks of `rows` matrices."""
    start, total, first = time.perf_counter(), 0, 0.0
    with h5py.File(path) as file:
        data = file["grids"]
        for at in range(0, min(len(data), most), rows):
            block = data[at : at + rows]
            first += float(block[:, 0, 0].sum())
            total += block.nbytes
    return total / (time.perf_counter() - start) / 1e9


def by_us(iterate, path, mode, *rows):
    done = subprocess.run([iterate, path, mode, *map(str, rows)], check=True, capture_output=True, text=True)
    return float(done.stdout.split(" s, ")[1].split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--compact", default="target/release/compact")
    parser.add_argument("--iterate", default="target/release/examples/iterate")
    parser.add_argument("--matrices", type=int, default=20_000, help="matrices that h5py goes through")
    args = parser.parse_args()
    prepare(args.folder, args.compact)
    out = args.folder / "part.npy"

    print("one part from a cold process, page cache warm        median      least")
    jobs = [(name, "5000") for name in ("plain.h5", "zstd.h5", "zstd6.h5", "deflate.h5", "triangle.h5", "filtered.h5")]
    for name, part in [*jobs, ("mask.npy", "5100:5356,5200:5456")]:
        command = [args.compact, "restore", args.folder / name, "--slice", part, "-o", out, "--force", "-q"]
        median, least = process(command)
        print(f"{name:12} --slice {part:20} {median:20.1f} ms {least:7.1f} ms")
    python = [sys.executable, "-c", "import sys, h5py, hdf5plugin\nh5py.File(sys.argv[1])['grids'][5000]"]
    median, least = process([*python, args.folder / "zstd.h5"], 5)
    print(f"h5py         zstd.h5 [5000], Python's start included {median:10.1f} ms {least:7.1f} ms")

    print("\nall in blocks of 24 matrices, GB/s of float64, three rounds each in turn     h5py      Rust    ratio")
    for name in ("zstd.h5", "zstd6.h5", "deflate.h5"):
        path, theirs, ours = args.folder / name, [], []
        for _ in range(3):
            theirs.append(by_h5py(path, 24, args.matrices))
            ours.append(by_us(args.iterate, path, "blocks", 24))
        a, b = sorted(theirs)[1], sorted(ours)[1]
        print(f"{name:12} {a:70.2f} {b:9.2f} {b / a:7.1f} x")
    for mode in ("chunks", "rows"):
        rate = by_us(args.iterate, args.folder / "zstd.h5", mode, 32)
        print(f"zstd.h5      batches of 32, mixed by {mode:6} {rate:50.2f} GB/s")


if __name__ == "__main__":
    main()
