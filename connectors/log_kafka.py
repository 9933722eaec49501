"""The `events` log on Kafka: a topic of several partitions, each one order; this log reads one of them and appends to all.

Rules
1. A machine's records go to the partition that its name says, for ever (`partition_of`); several machines share one.
2. A site-wide record goes to the home partition first; once it is acknowledged there, a copy goes to every other one, before
   any later record of the append. What a crash left out is copied when the log is opened the next time.
3. An append is acknowledged when the brokers have stored all of it. Repeats are not looked for here: they reach the log, and the
   first stage of a fold drops them (connectors/kafka_repeats.py), so a receipt has neither duplicates nor conflicts.
4. Positions and `end` are those of the partition that is read; so is `last` of a receipt.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from zlib import crc32

import msgspec

from tailrace.connectors import identity, kafka_topics
from tailrace.connectors.kafka_partition import FOLLOW_MS, PartitionReader
from tailrace.connectors.kafka_records import damaged, message_of, records_of
from tailrace.connectors.kafka_sender import Sender, Sent
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.engine.log import Receipt
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.record import Record

COPIES_LOOK_BACK = 20_000
"""Records at the end of each partition among which copies are looked for when the log is opened."""

READ_MAX = 1000


def partition_of(machine: str, partitions: int) -> int:
    """Where a machine's records are; the site's home partition for "" (which is 0)."""
    return crc32(machine.encode()) % partitions


class KafkaLog:
    """An `events` log on Kafka, read at one partition. Made by `open_log`."""

    def __init__(self, settings: KafkaSettings, partition: int, risk: str) -> None:
        self.settings, self.partition = settings, partition
        self.risk = risk
        self._home = partition_of("", settings.partitions)
        self._others = [p for p in range(settings.partitions) if p != self._home]
        self._sender = Sender(settings)
        self._reader = PartitionReader(settings, settings.events, partition, damaged=damaged)
        self._turn = asyncio.Lock()
        self._under_way = 0
        self._closed = False
        self._changed = asyncio.Event()

    async def append(self, records: Sequence[Record]) -> Receipt:
        self._open()
        for record in records:
            identity.offer(record)
        self._under_way += 1
        try:
            last = await self._append(records)
        finally:
            self._under_way -= 1
            self._tell()
        return Receipt(last or await self._reader.end(), sum(record.n for record in records))

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        self._open()
        return records_of(await self._reader.read(after, limit))

    async def end(self) -> int:
        self._open()
        return await self._reader.end()

    async def follow(self, after: int, limit: int) -> AsyncIterator[Sequence[Record]]:
        reader = PartitionReader(
            self.settings, self.settings.events, self.partition, wait_ms=FOLLOW_MS, damaged=damaged
        )
        try:
            while True:
                self._open()
                batch = records_of(await reader.wait(after, limit))
                if batch:
                    after = batch[-1].position
                    yield batch
        finally:
            await reader.close()

    async def close(self) -> None:
        self._closed = True
        while self._under_way:
            await self._changed.wait()
        await self._sender.close()
        await self._reader.close()

    async def finish_copies(self) -> int:
        """Copies the latest site-wide records that some partition has no copy of; gives how many were missing."""
        if not self._others:
            return 0
        known = {p: {record.copy_of for record in await self._tail(p)} for p in self._others}
        missing = 0
        for record in await self._tail(self._home):
            to = [p for p in self._others if record.position not in known[p]]
            if to:
                missing += len(await (await self._copy(record, record.position, to)).positions())
        return missing

    async def _append(self, records: Sequence[Record]) -> int:
        """The last position in the partition that is read; 0 where nothing went there."""
        sent: list[Sent] = []
        try:
            async with self._turn:
                for wide, group in itertools.groupby(records, key=lambda record: not record.machine):
                    if wide and self.settings.partitions > 1:
                        for record in group:
                            sent += await self._fan_out(record)
                    else:
                        sent.append(await self._enqueue(list(group)))
            return max([await each.last(self.partition) for each in sent], default=0)
        except BaseException:
            for each in sent:
                each.forget()
            raise

    async def _fan_out(self, record: Record) -> list[Sent]:
        """A site-wide record: home first, then the copies."""
        home = await self._enqueue([record])
        (position,) = await home.positions()
        return [home, await self._copy(record, position, self._others)]

    async def _copy(self, record: Record, position: int, to: Sequence[int]) -> Sent:
        copy = msgspec.structs.replace(record, copy_of=position)
        return await self._sender.enqueue(self.settings.events, [message_of(copy, p) for p in to])

    async def _enqueue(self, records: Sequence[Record]) -> Sent:
        messages = [message_of(record, partition_of(record.machine, self.settings.partitions)) for record in records]
        return await self._sender.enqueue(self.settings.events, messages)

    async def _tail(self, partition: int) -> list[Record]:
        """The site-wide records at the end of a partition."""
        reader = PartitionReader(self.settings, self.settings.events, partition, damaged=damaged)
        try:
            end = await reader.end()
            position = max(0, end - COPIES_LOOK_BACK)
            found: list[Record] = []
            while batch := await reader.read(position, READ_MAX):
                found += [record for record in records_of(batch) if not record.machine]
                position += len(batch)
            return found
        finally:
            await reader.close()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _open(self) -> None:
        if self._closed:
            raise Unavailable(f"{self.settings.where}: the log {self.settings.events} is closed")


async def open_log(settings: KafkaSettings, partition: int = 0) -> KafkaLog:
    """A log whose topics are as they have to be. Raises InvalidSettings, Unavailable."""
    return KafkaLog(settings, partition, await kafka_topics.check(settings))
