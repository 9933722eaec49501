"""Records for the tests of logs: events and frames whose content follows from a number, so that a mix-up shows."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.engine.log import Log
from tailrace.schemas import codec
from tailrace.schemas.event import AnyEvent, StateChanged, Telemetry
from tailrace.schemas.instant import SECOND, Instant
from tailrace.schemas.record import Record

NOW = 1_790_000_000 * SECOND


def state(number: int, *, id: str | None = None, machine: str = "M1", word: str = "run", ingested: int = NOW) -> Record:
    """A business event, by default with an id of its own."""
    event = StateChanged(
        machine=machine, t=Instant(NOW + number), id=f"e{number}" if id is None else id, state=word, ingested=Instant(ingested)
    )  # fmt: skip
    return codec.record_of(event, source="plc", session="run-1")


def reading(number: int, *, id: str = "", machine: str = "M1", shift: float = 0.0) -> Telemetry:
    """A reading that tells its number; with a shift it is other content."""
    return Telemetry(
        machine=machine, t=Instant(NOW + number), id=id, clock="plc", values={"number": number + shift},
        ingested=Instant(NOW),
    )  # fmt: skip


def sequenced(
    first: int, n: int, *, source: str = "mqtt", session: str = "s1", machine: str = "M1", shift: float = 0.0
) -> Record:
    """A frame of the readings first .. first+n-1 of a sequence."""
    readings = [reading(first + i, machine=machine, shift=shift) for i in range(n)]
    return codec.readings_record(readings, source=source, session=session, first_seq=first)


def identified(ids: Sequence[tuple[int, str]], *, source: str = "file", shift: float = 0.0) -> Record:
    """A frame of readings (number, id)."""
    readings = [reading(number, id=event_id, shift=shift) for number, event_id in ids]
    return codec.readings_record(readings, source=source, session="import")


def large(size: int, *, id: str = "large") -> Record:
    """An event of about this many bytes."""
    return state(0, id=id, word="x" * size)


async def everything(log: Log, limit: int = 1000) -> list[Record]:
    """All records, read in steps; positions are checked on the way."""
    records: list[Record] = []
    while batch := await log.read(len(records), limit):
        records += batch
    assert [record.position for record in records] == list(range(1, len(records) + 1))
    return records


def events(records: Sequence[Record]) -> list[AnyEvent]:
    """The events in records, in order."""
    return [event for record in records for event in codec.events_of(record)]


def numbers(records: Sequence[Record]) -> list[float]:
    """What the readings in records say, in order."""
    return [float(event.values["number"]) for event in events(records) if isinstance(event, Telemetry)]
