"""What is usual: means, deviations and correlations of features, frozen; and how far a reading is from that.

Rules: |z| of one feature says how far its level is, the Mahalanobis distance how far all that a reading has are from each other
and from their levels. A feature that a reading does not have is left out exactly (the marginal distribution). Correlations
are shrunk, so that no combination of features counts as certain. Nothing here ever changes; triangles are only remembered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.anomaly import Feature, Reason
from tailrace.topologies.anomaly_distance import Floats, cholesky, distance, given_the_others

Bools = NDArray[np.bool_]
Floats32 = NDArray[np.float32]

SHRINKAGE = 0.05
PLAIN = 2.0
"""A level is the plainer reason; a relation is told where it stands out this many times as much."""
PATTERNS_MAX = 64
"""Triangles remembered: one for each set of features that readings had."""


class Far(NamedTuple):
    """How far n readings are: worst |z|, Mahalanobis distance, and of how many features; each (n,)."""

    worst: Floats
    distance: Floats
    features: NDArray[np.int64]


class Usual:
    """d features, sorted by name: mean and deviation (d,), correlation (d, d)."""

    def __init__(self, names: Sequence[str], mean: Floats, deviation: Floats, correlation: Floats32) -> None:
        self.names, self.mean, self.deviation, self.correlation = names, mean, deviation, correlation
        self._matrix = correlation.astype(np.float64) * (1.0 - SHRINKAGE)
        np.fill_diagonal(self._matrix, 1.0)
        self._lowers: dict[bytes, Floats] = {}

    def features(self) -> list[Feature]:
        """The features as they are told."""
        cells = zip(self.names, self.mean.tolist(), self.deviation.tolist(), strict=True)
        return [Feature(name=name, mean=mean, deviation=deviation) for name, mean, deviation in cells]

    def standardised(self, names: Sequence[str], values: Floats, present: Bools) -> tuple[Floats, Bools]:
        """z of the features in rows of `names`, and which are there; both (d, n); 0 where none is."""
        if names != self.names:
            values, present = self._aligned(names, values, present)
        return np.where(present, (values - self.mean[:, None]) / self.deviation[:, None], 0.0), present

    def _aligned(self, names: Sequence[str], values: Floats, present: Bools) -> tuple[Floats, Bools]:
        place = {name: i for i, name in enumerate(names)}
        shape = (len(self.names), values.shape[1])
        found, there = np.zeros(shape), np.zeros(shape, np.bool_)
        for i, name in enumerate(self.names):
            if name in place:
                found[i], there[i] = values[place[name]], present[place[name]]
        return found, there

    def far(self, z: Floats, present: Bools) -> Far:
        """How far readings are that are given as z and which of it is there."""
        away = np.zeros(z.shape[1])
        for part, there in _patterns(present):
            block = z[:, part] if there.all() else z[there][:, part]
            away[part] = distance(self._lower(there), block)
        return Far(np.abs(z).max(axis=0, initial=0.0), away, present.sum(axis=0))

    def reasons(self, z: Floats, present: Bools, count: int, *, by_level: bool) -> list[Reason]:
        """What made one reading (d,) stand out, most of it first; by_level: its worst feature, else its distance."""
        rows = np.flatnonzero(present).tolist()
        own = z[rows]
        off, deviation = given_the_others(self._lower(present), own)
        related = off / deviation
        weight = np.abs(own) if by_level else own * off / (deviation * deviation)
        order = sorted(range(len(rows)), key=lambda i: (-weight[i], self.names[rows[i]]))
        return [self._reason(rows[i], float(own[i]), float(off[i]), float(related[i]), by_level) for i in order[:count]]

    def _reason(self, row: int, z: float, off: float, related: float, by_level: bool) -> Reason:
        name, mean, deviation = self.names[row], float(self.mean[row]), float(self.deviation[row])
        value = mean + deviation * z
        if by_level or PLAIN * abs(z) >= abs(related):
            return Reason(name=name, value=value, expected=mean, z=z, how="level")
        return Reason(name=name, value=value, expected=mean + deviation * (z - off), z=related, how="relation")

    def _lower(self, there: Bools) -> Floats:
        key = there.tobytes()
        if key not in self._lowers:
            if len(self._lowers) == PATTERNS_MAX:
                self._lowers.clear()
            self._lowers[key] = cholesky(self._matrix[np.ix_(there, there)])
        return self._lowers[key]


def _patterns(present: Bools) -> Iterator[tuple[NDArray[np.int64] | slice, Bools]]:
    """The sets of features that are there, with the readings (n,) of each."""
    if present.all():
        yield slice(None), np.ones(len(present), np.bool_)
        return
    packed = np.packbits(present, axis=0)
    left = np.ones(present.shape[1], np.bool_)
    while left.any():
        first = int(left.argmax())
        alike = (packed == packed[:, first, None]).all(axis=0)
        left &= ~alike
        yield np.flatnonzero(alike), present[:, first]
