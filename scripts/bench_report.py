"""Times `compact verify` and `compact report` against NumPy's plain `np.abs(a - b).max()`, whole processes each.

usage: bench_report.py [--binary target/release/compact] [--folder FOLDER] [--gb 0.512] [--rounds 7] [--threads 1,2,all]

The pair is a 3-d float64 field and the same with small errors; both are in the page cache where memory allows. Each
timing of ours follows one of NumPy's, so that a ratio compares neighbours in time. A ratio is NumPy's time over ours: 1
is as fast. Printed are medians, least and greatest, and the ratio that would be if Python started and imported NumPy in
no time. Exit code 1 if, with all threads, `verify` is below 0.70, `report` is below 0.25, or any run of ours takes more
than 400 MiB. With --gb 8 both files together take 16 GB of disk, and NumPy needs 25 GB of memory: where it has not got
that, it takes the same maximum in memory-mapped slabs, and the head of the table says so.

NumPy is imported in child processes only, for the reason given in bench_vs_cp.py.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from bench_vs_cp import timed

LIMIT = 400 << 20
FLOORS = {"verify": 0.70, "report": 0.25}
PLANE = 250 * 256  # elements of one plane of the field

# A smooth field with noise, and that field rounded to 1/64: no value repeats a pattern that a cache could keep.
MAKE = """
import sys, numpy as np
planes, rng = int(sys.argv[3]), np.random.default_rng(20261123)
base = np.add.outer(np.sin(np.arange(250) / 40), np.cos(np.arange(256) / 30)) * 15 + 280
files = [np.lib.format.open_memmap(path, "w+", "<f8", (planes, 250, 256)) for path in sys.argv[1:3]]
for k in range(planes):
    a = base + np.sin(k / 50) + rng.standard_normal((250, 256)) / 10
    files[0][k], files[1][k] = a, np.round(a * 64) / 64
for file in files:
    file.flush()
"""
PLAIN = """
import sys, numpy as np
a, b = np.load(sys.argv[1]), np.load(sys.argv[2])
print(np.abs(a - b).max())
"""
SLABS = """
import sys, numpy as np
a, b = (np.load(path, mmap_mode="r") for path in sys.argv[1:])
print(max(np.abs(a[i : i + 64] - b[i : i + 64]).max() for i in range(0, len(a), 64)))
"""


def free_memory():
    """Bytes that a process may take now; `None` where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None


def jobs(binary, a, b, threads):
    for t in threads:
        extra = [] if t == "all" else ["--threads", t]
        yield "verify", t, [binary, "verify", a, b, "--max-abs", "1", *extra]
        yield "report", t, [binary, "report", a, b, "--json", *extra]


def bench(binary, folder, gigabytes, rounds, threads):
    a, b = os.path.join(folder, "a.npy"), os.path.join(folder, "b.npy")
    planes = max(1, round(gigabytes * 1e9 / 8 / PLANE))
    subprocess.run([sys.executable, "-c", MAKE, a, b, str(planes)], check=True)
    size = os.path.getsize(a)
    available = free_memory()
    slabs = available is not None and available < 3.2 * size
    plain = [sys.executable, "-c", SLABS if slabs else PLAIN, a, b]
    timed(plain)  # into the page cache

    todo = list(jobs(binary, a, b, threads))
    rows = {(name, t): [] for name, t, _ in todo}
    numpy_rows, starts = [], []
    for number in range(rounds):
        starts.append(timed([sys.executable, "-c", "import sys, numpy as np"])[0])
        for name, t, command in todo:
            numpy_rows.append(timed(plain))
            seconds, resident = timed(command)
            rows[name, t].append((seconds, numpy_rows[-1][0] / seconds, resident))
        print(f"round {number + 1} of {rounds}", file=sys.stderr)

    how = "memory-mapped slabs of 64 planes" if slabs else "np.load, one pass"
    print(f"{planes} x 250 x 256 float64, {size:,} bytes a file; {rounds} rounds; {os.cpu_count()} cores")
    seconds = [s for s, _ in numpy_rows]
    start, peak = statistics.median(starts), max(m for _, m in numpy_rows) / 2**20
    print(
        f"NumPy ({how}): median {statistics.median(seconds):.3f} s, of which {start:.3f} s to start, peak {peak:,.0f} MiB\n"
    )
    print("| command | threads | s | NumPy / ours | least | greatest | less start | floor | peak MiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    good = True
    for (name, t), row in rows.items():
        seconds, ratios, resident = zip(*row)
        ratio = statistics.median(ratios)
        good &= max(resident) <= LIMIT and (t != "all" or ratio >= FLOORS[name])
        less = statistics.median(r - start / s for r, s in zip(ratios, seconds))
        print(
            f"| {name} | {t} | {statistics.median(seconds):.3f} | {ratio:.2f} | {min(ratios):.2f} | {max(ratios):.2f} | {less:.2f} |"
            f" {FLOORS[name]:.2f} | {max(resident) / 2**20:.0f} |"
        )
    print(f"\nfloors are held with all threads; limit of memory {LIMIT >> 20} MiB: {'kept' if good else 'NOT KEPT'}")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/compact")
    parser.add_argument("--folder", help="where the files go (default: a temporary folder); twice --gb")
    parser.add_argument("--gb", type=float, default=0.512, help="size of one array in 10^9 bytes")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", default="1,2,all")
    options = parser.parse_args()
    binary = shutil.which(options.binary) or sys.exit(f"{options.binary} is not there; run cargo build --release")
    folder = tempfile.mkdtemp(prefix="compact-report-", dir=options.folder)
    try:
        good = bench(os.path.abspath(binary), folder, options.gb, options.rounds, options.threads.split(","))
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
