"""What holds at an instant where several clocks stamped a machine's states: a device's, an agent's, the collector's.

Rules:
1. Within one clock points are ordered by (t, seq, position); clocks are never sorted against each other. A point holds until the
   next one of its own clock; of those that hold at an instant, one of each clock, the one that came into the log last stands.
2. What says unknown starts at its own t, and is ended only by a value that came later. Where nobody watched until an instant,
   only a value that came in from then on ends it.
3. A value begins at its own t, or where something of another clock began that came before it: at the later of the two stamps.
4. Clocks differ by little: a value stamped more than SKEW before one of another clock is no slow clock but old news. It begins
   at its own t, and does not stand where the other holds.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.instant import MINUTE
from tailrace.topologies.plan import NONE
from tailrace.topologies.series import POSITION, SEQ, Series, T

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

WORD, CLOCK, HEARD, LAG = 3, 4, 5, 6
"""Rows of the states series, which is sorted by where points begin: the code of the state's word, that of its clock, when it came
in (ns; where the word says unknown, when what ends it must have come in at the earliest), and how long after its t it begins."""

SKEW = 5 * MINUTE
"""A clock that is further ahead of the collector's is refused when it comes in (schemas/line.py)."""

LOST = "connection lost"
"""The word of a machine that nobody watches: its state is unknown, and this is why."""

UNKNOWN_WORDS = frozenset({"unknown", "offline", "unavailable", LOST})
"""State words, in lower case, that say that nobody knows."""

_LONG_AGO = -(2**62)


class Held(msgspec.Struct, frozen=True, array_like=True):
    """The last point of a clock; fields as the rows of the states series, t by its own clock."""

    t: int
    seq: int
    position: int
    word: int
    heard: int


def says_nothing(words: list[str]) -> Flags:
    """By code + 1 (NONE is -1), whether a word says unknown."""
    return np.array([False, *(word.lower() in UNKNOWN_WORDS for word in words)])


def last_of(series: Series, held: Mapping[int, Held]) -> dict[int, Held]:
    """The last point of each clock at the end of a series, from those before it."""
    found = dict(held)
    clock = series[CLOCK]
    cells = _cells(series)
    for each in np.unique(clock).tolist():
        mine = cells[:, clock == each]
        last = Held(*mine[:, np.lexsort(mine[:3][::-1])[-1]].tolist())
        before = held.get(each, _ABSENT)
        found[each] = max(before, last, key=lambda point: (point.t, point.seq, point.position))
    return found


def word_of(held: Mapping[int, Held], nothing: Flags) -> int:
    """The code of the word that stands where these points hold; NONE where there is none."""
    if len(held) < 2:
        return next((point.word for point in held.values()), NONE)
    points = np.array([msgspec.structs.astuple(held[clock]) for clock in sorted(held)], np.int64)
    return int(_standing(points.T[:, :, None], nothing)[0])


def words_of(series: Series, held: Mapping[int, Held], nothing: Flags) -> Ints:
    """The code of the word that stands from each point of a series on, shape (n,); held: what held when it begins."""
    clock = series[CLOCK]
    clocks = sorted({*held, *np.unique(clock).tolist()})
    if len(clocks) == 1 and not series[LAG].any():
        return series[WORD]
    begun = np.array([msgspec.structs.astuple(held.get(each, _ABSENT)) for each in clocks], np.int64).T
    cells = np.concatenate([begun, _cells(series)], axis=1)
    order = np.lexsort(cells[:3][::-1])
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    last = [
        np.maximum.accumulate(np.where(clock == each, rank[len(clocks) :], rank[i])) for i, each in enumerate(clocks)
    ]
    return _standing(cells[:, order[np.maximum(np.stack(last), rank[: len(clocks), None])]], nothing)


def _cells(series: Series) -> Ints:
    """The points of a series as Held has them, shape (5, n)."""
    return np.stack([series[T] - series[LAG], *(series[row] for row in (SEQ, POSITION, WORD, HEARD))])


def _standing(held: Ints, nothing: Flags) -> Ints:
    """The word that stands, of (fields of Held, one point per clock, instants); a position of NONE is no point."""
    t, _, position, word, heard = held
    there = position != NONE
    silent = there & nothing[word + 1]
    told = there & ~silent
    newest = np.where(told, t, _LONG_AGO).max(axis=0)
    fresh = told & (t >= newest - SKEW)
    value = np.where(fresh, position, NONE).argmax(axis=0)[None]
    came, arrived = (
        np.where(fresh.any(axis=0), np.take_along_axis(row, value, 0)[0], NONE) for row in (position, heard)
    )
    unanswered = silent & ((position > came) | (heard > arrived))
    last = np.where(unanswered, position, NONE).argmax(axis=0)[None]
    which = np.where(unanswered.any(axis=0), last[0], value[0])[None]
    found = np.take_along_axis(word, which, 0)[0]
    return np.where(unanswered.any(axis=0) | fresh.any(axis=0), found, NONE)


_ABSENT = Held(_LONG_AGO, NONE, NONE, NONE, NONE)
