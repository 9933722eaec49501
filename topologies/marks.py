"""What people say about where one stop ends and the next begins: cuts and joins, and which edit was made on what. Pure.

Rules: stops are parted by time in which the machine is not down; a cut parts one at an instant, a join bridges every parting
in (start, end]. Of all that touch a parting the one recorded last decides (t, seq, position), so the order in which edits
arrive says nothing. A parting is [g0, g1]: what ran between two stops, or, with g0 = g1, the instant of a cut.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tailrace.schemas.event import ReasonAssigned, ReasonRetracted, StopMerged, StopSplit

Edit = ReasonAssigned | ReasonRetracted | StopSplit | StopMerged
Span = tuple[int, int]
"""[start, end) in ns."""


class Mark(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A stop.split (a cut at start = end) or a stop.merged (a join of (start, end]), recorded at t."""

    t: int
    seq: int
    position: int
    start: int
    end: int
    joins: bool
    id: str

    def touches(self, begin: int, end: int) -> bool:
        """Whether it says something of the parting [begin, end]."""
        return self.start < begin <= self.end if self.joins else begin <= self.start <= end


def split_of(event: StopSplit, place: int) -> Mark:
    """The cut that an event of a place in the log makes."""
    return Mark(int(event.t), _seq(event.seq), place, int(event.at), int(event.at), joins=False, id=event.id)


def merge_of(event: StopMerged, place: int) -> Mark | None:
    """The join that an event makes; None where it does not say from where to where."""
    if event.start is None or event.end is None:
        return None
    return Mark(int(event.t), _seq(event.seq), place, int(event.start), int(event.end), joins=True, id=event.id)


def made_on(event: Edit) -> list[tuple[str, int | None]]:
    """The stops that an edit is about, each with the revision on which it was made, or None where it names none."""
    if isinstance(event, StopMerged):
        first = event.stops[0]
        expected: dict[str, int | None] = {**event.expected_revisions}
        if event.expected_revision is not None:
            expected[first] = event.expected_revision
        return [(stop, expected.get(stop)) for stop in dict.fromkeys(event.stops)]
    if isinstance(event, ReasonRetracted) and not event.stop:
        return []
    return [(event.stop, event.expected_revision)]


def without(start: int, end: int, gaps: Sequence[Span]) -> list[Span]:
    """[start, end) without the gaps."""
    left: list[Span] = []
    for a, b in sorted(gaps):
        if start < min(a, end):
            left.append((start, min(a, end)))
        start = max(start, b)
    return [*left, (start, end)] if start < end else left


def _seq(seq: int | None) -> int:
    return -1 if seq is None else seq
