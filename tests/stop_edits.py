"""Random cuts, joins and their undoing on a timeline, and the stops that must come of them, worked out slowly.

Rules: nothing of the product is shared: every elementary stretch is looked at, every parting asks every mark. An edit's order is
(t, seq, place in the log), as for all facts.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import oee_random
import oee_reference
from tailrace.schemas.event import Event, ReasonRetracted, StopMerged, StopSplit
from tailrace.schemas.instant import HOUR, MINUTE, SECOND, Instant

FOREVER = 2**63 - 1


class Row(NamedTuple):
    """A stop as it must be: an end of FOREVER is open."""

    start: int
    end: int
    gaps: tuple[tuple[int, int], ...]


def edited(rng: random.Random, events: Sequence[Event], n: int) -> list[Event]:
    """The events with n edits among them, anywhere; some are on no stop at all, and some are taken back, even before."""
    found: list[Event] = []
    log = list(events)
    for i in range(n):
        recorded = Instant(int(rng.choice(events).t) + rng.randrange(HOUR))
        base: dict[str, Any] = {
            "machine": oee_random.MACHINE,
            "t": recorded,
            "id": f"edit-{i}",
            "seq": 10_000 + i,
            "ingested": recorded,
        }
        start, end = sorted((_moment(rng, events), _moment(rng, events)))
        if found and rng.random() < 0.25:
            found.append(ReasonRetracted(reason_id=rng.choice(found).id, **base))
        elif rng.random() < 0.5:
            found.append(StopSplit(stop="any", at=Instant(start), **base))
        else:
            found.append(StopMerged(stops=["any", "other"], start=Instant(start), end=Instant(end + 1), **base))
    for edit in found:
        log.insert(rng.randrange(len(log) + 1), edit)
    return log


def rows(events: Sequence[Event]) -> list[Row]:
    """The stops of a log, in order."""
    timeline = oee_reference.Timeline(events, None, None)
    marks = _standing(events)
    cuts = {int(mark.at) for mark in marks if isinstance(mark, StopSplit)}
    edges = sorted({*timeline.cuts, *cuts, FOREVER})
    pieces: list[list[int]] = []
    for a, b in pairwise(edges):
        if "unplanned" not in (timeline._own(a), timeline.category_at(a)):
            continue
        whole = pieces and pieces[-1][1] == a and not isinstance(_last(marks, a, a), StopSplit)
        if whole:
            pieces[-1][1] = b
        else:
            pieces.append([a, b])
    made: list[Row] = []
    for a, b in pieces:
        if made and isinstance(_last(marks, made[-1].end, a), StopMerged):
            made[-1] = Row(made[-1].start, b, (*made[-1].gaps, (made[-1].end, a)))
        else:
            made.append(Row(a, b, ()))
    return made


def _last(marks: Sequence[StopSplit | StopMerged], begin: int, end: int) -> Event | None:
    """The mark that decides over a parting."""
    touching = [
        mark
        for mark in marks
        if (begin <= mark.at <= end if isinstance(mark, StopSplit) else (mark.start or 0) < begin <= (mark.end or 0))
    ]
    return touching[-1] if touching else None


def _standing(events: Sequence[Event]) -> list[StopSplit | StopMerged]:
    back = {event.reason_id for event in events if isinstance(event, ReasonRetracted)}
    made = [event for event in events if isinstance(event, (StopSplit, StopMerged)) and event.id not in back]
    return sorted(made, key=lambda event: (event.t, -1 if event.seq is None else event.seq))


def _moment(rng: random.Random, events: Sequence[Event]) -> int:
    return int(rng.choice(events).t) + rng.choice((0, 0, 1, -1, SECOND, MINUTE, -MINUTE, 10 * MINUTE, HOUR))
