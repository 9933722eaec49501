"""What changed about a window between two times at which it was known: the figures before and after, and the seconds that moved.

Rules
1. Before and after are folds of two prefixes of the log (app/oee_picture.py). Between them lie records; the window is sorted into
   buckets after each of them that a person sent, and after each run of those that machines sent. So what moved adds up to the
   difference of every bucket, to the nanosecond, and each second has the event that moved it.
2. What machines sent is one cause, `data`, or `late data` where the window was over when it was first known; `events` says how
   many they were.
3. Where something of the machine was ever parked, one step leads from before to after, and its cause is `parked`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tailrace.app.oee_definition import judged_by
from tailrace.app.oee_picture import Picture, pictured
from tailrace.app.oee_query import figures
from tailrace.app.oee_time import BUCKETS, Sorted, sort
from tailrace.engine.parking import wrong
from tailrace.schemas.bucket import Cause
from tailrace.schemas.errors import InvalidInput
from tailrace.schemas.event import OBSERVED
from tailrace.schemas.instant import format_instant, seconds
from tailrace.schemas.record import Record
from tailrace.topologies.cause import cause_of
from tailrace.topologies.machine import Machine
from tailrace.topologies.oee import FOLDED, OeeState

DATA = OBSERVED | {"connection.lost"}
"""Types that machines and sources send."""


class Moved(msgspec.Struct, frozen=True):
    """ns that went from one bucket to another (indexes of BUCKETS), by a cause that was recorded at `at` (ns)."""

    before: int
    after: int
    length: int
    cause: Cause
    at: int


def diff(
    directory: Path, machine: str, start: int, end: int, known: tuple[int, int], definition: str | None = None
) -> dict[str, Any]:
    """The figures of [start, end) as known at two times (ns), and what moved in between.

    Raises InvalidInput for times in the wrong order, NotFound where nothing was known of the machine at the first one.
    """
    first, second = known
    if first > second:
        raise InvalidInput(
            f"expected the earlier known-at time first, got {format_instant(first)} and {format_instant(second)}"
        )
    with pictured(directory, second) as later:
        earlier = later.at(first)
        state = earlier.state(machine)
        before = _figures(state.machine(machine), start, end, definition)
        moved = list(_moved(state, later, earlier.until, machine, (start, end), definition))
        after = _figures(later.facts(machine), start, end, definition)
    together = sorted(_together(moved, late=first >= end), key=lambda each: each.at)
    return {"before": before, "after": after, "moved": [_shown(each) for each in together]}


def _figures(facts: Machine, start: int, end: int, definition: str | None) -> dict[str, Any]:
    return figures(None, facts, start, end, seen=_seen(facts, definition))


def _seen(facts: Machine, definition: str | None) -> Machine:
    return facts if definition is None else judged_by(facts, definition)


def _moved(
    state: OeeState, later: Picture, after: int, machine: str, window: tuple[int, int], definition: str | None
) -> Iterator[Moved]:
    stood = sort(_seen(state.machine(machine), definition), *window)
    if later.ever_parked(machine):
        now = sort(_seen(later.facts(machine), definition), *window)
        yield from _moves(stood, now, Cause("", "parked", 0, "", ""), later.known_at or 0)
        return
    for step in _steps(later, machine, after):
        state.fold(step)
        now = sort(_seen(state.machine(machine), definition), *window)
        yield from _moves(stood, now, _cause(step), max(record.ingested for record in step))
        stood = now


def _steps(later: Picture, machine: str, after: int) -> Iterator[Sequence[Record]]:
    """The records of a machine after a position: one of a person alone, a run of those of machines together."""
    run: list[Record] = []
    for part in later.records(machine, after):
        for record in part:
            if record.type not in FOLDED or wrong(record):
                continue
            if record.type in DATA:
                run.append(record)
                continue
            if run:
                yield run
                run = []
            yield [record]
    if run:
        yield run


def _cause(step: Sequence[Record]) -> Cause:
    if step[0].type not in DATA:
        return cause_of(step[0])
    sources = sorted({record.source for record in step if record.source})
    return Cause("", "data", sum(record.n for record in step), ", ".join(sources), "")


def _moves(before: Sorted, after: Sorted, cause: Cause, at: int) -> Iterator[Moved]:
    for one, other, length in moves(before, after):
        yield Moved(one, other, length, cause, at)


def moves(before: Sorted, after: Sorted) -> Iterator[tuple[int, int, int]]:
    """What went from one bucket to another (indexes of BUCKETS), and how many ns."""
    start = np.union1d(before.start, after.start)
    end = np.append(start[1:], before.end[-1:])
    one, other = (each.bucket[np.searchsorted(each.start, start, side="right") - 1] for each in (before, after))
    for pair in sorted({*zip(one.tolist(), other.tolist(), strict=True)}):
        if pair[0] != pair[1]:
            here = (one == pair[0]) & (other == pair[1])
            yield *pair, int((end - start)[here].sum())


def _together(moved: Sequence[Moved], *, late: bool) -> Iterator[Moved]:
    """What data moved from one bucket to another is one item; the rest is as it is."""
    by_people = [each for each in moved if each.cause.type != "data"]
    by_data = sorted((each for each in moved if each.cause.type == "data"), key=lambda each: (each.before, each.after))
    for pair, same in groupby(by_data, lambda each: (each.before, each.after)):
        steps = list(same)
        sources = sorted({source for each in steps for source in each.cause.by.split(", ") if source})
        name = "late data" if late else "data"
        cause = Cause("", name, sum(each.cause.n for each in steps), ", ".join(sources), "")
        yield Moved(*pair, sum(each.length for each in steps), cause, max(each.at for each in steps))
    yield from by_people


def _shown(each: Moved) -> dict[str, Any]:
    """An item of `moved`: cause is the id of an event, or what many of them are called."""
    cause = each.cause
    return {
        "from_category": BUCKETS[each.before], "to_category": BUCKETS[each.after], "seconds": seconds(each.length),
        "cause": cause.id or cause.type, "type": cause.type, "reason": cause.reason, "events": cause.n, "by": cause.by,
        "at": format_instant(each.at),
    }  # fmt: skip
