"""Files of events: JSON lines, CSV, Parquet.

Rules: a file is written beside its name and moved into place, so that it is whole or not there. JSON lines are an events file
(docs/events.md) and the only form that `tailrace import` takes back; CSV and Parquet have the columns of app/arrow_events.py. In
CSV a time is ISO 8601 in UTC with nine decimals, a text stands in quotes, and a cell without a value is empty.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import msgspec

from tailrace.app.wanted import Tell, Wanted
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent

JSONL, CSV, PARQUET = FORMATS = ("jsonl", "csv", "parquet")
SUFFIXES = {".csv": CSV, ".parquet": PARQUET}
LEVEL = 1
ENCODINGS = {"id": "DELTA_BYTE_ARRAY"} | dict.fromkeys(("t", "seq", "ingested"), "DELTA_BINARY_PACKED")
"""Of columns in which no two values need be the same; others have dictionaries as long as those are small."""


class Exported(msgspec.Struct, frozen=True):
    """How many events were written, and why records were left out."""

    events: int
    skipped: list[str]


def export(log: LogReader, wanted: Wanted, form: str, file: IO[bytes], tell: Tell) -> Exported:
    """Writes what is asked for. Raises as `Wanted.require` does."""
    wanted.require(log)
    if form == JSONL:
        return _lines(log, wanted, file, tell)
    from tailrace.app.arrow_events import Events  # noqa: PLC0415  Arrow takes a while to import, JSON lines need none

    events = Events(log, wanted, tell)
    write = _csv if form == CSV else _parquet
    return Exported(write(events, file), events.skipped)


def in_place(out: Path, write: Callable[[IO[bytes]], Exported]) -> Exported:
    """Writes a file that is whole or not there."""
    draft = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            found = write(file)
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return found


def _lines(log: LogReader, wanted: Wanted, file: IO[bytes], tell: Tell) -> Exported:
    skipped: list[str] = []
    events = 0
    for record in wanted.records(log, log.end(), tell):
        try:
            lines = [codec.to_line(event) + b"\n" for event in codec.events_of(record) if wanted.keeps(event.t)]
        except InvalidEvent as error:
            skipped.append(str(error))
            continue
        events += len(lines)
        file.writelines(lines)
    return Exported(events, skipped)


def _csv(events: Any, file: IO[bytes]) -> int:
    import pyarrow.compute as pc  # noqa: PLC0415  as above
    from pyarrow import csv  # noqa: PLC0415

    rows = 0
    for i, table in enumerate(events.tables()):
        for name in ("t", "ingested"):
            spelled = pc.strftime(table[name], format="%Y-%m-%dT%H:%M:%SZ", locale="C")
            table = table.set_column(table.column_names.index(name), name, spelled)  # noqa: PLW2901
        csv.write_csv(table, file, csv.WriteOptions(include_header=i == 0))
        rows += len(table)
    return rows


def _parquet(events: Any, file: IO[bytes]) -> int:
    import pyarrow.parquet as pq  # noqa: PLC0415  as above

    schema, rows = events.schema, 0
    few = [field.name for field in schema if field.name not in ENCODINGS]
    with pq.ParquetWriter(
        file, schema, compression="zstd", compression_level=LEVEL, use_dictionary=few, column_encoding=ENCODINGS
    ) as writer:
        for table in events.tables():
            writer.write_table(table, row_group_size=max(len(table), 1))
            rows += len(table)
    return rows
