"""Raw records from one log into another, envelopes kept: data folders and Kafka, either way.

Rules: every machine's records keep their order, and their order with those that concern the site. A log of several partitions is
read along its home partition: before a site-wide record, each other partition is read up to its copy of it. Copies are not
copied; a target of several partitions makes its own. What the target has already it drops, or its fold does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from tailrace.app import cli_options as options
from tailrace.app import compose, settings
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import KafkaLog, open_log, partition_of
from tailrace.engine.log import Log
from tailrace.schemas.errors import InvalidSettings, Owned
from tailrace.schemas.record import Record

BATCH = 500
"""Records in an append."""

Tell = Callable[[int], None]
"""Hears how many records were copied."""


class Copied(msgspec.Struct, frozen=True):
    """What became of the records, and of the events inside: events = appended + duplicate + conflicts."""

    records: int = 0
    events: int = 0
    appended: int = 0
    duplicate: int = 0
    conflicts: int = 0

    def __add__(self, other: Copied) -> Copied:
        return Copied(
            *(a + b for a, b in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True))
        )


Place = Path | KafkaSettings
"""A data folder, or a log on Kafka."""


def place(path: Path) -> Place:
    """What a person names: a data folder, or the log of a plant file. Raises InvalidSettings."""
    if path.is_dir() or path.suffix not in (".yaml", ".yml"):
        return path
    plant = settings.load(path)
    return plant.log if plant.log is not None else options.folder_of(plant, path)


async def copy(source: Place, target: Place, tell: Tell) -> Copied:
    """Copies everything that is in the source now."""
    if source == target:
        raise InvalidSettings(f"expected two logs, got {source} twice")
    done = Copied()
    reading = _of_kafka(source) if isinstance(source, KafkaSettings) else _of_folder(source)
    async with _opened(target) as log:
        async for records in reading:
            done += await _append(log, records)
            tell(done.records)
    return done


async def _append(log: Log, records: Sequence[Record]) -> Copied:
    receipt = await log.append([msgspec.structs.replace(record, position=0, copy_of=0) for record in records])
    events = sum(record.n for record in records)
    return Copied(len(records), events, receipt.appended, receipt.duplicate, len(receipt.conflicts))


def _opened(target: Place) -> AbstractAsyncContextManager[Log]:
    return _kafka_target(target) if isinstance(target, KafkaSettings) else _folder_target(target)


@asynccontextmanager
async def _kafka_target(target: KafkaSettings) -> AsyncIterator[Log]:
    log = await open_log(target)
    try:
        await log.finish_copies()
        yield log
    finally:
        await log.close()


@asynccontextmanager
async def _folder_target(directory: Path) -> AsyncIterator[Log]:
    """The folder's log: owned meanwhile, or through the process that owns it."""
    try:
        with compose.own(directory):
            log = compose.SqliteLog(directory / compose.EVENTS_FILE)
            try:
                yield log
            finally:
                await log.close()
    except Owned:
        if not compose.listens(directory):
            raise
        through = compose.SocketLog(directory)
        try:
            yield through
        finally:
            await through.close()


async def _of_folder(directory: Path) -> AsyncIterator[Sequence[Record]]:
    with compose.reading(directory) as log:
        position, end = 0, log.end()
        while records := log.read(position, min(BATCH, end - position)) if position < end else []:
            yield records
            position = records[-1].position


async def _of_kafka(source: KafkaSettings) -> AsyncIterator[Sequence[Record]]:
    home = partition_of("", source.partitions)
    logs = [await open_log(source, partition) for partition in range(source.partitions)]
    try:
        main = _Stream(logs[home], await logs[home].end())
        await logs[home].finish_copies()
        others = [_Stream(log, await log.end()) for log in logs if log.partition != home]
        waiting: list[Record] = []
        async for record in _merged(main, others):
            waiting.append(record)
            if len(waiting) == BATCH:
                yield waiting
                waiting = []
        if waiting:
            yield waiting
    finally:
        for log in logs:
            await log.close()


async def _merged(main: _Stream, others: Sequence[_Stream]) -> AsyncIterator[Record]:
    while (record := await main.next()) is not None:
        if not record.machine:
            for other in others:
                async for before in other.until_copy(record.position):
                    yield before
        yield record
    for other in others:
        async for rest in other.until_copy(0):
            yield rest


class _Stream:
    """The records of one partition, up to where it ended at the beginning."""

    def __init__(self, log: KafkaLog, end: int) -> None:
        self._log, self._end = log, end
        self._position = 0
        self._records: list[Record] = []

    async def next(self) -> Record | None:
        """The next record; None at the end."""
        if not self._records:
            if self._position >= self._end:
                return None
            found = await self._log.read(self._position, min(BATCH, self._end - self._position))
            self._position = found[-1].position
            self._records = list(reversed(found))
        return self._records.pop()

    async def until_copy(self, of: int) -> AsyncIterator[Record]:
        """The records before the copy of a record of the home partition, without copies; 0 = all that are left."""
        while (record := await self.next()) is not None:
            if not record.copy_of:
                yield record
            elif of and record.copy_of == of:
                return
