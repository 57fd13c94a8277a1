"""Sizes and speed of the error-bounded coding against SZ3, zfp, SPERR, HDF5's scaleoffset, pco and Blosc2, array by array.

usage: bench_coding.py --data FOLDER [--binary target/release/compact] [--efforts 5,9] [--only NAME] [--markdown]
                       [--parts bounds,lossless,symmetric] [--extra=--auto] [--speed]

FOLDER holds .npy files. Parts:
  bounds     every float array at 1e-2, 1e-3, 1e-4 and 1e-5 of its range. Ours is the whole file, os.path.getsize; a peer is its
             compressed chunk alone. Every bound is checked on every element, ours after `compact restore`, in exact arithmetic.
             NaN, infinities and a fill value of more than one element in a hundred are replaced by the mean for the peers, which
             cannot keep them, and must come back bit for bit from ours. A plain grid always counts as inside the bound.
  lossless   every array at --max-abs 0, against pco on the values and Blosc2 (shuffle, zstd 9).
  symmetric  the array of make_symmetric_array.py, against the sizes promised for it.
  speed      (--speed) in memory, one thread, default effort: `cargo bench --bench coding` and SZ3 and zfp in turns, a few rounds,
             the best of each. HDF5's own time is measured without a filter and subtracted from the peers'.

What peers came to is kept in demo-out/peers, by the arrays' contents. Exit code 1 if a bound was broken or a value lost by ours.
"""

import argparse
import glob
import hashlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import numpy as np

import peer_codecs as peers

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PARTS_OF_RANGE = (1e-2, 1e-3, 1e-4, 1e-5)
# Part, arguments, most bytes, and the bound to check; None: the values are float16 exactly.
SYMMETRIC = (
    ("--triangle --f16 --layout filtered", 14_400_000, None),
    ("--triangle --max-abs 9.85e-5", 16_420_000, 9.85e-5),
    ("--triangle --max-abs 7.82e-3", 8_500_000, 7.82e-3),
)
# A value of at least this magnitude that more than one element in a hundred has is a fill value.
FILL_FROM = 1e15
FILL_SHARE = 0.01


def geometric(values):
    values = [v for v in values if v > 0]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


def fill_of(array):
    """The fill value, if there is one."""
    if array.dtype.kind != "f":
        return None
    large = array[np.isfinite(array) & (np.abs(array) >= FILL_FROM)]
    if large.size <= FILL_SHARE * array.size:
        return None
    values, times = np.unique(large, return_counts=True)
    return values[times.argmax()] if times.max() > FILL_SHARE * array.size else None


class Loaded:
    """An array, what of it is data, and its range."""

    def __init__(self, path):
        self.path, self.name = path, os.path.splitext(os.path.basename(path))[0]
        self.array = np.load(path)
        self.fill = fill_of(self.array)
        if self.array.dtype.kind == "f":
            self.data = np.isfinite(self.array)
            if self.fill is not None:
                self.data &= self.array != self.fill
            kept = self.array[self.data]
            self.range = float(kept.max()) - float(kept.min()) if kept.size else 0.0
        with open(path, "rb") as file:
            self.digest = hashlib.sha256(file.read()).hexdigest()

    def for_peers(self):
        """Without what peers cannot keep, and with at most four axes."""
        array = self.array
        if not self.data.all():
            mean = array[self.data].mean(dtype="f8").astype(array.dtype)
            array = np.where(self.data, array, mean)
        while array.ndim > 4:
            array = array.reshape((-1,) + array.shape[2:])
        return np.ascontiguousarray(np.atleast_1d(array))

    def bound_arguments(self):
        # As Python prints a float32 it is not the same number: the fill value goes over as a float64.
        return [] if self.fill is None else ["--fill", repr(float(self.fill))]


def arrays(folder, only):
    paths = sorted(glob.glob(os.path.join(folder, "*.npy")))
    if not paths:
        sys.exit(f"{folder} holds no .npy files")
    for path in paths:
        if only in path:
            yield Loaded(path)


class Cache:
    """What peers came to, one file per array."""

    def __init__(self, loaded):
        versions = f"{peers.hdf5plugin.version} {peers.blosc2.__version__} 2"
        key = hashlib.sha256(f"{loaded.digest} {versions}".encode()).hexdigest()[:16]
        self.path = os.path.join(ROOT, "demo-out", "peers", f"{loaded.name}-{key}.json")
        self.known = {}
        if os.path.exists(self.path):
            with open(self.path) as file:
                self.known = json.load(file)

    def get(self, key, make):
        if key not in self.known:
            self.known[key] = make()
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            with open(self.path + ".tmp", "w") as file:
                json.dump(self.known, file)
            os.replace(self.path + ".tmp", self.path)
        return self.known[key]


def run_peers(loaded, bound, share):
    def make():
        array, found = loaded.for_peers(), {}
        for name, run in {**peers.LOSSY, **peers.GRIDS}.items():
            try:
                done = run(array, bound)
            except Exception as error:  # noqa: BLE001: whatever a peer does not take
                found[name] = {"error": str(error)[:80]}
                continue
            wrong = 0 if name in peers.GRIDS else peers.broken(array, done.back, bound)
            found[name] = {"bytes": done.size, "broken": wrong}
        return found

    return Cache(loaded).get(f"{share:g}", make)


class Ours:
    """The command, in a folder of its own."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder

    def run(self, *arguments):
        done = subprocess.run([self.binary, *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"compact {' '.join(arguments)}: {done.stderr.strip()[:300]}")

    def there_and_back(self, path, arguments):
        """Bytes of the file, and the restored array."""
        packed, back = os.path.join(self.folder, "out.h5"), os.path.join(self.folder, "back.npy")
        self.run(path, *arguments, "-o", packed, "--force", "--quiet")
        self.run("restore", packed, "-o", back, "--force", "--quiet")
        return os.path.getsize(packed), np.load(back)


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def wrong_of_ours(loaded, back, bound):
    """Elements beyond the bound, and those that should have come back bit for bit and did not."""
    if back.dtype != loaded.array.dtype or back.shape != loaded.array.shape:
        return loaded.array.size
    bits = f"u{loaded.array.dtype.itemsize}"
    exact = ~loaded.data
    lost = (np.ascontiguousarray(loaded.array).view(bits) != back.view(bits))[exact].sum()
    return peers.broken(loaded.array, back, bound, loaded.data) + int(lost)


class Table:
    """Rows as Markdown or aligned."""

    def __init__(self, markdown, columns):
        self.markdown, self.columns, self.rows = markdown, columns, []

    def add(self, *cells):
        self.rows.append([str(c) for c in cells])
        print(f"  {' '.join(self.rows[-1])}", file=sys.stderr, flush=True)

    def print(self):
        if self.markdown:
            for row in [self.columns, ["---"] * len(self.columns), *self.rows]:
                print(f"| {' | '.join(row)} |")
        else:
            widths = [max(map(len, column)) for column in zip(self.columns, *self.rows)]
            for row in [self.columns, *self.rows]:
                print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        print()


def bench_bounds(ours, options):
    table = Table(
        options.markdown,
        ["array", "part of range", *(f"ours, effort {e}" for e in options.efforts), "best peer", "bytes", "ratio", "beside", "broke the bound"],
    )
    against, against_lossy, won, wrong, failed = [], [], 0, 0, []
    for loaded in arrays(options.data, options.only):
        if loaded.array.dtype.kind != "f" or loaded.array.dtype.itemsize < 4 or not 0 < loaded.range < math.inf:
            continue
        for share in PARTS_OF_RANGE:
            bound = loaded.range * share
            found = run_peers(loaded, bound, share)
            sizes, notes = [], []
            for effort in options.efforts:
                arguments = ["--max-abs", repr(bound), "--effort", effort, *loaded.bound_arguments(), *options.extra.split()]
                try:
                    size, back = ours.there_and_back(loaded.path, arguments)
                except RuntimeError as error:
                    failed.append(str(error))
                    sizes.append(math.inf)
                    continue
                sizes.append(size)
                bad = wrong_of_ours(loaded, back, bound)
                if bad:
                    wrong += bad
                    notes.append(f"OURS at {effort}: {bad}")
            kept = {n: c["bytes"] for n, c in found.items() if c.get("broken") == 0}
            notes += [f"{n}: {c['broken']}" for n, c in found.items() if c.get("broken")]
            best = min(kept, key=kept.get)
            ratio = kept[best] / min(sizes)
            against.append((ratio, loaded.name, share))
            lossy = [kept[n] for n in peers.LOSSY if n in kept]
            if lossy:
                against_lossy.append(min(lossy) / min(sizes))
            won += min(sizes) <= kept[best]
            table.add(
                loaded.name, f"{share:g}", *(f"{s:,}" for s in sizes), best, f"{kept[best]:,}",
                f"{loaded.array.nbytes / min(sizes):.2f}", f"{ratio:.3f}", "; ".join(notes) or "none",
            )
    table.print()
    if not against:
        return 0
    print(f"{won} of {len(against)} pairs at most the size of the best peer (any of the six) that keeps the bound")
    print(f"geometric mean of best peer / ours: {geometric(r for r, _, _ in against):.3f} against all six,")
    print(f"  {geometric(against_lossy):.3f} against SZ3, zfp, SPERR and scaleoffset alone ({len(against_lossy)} pairs)")
    print("worst pair: {1} at {2:g}: {0:.3f}".format(*min(against)))
    print(f"values beyond their bound or lost, ours: {wrong}\n")
    for line in failed:
        print(f"FAILED: {line}")
    return wrong + len(failed)


def bench_lossless(ours, options):
    table = Table(options.markdown, ["array", "dtype", "bytes", *(f"ours, effort {e}" for e in options.efforts), "pco", "Blosc2", "beside"])
    ratios, wrong = [], 0
    for loaded in arrays(options.data, options.only):
        def make(array=loaded.array):
            return {"pco": peers.raw_pco(array), "blosc": peers.raw_blosc(array)}

        found = Cache(loaded).get("lossless", make)
        sizes = []
        for effort in options.efforts:
            try:
                size, back = ours.there_and_back(loaded.path, ["--max-abs", "0", "--effort", effort, *options.extra.split()])
            except RuntimeError as error:
                print(f"FAILED: {error}")
                wrong += 1
                sizes.append(math.inf)
                continue
            sizes.append(size)
            if not same_bits(loaded.array, back):
                print(f"NOT THE SAME BITS: {loaded.name} at effort {effort}")
                wrong += 1
        best = min(size for size in found.values() if size)
        ratios.append((best / min(sizes), loaded.name))
        cells = [f"{found[k]:,}" if found[k] else "–" for k in ("pco", "blosc")]
        table.add(loaded.name, loaded.array.dtype, f"{loaded.array.nbytes:,}", *(f"{s:,}" for s in sizes), *cells, f"{ratios[-1][0]:.3f}")
    table.print()
    print(f"{sum(r >= 1 for r, _ in ratios)} of {len(ratios)} arrays at most the size of the smaller one; geometric mean {geometric(r for r, _ in ratios):.3f}")
    print("worst: {1}: {0:.3f}\n".format(*min(ratios)))
    return wrong


def bench_symmetric(ours, options):
    path = os.path.join(ours.folder, "symmetric.npy")
    subprocess.run([sys.executable, os.path.join(HERE, "make_symmetric_array.py"), path], check=True)
    array = np.load(path)
    table = Table(options.markdown, ["steps", *(f"bytes, effort {e}" for e in options.efforts), "at most", "kept", "values beyond"])
    wrong = 0
    for steps, most, bound in SYMMETRIC:
        sizes, bad = [], 0
        for effort in options.efforts:
            try:
                size, back = ours.there_and_back(path, [*steps.split(), "--effort", effort])
            except RuntimeError as error:
                print(f"FAILED: {error}")
                bad += 1
                sizes.append(math.inf)
                continue
            sizes.append(size)
            if bound is None:
                bad += 0 if same_bits(back, array.astype("f2").astype("f8")) else 1
            else:
                bad += peers.broken(array, back, bound)
        wrong += bad
        table.add(f"`{steps}`", *(f"{s:,}" for s in sizes), f"{most:,}", "yes" if min(sizes) <= most else "NO", bad)
    table.print()
    return wrong


def bench_binary():
    """Builds the harness and gives its path."""
    command = ["cargo", "bench", "--locked", "--no-default-features", "--features", "zstd", "--bench", "coding", "--no-run"]
    done = subprocess.run([*command, "--message-format=json"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message.get("target", {}).get("name") == "coding":
            return message["executable"]
    sys.exit("cargo did not build the bench")


def bench_speed(options):
    binary = options.bench or bench_binary()
    columns = ["array", "part of range", "ours enc", "dec", "SZ3 enc", "dec", "zfp enc", "dec", "enc / SZ3", "dec / SZ3", "dec / zfp"]
    table = Table(options.markdown, columns)
    ratios = {"encode / SZ3": [], "decode / SZ3": [], "encode / zfp": [], "decode / zfp": []}
    own, scale = {"encode": [], "decode": []}, {"encode": [], "decode": []}
    for loaded in arrays(options.data, options.only):
        if loaded.array.dtype.kind != "f" or loaded.array.dtype.itemsize < 4 or not 0 < loaded.range < math.inf:
            continue
        array = loaded.for_peers()
        megabytes = array.nbytes / 1e6
        for share in PARTS_OF_RANGE:
            bound = loaded.range * share
            best = {}

            def keep(name, encode, decode):
                old = best.get(name, (math.inf, math.inf))
                best[name] = (min(old[0], encode), min(old[1], decode))

            for _ in range(options.rounds):
                done = subprocess.run(
                    [binary, loaded.path, "--max-abs", repr(bound), "--json", *loaded.bound_arguments()],
                    stdout=subprocess.PIPE, text=True, check=True,
                )
                run = json.loads(done.stdout)["runs"][0]
                keep("ours", run["encode_seconds"], run["decode_seconds"])
                for name in ("SZ3", "zfp"):
                    one, bare = peers.LOSSY[name](array, bound), peers.hdf5(array)
                    keep(name, one.encode, one.decode)
                    keep("bare", bare.encode, bare.decode)
            bare = best.pop("bare")
            for name in ("SZ3", "zfp"):
                best[name] = tuple(max(t - b, 1e-6) for t, b in zip(best[name], bare))
                for i, way in enumerate(("encode", "decode")):
                    ratios[f"{way} / {name}"].append(best[name][i] / best["ours"][i])
            own["encode"].append(megabytes / best["ours"][0])
            own["decode"].append(megabytes / best["ours"][1])
            speeds = [f"{megabytes / t:.0f}" for name in ("ours", "SZ3", "zfp") for t in best[name]]
            last = [f"{ratios[k][-1]:.2f}" for k in ("encode / SZ3", "decode / SZ3", "decode / zfp")]
            table.add(loaded.name, f"{share:g}", *speeds, *last)
        done = subprocess.run(
            [binary, loaded.path, "--max-abs", repr(loaded.range * 1e-3), "--threads", "--json", *loaded.bound_arguments()],
            stdout=subprocess.PIPE, text=True, check=True,
        )
        for way, ratio in json.loads(done.stdout)["two_threads"].items():
            scale[way].append(ratio)
    table.print()
    if not own["encode"]:
        return
    print("MB/s of original bytes, one thread. Medians over arrays x bounds:")
    print(f"  ours: encode {statistics.median(own['encode']):.0f} MB/s, decode {statistics.median(own['decode']):.0f} MB/s")
    for name, values in ratios.items():
        print(f"  {name}: {statistics.median(values):.2f} (least {min(values):.2f}, greatest {max(values):.2f})")
    for way, values in scale.items():
        print(f"  two threads against one, {way}: {statistics.median(values):.2f} (least {min(values):.2f})")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of .npy files")
    parser.add_argument("--binary", default="target/release/compact")
    parser.add_argument("--efforts", default="5,9", type=lambda text: text.split(","))
    parser.add_argument("--only", default="", help="only arrays whose path has this in it")
    parser.add_argument("--parts", default="bounds,lossless,symmetric", type=lambda text: text.split(","))
    parser.add_argument("--extra", default="", help="more arguments for compact, of the parts bounds and lossless")
    parser.add_argument("--speed", action="store_true", help="speed alone")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of --speed")
    parser.add_argument("--bench", help="the built bench, else cargo builds it")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    if options.speed:
        bench_speed(options)
        return
    binary = shutil.which(options.binary) or sys.exit(f"{options.binary} is not there; run cargo build --release")
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="bench-coding-") as folder:
        ours = Ours(os.path.abspath(binary), folder)
        if "bounds" in options.parts:
            wrong += bench_bounds(ours, options)
        if "lossless" in options.parts:
            wrong += bench_lossless(ours, options)
        if "symmetric" in options.parts:
            wrong += bench_symmetric(ours, options)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
