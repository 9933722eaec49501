"""A day (UTC) of one machine's facts: one page of the fold's state, with what was true when the day began."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.event import Counter, CounterName
from tailrace.topologies.clocks import Flags, Held, last_of, words_of
from tailrace.topologies.counter import ANOMALY, Level, deltas
from tailrace.topologies.series import Series, T

GOOD, REJECT, REWORK, PRODUCT = 3, 4, 5, 6
"""Rows of the parts series; PRODUCT is a code, or NONE for the one that runs."""
VALUE, DELTA, FLAG = 3, 4, 5
"""Rows of a counter series: what was read, the parts that it counts, and its flag bits."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """What held when a day began: the last state of each clock (by its code), and where each counter stood."""

    held: dict[int, Held] = {}
    levels: dict[CounterName, Level] = {}


class _Page(msgspec.Struct, frozen=True, array_like=True):
    entry: Entry
    states: bytes
    parts: bytes
    counters: dict[CounterName, bytes]
    revisions: dict[int, int]


_decode = msgspec.msgpack.Decoder(_Page).decode
_encode = msgspec.msgpack.Encoder().encode


class Day:
    """Facts of a day. `revisions` holds the revision of each restated minute (start in ns); others are at 1."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.states = Series(4)
        self._words: tuple[Entry, NDArray[np.int64]] | None = None
        self.parts = Series(4)
        self.counters: dict[CounterName, Series] = {}
        self.revisions: dict[int, int] = {}

    def copy(self) -> Day:
        """A day of its own that shares what neither has changed."""
        twin = Day(self.entry)
        twin.states, twin.parts = self.states.copy(), self.parts.copy()
        twin._words = self._words
        twin.counters = {kind: series.copy() for kind, series in self.counters.items()}
        twin.revisions = dict(self.revisions)
        return twin

    @property
    def size(self) -> int:
        """Bytes that its facts take in memory."""
        return sum(series.size for series in (self.states, self.parts, *self.counters.values()))

    def exit(self) -> Entry:
        """What holds when the day ends."""
        held = last_of(self.states, self.entry.held) if self.states.n else self.entry.held
        levels = dict(self.entry.levels)
        levels |= {kind: self._level(kind, series.n) for kind, series in self.counters.items()}
        return Entry(held, levels)

    def enter(self, block: NDArray[np.int64]) -> None:
        """Takes in states (rows of `clocks`)."""
        self._words = None
        self.states.add(block)

    def words(self, nothing: Flags) -> NDArray[np.int64]:
        """The code of the word that stands from each state on, all clocks considered; nothing: clocks.says_nothing."""
        if self._words is None or self._words[0] is not self.entry:
            self._words = self.entry, words_of(self.states, self.entry.held, nothing)
        return self._words[1]

    def read(self, kind: CounterName, block: NDArray[np.int64], config: Counter) -> tuple[int, int]:
        """Takes in readings (t, seq, position, value); gives the [first, last] t whose parts may have changed."""
        series = self.counters.setdefault(kind, Series(3))
        old, before = series.copy(), series.n
        start = series.add(block)
        _, parts, flags = deltas(self._level(kind, start), series[VALUE][start:], config)
        write = series.put if start == before else series.replace
        write(DELTA, start, parts)
        write(FLAG, start, flags)
        same = _same_tail(series, old, start)
        return int(series[T][start]), int(series[T][max(start, series.n - 1 - same)])

    def recount(self, kind: CounterName, config: Counter) -> None:
        """Counts a whole day again, from its entry."""
        series = self.counters[kind]
        _, parts, flags = deltas(self._level(kind, 0), series[VALUE], config)
        series.replace(DELTA, 0, parts)
        series.replace(FLAG, 0, flags)

    def encode(self) -> bytes:
        counters = {kind: series.tobytes() for kind, series in self.counters.items()}
        return _encode(_Page(self.entry, self.states.tobytes(), self.parts.tobytes(), counters, self.revisions))

    @classmethod
    def decode(cls, data: bytes) -> Day:
        page = _decode(data)
        day = cls(page.entry)
        day.states, day.parts = Series.frombytes(4, page.states), Series.frombytes(4, page.parts)
        day.counters = {kind: Series.frombytes(3, blob) for kind, blob in page.counters.items()}
        day.revisions = page.revisions
        return day

    def _level(self, kind: CounterName, index: int) -> Level:
        """Where a counter stands before the reading at an index: a held value is one that was just flagged."""
        entry = self.entry.levels.get(kind, Level())
        series = self.counters[kind]
        if index == 0:
            return entry
        if series[FLAG][index - 1] != ANOMALY:
            return Level(int(series[VALUE][index - 1]))
        accepted = np.flatnonzero(series[FLAG][:index] != ANOMALY)
        value = int(series[VALUE][accepted[-1]]) if len(accepted) else entry.value
        return Level(value, int(series[VALUE][index - 1]))


def _same_tail(new: Series, old: Series, start: int) -> int:
    """How many readings at the end count the same parts as before."""
    length: int = old.n - start
    if length <= 0:
        return 0
    offset = new.n - old.n
    differs = (new[DELTA][start + offset :] != old[DELTA][start:]) | (new[FLAG][start + offset :] != old[FLAG][start:])
    last = np.flatnonzero(differs)
    return length - (int(last[-1]) + 1 if len(last) else 0)
