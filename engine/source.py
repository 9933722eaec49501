"""Port: where facts come from.

Order     deliveries come in the order in which the source saw them; events of one machine keep that order into the log.
Ack       `Delivery.acknowledge` is called once, after every event in it is durable (or known, or quarantined); only then may
          the source tell the sender. A delivery that is never acknowledged is delivered again.
Retry     a source reconnects by itself, with growing pauses, and says so in `health`; it never raises for what is outside.
Close     leaving the iteration (aclose) disconnects; nothing that was not acknowledged is lost at the sender.
Callers   one task iterates; `acknowledge` runs in the same loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from tailrace.schemas.event import AnyEvent
from tailrace.schemas.record import Record


async def _nothing() -> None:
    return None


class Rejected(msgspec.Struct, frozen=True):
    """Something the source could not turn into an event: why, where, and the bytes as they came."""

    reason: str
    raw: bytes
    where: str = ""


class Origin(msgspec.Struct, frozen=True):
    """What an event was made of: the bytes as they came, and where they stood (a line, a topic, a node)."""

    raw: bytes
    where: str = ""


class Delivery(msgspec.Struct, frozen=True):
    """What one step of a source brought.

    Every event has an id. Readings whose id is the source's own sequence have `seq:<source>:<session>:<n>`; consecutive ones
    share a frame. `session` names the run of the sender (or of the connection) in which they came. `origins` has one entry
    per event, or none where the source keeps no bytes; an event that is refused later is quarantined with them.

    `records` come instead of events from a source inside this process that builds frames itself: complete with envelope and
    ingest time, and the source answers for every event in them being one that `line.check` and `line.check_time` would take.
    """

    events: Sequence[AnyEvent] = ()
    rejected: Sequence[Rejected] = ()
    session: str = ""
    acknowledge: Callable[[], Awaitable[None]] = _nothing
    origins: Sequence[Origin] = ()
    records: Sequence[Record] = ()


class Health(msgspec.Struct, frozen=True):
    """How a source is: connected or not, since when (ns UTC), and in words."""

    connected: bool
    since: int
    detail: str = ""
    at_least_once: bool = False


class Source(Protocol):
    """A connector's inbound side."""

    name: str

    @property
    def health(self) -> Health: ...

    def deliveries(self) -> AsyncIterator[Delivery]: ...
