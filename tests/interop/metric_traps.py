"""Ways to fool a verdict: each is tried on `compact verify`, which must not say PASSED to it, must end with exit code 1 (over
the budget) or 2 (could not check), and must say what is wrong. Beside each stands what is rightly within the budget.
"""

import re
import subprocess

import numpy as np

LOOSE = "1e9"


class Verify:
    """Runs `compact verify` on pairs of arrays and looks at its exit code and words."""

    def __init__(self, compact, folder, judge):
        self.compact, self.folder, self.judge = compact, folder, judge
        self.hdf5 = True

    def __call__(self, trap, original, restored, *criteria, code, says=(), never=(), budget=None):
        paths = [self.put(name, array) for name, array in (("a", original), ("b", restored))]
        extra = [str(c) for c in criteria]
        if budget is not None:
            (self.folder / "budget.toml").write_text(budget)
            extra += ["--budget", str(self.folder / "budget.toml")]
        done = subprocess.run([self.compact, "verify", *paths, *extra], capture_output=True, text=True)
        told = f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        self.judge.same(f"{trap}: exit code ({told.strip()!r})", done.returncode, code)
        text = done.stdout if code < 2 or "NOT CHECKED" in says else done.stderr
        for word in says:
            self.judge.holds(f"{trap}: words", word in text, told, f"… {word} …")
        for word in never:
            self.judge.holds(f"{trap}: words", not re.search(rf"\b{word}\b", text), told, f"nothing of {word}")
        if code:
            failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "NOT CHECKED"))]
            self.judge.holds(
                f"{trap}: a line that is not PASSED, or a message", failed or done.stderr.strip(), told, "one"
            )

    def put(self, name, array):
        """A file of the array; of a function, of what it writes."""
        if callable(array):
            path = self.folder / f"{name}.h5"
            array(path)
        else:
            path = self.folder / f"{name}.npy"
            np.save(path, array)
        return str(path)


def run(compact, folder, judge):
    verify = Verify(compact, folder, judge)
    for trap in (
        special_values,
        one_slice,
        nothing_to_compare,
        huge_values,
        arrays_that_do_not_fit,
        budgets_that_are_wrong,
        fill_values,
        fill_values_of_hdf5,
    ):
        trap(verify)


def field():
    return np.add.outer(np.arange(20.0), np.arange(30.0) / 7) + 1


def changed(array, at, value):
    out = array.copy()
    out[at] = value
    return out


def special_values(verify):
    a = field()
    limits = ("--max-abs", LOOSE, "--rmse", LOOSE)
    verify("unchanged", a, a, *limits, code=0, says=["PASSED", "max_abs", "rmse"], never=["FAILED", "NOT CHECKED"])
    verify("one error within", a, changed(a, (3, 4), 0.5), *limits, code=0, says=["PASSED"], never=["FAILED"])
    verify("one error over", a, changed(a, (3, 4), 1e3), "--max-abs", 1, code=1, says=["FAILED", "max_abs", "3, 4"])
    verify("a NaN appears", a, changed(a, (3, 4), np.nan), *limits, code=1, says=["FAILED", "finite_to_nan", "3, 4"])
    verify("a NaN disappears", changed(a, (3, 4), np.nan), a, *limits, code=1, says=["FAILED", "nan_to_other", "3, 4"])
    verify("a NaN stays", changed(a, (3, 4), np.nan), changed(a, (3, 4), np.nan), *limits, code=0, never=["FAILED"])
    verify(
        "a NaN beside an error over",
        *(changed(changed(a, (0, 0), np.nan), (9, 9), v) for v in (1, 9)),
        "--max-abs",
        7,
        code=1,
        says=["9, 9"],
    )
    verify(
        "a value becomes Inf", a, changed(a, (3, 4), np.inf), *limits, code=1, says=["FAILED", "finite_to_inf", "3, 4"]
    )
    verify("Inf becomes finite", changed(a, (3, 4), np.inf), a, *limits, code=1, says=["FAILED", "inf_to_other"])
    verify(
        "Inf becomes −Inf",
        changed(a, (3, 4), np.inf),
        changed(a, (3, 4), -np.inf),
        *limits,
        code=1,
        says=["inf_to_other"],
    )
    verify("a value becomes 0", a, changed(a, (3, 4), 0.0), *limits, code=1, says=["FAILED", "nonzero_to_zero"])
    verify("a sign flips", a, changed(a, (3, 4), -1e-3), *limits, code=1, says=["FAILED", "sign_flip"])
    verify(
        "a zero loses its sign", changed(a, (3, 4), -0.0), changed(a, (3, 4), 0.0), *limits, code=1, says=["zero_sign"]
    )
    allow = 'max_abs = 1e9\nallow = ["finite_to_nan"]\n'
    verify(
        "a NaN that is allowed",
        a,
        changed(a, (3, 4), np.nan),
        budget=allow,
        code=0,
        says=["finite_to_nan"],
        never=["FAILED"],
    )
    verify("an Inf where NaN is allowed", a, changed(a, (3, 4), np.inf), budget=allow, code=1, says=["finite_to_inf"])


def one_slice(verify):
    a = np.ones((40, 30, 20))
    a += np.arange(20) / 3
    bad = changed(a, 17, a[17] + 0.01)
    loose = "rmse = 0.005\nmax_abs = 0.02\n"
    verify("errors on one slice, limits of the whole", a, bad, budget=loose, code=0, never=["FAILED"])
    tight = loose + "[[slice]]\naxis = 0\nrmse = 0.005\n"
    verify("errors on one slice", a, bad, budget=tight, code=1, says=["FAILED", "rmse[axis 0]", "17"])
    verify(
        "errors on one slice, counted from the end",
        a,
        bad,
        budget=tight.replace("axis = 0", "axis = -3"),
        code=1,
        says=["17"],
    )
    verify("no error on any slice", a, a, budget=tight, code=0, never=["FAILED", "NOT CHECKED"])
    verify(
        "a slice of an axis that is not there",
        a,
        bad,
        budget=tight.replace("axis = 0", "axis = 3"),
        code=2,
        says=["NOT CHECKED"],
    )


def nothing_to_compare(verify):
    flat = np.full((15, 15), 280.0)
    for flag in ("--nrmse", "--nrmse-std", "--max-range", "--psnr", "--pearson"):
        verify(
            f"a constant that moved, {flag}",
            flat,
            flat + 0.1,
            flag,
            "0.5",
            code=2,
            says=["NOT CHECKED"],
            never=["PASSED"],
        )
    verify(
        "a constant that moved, --ssim",
        flat,
        flat + 0.1,
        "--ssim",
        "0.5",
        code=2,
        says=["NOT CHECKED"],
        never=["PASSED"],
    )
    verify("a constant, no correlation", flat, flat, "--pearson", "0.5", code=2, says=["NOT CHECKED"], never=["PASSED"])
    verify("a constant that is back as it was", flat, flat, "--nrmse", "0", code=0, says=["PASSED"])
    nothing = np.zeros((3, 0, 4), bool)
    for flag in ("--iou", "--popcount-shift", "--equal-fraction"):
        verify(f"an empty mask with {flag}", nothing, nothing, flag, "0.5", code=2, never=["PASSED"])
    verify(
        "constant, a limit in units",
        flat,
        flat + 0.1,
        "--max-abs",
        0.05,
        "--nrmse",
        0.1,
        code=1,
        says=["FAILED", "NOT CHECKED"],
    )
    for name, a in (("empty", np.zeros((0, 5))), ("all NaN", np.full((4, 5), np.nan)), ("all Inf", np.full(9, np.inf))):
        for flag in ("--max-abs", "--rmse", "--max-rel", "--psnr", "--nrmse"):
            verify(f"{name} with {flag}", a, a, flag, 1, code=2, says=["NOT CHECKED"], never=["PASSED"])
        by_slice = "[[slice]]\naxis = 0\nmax_abs = 1\n"
        verify(f"{name} with a limit by slice", a, a, budget=by_slice, code=2, says=["NOT CHECKED"], never=["PASSED"])
    verify("all zeros with --max-rel", np.zeros(9), np.zeros(9), "--max-rel", 1, code=2, says=["NOT CHECKED"])


def huge_values(verify):
    a = field() * 1e300
    b = a + 1e298 * np.sign(np.sin(np.arange(a.size).reshape(a.shape) + 1))
    verify(
        "1e300, within",
        a,
        b,
        "--max-abs",
        "1.01e298",
        "--rmse",
        "1.01e298",
        "--mean-error",
        "1e298",
        code=0,
        never=["FAILED", "inf", "nan"],
    )
    verify("1e300, over", a, b, "--rmse", "0.99e298", code=1, says=["FAILED", "rmse"], never=["inf", "nan"])
    verify("1e300, PSNR", a, b, "--psnr", 100, code=1, says=["FAILED", "psnr"], never=["inf", "nan"])
    ends = np.array([1.7e308, -1.7e308, 1.0])
    verify(
        "differences beyond float64", ends, ends[[1, 0, 2]], "--max-abs", "1e308", code=1, says=["FAILED", "max_abs"]
    )
    tiny = field() * 1e-300
    verify("1e-300, over", tiny, tiny + 1e-301, "--rmse", "1e-302", code=1, says=["FAILED", "rmse"])


def arrays_that_do_not_fit(verify):
    a = field()
    verify("another shape", a, a[:19], "--max-abs", LOOSE, code=2, says=["20, 30", "19, 30"], never=["PASSED"])
    verify("axes exchanged", a, a.T, "--max-abs", LOOSE, code=2, says=["30, 20"])
    verify("one axis less", a, a.ravel(), "--max-abs", LOOSE, code=2, says=["600"])
    verify("another dtype", a, a.astype("f4"), "--max-abs", LOOSE, code=2, says=["float64", "float32"])
    verify("integers for floats", np.ones(5), np.ones(5, "i8"), "--max-abs", LOOSE, code=2, says=["float64", "int64"])


def budgets_that_are_wrong(verify):
    a = field()
    for typo, nearest in (
        ("max_abss = 1\n", "max_abs"),
        ("max-abs = 1\n", "max_abs"),
        ("MAX_ABS = 1\n", "max_abs"),
        ("rsme = 1\n", "rmse"),
        ('max_abs = 1\nallow = ["finite_to_nam"]\n', "finite_to_nan"),
        ("max_abs = 1\n[[slices]]\naxis = 0\nrmse = 1\n", "slice"),
        ("max_abs = 1\n[array.x]\nmax_abs = 1\n", "arrays"),
    ):
        verify(f"a budget with {typo!r}", a, a, budget=typo, code=2, says=[nearest], never=["PASSED"])
    for text in (
        "",
        "note = 'nothing is limited'\n",
        "max_abs = nan\n",
        "max_abs = -1\n",
        "max_abs = 'small'\n",
        "max_abs = 1\nmax_abs = 2\n",
        "max_abs =\n",
    ):
        verify(f"a budget of {text!r}", a, a, budget=text, code=2, never=["PASSED"])
    for flag, value in (("--max-abs", "nan"), ("--max-abs", "-1"), ("--max-abs", "x"), ("--max-abss", "1")):
        verify(f"{flag} {value}", a, a, flag, value, code=2, never=["PASSED"])


def fill_values(verify):
    a = changed(field().astype("f4"), np.s_[4:8, 5:9], 1e20)
    limits = ("--max-abs", "1e30", "--fill", "1e20")
    verify("fill values that stay", a, a, *limits, code=0, never=["FAILED"])
    verify(
        "a fill value changes", a, changed(a, (5, 6), 7.0), *limits, code=1, says=["FAILED", "fill_to_other", "5, 6"]
    )
    near = np.nextafter(np.float32(1e20), np.float32(0))
    verify("a fill value changes in its last bit", a, changed(a, (5, 6), near), *limits, code=1, says=["fill_to_other"])
    verify("a fill value becomes NaN", a, changed(a, (5, 6), np.nan), *limits, code=1, says=["fill_to_other"])
    verify(
        "a fill value appears", a, changed(a, (0, 1), 1e20), *limits, code=1, says=["FAILED", "other_to_fill", "0, 1"]
    )
    all_fill = np.full((3, 4), 1e20, "f4")
    verify("nothing but fill values", all_fill, all_fill, *limits, code=2, says=["NOT CHECKED"], never=["PASSED"])
    # Errors beside fill values are not drowned by them: the range is that of the data.
    verify(
        "range without fill values",
        a,
        np.where(a < 1e19, a + 1, a),
        "--fill",
        "1e20",
        "--nrmse",
        "0.01",
        code=1,
        says=["nrmse"],
    )


def fill_values_of_hdf5(verify):
    try:
        import h5py
    except ImportError:
        return
    a = changed(field().astype("f4"), np.s_[4:8, 5:9], 1e20)

    def dataset(array):
        def write(path):
            with h5py.File(path, "w") as file:
                file.create_dataset("sst", data=array, chunks=(7, 11)).attrs["_FillValue"] = np.float32(1e20)

        return write

    probe = subprocess.run([verify.compact, "info", verify.put("a", dataset(a))], capture_output=True, text=True)
    if "this build has none" in probe.stderr:
        print("skipped: HDF5 files, this build of the command has no HDF5")
        return
    limits = ("--max-abs", "1e30")
    verify("_FillValue that stays", dataset(a), dataset(a), *limits, code=0, never=["FAILED"])
    one = changed(a, (5, 6), 7.0)
    verify(
        "_FillValue changes in one place",
        dataset(a),
        dataset(one),
        *limits,
        code=1,
        says=["FAILED", "fill_to_other", "5, 6"],
    )
    more = changed(a, (0, 1), 1e20)
    verify(
        "_FillValue appears in one place",
        dataset(a),
        dataset(more),
        *limits,
        code=1,
        says=["FAILED", "other_to_fill", "0, 1"],
    )
