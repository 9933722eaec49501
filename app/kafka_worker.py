"""A worker on Kafka: folds the partitions that its group gives it, each of them by every topology.

Rules, beside those of app/kafka_host.py
1. The generation is read before each fetch and compared under the lock before anything is folded: what was fetched in an
   earlier one is thrown away.
2. Records are folded in the order of their offsets, without a hole; a batch that does not begin where the state stands is thrown
   away, and read again from there.
3. The loop is never held for longer than a third of the session: batches are cut by how long the last one took.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError

from tailrace.app.kafka_host import Host, Share
from tailrace.connectors import kafka_clients
from tailrace.connectors.kafka_partition import leave
from tailrace.connectors.kafka_records import records_of
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.engine.topology import Topology
from tailrace.schemas.record import Record

FETCH_MS = 100
FETCH_BYTES = 4 * 1024 * 1024
PIECE = 1_000
"""Messages that are fetched and made records at once, at most."""

SLICE_FIRST = 16
"""Records in the first batch, before anything is known of how long one takes."""

SLICE_GROWS = 4
"""How many times as large the next batch is where one took less than an eighth of what it may."""

TELL_S = 2.0
"""How often the group is told how far a worker is."""


class KafkaWorker(Host[Share], ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs until `stop`. batch: the most records that are folded at once."""

    _kind = Share

    def __init__(
        self, settings: KafkaSettings, topologies: Callable[[], Sequence[Topology]], *,
        batch: int = 5_000, checkpoint_every: int = 10_000,
    ) -> None:  # fmt: skip
        super().__init__(settings, topologies, checkpoint_every=checkpoint_every)
        self._batch = batch
        self._slice = SLICE_FIRST
        self._told = 0.0
        self._consumer: Any = None

    async def _stay(self) -> None:
        self._consumer = self._member()
        self._consumer.subscribe([self._settings.events], listener=self)
        try:
            await self._consumer.start()
            while not self._stopped.is_set():
                await self._round()
        finally:
            await self._assign(())
            await leave(self._consumer)

    # -- the group -----------------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called before partitions are given to others: nothing of theirs is folded after it."""
        await self._assign(())

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called with what is this process's now; nothing is fetched of it before its state is restored."""
        await self._assign(each.partition for each in assigned)

    def _member(self) -> Any:
        session = self._settings.session_s
        return AIOKafkaConsumer(
            **kafka_clients.options(self._settings), group_id=self._settings.group, enable_auto_commit=False,
            auto_offset_reset="earliest", session_timeout_ms=int(session * 1000),
            heartbeat_interval_ms=int(session * 1000 / 5), rebalance_timeout_ms=int(max(session, 5) * 1000),
            fetch_max_wait_ms=FETCH_MS, max_partition_fetch_bytes=FETCH_BYTES,
        )  # fmt: skip

    def _given(self) -> None:
        self._consumer.pause(*(TopicPartition(self._settings.events, each) for each in self._assigned))

    def _began(self, share: Share) -> None:
        self._seek(share.partition, share.position)

    def _failed(self, partition: int) -> None:
        self._consumer.pause(TopicPartition(self._settings.events, partition))

    # -- records -------------------------------------------------------------------------------------------------------

    async def _round(self) -> None:
        """One fetch, and what it brought."""
        await self._begin()
        generation = self._generation
        try:
            batches = await self._gather()
        except CorruptRecordException:
            batches = {}
            await self._read_on(generation)
        async with self._lock:
            if self._stale(generation):
                return
            for place, records in batches.items():
                await self._guard(place.partition, self._fold(place, records, generation))
            await self._tell()

    async def _tell(self) -> None:
        """Says in the group how far it is, for whoever asks who is behind; nobody goes on from there."""
        if not self.held or time.monotonic() - self._told < TELL_S:
            return
        self._told = time.monotonic()
        places = {TopicPartition(self._settings.events, each): position for each, position in self.held.items()}
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(self._settings.session_s / 3):
                await self._consumer.commit(places)

    async def _read_on(self, generation: int) -> None:
        """A fetch fails as a whole where one record is damaged: each partition reads what comes next by itself."""
        async with self._lock:
            for partition, share in list(self._shares.items()):
                if not self._stale(generation) and await self._guard(
                    partition, share.reach(share.position + self._slice)
                ):
                    self._seek(partition, share.position)

    async def _gather(self) -> dict[TopicPartition, list[Record]]:
        """What comes next by partition: as much as may be folded at once, where it is there."""
        found: dict[TopicPartition, list[Record]] = {}
        count, wait_ms = 0, FETCH_MS
        while True:
            pieces = await self._fetch(wait_ms)
            for place, messages in pieces.items():
                found.setdefault(place, []).extend(records_of(messages))
            brought = sum(map(len, pieces.values()))
            count, wait_ms = count + brought, 0
            if brought < PIECE or count >= self._slice:
                return found

    async def _fetch(self, wait_ms: int) -> Any:
        """Messages by partition; none where `stop` came first, for a fetch waits as long as a rebalance takes."""
        fetching = asyncio.ensure_future(self._consumer.getmany(timeout_ms=wait_ms, max_records=PIECE))
        stopping = asyncio.ensure_future(self._stopped.wait())
        await asyncio.wait((fetching, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if fetching.done():
            return fetching.result()
        fetching.cancel()
        await asyncio.wait((fetching,))
        return {}

    def _seek(self, partition: int, position: int) -> None:
        place = TopicPartition(self._settings.events, partition)
        self._consumer.seek(place, position)
        self._consumer.resume(place)
        self.held[partition] = position

    async def _fold(self, place: TopicPartition, records: Sequence[Record], generation: int) -> None:
        share = self._shares.get(place.partition)
        if share is None or not records:
            return
        if records[0].position != share.position + 1:
            self._seek(place.partition, share.position)
            return
        while records and not self._stale(generation):
            some, records = records[: self._slice], records[self._slice :]
            await self._timed(share, some)
            self.held[place.partition] = share.position
            await asyncio.sleep(0)

    async def _timed(self, share: Share, records: Sequence[Record]) -> None:
        """Folds, and makes the next batch smaller or larger by how long it took."""
        began = time.monotonic()
        await share.take(records)
        took, most = time.monotonic() - began, self._settings.session_s / 3
        if took > most / 2:
            self._slice = max(1, self._slice // 2)
        elif took < most / 8 and len(records) == self._slice:
            self._slice = min(self._batch, self._slice * SLICE_GROWS)
