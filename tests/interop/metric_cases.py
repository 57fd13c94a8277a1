"""Pairs of arrays to be compared: real ones from tests/data, and generated ones for what real ones do not hold.

A case is (name, original, restored, fill value or None). Seeds are fixed.
"""

from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parent.parent / "data"


def rounded(array, digits=3):
    """A loss for any array: significant digits of floats, low bits of integers, a few flips of masks."""
    with np.errstate(all="ignore"):
        if array.dtype.kind == "b":
            return array ^ (np.arange(array.size).reshape(array.shape) % 97 == 5)
        if array.dtype.kind in "iu":
            step = array.dtype.type(1 << min(4, 8 * array.dtype.itemsize - 4))
            return (array // step * step).astype(array.dtype)
        if array.dtype.kind == "c":
            parts = rounded(array.real, digits) + 1j * rounded(array.imag, digits)
            return parts.astype(array.dtype)
        finite = np.isfinite(array) & (array != 0)
        power = np.floor(np.log10(np.abs(array, where=finite, out=np.ones(array.shape))))
        unit = 10.0 ** (power - digits + 1)
        wide = array.astype(np.float64)
        return np.where(finite & (unit > 0), np.round(wide / unit) * unit, wide).astype(array.dtype)


def through(array, dtype):
    with np.errstate(over="ignore"):
        return array.astype(dtype).astype(array.dtype)


def without_slice(array, axis, index):
    out = array.copy()
    out[(slice(None),) * axis + (index,)] = 0
    return out


def fill_of(name):
    return 1e20 if "fill" in name else None


def keep_fill(original, restored, fill):
    return restored if fill is None else np.where(original == original.dtype.type(fill), original, restored)


def real():
    for path in sorted(DATA.glob("*.npy")):
        a = np.load(path)
        name, fill = path.stem, fill_of(path.stem)
        yield f"{name} rounded", a, keep_fill(a, rounded(a), fill), fill
        if a.dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                half = through(a, np.float16)
            yield f"{name} float16", a, keep_fill(a, half, fill), fill
            yield f"{name} decimals", a, keep_fill(a, np.round(a, 1), fill), fill
        if a.ndim > 1:
            yield f"{name} a slice of 0", a, without_slice(a, 0, a.shape[0] // 2), fill
        if fill is not None:
            changed = keep_fill(a, rounded(a), fill)
            changed.flat[np.flatnonzero(a == a.dtype.type(fill))[7]] = a[a < 1e19][0]
            changed.flat[np.flatnonzero(a < 1e19)[11]] = fill
            yield f"{name} fill values moved", a, changed, fill
            yield f"{name} fill value not declared", a, keep_fill(a, rounded(a), fill), None


def generated():
    rng = np.random.default_rng(20261124)
    field = np.add.outer(np.sin(np.arange(40) / 6), np.cos(np.arange(50) / 9)) * 12 + rng.normal(size=(40, 50)) / 10

    for dtype in ("f2", "f4", "f8"):
        a = field.astype(dtype)
        yield f"{dtype} field rounded", a, rounded(a), None
        yield f"{dtype} field unchanged", a, a.copy(), None
    for dtype in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
        info = np.iinfo(dtype)
        a = rng.integers(info.min, info.max, (13, 17), dtype=dtype, endpoint=True)
        yield f"{dtype} over its whole range", a, rounded(a), None
        b = rng.integers(0, 90, (20, 25)).astype(dtype)
        c = b.copy()
        c[::3, ::2] += 1
        yield f"{dtype} small values", b, c, None
    far = np.uint64(2**64 - 1) - rng.integers(0, 5000, (12, 12), dtype="u8")
    yield "u8 near 2^64", far, far - rng.integers(0, 9, far.shape, dtype="u8"), None
    yield "i8 from end to end", np.array([-(2**63), 2**63 - 1, 5]), np.array([2**63 - 1, -(2**63), 5]), None
    steps = np.arange(511, dtype="u2")  # scaled to 256 levels, every second value is a tie
    ties = steps[rng.permutation(np.resize(np.arange(511), 30 * 40)).reshape(30, 40)]
    yield "u2 ties of the 256 levels", ties, np.where(ties % 7 == 0, ties // 2 * 2, ties).astype("u2"), None

    mask = rng.random((24, 24)) < 0.4
    yield "mask", mask, mask ^ (rng.random(mask.shape) < 0.05), None
    yield "mask of one axis", mask.ravel(), mask.ravel() ^ (rng.random(mask.size) < 0.05), None
    yield "mask all false", np.zeros((5, 9), bool), np.zeros((5, 9), bool), None

    for dtype in ("c8", "c16"):
        z = (rng.normal(size=(16, 18)) + 1j * rng.normal(size=(16, 18))).astype(dtype)
        yield f"{dtype} rounded", z, rounded(z), None
        w = rounded(z)
        w[2, 3] = complex(np.nan, 1)
        w[4, 5] = complex(-w[4, 5].real, 0)
        z = z.copy()
        z[7, 8] = w[7, 8] = complex(np.inf, 2)
        z[9, 1], w[9, 1] = 0, complex(-0.0, 0)
        yield f"{dtype} with parts that change class", z, w, None

    for dtype in ("f4", "f8", "i4", "u1", "c16", "?"):
        yield f"{dtype} 0-d", np.array(7, dtype), np.array(5 if dtype != "?" else 0, dtype), None
        yield f"{dtype} empty", np.zeros((3, 0, 4), dtype), np.zeros((3, 0, 4), dtype), None
        yield f"{dtype} of length 1", np.array([7], dtype), np.array([7], dtype), None
    constant = np.full((15, 16), 273.15)
    yield "constant unchanged", constant, constant.copy(), None
    yield "constant that moved", constant, constant + 0.1, None
    yield "constant that became two values", constant, np.where(np.arange(16) % 2, constant, 273.0), None
    yield "zeros unchanged", np.zeros((15, 16)), np.zeros((15, 16)), None
    yield "all NaN", np.full((9, 9), np.nan), np.full((9, 9), np.nan), None
    yield "all fill values", np.full((9, 12), 1e20), np.full((9, 12), 1e20), 1e20
    yield "all become NaN", field, np.full_like(field, np.nan), None

    for scale in (1e300, 1e-300):
        yield f"values of {scale:g}", field * scale, rounded(field) * scale, None
    yield "from 1e-300 to 1e300", 10.0 ** rng.uniform(-300, 300, 900), 10.0 ** rng.uniform(-300, 300, 900), None
    yield "subnormals", field * 1e-310, np.round(field) * 1e-310, None
    tiny = np.array([1e-40, 2e-38, 3e-39, -2e-38], "f4")
    yield (
        "normal to subnormal",
        np.array([2e-38, 2e-38, 3e-39, -2e-38], "f4"),
        tiny * np.array([1, 1, 1, -0.5], "f4"),
        None,
    )
    zeros = np.array([0.0, -0.0, 0.0, -0.0, 1.0, -1.0])
    yield "zeros of either sign", zeros, np.array([-0.0, -0.0, 0.0, 0.0, 1.0, -1.0]), None
    yield "values that vanish, appear and change sign", np.array([0.0, 5, -5, 0, 2]), np.array([1.0, 0, 5, 0, -2]), None

    a = field.copy()
    a[0, :6] = [np.nan, np.inf, -np.inf, np.nan, np.inf, 3.0]
    b = rounded(a)
    yield "NaN and infinities that stay", a, b, None
    c = b.copy()
    c[0, :6] = [1.0, -np.inf, 5.0, np.nan, np.nan, np.inf]
    c[3, 3], c[20, 44] = np.nan, -np.inf
    c.view("u8")[0, 3] ^= 1 << 3
    yield "NaN and infinities that change", a, c, None

    big = field.astype(">f4")
    yield "big-endian", big, rounded(big.astype("f4")).astype(">f4"), None
    yield "Fortran order", np.asfortranarray(field), np.asfortranarray(rounded(field)), None
    yield "C order against Fortran order", field, np.asfortranarray(rounded(field)), None
    for shape in (
        (3000,),
        (60, 70),
        (11, 20, 30),
        (3, 8, 9, 10),
        (2, 3, 4, 12, 13),
        (2, 2, 2, 2, 2, 3),
        (5000, 2),
        (1, 1, 9),
    ):
        a = np.cumsum(rng.normal(size=shape), axis=-1)
        yield f"{len(shape)}-d {shape}", a, rounded(a), None
    many = np.round(rng.normal(size=2_200_000) * 100, 3).astype("f4")  # more than are kept to be sorted
    yield "2.2 million values", many, rounded(many), None
    half_missing = np.where(rng.random((14, 20, 22)) < 0.02, np.nan, rng.normal(size=(14, 20, 22)))
    yield "NaN all over", half_missing, rounded(half_missing), None

    stack = rng.normal(size=(9, 12, 12))
    stack += stack.swapaxes(1, 2)
    yield "symmetric matrices", stack, through(stack, np.float32), None
    skewed = through(stack, np.float16)
    skewed[4, 2, 7] += 0.5
    yield "symmetric matrices that are so no more", stack, skewed, None
    yield "matrices of float32", stack.astype("f4"), through(stack.astype("f4"), np.float16), None
    yield (
        "matrices of integers",
        np.tril(np.ones((6, 6), "i4")) @ np.triu(np.ones((6, 6), "i4")),
        np.full((6, 6), 2, "i4"),
        None,
    )


def of_folder(folder):
    """Every array of a folder, with rounding as the loss."""
    for path in sorted(Path(folder).glob("*.npy")):
        a = np.load(path)
        fill = fill_of(path.stem)
        yield f"{path.name} rounded", a, keep_fill(a, rounded(a), fill), fill
        if a.dtype.kind == "f":
            yield f"{path.name} decimals", a, keep_fill(a, np.round(a, 1), fill), fill
