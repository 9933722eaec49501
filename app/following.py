"""A data folder that follows a log on Kafka: each record goes into events.db too, so that all that reads a folder works.

Rules
1. Kafka is the log. events.db is a copy of it in one order of all partitions (connectors/kafka_order.py), which drops repeats as
   a log of its own does; the folder can be deleted, and is filled again.
2. Sources append to Kafka alone, and are acknowledged then; this disk may be full or slow. What people and other processes append
   goes to Kafka as well, and returns when it is in events.db, where its verdict is looked for.
3. Where it goes on is written after what it stands for, so a start may bring records again: they are known by their ids, and
   those without one by what is behind the end that was written.
4. A record that is not the one that was followed is another log: nothing is taken of it.
5. What a log of its own would refuse parks its machine here too, and a second content of an id is quarantined in the log on Kafka
   (app/followed.py); neither holds up others.
6. A fan-out that a crash left incomplete would hold up every partition; it is finished here once it has lasted COPIES_S.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from tailrace.app import followed, kafka_folder
from tailrace.app.kafka_folder import KafkaFolder
from tailrace.connectors import kafka_topics
from tailrace.connectors.archive import Sealed
from tailrace.connectors.kafka_order import Order
from tailrace.connectors.log_kafka import KafkaLog, partition_of
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.engine.log import Receipt
from tailrace.engine.restore import record_hash
from tailrace.schemas import codec
from tailrace.schemas.errors import Conflict, InvalidEvent, Unavailable
from tailrace.schemas.record import Record

LOOK_S = 0.1
"""How long is waited for something new where every partition is at its end."""

SAVE_S = 1.0
"""How often the places are written while records come."""

COPIES_S = 10.0
ARRIVE_S = 10.0
"""How long an append by people may take from Kafka into the folder."""

AGAIN_MAX = 20_000
"""Records behind the end that was written among which those without an id are looked for."""


class Following:
    """Brings a log on Kafka into the log of a folder. `prepare`, then `run`; both may be tried again after Unavailable."""

    def __init__(self, folder: KafkaFolder, directory: Path, here: SqliteLog) -> None:
        self._directory, self._here = directory, here
        self._settings = settings = folder.log
        self._folder = self._written = folder
        self._ends = self._folder.places
        self._poke = asyncio.Event()
        self._moved = asyncio.Event()
        self._saved = 0.0
        self.risk = ""
        self._logs = [KafkaLog(settings, partition, "") for partition in range(settings.partitions)]
        self.log = self._logs[partition_of("", settings.partitions)]

    @property
    def status(self) -> dict[str, Any]:
        """How it is, for `tailrace status`."""
        behind = sum(max(0, end - place) for end, place in zip(self._ends, self._folder.places, strict=True))
        return {
            "brokers": self._settings.servers,
            "topic": self._settings.events,
            "behind_records": behind,
            "risk": self.risk,
        }

    async def prepare(self) -> None:
        """Looks at the topics and finishes what a crash left of a fan-out. Raises InvalidSettings, Unavailable."""
        self.risk = await kafka_topics.check(self._settings)
        await self.log.finish_copies()

    async def run(self) -> None:
        """Takes what comes, for ever. Raises Unavailable where brokers are away, Conflict where it is another log."""
        await self._require_same()
        again = await self._stored_again()
        try:
            await self._follow(again)
        finally:
            with suppress(OSError):
                self._save()

    async def arrived(self) -> None:
        """Returns when everything that is in Kafka now is here too; raises Unavailable when that takes too long."""
        ends = await asyncio.gather(*(log.end() for log in self._logs))
        try:
            async with asyncio.timeout(ARRIVE_S):
                while any(place < end for place, end in zip(self._folder.places, ends, strict=True)):
                    self._poke.set()
                    await self._moved.wait()
        except TimeoutError:
            raise Unavailable(
                f"{self._directory}: it is in the log on Kafka, but was not in this folder within {ARRIVE_S:.0f} s; "
                "see `tailrace status` for what holds it up"
            ) from None

    async def close(self) -> None:
        """Leaves the brokers."""
        for log in self._logs:
            await log.close()

    async def _follow(self, again: Counter[bytes]) -> None:
        order = Order(self._logs, self._folder.places)
        lacking = 0.0
        while True:
            self._poke.clear()
            records = await order.next()
            if order.places != self._folder.places:
                await self._take(records, order, again)
                if time.monotonic() - self._saved > SAVE_S:
                    self._ends = await asyncio.gather(*(log.end() for log in self._logs))
                    self._save()
                continue
            self._ends = self._folder.places
            self._save()
            lacking = (lacking or time.monotonic()) if order.lacking else 0.0
            if lacking and time.monotonic() - lacking > COPIES_S:
                await self.log.finish_copies()
                lacking = 0.0
            with suppress(TimeoutError):
                await asyncio.wait_for(self._poke.wait(), LOOK_S)

    async def _take(self, records: Sequence[Record], order: Order, again: Counter[bytes]) -> None:
        fresh = [record for record in records if not (again and _taken(again, _hash_here(record)))]
        end = await self._keep(fresh) if fresh else self._folder.end
        hashes = [
            record_hash(last) if last else before
            for last, before in zip(order.lasts, self._folder.hashes, strict=True)
        ]  # fmt: skip
        self._folder = msgspec.structs.replace(self._folder, places=order.places, hashes=hashes, end=end)
        self._moved.set()
        self._moved = asyncio.Event()

    async def _keep(self, records: Sequence[Record]) -> int:
        """Appends to events.db, and tells the log on Kafka what came again with other content; gives the end here."""
        try:
            receipt = await self._here.append([_placeless(record) for record in records])
        except InvalidEvent:
            receipt = await self._here.append([followed.kept(_placeless(record)) for record in records])
        said = followed.notes(records, receipt.conflicts, self._settings.partitions)
        if said:
            await self.log.append(said)
        return receipt.last

    def _save(self) -> None:
        if self._folder != self._written:
            kafka_folder.write(self._directory, self._folder)
            self._written = self._folder
        self._saved = time.monotonic()

    async def _require_same(self) -> None:
        for log, place, wanted in zip(self._logs, self._folder.places, self._folder.hashes, strict=True):
            if not place:
                continue
            found = await log.read(place - 1, 1)
            if [record_hash(record) for record in found] != [wanted]:
                raise Conflict(
                    f"{self._directory}: expected at position {place} of topic {self._settings.events}, partition "
                    f"{log.partition}, the record that this folder followed, got {'another' if found else 'none'}: it is "
                    "another log; bring that one back, or delete the folder: it is filled again"
                )

    async def _stored_again(self) -> Counter[bytes]:
        """Records without an id that came after the places were written: they come again, and nothing else knows them."""
        found: Counter[bytes] = Counter()
        for record in await self._here.read(self._folder.end, AGAIN_MAX):
            if not record.first_seq and not all(_ids(record)):
                found[record_hash(_placeless(record))] += 1
        return found


class ThroughKafka:
    """The log that people and other processes are given: what they append goes to Kafka, what they read is in the folder."""

    def __init__(self, following: Following, here: SqliteLog) -> None:
        self._following, self._here = following, here

    async def append(self, records: Sequence[Record]) -> Receipt:
        receipt = await self._following.log.append(records)
        await self._following.arrived()
        return msgspec.structs.replace(receipt, last=await self._here.end())

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        return await self._here.read(after, limit)

    async def end(self) -> int:
        return await self._here.end()

    def follow(self, after: int, limit: int) -> AsyncIterator[Sequence[Record]]:
        return self._here.follow(after, limit)

    async def seal(self, sealed: Sealed) -> None:
        """Enters a file of the folder's archive."""
        await self._here.seal(sealed)

    async def sweep(self) -> None:
        """Removes what is archived."""
        await self._here.sweep()

    async def close(self) -> None:
        """Nothing: both logs are their owner's."""


def _placeless(record: Record) -> Record:
    """A record without its place on Kafka: it gets another one here."""
    return msgspec.structs.replace(record, position=0)


def _hash_here(record: Record) -> bytes:
    """What a record of Kafka is known by in events.db, where it has no id."""
    return record_hash(followed.kept(_placeless(record)))


def _ids(record: Record) -> Sequence[str]:
    try:
        return codec.ids_of(record)
    except (InvalidEvent, ValueError, LookupError):
        return [record.id]


def _taken(counts: Counter[bytes], key: bytes) -> bool:
    """Takes one of a kind away; False where there is none."""
    if not counts[key]:
        return False
    counts[key] -= 1
    return True
