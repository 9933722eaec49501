"""Rows that sum up others: rollups of signals, OEE by hour and by shift, alarms and scores; how the log is cut changes no row."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oee_harness as harness
import oee_random
import rollup_reference
from rollup_reference import EPOCH
from tailrace.app.pipeline import drive
from tailrace.engine.projector import Projector
from tailrace.projections.anomaly import AnomalyRows
from tailrace.projections.facts import FactRows
from tailrace.projections.now import NowRows
from tailrace.projections.oee import OeeRows
from tailrace.projections.rollup import RollupRows
from tailrace.projections.store_memory import MemoryStore
from tailrace.projections.store_sqlite import SqliteStore
from tailrace.schemas import anomaly, bucket, shift
from tailrace.schemas.anomaly import Cleared, Raised, Reason, Scores
from tailrace.schemas.event import CalendarSet, Event, Interval, Telemetry
from tailrace.schemas.instant import HOUR, MINUTE, SECOND, Instant
from tailrace.schemas.record import Derived
from tailrace.topologies.rollup import Rollup
from tailrace.topologies.shifts import Shifts
from test_projections import Events, derived, project, rows

BATCHES = [1, 7, 1000]


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


# -- signals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("seed", range(4))
def test_rollup_rows_are_the_last_that_were_said(connection: sqlite3.Connection, seed: int, batch: int) -> None:
    log = harness.records(rollup_reference.timeline(random.Random(seed)), random.Random(seed))
    _, outputs = harness.fold(log, random.Random(seed), Rollup())
    project(connection, RollupRows(), derived([*outputs, *outputs[-2:]]), batch)
    names = "machine, signal, resolution_s, start_ns, n, bad, min, max, sum, first, last, first_t_ns, last_t_ns"
    found = set(connection.execute(f"SELECT {names}, revision, known_from_ns FROM signal_rollup"))
    newest = {row[:4]: row for row in rollup_reference.fold(log)}
    assert found == {(*row[:2], row.resolution // SECOND, *row[3:-1]) for row in newest.values()}
    assert found


def test_a_sum_that_no_float_holds_is_null(connection: sqlite3.Connection) -> None:
    huge = [Telemetry(machine="M1", t=Instant(i), id=str(i), values={"X": 1.7e308}) for i in (0, 1, MINUTE)]
    _, outputs = harness.fold(harness.records(huge), topology=Rollup())
    project(connection, RollupRows(), derived(outputs), 10)
    assert rows_of(connection, "SELECT n, max, sum FROM signal_rollup") == [(2, 1.7e308, None)]


def rows_of(connection: sqlite3.Connection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()


# -- OEE by hour and shift -----------------------------------------------------------------------------------------------


@cache
def oee_outputs(seed: int) -> list[Derived]:
    """Buckets and shifts of two machines, mixed as two workers of one pipeline mix them."""
    rng = random.Random(seed)
    parts: list[list[Derived]] = []
    for i in range(2):
        log = harness.records(with_calendars(rng, oee_random.timeline(rng, 40, machine=f"M{i}", silence=False)))
        for topology in (harness.OEE, Shifts()):
            _, outputs = harness.fold(log, random.Random(seed), topology)
            parts.append([each for each in outputs if each.n])
    mixed: list[Derived] = []
    while parts := [part for part in parts if part]:
        mixed.append(rng.choice(parts).pop(0))
    return mixed


def with_calendars(rng: random.Random, events: list[Event]) -> list[Event]:
    """Calendars of six hours' shifts said in between, each cutting off or going on with what the one before said."""
    for i in range(6):
        said = rng.choice(events)
        begin = int(said.t) // HOUR * HOUR - rng.randrange(12) * HOUR + rng.choice((0, 0, MINUTE, 90 * SECOND))
        shifts = [
            Interval(kind="shift", start=Instant(a), end=Instant(a + 6 * HOUR + rng.choice((0, HOUR))), name=f"{k % 3}")
            for k, a in enumerate(range(begin, begin + 48 * HOUR, 6 * HOUR))
            if rng.random() < 0.8
        ]
        calendar = CalendarSet(
            machine=said.machine or events[0].machine, t=said.t, id=f"calendar-{i}", ingested=said.ingested,
            intervals=shifts, valid_from=rng.choice((None, said.t)),
        )  # fmt: skip
        events.insert(rng.randrange(len(events)), calendar)
    return events


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("seed", range(5))
def test_hours_and_shifts_are_sums_of_minutes(connection: sqlite3.Connection, seed: int, batch: int) -> None:
    project(connection, OeeRows(), derived(oee_outputs(seed)), batch)
    minutes = dicts(connection, "oee_bucket")
    hours = [
        {"machine": m, "start_ns": h, "end_ns": h + HOUR}
        for m, h in {(r["machine"], r["start_ns"] // HOUR * HOUR) for r in minutes}
    ]
    assert summed(connection, "oee_hour", ("machine", "start_ns", "product")) == by_hand(minutes, hours, ())
    shifts = dicts(connection, "shift")
    found = summed(connection, "oee_shift", ("machine", "start_ns", "product", "name", "end_ns"))
    assert found == by_hand(minutes, shifts, ("name", "end_ns"))
    same = "oee_hour JOIN oee_bucket USING (machine, start_ns, product) WHERE oee_hour.start <> oee_bucket.start"
    assert rows_of(connection, f"SELECT count(*) FROM {same}") == [(0,)]


def test_the_random_logs_have_what_could_go_wrong() -> None:
    """Restated minutes, minutes that become empty, shifts that go, shifts with several products."""
    found = set()
    for seed in range(5):
        for output in oee_outputs(seed):
            if output.kind == shift.KIND:
                found |= {"gone" if each.start == each.end else "there" for each in shift.decode(output.body)}
            else:
                part = bucket.decode(output.body)
                found |= {"restated"} if (part.revision > 1).any() else set()
                found |= {"empty"} if not part.tallies.any(axis=1).all() else set()
    assert found == {"gone", "there", "restated", "empty"}


def dicts(connection: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    found = connection.execute(f"SELECT * FROM {table}")
    return [dict(zip([column[0] for column in found.description], row, strict=True)) for row in found]


SUMS = ("minutes", "revision", "known_from_ns", *bucket.COLUMNS)


def summed(connection: sqlite3.Connection, table: str, keys: Sequence[str]) -> dict[tuple[Any, ...], list[int]]:
    return {tuple(row[key] for key in keys): [row[name] for name in SUMS] for row in dicts(connection, table)}


def by_hand(
    minutes: Sequence[dict[str, Any]], spans: Sequence[dict[str, Any]], extra: Sequence[str]
) -> dict[tuple[Any, ...], list[int]]:
    found: dict[tuple[Any, ...], list[int]] = {}
    for span in spans:
        for row in minutes:
            if row["machine"] != span["machine"] or not span["start_ns"] <= row["start_ns"] < span["end_ns"]:
                continue
            key = (row["machine"], span["start_ns"], row["product"], *(span[name] for name in extra))
            old = found.get(key, [0] * len(SUMS))
            largest = [max(old[1], row["revision"]), max(old[2], row["known_from_ns"])]
            found[key] = [
                old[0] + 1,
                *largest,
                *(a + row[name] for a, name in zip(old[3:], bucket.COLUMNS, strict=True)),
            ]
    return found


@pytest.mark.parametrize("seed", range(1))
def test_memory_makes_the_same_rows(connection: sqlite3.Connection, seed: int) -> None:
    outputs, store = oee_outputs(seed), MemoryStore()
    project(connection, OeeRows(), derived(outputs), 20)
    drive(Projector(store, OeeRows(), derived(outputs), batch=20).drain())
    for table in ("oee_bucket", "oee_hour", "shift", "oee_shift"):
        ours = sorted((tuple(sorted(row.items())) for row in store.rows(table)), key=repr)
        assert ours == sorted((tuple(sorted(row.items())) for row in dicts(connection, table)), key=repr)


def test_the_page_on_sql_names_every_table_and_its_examples_run(connection: sqlite3.Connection) -> None:
    SqliteStore(connection)
    text = (Path(__file__).parents[1] / "docs" / "read-models.md").read_text()
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
    assert {name for name in there if f"`{name}`" not in text} == set()
    (examples,) = re.findall("```sql\n(.*?)```", text, re.DOTALL)
    for example in examples.split(";")[:-1]:
        connection.execute(example)


# -- values of machines ----------------------------------------------------------------------------------------------------


def test_asset_data_has_the_latest_values_and_null_where_there_is_none(connection: sqlite3.Connection) -> None:
    def reading(machine: str, t: int, values: dict[str, Any], **quality: str) -> Telemetry:
        return Telemetry(machine=machine, t=Instant(t), id=f"{machine}{t}", values=values, quality=dict(quality))

    events = [
        reading("MCH003", 1, {"MachineTemp": 71.0}),
        reading("MCH010", 1, {"MachineTemp": 73.8, "CO2Level": 480.0, "PowerPeak": 2.28, "Other": 1.0}),
        reading("MCH010", 2, {"MachineTemp": 0.0, "EnvTemp": 28.1, "PowerPeak": 9.0}, PowerPeak="bad", CO2Level="bad"),
        reading("MCH011", 1, {"Mode": "auto"}),
    ]
    for projection in (FactRows(), NowRows()):
        project(connection, projection, Events(harness.records(events)), 2)
    assert [column[0] for column in connection.execute("SELECT * FROM asset_data").description] == [
        "MachineID", "MachineTemp", "CO2Level", "EnergyConsumed", "EnvTemp", "Humidity", "PowerPeak",
    ]  # fmt: skip
    assert rows(connection, "asset_data") == [
        ("MCH003", 71.0, None, None, None, None, None),
        ("MCH010", 0.0, None, None, 28.1, None, None),
        ("MCH011", None, None, None, None, None, None),
    ]


# -- alarms and scores -----------------------------------------------------------------------------------------------------


def output(kind: str, body: bytes, first_n: int, n: int = 1) -> Derived:
    return Derived(topology="anomaly", version=1, key="M1", first_n=first_n, n=n, kind=kind, cause=first_n, body=body)


RAISED = Raised(
    id="a1", event="e7", t=EPOCH + 90 * SECOND, since=EPOCH + 60 * SECOND, score=2.5, severity="major", product="P1", model=2,
    reasons=[
        Reason(name="Temp", value=93.21, expected=70.0, z=8.0, how="level"),
        Reason(name="Power", value=1.0, expected=4.0, z=-6.0, how="relation"),
    ],
    missing=["Humidity"],
)  # fmt: skip
CLEARED = Cleared(
    id="a1", event="e9", t=EPOCH + HOUR, raised=RAISED.t, peak=4.5, severity="critical", why="calm"
)  # fmt: skip


@pytest.mark.parametrize("batch", [1, 10])
def test_an_alarm_is_a_row_from_its_beginning_and_complete_at_its_end(
    connection: sqlite3.Connection, batch: int
) -> None:
    begun, over = output(anomaly.RAISED, anomaly.encode(RAISED), 1), output(anomaly.CLEARED, anomaly.encode(CLEARED), 2)
    project(connection, AnomalyRows(), derived([begun]), batch)
    (row,) = dicts(connection, "anomaly")
    assert (row["RecordID"], row["AnomalyScore"], row["machine"], row["severity"]) == ("a1", 2.5, "M1", "major")
    assert (row["DetectionTime"], row["t_ns"], row["since_ns"]) == (
        "2026-01-05 00:01:30.000000",
        RAISED.t,
        RAISED.since,
    )
    assert row["explanation"] == (
        "Temp is 93.21, usually 70 (+8.0 deviations); Power is 1, expected from the others 4 (\N{MINUS SIGN}6.0 deviations)"
    )
    assert (row["flags"], row["cleared"], row["cleared_ns"], row["peak"]) == ("incomplete", None, None, None)
    for table in ("checkpoint", "anomaly"):
        connection.execute(f"DELETE FROM {table}")
    project(connection, AnomalyRows(), derived([begun, over]), batch)
    (done,) = dicts(connection, "anomaly")
    assert (done["cleared_ns"], done["cleared_by"], done["peak"], done["severity"]) == (
        CLEARED.t,
        "calm",
        4.5,
        "critical",
    )
    same = row.keys() - {"cleared", "cleared_ns", "cleared_by", "peak", "severity"}
    assert {name: done[name] for name in same} == {name: row[name] for name in same}


@pytest.mark.parametrize("seed", range(6))
def test_scores_are_taken_once_and_put_together_the_same_in_any_cut(connection: sqlite3.Connection, seed: int) -> None:
    rng = random.Random(seed)
    n = 500
    t = np.sort(np.array([EPOCH + rng.randrange(2 * HOUR) for _ in range(n)]))
    score = np.array([rng.choice((rng.random(), 10 * rng.random(), 1.0, 1e9)) for _ in range(n)])
    project(connection, AnomalyRows(), derived(list(framed(rng, t, score))), rng.choice((1, 2, 5, 100)))
    found = rows_of(connection, "SELECT start_ns, n, unusual, max, sum_e6 FROM score_rollup ORDER BY start_ns")
    wanted = []
    for start in sorted(set((t // (5 * MINUTE)).tolist())):
        mine = [s for s, at in zip(score.tolist(), t.tolist(), strict=True) if at // (5 * MINUTE) == start]
        total = sum(round(min(s, 1e6) * 1e6) for s in mine)
        wanted.append((start * 5 * MINUTE, len(mine), sum(s >= 1 for s in mine), max(mine), total))
    assert found == wanted


def framed(rng: random.Random, t: Any, score: Any) -> Iterator[Derived]:
    """Scores in frames of any length; now and then a crash, after which some come again in other frames."""
    at = 0
    while at < len(t):
        size = rng.choice((1, 2, 3, 40))
        part = slice(at, at + size)
        length = len(t[part])
        ones = np.ones(length, np.int64)
        body = anomaly.encode_scores(Scores(t[part], score[part], ones, ones))
        yield output(anomaly.SCORED, body, at + 1, length)
        at += length
        if rng.random() < 0.2:
            at = max(0, at - rng.randrange(30))
