"""Writes the array of the headline figures: 1000 symmetric 141 x 141 float64 matrices, 159,048,000 bytes of data.

usage: make_symmetric_array.py OUT.npy   (needs numpy)

Uniform noise made symmetric as m + m.T, with ten matrices raised by 10 and ten lowered by 10 in ten rows each, so that
not all values lie in one power of two. Always the same bytes: the generator is NumPy's frozen RandomState with seed 0.
"""

import sys

import numpy as np

MATRICES, SIDE = 1000, 141


def make():
    array = np.random.RandomState(0).rand(MATRICES, SIDE, SIDE)
    array[4:14, 4:14] += 10
    array[24:34, 24:34] -= 10
    return array + array.transpose(0, 2, 1)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_symmetric_array.py OUT.npy")
    np.save(sys.argv[1], make())
