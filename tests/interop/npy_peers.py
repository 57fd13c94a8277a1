"""NumPy as the judge of .npy and .npz: what it writes we read, what we write it reads, bit for bit what it computes.

usage: npy_peers.py COMPACT   (the built command)
"""
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

COMPACT = sys.argv[1]
rng = np.random.default_rng(20261123)
checks = 0


def run(*args, code=0, stdin=None):
    done = subprocess.run([COMPACT, *map(str, args)], capture_output=True, input=stdin)
    assert done.returncode == code, f"{args}: exit {done.returncode}, {code} expected\n{done.stderr.decode()}"
    return done


def same(a, b, what):
    global checks
    checks += 1
    assert a.dtype.str == b.dtype.str, f"{what}: {a.dtype.str} is not {b.dtype.str}"
    assert a.shape == b.shape, f"{what}: {a.shape} is not {b.shape}"
    assert a.tobytes() == b.tobytes(), f"{what}: bytes differ"


def trip(folder, array, *flags, expect=None, packed=None):
    """Compacts, looks at what np.load sees, restores, compares."""
    source, small, back = folder / "in.npy", folder / "small.npy", folder / "back.npy"
    for f in (source, small, back):
        f.unlink(missing_ok=True)
    np.save(source, array)
    before = source.read_bytes()
    run(source, *flags, "-o", small, "--quiet")
    assert source.read_bytes() == before, "the input was touched"
    what = f"{array.dtype.str} {array.shape} {'F' if array.flags.f_contiguous else 'C'} {flags}"
    if packed is not None:
        for mode in (None, "r"):
            got = np.load(small, mmap_mode=mode)
            same(np.ascontiguousarray(got).reshape(got.shape), packed, what + " packed")
    run("restore", small, "-o", back, "--quiet")
    restored = np.load(back)
    expected = array if expect is None else expect
    same(restored, expected, what)
    if array.ndim > 1 and array.size:
        assert restored.flags.f_contiguous == np.load(source).flags.f_contiguous, what + ": axis order"
    return small


def values(dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype.newbyteorder("="), endpoint=True)
    raw = rng.standard_normal(shape) * 10
    if dtype.kind == "c":
        raw = raw + 1j * rng.standard_normal(shape)
    return np.asarray(raw).astype(dtype.newbyteorder("="))


def every_dtype_order_and_shape(folder):
    shapes = [(), (0,), (7,), (3, 0, 2), (4, 5), (2, 3, 4), (2,) + (1,) * 30 + (3,)]
    for code in "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16".split():
        for order in "<>":
            for shape in shapes:
                for axes in "CF":
                    if (order == ">" and np.dtype(code).itemsize == 1) or (axes == "F" and len(shape) < 2):
                        continue
                    array = np.asarray(values(code, shape)).astype(order + code, order=axes)
                    packed = np.asarray(array.astype(array.dtype.newbyteorder("<")))
                    trip(folder, array, packed=np.ascontiguousarray(packed).reshape(shape))


def float16_is_numpys(folder):
    """Over ten million bit patterns: random ones, exact ties and their neighbours, subnormals, NaN payloads."""
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    ties = (halves[:-1] + halves[1:]) / 2
    bits = ties.view(np.uint64)
    near = np.concatenate([(bits.view(np.int64) + d).view(np.uint64) for d in (-2, -1, 0, 1, 2)] + [halves.view(np.uint64)])
    near = np.concatenate([near, near | np.uint64(1 << 63)])
    everything = rng.integers(0, 2**64, 4_000_000, dtype=np.uint64)
    exponents = rng.integers(1023 - 28, 1023 + 18, 6_000_000, dtype=np.uint64) << np.uint64(52)
    signs = rng.integers(0, 2, 6_000_000, dtype=np.uint64) << np.uint64(63)
    in_range = exponents | signs | rng.integers(0, 2**52, 6_000_000, dtype=np.uint64)
    nan = np.uint64(0x7FF << 52) | rng.integers(1, 2**52, 200_000, dtype=np.uint64)
    nan = np.concatenate([nan, nan | np.uint64(1 << 63)])
    a = np.concatenate([near, everything, in_range, nan]).view(np.float64)
    assert a.size > 10**7
    with np.errstate(all="ignore"):
        half = a.astype(np.float16)
        trip(folder, a, "--f16", "--overflow", "inf", packed=half, expect=half.astype(np.float64))
        single = a.astype(np.float32)
        trip(folder, a, "--f32", "--overflow", "inf", packed=single, expect=single.astype(np.float64))
        b = np.concatenate([a.view(np.uint32)[:8_000_000], np.arange(0x7F800000 - 4, 0x7F800000 + 70000, dtype=np.uint32)]).view(np.float32)
        half = b.astype(np.float16)
        trip(folder, b, "--f16", "--overflow", "inf", packed=half, expect=half.astype(np.float32))


def triangles_are_numpys(folder):
    for n in (0, 1, 2, 17, 141):
        for lead in ((), (3,), (2, 2)):
            a = values("f8", lead + (n, n))
            a = a + np.swapaxes(a, -1, -2)
            upper = np.triu_indices(n)
            trip(folder, a, "--triangle", packed=np.ascontiguousarray(a[..., upper[0], upper[1]]))
            half = a.astype("f2")
            trip(folder, a, "--f16", "--triangle", packed=np.ascontiguousarray(half[..., upper[0], upper[1]]), expect=half.astype("f8"))
            trip(folder, np.asfortranarray(a), "--triangle", "--f16", expect=half.astype("f8"))
            lower = np.tril_indices(n)
            trip(folder, a.astype(">f4"), "--triangle=lower", packed=np.ascontiguousarray(a.astype("f4")[..., lower[0], lower[1]]))
            strict = np.triu_indices(n, 1)
            if n != 1:  # refused: beside the diagonal there is nothing to keep
                c = a.copy()
                c[..., range(n), range(n)] = 1.0
                trip(folder, c, "--triangle=strict", packed=np.ascontiguousarray(c[..., strict[0], strict[1]]))
                s = values("f8", lead + (n, n))
                s = s - np.swapaxes(s, -1, -2)
                trip(folder, s, "--triangle=skew", packed=np.ascontiguousarray(s[..., strict[0], strict[1]]))
            h = values("c16", lead + (n, n))
            h = h + np.conj(np.swapaxes(h, -1, -2))
            trip(folder, h, "--triangle=hermitian", packed=np.ascontiguousarray(h[..., upper[0], upper[1]]))


def bits_are_numpys(folder):
    for shape in ((9,), (3, 64), (5, 7, 13), (2, 0), (100, 1001)):
        mask = values("b1", shape)
        trip(folder, mask, "--bits", packed=np.packbits(mask, axis=-1))
        trip(folder, np.asfortranarray(mask), "--bits")
        trip(folder, mask, "--bits=1,order=little", packed=np.packbits(mask, axis=-1, bitorder="little"))
        for n in (3, 8, 11, 14, 31):
            v = rng.integers(0, 2**n, shape, dtype="u4")
            planes = ((v[..., None] >> np.arange(n - 1, -1, -1)) & 1).astype(bool).reshape(shape[:-1] + (shape[-1] * n,))
            trip(folder, v, f"--bits={n}", packed=np.packbits(planes, axis=-1))


def scale_offset_keeps_its_bound(folder):
    for code in ("f4", "f8", ">f8"):
        a = np.round(values("f8", (50, 40)), 3).astype(code)
        a[3, 4], a[5, 6], a[7, 8], a[9, 9] = np.nan, np.inf, -np.inf, 1e20
        trip(folder, a, "--scale-offset", "3", "--fill", "1e20")
        b = values("f8", (1000, 30)).astype(code)
        np.save(folder / "b.npy", b)
        for d in (0, 1, 2, 4):
            report = json.loads(run(folder / "b.npy", "--scale-offset", d, "-o", folder / "s.npy", "--json", "--force").stdout)
            run("restore", folder / "s.npy", "-o", folder / "t.npy", "--force", "--quiet")
            worst = np.abs(np.load(folder / "t.npy").astype("f8") - b.astype("f8")).max()
            spacing = np.spacing(np.abs(b).max().astype(b.dtype.newbyteorder("=")))
            assert worst <= 0.5 * 10.0**-d + spacing / 2, (code, d, worst)
            assert report["loss"]["max_abs"] == worst, (report["loss"], worst)
            rmse = np.sqrt(np.mean((np.load(folder / "t.npy").astype("f8") - b.astype("f8")) ** 2))
            assert abs(report["loss"]["rmse"] - rmse) <= 1e-12 * rmse
    trip(folder, rng.integers(-(2**62), 2**62, (30, 30)), "--scale-offset", "0")
    trip(folder, np.arange(1000, 1200, dtype="i8"), "--scale-offset", "0", packed=np.arange(200, dtype="u1"))


def archives_are_read(folder):
    a, b = values("f8", (20, 30)), np.asfortranarray(values("i2", (5, 6)))
    for save in (np.savez, np.savez_compressed):
        save(folder / "a.npz", **{"a": a, "group/b": b})
        for name, array in (("a", a), ("group/b", b)):
            run(f"{folder}/a.npz:{name}", "-o", folder / "m.npy", "--force", "--quiet")
            run("restore", folder / "m.npy", "-o", folder / "n.npy", "--force", "--quiet")
            same(np.load(folder / "n.npy"), array, f"npz {name}")
    assert b"a, group/b" in run(folder / "a.npz", "-o", folder / "x.npy", code=2).stderr
    whole = bytearray((folder / "a.npz").read_bytes())
    with zipfile.ZipFile(folder / "a.npz") as z:
        at = z.getinfo("a.npy").header_offset + 200
    whole[at] ^= 1
    (folder / "bad.npz").write_bytes(whole)
    assert b"a" in run(f"{folder}/bad.npz:a", "-o", folder / "x.npy", code=2).stderr
    assert not (folder / "x.npy").exists()


def standard_input_is_read(folder):
    a = values("f4", (100, 3))
    stream = io.BytesIO()
    np.save(stream, a)
    run("-", "-o", folder / "i.npy", "--quiet", "--force", stdin=stream.getvalue())
    same(np.load(folder / "i.npy"), a, "standard input")


def slices_are_numpys(folder):
    a = values("f8", (12, 9, 9))
    a = a + np.swapaxes(a, -1, -2)
    np.save(folder / "sl.npy", a)
    for flags, expected in ((["--triangle"], a), (["--triangle", "--f16"], a.astype("f2").astype("f8")), ([], a)):
        run(folder / "sl.npy", *flags, "-o", folder / "sm.npy", "--force", "--quiet")
        for text in ("0:10,:,3", "...,-1", "::-2,1:7:3,::-1", "5", "3:3", ":,4,2:8"):
            run("restore", folder / "sm.npy", "--slice", text, "-o", folder / "so.npy", "--force", "--quiet")
            same(np.load(folder / "so.npy"), np.ascontiguousarray(eval(f"expected[{text}]")), f"slice {text} {flags}")


def refusals_have_their_exit_codes(folder):
    np.save(folder / "big.npy", np.array([1.0, 70000.0]))
    assert b"70000" in run(folder / "big.npy", "--f16", "-o", folder / "no.npy", code=1).stderr
    np.save(folder / "asym.npy", np.arange(9.0).reshape(3, 3))
    assert b"--symmetry-tol" in run(folder / "asym.npy", "--triangle", "-o", folder / "no.npy", code=1).stderr
    for array, word in (
        (np.array([{}], dtype=object), b"object"),
        (np.array(["x"]), b"string"),
        (np.array(["2020-01-01"], dtype="M8[D]"), b"datetime"),
        (np.zeros(2, dtype=[("a", "f8")]), b"structured"),
        (np.zeros(2, dtype="f16"), b"float"),
    ):
        np.save(folder / "odd.npy", array, allow_pickle=True)
        assert word in run(folder / "odd.npy", "-o", folder / "no.npy", code=2).stderr.lower(), word
    assert not (folder / "no.npy").exists()


with tempfile.TemporaryDirectory() as name:
    for check in (
        every_dtype_order_and_shape,
        float16_is_numpys,
        triangles_are_numpys,
        bits_are_numpys,
        scale_offset_keeps_its_bound,
        archives_are_read,
        standard_input_is_read,
        slices_are_numpys,
        refusals_have_their_exit_codes,
    ):
        check(Path(name))
        print(f"ok {check.__name__}")
print(f"{checks} arrays compared with NumPy {np.__version__}")
