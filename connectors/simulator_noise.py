"""Chance that can be asked for at any instant: hashes of (seed, what, when), the same on every machine and in every order.

Rules: a key names a stream of chance; the same key and index give the same number, whoever asked what before. Only integer
arithmetic and + - * / on floats, so no processor and no library version changes a digit.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def key(*parts: object) -> np.uint64:
    """The stream of chance that the parts name."""
    text = "/".join(map(str, parts)).encode()
    return np.uint64(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))


def uniform(stream: np.uint64, at: Ints) -> Floats:
    """Numbers in [0, 1), one for each index."""
    return (_mixed(stream, at) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def gauss(stream: np.uint64, at: Ints) -> Floats:
    """Numbers with mean 0 and deviation 1, never beyond 3.5: the sum of four, which is near enough to a normal one."""
    bits = _mixed(stream, at)
    total = sum(((bits >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float64) for shift in (0, 16, 32, 48))
    return np.asarray((total / 65536.0 - 1.99997) * 1.7320508)


def wander(stream: np.uint64, t: Ints, period: int) -> Floats:
    """A smooth curve in [-1, 1] that takes a new direction every `period` (in the unit of t)."""
    knot = t // period
    way = (t - knot * period) / float(period)
    smooth = way * way * (3.0 - 2.0 * way)
    before, after = uniform(stream, knot), uniform(stream, knot + 1)
    return np.asarray(2.0 * (before + (after - before) * smooth) - 1.0)


def _mixed(stream: np.uint64, at: Ints) -> NDArray[np.uint64]:
    """64 bits of every index: splitmix64 (Steele, Lea, Flood 2014)."""
    x = at.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + stream
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))
