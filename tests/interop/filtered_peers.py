"""What h5py sees of files in the filtered layout without our filter; and files whose filter parameters lie.

    filtered_peers.py FOLDER    checks DTYPE.h5 of FOLDER and leaves forged-*.h5 there
"""

import sys
from pathlib import Path

import h5py
import numpy as np

FILTER = 410


def check(path):
    dtype = np.dtype(path.stem)
    with h5py.File(path) as f:
        data = f["packed/data" if dtype == np.float16 else "data"]
        assert data.dtype == dtype and data.shape == (33, 20) and data.chunks == (10, 20), (path, data)
        creation = data.id.get_create_plist()
        assert creation.get_nfilters() == 1
        number, flags, parameters, name = creation.get_filter(0)
        assert number == FILTER and flags == 0 and name.startswith(b"ndcompact"), (number, flags, name)
        assert parameters[0] == 1 and parameters[2:] == (10, 20), parameters
        assert b'"coding"' in bytes(data.attrs["ndcompact_recipe"])
        try:
            data[0]
        except OSError:
            return
        raise AssertionError(f"{path}: h5py reads what it has no filter for")


def forge(folder):
    """The chunks of float64.h5 under parameters that claim something else."""
    with h5py.File(folder / "float64.h5") as f:
        source = f["data"]
        chunks = [source.id.read_direct_chunk((10 * i, 0))[1] for i in range(4)]
        recipe = source.attrs["ndcompact_recipe"]
        truth = source.id.get_create_plist().get_filter(0)[2]
    lies = {"smaller": (1, truth[1], 5, 20), "larger": (1, truth[1], 1000, 1000), "dtype": (1, truth[1] - 1, 10, 20),
            "axes": (1, truth[1], 200), "order": (1, truth[1] | 256, 10, 20), "none": (), "number": (1, 77, 10, 20)}
    for name, parameters in lies.items():
        with h5py.File(folder / f"forged-{name}.h5", "w") as f:
            creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            creation.set_chunk((10, 20))
            # Optional, since a mandatory filter must be at hand when a dataset is made.
            creation.set_filter(FILTER, h5py.h5z.FLAG_OPTIONAL, parameters)
            data = h5py.h5d.create(f.id, b"data", h5py.h5t.IEEE_F64LE, h5py.h5s.create_simple((33, 20)), creation)
            for i, chunk in enumerate(chunks):
                data.write_direct_chunk((10 * i, 0), chunk)
            f["data"].attrs["ndcompact_recipe"] = recipe


folder = Path(sys.argv[1])
files = sorted(p for p in folder.glob("*.h5"))
assert len(files) == 14, files
for file in files:
    check(file)
forge(folder)
