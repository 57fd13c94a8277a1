#!/usr/bin/env bash
# The main job on a real array: compact to .npy and to HDF5, look at both, restore both, compare with NumPy.
# usage: scripts/demo.sh    (make demo builds first; COMPACT names another binary)
set -euo pipefail
cd "$(dirname "$0")/.."

compact=${COMPACT:-target/release/compact}
input=demo/pbmc_kernel.npy
out=demo-out

rm -rf "$out"
mkdir -p "$out"

# Shows a command as a user would type it, then runs it.
compact() {
    printf '\n$ compact %s\n' "$*"
    "$compact" "$@"
}

echo "Input: $input, a symmetric float64 kernel matrix of 480 blood cells (demo/README.md)."

compact "$input" --f16 --triangle -o "$out/kernel.compact.npy"
compact "$input" --f16 --triangle --codec deflate -o "$out/kernel.h5"
compact info "$out/kernel.compact.npy"
compact info "$out/kernel.h5"
compact restore "$out/kernel.compact.npy" -o "$out/restored-from-npy.npy"
compact restore "$out/kernel.h5" -o "$out/restored-from-h5.npy"

echo
.venv/bin/python scripts/demo_compare.py "$input" "$out"
