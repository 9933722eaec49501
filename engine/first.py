"""Port: the first stage of a fold, on a log that repeats reach; an embedded log drops them in its append and needs none.

Order     `keep` is asked of every record, once, in log order, before anything else is decided about it.
Identity  an event is its id: of two with the same id the first one stays. What `keep` says hangs on the log alone.
State     it lives in pages beside those of the topology, in the same checkpoint.
Callers   one tenancy of a worker, or the rows of one partition; nothing here awaits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from tailrace.engine.topology import Load
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import Telemetry
from tailrace.schemas.record import Record


class First(Protocol):
    """What was seen."""

    def keep(self, record: Record) -> Sequence[bool] | None:
        """Which events of a record are new, one entry each; None: all of them. They count as seen from now on."""

    def dirty(self) -> Mapping[str, bytes]:
        """Pages that changed since the last call."""


Keep = Callable[[Record], Sequence[bool] | None]
"""`First.keep`."""

Begin = Callable[[Load], First]
"""The stage whose pages `load` gives."""


def part(record: Record, keep: Sequence[bool] | None) -> Record | None:
    """What is to be kept of a record: readings as one frame that names their ids, at the position of the whole. None: nothing.

    What cannot be decoded stays whole, for it will be parked.
    """
    if keep is None or all(keep):
        return record
    if not any(keep):
        return None
    try:
        events = list(codec.events_of(record))
    except InvalidEvent:
        return record
    kept = [event for event, new in zip(events, keep, strict=True) if new and isinstance(event, Telemetry)]
    trimmed = codec.readings_record(
        kept, source=record.source, session=record.session, site=record.site, trace=record.trace
    )
    return msgspec.structs.replace(trimmed, position=record.position, copy_of=record.copy_of)
