"""NumPy, SciPy and scikit-image as the judges of a report: every figure of `compact report --json` against their own.

usage: metric_peers.py COMPACT            real and generated pairs, then the traps of `compact verify`
       metric_peers.py COMPACT FOLDER     the .npy arrays of a folder, with rounding as the loss
       metric_peers.py --itself           only the references against the packages that define the figures

A figure agrees within 1e-12 of itself, or within the error that the report states for it (its `accuracy`).
"""

import json
import math
import re
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np

import metric_cases
import metric_likeness
import metric_traps
from metric_reference import CLASSES, SHIFTS, Pair, classes, figures, ks_p
from metric_tables import EPSILON, Judge, number, tables

# Counts and single values: nothing rounds them.
EXACT = {"max_error", "min_error", "max_ulp", "popcount_shift"}


def stated_error(words):
    """The error that `accuracy` states: its largest number, and whether that is a share of the value (`%`, "relative")."""
    found = re.findall(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(%)?", words)
    assert found, f"no number in the stated error {words!r}"
    values = [(float(n) / (100 if percent else 1), bool(percent)) for n, percent in found]
    error, percent = max(values)
    return error, percent or "relative" in words or "of itself" in words


def allowance(name, want, pair, beside, accuracy):
    """How far a figure may be off, absolutely."""
    if name in accuracy:
        error, relative = stated_error(accuracy[name])
        return error * abs(want) if relative else error
    if name in EXACT or (name == "max_abs" and not pair.complex):
        return 0.0
    allowed = 1e-12 * abs(want)
    if name in SHIFTS:
        # The difference of two numbers that are each rounded.
        sides = [abs(beside[side][SHIFTS[name]] or 0) for side in ("original", "restored")]
        allowed += (1e-12 if name == "std_shift" else 4 * EPSILON) * max(sides)
    elif name in ("autocorrelation", "pearson", "ks_p", "ssim", "dssim"):
        allowed = 1e-12  # of at most 1: products cancel
    elif name == "psnr":
        allowed = 1e-11  # decibels: 20 log10(1 + 1e-12)
    elif name == "eigenvalue_shift":
        allowed += 1e-12 * beside["structure"]["magnitude"]
    elif name == "mean_error":
        allowed += EPSILON * 1e-3 * float(np.max(pair.abs_e[pair.present], initial=0.0))
    elif name == "row_sum_shift":
        allowed += 4 * EPSILON * float(np.max(pair.abs_e[pair.present], initial=0.0))
    return allowed


def compare(judge, found, pair):
    """All of one comparison."""
    with np.errstate(over="ignore"):
        wanted, beside = figures(pair)
    got, accuracy = found["figures"], found["accuracy"]
    judge.same("names of figures", sorted(got), sorted(wanted))
    for name, want in wanted.items():
        if name == "eigenvalue_shift" and want is not None:
            want = eigenvalue_shift(found, pair, beside["structure"])
        if name == "ks_p" and got["ks_distance"] is not None:
            judge.near(
                "ks_p of the distance it states", number(got[name]), ks_p(number(got["ks_distance"]), pair), 1e-12
            )
            if "ks_distance" in accuracy:
                continue
        allowed = 0.0 if want is None or math.isinf(want) else allowance(name, want, pair, beside, accuracy)
        judge.near(name, number(got.get(name)), want, allowed)
    judge.same("shape", found["shape"], list(pair.shape))
    judge.same("count", found["count"], pair.x.size)
    judge.same("pairs", found["pairs"], pair.pairs)
    for name in ("changed", "nan_payload", "rel_skipped"):
        judge.same(name, found[name], beside[name])
    lags = [None if lag is None else number(lag) for lag in found["autocorrelation"]]
    if not pair.complex:
        judge.same("axes of autocorrelation", len(lags), len(beside["autocorrelation"]))
        for axis, (lag, want) in enumerate(zip(lags, beside["autocorrelation"])):
            judge.near(f"autocorrelation of axis {axis}", lag, want, 1e-12)
    rows = {row["name"]: row for row in found["classes"]}
    judge.same("names of classes", sorted(rows), sorted(CLASSES))
    for name, (count, first) in classes(pair).items():
        row = rows.get(name, {"count": None, "first": None})
        judge.same(f"class {name}", row["count"], count)
        judge.element(f"first of class {name}", row["first"], first, pair)
    tables(judge, found, pair, beside)


def eigenvalue_shift(found, pair, structure):
    """Of the matrices with the largest errors, as many as the report says."""
    taken = found["structure"]["eigen_matrices"]
    if taken == structure["matrices"]:
        return float(structure["shifts"].max())
    largest = (pair.abs_e.reshape(structure["matrices"], -1) ** 2).sum(axis=1)
    return float(structure["shifts"][np.argsort(-largest, kind="stable")[:taken]].max())


def report(compact, folder, original, restored, fill):
    a, b = folder / "original.npy", folder / "restored.npy"
    np.save(a, original)
    np.save(b, restored)
    extra = [] if fill is None else ["--fill", str(fill)]
    done = subprocess.run([compact, "report", a, b, "--json", *extra], capture_output=True)
    if done.returncode != 0:
        return None, f"exit {done.returncode}: {done.stderr.decode().strip()}"
    return json.loads(done.stdout)["arrays"][0]["comparison"], None


def main(compact, folder):
    metric_likeness.judge_itself(np.random.default_rng(20261125))
    print("ok the references agree with SciPy and scikit-image")
    if compact == "--itself":
        for name, original, restored, fill in [*metric_cases.real(), *metric_cases.generated()]:
            figures(Pair(original, restored, fill))
        return 0
    cases = [metric_cases.of_folder(folder)] if folder else [metric_cases.real(), metric_cases.generated()]
    judge = Judge()
    with tempfile.TemporaryDirectory() as name:
        for case, original, restored, fill in (case for group in cases for case in group):
            judge.case = case
            found, refusal = report(compact, Path(name), original, restored, fill)
            if refusal:
                judge.wrong("compact report", refusal, "a report")
            else:
                # A report of another form than was expected is a failure of this case, not the end of all.
                try:
                    compare(judge, found, Pair(original, restored, fill))
                except (KeyError, TypeError, ValueError, IndexError, AssertionError) as error:
                    judge.wrong(
                        f"report ({traceback.extract_tb(error.__traceback__)[-1].line})", repr(error), "as documented"
                    )
        if not folder:
            judge.case = "verify"
            metric_traps.run(compact, Path(name), judge)
    for line in judge.failures:
        print(line)
    print(f"{judge.checks} values compared with NumPy {np.__version__}, {len(judge.failures)} differ")
    return 1 if judge.failures else 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None))
