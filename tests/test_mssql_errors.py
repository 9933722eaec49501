"""Errors of SQL Server: which are worth another try, what is tried, what a person reads. A faked DB-API under the real store."""

from __future__ import annotations

import random
import re

import pytest

import fake_odbc as fake
from fake_odbc import Fault, Server
from tailrace.engine.store import Change, Place
from tailrace.projections.mssql_errors import Ladder, chain, transient
from tailrace.projections.store_mssql import MssqlStore
from tailrace.schemas.errors import InvalidSettings, StaleWriter, TailraceError, Unavailable

ZERO, ONE = Place(), Place(1, {"oee@1/M1": 3})
ROWS = [Change("machine", [{"machine": "M1", "site": "S"}])]


class Waits:
    """Waits that are over at once, and how long they would have been, in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float, /) -> None:
        self.seconds.append(seconds)


def store(server: Server, waits: Waits | None = None, tries: int = 8) -> MssqlStore:
    return MssqlStore(server.engine(), ladder=Ladder(tries=tries), dice=random.Random(1), wait=waits or Waits())


@pytest.mark.parametrize(
    ("error", "at"),
    [
        (fake.DEADLOCK, "rows"), (fake.DEADLOCK, "fence"), (fake.SAME_KEY, "rows"), (fake.SAME_INDEX, "rows"),
        (fake.NO_LOCK, "fence"), (fake.LOST_SNAPSHOT, "rows"), (fake.CUT, "rows"), (fake.CUT, "fence"), (fake.CUT, "commit"),
        (fake.LOST_SNAPSHOT, "commit"), (fake.NO_LOCK_THERE, "rows"),
    ],
)  # fmt: skip
async def test_the_whole_transaction_is_tried_again(error: fake.Error, at: str) -> None:
    server, waits = Server(Fault(at, error), Fault(at, error)), Waits()
    writer = store(server, waits)
    await writer.commit("oee", ZERO, ROWS, ONE)
    assert server.steps.count("fence") == 3
    assert server.rows == [["M1", "S"]]
    assert await writer.place("oee") == ONE
    assert len(waits.seconds) == 2
    await writer.close()


async def test_a_deadlock_that_a_failed_rollback_hides_is_seen() -> None:
    server = Server(Fault("rows", fake.DEADLOCK), Fault("rollback", fake.NO_TRANSACTION))
    writer = store(server)
    await writer.commit("oee", ZERO, ROWS, ONE)
    assert server.rows == [["M1", "S"]]
    await writer.close()


def test_the_whole_chain_is_looked_at() -> None:
    def fail() -> None:
        try:
            raise fake.DEADLOCK
        except fake.Error:
            raise fake.NO_TRANSACTION  # noqa: B904  as a ROLLBACK that fails

    with pytest.raises(fake.Error, match="3903") as raised:
        fail()
    assert (transient(raised.value) or "").startswith("1205")
    assert list(chain(raised.value)) == [fake.NO_TRANSACTION, fake.DEADLOCK]
    assert transient(fake.odbc(fake.ProgrammingError, "42000", 3903, "no BEGIN")) is None


async def test_an_error_that_is_not_worth_a_try_is_raised_at_once() -> None:
    server = Server(Fault("rows", fake.NULL))
    writer = store(server)
    with pytest.raises(Unavailable, match="Cannot insert the value NULL"):
        await writer.commit("oee", ZERO, ROWS, ONE)
    assert server.steps.count("fence") == 1
    assert (server.rows, server.place) == ([], None)
    await writer.close()


async def test_tries_end() -> None:
    server, waits = Server(*[Fault("rows", fake.DEADLOCK)] * 3), Waits()
    writer = store(server, waits, tries=3)
    with pytest.raises(Unavailable, match=r"SQL Server db.plant:1433/plant: .*deadlocked") as raised:
        await writer.commit("oee", ZERO, ROWS, ONE)
    assert "secret" not in str(raised.value)
    assert (server.steps.count("fence"), len(waits.seconds)) == (3, 2)
    await writer.close()


async def test_a_commit_that_was_cut_off_and_landed_is_done_once() -> None:
    server = Server(Fault("commit", fake.CUT, landed=True))
    writer = store(server)
    await writer.commit("oee", ZERO, ROWS, ONE)
    assert server.rows == [["M1", "S"]]
    assert server.steps.count("rows") == 1
    await writer.close()


async def test_a_commit_that_was_cut_off_while_another_writer_went_on_is_stale() -> None:
    server = Server(Fault("commit", fake.CUT))
    other = Place(1, {"oee@1/M1": 4})

    async def meanwhile(_: float) -> None:
        await store(server).commit("oee", ZERO, [], other)

    writer = MssqlStore(server.engine(), dice=random.Random(1), wait=meanwhile)
    with pytest.raises(StaleWriter, match="expected its rows at position 0, got 1"):
        await writer.commit("oee", ZERO, ROWS, ONE)
    assert server.rows == []
    await writer.close()


async def test_a_stale_writer_is_not_tried_again() -> None:
    server = Server()
    writer = store(server)
    await writer.commit("oee", ZERO, ROWS, ONE)
    with pytest.raises(StaleWriter):
        await writer.commit("oee", ZERO, ROWS, ONE)
    assert server.steps.count("fence") == 2
    assert server.rows == [["M1", "S"]]
    await writer.close()


def test_waits_are_anywhere_below_a_bound_that_doubles() -> None:
    ladder, dice = Ladder(base_s=0.1, bound_s=1.0), random.Random(2)
    for attempt, bound in enumerate((0.1, 0.2, 0.4, 0.8, 1.0, 1.0)):
        waits = [ladder.wait_s(attempt, dice) for _ in range(200)]
        assert 0 <= min(waits) < bound * 0.1
        assert bound * 0.9 < max(waits) <= bound


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (
            fake.LOG_IN,
            InvalidSettings,
            "expected a log-in that the server takes, got: .*Login failed for user 'tailrace'",
        ),
        (fake.NO_DATABASE, InvalidSettings, "expected a database that is there and open to this log-in"),
        (fake.UNTRUSTED, Unavailable, "expected a certificate that this machine trusts.*TrustServerCertificate=yes"),
        (fake.NO_DRIVER, InvalidSettings, "expected a driver that is installed.*driver=<name or path>"),
        (fake.REFUSED, Unavailable, "expected SQL Server to answer, got: .*Login timeout expired"),
    ],
)
async def test_what_is_wrong_is_said_with_what_to_do(error: fake.Error, kind: type[TailraceError], says: str) -> None:
    writer = store(Server(Fault("connect", error)))
    with pytest.raises(kind, match=says) as raised:
        await writer.place("oee")
    assert str(raised.value).startswith("SQL Server db.plant:1433/plant: ")
    assert not re.search("secret|Traceback", str(raised.value))
    await writer.close()
