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
from tailrace.schemas.instant import MINUTE, Instant
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


def _placed(readings: Sequence[Telemetry]) -> Events:
    """A log in which each reading is a record."""
    alone = [record for each in readings for record in harness.records([each])]
    return Events([msgspec.structs.replace(record, position=n) for n, record in enumerate(alone, 1)])


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_of_readings_of_one_time_the_largest_sequence_stands_whenever_it_came(
    connection: sqlite3.Connection, batch: int
) -> None:
    said = [(60, 5, 1.0), (60, 7, 2.0), (60, 6, 3.0), (50, 9, 4.0)]
    project(connection, NowRows(), _placed([_told(t, "plc", v, seq=seq) for t, seq, v in said]), batch)
    assert connection.execute("SELECT t_ns, value FROM signal_now").fetchall() == [(60, 2.0)]


def _told(t: int, clock: str, value: float, **fields: Any) -> Telemetry:
    return Telemetry(
        machine="M1",
        t=Instant(t),
        id=f"{clock}{t}{value}",
        clock=clock,
        values={"Temp": value},
        ingested=Instant(t),
        **fields,
    )


@pytest.mark.parametrize("batch", [1, 1000])
def test_between_two_clocks_the_later_in_the_log_stands(connection: sqlite3.Connection, batch: int) -> None:
    """The device is 40 s behind the agent; what it says later is newer, and what it says late changes nothing."""
    s = 10**9
    said = [
        ((100, "agent", 1.0), (100, 1.0)),
        ((61, "device", 2.0), (61, 2.0)),
        ((60, "device", 3.0), (61, 2.0)),
        ((102, "agent", 4.0), (102, 4.0)),
        ((62, "device", 5.0), (62, 5.0)),
        ((101, "agent", 6.0), (62, 5.0)),
    ]
    for n in range(1, len(said) + 1):
        connection.executescript("DROP TABLE IF EXISTS signal_clock; DROP TABLE IF EXISTS checkpoint;")
        project(connection, NowRows(), _placed([_told(t * s, clock, v) for (t, clock, v), _ in said[:n]]), batch)
        (found,) = connection.execute("SELECT t_ns / 1000000000, value FROM signal_now").fetchall()
        assert found == said[n - 1][1], n


@pytest.mark.parametrize(("ago", "stands"), [(5 * MINUTE, 2.0), (5 * MINUTE + 1, 1.0)])
def test_history_of_another_clock_does_not_stand_over_what_is_live(
    connection: sqlite3.Connection, ago: int, stands: float
) -> None:
    t = 10 * MINUTE
    project(connection, NowRows(), _placed([_told(t, "plc", 1.0), _told(t - ago, "file", 2.0)]), 1000)
    assert connection.execute("SELECT value FROM signal_now").fetchall() == [(stands,)]


def _stands(readings: Sequence[Telemetry]) -> float:
    """What stands after these readings, in the words of the rule."""
    latest: dict[str, tuple[int, int, int, float]] = {}
    for position, each in enumerate(readings):
        place = (int(each.t), -1 if each.seq is None else each.seq, position, float(each.values["Temp"]))
        latest[each.clock] = max(place, latest.get(each.clock, place), key=lambda said: said[:3])
    newest = max(t for t, *_ in latest.values())
    return max((position, value) for t, _, position, value in latest.values() if t >= newest - 5 * MINUTE)[1]


def test_each_signal_of_each_machine_has_clocks_of_its_own(connection: sqlite3.Connection) -> None:
    """What another signal or another machine said last makes nothing old news."""
    readings = [
        _told(MINUTE, "plc", 1.0),
        msgspec.structs.replace(_told(60 * MINUTE, "plc", 2.0), values={"Flow": 2.0}),
        msgspec.structs.replace(_told(90 * MINUTE, "plc", 3.0), machine="M2"),
        _told(2 * MINUTE, "agent", 4.0),
    ]
    project(connection, NowRows(), _placed(readings), 1000)
    found = connection.execute("SELECT machine, signal, value FROM signal_now ORDER BY 1, 2").fetchall()
    assert found == [("M1", "Flow", 2.0), ("M1", "Temp", 4.0), ("M2", "Temp", 3.0)]


@pytest.mark.parametrize("seed", range(6))
def test_what_stands_now_hangs_on_no_cut(connection: sqlite3.Connection, seed: int) -> None:
    rng = random.Random(seed)
    times = [rng.randrange(12) * MINUTE for _ in range(40)]
    readings = [_told(t, rng.choice("abc"), float(n), seq=rng.choice((None, 1, 2))) for n, t in enumerate(times)]
    whole = sqlite3.connect(":memory:", isolation_level=None)
    for n in range(1, 41):
        project(connection, NowRows(), _placed(readings[:n]), rng.randrange(1, 5))
        whole.executescript("DROP TABLE IF EXISTS signal_clock; DROP TABLE IF EXISTS checkpoint;")
        project(whole, NowRows(), _placed(readings[:n]), 1000)
        assert rows(connection, "signal_clock") == rows(whole, "signal_clock")
        assert connection.execute("SELECT value FROM signal_now").fetchall() == [(_stands(readings[:n]),)]
    whole.close()


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
