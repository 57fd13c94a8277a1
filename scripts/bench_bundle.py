#!/usr/bin/env python3
"""Bundles beside Python's tarfile, zipfile and GNU tar: whole processes, ratios in one run, peak memory.

    bench_bundle.py [--parts case,small,one,million] [--folder /tmp] [--runs 3] [--markdown]

case     2,000 arrays of 10 to 300,000 float64 (make_bundle_case.py): size, time to write, time to read every 100th
small    200,000 files of 1 kB: time to write, peak memory
one      one array of a bundle of 10,000 from a cold process, page cache warm: time, bytes read
million  a million small arrays out of a tar archive: time, peak memory, one array of them

Needs `cargo build --release --bins --example bundle_items`, and about 6 GB of disk. tarfile with xz runs once, all else --runs times, in
turn; medians are told.
"""

import argparse
import io
import multiprocessing
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FORMATS = ["h5", "npz", "tar", "tar.gz", "tar.zst", "tar.bz2", "tar.xz"]
HERE = Path(__file__).resolve().parent

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--compact", default="target/release/compact")
arguments.add_argument("--items", default="target/release/examples/bundle_items")
arguments.add_argument("--parts", default="case,small,one,million")
arguments.add_argument("--formats", default=",".join(FORMATS))
arguments.add_argument("--folder", default=None)
arguments.add_argument("--runs", type=int, default=3)
arguments.add_argument("--count", type=int, default=2000, help="arrays of the case")
arguments.add_argument("--files", type=int, default=200_000, help="small files")
arguments.add_argument("--million", type=int, default=1_000_000, help="arrays of the part million")
arguments.add_argument("--markdown", action="store_true", help="tables as docs/performance.md has them")
options = arguments.parse_args()
formats = options.formats.split(",")
compact, items = (str(Path(p).resolve()) for p in (options.compact, options.items))
folder = Path(tempfile.mkdtemp(prefix="bench-bundle-", dir=options.folder))


class Run:
    """Seconds, processor seconds and peak memory of a process, and what it printed."""

    def __init__(self, command):
        start = time.perf_counter()
        process = subprocess.Popen([str(c) for c in command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.text = process.stdout.read()
        complaint = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        self.seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, f"{command}: {complaint}"
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak = usage.ru_maxrss / 1024


def python(code, *words):
    return [sys.executable, "-c", code, *words]


def bundled(ending, out):
    """Bytes of the volumes and the index."""
    return sum(p.stat().st_size for p in folder.glob(f"{out}*") if p.name.endswith((f".{ending}", ".index.npz")) and p.is_file())


def clean(out):
    for path in folder.glob(f"{out}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def in_turn(jobs, runs):
    """Runs of each job, one round after the other; `jobs`: name to (command, what to remove before)."""
    done = {name: [] for name in jobs}
    for _ in range(runs):
        for name, (command, out) in jobs.items():
            if out:
                clean(out)
            done[name].append(Run(command))
    return done


def middle(runs, what):
    return statistics.median(getattr(run, what) for run in runs)


def table(titles, rows):
    rows = [[str(c) for c in row] for row in rows]
    if options.markdown:
        print("| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
        print("\n".join("| " + " | ".join(row) + " |" for row in rows))
    else:
        wide = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
        for row in [titles, *rows]:
            print("  ".join(cell.ljust(n) if i == 0 else cell.rjust(n) for i, (cell, n) in enumerate(zip(row, wide))))
    print(flush=True)


def told(text):
    print(text, end="\n\n", flush=True)


def figure(x):
    """Three digits, no more decimals than two."""
    return f"{x:.2f}" if x < 10 else f"{x:.1f}" if x < 100 else f"{x:,.0f}"


TARFILE = "import sys, tarfile\nwith tarfile.open(sys.argv[2], sys.argv[3]) as tar: tar.add(sys.argv[1])"
SAVEZ = """import sys, pathlib, numpy as np
np.savez_compressed(sys.argv[2], **{str(p): np.load(p) for p in sorted(pathlib.Path(sys.argv[1]).rglob('*.npy'))})"""
# Every 100th as tarfile's users read: by name, one after the other. The members are listed before, outside of the second time.
READ_TAR = """import io, sys, tarfile, time, numpy as np
start = time.perf_counter()
names = open(sys.argv[2]).read().split()
tar = tarfile.open(sys.argv[1])
if sys.argv[3] == 'listed':
    tar.getmembers(); by_name = {m.name: m for m in tar}
    for _ in range(5):
        start = time.perf_counter()
        read = [np.load(io.BytesIO(tar.extractfile(by_name[n]).read())) for n in names]
        last = time.perf_counter() - start
else:
    read = [np.load(io.BytesIO(tar.extractfile(n).read())) for n in names]
    last = time.perf_counter() - start
print(last, sum(len(a) for a in read))"""


def bundle(source, out, ending):
    return [compact, "bundle", source, "-o", f"{out}.{ending}", "-q"]


def case():
    subprocess.run([sys.executable, HERE / "make_bundle_case.py", folder / "case", "--count", str(options.count)], check=True)
    files = sorted((folder / "case").rglob("*.npy"))
    raw = sum(p.stat().st_size for p in files)
    told(f"{len(files):,} arrays of 10 to 300,000 float64, {raw:,} bytes of .npy; {os.cpu_count()} cores")
    xz = Run(python(TARFILE, "case", "peer.tar.xz", "w:xz"))
    peers = {"tarfile": (python(TARFILE, "case", "tarfile.tar", "w"), None), "np.savez_compressed": (python(SAVEZ, "case", "peer.npz"), None)}
    if shutil.which("tar") and shutil.which("xz"):
        peers["GNU tar, xz -T0"] = (["tar", "-c", "-I", "xz -T0", "-f", "gnu.tar.xz", "case"], None)
    if shutil.which("tar"):
        peers["GNU tar"] = (["tar", "-c", "-f", "gnu.tar", "case"], None)
    jobs = {ending: (bundle("case", f"b_{ending.replace('.', '')}", ending), f"b_{ending.replace('.', '')}") for ending in formats}
    done = {"tarfile, xz": [xz]} | in_turn(peers | jobs, options.runs)
    sizes = {"tarfile, xz": "peer.tar.xz", "tarfile": "tarfile.tar", "np.savez_compressed": "peer.npz", "GNU tar, xz -T0": "gnu.tar.xz", "GNU tar": "gnu.tar"}
    sizes = {name: (folder / path).stat().st_size for name, path in sizes.items() if name in done}
    sizes |= {ending: bundled(ending, f"b_{ending.replace('.', '')}") for ending in formats}
    rows = []
    for name, runs in done.items():
        seconds = middle(runs, "seconds")
        rows.append(
            [f"`.{name}`" if name in formats else name, f"{sizes[name]:,}", f"{sizes[name] / sizes['tarfile, xz']:.3f}", figure(seconds)]
            + [figure(xz.seconds / seconds), figure(middle(runs, "cpu")), figure(middle(runs, "peak"))]
        )
    table(["written by", "bytes", "of tar.xz", "seconds", "x faster than tarfile, xz", "processor s", "peak MiB"], rows)

    wanted = [str(p.relative_to(folder)) for p in files[::100]]
    (folder / "wanted").write_text("\n".join(wanted))
    first = Run(python(READ_TAR, "peer.tar.xz", "wanted", "not"))
    jobs = {
        "tarfile": (python(READ_TAR, "tarfile.tar", "wanted", "not"), None),
        "tarfile, members listed before": (python(READ_TAR, "tarfile.tar", "wanted", "listed"), None),
    }
    numbers = range(0, len(files), 100)
    for ending in formats:
        index = f"b_{ending.replace('.', '')}.index.npz"
        jobs[f"extract {ending}"] = ([compact, "extract", index, *numbers, "-o", "out", "-q"], "out")
        jobs[f"items {ending}"] = ([items, index, 100, 5], None)
    for command, _ in jobs.values():
        Run(command)
        clean("out")
    done = in_turn(jobs, max(options.runs, 5))
    last = lambda runs: statistics.median(float(r.text.split()[0]) for r in runs)
    inside = lambda runs: statistics.median(float(r.text.splitlines()[-1].split(" in ")[1].split()[0]) for r in runs)
    plain, listed = middle(done["tarfile"], "seconds"), last(done["tarfile, members listed before"])
    alone = float(first.text.split()[0])
    rows = [["tarfile, xz", f"{first.seconds * 1e3:,.0f}", f"{alone * 1e3:,.1f}", "", "", ""]]
    rows += [["tarfile", f"{plain * 1e3:,.0f}", f"{last(done['tarfile']) * 1e3:,.1f}", figure(first.seconds / plain), "", ""]]
    rows += [["tarfile, members listed before", "", f"{listed * 1e3:,.1f}", "", "", ""]]
    for ending in formats:
        process, here = middle(done[f"extract {ending}"], "seconds"), inside(done[f"items {ending}"])
        rows.append([f"`.{ending}`", f"{process * 1e3:,.0f}", f"{here * 1e3:,.1f}", figure(first.seconds / process), figure(plain / process), figure(listed / here)])
    titles = ["every 100th from", "process, ms", "reading alone, ms", "x tar.xz", "x plain tar", "x plain tar listed before, reading alone"]
    table(titles, rows)
    shutil.rmtree(folder / "case")
    for out in ("b_", "peer", "gnu", "tarfile"):
        clean(out)


def apart(job, *words):
    """Runs `job` in a process of its own: the peak memory of those that this one starts begins with this one's, so it stays small."""
    process = multiprocessing.Process(target=job, args=words)
    process.start()
    process.join()
    assert process.exitcode == 0


def head():
    """The header of a .npy file of 112 float64."""
    import numpy as np

    to = io.BytesIO()
    np.save(to, np.zeros(112))
    return to.getvalue()[:128]


def small_values(rng):
    """A thousand small arrays: random walks with four decimals."""
    return rng.normal(size=(1000, 112)).cumsum(axis=1).round(4)


def generator():
    import numpy as np

    return np.random.default_rng(2)


def small_files(name, files):
    rng, start = generator(), head()
    for first in range(0, files, 1000):
        (folder / name / f"{first // 1000:04}").mkdir(parents=True)
        for i, values in zip(range(first, files), small_values(rng)):
            (folder / name / f"{first // 1000:04}" / f"{i:07}.npy").write_bytes(start + values.tobytes())


def small():
    apart(small_files, "small", options.files)
    told(f"{options.files:,} files of 1,024 bytes in {options.files // 1000} folders")
    peers = {"tarfile": (python(TARFILE, "small", "tarfile.tar", "w"), "tarfile")}
    if shutil.which("tar"):
        peers["GNU tar"] = (["tar", "-c", "-f", "gnu.tar", "small"], "gnu")
    jobs = {ending: (bundle("small", "b", ending), "b") for ending in formats}
    # Into the page cache.
    subprocess.run("find small -type f -print0 | xargs -0 cat > /dev/null", shell=True, cwd=folder, check=True)
    sizes = {}
    done = {name: [] for name in peers | jobs}
    for _ in range(options.runs):
        for name, (command, out) in (peers | jobs).items():
            clean(out)
            done[name].append(Run(command))
            sizes[name] = bundled(name, out) if name in jobs else sum(p.stat().st_size for p in folder.glob(f"{out}*"))
            clean(out)
    theirs = middle(done["tarfile"], "seconds")
    rows = [
        [f"`.{n}`" if n in jobs else n, f"{sizes[n]:,}", figure(middle(r, "seconds")), figure(theirs / middle(r, "seconds")), figure(middle(r, "cpu")), figure(middle(r, "peak"))]
        for n, r in done.items()
    ]
    table(["written by", "bytes", "seconds", "x faster than tarfile", "processor s", "peak MiB"], rows)
    shutil.rmtree(folder / "small")


def read_by(command):
    """Bytes that a process read, by the kernel's account."""
    words = ["sh", "-c", '"$@" > /dev/null; cat /proc/$$/io', "sh", *map(str, command)]
    return int(subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout.split("rchar: ")[1].split()[0])


def one_of(index, names, base):
    """Median and slowest time of one array each in a process of its own, with the bytes read."""
    runs = []
    for name in names:
        command = [compact, "restore", f"{index}:{name}", "-o", "one.npy", "--force", "-q"]
        (folder / "one.npy").unlink(missing_ok=True)
        runs.append((Run(command), read_by(command) - base))
    times = sorted(r.seconds * 1e3 for r, _ in runs[1:])
    peak = max(r.peak for r, _ in runs)
    return [f"{statistics.median(times):.1f}", f"{times[-1]:.1f}", f"{statistics.median(b for _, b in runs) / 1e3:,.0f}", figure(peak)]


ONE = ["median ms", "slowest ms", "kB read", "peak MiB"]


def start():
    nothing = statistics.median(Run([compact, "--version"]).seconds for _ in range(21)) * 1e3
    base = read_by([compact, "--version"])
    return nothing, base


def one():
    apart(small_files, "ten", 10_000)
    nothing, base = start()
    told(f"one of 10,000 arrays of 1 kB, a process each; `compact --version` takes {nothing:.1f} ms")
    picked = random.Random(1).sample(range(10_000), 22)
    rows = []
    for ending in formats:
        clean("b")
        Run(bundle("ten", "b", ending))
        rows.append([f"`.{ending}`", *one_of("b.index.npz", [f"ten/{i // 1000:04}/{i:07}" for i in picked], base)])
    table(["one of", *ONE], rows)
    clean("b")
    shutil.rmtree(folder / "ten")


def tar_of_small(path, count):
    """A tar archive of `count` small arrays, without a file for each."""
    rng, start = generator(), head()
    with open(path, "wb", 1 << 20) as to:
        for first in range(0, count, 1000):
            for i, values in zip(range(first, count), small_values(rng)):
                block = bytearray(512)
                name = f"{first // 1000:04}/{i:07}.npy".encode()
                block[: len(name)] = name
                block[100:156] = b"0000644\x000000000\x000000000\x0000000002000\x0000000000000\x00        "
                block[156:157], block[257:265] = b"0", b"ustar\x0000"
                block[148:156] = b"%06o\0 " % sum(block)
                to.write(block + start + values.tobytes())
        to.write(bytes(1024))


def million():
    apart(tar_of_small, folder / "all.tar", options.million)
    nothing, base = start()
    told(f"{options.million:,} arrays of 1 kB, out of a tar archive of {(folder / 'all.tar').stat().st_size:,} bytes")
    picked = random.Random(1).sample(range(options.million), 22)
    rows = []
    for ending in [e for e in formats if e not in ("tar.bz2", "tar.xz")]:
        clean("b")
        run = Run(bundle("all.tar", "b", ending))
        size = (folder / "b.index.npz").stat().st_size
        one = one_of("b.index.npz", [f"all/{i // 1000:04}/{i:07}" for i in picked], base)
        rows.append([f"`.{ending}`", f"{bundled(ending, 'b'):,}", f"{size:,}", figure(run.seconds), figure(run.peak), *one])
    table(["bundle", "bytes", "bytes of the index", "seconds to write", "peak MiB", *(f"one: {t}" for t in ONE)], rows)
    clean("b")
    clean("all")


try:
    for part in options.parts.split(","):
        {"case": case, "small": small, "one": one, "million": million}[part]()
finally:
    shutil.rmtree(folder)
