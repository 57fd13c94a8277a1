#!/usr/bin/env python3
"""Writes the published case of bundles: float64 arrays of log-uniform length, of several kinds.

    make_bundle_case.py FOLDER [--count 2000] [--least 10] [--most 300000] [--seed 1]
"""

import argparse
from pathlib import Path

import numpy as np


def smooth(rng, n):
    """Sums of a few waves, as a simulation writes them."""
    t = np.linspace(0, 1, n)
    waves = rng.integers(2, 6)
    return sum(rng.normal() * np.sin(2 * np.pi * (rng.uniform(1, 50) * t + rng.uniform())) for _ in range(waves))


def walk(rng, n):
    """A random walk."""
    return np.cumsum(rng.normal(size=n))


def noise(rng, n):
    """White noise."""
    return rng.normal(size=n)


def measured(rng, n):
    """A signal as an instrument gives it: a drift and noise, three decimals."""
    return np.round(20 + np.cumsum(rng.normal(scale=0.02, size=n)) + rng.normal(scale=0.01, size=n), 3)


KINDS = [smooth, walk, noise, measured]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--least", type=int, default=10)
    parser.add_argument("--most", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    for i in range(args.count):
        n = int(np.exp(rng.uniform(np.log(args.least), np.log(args.most))))
        kind = KINDS[i % len(KINDS)]
        path = args.folder / f"run{i // 100:04}" / f"{kind.__name__}{i:06}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, kind(rng, n))


if __name__ == "__main__":
    main()
