"""From records to rows: how a log is cut changes no row, and what is late does not stand over what is newer."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

import oee_harness as harness
import oee_random
from tailrace.app.pipeline import drive
from tailrace.connectors.memory import MemoryDerivedLog
from tailrace.engine.projection import Projection
from tailrace.engine.projector import Projector
from tailrace.projections.now import NowRows
from tailrace.projections.oee import OeeRows
from tailrace.projections.stops import StopRows
from tailrace.projections.store_sqlite import SqliteStore
from tailrace.schemas import bucket
from tailrace.schemas.event import ClockTicked, ConnectionLost, Event, StateChanged, Telemetry
from tailrace.schemas.instant import Instant
from tailrace.schemas.record import Derived, Record
from tailrace.topologies.stops import Stops


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


class Events:
    """Records as a log that can be read."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        return self._records[after : after + limit]

    async def end(self) -> int:
        return len(self._records)


def project(connection: sqlite3.Connection, projection: Projection[Any], log: Any, batch: int) -> None:
    drive(Projector(SqliteStore(connection), projection, log, batch=batch).drain())


def derived(outputs: Sequence[Derived]) -> MemoryDerivedLog:
    log = MemoryDerivedLog()
    drive(log.append(outputs))
    return log


def rows(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()


@pytest.mark.parametrize("batch", [1, 3, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_oee_rows_are_the_last_buckets(connection: sqlite3.Connection, seed: int, batch: int) -> None:
    _, outputs = harness.fold(harness.records(oee_random.timeline(random.Random(seed), 40)), random.Random(seed))
    project(connection, OeeRows(), derived([*outputs, *outputs[-3:]]), batch)
    names = ", ".join(("machine", "start_ns", "product", "revision", "known_from_ns", *bucket.COLUMNS))
    found = {row[:3]: row[3:] for row in connection.execute(f"SELECT {names} FROM oee_bucket")}
    wanted = {key: (row[0], row[1], *row[3]) for key, row in harness.table(outputs).items()}
    assert found == wanted


@pytest.mark.parametrize("seed", range(4))
def test_stop_rows_do_not_hang_on_the_cut(connection: sqlite3.Connection, seed: int) -> None:
    _, outputs = harness.fold(harness.records(oee_random.timeline(random.Random(seed), 60)), topology=Stops())
    project(connection, StopRows(), derived(outputs), 1)
    whole = sqlite3.connect(":memory:", isolation_level=None)
    project(whole, StopRows(), derived(outputs), 1000)
    for table in ("state_interval", "stop"):
        assert rows(connection, table) == rows(whole, table)
        assert rows(connection, table)
    whole.close()


def test_what_is_late_does_not_stand_over_what_is_newer(connection: sqlite3.Connection) -> None:
    def reading(t: int, id_: str, **fields: Any) -> Telemetry:
        return Telemetry(machine="M1", t=Instant(t), id=id_, **fields)

    readings = [
        reading(50, "a", values={"Temp": 7.5, "Mode": "auto"}),
        reading(40, "b", values={"Temp": 1.0}, quality={"Flow": "bad"}),
        reading(60, "c", values={"Mode": "hand"}),
    ]
    log = Events(harness.records(readings))
    project(connection, NowRows(), log, 1)
    found = connection.execute("SELECT signal, t_ns, value, text, status FROM signal_now ORDER BY signal").fetchall()
    assert found == [("Flow", 40, None, None, 0x80000000), ("Mode", 60, None, "hand", 0), ("Temp", 50, 7.5, None, 0)]


@pytest.mark.parametrize("batch", [1, 7])
def test_of_two_readings_of_one_time_the_later_in_the_log_stands(connection: sqlite3.Connection, batch: int) -> None:
    said = [(50, 1.0), (60, 2.0), (60, 3.0), (55, 4.0)]
    readings = [Telemetry(machine="M1", t=Instant(t), id=f"{v}", values={"Temp": v}) for t, v in said]
    alone = [record for each in readings for record in harness.records([each])]
    placed = [msgspec.structs.replace(record, position=n) for n, record in enumerate(alone, 1)]
    project(connection, NowRows(), Events(placed), batch)
    assert connection.execute("SELECT t_ns, value FROM signal_now").fetchall() == [(60, 3.0)]


@pytest.mark.parametrize("batch", [1, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_a_machine_does_what_the_stretch_says_that_still_holds(
    connection: sqlite3.Connection, seed: int, batch: int
) -> None:
    events = oee_random.timeline(random.Random(seed), 60)
    _, outputs = harness.fold(harness.records(events), topology=Stops())
    project(connection, StopRows(), derived(outputs), batch)
    holds = "SELECT machine, state, why, start_ns FROM state_interval WHERE end_ns IS NULL"
    now = connection.execute("SELECT machine, state, why, since_ns FROM machine_now").fetchall()
    assert now == connection.execute(holds).fetchall()
    assert now


def _now(said: Sequence[Event]) -> tuple[Any, ...]:
    """The row of `machine_now` after these events."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        _, outputs = harness.fold(harness.records(said), topology=Stops())
        project(connection, StopRows(), derived(outputs), 1000)
        found: tuple[Any, ...] = connection.execute("SELECT state, why, since_ns FROM machine_now").fetchone()
        return found
    finally:
        connection.close()


def _state(t: int, word: str) -> StateChanged:
    return StateChanged(machine="M1", t=Instant(t), id=f"s{t}", state=word, clock="plc/device", ingested=Instant(t))


def test_what_nobody_sees_is_unknown_now_and_a_later_value_brings_it_back() -> None:
    runs, runs_again = _state(10, "running"), _state(30, "running")
    for machine, source in (("M1", "plc"), ("", "plc")):
        lost = ConnectionLost(machine=machine, t=Instant(20), id="l", source=source, ingested=Instant(20))
        assert _now([runs, lost]) == ("unknown", "connection lost", 20)
        assert _now([runs, lost, _state(15, "running")]) == ("running", "", 10)
        assert _now([runs, lost, runs_again]) == ("running", "", 30)
    other = ConnectionLost(t=Instant(20), id="l", source="another", ingested=Instant(20))
    assert _now([runs, other]) == ("running", "", 10)
    assert _now([runs, _state(20, "unavailable")]) == ("unavailable", "", 20)


def test_while_the_collector_was_dead_a_machine_is_unknown_now() -> None:
    def tick(t: int, since: int) -> ClockTicked:
        return ClockTicked(t=Instant(t), id=f"t{t}", since={"plc": Instant(since)}, ingested=Instant(t))

    ticks: list[Event] = [_state(10, "running"), tick(20, 5), tick(60, 50)]
    assert _now(ticks) == ("unknown", "connection lost", 20)
    assert _now([*ticks, _state(65, "stopped")]) == ("stopped", "", 65)
