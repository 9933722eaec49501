"""Rules of a calendar become shifts in UTC: the vectors, the nights on which clocks change, and what holds for any calendar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import settings as tried
from hypothesis import strategies as st

import calendar_vectors
import oee_vectors
from tailrace.app import calendars, settings
from tailrace.engine.calendar import Instance, instances, intervals
from tailrace.schemas.calendar import Break, Calendar, ExceptionDay, PlannedStop, Shift, WeeklyShift
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND, format_instant, parse_instant
from tailrace.schemas.wall import Day, format_wall, instant, local, parse_day, parse_local, parse_wall, skipped

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [
    ZoneInfo(name) for name in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "UTC")
]
SPRING, AUTUMN = date(2025, 3, 29), date(2025, 10, 25)
"""The days on which Berlin's nights of 7 h and 9 h begin."""


def shift(name: str, start: str, end: str, *breaks: tuple[str, str]) -> WeeklyShift:
    pauses = [Break(start=parse_wall(a), end=parse_wall(b)) for a, b in breaks]
    return WeeklyShift(name=name, start=parse_wall(start), end=parse_wall(end), breaks=pauses)


THREE = Calendar(
    name="three", shifts=[shift("F", "06:00", "14:00"), shift("S", "14:00", "22:00"), shift("N", "22:00", "06:00")]
)


def on(found: Sequence[Instance], day: date) -> list[tuple[str, float]]:
    """The shifts of a day and their hours."""
    return [(each.name, (each.end - each.start) / HOUR) for each in found if each.name.startswith(day.isoformat())]


def around(calendar: Calendar, day: date, zone: ZoneInfo = BERLIN) -> list[Instance]:
    noon = instant(local(day, 12 * 60), zone)
    return instances([calendar], zone, noon - 2 * DAY, noon + 2 * DAY)


@pytest.mark.parametrize("vector", oee_vectors.params("calendar"))
def test_a_vector_through_the_function(vector: oee_vectors.Vector, tmp_path: Path) -> None:
    path = tmp_path / "plant.yaml"
    path.write_text(calendar_vectors.plant([vector]))
    work = calendars.work(settings.load(path), vector["id"])
    found = instances(work.versions, work.zone, *calendar_vectors.window(vector))
    assert calendar_vectors.answer(found) == vector["expect"]["shifts"]


def test_nights_on_which_clocks_change_are_7_and_9_hours_and_belong_to_the_day_on_which_they_begin() -> None:
    for day, night in ((SPRING, 7), (AUTUMN, 9), (date(2025, 6, 10), 8)):
        assert on(around(THREE, day), day) == [(f"{day}/F", 8), (f"{day}/S", 8), (f"{day}/N", night)]


def test_a_break_keeps_its_length_and_stays_in_its_shift() -> None:
    night = shift("N", "22:00", "06:00", ("02:30", "03:00"), ("05:30", "06:00"))
    for day, begins in ((SPRING, "2025-03-30T01:30:00Z"), (AUTUMN, "2025-10-26T00:30:00Z")):
        found = around(Calendar(name="n", shifts=[night]), day)
        (one,) = [each for each in found if each.name == f"{day}/N"]
        assert format_instant(one.stops[0][0]) == begins
        assert [(end - start) // MINUTE for start, end, _ in one.stops] == [30, 30]
        assert one.stops[-1][1] == one.end


def test_a_time_that_clocks_skip_is_as_much_later_and_of_two_the_first_is_meant() -> None:
    assert skipped(local(date(2025, 3, 30), 150), BERLIN)
    assert not skipped(local(date(2025, 10, 26), 150), BERLIN)
    assert instant(local(date(2025, 3, 30), 150), BERLIN) == parse_instant("2025-03-30T03:30:00+02:00")
    assert instant(local(date(2025, 10, 26), 150), BERLIN) == parse_instant("2025-10-26T02:30:00+02:00")


def test_where_clocks_jump_over_the_seam_of_two_shifts_neither_overlaps() -> None:
    seam = Calendar(
        name="s", shifts=[shift("A", "22:00", "02:15"), shift("B", "03:00", "11:00"), shift("C", "02:20", "02:50")]
    )
    found = [each for each in around(seam, date(2025, 3, 30)) if each.start >= parse_instant("2025-03-29T20:00:00Z")]
    assert [(i.name, format_instant(i.start), format_instant(i.end)) for i in found[:2]] == [
        ("2025-03-29/A", "2025-03-29T21:00:00Z", "2025-03-30T01:00:00Z"),
        ("2025-03-30/B", "2025-03-30T01:00:00Z", "2025-03-30T01:20:00Z"),
    ]


def test_holidays_exceptions_and_versions_say_which_shifts_begin_on_a_day() -> None:
    short = Shift(name="F", start=parse_wall("06:00"), end=parse_wall("12:00"))
    old = Calendar(
        name="x", shifts=THREE.shifts, holidays=[parse_day("2026-12-25")],
        exceptions=[ExceptionDay(date=parse_day("2026-12-24"), shifts=[short])],
    )  # fmt: skip
    new = Calendar(name="x", valid_from=parse_day("2026-12-27"), shifts=[shift("D", "07:00", "19:00")])
    at = parse_instant("2026-12-23T12:00:00Z")
    found = instances([old, new], BERLIN, at, at + 5 * DAY)
    assert [(each.name, (each.end - each.start) // HOUR) for each in found] == [
        ("2026-12-23/F", 8), ("2026-12-23/S", 8), ("2026-12-23/N", 8), ("2026-12-24/F", 6),
        ("2026-12-26/F", 8), ("2026-12-26/S", 8), ("2026-12-26/N", 8), ("2026-12-27/D", 12), ("2026-12-28/D", 12),
    ]  # fmt: skip


def test_a_calendar_is_said_as_shifts_with_their_breaks_and_planned_stops() -> None:
    stop = PlannedStop(start=parse_local("2026-11-20T08:00"), end=parse_local("2026-11-20T24:00"))
    calendar = Calendar(name="x", shifts=[shift("F", "06:00", "14:00", ("10:00", "10:30"))], planned_stops=[stop])
    at = parse_instant("2026-11-20T06:00:00Z")
    assert [
        (i.kind, i.name, format_instant(i.start), format_instant(i.end))
        for i in intervals([calendar], BERLIN, at, at + HOUR)
    ] == [
        ("shift", "2026-11-20/F", "2026-11-20T05:00:00Z", "2026-11-20T13:00:00Z"),
        ("planned_stop", "break", "2026-11-20T09:00:00Z", "2026-11-20T09:30:00Z"),
    ]
    later = intervals([calendar], BERLIN, at + HOUR, at + 2 * HOUR)
    assert [(i.kind, i.name, format_instant(i.end)) for i in later][2:] == [
        ("planned_stop", "planned maintenance", "2026-11-20T23:00:00Z")
    ]


# -- any calendar ------------------------------------------------------------------------------------------------------


@st.composite
def around_the_clock(draw: st.DrawFn) -> list[WeeklyShift]:
    """Shifts of one to six times of day, each until the next one begins: they fill the day."""
    cuts = sorted(draw(st.sets(st.integers(0, 1439), min_size=1, max_size=6)))
    ends = [*cuts[1:], cuts[0]]
    return [shift(f"s{i}", format_wall(a), format_wall(b)) for i, (a, b) in enumerate(zip(cuts, ends, strict=True))]


days = st.dates(date(2020, 1, 5), date(2030, 12, 25))


@tried(deadline=None, derandomize=True, database=None)
@given(around_the_clock(), st.sampled_from(ZONES), days)
@example(THREE.shifts, BERLIN, SPRING)
@example(THREE.shifts, BERLIN, AUTUMN)
@example([shift("a", "02:10", "02:40"), shift("b", "02:40", "02:10")], BERLIN, SPRING)
@example([shift("a", "02:10", "03:00"), shift("b", "03:00", "02:10")], BERLIN, SPRING)
def test_shifts_that_fill_the_day_by_the_clock_fill_it_in_utc(
    shifts: list[WeeklyShift], zone: ZoneInfo, day: date
) -> None:
    """None overlap, none is missing, whichever clocks change; and each is named after the local day on which it begins."""
    start = instant(local(day, 0), zone)
    found = instances([Calendar(name="x", shifts=shifts)], zone, start, start + 4 * DAY)
    assert all(one.end == after.start for one, after in pairwise(found))
    assert found[0].start <= start
    assert found[-1].end >= start + 4 * DAY
    seconds = {each.name: each.end - each.start for each in found}
    assert all(length > 0 for length in seconds.values())
    for each in found:
        here = datetime.fromtimestamp(each.start // SECOND, zone)
        assert each.name.startswith(here.date().isoformat())


@tried(deadline=None, derandomize=True, database=None)
@given(around_the_clock(), st.sampled_from(ZONES), days, st.integers(0, 3 * 1440), st.integers(1, 1440))
def test_a_stretch_cut_in_two_has_the_shifts_of_the_whole(
    shifts: list[WeeklyShift], zone: ZoneInfo, day: date, cut: int, more: int
) -> None:
    versions = [
        Calendar(name="x", shifts=shifts[:2]),
        Calendar(name="x", valid_from=Day(day.year, day.month, day.day), shifts=shifts),
    ]
    start = instant(local(day - timedelta(days=1), 0), zone)
    middle, end = start + cut * MINUTE, start + (cut + more) * MINUTE
    parts = instances(versions, zone, start, middle) + instances(versions, zone, middle, end)
    assert sorted(set(map(tuple_of, parts))) == sorted(map(tuple_of, instances(versions, zone, start, end)))


def tuple_of(each: Instance) -> tuple[int, int, str]:
    return each.start, each.end, each.name


def test_the_worked_nights_of_the_docs(tmp_path: Path) -> None:
    """The plant file and the table of docs/calendar.md, as they stand there."""
    text = (Path(__file__).parents[1] / "docs" / "calendar.md").read_text()
    path = tmp_path / "plant.yaml"
    path.write_text(text.split("```yaml\n")[1].split("```")[0])
    work = calendars.work(settings.load(path), "three-shift")
    found = instances(
        work.versions, work.zone, parse_instant("2025-01-02T00:00:00Z"), parse_instant("2026-01-01T00:00:00Z")
    )
    shown = {
        each.name: (format_instant(each.start), format_instant(each.end), (each.end - each.start) // HOUR)
        for each in found
    }
    rows = re.findall(r"^\| (2025-\S+) \| (\S+) \| (\S+) \| (\d+) \|$", text, re.MULTILINE)
    assert len(rows) == 5
    assert {name: shown[name] for name, *_ in rows} == {name: (a, b, int(hours)) for name, a, b, hours in rows}
    breaks = {each.name: [tuple(map(format_instant, stop[:2])) for stop in each.stops] for each in found}
    assert breaks["2025-03-29/N"] == [("2025-03-30T01:00:00Z", "2025-03-30T01:30:00Z")]
    assert breaks["2025-10-25/N"] == [("2025-10-26T00:00:00Z", "2025-10-26T00:30:00Z")]
