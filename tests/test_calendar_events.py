"""The calendars of a plant file as events: each month once, what changed again, and together the shifts that the rules say."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

import calendar_vectors
import oee_vectors
from commands import running, tailrace, tailrace_json, until
from tailrace.app import calendar_events, calendars, compose, declared, runner, settings
from tailrace.app.declared import Declared
from tailrace.app.settings import Plant
from tailrace.engine.calendar import instances
from tailrace.schemas import codec
from tailrace.schemas.calendar import Calendar, ExceptionDay, Shift, WeeklyShift
from tailrace.schemas.errors import InvalidSettings
from tailrace.schemas.event import CalendarSet
from tailrace.schemas.instant import DAY, HOUR, format_instant, parse_instant
from tailrace.schemas.wall import Day, WallTime, instant, local, parse_day
from tailrace.topologies.plan import Plan
from tailrace.topologies.shifts import shifts

NOW = parse_instant("2026-11-22T10:00:00Z")
SITE = """\
site: {name: S, timezone: Europe/Berlin, calendar: three}
machines: {M1: {}, M2: {calendar: day}}
calendars:
  - name: three
    valid_from: 2026-11-10
    shifts:
      - {name: F, start: 06:00, end: 14:00}
      - {name: N, start: 22:00, end: 06:00}
  - {name: day, shifts: [{name: D, start: 07:00, end: 16:00}]}
"""


def load(tmp_path: Path, text: str) -> Plant:
    path = tmp_path / "plant.yaml"
    path.write_text(text)
    return settings.load(path)


def said(plant: Plant, before: Declared, now: int = NOW) -> tuple[list[CalendarSet], Declared]:
    """The calendars of what `up` appends."""
    records, after = declared.declare(plant, before, now)
    found = [event for record in records for event in codec.events_of(record) if isinstance(event, CalendarSet)]
    return found, after


def begins(events: Sequence[CalendarSet]) -> list[str]:
    return [f"{each.machine or 'site'} {format_instant(int(each.valid_from or 0))[:10]}" for each in events]


def test_a_month_is_said_once_and_the_next_one_when_it_is_due(tmp_path: Path) -> None:
    plant = load(tmp_path, SITE)
    first, before = said(plant, Declared())
    assert begins(first) == ["site 2026-11-09", "site 2026-12-01", "M2 2026-11-01", "M2 2026-12-01"]
    assert first[0].valid_from == parse_instant("2026-11-10T00:00:00+01:00")
    assert said(plant, before)[0] == []
    at = parse_instant("2026-11-27T00:00:00Z")
    assert said(plant, before, at - 1)[0] == []
    assert begins(said(plant, before, at)[0]) == ["site 2027-01-01", "M2 2027-01-01"]
    assert calendar_events.due(at - 1) == parse_instant("2027-01-01T00:00:00Z")
    late = said(plant, before, parse_instant("2027-03-01T00:00:00Z"))[0]
    assert begins(late)[:4] == ["site 2027-01-01", "site 2027-02-01", "site 2027-03-01", "site 2027-04-01"]


def test_only_the_months_of_which_the_file_says_something_else_are_said_again(tmp_path: Path) -> None:
    before = said(load(tmp_path, SITE), Declared())[1]
    christmas = SITE.replace("    shifts:\n", "    holidays: [2026-12-25]\n    shifts:\n")
    assert begins(said(load(tmp_path, christmas), before)[0]) == ["site 2026-12-01"]
    later = SITE + "  - {name: three, valid_from: 2026-12-05, shifts: [{name: D, start: 08:00, end: 12:00}]}\n"
    again, _ = said(load(tmp_path, later), before)
    assert begins(again) == ["site 2026-12-01"]
    names = [each.name for each in again[0].intervals if each.kind == "shift"]
    assert names[names.index("2026-12-04/N") + 1] == "2026-12-05/D"
    assert "2026-12-05/F" not in names


def test_a_machine_that_gets_stops_of_its_own_gets_events_of_its_own_and_keeps_them(tmp_path: Path) -> None:
    before = said(load(tmp_path, SITE), Declared())[1]
    stopped = SITE.replace("M1: {}", "M1: {planned_stops: [{from: 2026-12-05T08:00, to: 2026-12-05T12:00}]}")
    events, after = said(load(tmp_path, stopped), before)
    assert begins(events) == ["M1 2026-11-09", "M1 2026-12-01"]
    assert [each.name for each in events[1].intervals if each.kind == "planned_stop"] == ["planned maintenance"]
    events, _ = said(load(tmp_path, SITE), after)
    assert begins(events) == ["M1 2026-12-01"]
    assert not [each for each in events[0].intervals if each.kind == "planned_stop"]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (
            ", calendar: three",
            "",
            "site.calendar: expected a calendar, as it was said when that file was read before, got none",
        ),
        (
            "valid_from: 2026-11-10",
            "valid_from: 2026-11-20",
            "site.calendar: expected a calendar from 2026-11-09T23:00:00Z on, as it was said when that file was read, "
            "got one from 2026-11-19T23:00:00Z on; leave the earlier entry",
        ),
    ],
)
def test_time_that_had_a_calendar_keeps_one(tmp_path: Path, old: str, new: str, error: str) -> None:
    before = said(load(tmp_path, SITE), Declared())[1]
    plant = load(tmp_path, SITE.replace(old, new))
    with pytest.raises(InvalidSettings) as raised:
        said(plant, before)
    assert error in str(raised.value)


def test_a_machine_without_its_calendar_falls_back_to_the_site_s_and_a_machine_that_is_gone_is_left_alone(
    tmp_path: Path,
) -> None:
    before = said(load(tmp_path, SITE.replace("2026-11-10", "2026-11-01")), Declared())[1]
    back = SITE.replace("2026-11-10", "2026-10-01").replace("M2: {calendar: day}", "M2: {}")
    events, _ = said(load(tmp_path, back), before)
    mine = [each for each in events if each.machine == "M2"]
    assert {each.name.partition("/")[2] for event in mine for each in event.intervals} == {"F", "N"}
    assert "M2" not in {
        each.machine for each in said(load(tmp_path, SITE.replace(", M2: {calendar: day}", "")), Declared())[0]
    }


# -- what the events say together --------------------------------------------------------------------------------------

dates = st.dates(date(2026, 9, 20), date(2026, 12, 20))


@st.composite
def weeks(draw: st.DrawFn) -> list[WeeklyShift]:
    """Shifts that do not overlap, perhaps none, perhaps over midnight."""
    cuts = sorted(draw(st.sets(st.integers(0, 1439), max_size=5)))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    found = [Shift(name=f"s{i}", start=WallTime(a), end=WallTime(b)) for i, (a, b) in enumerate(spans)]
    if len(cuts) % 2:
        found.append(Shift(name="N", start=WallTime(cuts[-1]), end=WallTime(cuts[0])))
    return [WeeklyShift(**{name: getattr(each, name) for name in Shift.__struct_fields__}) for each in found]


@st.composite
def files(draw: st.DrawFn) -> list[Plant]:
    """A plant file, and what people make of it: other shifts, exceptions, an earlier beginning."""
    begin = draw(dates)
    found: list[Plant] = []
    for _ in range(draw(st.integers(1, 4))):
        begin -= timedelta(days=draw(st.integers(0, 20)))
        days = draw(st.lists(dates, max_size=3, unique=True))
        exceptions = [ExceptionDay(date=Day(d.year, d.month, d.day)) for d in days]
        calendar = Calendar(
            name="x", valid_from=Day(begin.year, begin.month, begin.day), shifts=draw(weeks()), exceptions=exceptions
        )
        site = settings.Site(name="S", timezone="Europe/Berlin", calendar="x")
        found.append(Plant(site=site, calendars=[calendar]))
    return found


@tried(deadline=None, derandomize=True, max_examples=30, database=None)
@given(files(), st.lists(st.integers(0, 60 * 24), min_size=4, max_size=4), st.integers(0, 3))
def test_events_say_the_shifts_of_the_last_file_however_it_came_to_be(
    plants: list[Plant], hours: list[int], extended: int
) -> None:
    """Months cut shifts and files are changed and extended; a fold of all that was said has the shifts that the rules say."""
    plan, before, now = Plan(), Declared(), int(NOW)
    for position, (plant, more) in enumerate(zip([*plants, *plants[-1:] * extended], [*hours, *hours], strict=False)):
        now += more * HOUR
        events, before = said(plant, before, now)
        for event in events:
            plan = plan.with_calendar(event, position)
    work = calendars.work(plants[-1], "x")
    begin = instant(local(work.versions[0].valid_from or parse_day("2026-01-01"), 0), work.zone)
    end = calendar_events.due(now)
    if begin >= end:
        return
    wanted = [
        (max(i.start, begin), min(i.end, end) if i.start < end else i.end, i.name) for i in instances(*work, begin, end)
    ]
    found = [(each.start, min(each.end, end), each.name) for each in shifts(plan).values()]
    assert sorted(found) == sorted(wanted)


# -- through the product -----------------------------------------------------------------------------------------------


def said_by_up(plant: Path, data: Path) -> None:
    """Runs `up` until what the plant file says is in the log."""
    before = declared.read(data)
    with running(plant, data) as up:
        until(lambda: declared.read(data) != before, "the plant file is said")
        up.stop()


def test_vectors_from_the_plant_file_to_shift_instances(tmp_path: Path) -> None:
    vectors = oee_vectors.load("calendar")
    if not vectors:
        pytest.skip("../shared is not here")
    plant, data = tmp_path / "plant.yaml", tmp_path / "data"
    plant.write_text(calendar_vectors.plant(vectors))
    tailrace("validate", plant)
    said_by_up(plant, data)
    for vector in vectors:
        start, end = map(format_instant, calendar_vectors.window(vector))
        got = tailrace_json(
            "oee", "--dir", data, "--machine", vector["id"], "--from", start, "--to", end, "--every", "shift"
        )
        found = [(parse_instant(each["from"]), parse_instant(each["to"])) for each in got["items"]]
        assert [calendar_vectors.shown(*each) for each in found] == vector["expect"]["shifts"]
        assert [each["pbt"] for each in got["items"]] == [each["seconds"] for each in vector["expect"]["shifts"]]


THREE = """\
site: {name: S, timezone: Europe/Berlin, calendar: three}
lines: {L2: {calendar: day}}
machines: {M1: {line: L1}, M2: {line: L2}}
calendars:
  - name: three
    valid_from: 2025-03-01
    shifts:
      - {name: F, start: 06:00, end: 14:00, breaks: [{start: 10:00, end: 10:30}]}
      - {name: S, start: 14:00, end: 22:00, breaks: [{start: 18:00, end: 18:30}]}
      - {name: N, start: 22:00, end: 06:00, breaks: [{start: 02:00, end: 02:30}]}
    exceptions: [{date: 2025-03-31, shifts: []}]
    planned_stops: [{from: 2025-04-01T06:00, to: 2025-04-01T12:00}]
  - {name: day, valid_from: 2025-03-01, shifts: [{name: D, start: 07:00, end: 16:00}]}
"""
DAY_OF = """\
{"type":"state.changed","machine":"M1","t":"2025-03-29T20:00:00Z","state":"running","id":"a"}
{"type":"product.changed","machine":"M1","t":"2025-03-29T20:00:00Z","product":"P","ideal_cycle_s":10,"id":"p"}
{"type":"parts.counted","machine":"M1","t":"2025-03-30T03:59:59Z","good":700,"id":"c1"}
{"type":"parts.counted","machine":"M1","t":"2025-03-30T04:00:00Z","good":5,"id":"c2"}
{"type":"state.changed","machine":"M1","t":"2025-04-02T20:00:00Z","state":"stopped","id":"b"}
{"type":"clock.ticked","machine":"M2","t":"2025-04-02T20:00:00Z","id":"d"}
"""


def by_shift(data: Path, machine: str, start: str, end: str) -> dict[str, tuple[int, int, int]]:
    """Planned busy time, planned stop (seconds) and good parts of each shift that begins in a window."""
    found = tailrace_json("oee", "--dir", data, "--machine", machine, "--from", start, "--to", end, "--every", "shift")
    return {each["shift"]: (each["pbt"], each["planned_stop"], each["good"]) for each in found["items"]}


def test_a_night_on_which_clocks_change_from_the_plant_file_to_oee_by_shift(tmp_path: Path) -> None:
    """23,400 s are 7 h but for the break, as in docs/calendar.md; what is made at 05:59 is of the night of the day before."""
    plant, data = tmp_path / "plant.yaml", tmp_path / "data"
    plant.write_text(THREE)
    said_by_up(plant, data)
    (tmp_path / "day.jsonl").write_text(DAY_OF)
    assert tailrace_json("import", tmp_path / "day.jsonl", "--dir", data)["quarantined"] == 0
    assert by_shift(data, "M1", "2025-03-29T22:00:00+01:00", "2025-04-02T06:00:00+02:00") == {
        "2025-03-29/N": (23_400, 1_800, 700),
        "2025-03-30/F": (27_000, 1_800, 5),
        "2025-03-30/S": (27_000, 1_800, 0),
        "2025-03-30/N": (27_000, 1_800, 0),
        "2025-04-01/F": (7_200, 21_600, 0),
        "2025-04-01/S": (27_000, 1_800, 0),
        "2025-04-01/N": (27_000, 1_800, 0),
    }
    assert by_shift(data, "M2", "2025-03-30T00:00:00Z", "2025-04-01T00:00:00Z") == {
        "2025-03-30/D": (32_400, 0, 0),
        "2025-03-31/D": (32_400, 0, 0),
    }
    window = ["--from", "2025-03-29T00:00:00Z", "--to", "2025-03-31T00:00:00Z", "--every", "shift"]
    assert "2025-03-29/N" in tailrace("oee", "--dir", data, "--machine", "M1", *window).stdout
    lines = tailrace("oee", "--dir", data, "--line", "L1", *window).stdout
    assert "2025-03-29/N" in lines and "2025-03-30/D" not in lines
    early = ["--from", "2024-03-29T00:00:00Z", "--to", "2024-03-31T00:00:00Z", "--every", "shift"]
    assert (
        "no shift of a calendar begins in the window"
        in tailrace("oee", "--dir", data, "--machine", "M1", *early).stderr
    )
    assert tailrace_json("oee", "--dir", data, "--machine", "M1", *early) == {"items": []}


def test_a_change_from_a_day_on_restates_from_there(tmp_path: Path) -> None:
    """Another version of the calendar, three weeks later: the shifts before it keep their rows, those after it are others."""
    plant, data = tmp_path / "plant.yaml", tmp_path / "data"
    plant.write_text(THREE)
    said_by_up(plant, data)
    (tmp_path / "day.jsonl").write_text(DAY_OF)
    tailrace("import", tmp_path / "day.jsonl", "--dir", data)
    window = ("M1", "2025-03-29T22:00:00+01:00", "2025-04-02T06:00:00+02:00")
    before = by_shift(data, *window)
    plant.write_text(
        THREE + "  - {name: three, valid_from: 2025-04-01, shifts: [{name: L, start: 06:00, end: 18:00}]}\n"
    )
    said_by_up(plant, data)
    kept = {name: figures for name, figures in before.items() if name < "2025-04-01"}
    assert by_shift(data, *window) == kept | {"2025-04-01/L": (21_600, 21_600, 0)}


async def changed(directory: Path, known: set[str]) -> set[str]:
    """The names of what was said, once they are others than those known."""
    async with asyncio.timeout(60):
        while (found := set(declared.read(directory).said)) == known:  # noqa: ASYNC110  a file says it
            await asyncio.sleep(0.01)
    return found


async def test_a_running_up_says_the_month_that_falls_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "DUE_S", 0.01)
    monkeypatch.setattr(sys, "setswitchinterval", lambda _: None)
    now = int(NOW)
    one = runner.Runner(load(tmp_path, SITE), tmp_path / "data", clock=lambda: now)
    task = asyncio.create_task(one.run())
    try:
        first = await changed(tmp_path / "data", set())
        now += 10 * DAY
        more = await changed(tmp_path / "data", first) - first
    finally:
        one.stop()
        await task
    assert more == {"calendar:@2027-01-01T00:00:00Z", "calendar:M2@2027-01-01T00:00:00Z"}
    with compose.reading(tmp_path / "data") as log:
        records = [record for record in log.read_machine("M2", 0, 1000) if record.type == "calendar.set"]
    events = [event for record in records for event in codec.events_of(record)]
    assert "M2 2027-01-01" in begins([each for each in events if isinstance(each, CalendarSet)])
