"""Signals, scores, shifts and alarms as they are asked for: the right resolution, whole pages, bounded answers."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import oee_harness as harness
from rollup_reference import EPOCH
from tailrace.app import compose
from tailrace.app.signal_query import signal_series
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.engine.store import Change, Place
from tailrace.projections import queries, series
from tailrace.projections.facts import FactRows
from tailrace.projections.rollup import RollupRows
from tailrace.projections.store_sqlite import SqliteStore
from tailrace.schemas.errors import InvalidInput
from tailrace.schemas.event import Event, MachineRegistered, Telemetry
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND, Instant, format_instant
from tailrace.topologies.rollup import Rollup
from test_projections import Events, derived, project
from test_queries import walked


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    SqliteStore(connection)
    yield connection
    connection.close()


def readings(step: int, hours: int, signal: str = "Temp") -> list[Event]:
    """One every `step` ns; the value is the number of the reading."""
    times = range(EPOCH, EPOCH + hours * HOUR + step, step)
    return [
        Telemetry(machine="M1", t=Instant(t), id=f"{signal}{i}", values={signal: float(i)}) for i, t in enumerate(times)
    ]


def filled(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    log = harness.records(events)
    project(connection, RollupRows(), derived(harness.fold(log, topology=Rollup())[1]), 1000)
    project(connection, FactRows(), Events(log), 1000)


def put(connection: sqlite3.Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    with pytest.raises(StopIteration):
        SqliteStore(connection).commit("test", Place(), [Change(table, rows)], Place()).send(None)


# -- signals ---------------------------------------------------------------------------------------------------------------


def test_a_short_window_has_minutes_a_long_one_hours_and_a_year_days(connection: sqlite3.Connection) -> None:
    filled(
        connection,
        [MachineRegistered(machine="M1", t=Instant(0), id="r", units={"Temp": "°C"}), *readings(20 * SECOND, 50)],
    )
    found = series.rollups(connection, "M1", "Temp", EPOCH, EPOCH + HOUR)
    assert (found.resolution_s, found.unit, len(found.items)) == (60, "°C", 60)
    first = found.items[1]
    assert (first.start, first.n, first.min, first.max, first.mean) == (
        format_instant(EPOCH + MINUTE),
        3,
        3.0,
        5.0,
        4.0,
    )
    assert (first.first, first.last, first.bad) == (3.0, 5.0, 0)
    found = series.rollups(connection, "M1", "Temp", EPOCH, EPOCH + 50 * HOUR)
    assert (found.resolution_s, len(found.items)) == (3600, 50)
    found = series.rollups(connection, "M1", "Temp", EPOCH, EPOCH + 365 * DAY)
    assert [(item.start, item.n, item.min, item.max, item.mean) for item in found.items] == [
        (format_instant(EPOCH), 4320, 0.0, 4319.0, 2159.5), (format_instant(EPOCH + DAY), 4320, 4320.0, 8639.0, 6479.5),
        (format_instant(EPOCH + 2 * DAY), 360, 8640.0, 8999.0, 8819.5),
    ]  # fmt: skip
    assert (found.items[1].first, found.items[1].last) == (4320.0, 8639.0)


def test_a_signal_that_is_read_once_a_minute_has_hours(connection: sqlite3.Connection) -> None:
    """Now and then two readings fall in one minute; such minutes say little of the others."""
    filled(connection, readings(59 * SECOND, 5))
    assert connection.execute("SELECT count(*) FROM signal_rollup WHERE resolution_s = 60").fetchone()[0]
    found = series.rollups(connection, "M1", "Temp", EPOCH, EPOCH + 5 * HOUR)
    assert (found.resolution_s, len(found.items)) == (3600, 5)


def test_a_window_takes_the_stretches_that_have_a_part_in_it(connection: sqlite3.Connection) -> None:
    filled(connection, readings(10 * SECOND, 3))
    for a, b in ((1, 2), (59, 61), (60, 120), (0, 60)):
        found = series.rollups(connection, "M1", "Temp", EPOCH + a * SECOND, EPOCH + b * SECOND, resolution_s=60)
        assert [item.start for item in found.items] == [
            format_instant(EPOCH + i * MINUTE) for i in range(a // 60, -(-b // 60))
        ]
    assert not series.rollups(connection, "M1", "nothing", EPOCH, EPOCH + HOUR).items
    assert not series.rollups(connection, "M2", "Temp", EPOCH, EPOCH + HOUR).items


def test_bad_readings_are_counted_and_no_value_is_null(connection: sqlite3.Connection) -> None:
    bad = [Telemetry(machine="M1", t=Instant(EPOCH + i), id=f"b{i}", quality={"Flow": "bad"}) for i in range(2)]
    filled(connection, [*bad, *readings(MINUTE, 1)])
    (item,) = series.rollups(connection, "M1", "Flow", EPOCH, EPOCH + MINUTE, resolution_s=60).items
    assert (item.n, item.bad, item.min, item.mean, item.last) == (0, 2, None, None, None)
    (item,) = series.rollups(connection, "M1", "Flow", EPOCH, EPOCH + DAY, resolution_s=86_400).items
    assert (item.n, item.bad, item.mean) == (0, 2, None)


def test_what_is_too_much_or_unknown_is_refused(connection: sqlite3.Connection) -> None:
    with pytest.raises(InvalidInput, match="expected one of 60, 3600, 86400"):
        series.rollups(connection, "M1", "Temp", 0, DAY, resolution_s=900)
    with pytest.raises(InvalidInput, match="at most 2000 times 60 s"):
        series.rollups(connection, "M1", "Temp", 0, 2 * DAY, resolution_s=60)
    with pytest.raises(InvalidInput, match="at most 2000 times 86400 s"):
        series.rollups(connection, "M1", "Temp", 0, 2001 * DAY)
    with pytest.raises(InvalidInput, match="at most 2000 times 300 s"):
        series.scores(connection, "M1", 0, 8 * DAY)


async def stored(directory: Path, events: Sequence[Event]) -> None:
    log = SqliteLog(directory / "events.db")
    await log.append(harness.records(events, random.Random(0)))
    await log.close()
    with compose.pipeline(directory) as pipeline:
        pipeline.drain()


async def test_a_slow_signal_in_a_short_window_shows_its_readings(tmp_path: Path) -> None:
    odd = [
        Telemetry(machine="M1", t=Instant(EPOCH + 90 * SECOND), id="late", values={"Temp": -1.0}),
        Telemetry(machine="M1", t=Instant(EPOCH + 91 * SECOND), id="bad", values={"Temp": 9.0}, quality={"Temp": "bad"}),
        Telemetry(machine="M1", t=Instant(EPOCH + 92 * SECOND), id="text", values={"Temp": "warm"}, clock="b"),
    ]  # fmt: skip
    await stored(tmp_path, [*readings(MINUTE, 30), *odd])
    found = signal_series(tmp_path, "M1", "Temp", EPOCH + MINUTE, EPOCH + 4 * MINUTE)
    assert found.resolution_s == 0
    assert [(item.start, item.mean) for item in found.items] == [
        (format_instant(EPOCH + at * SECOND), value) for at, value in ((60, 1.0), (90, -1.0), (120, 2.0), (180, 3.0))
    ]
    found = signal_series(tmp_path, "M1", "Temp", EPOCH, EPOCH + 30 * HOUR)
    assert (found.resolution_s, len(found.items)) == (3600, 30)


async def test_a_fast_signal_shows_minutes(tmp_path: Path) -> None:
    await stored(tmp_path, readings(10 * SECOND, 1))
    found = signal_series(tmp_path, "M1", "Temp", EPOCH, EPOCH + HOUR)
    assert (found.resolution_s, len(found.items)) == (60, 60)


# -- scores, shifts, alarms --------------------------------------------------------------------------------------------------


def test_scores_have_a_mean(connection: sqlite3.Connection) -> None:
    rows = [
        {"machine": "M1", "start_ns": EPOCH + i * 5 * MINUTE, "start": "", "n": 4, "unusual": i, "max": 3.5, "sum_e6": 6_000_000}
        for i in range(3)
    ]  # fmt: skip
    put(connection, "score_rollup", rows)
    found = series.scores(connection, "M1", EPOCH + 6 * MINUTE, EPOCH + 10 * MINUTE)
    assert [(item.start, item.n, item.unusual, item.mean, item.max) for item in found] == [
        (format_instant(EPOCH + 5 * MINUTE), 4, 1, 1.5, 3.5)
    ]


def test_shifts_with_a_part_in_the_window(connection: sqlite3.Connection) -> None:
    rows = [
        {"machine": "M1", "start_ns": EPOCH + i * HOUR, "name": f"{i}", "end_ns": EPOCH + (i + 1) * HOUR, "start": "", "end": ""}
        for i in range(4)
    ]  # fmt: skip
    put(connection, "shift", rows)
    found = queries.shifts(connection, "M1", EPOCH + HOUR, EPOCH + 2 * HOUR + 1)
    assert [(item.name, item.start, item.end) for item in found] == [
        (f"{i}", format_instant(EPOCH + i * HOUR), format_instant(EPOCH + (i + 1) * HOUR)) for i in (1, 2)
    ]


def alarm(number: int, machine: str, t: int, cleared: int | None) -> dict[str, Any]:
    return {
        "RecordID": f"{number:032x}", "machine": machine, "AnomalyScore": 1.5, "DetectionTime": "", "t_ns": t, "since": "",
        "since_ns": t - SECOND, "event": "e", "severity": "warning", "explanation": "why", "reasons": "[]", "product": "P1",
        "model": 1, "flags": "incomplete", "cleared": "", "cleared_ns": cleared, "cleared_by": None, "peak": None,
    }  # fmt: skip


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_pages_of_alarms_together_are_the_whole(connection: sqlite3.Connection, limit: int) -> None:
    rng = random.Random(limit)
    rows = [alarm(i, "M1", EPOCH + rng.randrange(5) * SECOND, None) for i in range(20)]
    put(connection, "anomaly", rows)
    found = walked(lambda cursor, limit: queries.anomalies(connection, cursor=cursor, limit=limit), limit)
    wanted = sorted(rows, key=lambda row: (row["t_ns"], row["RecordID"]), reverse=True)
    assert [item.record_id for item in found] == [row["RecordID"] for row in wanted]
    assert (found[0].flags, found[0].cleared, found[0].score) == (["incomplete"], None, 1.5)


def test_alarms_of_a_machine_of_a_window_and_open_ones(connection: sqlite3.Connection) -> None:
    def asked(**of: Any) -> list[int]:
        return [int(item.record_id, 16) for item in queries.anomalies(connection, **of).items]

    ends = [(10, 20), (30, None), (50, 60)]
    rows = [alarm(i, f"M{i % 2}", EPOCH + a, None if b is None else EPOCH + b) for i, (a, b) in enumerate(ends)]
    put(connection, "anomaly", rows)
    assert asked() == [2, 1, 0]
    assert asked(machine="M0") == [2, 0]
    assert asked(open_only=True) == [1]
    assert asked(start=EPOCH + 20) == [2, 1]
    assert asked(start=EPOCH + 19, end=EPOCH + 50) == [1, 0]
    with pytest.raises(InvalidInput, match="cursor: expected"):
        asked(cursor="%%")
