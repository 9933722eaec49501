"""What a machine's facts add up to between cut points: the one piece of code behind buckets, queries and restatements.

Rules: int64 only, elementwise and by index, so every way of cutting gives the same sums. Time is cut wherever the schedule,
the category or the product changes; a part belongs to the instant at which it was counted.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.bucket import (
    AT_FLAGS,
    AT_IDEAL,
    AT_NO_IDEAL,
    AT_PARTS,
    CATEGORIES,
    COLUMNS,
    COUNTER_FLAGS,
    GRADES,
)
from tailrace.topologies.day import DELTA, FLAG, GOOD, PRODUCT
from tailrace.topologies.machine import Machine
from tailrace.topologies.plan import NONE, OFF, PLANNED, RUN, SHIFT
from tailrace.topologies.series import T
from tailrace.topologies.steps import FOREVER

Ints = NDArray[np.int64]

_PLACE = np.array([[0, 1], [2, 3], [4, 4]], np.int64)
"""Row: schedule class, column: running? -> index into schemas.bucket.PLACES."""
assert (OFF, PLANNED, SHIFT) == (0, 1, 2)

STANDARD_TIME_MAX = 2.0**55
"""ns x parts that one count may stand for (417 days); beyond it the ideal cycle counts as unknown, so that sums cannot wrap."""


class Pieces(msgspec.Struct, frozen=True):
    """Stretches in which nothing changes: [start, end) in ns, schedule class, category, product code; shape (n,) each."""

    start: Ints
    end: Ints
    schedule: Ints
    category: Ints
    product: Ints


class Tally(msgspec.Struct, frozen=True):
    """Rows sorted by (segment, product name): segment i lies between cut points i and i+1. tallies: (rows, COLUMNS)."""

    segment: Ints
    product: Ints
    tallies: Ints


def pieces(machine: Machine, edges: Ints) -> Pieces:
    """The pieces of [edges[0], edges[-1]), cut at the edges too."""
    a, b = int(edges[0]), int(edges[-1])
    times, words = states(machine, a, b)
    schedule, product, overlay = (machine.steps(name) for name in ("schedule", "product_at", "overlay"))
    maps, _ = machine.maps()
    cuts = [edges[:-1], times[1:], *(steps.between(a, b) for steps in (schedule, product, overlay, maps))]
    start = np.unique(np.concatenate(cuts))
    end = np.append(start[1:], b)
    return Pieces(start, end, schedule.at(start), category(machine, start, times, words), product.at(start))


def tally(machine: Machine, edges: Ints) -> Tally:
    """What lies between the edges (sorted ns, at least two), by segment and product."""
    piece = pieces(machine, edges)
    rows = _Rows(machine)
    column = piece.schedule * len(CATEGORIES) + piece.category
    rows.add(np.searchsorted(edges, piece.start, side="right") - 1, piece.product, column, piece.end - piece.start)
    a, b = int(edges[0]), int(edges[-1])
    for t, grades, named in (_parts(machine, a, b), *_readings(machine, a, b)):
        if not len(t):
            continue
        product = np.where(named == NONE, machine.steps("product_at").at(t), named)
        segment = np.searchsorted(edges, t, side="right") - 1
        _add_parts(machine, rows, segment, t, product, grades)
    _add_flags(machine, rows, edges)
    return rows.tally()


class _Rows:
    """Collects (segment, product, column, amount) and sums them at the end."""

    def __init__(self, machine: Machine) -> None:
        self._ranks = machine.ranks()
        self._codes = np.argsort(self._ranks)
        self._keys: list[Ints] = []
        self._columns: list[Ints] = []
        self._amounts: list[Ints] = []

    def add(self, segment: Ints, product: Ints, column: Ints, amount: Ints) -> None:
        self._keys.append(segment * len(self._ranks) + self._ranks[product])
        self._columns.append(column)
        self._amounts.append(amount)

    def tally(self) -> Tally:
        key = np.concatenate(self._keys)
        there = np.bincount(key) != 0
        keys = np.flatnonzero(there)
        row = (np.cumsum(there) - 1)[key]
        sums = np.zeros(len(keys) * len(COLUMNS), np.int64)
        np.add.at(sums, row * len(COLUMNS) + np.concatenate(self._columns), np.concatenate(self._amounts))
        segment, rank = np.divmod(keys, len(self._ranks))
        return Tally(segment, self._codes[rank], sums.reshape(-1, len(COLUMNS)))


def states(machine: Machine, a: int, b: int) -> tuple[Ints, Ints]:
    """State points of [a, b): times (the first is a) and word codes that hold from each on; of equal times the last stands."""
    times, words = [np.array([a], np.int64)], [np.array([machine.word_at(a)], np.int64)]
    for day in machine.days_in(a, b):
        t = day.states[T]
        lo, hi = np.searchsorted(t, a, side="right"), np.searchsorted(t, b)
        if lo < hi:
            times.append(t[lo:hi])
            words.append(machine.words(day)[lo:hi])
    return np.concatenate(times), np.concatenate(words)


def category(machine: Machine, at: Ints, times: Ints, words: Ints) -> Ints:
    """The category at each instant, from state points that cover them and what people said."""
    word = words[np.searchsorted(times, at, side="right") - 1]
    maps, table = machine.maps()
    said = machine.steps("overlay").at(at)
    return np.where(said == NONE, table[maps.at(at), word + 1], said)


def _parts(machine: Machine, a: int, b: int) -> tuple[Ints, Ints, Ints]:
    """Increments in [a, b): t (n,), (good, reject, rework) (3, n), named product or NONE (n,)."""
    blocks = [np.empty((PRODUCT + 1, 0), np.int64)]
    for day in machine.days_in(a, b):
        t = day.parts[T]
        lo, hi = np.searchsorted(t, a), np.searchsorted(t, b)
        if lo < hi:
            blocks.append(np.stack([day.parts[row][lo:hi] for row in range(PRODUCT + 1)]))
    block = np.concatenate(blocks, axis=1)
    return block[T], block[GOOD : GOOD + len(GRADES)], block[PRODUCT]


def _readings(machine: Machine, a: int, b: int) -> list[tuple[Ints, Ints, Ints]]:
    """What counters counted in [a, b), as _parts. A counter is there from its first reading on.

    total alone is good; with reject, good = total - reject; with good, reject = total - good; with both it says nothing.
    """
    first = machine.head.first_read
    found = []
    for kind in sorted(first):
        t, rise = _risen(machine, kind, a, b)
        total, good, reject = (t >= first.get(name, FOREVER) for name in ("total", "good", "reject"))
        other = total & (good ^ reject)
        grades = np.zeros((len(GRADES), len(t)), np.int64)
        if kind == "total":
            grades[0], grades[1] = np.where(~good, rise, 0), np.where(good & ~reject, rise, 0)
        else:
            own = GRADES.index(kind)
            grades[own], grades[1 - own] = rise, np.where(other, -rise, 0)
        found.append((t, grades, np.full(len(t), NONE, np.int64)))
    return found


def _heard(machine: Machine, kind: str, t: Ints) -> NDArray[np.bool_]:
    """Whether a counter says anything at t: a total beside good and reject does not."""
    first = machine.head.first_read
    both = (t >= first.get("good", FOREVER)) & (t >= first.get("reject", FOREVER))
    return ~both if kind == "total" else np.ones(len(t), np.bool_)


def _risen(machine: Machine, kind: str, a: int, b: int) -> tuple[Ints, Ints]:
    times, rises = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for day in machine.days_in(a, b):
        series = day.counters.get(kind)  # type: ignore[call-overload]
        if series is None:
            continue
        lo, hi = np.searchsorted(series[T], a), np.searchsorted(series[T], b)
        moved = np.flatnonzero(series[DELTA][lo:hi]) + lo
        times.append(series[T][moved])
        rises.append(series[DELTA][moved])
    return np.concatenate(times), np.concatenate(rises)


def _add_parts(machine: Machine, rows: _Rows, segment: Ints, t: Ints, product: Ints, grades: Ints) -> None:
    points = states(machine, int(t.min()), int(t.max()) + 1)
    running = (category(machine, t, *points) == RUN).astype(np.int64)
    place = _PLACE[machine.steps("schedule").at(t), running]
    ideal = np.full(len(t), NONE, np.int64)
    for code in np.flatnonzero(np.bincount(product)).tolist():
        mine = product == code
        ideal[mine] = machine.ideal_of(code).at(t[mine])
    most = np.abs(grades).max(axis=0).astype(np.float64) * ideal
    known = (ideal != NONE) & (most < STANDARD_TIME_MAX)
    for grade in range(len(GRADES)):
        amount = grades[grade]
        some = amount != 0
        if not some.any():
            continue
        column = place * len(GRADES) + grade
        rows.add(segment[some], product[some], (AT_PARTS.start + column)[some], amount[some])
        cycled = some & known
        rows.add(segment[cycled], product[cycled], (AT_IDEAL.start + column)[cycled], ideal[cycled] * amount[cycled])
        lost = some & ~known
        rows.add(segment[lost], product[lost], (AT_NO_IDEAL.start + place)[lost], np.abs(amount[lost]))


def _add_flags(machine: Machine, rows: _Rows, edges: Ints) -> None:
    a, b = int(edges[0]), int(edges[-1])
    for kind in machine.head.first_read:
        for day in machine.days_in(a, b):
            series = day.counters.get(kind)
            if series is None:
                continue
            lo, hi = np.searchsorted(series[T], a), np.searchsorted(series[T], b)
            if not series[FLAG][lo:hi].any():
                continue
            flagged = np.flatnonzero(series[FLAG][lo:hi]) + lo
            flagged = flagged[_heard(machine, kind, series[T][flagged])]
            t, bits = series[T][flagged], series[FLAG][flagged]
            segment = np.searchsorted(edges, t, side="right") - 1
            product = machine.steps("product_at").at(t)
            for i in range(len(COUNTER_FLAGS)):
                one = bits == 1 << i
                column = np.full(int(one.sum()), AT_FLAGS.start + i, np.int64)
                rows.add(segment[one], product[one], column, np.ones(len(column), np.int64))
