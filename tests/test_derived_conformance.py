"""The one contract of the port `DerivedLog`, run by every adapter. Differences are features that an adapter declares."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import msgspec
import pytest

from kafka_broker import topics, unique
from log_files import failing_writes
from tailrace.connectors.derived_kafka import KafkaDerivedLog
from tailrace.connectors.derived_sqlite import SqliteDerivedLog
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.memory import MemoryDerivedLog
from tailrace.engine.log import DerivedLog
from tailrace.engine.unit import unit
from tailrace.schemas.errors import SendFailed, Unavailable
from tailrace.schemas.record import Derived


class Adapter:
    """durable: it is there when it is opened again. joins: an append is part of the transaction that is open on `connection`.

    disk: its disk is here, and can be made to fail. instant: no call waits for anything.
    """

    durable = False
    joins = False
    disk = False
    instant = True
    connection: sqlite3.Connection

    async def open(self) -> DerivedLog:
        return MemoryDerivedLog()

    async def close(self) -> None:
        pass


class InFile(Adapter):
    durable = True
    joins = True
    disk = True

    def __init__(self, path: Path) -> None:
        self.path = path

    async def open(self) -> DerivedLog:
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        return SqliteDerivedLog(self.connection)

    async def close(self) -> None:
        self.connection.close()


class InKafka(Adapter):
    durable = True
    instant = False

    def __init__(self) -> None:
        self.settings = topics(unique("derived"))
        self.opened = AsyncExitStack()

    async def open(self) -> DerivedLog:
        sender = Sender(self.settings)
        self.opened.push_async_callback(sender.close)
        log = KafkaDerivedLog(self.settings, 0, sender)
        self.opened.push_async_callback(log.close)
        return log

    async def close(self) -> None:
        await self.opened.aclose()


@pytest.fixture(params=["memory", "file", "kafka"])
async def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Adapter]:
    made = {"memory": Adapter, "file": lambda: InFile(tmp_path / "read.db"), "kafka": InKafka}
    adapter = await asyncio.to_thread(made[request.param])
    yield adapter
    await adapter.close()


def output(n: int, *, key: str = "M1", size: int = 10, count: int = 1) -> Derived:
    return Derived(
        topology="oee",
        version=2,
        key=key,
        first_n=n,
        n=count,
        kind="oee.bucket",
        cause=7 * n,
        body=bytes([n % 256]) * size,
    )


async def test_positions_rise_by_one_from_one(adapter: Adapter) -> None:
    log = await adapter.open()
    assert await log.end() == 0
    assert await log.append([]) == 0
    assert await log.append([output(1), output(2), output(1, key="Fräse")]) == 3
    assert await log.append([output(3, count=0)]) == 4
    assert await log.append([]) == 4
    assert await log.end() == 4
    assert [r.position for r in await log.read(0, 100)] == [1, 2, 3, 4]


async def test_reading_begins_after_a_position_and_ends_at_the_limit(adapter: Adapter) -> None:
    log = await adapter.open()
    await log.append([output(n) for n in range(1, 11)])
    assert [r.first_n for r in await log.read(3, 4)] == [4, 5, 6, 7]
    assert [r.first_n for r in await log.read(8, 4)] == [9, 10]
    assert list(await log.read(10, 4)) == []


async def test_a_record_comes_back_as_it_was(adapter: Adapter) -> None:
    log = await adapter.open()
    records = [output(1, size=256 * 1024, count=100), output(2**40, key="日本\x00語", size=0)]
    await log.append(records)
    assert list(await log.read(0, 2)) == [msgspec.structs.replace(r, position=i) for i, r in enumerate(records, 1)]


async def test_the_same_output_twice_is_kept_twice(adapter: Adapter) -> None:
    """Whether it is new, its reader decides."""
    log = await adapter.open()
    await log.append([output(1), output(1)])
    assert await log.append([output(1)]) == 3


async def test_no_call_suspends(adapter: Adapter) -> None:
    if not adapter.instant:
        pytest.skip("this log is elsewhere")
    log = await adapter.open()
    for call in (log.append([output(1)]), log.read(0, 1), log.end()):
        with pytest.raises(StopIteration):
            call.send(None)


async def test_an_opened_log_goes_on_where_it_was(adapter: Adapter) -> None:
    if not adapter.durable:
        pytest.skip("nothing of this log outlives it")
    log = await adapter.open()
    await log.append([output(1)])
    before = list(await log.read(0, 10))
    await adapter.close()
    again = await adapter.open()
    assert list(await again.read(0, 10)) == before
    assert await again.append([output(2)]) == 2


async def test_an_append_is_part_of_a_larger_step(adapter: Adapter) -> None:
    if not adapter.joins:
        pytest.skip("this log has no transactions")
    log = await adapter.open()
    await log.append([output(1)])
    with suppress(ZeroDivisionError), unit(adapter.connection):
        assert await log.append([output(2)]) == 2
        assert await log.end() == 2
        raise ZeroDivisionError
    assert await log.end() == 1
    with unit(adapter.connection):
        assert await log.append([output(3)]) == 2
    assert [r.first_n for r in await log.read(0, 10)] == [1, 3]


async def test_a_failed_append_is_said_and_stores_nothing(adapter: Adapter) -> None:
    if not adapter.disk:
        pytest.skip("this log has no disk that could fail")
    log = await adapter.open()
    await log.append([output(1)])
    with failing_writes(100_000), pytest.raises(SendFailed, match="the derived log was not written: disk I/O error"):
        await log.append([output(n, size=20_000) for n in range(2, 30)])
    with failing_writes(100_000), pytest.raises((SendFailed, sqlite3.OperationalError)), unit(adapter.connection):
        await log.append([output(n, size=20_000) for n in range(2, 30)])
    assert not adapter.connection.in_transaction
    assert await log.end() == 1
    assert await log.append([output(2)]) == 2


async def test_a_closed_log_says_so(adapter: Adapter) -> None:
    if not adapter.durable:
        pytest.skip("this log cannot be closed")
    log = await adapter.open()
    await adapter.close()
    with pytest.raises(Unavailable):
        await log.read(0, 1)
    with pytest.raises(Unavailable):
        await log.end()
