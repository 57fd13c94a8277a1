"""Measures the peak memory of `compact` and `compact restore` on inputs much larger than it.

usage: bench_memory.py [--binary target/release/compact] [--folder FOLDER] [--gigabytes 8] [--threads N]

Inputs are sparse files (a header, then a length): a stack of 141 x 141 float64 matrices, and one single float64 matrix of
32768 x 32768 for the default 8 GB. Outputs are real: the folder needs as much free space as the input is large, and a
quarter more. Only the standard library is imported, see bench_vs_cp.py for the reason. Exit code 1 if any run takes more
than the limit of 400 MiB.
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time

LIMIT = 400 << 20
SIDE = 141


def sparse_npy(path, shape):
    """A float64 .npy file of zeros that takes no room on disk."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    room = -(10 + len(text) + 1) % 64
    header = (text + " " * room + "\n").encode("latin1")
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        count = 1
        for d in shape:
            count *= d
        file.truncate(10 + len(header) + 8 * count)


def run(command):
    """Seconds and peak resident bytes of a command that must succeed."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"exit code {child.returncode}: {' '.join(command)}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/compact")
    parser.add_argument("--folder", help="where the files go (default: a temporary folder)")
    parser.add_argument("--gigabytes", type=float, default=8)
    parser.add_argument("--threads", help="passed on (default: all cores)")
    options = parser.parse_args()
    binary = shutil.which(options.binary) or sys.exit(f"{options.binary} is not there; run cargo build --release")
    binary = os.path.abspath(binary)
    extra = ["--quiet"] + (["--threads", options.threads] if options.threads else [])
    elements = options.gigabytes * 1e9 / 8
    # The power of two nearest: 8 GB gives the 32768 of the promise, and 50,301 matrices of the stack.
    side = 1 << round(math.log2(elements) / 2)
    shapes = {"stack": (round(elements / SIDE**2), SIDE, SIDE), "matrix": (side, side)}

    worst = 0
    folder = tempfile.mkdtemp(prefix="compact-memory-", dir=options.folder)
    print("| input | run | seconds | peak MiB |")
    print("|---|---|---|---|")
    try:
        for name, shape in shapes.items():
            source = os.path.join(folder, f"{name}.npy")
            sparse_npy(source, shape)
            label = " x ".join(map(str, shape))
            for kind in ("npy", "h5"):
                packed, back = os.path.join(folder, f"packed.{kind}"), os.path.join(folder, f"back.{kind}")
                for words, command in (
                    (f"compact to .{kind}", [binary, source, "--f16", "--triangle", *extra, "-o", packed]),
                    (f"restore .{kind} to .{kind}", [binary, "restore", packed, *extra, "-o", back]),
                ):
                    seconds, peak = run(command)
                    worst = max(worst, peak)
                    print(f"| {label} | {words} | {seconds:.1f} | {peak / 2**20:.0f} |", flush=True)
                os.unlink(packed)
                os.unlink(back)
            os.unlink(source)
    finally:
        shutil.rmtree(folder)
    print(f"\nworst {worst / 2**20:.0f} MiB, limit {LIMIT >> 20} MiB")
    sys.exit(0 if worst <= LIMIT else 1)


if __name__ == "__main__":
    main()
