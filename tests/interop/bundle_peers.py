"""Python's tarfile and zipfile, NumPy and h5py as judges of bundles.

    bundle_peers.py BUNDLE FOLDER    BUNDLE was made of FOLDER; its index stands beside
"""

import io
import json
import sys
import tarfile
import zlib
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401, zstd for h5py
import numpy as np

FILTER = 410


def index_of(path):
    return np.load(path.with_name(path.name.split(".")[0] + ".index.npz"))


def names_of(index):
    names, ends = index["names"].tobytes(), index["name_ends"]
    return [names[a:b].decode() for a, b in zip([0, *ends[:-1]], ends)]


def archives(path):
    """Name and bytes of each member, as Python's own modules and NumPy read them."""
    if path.suffix == ".npz":
        with np.load(path) as z:
            yield from ((name, z[name]) for name in z.files)
        return
    if path.name.endswith(".zst"):
        import zstandard  # the tests' Python may have none

        with open(path, "rb") as f:
            plain = zstandard.ZstdDecompressor().stream_reader(f, read_across_frames=True).read()
        t = tarfile.open(fileobj=io.BytesIO(plain))
    else:
        t = tarfile.open(path)
    with t:
        for member in t:
            assert member.mtime == 0 and member.uid == 0, member
            yield member.name.removesuffix(".npy"), np.load(io.BytesIO(t.extractfile(member).read()))


def texts(group, texts, ends):
    """The texts that stand end to end in a table."""
    raw, ends = group[texts][:].tobytes(), group[ends][:]
    return [raw[a:b].decode() for a, b in zip([0, *ends[:-1]], ends)]


def check_hdf5(path, truth):
    """Names, shapes, places and recipes beside the values; these as well where a codec of other programs was asked for."""
    seen = 0
    with h5py.File(path) as f:
        for name, group in f.items():
            values = group["values"]
            number, _, _, filter_name = values.id.get_create_plist().get_filter(0)
            ours = number == FILTER
            assert not ours or filter_name.startswith(b"ndcompact")
            assert values.dtype == np.dtype(name.split("_")[0]), name
            names = texts(group, "names", "name_ends")
            recipes = texts(group, "recipes", "recipe_ends") if "recipes" in group else [""] * len(names)
            shape_ends = group["shape_ends"][:]
            shapes, offsets, fortran = group["shapes"][:], group["offsets"][:].astype(int), group["fortran"][:]
            for i, (name, recipe) in enumerate(zip(names, recipes)):
                shape = tuple(shapes[shape_ends[i - 1] if i else 0 : shape_ends[i]])
                original = truth[name]
                if recipe:
                    recipe = json.loads(recipe)
                    assert recipe["original"]["shape"] == list(original.shape), name
                else:
                    assert shape == original.shape, (name, shape)
                    assert fortran[i] == (original.flags.fnc), name
                count = np.prod(shape, dtype=int)
                assert offsets[i] + count <= values.shape[0]
                if not ours:
                    packed = values[offsets[i] : offsets[i] + count].reshape(shape, order="F" if fortran[i] else "C")
                    if recipe and [s["step"] for s in recipe["steps"]] == ["cast"]:
                        original = original.astype(packed.dtype)
                    elif recipe and [s["step"] for s in recipe["steps"]] == ["bitpack"]:
                        original = np.packbits(original, axis=-1)
                    assert packed.dtype == original.dtype.newbyteorder("="), name
                    assert np.array_equal(packed, original), name
                seen += 1
    return seen


def main():
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    truth = {f"{folder.name}/{p.relative_to(folder)}".removesuffix(".npy"): np.load(p) for p in folder.rglob("*.npy")}
    index = index_of(path)
    names = names_of(index)
    assert sorted(names) == sorted(truth) and [names[i] for i in index["by_name"]] == sorted(names, key=str.encode)
    if path.suffix == ".h5":
        print(check_hdf5(path, truth), "arrays read")
        return
    try:
        read = dict(archives(path))
    except ModuleNotFoundError:
        # Without a zstd in Python the frames are counted by the index alone.
        print(len(names), "arrays read (index only: no zstandard)")
        return
    assert sorted(read) == sorted(truth)
    for name, array in read.items():
        assert array.dtype == truth[name].dtype and array.tobytes("A") == truth[name].tobytes("A"), name
    # One array by the index alone, as a program without us would.
    if path.suffix == ".tar":
        i = names.index("in/wave07")
        block = index["block"][i]
        with open(path, "rb") as f:
            f.seek(index["block_at"][block] + index["offset"][i])
            raw = f.read(index["bytes"][i])
        assert zlib.crc32(raw) == index["crc32"][i]
        assert np.array_equal(np.load(io.BytesIO(raw)), truth["in/wave07"])
    print(len(read), "arrays read")


main()
