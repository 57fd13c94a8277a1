"""The compressors to measure against, each whole array in one chunk, in memory, on one thread. Needs scripts/requirements-peers.txt.

A peer is a function `run(array, bound)` that gives a Run: bytes of the compressed chunk alone (no file around it), seconds, and
what decompressing gave. Whether the bound was kept is for the caller to see.
"""

import os
import time
from dataclasses import dataclass
from fractions import Fraction

# Blosc2, pco and zfp on one thread: what is compared is the coding, not the number of cores.
for name in ("OMP_NUM_THREADS", "BLOSC_NTHREADS", "BLOSC2_NTHREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import blosc2  # noqa: E402
import h5py  # noqa: E402
import hdf5plugin  # noqa: E402
import numpy as np  # noqa: E402
from pcodec import ChunkConfig, standalone  # noqa: E402


@dataclass
class Run:
    size: int
    encode: float
    decode: float
    back: np.ndarray


def hdf5(array, **filters):
    """One chunk through HDF5's filters, in a file that exists in memory only."""
    file = h5py.File("memory", "w", driver="core", backing_store=False)
    start = time.perf_counter()
    data = file.create_dataset("d", data=array, chunks=array.shape, **filters)
    file.flush()
    encode = time.perf_counter() - start
    size = data.id.get_storage_size()
    image = file.id.get_file_image()
    file.close()
    with h5py.File(h5py.h5f.open_file_image(image)) as file:
        data = file["d"]
        back = np.empty(array.shape, array.dtype)
        start = time.perf_counter()
        data.read_direct(back)
        decode = time.perf_counter() - start
    return Run(int(size), encode, decode, back)


def sz3(array, bound):
    return hdf5(array, **hdf5plugin.SZ3(absolute=bound))


def zfp(array, bound):
    return hdf5(array, **hdf5plugin.Zfp(accuracy=bound))


def sperr(array, bound):
    if array.ndim not in (2, 3) or min(array.shape) < 9:
        raise ValueError("SPERR takes 2 or 3 axes of at least 9")
    return hdf5(array, **hdf5plugin.Sperr(absolute=bound))


def scaleoffset(array, bound):
    # The filter keeps decimal digits: the fewest whose half step is inside the bound.
    return hdf5(array, scaleoffset=int(np.ceil(-np.log10(bound))))


def on_grid(array, bound):
    """Multiples of twice the bound, as integers."""
    step = 2 * bound
    most = max(abs(float(array.max())), abs(float(array.min()))) / step
    if not most < 2.0**62:
        raise ValueError("the grid is finer than 64 bits")
    return np.rint(array.astype("f8") / step).astype("i8" if most >= 2.0**31 else "i4"), step


def grid_pco(array, bound):
    start = time.perf_counter()
    codes, step = on_grid(array, bound)
    packed = standalone.simple_compress(np.ravel(codes), ChunkConfig())
    encode = time.perf_counter() - start
    start = time.perf_counter()
    back = np.asarray(standalone.simple_decompress(packed)).reshape(array.shape) * step
    return Run(len(packed), encode, time.perf_counter() - start, back)


def grid_blosc(array, bound):
    codes, step = on_grid(array, bound)
    run = hdf5(codes, **hdf5plugin.Blosc2(cname="zstd", clevel=5, filters=hdf5plugin.Blosc2.SHUFFLE))
    run.back = run.back * step
    return run


# Those that take a bound themselves, then those that code a plain grid: a rounding that anyone writes in a line of NumPy.
LOSSY = {"SZ3": sz3, "zfp": zfp, "SPERR": sperr, "scaleoffset": scaleoffset}
GRIDS = {"grid + pco": grid_pco, "grid + zstd": grid_blosc}


def raw_pco(array):
    """Bytes of pco on the values as they are; complex numbers as pairs of floats. None for dtypes it does not take."""
    flat = np.ravel(array)
    if flat.dtype.kind == "c":
        flat = flat.view(f"f{flat.dtype.itemsize // 2}")
    try:
        return len(standalone.simple_compress(flat, ChunkConfig()))
    except (TypeError, RuntimeError, ValueError):
        return None


def raw_blosc(array):
    """Bytes of Blosc2 with shuffle and zstd 9, the smaller of its plain and its HDF5 form."""
    plain = blosc2.compress2(
        np.ravel(array), typesize=array.dtype.itemsize, codec=blosc2.Codec.ZSTD, clevel=9, filters=[blosc2.Filter.SHUFFLE]
    )
    form = hdf5plugin.Blosc2(cname="zstd", clevel=9, filters=hdf5plugin.Blosc2.SHUFFLE)
    return min(len(plain), hdf5(np.atleast_1d(array), **form).size)


def broken(original, back, bound, eyes=None):
    """How many elements have |x - y| > bound, in exact arithmetic; an element that became NaN or infinite is one of them.

    `eyes` may leave elements out. Subtraction in long double rounds, and rounding keeps order: a difference that comes out
    below the bound is below or equal to it, one above it is above. Only those that come out equal are looked at as fractions.
    """
    x, y = np.asarray(original), np.asarray(back)
    eyes = np.isfinite(x) if eyes is None else eyes
    x, y = x[eyes], y[eyes]
    with np.errstate(all="ignore"):
        apart = np.abs(x.astype(np.longdouble) - y.astype(np.longdouble))
    limit = np.longdouble(bound)
    lost = ~np.isfinite(y)
    certain = lost | (apart > limit)
    close = ~certain & (apart == limit)
    count = int(certain.sum())
    bound = Fraction(bound)
    pairs, times = np.unique(np.stack([x[close].astype("f8"), y[close].astype("f8")]), axis=1, return_counts=True)
    for (a, b), n in zip(pairs.T, times):
        count += int(n) * (abs(Fraction(float(a)) - Fraction(float(b))) > bound)
    return count
