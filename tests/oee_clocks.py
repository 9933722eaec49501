"""What a machine's states say at an instant, slowly: every point of every clock is looked at for every question.

Rules (docs/oee.md says them to users): a point holds until the next of its own clock by (t, seq, log). Of those that hold, the
one that came last stands, but for values stamped over five minutes before another clock's. What says unknown is ended by a value
that came later, where nobody watched by one that came in after that. A value begins not before what came before it by another
clock, unless that is over five minutes ahead of it. Nothing here is shared with the product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tailrace.schemas.event import ClockTicked, ConnectionLost, Event, StateChanged

SKEW = 300 * 10**9


@dataclass(frozen=True)
class Point:
    """A state, or its loss; at: the index in the log of its event; after: the earliest ingest time of what ends it."""

    t: int
    seq: int
    at: int
    clock: str
    word: str
    begin: int
    ingested: int = 0
    after: int = 0

    @property
    def silent(self) -> bool:
        return self.word.lower() in ("unknown", "offline", "unavailable")


def points(log: Sequence[Event]) -> list[Point]:
    """The points of one machine's log, in no order."""
    found: list[Point] = []
    clocks: set[str] = set()
    for i, event in enumerate(log):
        t, seq = int(event.t), -1 if event.seq is None else event.seq
        if isinstance(event, StateChanged):
            point = Point(t, seq, i, event.clock, event.state, t, int(event.ingested or t))
            if not point.silent:
                others = [p.begin for p in found if p.clock != event.clock and t < p.begin <= t + SKEW]
                point = replace(point, begin=max([t, *others]))
            found.append(point)
            clocks.add(event.clock)
        elif isinstance(event, ConnectionLost) and (event.machine or event.source in {_source(c) for c in clocks if c}):
            found.append(Point(t, seq, i, event.clock or "tailrace", "unknown", t))
            clocks.add(event.clock or "tailrace")
    return found + list(_unwatched(log))


def word(known: Sequence[Point], t: int) -> str:
    """The state word that stands at t."""
    held: dict[str, Point] = {}
    for point in known:
        other = held.get(point.clock)
        if point.begin <= t and (other is None or (other.t, other.seq, other.at) < (point.t, point.seq, point.at)):
            held[point.clock] = point
    if len(held) == 1:
        return next(iter(held.values())).word
    values = [p for p in held.values() if not p.silent]
    newest = max((p.t for p in values), default=0)
    best = max((p for p in values if p.t >= newest - SKEW), key=lambda p: p.at, default=None)
    standing = [p for p in held.values() if p.silent and not (best and best.at > p.at and best.ingested >= p.after)]
    if standing:
        return max(standing, key=lambda p: p.at).word
    return best.word if best else "unknown"


def _unwatched(log: Sequence[Event]) -> Iterator[Point]:
    """What ticks say of the time before them."""
    latest: tuple[int, int] | None = None
    named: dict[str, tuple[int, int]] = {}
    source = ""
    for i, event in enumerate(log):
        if isinstance(event, StateChanged):
            source = _source(event.clock)
        if not isinstance(event, ClockTicked) or (latest and event.t <= latest[0]):
            continue
        if event.since:
            direct = source in event.since
            since = int(event.since[source] if direct else min(event.since.values()))
            before = named.get(source) if direct else max(named.values(), default=None)
            before = before or latest
            if before and since > before[0]:
                yield Point(before[0], -1, before[1], "\0tick", "unknown", before[0], after=since)
        latest = (int(event.t), i)
        named |= dict.fromkeys(event.since, latest)


def _source(clock: str) -> str:
    return clock.split("/", 1)[0]
