"""A value that holds from one instant to the next: schedules, products, overlays and state maps all have this shape."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

BEGINNING = -(2**63)
FOREVER = 2**63 - 1


class Steps(msgspec.Struct, frozen=True):
    """values[i] holds on [starts[i], starts[i+1]); starts[0] is the beginning of time. Both int64, shape (n,)."""

    starts: NDArray[np.int64]
    values: NDArray[np.int64]

    def at(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        """The value at each t, shape of t."""
        return self.values[np.searchsorted(self.starts, t, side="right") - 1]

    def at_one(self, t: int) -> int:
        """The value at t."""
        return int(self.values[np.searchsorted(self.starts, t, side="right") - 1])

    def between(self, a: int, b: int) -> NDArray[np.int64]:
        """The instants in (a, b) at which the value may change."""
        return self.starts[np.searchsorted(self.starts, a, side="right") : np.searchsorted(self.starts, b)]


def steps(points: Sequence[tuple[int, int]], before: int) -> Steps:
    """Steps from (instant, value) in order; of equal instants the last stands; `before` holds until the first."""
    starts, values = [BEGINNING], [before]
    for start, value in points:
        if start == starts[-1]:
            values[-1] = value
        elif value != values[-1]:
            starts.append(start)
            values.append(value)
    return Steps(np.array(starts, np.int64), np.array(values, np.int64))


def painted(spans: Sequence[tuple[int, int, int]], before: int) -> Steps:
    """Steps from [start, end) spans with a value each, painted one over the other in the given order."""
    edges = sorted({edge for start, end, _ in spans for edge in (start, end)})
    index = {edge: i for i, edge in enumerate(edges)}
    values = np.full(len(edges), before, np.int64)
    for start, end, value in spans:
        values[index[start] : index[end]] = value
    return steps(list(zip(edges, values.tolist(), strict=True)), before)
