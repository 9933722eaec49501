"""What is wrong with the calendars of a plant file that no type can say.

Rules: shifts of one calendar never overlap, whichever weekdays, exceptions and versions meet; a shift's name stands once a day;
a break lies in its shift; a time that is written for one date is one that clocks show on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta, tzinfo
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tailrace.app import calendars, zones
from tailrace.app.checked import nearest
from tailrace.app.yaml_lines import Path as Place
from tailrace.engine.calendar import shifts_on
from tailrace.schemas.calendar import WEEK, Calendar, PlannedStop, Shift
from tailrace.schemas.wall import DAY_MINUTES, format_wall, local, skipped

if TYPE_CHECKING:
    from tailrace.app.settings import Plant

Problem = tuple[Place, str]
WEEK_MINUTES = len(WEEK) * DAY_MINUTES


def problems(plant: Plant) -> Iterator[Problem]:
    """What is wrong, and where."""
    yield from _uses(plant)
    for i, calendar in enumerate(plant.calendars):
        place: Place = ("calendars", i)
        yield from (((*place, "timezone"), each) for each in zones.problems(calendar.timezone or "UTC"))
        yield from _versions(plant, place, calendar)
        zone = zones.zone(calendars.zone_name(plant, calendar.name))
        if zone is not None:
            yield from _dated(place, calendar, zone)
            yield from _stops(place, calendar.planned_stops, zone)
        own = [*_week(place, calendar), *_exceptions(place, calendar)]
        yield from own or _seams(plant, place, calendar)


def _uses(plant: Plant) -> Iterator[Problem]:
    known = {each.name for each in plant.calendars}
    lines = {each.line for each in plant.machines.values()}
    named: list[tuple[Place, str]] = [(("site", "calendar"), plant.site.calendar)]
    named += [(("lines", name, "calendar"), each.calendar) for name, each in plant.lines.items()]
    named += [(("machines", name, "calendar"), each.calendar) for name, each in plant.machines.items()]
    for place, name in named:
        if name and name not in known:
            yield place, f"expected a calendar of this file, got {name!r}; {nearest(name, known)}"
    for name in plant.lines:
        if name not in lines:
            yield ("lines", name), f"expected a line of a machine of this file, got {name!r}; {nearest(name, lines)}"
    for name, machine in plant.machines.items():
        used = calendars.name_for(plant, name)
        if machine.planned_stops and not used:
            yield (
                ("machines", name, "planned_stops"),
                "expected a calendar in which they are stops, got none; name one as `calendar` of the machine, line or site",
            )
        zone = zones.zone(calendars.zone_name(plant, used))
        if zone is not None:
            yield from _stops(("machines", name), machine.planned_stops, zone)


def _versions(plant: Plant, place: Place, calendar: Calendar) -> Iterator[Problem]:
    before = [each for each in plant.calendars[: int(place[1])] if each.name == calendar.name]
    if any(each.valid_from == calendar.valid_from for each in before):
        got = "none" if calendar.valid_from is None else f"{calendar.valid_from} again"
        yield (
            place,
            f"expected another valid_from in each entry of calendar {calendar.name!r}, got {got}; say from which day it holds",
        )
    if any(each.timezone != calendar.timezone for each in before):
        yield (
            (*place, "timezone"),
            f"expected one time zone in all entries of calendar {calendar.name!r}, got {calendar.timezone or 'none'!r}; "
            f"the first one says {before[0].timezone or 'none'!r}",
        )


# -- shifts that meet --------------------------------------------------------------------------------------------------


class _Meeting(NamedTuple):
    """A shift in minutes by the clock, what it is called in an error, and which of the weekly ones it is."""

    start: int
    end: int
    words: str
    number: int = 0


def _week(place: Place, calendar: Calendar) -> Iterator[Problem]:
    found: list[_Meeting] = []
    for i, shift in enumerate(calendar.shifts):
        here: Place = (*place, "shifts", i)
        yield from _breaks(here, shift)
        if not shift.days:
            yield (*here, "days"), "expected at least one day of the week, got none; leave the line out for every day"
        if len(set(shift.days)) < len(shift.days):
            yield (*here, "days"), f"expected each day once, got {', '.join(shift.days)}"
        found += [
            _meeting(shift, WEEK.index(day) * DAY_MINUTES, day)._replace(number=i) for day in dict.fromkeys(shift.days)
        ]
    found.sort()
    again = [each._replace(start=each.start + WEEK_MINUTES) for each in found[:1]]
    yield from (((*place, "shifts", later.number), words) for later, words in _overlaps([*found, *again]))
    for day in WEEK:
        names = [shift.name for shift in calendar.shifts if day in shift.days]
        yield from (((*place, "shifts"), each) for each in _twice(names, day))


def _exceptions(place: Place, calendar: Calendar) -> Iterator[Problem]:
    for i, exception in enumerate(calendar.exceptions):
        here: Place = (*place, "exceptions", i)
        if any(each.date == exception.date for each in calendar.exceptions[:i]):
            yield (*here, "date"), f"expected each date once, got {exception.date} again; put its shifts together"
        for n, shift in enumerate(exception.shifts):
            yield from _breaks((*here, "shifts", n), shift)
        yield from ((here, each) for each in _twice([shift.name for shift in exception.shifts], str(exception.date)))


def _seams(plant: Plant, place: Place, calendar: Calendar) -> Iterator[Problem]:
    """Where an exception, or the first day of a version, meets the days beside it."""
    versions = calendars.versions_of(plant, calendar.name)
    for i, exception in enumerate(calendar.exceptions):
        yield from (((*place, "exceptions", i), words) for _, words in _around(versions, exception.date))
    if calendar.valid_from is not None:
        yield from (((*place, "valid_from"), words) for _, words in _around(versions, calendar.valid_from))


def _around(versions: Sequence[Calendar], day: date) -> Iterator[tuple[_Meeting, str]]:
    days = [day + timedelta(days=n) for n in (-1, 0, 1)]
    found = [
        _meeting(shift, n * DAY_MINUTES, str(each))
        for n, each in enumerate(days)
        for shift in shifts_on(versions, each)
    ]
    return _overlaps(sorted(found))


def _meeting(shift: Shift, base: int, day: str) -> _Meeting:
    span = f"{format_wall(shift.start)}-{format_wall(shift.end)}"
    return _Meeting(base + shift.start, base + shift.start + shift.minutes, f"{shift.name!r} {span} of {day}")


def _overlaps(found: Sequence[_Meeting]) -> Iterator[tuple[_Meeting, str]]:
    """The later ones of two that overlap; found: by start."""
    for one, later in pairwise(found):
        if later.start < one.end:
            got = f"{one.words} and {later.words}"
            yield later, f"expected shifts that do not overlap, got {got}; let one end where the next begins"


def _twice(names: Sequence[str], day: str) -> Iterator[str]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"expected each name of a shift once a day, got {name!r} twice on {day}; name them apart"


def _breaks(place: Place, shift: Shift) -> Iterator[Problem]:
    until = 0
    inside = sorted((*shift.within(pause), i) for i, pause in enumerate(shift.breaks))
    for start, end, i in inside:
        pause = shift.breaks[i]
        got = f"{format_wall(pause.start)}-{format_wall(pause.end)}"
        here: Place = (*place, "breaks", i)
        if end <= start or end > shift.minutes:
            span = f"{format_wall(shift.start)}-{format_wall(shift.end)}"
            yield here, f"expected a break inside its shift {span}, its end after its start, got {got}"
        elif start < until:
            yield here, f"expected breaks that do not overlap, got {got} in another one; put them together"
        until = max(until, end)


# -- times of one date -------------------------------------------------------------------------------------------------


def _dated(place: Place, calendar: Calendar, zone: tzinfo) -> Iterator[Problem]:
    for i, exception in enumerate(calendar.exceptions):
        for n, shift in enumerate(exception.shifts):
            for name, minutes in (("start", shift.start), ("end", shift.start + shift.minutes)):
                at = local(exception.date, minutes)
                if skipped(at, zone):
                    yield (*place, "exceptions", i, "shifts", n, name), _never(f"{at:%Y-%m-%dT%H:%M}", zone)


def _stops(place: Place, stops: Sequence[PlannedStop], zone: tzinfo) -> Iterator[Problem]:
    for i, stop in enumerate(stops):
        here: Place = (*place, "planned_stops", i)
        start, end = (f"{at:%Y-%m-%dT%H:%M}" for at in (stop.start, stop.end))
        if stop.end <= stop.start:
            yield here, f"expected from before to, got {start} .. {end}"
        for name, at, text in (("from", stop.start, start), ("to", stop.end, end)):
            if skipped(at, zone):
                yield (*here, name), _never(text, zone)


def _never(at: str, zone: tzinfo) -> str:
    return (
        f"expected a local time that exists, got {at}, which the clocks of {zone} skip; write the one before or after"
    )
