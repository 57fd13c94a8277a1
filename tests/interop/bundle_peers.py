"""Python's tarfile and zipfile, NumPy and h5py as judges of bundles.

    bundle_peers.py BUNDLE FOLDER    BUNDLE was made of FOLDER; its index stands beside
"""

import io
import sys
import tarfile
import zlib
from pathlib import Path

import h5py
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


def check_hdf5(path, truth):
    """Names, shapes and places beside the values; h5py has no filter for these, which numbers them all the same."""
    seen = 0
    with h5py.File(path) as f:
        for dtype, group in f.items():
            values = group["values"]
            number, _, _, name = values.id.get_create_plist().get_filter(0)
            assert number == FILTER and name.startswith(b"ndcompact") and values.dtype == np.dtype(dtype)
            names = group["names"][:].tobytes()
            name_ends, shape_ends = group["name_ends"][:], group["shape_ends"][:]
            shapes, offsets, fortran = group["shapes"][:], group["offsets"][:], group["fortran"][:]
            for i, end in enumerate(name_ends):
                name = names[name_ends[i - 1] if i else 0 : end].decode()
                shape = tuple(shapes[shape_ends[i - 1] if i else 0 : shape_ends[i]])
                assert shape == truth[name].shape, (name, shape)
                assert fortran[i] == (truth[name].flags.fnc), name
                assert offsets[i] + np.prod(shape, dtype=int) <= values.shape[0]
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
