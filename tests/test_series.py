"""Facts in columns survive their bytes, whatever is in them, and bytes of the bare matrix are still read."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tailrace.topologies.series import POSITION, SEQ, Series, T

LIMITS = (2, 300, 70_000, 2**40, 2**63 - 1)
"""So far values lie apart: each needs steps of another size."""


def cells(seed: int) -> NDArray[np.int64]:
    """A matrix of a few rows; sometimes empty, with rows of one value, of equal steps, or of steps that wrap."""
    rng = np.random.default_rng(seed)
    n, width, limit = int(rng.integers(0, 40)), int(rng.integers(1, 5)), LIMITS[seed % len(LIMITS)]
    matrix = rng.integers(-limit, limit, (POSITION + 1 + width, n), dtype=np.int64)
    matrix[T] = np.sort(np.abs(matrix[T]))
    if seed % 2:
        matrix[SEQ] = -1
        matrix[T] = 10**18 + np.arange(n) * 10**9
    if limit == LIMITS[-1]:
        matrix[-1, ::2], matrix[-1, 1::2] = 2**63 - 1, -(2**63)
    return matrix


def whole(series: Series, rows: int) -> NDArray[np.int64]:
    return np.stack([series[row] for row in range(rows)])


@pytest.mark.parametrize("seed", range(200))
def test_a_series_survives_its_bytes(seed: int) -> None:
    matrix = cells(seed)
    width = len(matrix) - POSITION - 1
    for data in (Series(width, matrix).tobytes(), matrix.astype("<i8").tobytes()):
        found = Series.frombytes(width, data)
        assert found.n == matrix.shape[1]
        np.testing.assert_array_equal(whole(found, len(matrix)), matrix)


@pytest.mark.parametrize("seed", range(20))
def test_blocks_in_order_give_the_matrix_and_a_copy_stays_what_it_was(seed: int) -> None:
    matrix = cells(2 * seed + 1)
    series, before = Series(len(matrix) - POSITION - 1), []
    for at in range(0, matrix.shape[1], 7):
        series.add(matrix[:, at : at + 7])
        before.append((series.copy(), at + 7))
    if series.n:
        series.replace(POSITION, 0, np.zeros(series.n, np.int64))
        early = matrix[:, :1].copy()
        early[T] -= 1
        assert series.add(early) == 0
    for twin, until in before:
        np.testing.assert_array_equal(whole(twin, len(matrix)), matrix[:, :until])


def test_regular_readings_take_few_bytes() -> None:
    n = 86_400
    values = np.arange(n) // 2
    rows = (
        10**18 + np.arange(n) * 10**9,
        np.full(n, -1),
        np.arange(n),
        values,
        np.diff(values, prepend=0),
        np.zeros(n),
    )
    assert len(Series(3, np.stack([row.astype(np.int64) for row in rows])).tobytes()) < 3 * n
