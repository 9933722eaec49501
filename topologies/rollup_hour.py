"""An hour of a machine's signals: one page of the rollup's state, with a cell for each signal and minute.

Rules: a minute holds what its readings add up to; an hour is worked out from its minutes, in their order, when it is asked for,
so it hangs on nothing but them. Revisions count how often a minute or an hour was emitted.
"""

from __future__ import annotations

import zlib

import msgspec
import numpy as np

from tailrace.schemas.rollup import FIRST, FLOATS, HIGH, LAST, LOW, SUM
from tailrace.topologies.rollup_values import Floats, Groups, Ints
from tailrace.topologies.steps import BEGINNING, FOREVER

MINUTES = 60

COUNT, REFUSED, REVISION, FIRST_T, LAST_T = range(5)
"""The layers of whole numbers in a page; those of floats are schemas.rollup.FLOATS."""

_EMPTY_INTS = np.array([0, 0, 0, FOREVER, BEGINNING], np.int64)
_EMPTY_FLOATS = np.zeros(len(FLOATS))
_EMPTY_FLOATS[[LOW, HIGH]] = np.inf, -np.inf

ZLIB_LEVEL = 1
"""Most cells of a slow signal hold one reading, five times the same number, which packs well at any level."""


class _Page(msgspec.Struct, frozen=True, array_like=True):
    """cells: places (signal * 60 + minute) that hold something, u4; ints and floats: their layers, layer by layer."""

    signals: int
    cells: bytes
    ints: bytes
    floats: bytes
    revisions: bytes


_decode = msgspec.msgpack.Decoder(_Page).decode
_encode = msgspec.msgpack.Encoder().encode


class Hour:
    """ints and floats: layers of shape (signals, 60); revisions: of the hour, shape (signals,)."""

    def __init__(self, signals: int = 0) -> None:
        self.ints = np.broadcast_to(_EMPTY_INTS[:, None, None], (5, signals, MINUTES)).copy()
        self.floats = np.broadcast_to(_EMPTY_FLOATS[:, None, None], (len(FLOATS), signals, MINUTES)).copy()
        self.revisions = np.zeros(signals, np.int64)

    def widen(self, signals: int) -> None:
        """Makes room for signals that are new."""
        more = signals - len(self.revisions)
        if more > 0:
            other = Hour(more)
            self.ints = np.concatenate([self.ints, other.ints], axis=1)
            self.floats = np.concatenate([self.floats, other.floats], axis=1)
            self.revisions = np.concatenate([self.revisions, other.revisions])

    def merge(self, found: Groups, at: Ints, total: Floats) -> None:
        """Takes in groups `at` of those found, all of this hour; total: the new running sums of all groups."""
        cell = (found.code[at], found.minute[at] % MINUTES)
        ints, floats = self.ints, self.floats
        ints[COUNT][cell] += found.n[at]
        floats[LOW][cell] = np.minimum(floats[LOW][cell], found.low[at])
        floats[HIGH][cell] = np.maximum(floats[HIGH][cell], found.high[at])
        floats[SUM][cell] = total[at]
        earlier = found.first_t[at] < ints[FIRST_T][cell]
        floats[FIRST][cell] = np.where(earlier, found.first[at], floats[FIRST][cell])
        ints[FIRST_T][cell] = np.where(earlier, found.first_t[at], ints[FIRST_T][cell])
        later = found.last_t[at] >= ints[LAST_T][cell]
        floats[LAST][cell] = np.where(later, found.last[at], floats[LAST][cell])
        ints[LAST_T][cell] = np.where(later, found.last_t[at], ints[LAST_T][cell])

    def refuse(self, code: Ints, minute: Ints) -> None:
        """Counts readings that are not usable, by signal and minute (since 1970); a place may come several times."""
        np.add.at(self.ints[REFUSED], (code, minute % MINUTES), 1)

    def readings(self) -> Ints:
        """How many readings a cell holds, usable or not, shape (signals, 60)."""
        return np.asarray(self.ints[COUNT] + self.ints[REFUSED])

    def whole(self, codes: Ints) -> tuple[Ints, Floats]:
        """The hour of some signals: ints and floats of shape (layers, codes), REVISION being the hour's own."""
        ints, floats = self.ints[:, codes], self.floats[:, codes]
        some = ints[COUNT] > 0
        signal = np.arange(len(codes))
        first, last = np.argmax(some, axis=1), MINUTES - 1 - np.argmax(some[:, ::-1], axis=1)
        made = np.empty((5, len(codes)), np.int64)
        made[COUNT], made[REFUSED] = ints[COUNT].sum(axis=1), ints[REFUSED].sum(axis=1)
        made[REVISION] = self.revisions[codes]
        made[FIRST_T], made[LAST_T] = ints[FIRST_T][signal, first], ints[LAST_T][signal, last]
        total = np.bincount(np.repeat(signal, MINUTES), weights=floats[SUM].ravel(), minlength=len(codes))
        lows, highs = floats[LOW].min(axis=1), floats[HIGH].max(axis=1)
        return made, np.stack([lows, highs, total, floats[FIRST][signal, first], floats[LAST][signal, last]])

    def encode(self) -> bytes:
        signals = len(self.revisions)
        cells = np.flatnonzero(self.readings())
        ints, floats = self.ints.reshape(5, -1)[:, cells], self.floats.reshape(len(FLOATS), -1)[:, cells]
        blocks = (cells.astype("<u4"), ints.astype("<i8"), floats.astype("<f8"), self.revisions.astype("<i8"))
        return zlib.compress(_encode(_Page(signals, *(block.tobytes() for block in blocks))), ZLIB_LEVEL)

    @classmethod
    def decode(cls, data: bytes) -> Hour:
        page = _decode(zlib.decompress(data))
        hour = cls(page.signals)
        cells = np.frombuffer(page.cells, "<u4")
        hour.ints.reshape(5, -1)[:, cells] = np.frombuffer(page.ints, "<i8").reshape(5, -1)
        hour.floats.reshape(len(FLOATS), -1)[:, cells] = np.frombuffer(page.floats, "<f8").reshape(len(FLOATS), -1)
        hour.revisions = np.frombuffer(page.revisions, "<i8").astype(np.int64)
        return hour
