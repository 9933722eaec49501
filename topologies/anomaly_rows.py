"""Readings of frames as rows of numbers that a model may see.

Rules: a value is present if it is there, its quality is not bad, it is finite and within VALUE_MAX; text and switches are no
numbers to measure by and are left out. Rows keep the order of the log; row i of position p has the place p << ROW_BITS | i.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from tailrace.schemas import codec
from tailrace.schemas.event import CounterName
from tailrace.schemas.frame import BAD, Column, Frame
from tailrace.schemas.record import Record
from tailrace.topologies.anomaly_flow import Counts
from tailrace.topologies.facts import ROW_BITS

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

VALUE_MAX = 1e15
"""Beyond it no sensor measures; products of such values stay finite in float32."""

NUMBERS = ("f8", "i8")


class Rows(NamedTuple):
    """n readings: t and place (n,), sorted names of d signals, values and which are present (d, n), counters."""

    t: Ints
    place: Ints
    names: Sequence[str]
    values: Floats
    present: Bools
    counts: Counts
    records: Sequence[Record]

    def event(self, i: int) -> str:
        """The id of reading i."""
        position, row = divmod(int(self.place[i]), 1 << ROW_BITS)
        return codec.ids_of(next(record for record in self.records if record.position == position))[row]

    def part(self, part: slice) -> Rows:
        """Some of the readings."""
        counts: Counts = {kind: (data[part], there[part]) for kind, (data, there) in self.counts.items()}
        values, present = self.values[:, part], self.present[:, part]
        return self._replace(t=self.t[part], place=self.place[part], values=values, present=present, counts=counts)

    def joined(self, names: Sequence[str], values: Floats, present: Bools) -> Rows:
        """With more features (d, n), but for those whose name a signal has."""
        more = [i for i, name in enumerate(names) if name not in self.names and present[i].any()]
        return self._replace(
            names=[*self.names, *(names[i] for i in more)],
            values=np.concatenate([self.values, values[more]]),
            present=np.concatenate([self.present, present[more]]),
        )


def rows_of(frames: Sequence[tuple[Record, Frame]]) -> Rows:
    """The readings of frames, one after the other."""
    columns = [column for _, frame in frames for column in frame.header.columns]
    names = sorted({column.name for column in columns if column.dtype in NUMBERS and not column.counter})
    index = {name: i for i, name in enumerate(names)}
    n = sum(len(frame) for _, frame in frames)
    t, place = np.empty(n, np.int64), np.empty(n, np.int64)
    values, present = np.zeros((len(names), n)), np.zeros((len(names), n), np.bool_)
    counts = {_counter(column): (np.zeros(n, np.int64), np.zeros(n, np.bool_)) for column in columns if column.counter}
    end = 0
    for record, frame in frames:
        part = slice(end, end := end + len(frame))
        t[part] = frame.t
        place[part] = (record.position << ROW_BITS) + np.arange(len(frame))
        for i, column in enumerate(frame.header.columns):
            if column.counter:
                data, there = counts[_counter(column)]
                data[part], there[part] = frame.data(i), _there(frame, i, column)
            elif column.dtype in NUMBERS:
                row = index[column.name]
                values[row, part], present[row, part] = frame.data(i), _there(frame, i, column)
    present &= np.abs(values) <= VALUE_MAX  # false for NaN, too
    values[~present] = 0.0
    return Rows(t, place, names, values, present, counts, [record for record, _ in frames])


def _counter(column: Column) -> CounterName:
    return cast(CounterName, column.name)


def _there(frame: Frame, i: int, column: Column) -> Any:
    """Which readings have a value of column i whose quality is not bad; True = all."""
    valid = frame.valid(i)
    if not column.status:
        return True if valid is None else valid
    codes, runs = np.array(column.status, np.int64).T
    usable = np.repeat(codes < BAD, runs)
    return usable if valid is None else usable & valid
