"""Lists come in pages that neither repeat nor lose a row, whatever comes in between; a wrong cursor is said to be wrong."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import oee_harness as harness
import oee_random
from tailrace.app import compose
from tailrace.engine.store import Change, Place
from tailrace.projections import queries
from tailrace.projections.anomaly import AnomalyRows
from tailrace.projections.facts import FactRows
from tailrace.projections.now import NowRows
from tailrace.projections.pareto import items, stretches
from tailrace.projections.series import rollups
from tailrace.projections.stops import StopRows
from tailrace.projections.store_sqlite import SqliteStore
from tailrace.schemas import anomaly
from tailrace.schemas.anomaly import Raised, Reason
from tailrace.schemas.answer import Page
from tailrace.schemas.errors import InvalidInput
from tailrace.schemas.event import Event, MachineRegistered, Telemetry
from tailrace.schemas.instant import HOUR, SECOND, Instant, parse_instant
from tailrace.schemas.record import Derived
from tailrace.schemas.unit import MINUS, NARROW
from tailrace.topologies.stops import Stops
from test_projections import Events, derived, project

NOW = oee_random.EPOCH + 100 * 24 * HOUR


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    SqliteStore(connection)
    yield connection
    connection.close()


def filled(connection: sqlite3.Connection, events: list[Event]) -> None:
    log = harness.records(events)
    _, outputs = harness.fold(log, topology=Stops())
    project(connection, StopRows(), derived(outputs), 1000)
    for rows in (FactRows(), NowRows()):
        project(connection, rows, Events(log), 1000)


def walked(ask: Callable[[str | None, int], Page[Any]], limit: int) -> list[Any]:
    items: list[Any] = []
    cursor: str | None = None
    while True:
        page = ask(cursor, limit)
        items += page.items
        assert len(page.items) <= limit
        if page.next is None:
            return items
        cursor = page.next


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_pages_together_are_the_whole(connection: sqlite3.Connection, limit: int) -> None:
    for i in range(3):
        filled(connection, oee_random.timeline(random.Random(i), 60, machine=f"M{i}"))
        connection.execute("DELETE FROM checkpoint")
    found = walked(lambda cursor, limit: queries.stops(connection, NOW, cursor=cursor, limit=limit), limit)
    assert [stop.id for stop in found] == [
        row[0] for row in connection.execute("SELECT id FROM stop ORDER BY start_ns DESC, id DESC")
    ]
    assert len(found) > 5
    names = walked(lambda cursor, limit: queries.machines(connection, cursor=cursor, limit=limit), limit)
    assert [machine.machine for machine in names] == ["M0", "M1", "M2"]
    signals = walked(lambda cursor, limit: queries.signals(connection, cursor=cursor, limit=limit), limit)
    assert len(signals) == connection.execute("SELECT count(*) FROM signal_now").fetchone()[0]


def test_stops_of_a_window_are_those_with_a_part_in_it(connection: sqlite3.Connection) -> None:
    filled(connection, oee_random.timeline(random.Random(3), 80))
    every = queries.stops(connection, NOW, limit=1000).items
    some = every[len(every) // 2]
    at = connection.execute("SELECT start_ns FROM stop WHERE id = ?", (some.id,)).fetchone()[0]
    inside = queries.stops(connection, NOW, start=at, end=at + 1).items
    assert [stop.id for stop in inside] == [some.id]
    assert queries.stop_of(connection, some.id, NOW) == some
    assert queries.stop_of(connection, "nothing", NOW) is None


def test_an_open_stop_lasts_until_now(connection: sqlite3.Connection) -> None:
    with_place = Place(1)
    row = {"machine": "M1", "start_ns": NOW - 90 * SECOND, "start": "", "end_ns": None, "end": None, "state": "fault"}
    said = {"category": "unplanned", "reason": "", "by": "", "revision": 1, "gaps": "", "edit": ""}
    store = SqliteStore(connection)
    commit = store.commit("stops", Place(), [Change("stop", [{"id": "a", **row, **said}])], with_place)
    with pytest.raises(StopIteration):
        commit.send(None)
    (stop,) = queries.stops(connection, NOW).items
    assert (stop.end, stop.duration_s) == (None, 90)


@pytest.mark.parametrize("seed", range(4))
def test_what_stops_cost_is_what_the_stops_say(connection: sqlite3.Connection, seed: int) -> None:
    """Added up one by one: only the part inside the window, an open stop to now."""
    rng = random.Random(seed)
    filled(connection, oee_random.timeline(rng, 120))
    every = connection.execute("SELECT category, reason, start_ns, end_ns FROM stop").fetchall()
    start = rng.choice(every)[2] - rng.randrange(HOUR)
    end = start + rng.choice((HOUR, 10 * HOUR, 1000 * HOUR))
    wanted: dict[tuple[str, str], list[int]] = {}
    for category, reason, begins, ends in every:
        if begins < end and (ends is None or ends > start):
            cost = wanted.setdefault((category, reason), [0, 0])
            cost[0] += max(0, min(NOW if ends is None else ends, end) - max(begins, start))
            cost[1] += 1
    found = items(stretches(connection, NOW, start, end, ["M1"]), start, end, lambda _, __: 0, {})
    assert {(each.category, each.reason): [round(each.duration_s * SECOND), each.stops] for each in found} == wanted
    assert [each.duration_s for each in found] == sorted((each.duration_s for each in found), reverse=True)
    assert stretches(connection, NOW, start, end, ["M2"]) == []


def test_intervals_of_a_window_are_those_with_a_part_in_it(connection: sqlite3.Connection) -> None:
    filled(connection, oee_random.timeline(random.Random(3), 80))
    every = queries.intervals(connection, "M1", 0, NOW)
    assert len(every) > 5
    assert [each.start for each in every] == sorted(each.start for each in every)
    for one, another in pairwise(every):
        assert one.end is not None
        assert one.end <= another.start
    some = every[len(every) // 2]
    begins = int(parse_instant(some.start))
    assert queries.intervals(connection, "M1", begins, begins + 1) == [some]
    assert queries.intervals(connection, "M2", 0, NOW) == []


def test_a_signal_has_its_unit_and_what_is_not_known_is_null(connection: sqlite3.Connection) -> None:
    filled(
        connection,
        [
            MachineRegistered(machine="M1", t=Instant(1), id="r", units={"Temp": "°C"}),
            Telemetry(
                machine="M1", t=Instant(5), id="t", values={"Temp": 0.0, "Mode": "auto"}, quality={"Flow": "bad"}
            ),
        ],
    )
    found = {item.signal: (item.value, item.unit, item.quality) for item in queries.signals(connection).items}
    assert found == {"Temp": (0.0, "°C", "good"), "Mode": ("auto", "", "good"), "Flow": (None, "", "bad")}


def test_counters_count_parts_unless_the_plant_says_otherwise(connection: sqlite3.Connection) -> None:
    values: dict[str, float | str] = {"total": 5, "good": 4, "reject": 1, "rework": 0, "Total": 7}
    filled(
        connection,
        [
            MachineRegistered(machine="M2", t=Instant(1), id="r", units={"total": "pallets"}),
            *(Telemetry(machine=each, t=Instant(5), id=each, values=values) for each in ("M1", "M2")),
        ],
    )
    found = {(item.machine, item.signal): item.unit for item in queries.signals(connection).items}
    assert [found["M1", name] for name in values] == ["parts", "parts", "parts", "parts", ""]
    assert [found["M2", name] for name in values] == ["pallets", "parts", "parts", "parts", ""]
    assert rollups(connection, "M1", "good", 0, 10).unit == "parts"
    assert rollups(connection, "M2", "total", 0, 10).unit == "pallets"


def test_what_an_alarm_says_has_units_whenever_they_became_known(connection: sqlite3.Connection) -> None:
    """The second machine names a signal as a derived feature: it is in the signal's unit, and not in per cent."""

    def raised(machine: str, *reasons: Reason) -> Derived:
        alarm = Raised(
            id=machine, event="e", t=NOW, since=NOW, score=2.0, severity="major", product="", model=1, reasons=[*reasons],
            missing=[],
        )  # fmt: skip
        body = anomaly.encode(alarm)
        return Derived(
            topology=anomaly.TOPOLOGY, version=1, key=machine, first_n=1, kind=anomaly.RAISED, cause=1, body=body
        )

    def reason(name: str, value: float, expected: float, z: float = 6.0) -> Reason:
        return Reason(name=name, value=value, expected=expected, z=z, how="level")

    alarms = [
        raised(
            "M1", reason("Temp", 93.21, 70.0), reason("defect_ratio", 0.125, 0.01), reason("cycle_time", 14.0, 12.5)
        ),
        raised("M3", reason("defect_ratio", 3.5e-18, 0.01, -1.0), reason("Leak", -3.5e-18, 4e-18)),
        raised(
            "M2", reason("defect_ratio", 3.0, -2.0, -4.5), reason("production_rate", 4.0, 5.0), reason("Flow", 1, 2)
        ),
    ]
    project(connection, AnomalyRows(), derived(alarms), 1)
    units = {"M1": {"Temp": "°C"}, "M2": {"defect_ratio": "ppm"}}
    filled(
        connection,
        [MachineRegistered(machine=name, t=Instant(1), id=name, units=said) for name, said in units.items()],
    )
    found = {item.machine: item.explanation.replace(NARROW, "_") for item in queries.anomalies(connection).items}
    assert found == {
        "M1": "Temp is 93.21_°C, usually 70_°C (+6.0 deviations); defect_ratio is 12.5_%, usually 1_% (+6.0 deviations); "
        "cycle_time is 14_s, usually 12.5_s (+6.0 deviations)",
        "M2": f"defect_ratio is 3_ppm, usually {MINUS}2_ppm ({MINUS}4.5 deviations); "
        "production_rate is 4_parts/min, usually 5_parts/min (+6.0 deviations); Flow is 1, usually 2 (+6.0 deviations)",
        "M3": f"defect_ratio is 0_%, usually 1_% ({MINUS}1.0 deviations); Leak is {MINUS}3.5e{MINUS}18, usually 4e{MINUS}18 "
        "(+6.0 deviations)",
    }


def test_who_reads_does_not_wait_for_who_writes(tmp_path: Path) -> None:
    with compose.read_store(tmp_path) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with compose.read_store(tmp_path) as reader:
            assert queries.machines(reader).items == []
        writer.execute("ROLLBACK")


@pytest.mark.parametrize("cursor", ["%%%", "AAAA", "", "gqFh"])
def test_a_wrong_cursor_is_said_to_be_wrong(connection: sqlite3.Connection, cursor: str) -> None:
    with pytest.raises(InvalidInput, match="cursor: expected the `next` of an earlier answer"):
        queries.stops(connection, NOW, cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_out_of_range_is_refused(connection: sqlite3.Connection, limit: int) -> None:
    with pytest.raises(InvalidInput, match="limit: expected 1 to 1000"):
        queries.machines(connection, limit=limit)
