"""Sends messages so that each call's are in the partitions in the order of the calls, and says where they stand.

Rules: an idempotent producer with acks=all, so what is acknowledged is there once, however often a request is repeated. A call
that fails ends its producer with everything that is under way in it; the next call begins with a new one. Whether the
messages of a failed call are stored, nobody knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tailrace.connectors import kafka_clients
from tailrace.connectors.kafka_records import Message
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.schemas.errors import SendFailed, Unavailable

BATCH_BYTES = 1 << 20
MESSAGE_BYTES_MAX = 18 * 1024 * 1024
"""The largest message: a record's payload may have 16 MiB."""

REQUEST_MS = 5000


class Sent:
    """Messages on their way; to be awaited, or forgotten."""

    def __init__(self, sender: Sender, producer: Any, futures: Sequence[asyncio.Future[Any]]) -> None:
        self._sender, self._producer, self._futures = sender, producer, futures

    async def positions(self) -> list[int]:
        """Where each message stands, once all are acknowledged; raises SendFailed."""
        await self._acknowledged()
        return [future.result().offset + 1 for future in self._futures]

    async def last(self, partition: int) -> int:
        """The highest position in a partition, once all messages are acknowledged; 0 where none went there."""
        await self._acknowledged()
        places = [future.result() for future in self._futures]
        return max((place.offset + 1 for place in places if place.partition == partition), default=0)

    def forget(self) -> None:
        """Nobody waits for it any more, so nobody need be told that it failed."""
        for future in self._futures:
            future.add_done_callback(_seen)

    async def _acknowledged(self) -> None:
        within = self._sender.settings.send_s
        try:
            _, late = await asyncio.wait(self._futures, timeout=within) if self._futures else ((), ())
            if late:
                raise TimeoutError(f"no acknowledgement within {within} s")
            for future in self._futures:
                future.result()
        except (KafkaError, OSError, TimeoutError, Unavailable) as error:
            raise self._sender.failed(self, self._producer, error) from error
        except asyncio.CancelledError:
            self._sender.drop(self, self._producer)
            raise


class Sender:
    """Sends to the partitions of any topic. What is sent is acknowledged in the order of sending, per partition."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self._producer: Any = None
        self._turn = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()

    async def send(self, topic: str, messages: Sequence[Message]) -> list[int]:
        """The position of each message, once all are acknowledged; raises SendFailed."""
        return await (await self.enqueue(topic, messages)).positions()

    async def enqueue(self, topic: str, messages: Sequence[Message]) -> Sent:
        """Puts messages behind those of earlier calls; raises SendFailed."""
        producer: Any = None
        futures: list[asyncio.Future[Any]] = []
        sent = Sent(self, producer, futures)
        try:
            async with asyncio.timeout(self.settings.send_s), self._turn:
                producer = await self._open()
                sent = Sent(self, producer, futures)
                for each in messages:
                    futures.append(
                        await producer.send(topic, each.value, each.key, each.partition, headers=list(each.headers))
                    )
        except (KafkaError, OSError, TimeoutError, AssertionError, Unavailable) as error:
            raise self.failed(sent, producer, error) from error
        except asyncio.CancelledError:
            self.drop(sent, producer)
            raise
        return sent

    def failed(self, sent: Sent, producer: Any, error: Exception) -> SendFailed:
        """Ends the producer, and says it."""
        self.drop(sent, producer)
        words = f"{type(error).__name__}: {error}".rstrip(": ")
        return SendFailed(
            f"{self.settings.where}: expected an acknowledgement, got {words}; whether it is stored is unknown"
        )

    def drop(self, sent: Sent, producer: Any) -> None:
        """Ends the producer with everything that is under way in it."""
        sent.forget()
        if producer is not None and self._producer is producer:
            self._producer = None
            task = asyncio.ensure_future(_end(producer))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Waits until everything that was put behind is acknowledged or failed, and leaves the brokers."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(self.settings.send_s):
                    await producer.stop()
            except TimeoutError:
                await _end(producer)
        if self._leaving:
            await asyncio.gather(*self._leaving)

    async def _open(self) -> Any:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **kafka_clients.options(self.settings), acks="all", enable_idempotence=True,
                request_timeout_ms=REQUEST_MS, max_batch_size=BATCH_BYTES, max_request_size=MESSAGE_BYTES_MAX,
            )  # fmt: skip
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer


async def _end(producer: Any) -> None:
    """Ends a producer whose broker may be away: `stop` alone would wait for it, sending again and again."""
    task = producer._sender.sender_task
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task  # it ends what is under way first
    producer._message_accumulator.fail_all(Unavailable("the producer was ended"))
    with suppress(KafkaError, OSError):
        await producer.stop()
        await producer.client.close()  # `stop` leaves it open when it was cancelled before


def _seen(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
