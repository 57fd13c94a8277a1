#!/usr/bin/env python3
"""Makes HDF5 files whose array is large and whose making is fast: N matrices of 141 x 141 float64 (symmetric, of which few differ).

    make_large_hdf5.py FOLDER [--gigabytes 10] [--only NAME]

writes FOLDER/plain.h5 (contiguous, a sparse file), FOLDER/zstd.h5 and FOLDER/deflate.h5 (chunks of one matrix; few distinct ones), FOLDER/zstd6.h5 (chunks of six),
each holding dataset /grids; with --only zstd the first of the chunked ones alone, and so on.
"""
import argparse
import pathlib

import h5py
import hdf5plugin
import numpy as np

SIDE = 141


def matrices(count, seed=1):
    """`count` smooth symmetric matrices, rounded, with a little noise."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 1, SIDE)
    out = np.empty((count, SIDE, SIDE))
    for k in range(count):
        a = np.round(np.cos(np.outer(x, x) * (k + 1)) + rng.integers(0, 4, (SIDE, SIDE)) / 100, 2)
        out[k] = a + a.T
    return out


def chunked(path, count, rows, pool, compression, opts):
    """A dataset whose chunks repeat those of `pool`: coded once, written as they are."""
    shape, chunk = (count, SIDE, SIDE), (rows, SIDE, SIDE)
    coded = []
    with h5py.File("pool", "w", driver="core", backing_store=False) as f:
        d = f.create_dataset("x", data=pool, chunks=chunk, compression=compression, compression_opts=opts)
        coded = [d.id.read_direct_chunk((i, 0, 0))[1] for i in range(0, len(pool), rows)]
    with h5py.File(path, "w", libver=("earliest", "v110")) as f:
        d = f.create_dataset("grids", shape, "f8", chunks=chunk, compression=compression, compression_opts=opts)
        for i in range(0, count, rows):
            d.id.write_direct_chunk((i, 0, 0), coded[i // rows % len(coded)])


def contiguous(path, count, pool):
    """A sparse file: nothing is written but `pool`."""
    with h5py.File(path, "w") as f:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        space = h5py.h5s.create_simple((count, SIDE, SIDE))
        h5py.Dataset(h5py.h5d.create(f.id, b"grids", h5py.h5t.IEEE_F64LE, space, creation))[5000:5096] = pool


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--only", choices=["plain", "zstd", "deflate", "zstd6"])
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    rows = 6
    count = int(args.gigabytes * 1e9 / (SIDE * SIDE * 8)) // rows * rows
    pool = matrices(96)
    zstd = hdf5plugin.Zstd(clevel=3)
    filters = {"zstd": (1, dict(zstd)), "zstd6": (rows, dict(zstd)), "deflate": (1, {"compression": "gzip", "compression_opts": 4})}
    for name, (chunk_rows, how) in filters.items():
        if args.only not in (None, name):
            continue
        chunked(args.folder / f"{name}.h5", count, chunk_rows, pool, how["compression"], how.get("compression_opts"))
    if args.only in (None, "plain"):
        contiguous(args.folder / "plain.h5", count, pool)
    print(f"{count} matrices, {count * SIDE * SIDE * 8 / 1e9:.2f} GB each in {args.folder}")


if __name__ == "__main__":
    main()
