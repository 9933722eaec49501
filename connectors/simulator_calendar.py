"""When the simulated plant works: three shifts on seven days, each with two breaks. Pure; instants are int64 ns UTC.

Rules: shifts begin at 06:00, 14:00 and 22:00 of the plant's zone, so one of them is 7 or 9 hours long when clocks change.
A calendar is said a week at a time: `calendar.set` of a week replaces what was said before from that Monday on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta, tzinfo
from functools import lru_cache

from tailrace.engine.calendar import Instance, instances, intervals
from tailrace.schemas.calendar import Break, Calendar, WeeklyShift
from tailrace.schemas.event import CalendarSet
from tailrace.schemas.instant import DAY, Instant
from tailrace.schemas.wall import WallTime, day_of, instant, local

BEGINS = {"early": 6 * 60, "late": 14 * 60, "night": 22 * 60}
LENGTH = 8 * 60
BREAKS = ((120, 15), (255, 30))
"""Minutes after the start of a shift, and for how many."""

WEEK_DAYS = 7


def _wall(minutes: int) -> WallTime:
    return WallTime(minutes % (24 * 60))


RULES = Calendar(
    name="three-shift",
    shifts=[
        WeeklyShift(
            name=name,
            start=_wall(begin),
            end=_wall(begin + LENGTH),
            breaks=[Break(start=_wall(begin + at), end=_wall(begin + at + long)) for at, long in BREAKS],
        )
        for name, begin in BEGINS.items()
    ],
)


def shift_at(t: int, zone: tzinfo) -> Instance:
    """The shift at an instant."""
    return next(each for each in shifts_in(t, t + 1, zone))


def shifts_in(start: int, end: int, zone: tzinfo) -> Iterator[Instance]:
    """Every shift that has a part in [start, end), in order."""
    for number in range(start // DAY - 2, end // DAY + 2):
        for shift in _of_day(number, zone):
            if shift.start < end and start < shift.end:
                yield shift


def breaks_in(start: int, end: int, zone: tzinfo) -> list[tuple[int, int]]:
    """Every break that has a part in [start, end), in order."""
    found = [stop for shift in shifts_in(start, end, zone) for stop in shift.stops]
    return [(a, b) for a, b, _ in found if a < end and start < b]


def calendar(t: int, zone: tzinfo, said: int) -> CalendarSet:
    """What the plant says of the week of an instant, and of the first day of the next one, so that none is ever missing."""
    monday = _monday(t, zone)
    begin, end = (_first(monday + timedelta(days=days), zone) for days in (0, WEEK_DAYS + 1))
    return CalendarSet(
        t=Instant(said), valid_from=Instant(begin), id=f"calendar:{monday.isoformat()}",
        intervals=intervals([RULES], zone, begin, end), by="planning",
    )  # fmt: skip


def next_week(t: int, zone: tzinfo) -> int:
    """When the calendar of the week after an instant's begins."""
    return _first(_monday(t, zone) + timedelta(days=WEEK_DAYS), zone)


def _first(day: date, zone: tzinfo) -> int:
    """When the first shift of a day begins."""
    return instant(local(day, BEGINS["early"]), zone)


def _monday(t: int, zone: tzinfo) -> date:
    """The Monday whose week of shifts holds an instant."""
    day = day_of(t, zone)
    if t < _first(day, zone):
        day -= timedelta(days=1)
    return day - timedelta(days=day.weekday())


@lru_cache(maxsize=256)
def _of_day(number: int, zone: tzinfo) -> list[Instance]:
    """The shifts that begin on a day of the plant."""
    day = date(1970, 1, 1) + timedelta(days=number)
    begin = _first(day, zone)
    return [each for each in instances([RULES], zone, begin, begin + DAY) if each.name.startswith(day.isoformat())]
