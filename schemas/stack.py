"""Frames of one header, one after the other, as columns of all their readings: what a frame costs is paid once for many.

Rules: frames that follow each other and begin with the same bytes, up to their columns, are one stack; a stack of one is the
frame. Frames of more than STACKED_MAX bytes stand alone, since bringing them together costs more than it saves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.frame import DTYPES, Frame, Layout
from tailrace.schemas.record import Record

STACKED_MAX = 4096


class Stack:
    """Records whose payloads are frames of one header; a column has the readings of all, in order, shape (readings,)."""

    __slots__ = ("_body", "_payload", "_rows", "header", "records")

    def __init__(self, first: Frame, records: Sequence[Record]) -> None:
        self.header: Layout = first.header
        self.records = records
        self._body = first.body
        self._payload = first.payload
        self._rows: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return self.header.n * len(self.records)

    @property
    def t(self) -> NDArray[np.int64]:
        """Event times, int64 ns UTC."""
        return self._block(0, DTYPES["i8"], self.header.n)

    @property
    def seq(self) -> NDArray[np.int64] | None:
        """Order among equal t, or None."""
        return self._block(8 * self.header.n, DTYPES["i8"], self.header.n) if self.header.has_seq else None

    def data(self, i: int) -> NDArray[Any]:
        """Raw data of column i; where valid(i) is False the value means nothing."""
        return self._block(self.header.data[i], DTYPES[self.header.columns[i].dtype], self.header.n)

    def valid(self, i: int) -> NDArray[np.bool_] | None:
        """Which readings have a value in column i; None = all."""
        if self.header.columns[i].complete:
            return None
        bits = self._block(self.header.validity[i], np.dtype(np.uint8), (self.header.n + 7) // 8)
        rows = bits.reshape(len(self.records), -1)
        return np.unpackbits(rows, axis=1, count=self.header.n, bitorder="little").ravel().astype(np.bool_)

    def _block(self, at: int, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        """So many items of each frame, from a place behind its header on."""
        if len(self.records) == 1:
            return np.frombuffer(self._payload, dtype, count, self._body + at)
        if self._rows is None:
            together = b"".join([record.payload for record in self.records])
            self._rows = np.frombuffer(together, np.uint8).reshape(len(self.records), -1)
        begin = self._body + at
        return self._rows[:, begin : begin + count * dtype.itemsize].copy().view(dtype).ravel()


def stacks(records: Iterable[Record]) -> Iterator[Stack]:
    """The stacks of records that are frames, in order; raises InvalidEvent where one is none."""
    first: Frame | None = None
    some: list[Record] = []
    beginning, size = b"", -1
    for record in records:
        payload = record.payload
        if len(payload) != size or not payload.startswith(beginning):
            if first is not None:
                yield Stack(first, some)
            first, some = Frame(payload), []
            beginning = payload[: first.body]
            size = len(payload) if len(payload) <= STACKED_MAX else -1
        some.append(record)
    if first is not None:
        yield Stack(first, some)
