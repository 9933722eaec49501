"""The restatement ledger of a window: each event that restated it, with the figures before and after, who, when, why, what moved.

Rules
1. An event is in the ledger where it restated a closed minute of the window (`oee_history`), in the order of the log. A
   definition restates nothing, for it is applied on reading; `oee diff` says what one moves.
2. Figures before and after are those of the log up to the record before the event's and up to the event's own, by the definition
   that is asked for, or the machine's own as they stood then. Seconds that moved add up to the difference of every bucket.
3. The log is folded once through all of a page. Where something of the machine was ever parked, each figure is folded for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tailrace.app.oee_definition import judged_by
from tailrace.app.oee_diff import moves
from tailrace.app.oee_picture import Picture, pictured
from tailrace.app.oee_query import figures
from tailrace.app.oee_time import BUCKETS, Sorted, sort
from tailrace.engine.parking import wrong
from tailrace.projections.pages import LIMIT_MAX, closed, opened, rows
from tailrace.projections.tables import oee_history
from tailrace.schemas.answer import Page
from tailrace.schemas.errors import InvalidInput
from tailrace.schemas.instant import MINUTE, format_instant, seconds
from tailrace.topologies.machine import Machine

Located = tuple[int, dict[str, Any]]
"""The position of an event in the log, and what `oee_history` says of it."""


Judged = tuple[dict[str, Any], Sorted]
"""The figures of a window, and its stretches by bucket."""


def history(
    directory: Path,
    machine: str,
    start: int,
    end: int,
    definition: str | None = None,
    *,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[dict[str, Any]]:
    """The restatements of [start, end) in ns, oldest first; raises NotFound as `oee` does."""
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidInput(f"limit: expected 1 to {LIMIT_MAX}, got {limit}")
    after = 0 if cursor is None else opened(cursor, int)
    with pictured(directory) as picture:
        found = [each for each in _causes(picture, machine, start, end, definition) if each[0] > after]
        items = _items(picture, machine, found[:limit], (start, end), definition)
    return Page(items, closed(found[limit - 1][0]) if len(found) > limit else None)


def latest(
    directory: Path, machine: str, start: int, end: int, definition: str | None = None, *, limit: int
) -> list[dict[str, Any]]:
    """The last of them, in the same order."""
    with pictured(directory) as picture:
        found = _causes(picture, machine, start, end, definition)
        return _items(picture, machine, found[-limit:], (start, end), definition)


def _items(
    picture: Picture, machine: str, causes: Sequence[Located], window: tuple[int, int], definition: str | None
) -> list[dict[str, Any]]:
    around = _around(picture, machine, causes, window, definition)
    return [_item(cause, *both, window) for (_, cause), both in zip(causes, around, strict=True)]


def _causes(picture: Picture, machine: str, start: int, end: int, definition: str | None) -> list[Located]:
    """What restated minutes with a part in [start, end), in the order of the log; raises NotFound as `oee` does."""
    facts = picture.facts(machine)
    if definition is not None:
        judged_by(facts, definition)
    of = oee_history.c
    columns = (of.cause, of.cause_type, of.cause_events, of.by, of.reason, of.known_to_ns)
    minutes = sa.func.count(of.start_ns.distinct()).label("minutes")
    here = (of.machine == machine, of.start_ns > start - MINUTE, of.start_ns < end)
    said = rows(picture.connection, sa.select(*columns, minutes).where(*here).group_by(*columns))
    found = [(record.position, each) for each in said if (record := picture.log.find(each["cause"])) is not None]
    return sorted(found, key=lambda each: each[0])


def _around(
    picture: Picture, machine: str, causes: Sequence[Located], window: tuple[int, int], definition: str | None
) -> Iterator[tuple[Judged, Judged]]:
    """What the window was before and after each of the events."""

    def judged(facts: Machine) -> Judged:
        seen = facts if definition is None else judged_by(facts, definition)
        return figures(None, facts, *window, seen=seen), sort(seen, *window)

    if picture.ever_parked(machine):
        for position, _ in causes:
            yield judged(picture.after(position - 1).facts(machine)), judged(picture.after(position).facts(machine))
        return
    stands = causes[0][0] - 1 if causes else 0
    state = picture.after(stands).state(machine) if causes else None
    for position, _ in causes:
        assert state is not None
        for until in (position - 1, position):
            for part in picture.after(until).records(machine, stands):
                state.fold([record for record in part if not wrong(record)])
            stands = until
            if until < position:
                before = judged(state.machine(machine))
        yield before, judged(state.machine(machine))


def _item(cause: dict[str, Any], before: Judged, after: Judged, window: tuple[int, int]) -> dict[str, Any]:
    moved = sorted(moves(before[1], after[1]), key=lambda each: -each[2])
    return {
        "cause": cause["cause"], "type": cause["cause_type"], "events": cause["cause_events"], "by": cause["by"],
        "reason": cause["reason"], "at": format_instant(cause["known_to_ns"]), "minutes": cause["minutes"],
        "from": format_instant(window[0]), "to": format_instant(window[1]), "before": before[0], "after": after[0],
        "moved": [
            {"from_category": BUCKETS[a], "to_category": BUCKETS[b], "seconds": seconds(ns)} for a, b, ns in moved
        ],
    }  # fmt: skip
