"""The `derived` log on Kafka: what is derived of a partition of `events` is in the partition of the same number.

Rules: an append is acknowledged by all brokers in step, and fails as a whole; then some of its records may be stored. Whether an
output is new, its reader knows by its n (engine/reader.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.connectors.kafka_partition import PartitionReader
from tailrace.connectors.kafka_records import derived_of, message_of_derived
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.record import Derived


class KafkaDerivedLog:
    """One partition of a `derived` log; the sender is its owner's, who closes it."""

    def __init__(self, settings: KafkaSettings, partition: int, sender: Sender) -> None:
        self._settings, self._partition, self._sender = settings, partition, sender
        self._reader = PartitionReader(settings, settings.derived, partition)
        self._closed = False

    async def append(self, records: Sequence[Derived]) -> int:
        self._open()
        if not records:
            return await self._reader.end()
        messages = [message_of_derived(record, self._partition) for record in records]
        return (await self._sender.send(self._settings.derived, messages))[-1]

    async def read(self, after: int, limit: int) -> Sequence[Derived]:
        self._open()
        return [derived_of(each) for each in await self._reader.read(after, limit)]

    async def end(self) -> int:
        self._open()
        return await self._reader.end()

    async def close(self) -> None:
        """Afterwards every call raises Unavailable."""
        self._closed = True
        await self._reader.close()

    def _open(self) -> None:
        if self._closed:
            raise Unavailable(f"{self._settings.where}: the log {self._settings.derived} is closed")
