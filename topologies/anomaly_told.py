"""Outputs of a machine that wait to be given out: scores of consecutive n in one body, everything else alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.anomaly import ROWS_MAX, SCORED, Scores, encode, encode_scores
from tailrace.topologies.anomaly_memory import Memory
from tailrace.topologies.cells import Output


class Told:
    """Outputs in order; each is counted in the memory's n as soon as it is told."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._scores: list[Scores] = []
        self._out: list[Output] = []

    def scores(self, t: NDArray[np.int64], score: NDArray[np.float64], cause: NDArray[np.int64], model: int) -> None:
        """Scores that a model gave, each of shape (n,)."""
        if len(t):
            self._scores.append(Scores(t, score, cause, np.full(len(t), model, np.int64)))
            self._memory.n += len(t)

    def event(self, kind: str, cause: int, body: msgspec.Struct) -> None:
        """An event, caused by the record at a position."""
        self._cut()
        self._out.append(Output(kind, 1, cause, encode(body)))
        self._memory.n += 1

    def all(self) -> Sequence[Output]:
        """Everything that was told since the last call."""
        self._cut()
        out, self._out = self._out, []
        return out

    def _cut(self) -> None:
        found, self._scores = self._scores, []
        for part in _split(found):
            self._out.append(Output(SCORED, len(part), int(part.cause[-1]), encode_scores(part)))


def _split(found: Sequence[Scores]) -> Iterator[Scores]:
    """Scores one after the other, cut to what one derived record may hold."""
    if not found:
        return
    t, score, cause, model = (
        np.concatenate([getattr(each, field) for each in found]) for field in Scores.__struct_fields__
    )
    for lo in range(0, len(t), ROWS_MAX):
        part = slice(lo, lo + ROWS_MAX)
        yield Scores(t[part], score[part], cause[part], model[part])
