"""Means, deviations and correlations of a warm-up, learned reading by reading.

Rules: River's StandardScaler learns means and variances of what a reading has. Correlations are of float32 sums of products of
deviations from the means before each reading, scaled so that the matrix is one of squares, whatever is missing. A feature
is taken in when it first comes, as long as there is room for it; of several in one reading by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import msgspec
import numpy as np

from tailrace.topologies.anomaly_flow import DEFECTS
from tailrace.topologies.anomaly_usual import Floats32, Usual

SEEN_MIN = 20
"""A feature with fewer values in a warm-up has no deviation worth the name."""
FLAT = 1e-9
FLAT_DEVIATION = 0.01
"""What moves less than FLAT of its level has not moved; its deviation is taken as FLAT_DEVIATION of its level."""
DEVIATION_MIN = 1e-15
ROOT_MIN = 1e-14
"""Squares of what moved less have lost their digits in float32."""
DEFECTS_DEVIATION = 0.01
"""Defect ratios of a warm-up may be all 0; a part in a hundred is a deviation all the same."""

BYTES_MAX = 7600
"""What the models of one machine may take, names included."""


class Sums(msgspec.Struct, frozen=True, array_like=True):
    """Learning as bytes: count, mean and variance (float64) by feature, products (float32, lower triangle)."""

    names: list[str]
    moments: bytes
    products: bytes
    full: bool


class Learning:
    """The part of a warm-up that gives what is usual."""

    def __init__(self, sums: Sums | None = None) -> None:
        from river.preprocessing import StandardScaler  # noqa: PLC0415  takes most of a second, and only learning needs it

        self._scaler: Any = StandardScaler()
        self.names = sums.names if sums else []
        self.full = sums.full if sums else False
        self._products = triangle(sums.products, len(self.names)) if sums else np.zeros((0, 0), np.float32)
        if sums:
            moments = np.frombuffer(sums.moments, "<f8").reshape(3, -1)
            for name, count, mean, variance in zip(self.names, *moments.tolist(), strict=True):
                self._scaler.counts[name], self._scaler.means[name], self._scaler.vars[name] = (
                    int(count),
                    mean,
                    variance,
                )

    def sums(self) -> Sums:
        """What was learned, as bytes."""
        moments = np.array(self._moments(), "<f8").T
        return Sums(list(self.names), moments.tobytes(), lower_bytes(self._products), self.full)

    def learn(self, row: Mapping[str, float]) -> None:
        """Takes in a reading: its features by name."""
        for name in sorted(row.keys() - self._scaler.counts.keys()):
            self._admit(name)
        known = {name: row[name] for name in self.names if name in row}
        scaler = self._scaler
        away = np.zeros(len(self.names), np.float32)
        for i, name in enumerate(self.names):
            if name in known and (count := scaler.counts[name]):
                away[i] = (known[name] - scaler.means[name]) * sqrt(count / (count + 1))
        self._products = self._products + away[:, None] * away[None, :]
        scaler.learn_one(known)

    def usual(self) -> tuple[Usual, list[str]]:
        """What is usual, and the features that are left out of it."""
        deviations = np.array([self._deviation(name) for name in self.names])
        kept = np.flatnonzero(deviations > 0.0)
        left_out = [
            name for name, deviation in zip(self.names, deviations.tolist(), strict=True) if not deviation > 0.0
        ]
        names = [self.names[i] for i in kept]
        mean = np.array([self._scaler.means[name] for name in names])
        return Usual(names, mean, deviations[kept], _correlation(self._products[np.ix_(kept, kept)])), left_out

    def _deviation(self, name: str) -> float:
        """What z is counted in; 0 where there is nothing to count in."""
        count, mean = self._scaler.counts[name], self._scaler.means[name]
        if count < SEEN_MIN:
            return 0.0
        deviation = sqrt(self._scaler.vars[name] * count / (count - 1))
        if name == DEFECTS:
            return max(deviation, DEFECTS_DEVIATION)
        flat = deviation <= max(DEVIATION_MIN, FLAT * abs(mean))
        return FLAT_DEVIATION * abs(mean) if flat and abs(mean) > DEVIATION_MIN else 0.0 if flat else deviation

    def _admit(self, name: str) -> None:
        if size_of([*self.names, name]) > BYTES_MAX:
            self.full = True
            return
        i = next((i for i, other in enumerate(self.names) if other > name), len(self.names))
        self.names = [*self.names[:i], name, *self.names[i:]]
        self._products = np.insert(np.insert(self._products, i, 0.0, axis=0), i, 0.0, axis=1)
        self._scaler.counts[name], self._scaler.means[name], self._scaler.vars[name] = 0, 0.0, 0.0

    def _moments(self) -> list[tuple[float, float, float]]:
        scaler = self._scaler
        return [(float(scaler.counts[name]), scaler.means[name], scaler.vars[name]) for name in self.names]


def size_of(names: Sequence[str]) -> int:
    """Bytes that a model of these features takes in a page, at most."""
    return 256 + sum(len(name.encode()) + 26 for name in names) + 2 * len(names) * (len(names) + 1)


def triangle(data: bytes, d: int) -> Floats32:
    """The symmetric matrix whose lower triangle was written, shape (d, d)."""
    matrix = np.zeros((d, d), np.float32)
    matrix[np.tril_indices(d)] = matrix.T[np.tril_indices(d)] = np.frombuffer(data, "<f4")
    return matrix


def lower_bytes(matrix: Floats32) -> bytes:
    """The lower triangle of a symmetric matrix, with its diagonal."""
    return matrix[np.tril_indices(len(matrix))].astype("<f4").tobytes()


def _correlation(products: Floats32) -> Floats32:
    """Products over the roots of their squares; a feature that did not move goes with no other."""
    roots = np.sqrt(np.diagonal(products).astype(np.float64))
    moved = roots > ROOT_MIN
    scale = np.where(moved, roots, 1.0)
    scaled = products / scale[:, None] / scale[None, :]
    matrix = np.where(moved[:, None] & moved[None, :], scaled, 0.0).astype(np.float32)
    np.fill_diagonal(matrix, 1.0)
    return matrix
