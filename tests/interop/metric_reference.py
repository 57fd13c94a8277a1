"""The figures of a report, computed from their definitions with NumPy and SciPy, in the plainest way there is.

Nothing here is fast or bounded in memory; sums are exact (`math.fsum`) so that a difference is the other side's. `None`
stands for a figure that is not defined. A pair is *present* where both values are finite and neither is the fill value.
"""

import math

import numpy as np
import scipy.special
import scipy.stats

from metric_likeness import autocorrelations, dssim, pearson, ssim

QUANTILES = {"p50_abs": 0.5, "p90_abs": 0.9, "p99_abs": 0.99, "p999_abs": 0.999}
SHIFTS = {"mean_shift": "mean", "std_shift": "std", "min_shift": "min", "max_shift": "max"}
CLASSES = (
    "finite_to_nan finite_to_inf nan_to_other inf_to_other sign_flip nonzero_to_zero zero_to_nonzero zero_sign"
    " normal_to_subnormal fill_to_other other_to_fill"
).split()


def native(array):
    """C order and the machine's byte order."""
    array = np.asarray(array)
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)).reshape(array.shape)


def power_of_two(values):
    """A power of two near the largest magnitude, by which values are divided so that no square overflows or vanishes."""
    largest = float(np.max(np.abs(values), initial=0.0))
    return math.ldexp(1.0, min(max(math.frexp(largest)[1], -1021), 1023)) if largest > 0 else 1.0


def mean(values):
    if values.size == 0:
        return None
    if values.dtype.kind in "biu" or values.dtype == object:
        return sum(values.tolist()) / values.size
    scale = power_of_two(values)
    return math.fsum((values / scale).tolist()) / values.size * scale


def root_mean_square(values):
    if values.size == 0:
        return None
    scale = power_of_two(values)
    return math.sqrt(math.fsum(((values / scale) ** 2).tolist()) / values.size) * scale


def standard_deviation(values):
    """Over n; about the exact mean, so that a large mean costs no digits."""
    if values.size == 0:
        return None
    if values.dtype.kind in "biu":
        n, integers = values.size, values.tolist()
        return math.sqrt((n * sum(v * v for v in integers) - sum(integers) ** 2) / n**2)
    values = as_float(values)
    if values.min() == values.max():
        return 0.0
    return root_mean_square(values - mean(values))


def share_of(error, size):
    """An error over the size of the data: 0 of anything is 0, anything else over 0 is not defined."""
    return 0.0 if error == 0 else ratio(error, size)


def ratio(a, b):
    return None if a is None or b is None or b == 0 else a / b


class Pair:
    """An original and a restored array, and what all figures start from."""

    def __init__(self, original, restored, fill=None):
        self.x, self.y = native(original), native(restored)
        assert self.x.dtype == self.y.dtype and self.x.shape == self.y.shape
        self.dtype, self.shape, self.complex = self.x.dtype, self.x.shape, self.x.dtype.kind == "c"
        never = np.zeros(self.shape, bool)
        self.fill = fill
        self.x_fill = never if fill is None else self.x == self.dtype.type(fill)
        self.y_fill = never if fill is None else self.y == self.dtype.type(fill)
        self.x_valid = np.isfinite(self.x) & ~self.x_fill
        self.y_valid = np.isfinite(self.y) & ~self.y_fill
        self.present = self.x_valid & self.y_valid
        with np.errstate(all="ignore"):
            if self.dtype.kind in "iu" and self.dtype.itemsize == 8:
                exact = self.x.astype(object) - self.y.astype(object)
                self.e = np.array(exact, dtype=np.float64).reshape(self.shape)
                self.e_exact = exact
            else:
                wide = np.complex128 if self.complex else np.float64
                self.e = self.e_exact = np.asarray(self.x.astype(wide) - self.y.astype(wide))
        # Statistics of complex numbers are by modulus; everything else is its own value.
        self.mx = modulus(self.x)
        self.my = modulus(self.y)
        self.abs_e = modulus(self.e) if self.complex else np.abs(self.e)
        self.pairs = int(self.present.sum())


def modulus(values):
    if values.dtype.kind == "c":
        with np.errstate(all="ignore"):
            return np.abs(values.astype(np.complex128))
    return values


def as_float(values):
    """float64 with what is missing set by the caller; `bool` as 0 and 1."""
    return np.array(values, dtype=np.float64)


def words(array):
    """The bits of each real number: an axis of length 1 (or 2, for complex numbers) is added at the end."""
    each = 2 if array.dtype.kind == "c" else 1
    return np.ascontiguousarray(array).reshape(-1).view(f"u{array.dtype.itemsize // each}").reshape(array.size, each)


def parts(array):
    """The real numbers of each element, with the same added axis as `words`."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype).reshape(-1, 2) if array.dtype.kind == "c" else flat.reshape(-1, 1)


def changes(pair):
    """Elements whose bits differ, NaN against NaN apart; and elements that differ in the bits of a NaN alone."""
    differ = words(pair.x) != words(pair.y)
    nan = np.isnan(parts(pair.x)) & np.isnan(parts(pair.y)) if pair.dtype.kind in "fc" else np.zeros_like(differ)
    changed = (differ & ~nan).any(axis=1)
    return int(changed.sum()), int((differ.any(axis=1) & ~changed).sum())


def classes(pair):
    """Count and first flat position of every class change."""
    x, y = parts(pair.x), parts(pair.y)
    if pair.dtype.kind in "fc":
        finite_x, finite_y, inf_x, inf_y = np.isfinite(x), np.isfinite(y), np.isinf(x), np.isinf(y)
        tiny = np.finfo(x.dtype).smallest_normal
        minus_x, minus_y = np.signbit(x), np.signbit(y)
    else:
        finite_x = finite_y = np.ones(x.shape, bool)
        inf_x = inf_y = ~finite_x
        tiny = 0
        minus_x, minus_y = (x < 0, y < 0) if pair.dtype.kind == "i" else (inf_x, inf_x)
    nan_x, nan_y = ~finite_x & ~inf_x, ~finite_y & ~inf_y
    zero_x, zero_y = x == 0, y == 0
    both = finite_x & finite_y
    with np.errstate(invalid="ignore"):
        normal_x = finite_x & ((x >= tiny) | (x <= -tiny) if tiny else ~zero_x)
        subnormal_y = finite_y & ~zero_y & (np.abs(y) < tiny if tiny else zero_y)
    found = {
        "finite_to_nan": finite_x & nan_y,
        "finite_to_inf": finite_x & inf_y,
        "nan_to_other": nan_x & ~nan_y,
        "inf_to_other": inf_x & ~(inf_y & (minus_x == minus_y)),
        "sign_flip": both & ~zero_x & ~zero_y & (minus_x != minus_y),
        "nonzero_to_zero": both & ~zero_x & zero_y,
        "zero_to_nonzero": both & zero_x & ~zero_y,
        "zero_sign": both & zero_x & zero_y & (minus_x != minus_y),
        "normal_to_subnormal": normal_x & subnormal_y,
    }
    # Changes to and from a fill value are told as such and as nothing else.
    x_fill, y_fill = pair.x_fill.reshape(-1, 1), pair.y_fill.reshape(-1, 1)
    found = {name: mask & ~x_fill & ~y_fill for name, mask in found.items()}
    found["fill_to_other"] = x_fill & ~y_fill
    found["other_to_fill"] = ~x_fill & y_fill
    rows = {}
    for name, mask in found.items():
        at = np.flatnonzero(mask.any(axis=1))
        rows[name] = (int(mask.sum()), int(at[0]) if at.size else None)
    return rows


def ulp_distances(pair):
    """Floats passed on the way from original to restored: integers of the same width, ordered as the floats are."""
    word = np.dtype(f"i{pair.dtype.itemsize}")
    low = int(np.iinfo(word).min)
    ordered = []
    for side in (pair.x, pair.y):
        bits = side[pair.present].view(word).astype(object)
        ordered.append(np.where(bits >= 0, bits, low - bits))  # −0 and +0 are one
    return np.abs(ordered[0] - ordered[1])


def description(pair, side):
    """One array by itself."""
    raw, valid, fills = (
        (pair.x, pair.x_valid, pair.x_fill) if side == "original" else (pair.y, pair.y_valid, pair.y_fill)
    )
    values = modulus(raw)[valid]
    nan = np.isnan(raw)
    inf = np.isinf(raw) & ~nan
    negative = inf & (raw.real < 0) if not pair.complex else np.zeros(raw.shape, bool)
    nonzero = np.abs(as_float(values))[values != 0]
    distinct, counts = np.unique(raw[valid], return_counts=True)
    share = counts / max(counts.sum(), 1)
    return {
        "count": raw.size,
        "finite": int(valid.sum()),
        "min": float(values.min()) if values.size else None,
        "max": float(values.max()) if values.size else None,
        "mean": mean(values if values.dtype.kind in "biu" else as_float(values)),
        "std": standard_deviation(values),
        "smallest_nonzero": float(nonzero.min()) if nonzero.size else None,
        "zeros": int((values == 0).sum()),
        "nan": int(nan.sum()),
        "pos_inf": int((inf & ~negative).sum()),
        "neg_inf": int(negative.sum()),
        "fill": int(fills.sum()),
        "distinct": distinct.size,
        "entropy": float(-np.sum(share * np.log2(share))) + 0.0 if counts.size else None,
        "precision": precision(raw[valid]) if raw.dtype.kind == "f" else None,
    }


def precision(values):
    """How much of a float's precision finite values use."""
    values, width = np.unique(values), np.finfo(values.dtype).nmant
    used = int(np.bitwise_or.reduce(values.view(f"u{values.itemsize}"))) & ((1 << width) - 1)
    found = {"mantissa_bits": 0 if used == 0 else width - ((used & -used).bit_length() - 1)}
    for narrow in (np.float16, np.float32):
        with np.errstate(over="ignore"):
            back = as_float(values).astype(narrow).astype(np.float64)
        found[narrow.__name__] = bool((back == as_float(values)).all())
    found["decimal_digits"] = decimal_digits(values)
    return found


def decimal_digits(values):
    """The fewest decimals that give every value back: those of the shortest text that does."""
    most = 0
    for value in values:
        text = np.format_float_positional(value, unique=True, trim="-")
        most = max(most, len(text.partition(".")[2]))
        if most > 15:
            return None
    return most


def kolmogorov_smirnov(pair):
    """Distance and p value, each array over its own finite values."""
    x, y = np.sort(pair.mx[pair.x_valid]), np.sort(pair.my[pair.y_valid])
    if x.size == 0 or y.size == 0:
        return None, None
    steps = np.concatenate([x, y])
    below_x, below_y = (np.searchsorted(side, steps, side="right").astype(np.int64) for side in (x, y))
    d = float(np.abs(below_x * y.size - below_y * x.size).max() / (x.size * y.size))
    if x.size > 2:  # SciPy computes its own p value too, which for fewer divides by zero
        assert math.isclose(d, scipy.stats.ks_2samp(x, y, method="asymp").statistic, abs_tol=1e-14)
    return d, ks_p(d, pair)


def ks_p(distance, pair):
    """Kolmogorov's limit distribution, with the effective size of two samples: of equal ones, half the size of either."""
    n, m = int(pair.x_valid.sum()), int(pair.y_valid.sum())
    return float(scipy.special.kolmogorov(math.sqrt(n * m / (n + m)) * distance))


def structure(pair):
    """Matrices in the last two axes, and masks."""
    out = {}
    real = pair.dtype.kind in "fiu"
    if real and pair.x.ndim >= 2 and pair.shape[-1] == pair.shape[-2] > 1 and pair.pairs:
        n = pair.shape[-1]
        out |= {"matrices": pair.x.size // n**2, "n": n}
        for name, side, valid in (("original", pair.x, pair.x_valid), ("restored", pair.y, pair.y_valid)):
            wide = side.astype(np.float64)
            mirror = np.swapaxes(wide, -1, -2)
            # Equal infinities and two NaN are alike; a value that is not finite beside any other is infinitely far from it.
            alike = (wide == mirror) | (np.isnan(wide) & np.isnan(mirror))
            with np.errstate(invalid="ignore", over="ignore"):
                apart = np.abs(wide - mirror)
            apart = np.where(alike, 0.0, np.where(np.isnan(apart), np.inf, apart))
            # A fill value says nothing.
            filled = np.isfinite(side) & ~valid
            apart = np.where(filled | np.swapaxes(filled, -1, -2), 0.0, apart)
            out[f"{name}_asymmetry"] = float(apart.max())
        out["row_sum_shift"] = largest_row_sum(pair)
        if pair.present.all() and out["original_asymmetry"] == out["restored_asymmetry"] == 0:
            out |= eigenvalues(pair, n)
    if pair.dtype.kind == "b":
        out["original_popcount"], out["restored_popcount"] = int(pair.x.sum()), int(pair.y.sum())
        out["intersection"], out["union"] = int((pair.x & pair.y).sum()), int((pair.x | pair.y).sum())
    return out


def largest_row_sum(pair):
    rows = np.where(pair.present, pair.e, 0).reshape(-1, pair.shape[-1])
    scale = power_of_two(rows)
    return max(abs(math.fsum(row.tolist())) for row in rows / scale) * scale


def eigenvalues(pair, n):
    """Shifts of eigenvalues matrix by matrix, and the 2-norms of the errors that bound them."""
    x, y = (as_float(a).reshape(-1, n, n) for a in (pair.x, pair.y))
    scale = power_of_two(x)
    x, y = x / scale, y / scale
    values_x, values_y = np.linalg.eigvalsh(x), np.linalg.eigvalsh(y)
    return {
        "shifts": np.abs(values_x - values_y).max(axis=1) * scale,
        "norms": np.abs(np.linalg.eigvalsh(x - y)).max(axis=1) * scale,
        "magnitude": float(np.abs(values_x).max()) * scale,
    }


def figures(pair, rel_floor=0.0, spatial_tol=1e-4):
    """Every figure by name, and what else is compared beside them."""
    out = {}
    x, e, size = pair.mx[pair.present], pair.e[pair.present], pair.abs_e[pair.present]
    originals, restoreds = description(pair, "original"), description(pair, "restored")
    if originals["min"] is None:
        spread = None
    else:
        spread = exact_range(pair.mx[pair.x_valid])
    some = pair.pairs > 0
    real = some and not pair.complex
    changed, payload = changes(pair)
    out["max_abs"] = float(size.max()) if some else None
    out["max_error"] = float(e.max()) if real else None
    out["min_error"] = float(e.min()) if real else None
    out["mean_error"] = mean(pair.e_exact[pair.present]) if real else None
    out["mean_abs"] = mean(size)
    out["rmse"] = root_mean_square(size)
    for name, q in QUANTILES.items():
        out[name] = float(np.quantile(size, q)) if some else None
    out["max_ulp"] = out["mean_ulp"] = None
    if pair.dtype.kind == "f" and some:
        distances = ulp_distances(pair)
        out["max_ulp"], out["mean_ulp"] = float(distances.max()), sum(distances.tolist()) / pair.pairs
    out["equal_fraction"] = ratio(pair.x.size - changed, pair.x.size)
    out["nrmse"] = share_of(out["rmse"], spread)
    out["nrmse_std"] = share_of(out["rmse"], originals["std"])
    out["max_range"] = share_of(out["max_abs"], spread)
    magnitude = np.abs(as_float(x))
    taken = magnitude > rel_floor
    with np.errstate(all="ignore"):
        relative = size[taken] / magnitude[taken]
        wide = size > np.where(magnitude == 0, spatial_tol, spatial_tol * magnitude)
    out["max_rel"] = float(relative.max()) if relative.size else None
    out["mean_rel"] = (mean(relative) if np.isfinite(relative).all() else math.inf) if relative.size else None
    out["spatial_rel"] = ratio(int(wide.sum()), pair.pairs)
    out["psnr"] = psnr(spread, out["rmse"])
    fx, fy = (np.where(pair.present, as_float(a), np.nan) for a in (pair.mx, pair.my))
    out["pearson"] = pearson(*shifted(pair)) if real else None
    lags = autocorrelations(np.where(pair.present, pair.e, np.nan)) if not pair.complex else []
    known = [lag for lag in lags if lag is not None]
    out["autocorrelation"] = max(known, key=abs) if known else None
    out["ks_distance"], out["ks_p"] = kolmogorov_smirnov(pair)
    out["ssim"] = ssim(fx, fy, spread)
    out["dssim"] = dssim(fx, fy)
    for name, of in SHIFTS.items():
        a, b = originals[of], restoreds[of]
        out[name] = None if a is None or b is None else abs(a - b)
    found = structure(pair)
    out["asymmetry"] = found.get("restored_asymmetry")
    out["eigenvalue_shift"] = float(found["shifts"].max()) if "shifts" in found else None
    out["row_sum_shift"] = found.get("row_sum_shift")
    mask = "union" in found
    known = mask and pair.x.size > 0
    out["popcount_shift"] = abs(found["original_popcount"] - found["restored_popcount"]) if known else None
    out["iou"] = None
    if mask and pair.pairs:  # two masks without a true value are alike
        out["iou"] = ratio(found["intersection"], found["union"]) if found["union"] else 1.0
    beside = {
        "changed": changed,
        "nan_payload": payload,
        "rel_skipped": int((~taken).sum()),
        "autocorrelation": lags,
        "original": originals,
        "restored": restoreds,
        "structure": found,
    }
    return out, beside


def exact_range(values):
    """max − min, rounded once."""
    low, high = values.min(), values.max()
    return float(int(high) - int(low)) if values.dtype.kind in "biu" else float(high) - float(low)


def shifted(pair):
    """Both arrays as float64; wide integers less their least value, because float64 does not hold them all."""
    x, y = pair.x[pair.present], pair.y[pair.present]
    if pair.dtype.kind in "iu" and pair.dtype.itemsize == 8:
        low = min(x.min(), y.min())
        x, y = x.astype(object) - int(low), y.astype(object) - int(low)
    return as_float(x), as_float(y)


def psnr(spread, rmse):
    if rmse == 0:
        return math.inf
    return None if rmse is None or not spread else 20 * math.log10(spread / rmse)
