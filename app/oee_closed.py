"""What the rows hold of a machine's shifts that are over: the same that `oee_answer.found` tallies from the facts.

Rules: tallies are sums of rows. Which unplanned time was microstop is a matter of how long its episode was, un-clipped, and the
episodes stand in `state_interval`. A shift is left to the facts where rows cannot say it all: it is not over, does not begin and
end on a minute, begins before anything was observed, lies in a silence that has no rows or under two definitions, or an episode
in it is as long as one looks.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tailrace.app.oee_answer import AFTER, BEFORE, Found, definitions
from tailrace.projections import shift_rows
from tailrace.projections.oee_result import PLANNED, SHIFT, UNKNOWN, Measured, account
from tailrace.projections.shift_rows import FOREVER, Span
from tailrace.schemas.bucket import AT_TIME, CATEGORIES
from tailrace.schemas.instant import MINUTE
from tailrace.topologies.machine import Machine, floor_minute
from tailrace.topologies.tally import Ints


class Short(NamedTuple):
    """Of each shift, under one microstop_s: ns of microstops, and how many breakdowns and microstops begin in it."""

    microstop: list[int]
    breakdowns: list[int]
    microstops: list[int]


def closed(
    connection: sqlite3.Connection, facts: Machine, seen: Machine, spans: Sequence[Span]
) -> dict[Span, tuple[Found, int]]:
    """What of some shifts (by time) the rows say whole, under the definitions of `seen`, each with its revision."""
    down = shift_rows.unplanned(connection, facts.name, spans[0].start, max(span.end for span in spans))
    grows = min((a for a, b in down if b > _latest(facts)), default=FOREVER)
    here = [span for span in spans if _covered(facts, span, grows)]
    in_force = list(definitions(seen, BEFORE, AFTER))
    since = [a for a, *_ in in_force]
    sums = shift_rows.sums(connection, facts.name, spans[0].start, spans[-1].start + 1)
    shorts: dict[int, Short] = {}
    found: dict[Span, tuple[Found, int]] = {}
    for i, span in enumerate(here):
        at = bisect_right(since, span.start) - 1
        if at != bisect_right(since, span.end - 1) - 1 or span not in sums:
            continue
        _, _, name, policy = in_force[at]
        threshold = int(policy.microstop_s)
        if threshold not in shorts:
            shorts[threshold] = _short(facts, down, here, threshold)
        revision, tallies = sums[span]
        short = shorts[threshold]
        measured = Measured(tallies, short.microstop[i], short.breakdowns[i], short.microstops[i], policy)
        counted = account(measured, observed=_observed(tallies))
        found[span] = Found([counted], [name] if name else [], provisional=False), revision
    return found


def _covered(facts: Machine, span: Span, grows: int) -> bool:
    """Whether the rows have every minute of a shift, and none of its episodes is as long as one looks; from `grows` on one is."""
    head = facts.head
    whole = not span.start % MINUTE and not span.end % MINUTE
    over = floor_minute(head.first) <= span.start and span.end <= head.closed
    silent = any(a < span.end and span.start < b for a, b in head.skipped)
    return whole and over and not silent and span.end <= max(grows, _latest(facts))


def _latest(facts: Machine) -> int:
    """How far an episode that is open goes on."""
    return max(facts.head.last_state, facts.head.last_tick)


def _observed(tallies: Sequence[int]) -> int:
    """ns of scheduled time that are not unknown; what is over was all observed."""
    return sum(tallies[_SCHEDULED]) - sum([tallies[at] for at in _UNKNOWN])


_SCHEDULED = slice(PLANNED * len(CATEGORIES), (SHIFT + 1) * len(CATEGORIES))
_UNKNOWN = [schedule * len(CATEGORIES) + UNKNOWN for schedule in (PLANNED, SHIFT)]
assert (AT_TIME.start, SHIFT) == (0, PLANNED + 1)


def _short(facts: Machine, down: Sequence[tuple[int, int]], spans: Sequence[Span], threshold: int) -> Short:
    latest = _latest(facts)
    kept = [(a, min(b, latest)) for a, b in down if a < latest]
    start, end = (np.array([each[i] for each in kept], np.int64) for i in (0, 1))
    a, b = (np.array([span[i] for span in spans], np.int64) for i in (0, 1))
    schedule = facts.steps("schedule")
    short = end - start < threshold
    begun = schedule.at(start) == SHIFT if len(start) else short
    first, last = np.searchsorted(start, a), np.searchsorted(start, b)
    counts = [np.append(0, np.cumsum(begun & kind)) for kind in (~short, short)]
    time = _Within(start[short], end[short], facts)
    return Short((time.before(b) - time.before(a)).tolist(), *((n[last] - n[first]).tolist() for n in counts))


class _Within:
    """How much of some stretches (by time, apart from each other) lies in shifts and before an instant."""

    def __init__(self, start: Ints, end: Ints, facts: Machine) -> None:
        schedule = facts.steps("schedule")
        inside = schedule.between(int(start[0]), int(end[-1])) if len(start) else start
        edges = np.unique(np.concatenate([start, end, inside]))
        middle = np.searchsorted(start, edges[:-1], side="right")
        there = middle > np.searchsorted(end, edges[:-1], side="right")
        counts = there & (schedule.at(edges[:-1]) == SHIFT) if len(edges) else there
        self._edges, self._counts = edges, counts.astype(np.int64)
        self._sums = np.append(0, np.cumsum(np.diff(edges) * self._counts))

    def before(self, t: Ints) -> Ints:
        """ns before each instant."""
        if not len(self._edges):
            return np.zeros(len(t), np.int64)
        within = np.clip(t, self._edges[0], self._edges[-1])
        at = np.minimum(np.searchsorted(self._edges, within, side="right") - 1, len(self._counts) - 1)
        return np.asarray(self._sums[at] + (within - self._edges[at]) * self._counts[at])
