"""What hosts of a worker on Kafka have in common: partitions in this process's hands, and what is done about trouble.

Rules
1. A partition is this process's from an assignment to the next rebalance. It begins with a restore (engine/restore.py), and ends
   with its state dropped; a checkpoint before that only spares the next one some folding.
2. Every rebalance is a new generation; what was begun in an earlier one is thrown away, since its place belongs to nobody now.
3. Whatever fails ends the partition's tenancy: it is restored after a pause, and the others go on meanwhile.
4. Brokers that are away are waited for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from aiokafka.errors import KafkaError

from tailrace.connectors import kafka_topics
from tailrace.connectors.checkpoints_kafka import KafkaCheckpoints
from tailrace.connectors.derived_kafka import KafkaDerivedLog
from tailrace.connectors.kafka_repeats import Seen
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import KafkaLog
from tailrace.engine.topology import Topology
from tailrace.engine.worker import Worker
from tailrace.schemas.errors import TailraceError, Unavailable
from tailrace.schemas.record import Record

RETRY_S = 0.5

said = logging.getLogger("tailrace")


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


S = TypeVar("S", bound=Share)


class Host(ABC, Generic[S]):
    """Runs until `stop`. held: where each partition stands that is restored."""

    _kind: type[S]
    """What a partition is held in."""

    def __init__(
        self, settings: KafkaSettings, topologies: Callable[[], Sequence[Topology]], *, checkpoint_every: int = 10_000
    ) -> None:
        self._settings, self._topologies, self._checkpoint_every = settings, topologies, checkpoint_every
        self._generation = 0
        self._lock = asyncio.Lock()
        self._stopped = asyncio.Event()
        self._assigned: set[int] = set()
        self._shares: dict[int, S] = {}
        self._pauses: dict[int, float] = {}
        self.held: dict[int, int] = {}

    def stop(self) -> None:
        """Ends `run`."""
        self._stopped.set()

    async def run(self) -> None:
        """Until `stop`; brokers that are away are waited for. Raises InvalidSettings where topics are not as they have to be."""
        while not self._stopped.is_set():
            try:
                risk = await kafka_topics.check(self._settings)
                if risk:
                    said.warning("%s", risk)
                await self._stay()
            except (Unavailable, KafkaError, OSError) as error:
                said.error("%s: %s; trying again", self._settings.where, error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), RETRY_S)

    @abstractmethod
    async def _stay(self) -> None:
        """Joins the group and folds, until `stop` or until the brokers are away."""

    def _given(self) -> None:
        """Other partitions are this process's; under the lock."""

    def _began(self, share: S) -> None:
        """A partition is restored; under the lock."""
        self.held[share.partition] = share.position

    def _failed(self, partition: int) -> None:
        """A partition that was held is to be restored anew."""

    def _stale(self, generation: int) -> bool:
        """Whether partitions have changed hands since; to be asked under the lock."""
        return generation != self._generation

    async def _assign(self, partitions: Iterable[int]) -> None:
        """Drops every state: what is this process's now begins anew."""
        self._generation += 1
        async with self._lock:
            self._assigned = set(partitions)
            self._given()
            said.info("partitions: %s", ", ".join(map(str, sorted(self._assigned))) or "none")
            for partition in list(self._shares):
                share = self._shares.pop(partition)
                self.held.pop(partition, None)
                with suppress(TailraceError, TimeoutError):
                    async with asyncio.timeout(self._settings.session_s / 3):
                        await share.checkpoint()
                await share.close()

    async def _begin(self) -> None:
        """Restores what was assigned and is not held yet."""
        for partition in sorted(self._assigned - self._shares.keys()):
            if time.monotonic() < self._pauses.get(partition, 0):
                continue
            generation = self._generation
            share = self._kind(
                self._settings, partition, self._topologies(), checkpoint_every=self._checkpoint_every
            )  # fmt: skip
            restored = await self._guard(partition, share.restore())
            async with self._lock:
                if restored and not self._stale(generation):
                    self._shares[partition] = share
                    self._began(share)
                    continue
            await share.close()

    async def _guard(self, partition: int, doing: Any) -> bool:
        """Does it; what fails is said, and the partition begins anew after a pause."""
        try:
            await doing
        except TailraceError as error:
            said.error("partition %d: %s", partition, error)
            self._pauses[partition] = time.monotonic() + RETRY_S
            share = self._shares.pop(partition, None)
            self.held.pop(partition, None)
            if share is not None:
                self._failed(partition)
                await share.close()
            return False
        return True
