#!/usr/bin/env python3
"""One part of a large file or collection, from a cold process: wall time of every run, processor time, bytes read.

    make_large_hdf5.py FOLDER; bench_cold.py FOLDER [--compact target/release/compact] [--runs 30] [--limit 20] [--only WORD]

Makes what is missing in FOLDER (from FOLDER/zstd.h5, at most 12 GB at a time): matrices as half-precision triangles, plain and zstd, and coded; a packed mask of
100000 x 100000; a ragged file of a million items; bundles of 10,000 members. Every run is a process of its own that takes another part and writes it to a new .npy file;
the files are in the page cache. What was read is the kernel's account of the process (rchar), the program and its libraries not in it. Exits with 1 where a run took longer than --limit ms.
"""
import argparse
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import time

import h5py
import hdf5plugin  # noqa: F401  (registers zstd)
import numpy as np

MATRICES = {
    "triangle.h5": ["--triangle", "--f16"],
    "triangle_zstd.h5": ["--triangle", "--f16", "--codec", "zstd"],
    "coded.h5": ["--max-abs", "0.005"],
}
SIDE, ITEMS, MEMBERS = 100_000, 1_000_000, 10_000
BUNDLES = {"hdf5": "h5", "npz": "npz", "tar": "tar", "zst": "tar.zst"}


def quietly(*command, folder=None):
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, cwd=folder)


def make_mask(path, compact):
    plain = path.with_name("mask_plain.npy")
    mask = np.lib.format.open_memmap(plain, "w+", "?", (SIDE, SIDE))
    for at in range(0, SIDE, 1000):
        mask[at : at + 500, at : at + 500] = np.random.default_rng(at).integers(0, 2, (500, 500)) > 0
    del mask
    quietly(compact, plain, "--bits", "-o", path, "-q")
    plain.unlink()


def make_ragged(path, compact):
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 60, ITEMS)
    values, ends = np.cumsum(rng.integers(-9, 10, lengths.sum()), dtype="i4"), lengths.cumsum()
    rows_of = path.with_name("ragged_rows.h5")
    with h5py.File(rows_of, "w") as file:
        rows = file.create_dataset("rows", (ITEMS,), dtype=h5py.vlen_dtype("i4"))
        for first in range(0, ITEMS, 50_000):
            block = np.empty(min(50_000, ITEMS - first), object)
            for k in range(len(block)):
                block[k] = values[ends[first + k] - lengths[first + k] : ends[first + k]]
            rows[first : first + len(block)] = block
    quietly(compact, "ragged", f"{rows_of}:/rows", "-o", path, "-q")
    rows_of.unlink()


def make_bundles(folder, compact):
    source = folder / "members"
    source.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(MEMBERS):
        np.save(source / f"{i:05}.npy", np.cumsum(rng.normal(size=rng.integers(50, 4000))))
    for kind, ending in BUNDLES.items():
        if not (folder / f"bundle_{kind}.index.npz").exists():
            quietly(compact, "bundle", "members", "-o", f"bundle_{kind}.{ending}", "-q", folder=folder)
    shutil.rmtree(source)


def prepare(folder, compact):
    for name, flags in MATRICES.items():
        if not (folder / name).exists():
            quietly(compact, folder / "zstd.h5", *flags, "-o", folder / name, "-q")
    if not (folder / "mask.npy").exists():
        make_mask(folder / "mask.npy", compact)
    if not (folder / "ragged.h5").exists():
        make_ragged(folder / "ragged.h5", compact)
    if not all((folder / f"bundle_{kind}.index.npz").exists() for kind in BUNDLES):
        make_bundles(folder, compact)


def jobs(folder):
    """What is measured: a name, and the arguments that take part `i` of so many."""
    with h5py.File(folder / "zstd.h5") as file:
        matrices = len(file["grids"])
    gigabytes = matrices * 141 * 141 * 8 / 1e9
    for name, flags in MATRICES.items():
        title = f"a matrix of {gigabytes:.0f} GB, `{' '.join(flags)}`"
        yield title, matrices, lambda i, name=name: [folder / name, "--slice", str(i)]

    def crop(i):
        row, column = i // (SIDE - 256), i % (SIDE - 256)
        return [folder / "mask.npy", "--slice", f"{row}:{row + 256},{column}:{column + 256}"]

    yield "256 x 256 of a packed mask of 100000 x 100000", (SIDE - 256) ** 2, crop
    yield "an item of a million, `ragged`", ITEMS, lambda i: [folder / "ragged.h5", "--item", str(i)]
    for kind, ending in BUNDLES.items():
        index = folder / f"bundle_{kind}.index.npz"
        yield f"a member of 10,000, `bundle -o NAME.{ending}`", MEMBERS, lambda i, index=index: [f"{index}:members/{i:05}"]


def once(command):
    """Seconds of wall time, of processor time, and bytes read, of one process."""
    words = [str(word) for word in command]
    start = time.perf_counter()
    child = os.posix_spawn(words[0], words, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    # Left to be asked for its account until wait4.
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    wall = time.perf_counter() - start
    account = pathlib.Path(f"/proc/{child}/io").read_text()
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"failed: {' '.join(words)}")
    return wall, usage.ru_utime + usage.ru_stime, int(account.split("rchar: ")[1].split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--compact", default="target/release/compact")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--limit", type=float, default=20, help="milliseconds that no run may take longer than")
    parser.add_argument("--only", default="", help="measure what has this word in its name")
    args = parser.parse_args()
    folder, args.compact = args.folder.resolve(), str(pathlib.Path(args.compact).resolve())
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "zstd.h5").exists():
        sys.exit(f"no {folder}/zstd.h5: run make_large_hdf5.py {folder}")
    prepare(folder, args.compact)
    out = folder / "part.npy"
    out.unlink(missing_ok=True)

    version = [once([args.compact, "--version"]) for _ in range(args.runs + 1)][1:]
    base = min(read for _, _, read in version)
    print(f"{args.runs} runs each, load {os.getloadavg()[0]:.1f}, processor time the median of user and system\n")
    print("| one part, cold process | median ms | least | worst | processor ms | bytes read | file |")
    print("|---|---|---|---|---|---|---|")
    slow = 0

    def line(title, runs, size):
        walls, cpus, reads = ([run[k] for run in runs] for k in range(3))
        read = f"{statistics.median(reads) - base:,.0f}"
        print(
            f"| {title} | {statistics.median(walls) * 1e3:.1f} | {min(walls) * 1e3:.1f} | {max(walls) * 1e3:.1f} "
            f"| {statistics.median(cpus) * 1e3:.1f} | {read} | {size} |",
            flush=True,
        )
        return max(walls) * 1e3 > args.limit

    line("`compact --version`", version, "")
    for title, count, arguments in jobs(folder):
        if args.only not in title:
            continue
        rng, runs = random.Random(0), []
        for _ in range(args.runs + 1):
            words = arguments(rng.randrange(count))
            runs.append(once([args.compact, "restore", *words, "-o", out, "-q"]))
            out.unlink()
        # The first finds what is not in the page cache yet.
        file = pathlib.Path(str(words[0]).split(":")[0])
        held = file if "bundle_" not in file.name else next(f for f in folder.glob(file.name.split(".")[0] + ".*") if f != file)
        slow += line(title, runs[1:], f"{held.stat().st_size / 1e6:,.1f} MB")
    if slow:
        sys.exit(f"{slow} of these took longer than {args.limit:g} ms in a run")


if __name__ == "__main__":
    main()
