"""Everything of a comparison that is not one number: places, worst elements, slices, bins, spectra, both arrays' tables."""

import math
import re

import numpy as np

EPSILON = float(np.finfo(np.float64).eps)


def number(value):
    """A number as reports write it; `None` for undefined."""
    return value if value is None else float(value)


class Judge:
    """Counts what agrees, keeps what does not."""

    def __init__(self):
        self.case, self.checks, self.failures = "", 0, []

    def wrong(self, what, got, want, allowed=None):
        within = "" if allowed is None else f" (within {allowed:.3g})"
        self.failures.append(f"{self.case}: {what} is {got!r}, not {want!r}{within}")

    def same(self, what, got, want):
        self.checks += 1
        if got != want:
            self.wrong(what, got, want)

    def near(self, what, got, want, allowed):
        self.checks += 1
        if got is None or want is None:
            if got is not want:
                self.wrong(what, got, want)
        elif got != want and not abs(got - want) <= allowed:
            self.wrong(what, got, float(want), allowed)

    def holds(self, what, fact, got, want):
        self.checks += 1
        if not fact:
            self.wrong(what, got, want)

    def element(self, what, got, flat, pair):
        """An element as it stands in the report, `None` for none."""
        self.checks += 1
        if got is None or flat is None:
            if got is not flat:
                self.wrong(what, got, flat)
            return
        index = list(map(int, np.unravel_index(flat, pair.shape)))
        want = {"index": index, "original": cell(pair.x.flat[flat]), "restored": cell(pair.y.flat[flat])}
        if got != want:
            self.wrong(what, got, want)


def cell(value):
    value = value.item()
    if isinstance(value, complex):
        return [cell(np.float64(value.real)), cell(np.float64(value.imag))]
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def tables(judge, found, pair, beside):
    with np.errstate(all="ignore"):
        worst_elements(judge, found, pair)
        places(judge, found, pair)
        axes(judge, found, pair)
        histogram(judge, found, pair)
        cumulative(judge, found, pair)
        magnitudes(judge, found, pair)
        spectrum(judge, found, pair)
    for side in ("original", "restored"):
        by_itself(judge, side, found[side], beside[side])
    structure(judge, found["structure"], beside["structure"])


def worst_elements(judge, found, pair):
    size = np.where(pair.present, pair.abs_e, 0).ravel()
    order = np.argsort(-size, kind="stable")
    order = order[size[order] > 0]
    got = found["worst"]
    judge.holds(
        "number of worst elements", min(len(order), 1) <= len(got) <= len(order), len(got), f"1 to {len(order)}"
    )
    for rank, (element, flat) in enumerate(zip(got, order)):
        if pair.complex:  # moduli are rounded, so that near ones may change places
            at = np.ravel_multi_index(element["index"], pair.shape)
            judge.near(f"worst element {rank}", float(size[at]), float(size[flat]), 1e-12 * float(size[flat]))
        else:
            judge.element(f"worst element {rank}", element, int(flat), pair)


def places(judge, found, pair):
    """The element of a figure has the figure's value."""
    x = np.abs(pair.mx.astype(np.float64))
    of = {
        "max_abs": pair.abs_e,
        "max_error": pair.e.real,
        "min_error": pair.e.real,
        "max_rel": pair.abs_e / np.where(x == 0, np.nan, x),
    }
    for name, element in found["places"].items():
        flat = int(np.ravel_multi_index(element["index"], pair.shape)) if pair.shape else 0
        judge.element(f"element of {name}", element, flat, pair)
        judge.holds(f"element of {name}", pair.present.flat[flat], element["index"], "a pair of finite values")
        want = number(found["figures"][name])
        judge.holds(f"element of {name}", want is not None, element["index"], "none, the figure being undefined")
        if name in of and want is not None:
            value = float(of[name].flat[flat])
            judge.near(f"{name} at its element", value, want, 1e-12 * abs(want) if math.isfinite(want) else 0.0)


def axes(judge, found, pair):
    size = np.where(pair.present, pair.abs_e, 0.0)
    judge.same("axes", [a["axis"] for a in found["axes"]], list(range(pair.x.ndim)))
    largest = float(size.max(initial=0.0)) or 1.0
    for entry in found["axes"]:
        axis, slices = entry["axis"], entry["slices"]
        what = f"slices of axis {axis}"
        ends = [0, *(s["to"] for s in slices)]
        judge.same(f"{what}, beginnings", [s["from"] for s in slices], ends[:-1])
        judge.same(f"{what}, end", ends[-1], pair.shape[axis])
        judge.holds(f"{what}, number", len(slices) <= 4096, len(slices), "at most 4096")
        judge.holds(
            f"{what}, lengths",
            pair.shape[axis] > 4096 or len(slices) == pair.shape[axis],
            len(slices),
            pair.shape[axis],
        )
        rms = []
        for s in slices:
            part = np.moveaxis(size, axis, 0)[s["from"] : s["to"]]
            n = int(np.moveaxis(pair.present, axis, 0)[s["from"] : s["to"]].sum())
            judge.near(
                f"{what}, max_abs at {s['from']}",
                s["max_abs"],
                float(part.max(initial=0.0)),
                1e-12 * largest if pair.complex else 0.0,
            )
            own = float(part.max(initial=0.0)) or 1.0
            want = math.sqrt(math.fsum(((part / own) ** 2).ravel().tolist()) / n) * own if n else None
            allowed = 1e-12 * (want or 0.0)
            if own < largest * 1e-130:
                # Squares that far below the array's largest are not kept: their root is told as its bound, the largest.
                allowed = own
            judge.near(f"{what}, rmse at {s['from']}", number(s["rmse"]), want, allowed)
            rms.append(want or 0.0)
        if max(rms, default=0.0) == 0.0:
            judge.same(f"{what}, worst", entry["worst"], None)
        else:
            judge.holds(
                f"{what}, worst",
                entry["worst"] is not None and rms[entry["worst"]] >= max(rms) * (1 - 1e-12),
                entry["worst"],
                int(np.argmax(rms)),
            )


def counts_agree(judge, what, values, edges, counts):
    """Numbers of sorted values up to each edge; values at an edge may stand on either side of it, since edges are rounded."""
    values = np.sort(values)
    slack = 1e-9 * (edges[-1] - edges[0]) / max(len(counts), 1)
    upto = np.cumsum(counts)[:-1]
    low = np.searchsorted(values, edges[1:-1] - slack, side="left")
    high = np.searchsorted(values, edges[1:-1] + slack, side="right")
    bad = np.flatnonzero((upto < low) | (upto > high))
    judge.holds(what, bad.size == 0, f"{bad.size} bins off, the first {bad[:1]}", "NumPy's counts")


def histogram(judge, found, pair):
    errors = (pair.abs_e if pair.complex else pair.e)[pair.present]
    got = found["histogram"]
    if got is None:
        # Moduli of complex numbers have no sign.
        judge.holds("histogram", pair.complex or errors.size == 0 or not np.any(errors), None, "bins")
        return
    judge.same("histogram, sum of counts", sum(got["counts"]), pair.pairs)
    inside = errors.size == 0 or (got["from"] <= errors.min() and errors.max() <= got["to"])
    judge.holds("histogram, ends", inside, [got["from"], got["to"]], "all errors within")
    if got["to"] > got["from"]:
        n = len(got["counts"])
        scale = max(abs(got["from"]), abs(got["to"]))
        edges = np.linspace(got["from"] / scale, got["to"] / scale, n + 1)
        counts_agree(judge, "histogram", errors / scale, edges, got["counts"])


def cumulative(judge, found, pair):
    size, got = np.sort(pair.abs_e[pair.present]), found["cumulative"]
    if not got:
        judge.holds("cumulative distribution", size.size == 0 or size[-1] == 0, [], "points")
        return
    values, shares = np.array(got, dtype=np.float64).T
    judge.holds(
        "cumulative distribution", np.all(np.diff(values) >= 0) and np.all(np.diff(shares) >= 0), "falling", "rising"
    )
    judge.near("cumulative distribution, last share", float(shares[-1]), 1.0, 1e-12)
    slack = max(
        (float(n) / 100 for n in re.findall(r"([\d.]+)\s*%", found["accuracy"].get("p50_abs", ""))), default=1e-12
    )
    low = np.searchsorted(size, values * (1 - slack), side="left") / size.size
    high = np.searchsorted(size, values * (1 + slack), side="right") / size.size
    bad = np.flatnonzero((shares < low - 1e-12) | (shares > high + 1e-12))
    judge.holds(
        "cumulative distribution", bad.size == 0, [got[b] for b in bad[:3]], [(low[b], high[b]) for b in bad[:3]]
    )


def magnitudes(judge, found, pair):
    x, size = np.abs(pair.mx.astype(np.float64))[pair.present], pair.abs_e[pair.present]
    exponents = np.frexp(x)[1] - 1
    want = {int(k): (exponents == k) & (x > 0) for k in np.unique(exponents[x > 0])}
    judge.same("binary orders of magnitude", [m["exponent"] for m in found["magnitudes"]], list(want))
    for m in found["magnitudes"]:
        if (here := want.get(m["exponent"])) is None:
            continue
        errors, what = size[here], f"errors from 2^{m['exponent']} on"
        scale = float(errors.max()) or 1.0
        judge.same(f"{what}, count", m["count"], int(here.sum()))
        judge.near(f"{what}, max_abs", m["max_abs"], float(errors.max()), 1e-12 * scale if pair.complex else 0.0)
        mean = math.fsum((errors / scale).tolist()) / errors.size * scale
        judge.near(f"{what}, mean_abs", m["mean_abs"], mean, 1e-12 * mean)


def spectrum(judge, found, pair):
    """Only where the report took every whole line: which ones it samples of a large array is its own affair."""
    got = found["spectrum"]
    if got is None or pair.complex:
        return
    axis, length = got["axis"], got["length"]
    judge.same("spectrum, frequencies", len(got["frequency"]), length // 2)
    for k, f in enumerate(got["frequency"], 1):
        judge.near("spectrum, frequency", f, k / length, 1e-15)
    lines = np.moveaxis(pair.present, axis, -1).reshape(-1, pair.shape[axis]).all(axis=1)
    if length != pair.shape[axis] or got["lines"] != lines.sum():
        return
    for name, of in (("original", pair.x), ("error", pair.e)):
        values = np.moveaxis(of.astype(np.float64), axis, -1).reshape(-1, length)[lines]
        power = np.abs(np.fft.rfft(values, axis=1)) ** 2 / length
        want = power.mean(axis=0)
        # A transform is exact to its largest term: what little is left beside a large mean is not known better.
        noise = 1e-12 * math.sqrt(float(want.max()))
        for k, p in enumerate(got[name], 1):
            judge.near(
                f"spectrum of the {name} at {k}",
                math.sqrt(p),
                math.sqrt(float(want[k])),
                noise + 1e-12 * math.sqrt(float(want[k])),
            )


def by_itself(judge, side, got, want):
    for name in ("count", "finite", "zeros", "nan", "pos_inf", "neg_inf", "fill"):
        judge.same(f"{name} of the {side}", got[name], want[name])
    spread = 0.0 if want["min"] is None else max(abs(want["min"]), abs(want["max"]))
    for name, allowed in (
        ("min", 0),
        ("max", 0),
        ("smallest_nonzero", 0),
        ("mean", EPSILON * 1e-3 * spread),
        ("std", 0),
    ):
        judge.near(f"{name} of the {side}", number(got[name]), want[name], allowed + 1e-12 * abs(want[name] or 0))
    for name in ("distinct", "entropy"):
        estimate = got[name]
        if want["finite"] == 0:
            judge.holds(f"{name} of the {side}", estimate is None or not estimate["value"], estimate, "none")
        elif estimate is None:
            judge.wrong(f"{name} of the {side}", None, want[name])
        elif estimate["exact"]:
            judge.near(f"{name} of the {side}", estimate["value"], want[name], 1e-12 * want[name])
        else:
            stated = [float(n) / 100 for n in re.findall(r"([\d.]+)\s*%", estimate["method"])]
            judge.holds(f"{name} of the {side}, stated error", bool(stated), estimate["method"], "a share in per cent")
            judge.near(f"{name} of the {side}", estimate["value"], want[name], max(stated, default=0.0) * want[name])
    judge.same(f"precision of the {side}", got["precision"], want["precision"])


def structure(judge, got, want):
    if not want:
        judge.same("structure", got, None)
        return
    if got is None:
        judge.wrong("structure", None, sorted(want))
        return
    for name in ("matrices", "n"):
        if name in want:
            judge.same(name, got[name], want[name])
    got = {k: math.inf if v == "inf" else v for k, v in got.items()} if got else got
    for name in ("original_asymmetry", "restored_asymmetry", "row_sum_shift"):
        judge.near(name, got[name], want.get(name), 1e-12 * (want.get(name) or 0.0))
    for name in ("original_popcount", "restored_popcount", "intersection", "union"):
        judge.same(name, got[name], want.get(name))
    judge.holds(
        "eigenvalues",
        (got["eigenvalue_shift"] is None) == ("shifts" not in want),
        got["eigenvalue_shift"],
        want.get("shifts"),
    )
    if "shifts" in want and got["eigenvalue_shift"] is not None:
        slack = 1e-12 * want["magnitude"]
        judge.holds(
            "matrices of eigenvalues",
            1 <= got["eigen_matrices"] <= want["matrices"],
            got["eigen_matrices"],
            want["matrices"],
        )
        if got["eigen_matrices"] == want["matrices"]:
            judge.near("error_norm", got["error_norm"], float(want["norms"].max()), slack)
        judge.holds(
            "Weyl's bound",
            got["eigenvalue_shift"] <= got["error_norm"] + slack,
            got["eigenvalue_shift"],
            got["error_norm"],
        )
