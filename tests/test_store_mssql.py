"""What goes wrong between a store and SQL Server, on the one that TAILRACE_TEST_MSSQL_URL names: right rows, none twice.

The contract that every store keeps is tests/test_store_conformance.py.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

import mssql_server
from tailrace.engine.store import Change, Place
from tailrace.projections import mssql_driver
from tailrace.projections.mssql_errors import Ladder, numbers_of
from tailrace.projections.store_mssql import MssqlStore
from tailrace.schemas.errors import InvalidSettings, Unavailable
from tcp_proxy import Proxy

ZERO, ONE, TWO = Place(), Place(1, {"oee@1/M1": 3}), Place(2, {"oee@1/M1": 4})


@pytest.fixture
def schema(mssql_schema: str) -> str:
    return mssql_schema


@pytest.fixture
def rows(schema: str) -> Iterator[Any]:
    """What a table holds; empty to begin with."""
    with mssql_server.connected(mssql_server.URL) as connection:
        mssql_server.empty(connection, schema)
        yield lambda table: mssql_server.rows(connection, schema, table)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    url = sa.make_url(mssql_server.require())
    async with Proxy(url.host or "127.0.0.1", url.port or 1433) as proxy:
        yield proxy


@pytest.fixture
async def cut(proxy: Proxy, schema: str) -> AsyncIterator[MssqlStore]:
    """A store that reaches the server through the proxy."""
    url = sa.make_url(mssql_server.URL).set(host="127.0.0.1", port=proxy.port)
    store = MssqlStore.open(url.render_as_string(hide_password=False), schema)
    yield store
    await store.close()


def machines(*names: str, **columns: str) -> list[Change]:
    return [Change("machine", [{"machine": name, **columns}]) for name in names]


async def test_mssql_a_commit_that_is_cut_off_before_it_arrives_is_done_again(
    proxy: Proxy, cut: MssqlStore, rows: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await _commit_with(proxy, cut, "before")
    assert [row["machine"] for row in rows("machine")] == ["M1"]
    assert "the connection was cut; trying the transaction again" in caplog.text


async def test_mssql_a_commit_whose_answer_is_cut_off_stands_once(proxy: Proxy, cut: MssqlStore, rows: Any) -> None:
    await _commit_with(proxy, cut, "after")
    assert [row["machine"] for row in rows("machine")] == ["M1"]
    scores = {
        "machine": "M1",
        "start_ns": 0,
        "start": "2026-11-20 06:00:00.000000",
        "n": 5,
        "unusual": 0,
        "max": 1.0,
        "sum_e6": 7,
    }
    sa.event.listen(cut.engine.sync_engine, "commit", lambda _: setattr(proxy, "cut", "after"), once=True)
    await cut.commit("oee", ONE, [Change("score_rollup", add=[scores])], TWO)
    assert [row["n"] for row in rows("score_rollup")] == [5], "added once, though the answer never came"


async def _commit_with(proxy: Proxy, store: MssqlStore, cut: Any) -> None:
    assert await store.place("oee") == ZERO
    sa.event.listen(store.engine.sync_engine, "commit", lambda _: setattr(proxy, "cut", cut), once=True)
    await store.commit("oee", ZERO, machines("M1"), ONE)
    assert proxy.cuts == 1
    assert await store.place("oee") == ONE


@pytest.mark.parametrize("statement", [1, 2, 3])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_mssql_a_statement_that_is_cut_off_leaves_nothing(
    proxy: Proxy, cut: MssqlStore, rows: Any, statement: int, when: Any
) -> None:
    assert await cut.place("oee") == ZERO
    seen = iter(range(1, 100))

    def at(*_: Any) -> None:
        if next(seen) == statement:
            proxy.cut = when

    sa.event.listen(cut.engine.sync_engine, "before_cursor_execute", at)
    await cut.commit("oee", ZERO, machines("M1", "M2"), ONE)
    assert proxy.cuts == 1
    assert [row["machine"] for row in rows("machine")] == ["M1", "M2"]
    assert await cut.place("oee") == ONE


async def test_mssql_a_killed_session_is_begun_anew(proxy: Proxy, cut: MssqlStore, rows: Any) -> None:
    assert await cut.place("oee") == ZERO
    killed: list[int] = []

    def kill(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "INTO #staging" not in statement or killed:
            return
        cursor.execute("SELECT @@SPID")
        killed.append(cursor.fetchone()[0])
        with mssql_server.connected(mssql_server.URL) as other:
            other.execution_options(isolation_level="AUTOCOMMIT")
            try:
                other.exec_driver_sql(f"KILL {killed[0]}")
            except DBAPIError:
                proxy.cut = "before"  # a server that has no KILL: to the client it is the same

    sa.event.listen(cut.engine.sync_engine, "before_cursor_execute", kill)
    await cut.commit("oee", ZERO, machines("M1"), ONE)
    assert killed
    assert [row["machine"] for row in rows("machine")] == ["M1"]
    assert await cut.place("oee") == ONE


async def test_mssql_a_server_that_goes_away_is_unavailable_and_found_again(
    proxy: Proxy, cut: MssqlStore, rows: Any
) -> None:
    await cut.commit("oee", ZERO, machines("M1"), ONE)
    proxy.reset()
    await cut.commit("oee", ONE, machines("M2"), TWO)
    assert [row["machine"] for row in rows("machine")] == ["M1", "M2"]


async def test_mssql_a_lock_that_is_not_had_in_time_is_waited_for(
    schema: str, rows: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with mssql_server.connected(mssql_server.URL) as other:
        other.exec_driver_sql(f"INSERT INTO [{schema}].machine (machine, site) VALUES (N'M1', N'theirs')")
        other.commit()
        other.exec_driver_sql(f"UPDATE [{schema}].machine SET site = N'held' WHERE machine = N'M1'")

        async def release(_: float) -> None:
            other.rollback()

        store = MssqlStore(mssql_driver.engine(mssql_server.URL, lock_ms=200), schema, wait=release)
        await store.commit("oee", ZERO, machines("M1", site="ours"), ONE)
        await store.close()
    assert [row["site"] for row in rows("machine")] == ["ours"]
    assert "1222: a lock was not to be had in time" in caplog.text


async def test_mssql_a_lock_that_is_never_had_is_said_in_words(schema: str, rows: Any) -> None:
    with mssql_server.connected(mssql_server.URL) as other:
        other.exec_driver_sql(f"INSERT INTO [{schema}].machine (machine) VALUES (N'M1')")
        other.commit()
        other.exec_driver_sql(f"UPDATE [{schema}].machine SET site = N'held' WHERE machine = N'M1'")
        ladder = Ladder(tries=2, base_s=0.01)
        store = MssqlStore(
            mssql_driver.engine(mssql_server.URL, lock_ms=200), schema, ladder=ladder, dice=random.Random(1)
        )
        with pytest.raises(Unavailable, match=r"expected SQL Server to answer, got: "):
            await store.commit("oee", ZERO, [*machines("M0"), *machines("M1", site="ours")], ONE)
        other.rollback()
        assert await store.place("oee") == ZERO
        await store.close()
    assert [(row["machine"], row["site"]) for row in rows("machine")] == [("M1", None)]


async def test_mssql_of_a_deadlock_both_end_and_ours_is_whole(schema: str, rows: Any) -> None:
    store = MssqlStore.open(mssql_server.URL, schema)
    await store.commit("oee", ZERO, machines("M1", "M2", site="old"), ONE)
    asked = asyncio.Event()

    def seen(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "M2" in str(parameters):
            asked.set()

    sa.event.listen(store.engine.sync_engine, "before_cursor_execute", seen)
    with mssql_server.connected(mssql_server.URL) as other:
        other.exec_driver_sql(f"UPDATE [{schema}].machine SET line = N'theirs' WHERE machine = N'M2'")
        ours = asyncio.create_task(store.commit("oee", ONE, machines("M1", "M2", site="new"), TWO))
        await asked.wait()  # M1 is ours by now, and M2 is what we ask for next
        try:
            await asyncio.to_thread(
                other.exec_driver_sql, f"UPDATE [{schema}].machine SET line = N'theirs' WHERE machine = N'M1'"
            )
            await asyncio.to_thread(other.commit)
            theirs = "theirs"
        except DBAPIError as error:
            if not numbers_of(error) & {1205, 1222}:
                raise
            other.rollback()
            theirs = None
        await ours
    await store.close()
    assert [(row["machine"], row["site"], row["line"]) for row in rows("machine")] == [
        ("M1", "new", theirs), ("M2", "new", theirs),
    ]  # fmt: skip


async def test_mssql_a_log_in_that_is_refused_is_said_in_words() -> None:
    url = sa.make_url(mssql_server.require()).set(username=mssql_server.name(), password="wrong-and-secret")
    store = MssqlStore.open(url.render_as_string(hide_password=False))
    with pytest.raises(InvalidSettings, match="expected a log-in that the server takes") as raised:
        await store.place("oee")
    assert "wrong-and-secret" not in str(raised.value)
    await store.close()


async def test_mssql_a_server_that_is_not_there_is_said_in_words() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = sa.make_url(mssql_server.require()).set(host="127.0.0.1", port=free.getsockname()[1])
        store = MssqlStore.open(url.render_as_string(hide_password=False))
        with pytest.raises(Unavailable, match="expected SQL Server to answer"):
            await store.place("oee")
        await store.close()


async def test_mssql_writers_of_one_key_in_two_projections_both_come_through(schema: str, rows: Any) -> None:
    """Lock hints may be ignored: of two who insert a key one gets 2627, tries again, and updates."""
    stores = [MssqlStore.open(mssql_server.URL, schema) for _ in range(4)]
    names = [f"M{i:02}" for i in range(30)]

    async def write(store: MssqlStore, who: str) -> None:
        for at, name in enumerate(names):
            await store.commit(who, Place(at), machines(name, site=who), Place(at + 1))

    await asyncio.gather(*(write(store, f"projection {i}") for i, store in enumerate(stores)))
    assert [row["machine"] for row in rows("machine")] == names
    for i, store in enumerate(stores):
        assert (await store.place(f"projection {i}")).position == len(names)
        await store.close()
