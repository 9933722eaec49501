"""The adapters of a port that lives in one file or one Kafka partition: what the derived log and the checkpoints share.

A test module says how its own port is made of each, in a `Made`; `adapters` opens them one after the other.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import pytest

from kafka_broker import topics, unique
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings

P = TypeVar("P")


class Made(NamedTuple):
    """How an adapter of the port is made: in memory, on a connection, of a partition of Kafka."""

    memory: Callable[[], Any]
    file: Callable[[sqlite3.Connection], Any]
    kafka: Callable[[KafkaSettings, int, Sender], Any]


class Adapter(Generic[P]):
    """durable: it is there when it is opened again. joins: a write is part of the transaction that is open on `connection`.

    disk: its disk is here, and can be made to fail. instant: no call waits for anything.
    """

    durable = False
    joins = False
    disk = False
    instant = True
    connection: sqlite3.Connection

    def __init__(self, made: Made) -> None:
        self.made = made

    async def open(self) -> P:
        opened: P = self.made.memory()
        return opened

    async def close(self) -> None:
        pass


class InFile(Adapter[P]):
    durable = True
    joins = True
    disk = True

    def __init__(self, made: Made, path: Path) -> None:
        super().__init__(made)
        self.path = path

    async def open(self) -> P:
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        opened: P = self.made.file(self.connection)
        return opened

    async def close(self) -> None:
        self.connection.close()


class InKafka(Adapter[P]):
    durable = True
    instant = False

    def __init__(self, made: Made) -> None:
        super().__init__(made)
        self.settings = topics(unique("unit"))
        self.opened = AsyncExitStack()

    async def open(self) -> P:
        sender = Sender(self.settings)
        self.opened.push_async_callback(sender.close)
        opened = self.made.kafka(self.settings, 0, sender)
        self.opened.push_async_callback(opened.close)
        found: P = opened
        return found

    async def close(self) -> None:
        await self.opened.aclose()


KINDS = ("memory", "file", "kafka")


async def adapters(request: pytest.FixtureRequest, folder: Path, made: Made) -> AsyncIterator[Adapter[Any]]:
    """The body of a fixture with `params=KINDS`."""
    kinds: dict[str, Callable[[], Adapter[Any]]] = {
        "memory": lambda: Adapter(made),
        "file": lambda: InFile(made, folder / "read.db"),
        "kafka": lambda: InKafka(made),
    }
    adapter = await asyncio.to_thread(kinds[request.param])
    yield adapter
    await adapter.close()
