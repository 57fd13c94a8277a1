"""Times whole runs of `compact` against a fresh `cp` of the same input, and NumPy + h5py on the same job.

usage: bench_vs_cp.py [--binary target/release/compact] [--folder FOLDER] [--rounds 15] [--threads 1,2,4]

Each timing of a job follows a timing of `cp INPUT COPY`, so that a ratio compares neighbours in time. Outputs are removed
before each timing (overwriting cached pages is another, slower thing), the input is in the page cache. Printed are medians
over the rounds, and the median, least and greatest of the ratios of each pair.

Only the standard library is imported here: a child's peak memory (ru_maxrss) is at least its parent's at the time of the
fork, and NumPy in the parent would show in every figure.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))

# The same job by hand: symmetry checked, upper triangle in float16, largest error taken.
NUMPY_COMPACT = """
import sys, h5py, numpy as np
a = np.load(sys.argv[1])
if not np.array_equal(a, a.transpose(0, 2, 1)):
    sys.exit("not symmetric")
rows, columns = np.triu_indices(a.shape[-1])
full = a[:, rows, columns]
packed = full.astype(np.float16)
error = float(np.abs(full - packed).max())
with h5py.File(sys.argv[2], "w") as file:
    dataset = file.create_dataset("packed", data=packed)
    dataset.attrs.update(n=a.shape[-1], max_error=error)
"""
NUMPY_RESTORE = """
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "r") as file:
    packed, n = file["packed"][...], int(file["packed"].attrs["n"])
rows, columns = np.triu_indices(n)
a = np.empty((len(packed), n, n))
a[:, rows, columns] = packed
a[:, columns, rows] = packed
np.save(sys.argv[2], a)
"""


def timed(command):
    """Seconds of wall time and peak resident bytes of a command that must succeed."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"exit code {child.returncode}: {' '.join(command)}")
    return seconds, usage.ru_maxrss * 1024


def remove(*paths):
    for path in paths:
        if os.path.exists(path):
            os.unlink(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/compact")
    parser.add_argument("--folder", help="where the files go (default: a temporary folder); about 700 MB")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", default="1,2,4")
    options = parser.parse_args()
    threads = [int(t) for t in options.threads.split(",")]
    binary = shutil.which(options.binary) or sys.exit(f"{options.binary} is not there; run cargo build --release")
    folder = tempfile.mkdtemp(prefix="compact-bench-", dir=options.folder)
    try:
        bench(os.path.abspath(binary), folder, options.rounds, threads)
    finally:
        shutil.rmtree(folder)


def bench(binary, folder, rounds, threads):
    def at(name):
        return os.path.join(folder, name)

    source, copy = at("in.npy"), at("copy.npy")
    subprocess.run([sys.executable, os.path.join(HERE, "make_symmetric_array.py"), source], check=True)
    steps = ["--f16", "--triangle", "--quiet"]
    # What the restores start from.
    subprocess.run([binary, source, *steps, "-o", at("packed.npy")], check=True)
    subprocess.run([binary, source, *steps, "-o", at("packed.h5")], check=True)
    subprocess.run([binary, source, *steps, "--codec", "zstd", "-o", at("packed-zstd.h5")], check=True)
    subprocess.run([sys.executable, "-c", NUMPY_COMPACT, source, at("numpy.h5")], check=True)

    jobs = []  # name, command, output
    for t in threads:
        n = ["--threads", str(t)]
        out, h5, back = at("out.npy"), at("out.h5"), at("back.npy")
        jobs.append((f"compact to .npy, {t} thr.", [binary, source, *steps, *n, "-o", out], out))
        jobs.append((f"compact to .h5, {t} thr.", [binary, source, *steps, *n, "-o", h5], h5))
        zstd = [binary, source, *steps, *n, "--codec", "zstd", "-o", h5]
        jobs.append((f"compact to .h5 zstd, {t} thr.", zstd, h5))
        for name, packed in ((".npy", "packed.npy"), (".h5", "packed.h5"), (".h5 zstd", "packed-zstd.h5")):
            restore = [binary, "restore", at(packed), "--quiet", *n, "-o", back]
            jobs.append((f"restore from {name}, {t} thr.", restore, back))
    jobs.append(("NumPy + h5py, compact", [sys.executable, "-c", NUMPY_COMPACT, source, at("np.h5")], at("np.h5")))
    jobs.append(("NumPy + h5py, restore", [sys.executable, "-c", NUMPY_RESTORE, at("numpy.h5"), at("np.npy")], at("np.npy")))

    cp_times = []
    results = {name: [] for name, _, _ in jobs}
    for number in range(rounds):
        for name, command, output in jobs:
            remove(copy)
            cp_seconds, _ = timed(["cp", source, copy])
            cp_times.append(cp_seconds)
            remove(copy, output)
            seconds, resident = timed(command)
            results[name].append((seconds, seconds / cp_seconds, resident))
            remove(output)
        print(f"round {number + 1} of {rounds}", file=sys.stderr)

    print(f"input {os.path.getsize(source):,} bytes; {rounds} rounds; {os.cpu_count()} cores")
    print(f"cp: median {1e3 * statistics.median(cp_times):.1f} ms over {len(cp_times)} copies\n")
    print("| job | ms | x cp | least | greatest | peak MB |")
    print("|---|---|---|---|---|---|")
    for name, rows in results.items():
        seconds, ratios, resident = zip(*rows)
        print(
            f"| {name} | {1e3 * statistics.median(seconds):.1f} | {statistics.median(ratios):.2f} |"
            f" {min(ratios):.2f} | {max(ratios):.2f} | {max(resident) / 1e6:.0f} |"
        )
    print("\nBytes of the outputs:")
    for name in ("packed.npy", "packed.h5", "packed-zstd.h5", "numpy.h5"):
        print(f"  {os.path.getsize(at(name)):>12,}  {name}")


if __name__ == "__main__":
    main()
