"""What h5py, PyTables, netCDF4, xarray and h5netcdf make of our HDF5 files, and files as they write them.

    hdf5_peers.py write FOLDER    writes files of every kind, each with its expected values beside it (NAME.raw, index.json)
    hdf5_peers.py check FOLDER    checks the files that the Rust tests left there against NAME.raw and index.json
    hdf5_peers.py show FILE       what each reader shows of one file (each in a process of its own)
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

# Importing hdf5plugin gives the filters to h5py's libhdf5 alone; PyTables and netCDF4 bring their own, which look here.
os.environ["HDF5_PLUGIN_PATH"] = hdf5plugin.PLUGIN_PATH


def native(a):
    return np.ascontiguousarray(a).astype(a.dtype.newbyteorder("="))


def write(folder):
    rng = np.random.default_rng(7)
    index = []

    def expect(file, name, values, **more):
        values = np.asarray(values)
        order = "big" if values.dtype.byteorder == ">" else "little"
        raw = f"{file}{name.replace('/', '_')}.raw"
        (folder / raw).write_bytes(native(values).tobytes())
        index.append(dict(file=file, name=name, dtype=values.dtype.newbyteorder("=").name, order=order,
                          shape=list(values.shape), raw=raw, **more))

    smooth = (np.arange(37 * 53 * 11).reshape(37, 53, 11) // 9)
    kinds = {
        "gzip_shuffle": dict(compression="gzip", shuffle=True, chunks=(10, 20, 11)),
        "gzip_fletcher": dict(compression="gzip", compression_opts=9, fletcher32=True, chunks=(1, 53, 11)),
        "lzf": dict(compression="lzf", chunks=(5, 7, 3)),
        "fletcher": dict(fletcher32=True, chunks=(37, 53, 11)),
        "plain_chunks": dict(chunks=(4, 53, 11)),
        "contiguous": {},
        "zstd": dict(chunks=(7, 13, 11), **hdf5plugin.Zstd(clevel=5)),
        "lz4": dict(chunks=(7, 13, 11), **hdf5plugin.LZ4()),
        "lz4_blocks": dict(chunks=(7, 13, 11), **hdf5plugin.LZ4(nbytes=512)),
        "resizable": dict(maxshape=(None, None, 11), chunks=(64, 10, 11), compression="gzip"),
    }
    for dtype in ["i1", "u1", "<i2", ">i2", "<u4", ">u8", "<i8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "<c8", ">c16", "?"]:
        file = f"h5py_{np.dtype(dtype).name}_{'be' if dtype[0] == '>' else 'le'}.h5"
        values = (smooth % 2 == 0) if dtype == "?" else (smooth % 120).astype(dtype)
        if np.dtype(dtype).kind == "c":
            values = (values + 1j * (smooth % 7)).astype(dtype)
        with h5py.File(folder / file, "w") as f:
            for kind, options in kinds.items():
                f.create_dataset(f"g/{kind}", data=values, dtype=values.dtype, **options)
                expect(file, f"/g/{kind}", values)

    with h5py.File(folder / "odd.h5", "w", userblock_size=2048) as f:
        a = smooth.astype("<i4")
        f["contiguous"] = a
        expect("odd.h5", "/contiguous", a)
        f.create_dataset("chunked", data=a, chunks=(10, 10, 10), compression="gzip")
        expect("odd.h5", "/chunked", a)
        sparse = f.create_dataset("sparse", shape=(100, 30), dtype=">i2", chunks=(7, 30), fillvalue=-3, maxshape=(None, 30))
        sparse[20:40] = np.arange(600).reshape(20, 30)
        expect("odd.h5", "/sparse", sparse[...].astype(">i2"))
        never = f.create_dataset("never", shape=(5, 6), dtype=">f4", fillvalue=1.5)
        expect("odd.h5", "/never", never[...].astype(">f4"))
        f["scalar"] = np.float64(2.5)
        expect("odd.h5", "/scalar", np.float64(2.5))
        f["empty"] = np.zeros((0, 4), "f4")
        expect("odd.h5", "/empty", np.zeros((0, 4), "f4"))
        f.create_dataset("scaleoffset", data=a, chunks=(10, 53, 11), scaleoffset=0)
        expect("odd.h5", "/scaleoffset", a)
        space, plist = h5py.h5s.create_simple((6, 7)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        h5py.h5d.create(f.id, b"compact", h5py.h5t.IEEE_F64BE, space, plist)
        f["compact"][...] = np.arange(42.0).reshape(6, 7)
        expect("odd.h5", "/compact", np.arange(42.0).reshape(6, 7).astype(">f8"))
        twelve = h5py.h5t.STD_I16LE.copy()
        twelve.set_precision(12)
        h5py.h5d.create(f.id, b"twelve_bits", twelve, h5py.h5s.create_simple((50,)))
        f["twelve_bits"][...] = np.arange(-25, 25)
        expect("odd.h5", "/twelve_bits", np.arange(-25, 25).astype("<i2"))
        shrunk = f.create_dataset("shrunk", data=np.arange(100), chunks=(8,), maxshape=(None,))
        shrunk.resize((13,))
        expect("odd.h5", "/shrunk", np.arange(13))
        source = h5py.VirtualSource("odd.h5", "contiguous", shape=a.shape)
        layout = h5py.VirtualLayout(shape=a.shape, dtype=a.dtype)
        layout[...] = source
        f.create_virtual_dataset("virtual", layout)
        expect("odd.h5", "/virtual", a)
        for name, data in [("strings", ["a", "b"]), ("compound", np.zeros(3, "i4,f8")), ("opaque", np.zeros(3, "V5")),
                           ("fixed", np.array([b"ab"]))]:
            f[name] = data
            index.append(dict(file="odd.h5", name=f"/{name}", refused=True))
        f.create_dataset("enum", data=[1, 2], dtype=h5py.enum_dtype({"A": 1, "B": 2}, basetype="i1"))
        f.create_dataset("vlen", shape=(3,), dtype=h5py.vlen_dtype("i4"))
        f.create_dataset("longdouble", data=np.zeros(3, np.longdouble))
        for name in ["enum", "vlen", "longdouble"]:
            index.append(dict(file="odd.h5", name=f"/{name}", refused=True))

    with h5py.File(folder / "plugins.h5", "w") as f:
        a = smooth.astype("<u2")
        for name, options in [("blosc", hdf5plugin.Blosc()), ("bitshuffle", hdf5plugin.Bitshuffle())]:
            f.create_dataset(name, data=a, chunks=(10, 53, 11), **options)
            expect("plugins.h5", f"/{name}", a, plugin=True)
    with h5py.File(folder / "latest.h5", "w", libver="latest") as f:
        a = rng.normal(size=(100, 77))
        for name, options in [("fixed", dict(chunks=(10, 10), compression="gzip")), ("single", dict(chunks=(100, 77))),
                              ("extensible", dict(chunks=(10, 77), maxshape=(None, 77), shuffle=True)),
                              ("btree", dict(chunks=(10, 10), maxshape=(None, None), compression="gzip"))]:
            f.create_dataset(name, data=a, **options)
            expect("latest.h5", f"/{name}", a)

    import tables
    with tables.open_file(folder / "pytables.h5", "w") as f:
        a = rng.integers(0, 50, (40, 60)).astype("i2")
        for lib in ["zlib", "blosc", "lzo"]:
            if tables.which_lib_version(lib) and lib == "zlib":
                f.create_carray("/", lib, obj=a, filters=tables.Filters(complevel=5, complib=lib, fletcher32=True))
                expect("pytables.h5", f"/{lib}", a)
        e = f.create_earray("/deep", "earray", atom=tables.Float32Atom(), shape=(0, 60), createparents=True)
        e.append(a.astype("f4"))
        expect("pytables.h5", "/deep/earray", a.astype("f4"))

    import netCDF4
    with netCDF4.Dataset(folder / "netcdf.nc", "w") as f:
        f.createDimension("time", None)
        f.createDimension("x", 30)
        f.createVariable("x", "f4", ("x",))[:] = np.arange(30)
        v = f.createVariable("sst", "f4", ("time", "x"), zlib=True, shuffle=True, fletcher32=True, fill_value=1e20)
        values = rng.normal(size=(20, 30)).astype("f4")
        values[3, 4:9] = 1e20
        v.set_auto_mask(False)
        v[:] = values
        f.createVariable("name", str, ("x",))
        expect("netcdf.nc", "/sst", values, fill=float(np.float32(1e20)), only=True)
    (folder / "index.json").write_text(json.dumps(index))


def check(folder):
    import tables
    for entry in json.loads((folder / "index.json").read_text()):
        path, name, dtype = folder / entry["file"], entry["name"], np.dtype(entry["dtype"])
        values = np.frombuffer((folder / entry["raw"]).read_bytes(), dtype).reshape(entry["shape"])
        with h5py.File(path) as f:
            d = f[name]
            assert d.dtype.newbyteorder("=") == dtype, (entry, d.dtype)
            if dtype.itemsize > 1 and dtype.kind != "c":
                assert (d.dtype.byteorder == ">") == (entry["order"] == "big"), (entry, d.dtype)
            assert d.shape == values.shape, entry
            assert native(d[...]).tobytes() == values.tobytes(), entry
            record = d.attrs["ndcompact_recipe"]
            assert json.loads(record) == {"käse": 1}, record
            assert d.attrs["scale_factor"] == 0.5 and d.attrs["count"] == 7 and d.attrs["offset"] == -3
        if dtype.kind in "iuf":
            with tables.open_file(path) as f:
                try:
                    f.get_node(name)[...]
                except Exception as e:
                    raise AssertionError(("PyTables", entry)) from e
                assert native(f.get_node(name)[...]).tobytes() == values.tobytes(), ("PyTables", entry)
            if not (dtype == np.float16):
                import netCDF4
                with netCDF4.Dataset(path) as f:
                    v = f[name]
                    v.set_auto_maskandscale(False)
                    assert native(np.asarray(v[...])).tobytes() == values.tobytes(), ("netCDF4", entry)


READERS = {
    "h5py": "import h5py, hdf5plugin\nf = h5py.File(p)\nf.visititems(lambda n, d: print(n, d, dict(d.attrs) and sorted(d.attrs), "
            "d[...].ravel()[:3] if hasattr(d, 'dtype') else ''))",
    "PyTables": "import tables, hdf5plugin\nf = tables.open_file(p)\n"
                "[print(repr(n)[:300], n[...].ravel()[:3] if hasattr(n, 'shape') else '') for n in f.walk_nodes('/')]",
    "netCDF4": "import netCDF4\nf = netCDF4.Dataset(p)\n"
               "def show(g):\n    for n, v in g.variables.items(): print(g.path, n, v.dtype, v.shape, v[...].ravel()[:3])\n"
               "    for s in g.groups.values(): show(s)\nshow(f)",
    "xarray netcdf4": "import xarray\nprint(xarray.open_dataset(p, engine='netcdf4').load())",
    "xarray h5netcdf": "import xarray, hdf5plugin\nprint(xarray.open_dataset(p, engine='h5netcdf', phony_dims='sort').load())",
    "xarray h5netcdf plain": "import xarray, hdf5plugin\nprint(xarray.open_dataset(p, engine='h5netcdf').load())",
    "xarray group h5netcdf": "import xarray, hdf5plugin\nprint(xarray.open_dataset(p, engine='h5netcdf', group='packed', phony_dims='sort').load())",
    "xarray group netcdf4": "import xarray\nprint(xarray.open_dataset(p, engine='netcdf4', group='packed').load())",
}


def show(path):
    for reader, code in READERS.items():
        run = subprocess.run([sys.executable, "-c", f"p = {str(path)!r}\n{code}"], capture_output=True, text=True, timeout=60)
        text = run.stdout if run.returncode == 0 else run.stderr[-300:]
        print(f"== {reader}: exit {run.returncode}\n{text}")


if __name__ == "__main__":
    {"write": write, "check": check, "show": show}[sys.argv[1]](Path(sys.argv[2]))
