"""Compares what the demo restored with what NumPy makes of the same array, bit for bit.

usage: demo_compare.py INPUT.npy FOLDER   (needs numpy and h5py)
"""

import os
import sys

import h5py
import numpy as np


def same_bits(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def datasets(file):
    """Every dataset of an HDF5 file, whatever group it is in."""
    found = []
    file.visititems(lambda name, node: found.append(node) if isinstance(node, h5py.Dataset) else None)
    return found


source, folder = sys.argv[1], sys.argv[2]
original = np.load(source)
expected = original.astype(np.float16).astype(np.float64)
upper = original.astype(np.float16)[np.triu_indices(len(original))]
failed = []


def check(what, ok):
    print(f"  {'ok  ' if ok else 'FAIL'}  {what}")
    if not ok:
        failed.append(what)


print("NumPy and h5py look at the files:")
packed = np.load(os.path.join(folder, "kernel.compact.npy"))
check(f"np.load reads the compacted .npy: {packed.dtype}, shape {packed.shape}", same_bits(packed, upper))
with h5py.File(os.path.join(folder, "kernel.h5"), "r") as file:
    for dataset in datasets(file):
        ok = same_bits(dataset[...], upper)
        check(f"h5py reads the compacted HDF5: {dataset.name}, {dataset.dtype}, shape {dataset.shape}", ok)
for name in ("restored-from-npy.npy", "restored-from-h5.npy"):
    ok = same_bits(np.load(os.path.join(folder, name)), expected)
    check(f"{name} equals a.astype(float16).astype(float64), every bit", ok)

print("\nSizes in bytes:")
full = os.path.getsize(source)
for path in (source, *(os.path.join(folder, name) for name in ("kernel.compact.npy", "kernel.h5"))):
    size = os.path.getsize(path)
    print(f"  {size:>9,}  {full / size:5.2f} x smaller  {path}" if path != source else f"  {size:>9,}  {path}")

if failed:
    sys.exit(f"\nDEMO FAILED: {len(failed)} of the comparisons above do not hold.")
print("\nDEMO PASSED: both files restore to exactly what NumPy's float16 rounding gives.")
