"""NumPy and zipfile as judges of archives: what they write is read, in every way they can; what we write they read.

usage: npz_peers.py COMPACT
"""
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

COMPACT = sys.argv[1]
compared = 0


def run(*args, code=0):
    done = subprocess.run([COMPACT, *map(str, args), "--quiet"], capture_output=True)
    assert done.returncode == code, f"{args}: exit {done.returncode}\n{done.stderr.decode()}"
    return done.stderr.decode()


def same(a, b, what):
    global compared
    assert a.dtype == b.dtype and a.shape == b.shape, f"{what}: {a.dtype} {a.shape}, {b.dtype} {b.shape}"
    assert a.tobytes() == b.tobytes(), what
    assert a.flags.f_contiguous == b.flags.f_contiguous, what
    compared += 1


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


class Pipe(io.RawIOBase):
    """A stream that cannot seek back, so that zipfile writes sizes behind the data."""

    def __init__(self, file):
        self.file = file

    def writable(self):
        return True

    def write(self, data):
        return self.file.write(data)


rng = np.random.default_rng(5)
arrays = {
    "x": rng.normal(size=(30, 40)),
    "group/mask": rng.random((50, 33)) > 0.5,
    "größe/ß": rng.integers(0, 1000, (70, 3)).astype(">i4"),
    "fortran": np.asfortranarray(rng.normal(size=(20, 30))),
    "scalar": np.float32(2.5),
    "empty": np.zeros((0, 4)),
    "c": (rng.normal(size=9) + 1j * rng.normal(size=9)).astype(np.complex64),
    "long": np.arange(400_000) // 7,
}
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    inputs = {}
    np.savez(folder / "savez.npz", **arrays)
    np.savez_compressed(folder / "compressed.npz", **arrays)
    for method, word in [(zipfile.ZIP_STORED, "stored"), (zipfile.ZIP_DEFLATED, "deflated")]:
        with zipfile.ZipFile(folder / f"zip_{word}.npz", "w", method) as z:
            for key, array in arrays.items():
                z.writestr(f"{key}.npy", npy(array))
        with open(folder / f"piped_{word}.npz", "wb") as file, zipfile.ZipFile(Pipe(file), "w", method) as z:
            for key, array in arrays.items():
                with z.open(f"{key}.npy", "w", force_zip64=word == "stored") as member:
                    member.write(npy(array))
    for path in sorted(folder.glob("*.npz")):
        # Kept as they are, compressed and not; with steps and back.
        for codec in ("none", "deflate"):
            out = folder / "out.bin.npz"
            run(path, "--codec", codec, "-o", out, "--force")
            with np.load(out) as found, zipfile.ZipFile(out) as z:
                assert found.files == list(arrays), found.files
                assert z.testzip() is None
                for info in z.infolist():
                    assert info.date_time == (1980, 1, 1, 0, 0, 0) and info.external_attr >> 16 == 0o100644
                    with open(out, "rb") as file:
                        file.seek(info.header_offset + 26)
                        lens = np.frombuffer(file.read(4), "<u2")
                        at = info.header_offset + 30 + int(lens.sum())
                        assert codec != "none" or at % 64 == 0, f"{info.filename} at {at}"
                for key, array in arrays.items():
                    same(found[key], np.asarray(array), f"{path.name} {codec} {key}")
        groups = ["--select", "lon*", "--scale-offset", 0, "--select", "group/*", "--bits"]
        run(path, *groups, "-o", out, "--force")
        with np.load(out) as found:
            bits = np.packbits(arrays["group/mask"], axis=-1)
            same(found["group/mask"], bits, f"{path.name} packed")
        run("restore", out, "-o", folder / "back.bin.npz", "--force")
        with np.load(folder / "back.bin.npz") as found:
            for key, array in arrays.items():
                same(found[key], np.asarray(array), f"{path.name} restored {key}")
        out.unlink()
        (folder / "back.bin.npz").unlink()
        # More arrays in a copy of it, one in place of another; all that was there stays.
        grown = folder / "grown.bin.npz"
        grown.write_bytes(path.read_bytes())
        np.save(folder / "more.npy", arrays["x"] * 2)
        run("append", grown, folder / "more.npy")
        run("append", grown, folder / "more.npy", "--as", "x", "--force")
        with np.load(grown) as found, zipfile.ZipFile(grown) as z:
            assert found.files == [*list(arrays)[1:], "more", "x"] and z.testzip() is None
            for key, array in arrays.items():
                same(found[key], np.asarray(array) * 2 if key == "x" else np.asarray(array), f"{path.name} + {key}")
            same(found["more"], arrays["x"] * 2, f"{path.name} + more")
        grown.unlink()
        run(f"{path}:long", "--scale-offset", 0, "-o", folder / "long.npy", "--force")
        run("restore", folder / "long.npy", "-o", folder / "long2.npy", "--force")
        same(np.load(folder / "long2.npy"), arrays["long"], f"{path.name}:long")
    # Damage shows, and names its member.
    whole = bytearray((folder / "zip_deflated.npz").read_bytes())
    with zipfile.ZipFile(folder / "zip_deflated.npz") as z:
        info = z.getinfo("long.npy")
    whole[info.header_offset + 4000] ^= 0x55
    (folder / "bad.npz").write_bytes(whole)
    assert "long" in run(folder / "bad.npz", "-o", folder / "o.npz", code=2)
    assert not (folder / "o.npz").exists()
    # Nothing is unpickled.
    np.savez(folder / "objects.npz", x=np.arange(3), o=np.array([{}], dtype=object))
    assert "never unpickled" in run(folder / "objects.npz", "-o", folder / "o.npz", code=2)
print(f"{compared} arrays compared with NumPy and zipfile")
