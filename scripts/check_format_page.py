"""Runs the decoder of docs/format.md against files that `compact` wrote, and compares with `compact restore`, bit for bit.

usage: check_format_page.py [--binary target/debug/compact] [--no-hdf5]   (needs numpy; h5py for HDF5; pcodec and zstandard for
chunks that use them)

The page promises that a file can be undone without this program. This holds it to that: its Python blocks are taken out
and run as they stand.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def page_functions():
    with open(os.path.join(HERE, "..", "docs", "format.md"), encoding="utf-8") as file:
        blocks = re.findall(r"^```python\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile("\n".join(blocks), "docs/format.md", "exec"), names)
    return names


def cases():
    """Arrays, and recipes that fit them."""
    rng = np.random.default_rng(1)
    square = rng.normal(size=(3, 7, 7))
    symmetric = square + square.swapaxes(1, 2)
    skew = square - square.swapaxes(1, 2)
    unit = symmetric.copy()
    unit[:, range(7), range(7)] = -0.0
    hermitian = symmetric + 1j * skew
    special = rng.normal(size=(5, 40)) * 30
    special[0, :4] = [np.nan, np.inf, -np.inf, -9999]
    special[1, :3] = [-0.0, 5e-324, 1e-9]
    counts = rng.integers(-500, 500, size=(4, 33))
    counts[2, 5] = -32768

    for kind, array in (("upper", symmetric), ("lower", symmetric), ("strict", unit), ("skew", skew)):
        for dtype in ("f8", "f4"):
            yield f"triangle {kind} {dtype}", array.astype(dtype), [{"step": "triangle", "kind": kind}]
    yield "triangle hermitian", hermitian, [{"step": "triangle", "kind": "hermitian"}]
    yield "triangle, one matrix", symmetric[0], [{"step": "triangle"}]
    yield "triangle and float16", symmetric, [{"step": "triangle"}, {"step": "cast", "to": "float16"}]
    yield "triangle, rounding, scale-offset, bits", symmetric, [
        {"step": "triangle"},
        {"step": "bit-round", "keepbits": 20},
        {"step": "scale-offset", "digits": 2},
        {"step": "bitpack"},
    ]
    for to in ("float16", "float32", "bfloat16"):
        yield f"cast {to}", special, [{"step": "cast", "to": to}]
    yield "cast complex", hermitian, [{"step": "cast", "to": "float32"}]
    yield "bit-round", special.astype("f4"), [{"step": "bit-round", "keepbits": 7}]
    for dtype in ("f8", "f4"):
        for ask in ({"digits": 2}, {"digits": -1}, {"step_size": 0.37}, {"bits": 14}, {"bits": 11, "fill": -9999}):
            yield f"scale-offset {ask} {dtype}", special.astype(dtype), [{"step": "scale-offset", **ask}]
    for dtype in ("i2", "i8", ">i4"):
        for ask in ({"digits": 0}, {"digits": 0, "fill": -32768}, {"step_size": 7}, {"bits": 5}):
            yield f"scale-offset {ask} {dtype}", counts.astype(dtype), [{"step": "scale-offset", **ask}]
    mask = rng.random((6, 5, 43)) < 0.3
    for order in ("big", "little"):
        yield f"bits of a mask, {order}", mask, [{"step": "bitpack", "order": order}]
        for bits in (1, 3, 8, 11, 14, 16, 27, 32):
            array = rng.integers(0, 2**bits, size=(4, 19), dtype="u4")
            yield f"{bits} bits, {order}", array, [{"step": "bitpack", "bits": bits, "order": order}]
    for bits in (10, 16, 25):
        yield f"{bits} bits, signed", counts % 512 - 256, [{"step": "bitpack", "bits": bits}]
    fortran = np.asfortranarray(special.astype(">f4"))
    yield "Fortran order, big-endian, by elements", fortran, [{"step": "scale-offset", "digits": 3}]
    yield "Fortran order, big-endian, across axes", np.asfortranarray(symmetric.astype(">f8")), [{"step": "triangle"}]
    yield "no step", special, []


def coded_cases():
    """Arrays, and flags of the filtered layout, that between them use every part of a coded chunk."""
    rng = np.random.default_rng(2)

    def field(shape, noise):
        places = np.meshgrid(*[np.linspace(0, 3, n) for n in shape], indexing="ij")
        return sum(np.sin((i + 1) * x + i) for i, x in enumerate(places)) + noise * rng.normal(size=shape)

    for shape in ((3000,), (70, 90), (20, 30, 40), (2, 3, 2, 9, 20)):
        for dtype in ("f2", "f4", "f8"):
            smooth = field(shape, 1e-3).astype(dtype)
            for bound in (["--max-abs", "1e-2"], ["--max-abs", "1e-4"], ["--max-abs", "0"], ["--psnr", "60"]):
                yield f"{dtype} {shape}", smooth, bound
            for bound in (["--max-rel", "1e-3"], ["--max-rel", "1e-2", "--rel-floor", "0.1", "--max-abs", "5e-3"]):
                yield f"{dtype} {shape}", smooth, bound
        holes = field(shape, 0.1).astype("f4")
        holes[..., ::7] = np.nan
        holes[0] = 1e20
        holes.flat[5:9] = [np.inf, -np.inf, 3e8, -0.0]
        for bound in ("1e-3", "0"):
            yield f"holes {shape}", holes, ["--max-abs", bound, "--fill", "1e20"]
        for dtype in ("i1", "u2", "i4", "u8"):
            whole = (field(shape, 0.02) * 30 + 60).astype(dtype)
            for bound in ("0", "1", "3"):
                yield f"{dtype} {shape}", whole, ["--max-abs", bound]
        lossless = {
            "decimals": np.round(field(shape, 0.3), 2),
            "steps and an offset": np.round(field(shape, 0.3) * 1000) * 0.0037 + 273.1,
            "float32 in float64": field(shape, 0.3).astype("f4").astype("f8"),
            "few values": rng.choice(rng.normal(size=40), size=shape),
            "wide integers": (field(shape, 0.02) * 1e17).astype("i8"),
            "large residuals": (rng.laplace(size=shape) ** 3 * 100).astype("i4"),
            "random bits": rng.integers(0, 2**63, size=shape),
            "one value": np.full(shape, 3.5),
            "mask": field(shape, 1e-3) > 1,
        }
        for name, array in lossless.items():
            yield f"{name} {shape}", array, ["--max-abs", "0"]
        yield f"complex {shape}", field(shape, 0.1) + 1j * field(shape, 0.1), ["--max-abs", "1e-3"]
        yield f"many decades {shape}", np.exp(8 * field(shape, 0.1)), ["--max-rel", "1e-3"]
    for shape in ((3000,), (60, 90), (500, 2), (12, 30, 40), (9, 25, 2, 20)):
        places = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
        for count, dtype in ((2, "?"), (2, "f8"), (5, "u1"), (16, "i2"), (17, "f4"), (200, "i4"), (200, "c8")):
            # The nearest of some points, and a few elements that are of any class.
            seeds = rng.random((min(count, 30), len(shape))) * shape
            near = np.stack([((places - seed) ** 2).sum(-1) for seed in seeds]).argmin(0)
            classes = np.where(rng.random(shape) < 0.02, rng.integers(0, count, shape), near % count)
            values = np.arange(count) if dtype == "?" else np.round(rng.normal(size=count) * 100, 3)
            yield f"{count} classes {dtype} {shape}", values.astype(dtype)[classes], ["--max-abs", "0"]
        alike = np.broadcast_to(near[:1] % 7, shape).astype("u1")
        yield f"planes that are alike {shape}", alike, ["--max-abs", "0"]
    square = field((90, 90), 1e-3)
    yield "triangle", square + square.T, ["--max-abs", "1e-4", "--triangle"]
    yield "triangle and float16", square + square.T, ["--layout", "filtered", "--triangle", "--f16"]
    yield "scale-offset", square, ["--layout", "filtered", "--scale-offset", "2"]
    yield "chunks over the edge", square.astype("f4"), ["--max-abs", "1e-3", "--chunks", "40,40"]
    yield "Fortran order, big-endian", np.asfortranarray(square[:50].astype(">f4")), ["--max-abs", "1e-3"]
    turns = np.stack([field((40, 50), 0.01) * (1 + i % 5) for i in range(20)])
    yield "series in turn", turns.astype("f4"), ["--max-abs", "1e-5"]
    large = np.linspace(0, 1, 1100)
    yield "tiles of a symmetric matrix", np.add.outer(large, large) ** 2, ["--max-abs", "1e-3", "--triangle"]
    yield "0-d", np.array(3.5), ["--max-abs", "1e-3"]
    yield "empty", np.zeros((0, 3)), ["--max-abs", "1e-3"]


def same(a, b):
    """Equal in dtype, shape, axis order and every bit."""
    return a.dtype == b.dtype and a.shape == b.shape and a.flags.fnc == b.flags.fnc and a.tobytes() == b.tobytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/debug/compact")
    parser.add_argument("--no-hdf5", action="store_true")
    options = parser.parse_args()
    page = page_functions()
    failed = checked = 0
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: os.path.join(folder, name)
        run = lambda *words: subprocess.run([options.binary, *words], capture_output=True, text=True)
        for name, array, steps in cases():
            np.save(at("in.npy"), array)
            with open(at("recipe.json"), "w", encoding="utf-8") as file:
                json.dump(steps, file)
            for kind, extra in (("npy", []), ("npy", ["--sidecar"]), ("h5", ["--codec", "deflate"])):
                if kind == "h5" and options.no_hdf5:
                    continue
                packed = at(f"packed.{kind}")
                for command in (
                    (at("in.npy"), "--recipe", at("recipe.json"), *extra, "--quiet", "-o", packed),
                    ("restore", packed, "--quiet", "-o", at("back.npy")),
                ):
                    done = run(*command)
                    if done.returncode:
                        sys.exit(f"{name}, {kind}: compact {' '.join(command)} gave {done.returncode}: {done.stderr}")
                back = np.load(at("back.npy"))
                if kind == "npy":
                    decoded = page["restore"](np.load(packed), page["read_npy_record"](packed))
                else:
                    decoded = page["restore"](*page["read_hdf5"](packed, dataset_of(packed)))
                checked += 1
                if not (same(decoded, back) and back.dtype == array.dtype and back.shape == array.shape):
                    failed += 1
                    print(f"FAIL {name}, {kind} {' '.join(extra)}")
                for path in (packed, packed + ".compact.json", at("back.npy")):
                    if os.path.exists(path):
                        os.unlink(path)
        without = set()
        for name, array, flags in [] if options.no_hdf5 else coded_cases():
            np.save(at("in.npy"), array)
            packed, back = at("coded.h5"), at("back.npy")
            for effort in ("1", "5"):
                for command in (
                    (at("in.npy"), *flags, "--effort", effort, "--quiet", "--force", "-o", packed),
                    ("restore", packed, "--quiet", "--force", "-o", back),
                ):
                    done = run(*command)
                    if done.returncode:
                        sys.exit(f"{name}: compact {' '.join(command)} gave {done.returncode}: {done.stderr}")
                try:
                    decoded = page["read_coded"](packed, main_dataset_of(packed))
                except ModuleNotFoundError as missing:
                    without.add(missing.name)
                    continue
                checked += 1
                if not same(decoded, np.load(back)):
                    failed += 1
                    print(f"FAIL {name}, {' '.join(flags)} --effort {effort}")
        if without:
            print(f"not checked: chunks that need {', '.join(sorted(without))}")
    print(f"docs/format.md decoded {checked - failed} of {checked} files as `compact restore` does")
    sys.exit(1 if failed else 0)


def main_dataset_of(path):
    """The name of the dataset with a record."""
    import h5py

    found = []
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, node: found.append(name) if "ndcompact_recipe" in node.attrs else None)
    (only,) = found
    return only


def dataset_of(path):
    """The name of the one dataset of an HDF5 file."""
    import h5py

    found = []
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, node: found.append(name) if isinstance(node, h5py.Dataset) else None)
    (only,) = found
    return only


if __name__ == "__main__":
    main()
