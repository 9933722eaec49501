"""A worker on Kafka: folds the partitions that its group gives it, each of them by every topology.

Rules
1. A partition is this process's from an assignment to the next rebalance. It begins with a restore (engine/restore.py), and ends
   with its state dropped; a checkpoint before that only spares the next one some folding.
2. Every rebalance is a new generation. It is read before each fetch and compared under the lock before anything is folded: what
   was fetched in an earlier one is thrown away, since its place in the log belongs to nobody now.
3. Records are folded in the order of their offsets, without a hole; a batch that does not begin where the state stands is thrown
   away, and read again from there.
4. The loop is never held for longer than a third of the session: batches are cut by how long the last one took.
5. Whatever fails ends the partition's tenancy: it is restored after a pause, and the others go on meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError

from tailrace.connectors import kafka_clients, kafka_topics
from tailrace.connectors.checkpoints_kafka import KafkaCheckpoints
from tailrace.connectors.derived_kafka import KafkaDerivedLog
from tailrace.connectors.kafka_partition import leave
from tailrace.connectors.kafka_records import record_of
from tailrace.connectors.kafka_repeats import Seen
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import KafkaLog
from tailrace.engine.topology import Topology
from tailrace.engine.worker import Worker
from tailrace.schemas.errors import TailraceError, Unavailable
from tailrace.schemas.record import Record

FETCH_MS = 100
FETCH_BYTES = 4 * 1024 * 1024
SLICE_FIRST = 16
"""Records in the first batch, before anything is known of how long one takes."""

RETRY_S = 0.5
TELL_S = 2.0
"""How often the group is told how far a worker is."""

_said = logging.getLogger("tailrace")


class Share:
    """One partition in this process's hands: a worker for each topology, and where the slowest of them stands."""

    def __init__(
        self, settings: KafkaSettings, partition: int, topologies: Sequence[Topology], *, checkpoint_every: int
    ) -> None:
        self.partition = partition
        self._sender = Sender(settings)
        self._events = KafkaLog(settings, partition, "")
        self._derived = KafkaDerivedLog(settings, partition, self._sender)
        self._checkpoints = KafkaCheckpoints(settings, partition, self._sender)
        self._workers = [
            Worker(each, self._events, self._derived, self._checkpoints, first=Seen, checkpoint_every=checkpoint_every)
            for each in topologies
        ]

    @property
    def position(self) -> int:
        """The last record that every topology has folded."""
        return min(worker.position for worker in self._workers)

    async def restore(self) -> None:
        """Brings every topology to where its newest checkpoint that holds stands."""
        for worker in self._workers:
            await worker.restore()

    async def take(self, records: Sequence[Record]) -> None:
        """Folds records that come right after `position`; a topology that is further has them behind it."""
        for worker in self._workers:
            stands = worker.position
            await worker.take([record for record in records if record.position > stands])

    async def reach(self, until: int | None = None) -> None:
        """Folds what is in the log, to a position or to its end, read by itself."""
        for worker in self._workers:
            await worker.drain(until)

    async def checkpoint(self) -> None:
        """So that the next owner has little to fold."""
        for worker in self._workers:
            await worker.checkpoint()

    async def close(self) -> None:
        """Leaves the brokers."""
        await self._sender.close()
        for each in (self._derived, self._checkpoints, self._events):
            await each.close()


class KafkaWorker(ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs until `stop`. batch: the most records that are folded at once."""

    def __init__(
        self, settings: KafkaSettings, topologies: Callable[[], Sequence[Topology]], *,
        batch: int = 500, checkpoint_every: int = 10_000,
    ) -> None:  # fmt: skip
        self._settings, self._topologies = settings, topologies
        self._batch, self._checkpoint_every = batch, checkpoint_every
        self._generation = 0
        self._lock = asyncio.Lock()
        self._stopped = asyncio.Event()
        self._assigned: set[int] = set()
        self._shares: dict[int, Share] = {}
        self._pauses: dict[int, float] = {}
        self._slice = SLICE_FIRST
        self._told = 0.0
        self._consumer: Any = None
        self.held: dict[int, int] = {}

    def stop(self) -> None:
        """Ends `run`."""
        self._stopped.set()

    async def run(self) -> None:
        """Until `stop`; brokers that are away are waited for. Raises InvalidSettings where topics are not as they have to be."""
        while not self._stopped.is_set():
            try:
                await self._stay()
            except (Unavailable, KafkaError, OSError) as error:
                _said.error("%s: %s; trying again", self._settings.where, error)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), RETRY_S)

    async def _stay(self) -> None:
        """Joins the group and folds, until `stop` or until the brokers are away."""
        risk = await kafka_topics.check(self._settings)
        if risk:
            _said.warning("%s", risk)
        self._consumer = self._member()
        self._consumer.subscribe([self._settings.events], listener=self)
        try:
            await self._consumer.start()
            while not self._stopped.is_set():
                await self._round()
        finally:
            await self._leave()

    # -- the group -----------------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called before partitions are given to others: nothing of theirs is folded after it."""
        self._generation += 1
        async with self._lock:
            self._assigned = set()
            await self._let_go(list(self._shares))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called with what is this process's now; nothing is fetched of it before its state is restored."""
        self._generation += 1
        async with self._lock:
            self._assigned = {each.partition for each in assigned}
            self._consumer.pause(*assigned)
            _said.info("partitions: %s", ", ".join(map(str, sorted(self._assigned))) or "none")

    def _member(self) -> Any:
        session = self._settings.session_s
        return AIOKafkaConsumer(
            **kafka_clients.options(self._settings), group_id=self._settings.group, enable_auto_commit=False,
            auto_offset_reset="earliest", session_timeout_ms=int(session * 1000),
            heartbeat_interval_ms=int(session * 1000 / 5), rebalance_timeout_ms=int(max(session, 5) * 1000),
            fetch_max_wait_ms=FETCH_MS, max_partition_fetch_bytes=FETCH_BYTES,
        )  # fmt: skip

    async def _leave(self) -> None:
        self._generation += 1
        async with self._lock:
            self._assigned = set()
            await self._let_go(list(self._shares))
        await leave(self._consumer)

    async def _let_go(self, partitions: Iterable[int]) -> None:
        """Drops the states; under the lock."""
        for partition in partitions:
            share = self._shares.pop(partition)
            self.held.pop(partition, None)
            with suppress(TailraceError, TimeoutError):
                async with asyncio.timeout(self._settings.session_s / 3):
                    await share.checkpoint()
            await share.close()

    # -- records -------------------------------------------------------------------------------------------------------

    async def _round(self) -> None:
        """One fetch, and what it brought."""
        await self._begin()
        generation = self._generation
        try:
            batches = await self._fetch()
        except CorruptRecordException:
            batches = {}
            await self._read_on(generation)
        async with self._lock:
            if self._stale(generation):
                return
            for place, messages in batches.items():
                await self._guard(place.partition, self._fold(place, messages, generation))
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

    async def _fetch(self) -> Any:
        """Messages by partition; none where `stop` came first, for a fetch waits as long as a rebalance takes."""
        fetching = asyncio.ensure_future(self._consumer.getmany(timeout_ms=FETCH_MS, max_records=self._batch))
        stopping = asyncio.ensure_future(self._stopped.wait())
        await asyncio.wait((fetching, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if fetching.done():
            return fetching.result()
        fetching.cancel()
        await asyncio.wait((fetching,))
        return {}

    def _stale(self, generation: int) -> bool:
        """Whether partitions have changed hands since; to be asked under the lock."""
        return generation != self._generation

    async def _begin(self) -> None:
        """Restores what was assigned and is not held yet."""
        for partition in sorted(self._assigned - self._shares.keys()):
            if time.monotonic() < self._pauses.get(partition, 0):
                continue
            generation = self._generation
            share = Share(
                self._settings, partition, self._topologies(), checkpoint_every=self._checkpoint_every
            )  # fmt: skip
            restored = await self._guard(partition, share.restore())
            async with self._lock:
                if restored and not self._stale(generation):
                    self._shares[partition] = share
                    self._seek(partition, share.position)
                    continue
            await share.close()

    def _seek(self, partition: int, position: int) -> None:
        place = TopicPartition(self._settings.events, partition)
        self._consumer.seek(place, position)
        self._consumer.resume(place)
        self.held[partition] = position

    async def _fold(self, place: TopicPartition, messages: Sequence[Any], generation: int) -> None:
        share = self._shares.get(place.partition)
        if share is None or not messages:
            return
        if messages[0].offset != share.position:
            self._seek(place.partition, share.position)
            return
        records = [record_of(message) for message in messages]
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
            self._slice = min(self._batch, self._slice * 2)

    async def _guard(self, partition: int, doing: Any) -> bool:
        """Does it; what fails is said, and the partition begins anew after a pause."""
        try:
            await doing
        except TailraceError as error:
            _said.error("partition %d: %s", partition, error)
            self._pauses[partition] = time.monotonic() + RETRY_S
            share = self._shares.pop(partition, None)
            self.held.pop(partition, None)
            if share is not None:
                self._consumer.pause(TopicPartition(self._settings.events, partition))
                await share.close()
            return False
        return True
