"""Since when nobody watched a machine: what a lost connection and a tick's `since` say of it. Pure questions to a head.

Rules: a clock is named after its source, or SOURCE/what; a machine's source is that of the clock of the state that came last. A
loss that names a machine concerns it, one without the machines of its source. Between the last tick that named the source and the
`since` of the next that does, nobody watched; a machine whose source is not among those of a tick was watched as long as any.
"""

from __future__ import annotations

from typing import NamedTuple

from tailrace.schemas.event import OWN, ClockTicked, ConnectionLost
from tailrace.topologies.head import Head, Seen
from tailrace.topologies.plan import NONE

TICKER = f"{OWN}/tick"
"""The clock of what ticks say: beside the collector's, whose own losses they do not take back."""

_ANY = ""


class Unwatched(NamedTuple):
    """Nobody watched from t (ns) to since; place: that in the log of what said so first, by being the last."""

    t: int
    place: int
    since: int


def concerns(head: Head, lost: ConnectionLost) -> bool:
    """Whether a loss is one of this machine's source."""
    return bool(lost.machine) or any(_source(clock) == lost.source for clock in head.clocks if clock)


def unwatched(head: Head, tick: ClockTicked) -> Unwatched | None:
    """What a tick says of the time before it, if it says that nobody watched."""
    if not tick.since or tick.t <= head.last_tick:
        return None
    source = _source(head.clocks[head.clock]) if head.clock != NONE else _ANY
    since = int(tick.since.get(source, min(tick.since.values())))
    named = [seen for name, seen in head.seen.items() if name == source or (source not in tick.since and name != _ANY)]
    before = max(named, key=lambda seen: seen.t, default=head.seen.get(_ANY))
    return Unwatched(before.t, before.place, since) if before and since > before.t else None


def seen(head: Head, tick: ClockTicked, place: int) -> dict[str, Seen]:
    """The latest tick that named each source, and the latest of all, with this one."""
    if tick.t <= head.last_tick:
        return head.seen
    return head.seen | dict.fromkeys((*tick.since, _ANY), Seen(int(tick.t), place))


def _source(clock: str) -> str:
    return clock.partition("/")[0]
