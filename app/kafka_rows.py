"""Rows of a log on Kafka: what its workers derived, and its events, become the read models of a data folder.

Rules
1. One process a folder. Partitions are read one after the other; a machine is in one of them, so the rows of two never meet, and
   what each of a site's copies says is taken from the home partition alone.
2. A step is a batch of `events` and one of `derived` of a partition, fetched first; its rows and their places, one for each
   projection and partition, are one transaction. After a failure everything is opened again, and begins at its places.
3. Repeats reach the log: rows of events are made of what is new (connectors/kafka_repeats.py), and what was seen is stored in
   the same transaction. Of a repeat a record that says nothing is left, so that positions stay without a hole. Repeats in
   `derived` are dropped by their n (engine/reader.py).
4. Rows of events may be ahead of those of `derived` as far as the workers are behind.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from tailrace.app import compose, kafka_folder
from tailrace.app.pipeline import PLACE, drive
from tailrace.connectors import kafka_topics
from tailrace.connectors.checkpoints_sqlite import SqliteCheckpoints
from tailrace.connectors.derived_kafka import KafkaDerivedLog
from tailrace.connectors.kafka_repeats import Seen
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import KafkaLog
from tailrace.connectors.log_sqlite_file import words
from tailrace.engine.checkpoints import Manifest
from tailrace.engine.first import part
from tailrace.engine.projection import Projection
from tailrace.engine.projector import Projector
from tailrace.engine.restore import record_hash
from tailrace.engine.unit import unit
from tailrace.projections.anomaly import AnomalyRows
from tailrace.projections.audit import AuditRows
from tailrace.projections.facts import FactRows
from tailrace.projections.now import NowRows
from tailrace.projections.oee import OeeRows
from tailrace.projections.parked import ParkedRows
from tailrace.projections.rollup import RollupRows
from tailrace.projections.stops import StopRows
from tailrace.projections.store_sqlite import SqliteStore, place_of
from tailrace.schemas.errors import Conflict, InvalidSettings, Unavailable
from tailrace.schemas.record import Derived, Record

BATCH = 1000
LOOK_S = 0.25
"""How long is waited for something new where every partition is at its end."""

RETRY_S = 0.5

R = TypeVar("R", bound=Record | Derived)
_said = logging.getLogger("tailrace")


async def make(settings: KafkaSettings, directory: Path) -> None:
    """Brings the rows of a folder to where the log and its workers are now. Raises Conflict, InvalidSettings, Unavailable."""
    with compose.own(directory), compose.read_store(directory) as connection:
        _require_rows_of_kafka(settings, directory, connection)
        await kafka_topics.check(settings)
        async with _opened(connection, settings) as partitions:
            for each in partitions:
                while await each.step():
                    pass


async def follow(settings: KafkaSettings, directory: Path, stopped: asyncio.Event) -> None:
    """Keeps the rows of a folder up to date until `stopped`; brokers that are away are waited for."""
    with compose.own(directory), compose.read_store(directory) as connection:
        _require_rows_of_kafka(settings, directory, connection)
        while not stopped.is_set():
            try:
                await kafka_topics.check(settings)
                async with _opened(connection, settings) as partitions:
                    await _follow(partitions, stopped)
            except Unavailable as error:
                _said.error("%s; trying again", error)
                await _pause(stopped, RETRY_S)


async def _follow(partitions: Sequence[Partition], stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        moved = False
        for each in partitions:
            moved = await each.step() or moved
        if not moved:
            await _pause(stopped, LOOK_S)


async def _pause(stopped: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopped.wait(), seconds)


def _require_rows_of_kafka(settings: KafkaSettings, directory: Path, connection: sqlite3.Connection) -> None:
    if place_of(connection, PLACE).position:
        raise InvalidSettings(
            f"{directory}: expected a folder for rows of a log on Kafka, got one with rows of a log of its own; "
            "name another with --dir"
        )
    kafka_folder.enter(directory, settings, "rows")


@asynccontextmanager
async def _opened(connection: sqlite3.Connection, settings: KafkaSettings) -> AsyncIterator[list[Partition]]:
    found = [Partition(connection, settings, number) for number in range(settings.partitions)]
    try:
        for each in found:
            await each.restore()
        yield found
    finally:
        for each in found:
            await each.close()


class Partition:
    """The rows of one partition. After an error it is to be closed."""

    def __init__(self, connection: sqlite3.Connection, settings: KafkaSettings, number: int) -> None:
        self._connection = connection
        self._sender = Sender(settings)
        self._events = KafkaLog(settings, number, "")
        self._derived = KafkaDerivedLog(settings, number, self._sender)
        self._first = First(SqliteCheckpoints(connection), number)
        self._new, self._outputs = Window[Record](), Window[Derived]()
        store = SqliteStore(connection)
        self._of_events = [
            Projector(store, Share(rows, number), self._new, batch=BATCH)
            for rows in (FactRows(), AuditRows(), NowRows())
        ]
        self._of_derived = [
            Projector(store, Share(rows, number), self._outputs, batch=BATCH)
            for rows in (OeeRows(), StopRows(), RollupRows(), AnomalyRows(), ParkedRows())
        ]

    async def restore(self) -> None:
        """Learns where the rows stand; raises Conflict where they were made of another log."""
        self._new.hold((), await self._events.end())
        self._outputs.hold((), await self._derived.end())
        projectors: list[Projector[Any]] = [*self._of_events, *self._of_derived]
        for each in projectors:
            await each.restore()
        await self._first.restore(self._events)

    async def step(self) -> bool:
        """Makes rows of the next batch of either log; False where both are at their end."""
        events = await self._events.read(self._of_events[0].position, BATCH)
        derived = await self._derived.read(self._of_derived[0].position, BATCH)
        if not events and not derived:
            return False
        try:
            with unit(self._connection):
                self._take(events, derived)
        except sqlite3.Error as error:
            raise Unavailable(f"rows were not stored: {words(error)}") from error
        return True

    async def close(self) -> None:
        """Leaves the brokers."""
        await self._events.close()
        await self._derived.close()
        await self._sender.close()

    def _take(self, events: Sequence[Record], derived: Sequence[Derived]) -> None:
        if events:
            self._new.hold([self._first.take(record) for record in events], events[-1].position)
            for facts in self._of_events:
                drive(facts.step())
            drive(self._first.save(events[-1]))
        if derived:
            self._outputs.hold(derived, derived[-1].position)
            for outputs in self._of_derived:
                drive(outputs.step())


class First:
    """The first stage before the rows of a partition's events: what of each record is new."""

    def __init__(self, checkpoints: SqliteCheckpoints, partition: int) -> None:
        self._checkpoints, self._name = checkpoints, f"rows/{partition}"
        self._position = 0

    async def restore(self, log: KafkaLog) -> None:
        """What was seen up to where the rows stand; raises Conflict where the log has another record there."""
        manifests = await self._checkpoints.manifests(self._name, 1)
        self._position = position = manifests[0].position if manifests else 0
        if manifests and [record_hash(each) for each in await log.read(position - 1, 1)] != [manifests[0].record_hash]:
            raise Conflict(
                f"{log.settings.where}: topic {log.settings.events}, partition {log.partition}: expected at position {position} "
                "the record that the rows were made of, got another or none; bring that log back, or delete read.db: it "
                "is made again"
            )
        self._seen = Seen(lambda page: self._checkpoints.page(self._name, 1, page, position) if position else None)

    def take(self, record: Record) -> Record:
        """The record as far as it is new. Of a copy and of a repeat nothing is, and only their position stays."""
        fresh = None if record.copy_of else part(record, self._seen.keep(record))
        return fresh or Record(type="", payload=b"", position=record.position)

    async def save(self, last: Record) -> None:
        """Stores what was seen up to this record."""
        manifest = Manifest(
            topology=self._name, version=1, position=last.position, record_hash=record_hash(last), derived_end=0, marks={},
            base=self._position,
        )  # fmt: skip
        await self._checkpoints.save(manifest, self._seen.dirty())
        self._position = last.position


class Window(Generic[R]):
    """What was fetched of a log, for projectors that must not wait."""

    def __init__(self) -> None:
        self._records: Sequence[R] = ()
        self._end = 0

    def hold(self, records: Sequence[R], end: int) -> None:
        """These records; end: how far the log is known to reach."""
        self._records, self._end = records, end

    async def read(self, after: int, limit: int) -> Sequence[R]:
        return [record for record in self._records if record.position > after][:limit]

    async def end(self) -> int:
        return self._end


class Share(Generic[R]):
    """A projection of one partition: the same rows, with a place of its own."""

    def __init__(self, projection: Projection[R], partition: int) -> None:
        self.name = f"{projection.name}/{partition}"
        self.reads: Literal["events", "derived"] = projection.reads
        self._projection = projection

    def wants(self, record: R) -> bool:
        return self._projection.wants(record)

    def changes(self, parts: Sequence[Any]) -> Any:
        return self._projection.changes(parts)
