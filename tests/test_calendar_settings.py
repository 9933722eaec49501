"""A calendar that is wrong says where, what was expected, what came and what to do; a right one says who works by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import tailrace
from tailrace.app import calendars, settings
from tailrace.schemas.errors import InvalidSettings

GOOD = """\
site: {name: S, timezone: Europe/Berlin, calendar: three}
lines:
  L1: {calendar: two}
machines:
  M1: {line: L1}
  M2: {line: L1, calendar: three}
  M3:
    line: L2
    planned_stops:
      - {from: 2026-12-05T08:00, to: 2026-12-05T12:00}
calendars:
  - name: two
    timezone: America/New_York
    shifts:
      - {name: F, start: 06:00, end: 14:00}
  - name: three
    shifts:
      - name: F
        start: 06:00
        end: 14:00
        breaks: [{start: 10:00, end: 10:30}]
      - {name: S, start: 14:00, end: 22:00, days: [mon, tue, wed, thu, fri]}
      - {name: N, start: 22:00, end: 06:00}
    holidays: [2026-12-25]
    exceptions:
      - date: 2026-12-24
        shifts: [{name: F, start: 06:00, end: 12:00}]
    planned_stops:
      - {from: 2026-12-28T06:00, to: 2026-12-28T24:00, name: boiler inspection}
  - name: three
    valid_from: 2027-01-01
    shifts: [{name: D, start: 07:00, end: 19:00}]
"""


def load(tmp_path: Path, text: str) -> settings.Plant:
    path = tmp_path / "plant.yaml"
    path.write_text(text)
    return settings.load(path)


def test_the_machine_stands_before_its_line_and_the_line_before_the_site(tmp_path: Path) -> None:
    plant = load(tmp_path, GOOD)
    assert {name: calendars.name_for(plant, name) for name in plant.machines} == {
        "M1": "two",
        "M2": "three",
        "M3": "three",
    }
    assert [name for name in plant.machines if calendars.is_site_s(plant, name)] == ["M2"]
    assert [each.valid_from for each in calendars.work(plant, "three").versions] == [
        None,
        plant.calendars[2].valid_from,
    ]
    found = calendars.work_of(plant, "M3")
    assert found is not None
    assert [stop.name for stop in found.versions[0].planned_stops] == ["boiler inspection", "planned maintenance"]
    assert str(calendars.work(plant, "two").zone) == "America/New_York"


WRONG = {
    "shifts overlap": (
        "start: 14:00",
        "start: 13:00",
        ":22: calendars[1].shifts[1]: expected shifts that do not overlap, got 'F' 06:00-14:00 of mon and 'S' 13:00-22:00 of mon",
    ),
    "a night overlaps the morning after": (
        "end: 06:00}",
        "end: 06:01}",
        "got 'N' 22:00-06:01 of mon and 'F' 06:00-14:00 of tue",
    ),
    "Sunday's night overlaps Monday": (
        "start: 22:00, end: 06:00}",
        "start: 22:00, end: 06:01, days: [sun]}",
        "'N' 22:00-06:01 of sun and 'F' 06:00-14:00 of mon",
    ),
    "a shift of 24 h overlaps others": (
        "start: 22:00, end: 06:00",
        "start: 22:00, end: 22:00",
        "expected shifts that do not overlap",
    ),
    "an exception overlaps the night before": (
        "name: F, start: 06:00, end: 12:00",
        "name: F, start: 05:00, end: 12:00",
        ":26: calendars[1].exceptions[0]: expected shifts that do not overlap, got 'N' 22:00-06:00 of 2026-12-23 and "
        "'F' 05:00-12:00 of 2026-12-24",
    ),
    "an exception overlaps the next morning": (
        "name: F, start: 06:00, end: 12:00}]\n",
        "name: N, start: 22:00, end: 07:00}]\n      - {date: 2026-12-25, shifts: "
        "[{name: F, start: 06:00, end: 12:00}]}\n",
        "'N' 22:00-07:00 of 2026-12-24 and 'F' 06:00-12:00 of 2026-12-25",
    ),
    "a version overlaps the night before it": (
        "start: 07:00",
        "start: 05:00",
        ":31: calendars[2].valid_from: expected shifts that do not overlap, got 'N'",
    ),
    "a name twice a day": (
        "name: S, start",
        "name: F, start",
        "expected each name of a shift once a day, got 'F' twice on mon",
    ),
    "a break outside": (
        "10:30",
        "14:30",
        ":21: calendars[1].shifts[0].breaks[0]: expected a break inside its shift 06:00-14:00, its end after its start, got "
        "10:00-14:30",
    ),
    "a break before": ("{start: 10:00", "{start: 05:30", "expected a break inside its shift 06:00-14:00"),
    "a break that ends before it starts": ("end: 10:30", "end: 09:30", "its end after its start, got 10:00-09:30"),
    "a break of no length": ("end: 10:30", "end: 10:00", "its end after its start, got 10:00-10:00"),
    "breaks overlap": (
        "end: 10:30}",
        "end: 10:30}, {start: 10:15, end: 10:45}",
        "breaks[1]: expected breaks that do not overlap",
    ),
    "no day": (
        "[mon, tue, wed, thu, fri]",
        "[]",
        ":22: calendars[1].shifts[1].days: expected at least one day of the week",
    ),
    "a day twice": ("[mon, tue, wed, thu, fri]", "[mon, mon]", "expected each day once, got mon, mon"),
    "a day that is none": (
        "[mon, tue, wed, thu, fri]",
        "[monday]",
        "calendars[1].shifts[1].days[0]: expected one of fri, mon, sat, sun, thu, tue, wed, got 'monday'",
    ),
    "a time that is none": (
        "start: 14:00",
        "start: 25:00",
        ":22: calendars[1].shifts[1].start: expected a time of day from 00:00 to 24:00, like 06:00, got '25:00'",
    ),
    "a time without minutes": (
        "start: 14:00",
        "start: 14",
        "expected a time of day from 00:00 to 24:00, like 06:00, got 14",
    ),
    "a date that does not exist": ("2026-12-24", "2026-02-30", "expected a day that exists, got '2026-02-30'"),
    "a year out of range": (
        "2026-12-25",
        "1926-12-25",
        ":24: calendars[1].holidays[0]: expected a day of the years 2000 to 2199",
    ),
    "a date twice": (
        "    planned_stops:\n      - {from: 2026-12-28",
        "      - date: 2026-12-24\n    planned_stops:\n      - {from: 2026-12-28",
        "exceptions[1].date: expected each date once, got 2026-12-24 again",
    ),
    "a stop that ends before it starts": (
        "to: 2026-12-28T24:00",
        "to: 2026-12-28T05:00",
        ":29: calendars[1].planned_stops[0]: expected from before to, got 2026-12-28T06:00 .. 2026-12-28T05:00",
    ),
    "a machine's stop that ends before it starts": (
        "to: 2026-12-05T12:00",
        "to: 2026-12-05T08:00",
        ":10: machines.M3.planned_stops[0]: expected from before to",
    ),
    "a stop at a time that clocks skip": (
        "from: 2026-12-28T06:00",
        "from: 2026-03-29T02:30",
        "planned_stops[0].from: expected a local time that exists, got 2026-03-29T02:30, which the clocks of Europe/Berlin skip",
    ),
    "an exception at a time that clocks skip": (
        "date: 2026-12-24\n        shifts: [{name: F, start: 06:00",
        "date: 2026-03-29\n        shifts: [{name: F, start: 02:30",
        "exceptions[0].shifts[0].start: expected a local time that exists, got 2026-03-29T02:30",
    ),
    "a stop with an offset": (
        "from: 2026-12-28T06:00",
        "from: 2026-12-28T06:00Z",
        "expected a time of day from 00:00 to 24:00, like 06:00, got '06:00Z'",
    ),
    "a stop without a time": (
        "from: 2026-12-28T06:00",
        "from: 2026-12-28",
        "expected a day and a local time, like 2026-12-24T14:00, got '2026-12-28'",
    ),
    "an unknown calendar of the site": (
        "calendar: three}",
        "calendar: thre}",
        ":1: site.calendar: expected a calendar of this file, got 'thre'; did you mean 'three'?",
    ),
    "an unknown calendar of a line": (
        "{calendar: two}",
        "{calendar: tw}",
        ":3: lines.L1.calendar: expected a calendar of this file",
    ),
    "an unknown calendar of a machine": (
        "L1, calendar: three",
        "L1, calendar: x",
        ":6: machines.M2.calendar: expected a calendar",
    ),
    "an unknown line": (
        "  L1: {calendar",
        "  L3: {calendar",
        ":3: lines.L3: expected a line of a machine of this file, got 'L3'",
    ),
    "stops without a calendar": (
        ", calendar: three}\nlines",
        "}\nlines",
        "machines.M3.planned_stops: expected a calendar in which",
    ),
    "an unknown zone": (
        "America/New_York",
        "America/New_Yrk",
        ":13: calendars[0].timezone: expected the IANA name of a time zone, like Europe/Berlin, got 'America/New_Yrk'",
    ),
    "two zones": (
        "valid_from: 2027-01-01",
        "valid_from: 2027-01-01\n    timezone: UTC",
        "calendars[2].timezone: expected one time zone in all entries of calendar 'three', got 'UTC'; the first one says 'none'",
    ),
    "no valid_from in a second entry": (
        "    valid_from: 2027-01-01\n",
        "",
        "calendars[2]: expected another valid_from in each entry of calendar 'three', got none",
    ),
    "an unknown field": (
        "holidays:",
        "holiday:",
        "calendars[1].holiday: expected a field that is known here, got 'holiday'; did you",
    ),
}


@pytest.mark.parametrize(("old", "new", "error"), WRONG.values(), ids=WRONG)
def test_a_wrong_calendar_says_where_and_what(tmp_path: Path, old: str, new: str, error: str) -> None:
    assert old in GOOD
    with pytest.raises(InvalidSettings) as raised:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert error in str(raised.value)


def test_validate_refuses_it_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "plant.yaml").write_text(GOOD.replace("start: 14:00", "start: 13:00"))
    done = tailrace("validate", tmp_path / "plant.yaml", code=2)
    assert "plant.yaml:22: calendars[1].shifts[1]: expected shifts that do not overlap" in done.stderr
    assert "Traceback" not in done.stderr
