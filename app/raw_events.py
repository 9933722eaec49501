"""The raw events of a stretch of a machine's time: what a figure is made of at last, as it came in.

Rules: events of the machine and of the whole site that the fold of figures takes, with a part in the stretch by their own times,
in the order of the log. A frame of readings is one item. Pages are by position; a cursor is that of the last one given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tailrace.app import compose
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.frame import Frame, quality_word
from tailrace.schemas.instant import format_instant
from tailrace.schemas.record import Record
from tailrace.topologies.oee import FOLDED

BATCH = 200


class RawItem(msgspec.Struct, frozen=True, kw_only=True):
    """A record: where it is from, where it stands, when it happened and came in, what it says. n: events in it, t to `until`."""

    position: int
    type: str
    source: str
    session: str
    seq: int
    n: int
    t: str
    until: str
    ingested: str
    clock: str
    quality: str | int
    said: dict[str, Any]


def raw_events(
    directory: Path, machine: str, start: int, end: int, *, cursor: int = 0, limit: int = 20
) -> tuple[list[RawItem], int | None]:
    """At most `limit` records of [start, end) in ns after the position `cursor`, and the cursor of the next page, if any."""
    with compose.reading(directory) as log:
        return raw_events_of(log, machine, (start, end), log.end(), cursor=cursor, limit=limit)


def raw_events_of(
    log: LogReader, machine: str, window: tuple[int, int], until: int, *, cursor: int = 0, limit: int = 20
) -> tuple[list[RawItem], int | None]:
    """The same of a log that is open; until: the last position that counts."""
    found: list[RawItem] = []
    while records := log.between(machine, *window, cursor, BATCH):
        for record in records:
            if record.position > until:
                return found, None
            if record.type in FOLDED:
                if len(found) == limit:
                    return found, found[-1].position if found else cursor
                found.append(_item(record))
        cursor = records[-1].position
    return found, None


def _item(record: Record) -> RawItem:
    quality, said = _readings(record) if record.type == "telemetry" else ("good", _said(record))
    return RawItem(
        position=record.position, type=record.type, source=record.source, session=record.session, seq=record.first_seq,
        n=record.n, t=format_instant(record.t_min), until=format_instant(record.t_max), ingested=format_instant(record.ingested),
        clock=record.clock, quality=quality, said=said,
    )  # fmt: skip


def _readings(record: Record) -> tuple[str | int, dict[str, Any]]:
    """The worst quality in a frame, and what it has readings of."""
    frame = Frame(record.payload)
    codes = [status for i in range(len(frame.header.columns)) if (status := frame.status(i)) is not None]
    worst = max((int(code.max()) for code in codes), default=0)
    names = [column.name for column in frame.header.columns]
    return quality_word(worst), {"readings": record.n, "of": names}


_HEAD = frozenset({"type", "machine", "t", "id", "clock", "seq", "ingested"})


def _said(record: Record) -> dict[str, Any]:
    """The fields of the event, as in an events file; of several, of the first."""
    try:
        line = codec.to_line(next(iter(codec.events_of(record))))
    except (InvalidEvent, StopIteration):
        return {"of": "a newer release"}
    fields: dict[str, Any] = msgspec.json.decode(line)
    return {name: value for name, value in fields.items() if name not in _HEAD}
