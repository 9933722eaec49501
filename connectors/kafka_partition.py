"""Reads one partition of a topic by positions: 1, 2, 3, without a hole unless the topic is compacted.

Rules: a message is given once its predecessors were; an offset that is missing, or a beginning that the broker has thrown
away, is an error that names topic, partition and position. One call at a time. A reader commits nothing and is in no group.
What the broker stored together has one checksum. Where that does not hold, the messages are given if one of them shows by
itself that it is the damaged one (`damaged`); else it is an error, for any of them may be another than was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError, OffsetOutOfRangeError

from tailrace.connectors import kafka_clients
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.schemas.errors import Unavailable

FETCH_BYTES = 4 * 1024 * 1024
SEEK_MS = 20
"""How long a fetch may wait at the end of the log: a jump elsewhere waits for it."""

FOLLOW_MS = 200
TOGETHER_MAX = 1000
"""Messages before a position that are looked at with it, as the brokers may have stored them with one checksum."""

ANSWER_S = 30.0


class PartitionReader:
    """One partition. Any task may call; calls wait for each other. damaged: whether a message shows that it is."""

    def __init__(
        self, settings: KafkaSettings, topic: str, partition: int, *, wait_ms: int = SEEK_MS,
        damaged: Callable[[Any], bool] = lambda _: False,
    ) -> None:  # fmt: skip
        self._settings, self._place = settings, TopicPartition(topic, partition)
        self._wait_ms, self._damaged = wait_ms, damaged
        self._consumer: Any = None
        self._one = asyncio.Lock()
        self._at = 0
        self._end = 0

    async def read(self, after: int, limit: int) -> list[Any]:
        """The messages after a position, at most so many; [] at the end."""
        async with self._one:
            if self._end < after + limit:
                self._end = await self._asked()
            wanted = min(limit, self._end - after)
            if wanted <= 0:
                return []
            found: list[Any] = []
            async with asyncio.timeout(ANSWER_S):
                try:
                    while len(found) < wanted:
                        found += await self._fetch(after + len(found), wanted - len(found))
                except TimeoutError:
                    raise Unavailable(
                        f"{self._name}: expected position {after + len(found) + 1} within {ANSWER_S} s, got no answer"
                    ) from None
            return found

    async def read_some(self, after: int, limit: int, end: int) -> list[Any]:
        """Some messages after a position and before the end; [] where all of them were compacted away."""
        async with self._one:
            try:
                async with asyncio.timeout(ANSWER_S):
                    while not (found := await self._fetch(after, limit, gaps=True)):
                        if await self._consumer.position(self._place) >= end:
                            break
            except TimeoutError:
                raise Unavailable(f"{self._name}: expected a message within {ANSWER_S} s, got no answer") from None
            return found

    async def wait(self, after: int, limit: int) -> list[Any]:
        """The messages after a position that are there, or come soon; [] when none came in a while."""
        async with self._one:
            return await self._fetch(after, limit)

    async def end(self) -> int:
        """The last position; 0 = empty."""
        async with self._one:
            self._end = await self._asked()
            return self._end

    async def close(self) -> None:
        """Waits for the call under way."""
        async with self._one:
            consumer, self._consumer = self._consumer, None
            if consumer is not None:
                await leave(consumer)

    async def _asked(self) -> int:
        consumer = await self._open()
        try:
            return int((await consumer.end_offsets([self._place]))[self._place])
        except (KafkaError, OSError) as error:
            raise self._away(error) from error

    async def _fetch(self, after: int, limit: int, *, gaps: bool = False) -> list[Any]:
        consumer = await self._open()
        if self._at != after:
            consumer.seek(self._place, after)
            self._at = after
        try:
            batch = await consumer.getmany(self._place, timeout_ms=self._wait_ms, max_records=limit)
        except OffsetOutOfRangeError:
            self._at = -1
            raise Unavailable(
                f"{self._name}: expected position {after + 1}, got none: the topic lost its beginning or its end; "
                "retention.ms and retention.bytes have to be -1; restore it from a backup"
            ) from None
        except CorruptRecordException:
            self._at = -1
            batch = {self._place: await self._unchecked(after, limit)}
        except (KafkaError, OSError) as error:
            self._at = -1
            raise self._away(error) from error
        found = batch.get(self._place, [])
        for expected, message in enumerate(found, after):
            if message.offset != expected and not gaps:
                self._at = -1
                raise Unavailable(f"{self._name}: expected position {expected + 1}, got {message.offset + 1}")
        if self._at != -1:
            self._at = found[-1].offset + 1 if found else after
        return list(found)

    async def _unchecked(self, after: int, limit: int) -> list[Any]:
        """Messages of which the checksum of the brokers does not hold, looked at with those that may be stored with them."""
        found: list[Any] = []
        consumer = await self._started(check_crcs=False)
        try:
            end = min(after + limit, int((await consumer.end_offsets([self._place]))[self._place]))
            consumer.seek(self._place, max(0, after - TOGETHER_MAX))
            async with asyncio.timeout(ANSWER_S):
                while not found or found[-1].offset + 1 < end:
                    found += (await consumer.getmany(self._place, timeout_ms=self._wait_ms)).get(self._place, [])
        except Exception as error:  # whatever a decoder makes of bytes that are not those that were written
            raise self._away(error) from error
        finally:
            await leave(consumer)
        if not any(map(self._damaged, found)):
            raise Unavailable(
                f"{self._name}: expected messages from position {after + 1} on whose checksum holds, got others, and it is not "
                "to be seen which of them is damaged; restore the topic from a backup"
            )
        return [message for message in found if after <= message.offset < end]

    async def _open(self) -> Any:
        if self._consumer is None:
            consumer = await self._started()
            consumer.seek(self._place, 0)
            self._consumer, self._at = consumer, 0
        return self._consumer

    async def _started(self, *, check_crcs: bool = True) -> Any:
        consumer = AIOKafkaConsumer(
            **kafka_clients.options(self._settings), group_id=None, enable_auto_commit=False,
            auto_offset_reset="none", max_partition_fetch_bytes=FETCH_BYTES, fetch_max_wait_ms=self._wait_ms,
            check_crcs=check_crcs,
        )  # fmt: skip
        consumer.assign([self._place])
        try:
            await consumer.start()
        except BaseException as error:
            await leave(consumer)
            if isinstance(error, (KafkaError, OSError)):
                raise await kafka_clients.away(self._settings, error) from error
            raise
        return consumer

    @property
    def _name(self) -> str:
        return f"topic {self._place.topic}, partition {self._place.partition}"

    def _away(self, error: Exception) -> Unavailable:
        return Unavailable(f"{self._settings.where}: {self._name} cannot be read: {type(error).__name__}: {error}")


async def leave(consumer: Any) -> None:
    """Ends a consumer. Its own `stop` is cancelled by itself where a fetch waits for a broker that is away, half done."""
    await asyncio.gather(consumer.stop(), return_exceptions=True)
    await consumer._client.close()
