"""Facts of one kind in columns, sorted by (t, seq, position); a page is made of these.

Rules: appending in order is cheap and in place; anything else makes new arrays, so a copy taken before stays what it was. A row
in which every value is the same (no order of its own, no flag) is not written down, and room that is kept free is not touched:
new memory is what an append costs most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

T, SEQ, POSITION = 0, 1, 2
"""The rows of the matrix that order a series; what follows them is the series' own."""


GROWTH = 4
"""How many times as much room is kept, once there is too little."""

PACKED = -1
"""Begins the bytes of a packed series; others are the bare matrix, which begins with a time, and no time is negative."""

SIZES = {0: 0, 1: 2**8 - 1, 2: 2**16 - 1, 4: 2**32 - 1, 8: 2**64}
"""Bytes of a step, and how far steps may lie apart in so many."""

Ints = NDArray[np.int64]


class Series:
    """An int64 matrix (rows, n): t, seq, position, then `width` rows of values.

    _rows: each an array that may have room at its end, or the one value that the row has everywhere.
    """

    __slots__ = ("_rows", "n")

    def __init__(self, width: int, cells: Ints | None = None) -> None:
        self._rows: list[Ints | int] = [0] * (POSITION + 1 + width) if cells is None else list(cells)
        self.n: int = 0 if cells is None else cells.shape[1]

    @property
    def size(self) -> int:
        """Bytes in use."""
        return 8 * self.n * sum(not isinstance(held, int) for held in self._rows)

    def __getitem__(self, row: int) -> Ints:
        held = self._rows[row]
        return np.broadcast_to(np.int64(held), self.n) if isinstance(held, int) else held[: self.n]

    def copy(self) -> Series:
        """A copy that shares memory until one of the two changes out of order."""
        twin = Series.__new__(Series)
        twin._rows, twin.n = list(self._rows), self.n
        return twin

    def add(self, block: Ints) -> int:
        """Takes in a block of the first rows (k, m), the others 0; gives the index of the first column that is new or moved."""
        block = _sorted(block)
        start = self.n
        if start == 0 or self._last() <= _first(block):
            self._append(block)
            return start
        start = int(np.searchsorted(self[T], block[T, 0]))
        cells = self._cells()
        whole = np.zeros((len(cells), block.shape[1]), np.int64)
        whole[: len(block)] = block
        together = np.concatenate([cells[:, start:], whole], axis=1)
        cells = np.concatenate([cells[:, :start], _sorted(together)], axis=1)
        self._rows, self.n = list(cells), cells.shape[1]
        return start

    def replace(self, row: int, start: int, values: Ints) -> None:
        """New values in a row from a column on; a copy taken before keeps the old ones."""
        held = self[row].copy()
        held[start : start + len(values)] = values
        self._rows[row] = held

    def put(self, row: int, start: int, values: Ints) -> None:
        """Values of columns that were just appended."""
        held = self._rows[row]
        if isinstance(held, int):
            if bool((values == held).all()):
                return
            self._rows[row] = held = self._room(self[row][:start])
        elif len(held) < self.n:
            self._rows[row] = held = self._room(held[:start])
        held[start : start + len(values)] = values

    def tobytes(self) -> bytes:
        """Each row as its first value and its steps, in as few bytes as the steps need: most are the same, or small."""
        if not self.n:
            return b""
        head, parts = [PACKED, self.n], []
        for row in range(len(self._rows)):
            steps = np.diff(self[row])  # a step wraps where it must, and so does its undoing
            low, high = (int(steps.min()), int(steps.max())) if len(steps) else (0, 0)
            size = next(size for size, most in SIZES.items() if high - low <= most)
            head += [int(self[row][0]), low, size]
            if size:
                parts.append((steps - low).astype(f"<u{size}").tobytes())
        return np.array(head, "<i8").tobytes() + b"".join(parts)

    @classmethod
    def frombytes(cls, width: int, data: bytes) -> Series:
        rows = POSITION + 1 + width
        if not data or np.frombuffer(data, "<i8", 1)[0] != PACKED:
            return cls(width, np.frombuffer(data, "<i8").reshape(rows, -1).astype(np.int64))
        series = cls(width)
        series.n = int(np.frombuffer(data, "<i8", 1, 8)[0])
        head = np.frombuffer(data, "<i8", 3 * rows, 16).reshape(rows, 3).tolist()
        at = 16 + 24 * rows
        for row, (first, low, size) in enumerate(head):
            series._rows[row] = first
            if size or low:
                steps = np.frombuffer(data, f"<u{size}", series.n - 1, at) if size else np.zeros(series.n - 1, np.uint8)
                values = np.full(series.n, low, np.int64)
                values[1:] += steps.astype(np.int64)
                values[0] = first
                series._rows[row] = np.cumsum(values)
                at += size * (series.n - 1)
        return series

    def _append(self, block: Ints) -> None:
        start, self.n = self.n, self.n + block.shape[1]
        if start == 0:
            self._rows[SEQ] = int(block[SEQ, 0])
        for row, values in enumerate(block):
            self.put(row, start, values)
        for row in range(len(block), len(self._rows)):
            if not isinstance(self._rows[row], int) or self._rows[row]:
                self.put(row, start, np.zeros(block.shape[1], np.int64))

    def _room(self, held: Ints) -> Ints:
        """The same values at the beginning of a longer array."""
        grown = np.empty(max(self.n, GROWTH * len(held), 16), np.int64)
        grown[: len(held)] = held
        return grown

    def _cells(self) -> Ints:
        return np.stack([self[row] for row in range(len(self._rows))])

    def _last(self) -> list[int]:
        at = self.n - 1
        return [held if isinstance(held, int) else int(held[at]) for held in self._rows[: POSITION + 1]]


def _first(block: Ints) -> list[int]:
    return [int(block[row, 0]) for row in (T, SEQ, POSITION)]


def _sorted(block: NDArray[np.int64]) -> NDArray[np.int64]:
    t = block[T]
    if len(t) < 2 or bool(np.all(t[1:] > t[:-1])):
        return block
    return block[:, np.lexsort((block[POSITION], block[SEQ], t))]
