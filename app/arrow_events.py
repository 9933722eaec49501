"""Events of a log as Arrow tables, a part at a time: a row an event, in the order of the log.

Rules
1. Every row has HEAD. What an event says beyond it stands in `fields`, as JSON with the names of docs/events.md. A reading has
   its signals in columns of their own instead (app/arrow_readings.py), unless `wide` is False.
2. A table has the columns of what is asked for: signals and `quality` where readings are, `fields` where other events are.
3. Times are timestamp[ns, UTC]. Nothing is rounded.
4. The columns have to be known before the first row, so the log is read twice; the first time nothing but headers is decoded.
5. A record that is damaged, or of another release, is left out and told in `skipped`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from tailrace.app import arrow_readings as readings
from tailrace.app.arrow_readings import TEXT, Block, Key, Kinds, Places
from tailrace.app.wanted import READINGS, Tell, Wanted
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import AnyEvent
from tailrace.schemas.record import Record

ROWS = 131_072
"""Rows of a part, from which on it is given."""

TIME = pa.timestamp("ns", "UTC")
HEAD = pa.schema([
    pa.field("machine", TEXT, nullable=False), pa.field("t", TIME, nullable=False), pa.field("type", TEXT, nullable=False),
    pa.field("id", TEXT, nullable=False), pa.field("clock", TEXT, nullable=False), pa.field("seq", pa.int64()),
    pa.field("ingested", TIME, nullable=False),
])  # fmt: skip
FIELDS = pa.field("fields", TEXT)
QUALITY = pa.field("quality", TEXT)

_HEAD = frozenset({"type", "machine", "t", "id", "clock", "seq", "ingested"})


class Events:
    """What is asked for of a log up to where it ends now. columns: signal -> column; schema: of every part."""

    def __init__(
        self, log: LogReader, wanted: Wanted, tell: Tell = lambda _done, _all: None, *, wide: bool = True
    ) -> None:
        wanted.require(log)
        self._log, self._wanted, self._tell = log, wanted, tell
        self._until = log.end()
        self.skipped: list[str] = []
        self.columns: dict[Key, pa.Field] = {}
        self._wide = wide and (not wanted.types or READINGS in wanted.types)
        self._turns = 2 if self._wide else 1
        own = [FIELDS] * (not wide or wanted.types != {READINGS}) + [QUALITY] * self._wide
        if self._wide:
            self.columns = self._kinds().columns([*HEAD.names, *(field.name for field in own)])
        self.schema = pa.schema([*HEAD, *own, *self.columns.values()])

    def tables(self) -> Iterator[pa.Table]:
        """The rows in parts of about ROWS, at least one part."""
        part, rows, given = self._part(), 0, False
        for record in self._wanted.records(self._log, self._until, self._told(self._turns - 1)):
            try:
                rows += part.take(record, self._wanted)
            except InvalidEvent as error:
                self.skipped.append(str(error))
            if rows >= ROWS:
                yield part.table()
                part, rows, given = self._part(), 0, True
        if rows or not given:
            yield part.table()

    def _part(self) -> _Part:
        return _Part(self.schema, self.columns, wide=self._wide)

    def _kinds(self) -> Kinds:
        kinds = Kinds()
        only = msgspec.structs.replace(self._wanted, types=frozenset({READINGS}))
        for record in only.records(self._log, self._until, self._told(0)):
            try:
                kinds.see(codec.frame_of(record))
            except InvalidEvent:
                continue  # told when its rows are asked for
        return kinds

    def _told(self, turn: int) -> Tell:
        """The log is read so many times on the whole."""
        return lambda done, whole: self._tell(done + turn * whole, self._turns * whole)


class _Part:
    """Records that become one table."""

    def __init__(self, schema: pa.Schema, columns: dict[Key, pa.Field], *, wide: bool) -> None:
        self._schema, self._columns, self._wide, self._places = schema, columns, wide, Places()
        self._blocks: list[Block] = []
        self._events: list[AnyEvent] = []
        self._order: tuple[list[int], list[int]] = ([], [])
        self._taken = 0

    def take(self, record: Record, wanted: Wanted) -> int:
        """Adds what is asked for of a record; how many rows it is."""
        if self._wide and record.type == READINGS:
            frame = codec.frame_of(record)
            block = Block(record, frame, wanted.rows(record, frame.t))
            n = block.n
            self._blocks += [block] * (n > 0)
            self._order[1].extend([self._taken] * (n > 0))
        else:
            events = [event for event in codec.events_of(record) if wanted.keeps(event.t)]
            n = len(events)
            self._events += events
            self._order[0].extend([self._taken] * n)
        self._taken += 1
        return n

    def table(self) -> pa.Table:
        """All rows, in the order in which they were taken."""
        events, frames = self._of_events(), self._of_frames()
        if not self._blocks or not self._events:
            return frames if self._blocks else events
        sizes = [block.n for block in self._blocks]
        order = np.concatenate([np.array(self._order[0]), np.repeat(self._order[1], sizes)])
        return pa.concat_tables([events, frames]).take(pa.array(np.argsort(order, kind="stable")))

    def _of_events(self) -> pa.Table:
        lines = [msgspec.json.decode(codec.to_line(event), type=dict[str, msgspec.Raw]) for event in self._events]
        said = [{name: value for name, value in each.items() if name not in _HEAD} for each in lines]
        found: dict[str, Any] = {
            "machine": [event.machine for event in self._events],
            "t": [int(event.t) for event in self._events],
            "type": [codec.type_of(event) for event in self._events],
            "id": [event.id for event in self._events],
            "clock": [event.clock for event in self._events],
            "seq": [event.seq for event in self._events],
            "ingested": [int(event.ingested or 0) for event in self._events],
            "fields": [msgspec.json.encode(each).decode() for each in said],
        }
        columns = {name: pa.array(cells, _plain(self._schema, name)) for name, cells in found.items()}
        return self._table(columns, len(lines))

    def _of_frames(self) -> pa.Table:
        blocks = self._blocks
        if not blocks:
            return self._schema.empty_table()
        rows = sum(block.n for block in blocks)
        ingested = np.repeat(np.array([block.record.ingested for block in blocks], np.int64), [b.n for b in blocks])
        found = {
            "machine": readings.repeated([block.record.machine for block in blocks], blocks),
            "t": pa.array(readings.times(blocks)),
            "type": readings.repeated([READINGS] * len(blocks), blocks),
            "id": readings.ids(blocks),
            "clock": readings.repeated([block.record.clock for block in blocks], blocks),
            "seq": readings.seqs(blocks),
            "ingested": pa.array(ingested),
            "quality": readings.quality(blocks),
        }
        for key, field in self._columns.items():
            found[field.name] = readings.values(blocks, key, field.type, self._places)
        return self._table(found, rows)

    def _table(self, found: dict[str, Any], rows: int) -> pa.Table:
        columns = [
            found[field.name].cast(field.type) if field.name in found else pa.nulls(rows, field.type)
            for field in self._schema
        ]
        return pa.table(columns, self._schema)


def _plain(schema: pa.Schema, name: str) -> pa.DataType:
    """The type of the Python objects that a column is made of."""
    if name not in schema.names:
        return TEXT
    kind = schema.field(name).type
    return pa.int64() if kind == TIME else kind
