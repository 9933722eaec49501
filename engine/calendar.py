"""From the rules of a calendar to the shifts and planned stops of a stretch of time, in UTC. Pure: the zone is an argument.

Rules: start and end of a shift are local times, each turned into UTC by itself, so a night shift is 7 or 9 h long when clocks
change. Its instance is named after the day on which it begins. A shift ends at the latest where the next one begins, which
matters only where clocks jump over both. A break begins at its local time, keeps its length, and does not leave its shift.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta, tzinfo
from itertools import zip_longest
from typing import NamedTuple

from tailrace.schemas.calendar import WEEK, Calendar, Shift
from tailrace.schemas.event import Interval
from tailrace.schemas.instant import MINUTE, Instant
from tailrace.schemas.wall import day_of, instant, local

ONE_DAY = timedelta(days=1)
MARGIN = 2 * ONE_DAY
"""A shift that has a part in a day began at most on the day before; one more lets it end where the next one begins."""


class Instance(NamedTuple):
    """A shift [start, end) in ns UTC, and its name, as in `2026-11-20/N`; stops: (start, end, name) of its breaks."""

    start: int
    end: int
    name: str
    stops: list[tuple[int, int, str]]


def shifts_on(versions: Sequence[Calendar], day: date) -> Sequence[Shift]:
    """The shifts that begin on a day, by the version of the calendar that holds; versions: by valid_from."""
    holding = [each for each in versions if each.valid_from is None or each.valid_from <= day]
    if not holding:
        return ()
    calendar = holding[-1]
    for exception in calendar.exceptions:
        if exception.date == day:
            return exception.shifts
    if day in calendar.holidays:
        return ()
    weekday = WEEK[day.weekday()]
    return [shift for shift in calendar.shifts if weekday in shift.days]


def instances(versions: Sequence[Calendar], zone: tzinfo, start: int, end: int) -> list[Instance]:
    """The shifts that have a part in [start, end), by time, each whole."""
    day, last = day_of(start, zone) - MARGIN, day_of(end, zone) + MARGIN
    found: list[Instance] = []
    while day <= last:
        found += [_instance(shift, day, zone) for shift in shifts_on(versions, day)]
        day += ONE_DAY
    real = sorted(each for each in found if each.start < each.end)
    return [each for each in _apart(real) if each.start < end and start < each.end]


def intervals(versions: Sequence[Calendar], zone: tzinfo, start: int, end: int) -> list[Interval]:
    """What a `calendar.set` says of [start, end): shifts with their breaks, then planned stops, each whole, by time."""
    found: list[Interval] = []
    for shift in instances(versions, zone, start, end):
        found.append(Interval(kind="shift", start=Instant(shift.start), end=Instant(shift.end), name=shift.name))
        found += [_planned_stop(*each) for each in shift.stops]
    stops = sorted((instant(s.start, zone), instant(s.end, zone), s.name) for v in versions for s in v.planned_stops)
    return found + [_planned_stop(*each) for each in stops if each[0] < end and start < each[1]]


def _instance(shift: Shift, day: date, zone: tzinfo) -> Instance:
    start, end = (instant(local(day, shift.start + minutes), zone) for minutes in (0, shift.minutes))
    stops: list[tuple[int, int, str]] = []
    for pause in shift.breaks:
        after, until = shift.within(pause)
        begin = instant(local(day, shift.start + after), zone)
        stops.append((begin, begin + (until - after) * MINUTE, pause.name))
    return Instance(start, end, f"{day.isoformat()}/{shift.name}", stops)


def _apart(found: list[Instance]) -> Iterator[Instance]:
    """The shifts, each until the next one begins at the latest, with what of their breaks lies inside."""
    for shift, after in zip_longest(found, found[1:]):
        end = shift.end if after is None else min(shift.end, after.start)
        stops = [(a, min(b, end), name) for a, b, name in shift.stops if a < end]
        yield Instance(shift.start, end, shift.name, stops)


def _planned_stop(start: int, end: int, name: str) -> Interval:
    return Interval(kind="planned_stop", start=Instant(start), end=Instant(end), name=name)
