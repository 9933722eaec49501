"""The records of Tailrace as what its peers are given: readings one by one, as items and as messages."""

from __future__ import annotations

from minutes import Item, Reading
from tailrace.schemas import codec
from tailrace.schemas.event import StateChanged
from tailrace.schemas.frame import Frame
from tailrace.schemas.record import Record


def said_in(record: Record) -> list[Item]:
    """The readings of the total counter in a record, or its state; [] for what says neither."""
    if record.type != "telemetry":
        return [(int(said.t), said.state) for said in codec.events_of(record) if isinstance(said, StateChanged)]
    frame = Frame(record.payload)
    return list(zip(frame.t.tolist(), frame.data(frame.header.counters["total"]).tolist(), strict=True))


def messages(record: Record) -> list[Reading]:
    """The same, each with its values."""
    if record.type != "telemetry":
        return [Reading(record.machine, t, said, []) for t, said in said_in(record)]
    frame = Frame(record.payload)
    values = zip(*(frame.data(i).tolist() for i in range(8)), strict=True)
    rows = zip(said_in(record), values, strict=True)
    return [Reading(record.machine, t, said, list(cells)) for (t, said), cells in rows]
