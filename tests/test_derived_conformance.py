"""The one contract of the port `DerivedLog`, run by every adapter. Differences are features that an adapter declares."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

import unit_adapters
from log_files import failing_writes
from tailrace.connectors.derived_kafka import KafkaDerivedLog
from tailrace.connectors.derived_sqlite import SqliteDerivedLog
from tailrace.connectors.memory import MemoryDerivedLog
from tailrace.engine.log import DerivedLog
from tailrace.engine.unit import unit
from tailrace.schemas.errors import SendFailed, Unavailable
from tailrace.schemas.record import Derived

Adapter = unit_adapters.Adapter[DerivedLog]
MADE = unit_adapters.Made(MemoryDerivedLog, SqliteDerivedLog, KafkaDerivedLog)


@pytest.fixture(params=unit_adapters.KINDS)
async def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Adapter]:
    async for each in unit_adapters.adapters(request, tmp_path, MADE):
        yield each


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
