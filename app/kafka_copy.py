"""Raw records from one log into another, envelopes kept: data folders and Kafka, either way.

Rules: every machine's records keep their order, and their order with those that concern the site (connectors/kafka_order.py).
Copies are not copied; a target of several partitions makes its own. What the target has already it drops, or its fold does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from tailrace.app import cli_options as options
from tailrace.app import compose, settings
from tailrace.app.edit_log import folder_log
from tailrace.connectors.kafka_order import Order
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import open_log, partition_of
from tailrace.engine.log import Log
from tailrace.schemas.errors import InvalidSettings
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
    return _kafka_target(target) if isinstance(target, KafkaSettings) else folder_log(target)


@asynccontextmanager
async def _kafka_target(target: KafkaSettings) -> AsyncIterator[Log]:
    log = await open_log(target)
    try:
        await log.finish_copies()
        yield log
    finally:
        await log.close()


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
        await logs[home].finish_copies()
        ends: list[int | None] = [await log.end() for log in logs]
        ends[home] = await logs[home].end()  # last, so that no partition has a copy of what comes after it
        order = Order(logs, ends=ends)
        while records := await order.next():
            yield records
    finally:
        for log in logs:
            await log.close()
