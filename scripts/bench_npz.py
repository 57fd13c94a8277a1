"""Archives beside NumPy, whole processes in the same run: one member of a large archive, and writing with deflate.

usage: bench_npz.py [COMPACT] [--mb 1024] [--example target/release/examples/map_npz]

The example, which maps an archive through the library, is made by `cargo build --release --example map_npz`.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("compact", nargs="?", default="target/release/compact")
parser.add_argument("--example")
parser.add_argument("--mb", type=int, default=1024)
args = parser.parse_args()
compact = str(Path(args.compact).resolve())
REPEATS = 3


def best(command):
    """The least seconds of some runs."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def python(code, *names):
    return [sys.executable, "-c", code, *map(str, names)]


def line(what, ours, theirs, peer):
    print(f"{what:54}{ours:9.3f} s{theirs:9.3f} s  {theirs / ours:8.1f} x   ({peer})")


with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
    folder = Path(name)
    rng = np.random.default_rng(3)
    rows = args.mb * 1_000_000 // 8 // 1000
    # Smooth fields with noise in the last digits, as measured ones are.
    steps = np.cumsum(rng.normal(size=(rows, 1000)), axis=1)
    field = np.round(steps, 3)
    np.savez(folder / "plain.npz", field=field, other=field[:10])
    many = {f"m{i}": field[i % rows, :125] for i in range(10_000)}
    np.savez(folder / "many.npz", **many)
    np.save(folder / "field.npy", field)
    del steps, field, many
    print(f"{args.mb} MB of float64; least of {REPEATS} runs; {os.cpu_count()} cores")
    start = best(python("import numpy"))
    print(f"python -c 'import numpy' alone takes {start:.3f} s, which is part of every figure of NumPy\n")
    print(f"{'':54}{'compact':>11}{'NumPy':>11}  {'ratio':>10}")
    out = folder / "row.npy"
    if args.example:
        line(
            "one row of a member that is not compressed, mapped",
            best([args.example, f"{folder}/plain.npz", "field", "7"]),
            best(python("import sys, numpy as np; print(np.load(sys.argv[1], mmap_mode='r')['field'][7].sum())", folder / "plain.npz")),
            "np.load(npz, mmap_mode='r')['field'][7], which reads it all",
        )
    line(
        "one member of 10,000 to a file",
        best([compact, f"{folder}/many.npz:m7777", "-o", str(out), "--force", "--quiet"]),
        best(python("import sys, numpy as np; np.save(sys.argv[2], np.load(sys.argv[1])['m7777'])", folder / "many.npz", out)),
        "np.save(np.load(npz)[name])",
    )
    target = folder / "out.npz"
    theirs = best(python("import sys, numpy as np; np.savez_compressed(sys.argv[2], field=np.load(sys.argv[1]))", folder / "field.npy", target))
    size = target.stat().st_size
    ours = best([compact, str(folder / "field.npy"), "--codec", "deflate", "-o", str(target), "--force", "--quiet"])
    line(f"deflate, level 6 ({target.stat().st_size / size:.3f} of NumPy's size)", ours, theirs, "np.savez_compressed")
    theirs = best(python("import sys, numpy as np; np.savez(sys.argv[2], field=np.load(sys.argv[1]))", folder / "field.npy", target))
    ours = best([compact, str(folder / "field.npy"), "-o", str(target), "--force", "--quiet"])
    line("not compressed", ours, theirs, "np.savez")
    run = [compact, str(folder / "many.npz"), "--codec", "deflate", "-o", str(target), "--force", "--quiet"]
    ours = best(run)
    theirs = best(python("import sys, numpy as np; np.savez_compressed(sys.argv[2], **np.load(sys.argv[1]))", folder / "many.npz", target))
    line("10,000 members of 1 kB, deflated", ours, theirs, "np.savez_compressed(**np.load(npz))")
