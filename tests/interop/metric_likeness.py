"""Likeness of two fields from the definitions: Pearson, autocorrelation of errors, SSIM, DSSIM.

Fields are float64, of equal shape, and NaN in both where a value is missing in either. Means are taken out before squares
are, so that these figures hold more digits than the packages that define them; `judge_itself` holds them against those.
"""

import math

import numpy as np
import skimage.metrics
from numpy.lib.stride_tricks import sliding_window_view

# Window elements that are laid out at a time.
AT_A_TIME = 1 << 24


def scaled(values):
    """Divided by a power of two to magnitudes of at most 1: exact, and no square overflows."""
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    return values / math.ldexp(1.0, min(max(math.frexp(largest)[1], -1021), 1023)) if largest > 0 else values


def centred(values):
    values = scaled(values)
    return values - math.fsum(values.tolist()) / values.size


def pearson(x, y):
    """Covariance over the product of standard deviations; `None` where an array is constant."""
    there = ~np.isnan(x)
    x, y = x[there], y[there]
    if x.size == 0 or x.min() == x.max() or y.min() == y.max():
        return None
    x, y = centred(x), centred(y)
    return math.fsum((x * y).tolist()) / math.sqrt(math.fsum((x * x).tolist()) * math.fsum((y * y).tolist()))


def autocorrelations(e):
    """At lag 1 along each axis, over neighbours that are both present; `None` where it is not defined."""
    there = ~np.isnan(e)
    values = e[there]
    if values.size == 0 or values.min() == values.max():
        return [None] * e.ndim
    d = np.zeros(e.shape)
    d[there] = centred(values)
    below = math.fsum((d[there] ** 2).tolist())
    out = []
    for axis in range(e.ndim):
        lines = np.moveaxis(d, axis, 0)  # what is missing is 0 and adds nothing
        out.append(math.fsum((lines[:-1] * lines[1:]).ravel().tolist()) / below if e.shape[axis] > 1 else None)
    return out


def ssim(x, y, spread):
    """Structural similarity: means over all 7-wide windows of the last three axes (of two: both; if one is shorter than 7:
    the last two) that lie inside and hold no missing value. Sample covariance, K1 = 0.01, K2 = 0.03."""
    wide = 7
    windowed = min(x.ndim, 3)
    if windowed == 3 and min(x.shape[-3:]) < wide:
        windowed = 2
    if windowed < 2 or min(x.shape[-windowed:]) < wide or spread is None or not np.isfinite(x).any():
        return None
    there = ~np.isnan(x)
    if spread == 0:
        return 1.0 if (x[there] == y[there]).all() else None
    scale = math.ldexp(1.0, math.frexp(spread)[1])
    low = np.nanmin(x)
    # SSIM's first term holds the means themselves, its second only what is left without them.
    x, y, offset, spread = (x - low) / scale, (y - low) / scale, low / scale, spread / scale
    c1, c2 = (0.01 * spread) ** 2, (0.03 * spread) ** 2
    outer = x.shape[: x.ndim - windowed]
    sums, count = [], 0
    for at in np.ndindex(*outer):
        for a, b in windows(x[at], y[at], (wide,) * windowed):
            whole = ~np.isnan(a).any(axis=1)
            a, b = a[whole], b[whole]
            n = a.shape[1]
            ua, ub = a.mean(axis=1), b.mean(axis=1)
            da, db = a - ua[:, None], b - ub[:, None]
            va, vb, vab = ((p * q).sum(axis=1) / (n - 1) for p, q in ((da, da), (db, db), (da, db)))
            ua, ub = ua + offset, ub + offset
            s = (2 * ua * ub + c1) * (2 * vab + c2) / ((ua**2 + ub**2 + c1) * (va + vb + c2))
            sums.append(math.fsum(s.tolist()))
            count += s.size
    return math.fsum(sums) / count if count else None


def windows(x, y, shape):
    """Windows of both fields, one a row, a slab of the first axis at a time."""
    vx, vy = sliding_window_view(x, shape), sliding_window_view(y, shape)
    step = max(1, AT_A_TIME // max(1, math.prod(vx.shape[1:])))
    for start in range(0, vx.shape[0], step):
        a, b = vx[start : start + step], vy[start : start + step]
        yield a.reshape(-1, math.prod(shape)), b.reshape(-1, math.prod(shape))


def dssim(x, y):
    """Data SSIM of Baker et al. 2022, as NCAR's ldcpy computes it, of the worst plane of the last two axes.

    A plane is scaled to 0..1 by the range of both arrays and rounded to 256 levels, ties to even. Weighted by a Gaussian of
    sigma 1.5 over 11 x 11, what is missing having no weight. A mean over the points that are present and lie 5 or more
    from the edge. A plane without such a point has no value and is not the worst.
    """
    if x.ndim < 2 or min(x.shape[-2:]) < 11:
        return None
    planes = [plane_dssim(x[at], y[at]) for at in np.ndindex(*x.shape[:-2])]
    return min((p for p in planes if p is not None), default=None)


def levels(x, y):
    there = ~np.isnan(x)
    low, high = (f(f(x[there]), f(y[there])) for f in (min, max))
    with np.errstate(over="ignore"):
        spread = high - low
    if not np.isfinite(spread):
        return levels(x / 2, y / 2)
    if spread == 0:
        x, y = (x, y) if high == 0 else (x / high, y / high)
    else:
        x, y = (x - low) / spread, (y - low) / spread
    return np.round(x * 255) / 255, np.round(y * 255) / 255


def gaussian():
    line = np.exp(-(np.arange(-5.0, 6.0) ** 2) / (2 * 1.5**2))
    return np.outer(line, line)


def plane_dssim(x, y):
    if np.isnan(x).all():
        return None
    x, y = levels(x, y)
    weight, eps = gaussian().ravel(), 1e-8
    sums, count = [], 0
    for a, b in windows(x, y, (11, 11)):
        here = ~np.isnan(a[:, 60])  # the point in the middle
        a, b = a[here], b[here]
        there = ~np.isnan(a)
        w = np.where(there, weight, 0.0)
        w /= w.sum(axis=1, keepdims=True)
        a, b = np.where(there, a, 0.0), np.where(there, b, 0.0)
        ua, ub = (w * a).sum(axis=1), (w * b).sum(axis=1)
        da, db = a - ua[:, None], b - ub[:, None]
        va, vb, vab = ((w * p * q).sum(axis=1) for p, q in ((da, da), (db, db), (da, db)))
        s = (2 * ua * ub + eps) / (ua**2 + ub**2 + eps) * (2 * vab + eps) / (va + vb + eps)
        sums.append(math.fsum(s.tolist()))
        count += s.size
    return math.fsum(sums) / count if count else None


def plain_dssim(x, y):
    """The same point by point, as the method is described."""
    x, y = levels(x, y)
    weight = gaussian()
    found = []
    for i in range(5, x.shape[0] - 5):
        for j in range(5, x.shape[1] - 5):
            if np.isnan(x[i, j]):
                continue
            a, b = (f[i - 5 : i + 6, j - 5 : j + 6] for f in (x, y))
            there = ~np.isnan(a)
            a, b, w = a[there], b[there], weight[there]
            ua, ub = np.average(a, weights=w), np.average(b, weights=w)
            va, vb = np.average(a * a, weights=w) - ua**2, np.average(b * b, weights=w) - ub**2
            vab = np.average(a * b, weights=w) - ua * ub
            found.append((2 * ua * ub + 1e-8) / (ua**2 + ub**2 + 1e-8) * (2 * vab + 1e-8) / (va + vb + 1e-8))
    return float(np.mean(found))


def judge_itself(rng):
    """These functions against the packages that define the figures, and against themselves written otherwise."""
    for shape in ((40, 30), (9, 10, 11), (3, 20, 20), (2, 9, 8, 7)):
        x = rng.normal(size=shape) * 7
        y = x + rng.normal(size=shape)
        spread = float(np.ptp(x))
        depth = 3 if len(shape) > 2 and min(shape[-3:]) >= 7 else 2
        outer = [
            skimage.metrics.structural_similarity(x[at], y[at], data_range=spread)
            for at in np.ndindex(*shape[: len(shape) - depth])
        ]
        assert math.isclose(ssim(x, y, spread), np.mean(outer), rel_tol=1e-12), ("SSIM", shape)
        assert math.isclose(ssim(x * 1e300, y * 1e300, spread * 1e300), np.mean(outer), rel_tol=1e-9), ("SSIM", shape)
        assert math.isclose(pearson(x, y), np.corrcoef(x.ravel(), y.ravel())[0, 1], rel_tol=1e-12)
        d = x - y - (x - y).mean()
        for axis, lag in enumerate(autocorrelations(x - y)):
            lines = np.moveaxis(d, axis, 0)
            assert math.isclose(lag, (lines[:-1] * lines[1:]).sum() / (d**2).sum(), abs_tol=1e-12), ("lag", shape)
    smooth = np.cumsum(np.cumsum(rng.normal(size=(30, 26)), 0), 1)
    other = smooth + rng.normal(size=smooth.shape) * np.ptp(smooth) / 100
    assert math.isclose(dssim(smooth, other), plain_dssim(smooth, other), rel_tol=1e-9)
    smooth[3:12, 8:15] = other[3:12, 8:15] = np.nan
    assert math.isclose(dssim(smooth, other), plain_dssim(smooth, other), rel_tol=1e-9)
    assert 0 < dssim(smooth, other) < 1
    assert dssim(smooth, smooth) == 1.0
