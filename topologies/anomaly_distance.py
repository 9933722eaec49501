"""Mahalanobis distance without BLAS: the same bytes on every CPU and for every cut of the rows.

Rules: only elementwise + - x / and square roots, each sum taken in one written order, from the first feature to the last; no
sum, mean, dot, @ or linalg. Rows lie in columns: a block of d features and n rows has shape (d, n), and what is worked out for a
row never depends on the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def cholesky(matrix: Floats) -> Floats:
    """The lower triangle L with L Lᵀ = matrix, shape (d, d); matrix is symmetric and positive definite."""
    rest = matrix.copy()
    lower = np.zeros_like(matrix)
    for i in range(len(matrix)):
        column = rest[i:, i] / np.sqrt(rest[i, i])
        lower[i:, i] = column
        rest[i + 1 :, i + 1 :] -= column[1:, None] * column[None, 1:]
    return lower


def whitened(lower: Floats, block: Floats) -> Floats:
    """L⁻¹ block, shape (d, n): features that are uncorrelated and of variance 1 where block follows L Lᵀ."""
    out = block.copy()
    for i in range(len(lower)):
        out[i] /= lower[i, i]
        out[i + 1 :] -= lower[i + 1 :, i, None] * out[i]
    return out


def squares(block: Floats) -> Floats:
    """The sum of squares of each column, shape (n,), first feature first."""
    total = np.zeros(block.shape[1])
    for row in block:
        total = total + row * row
    return total


def distance(lower: Floats, block: Floats) -> Floats:
    """The Mahalanobis distance of each column of standardised features, shape (n,)."""
    out: Floats = np.sqrt(squares(whitened(lower, block)))
    return out


def given_the_others(lower: Floats, row: Floats) -> tuple[Floats, Floats]:
    """How far each feature of a row (d,) is from what the others imply, and the deviation of that, each of shape (d,).

    With P the inverse of L Lᵀ these are (P row)_i / P_ii and 1 / √P_ii.
    """
    inverse = whitened(lower, np.eye(len(lower)))
    y = whitened(lower, row[:, None])[:, 0]
    product = np.zeros(len(row))
    for i in range(len(row)):
        product = product + inverse[i] * y[i]
    precision = squares(inverse)
    return product / precision, 1.0 / np.sqrt(precision)
