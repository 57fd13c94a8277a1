"""Holds SZ3, zfp, SPERR, HDF5's scaleoffset and numcodecs against the chunks of our own test of bounds, and counts what they break.

usage: peer_violations.py FOLDER [--most N] [--only NAME]

FOLDER is what the test writes, with its bounds and our own count in list.json:

    NDCOMPACT_BOUND_DUMP=FOLDER cargo test --release --test bounds no_bound -- --nocapture
    .venv/bin/python scripts/peer_violations.py FOLDER

The arrays go in as they are, NaN and infinities included: that is what users have. Counted are finite values beyond their bound
(in exact arithmetic), NaN and infinities that became something else, and arrays that were refused, crashed the compressor or
took it more than a while. A compressor runs in a process of its own, for the crashes.
"""

import argparse
import json
import math
import multiprocessing
import os
import sys

# An array of 20,000 values takes milliseconds; what takes longer has hung (SZ3 does, on some NaN).
SECONDS = 3
NAMES = ("SZ3", "zfp", "SPERR", "scaleoffset", "numcodecs Quantize", "numcodecs BitRound")


def codecs():
    """Imported where they run: a crashed process is made again."""
    import numcodecs
    import numpy as np

    import peer_codecs as peers

    def quantize(array, bound):
        # Decimal digits whose half step is inside the bound; rounding is to multiples of a power of two below 10^-digits.
        digits = max(math.ceil(-math.log10(2 * bound)), 0)
        codec = numcodecs.Quantize(digits=digits, dtype=array.dtype.str)
        return codec.decode(codec.encode(array)).reshape(array.shape)

    def bitround(array, bound):
        # The bits that the largest value needs; smaller ones come out finer.
        largest = np.abs(array[np.isfinite(array)]).max(initial=0.0)
        mantissa = np.finfo(array.dtype).nmant
        exponent = math.frexp(float(largest))[1] - 1 if largest else 0
        bits = min(max(exponent - math.frexp(bound)[1], 0), mantissa)
        codec = numcodecs.BitRound(keepbits=bits)
        return np.asarray(codec.decode(codec.encode(array.copy()))).view(array.dtype).reshape(array.shape)

    def whole(run):
        return lambda array, bound: run(array, bound).back

    def squared(array, bound):
        # SPERR takes planes of at least 9 x 9: the elements in their order, as many as make a square, the rest left out.
        if array.ndim not in (2, 3) or min(array.shape) < 9:
            side = math.isqrt(array.size)
            plane = np.ascontiguousarray(array.ravel()[: side * side].reshape(side, side))
            back = array.copy()
            back.ravel()[: side * side] = peers.sperr(plane, bound).back.ravel()
            return back
        return peers.sperr(array, bound).back

    own = {"numcodecs Quantize": quantize, "numcodecs BitRound": bitround}
    return {**{name: whole(run) for name, run in peers.LOSSY.items()}, "SPERR": squared, **own}, np, peers


def work(name, pipe):
    """Answers (path, bound) with (values, broken, lost), or the text of an error."""
    # What a compressor prints about its troubles is not ours to show.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    known, np, peers = codecs()
    run = known[name]
    pipe.send("ready")
    while (task := pipe.recv()) is not None:
        path, bound = task
        array = np.atleast_1d(np.load(path))
        while array.ndim > 4:
            array = array.reshape((-1,) + array.shape[2:])
        try:
            with np.errstate(all="ignore"):
                back = run(array, bound)
            if back.shape != array.shape or back.dtype != array.dtype:
                raise ValueError("another shape or dtype")
            exact = ~np.isfinite(array)
            same = (np.isnan(array) & np.isnan(back)) | (array == back)
            pipe.send((int(array.size), peers.broken(array, back, bound), int((exact & ~same).sum())))
        except Exception as error:  # noqa: BLE001: whatever it does not take
            pipe.send(f"{type(error).__name__}: {error}"[:200])


class Worker:
    def __init__(self, name):
        self.name, self.process = name, None

    def ask(self, task):
        if self.process is None:
            self.pipe, other = multiprocessing.Pipe()
            self.process = multiprocessing.Process(target=work, args=(self.name, other), daemon=True)
            self.process.start()
            other.close()
            self.pipe.recv()
        try:
            self.pipe.send(task)
            if self.pipe.poll(SECONDS):
                return self.pipe.recv()
            answer = "took too long"
        except (EOFError, BrokenPipeError, ConnectionResetError):
            answer = "crashed"
        self.process.kill()
        self.process.join()
        self.process = None
        return answer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--most", type=int, default=sys.maxsize, help="arrays to look at")
    parser.add_argument("--only", help="one compressor")
    options = parser.parse_args()
    with open(os.path.join(options.folder, "list.json")) as file:
        arrays = json.load(file)[: options.most]
    rows = {}
    total = sum(a["values"] for a in arrays)
    ours = (sum(a["violations"] - a["lost"] for a in arrays), sum(a["lost"] for a in arrays))
    rows["ours"] = (len(arrays), total, *ours, sum(a["violations"] > 0 for a in arrays), 0, 0)
    for name in NAMES if options.only is None else (options.only,):
        worker = Worker(name)
        done = values = broken = lost = bad = refused = crashed = 0
        for entry in arrays:
            answer = worker.ask((os.path.join(options.folder, entry["file"]), entry["max_abs"]))
            if isinstance(answer, str):
                crash = answer in ("crashed", "took too long")
                crashed, refused = crashed + crash, refused + (not crash)
                continue
            done, values = done + 1, values + answer[0]
            broken, lost = broken + answer[1], lost + answer[2]
            bad += answer[1] + answer[2] > 0
        rows[name] = (done, values, broken, lost, bad, refused, crashed)
        print(f"  {name}: {rows[name]}", file=sys.stderr, flush=True)
    print("| | arrays coded | values | beyond the bound | NaN, infinities lost | arrays with either | refused | crashed or hung |")
    print("|---|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(f'{n:,}' for n in row)} |")


if __name__ == "__main__":
    main()
