"""Golden records: what was written by version 1 is read by every later one.

Rules: tests/golden holds pairs. NAME.jsonl is an events file, NAME.bin the records (a msgpack array) that held those events
when they were written. Neither is ever rewritten; `python tests/golden_files.py` writes a .bin only where there is none, so
a new event type or version comes as a new pair. In frames.* neighbours of one machine, clock and ingest time share a frame;
ids of the form seq:SOURCE:SESSION:N make a frame without ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import msgspec

from tailrace.schemas import codec, line
from tailrace.schemas.event import AnyEvent, Telemetry
from tailrace.schemas.record import Record

FOLDER = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def lines(name: str) -> list[bytes]:
    """The lines of a pair, as they were written."""
    return (FOLDER / f"{name}.jsonl").read_bytes().splitlines()


def records(name: str) -> list[Record]:
    """The records of a pair, as they were written."""
    return msgspec.msgpack.decode((FOLDER / f"{name}.bin").read_bytes(), type=list[Record])


def encoded(name: str) -> list[Record]:
    """The records that this release makes of the lines."""
    events = [line.parse(text) for text in lines(name)]
    return list(_framed(events) if name.startswith("frames") else map(_alone, events))


def _alone(event: AnyEvent) -> Record:
    if isinstance(event, Telemetry):
        return codec.readings_record([event], source="gold", session="1")
    return codec.record_of(event, source="gold", session="1", site="Ulm", trace="t1")


def _framed(events: list[AnyEvent]) -> Iterator[Record]:
    for _, group in groupby(events, key=lambda e: (e.machine, e.clock, e.ingested)):
        readings = [e for e in group if isinstance(e, Telemetry)]
        if readings[0].id.startswith(codec.SEQUENCED):
            _, source, session, number = readings[0].id.split(":")
            yield codec.readings_record(readings, source=source, session=session, first_seq=int(number))
        else:
            yield codec.readings_record(readings)


if __name__ == "__main__":
    for stem in NAMES:
        if not (FOLDER / f"{stem}.bin").exists():
            (FOLDER / f"{stem}.bin").write_bytes(msgspec.msgpack.encode(encoded(stem)))
