"""When the simulated plant works: three shifts on seven days, each with two breaks. Pure; instants are int64 ns UTC.

Rules: shifts begin at 06:00, 14:00 and 22:00 of the plant's zone, so one of them is 7 or 9 hours long when clocks change.
A calendar is said a week at a time: `calendar.set` of a week replaces what was said before from that Monday on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

from tailrace.schemas.event import CalendarSet, Interval
from tailrace.schemas.instant import DAY, MINUTE, SECOND, Instant

SHIFTS = ((time(6), "early"), (time(14), "late"), (time(22), "night"))
BREAKS = ((120, 15), (255, 30))
"""Minutes after the start of a shift, and for how many."""

WEEK_DAYS = 7


class Shift(NamedTuple):
    """A shift [start, end) and its name, as in `2026-11-20/early`."""

    start: int
    end: int
    name: str


def shifts(day: date, zone: tzinfo) -> list[Shift]:
    """The shifts that begin on a day of the plant."""
    starts = [_instant(day, begin, zone) for begin, _ in SHIFTS]
    ends = [*starts[1:], _instant(day + timedelta(days=1), SHIFTS[0][0], zone)]
    names = [f"{day.isoformat()}/{name}" for _, name in SHIFTS]
    return [Shift(*each) for each in zip(starts, ends, names, strict=True)]


def breaks(shift: Shift) -> list[tuple[int, int]]:
    """The breaks of a shift, [start, end)."""
    return [(shift.start + at * MINUTE, shift.start + (at + long) * MINUTE) for at, long in BREAKS]


def shift_at(t: int, zone: tzinfo) -> Shift:
    """The shift at an instant."""
    return next(each for each in shifts_in(t, t + 1, zone))


def shifts_in(start: int, end: int, zone: tzinfo) -> Iterator[Shift]:
    """Every shift that has a part in [start, end), in order."""
    for number in range(start // DAY - 2, end // DAY + 2):
        for shift in _of_day(number, zone):
            if shift.start < end and start < shift.end:
                yield shift


def breaks_in(start: int, end: int, zone: tzinfo) -> list[tuple[int, int]]:
    """Every break that has a part in [start, end), in order."""
    found = [each for shift in shifts_in(start, end, zone) for each in breaks(shift)]
    return [(a, b) for a, b in found if a < end and start < b]


def calendar(t: int, zone: tzinfo, said: int) -> CalendarSet:
    """What the plant says of the week of an instant, and of the first day of the next one, so that none is ever missing."""
    monday = _monday(t, zone)
    intervals: list[Interval] = []
    for number in range(WEEK_DAYS + 1):
        for shift in shifts(monday + timedelta(days=number), zone):
            intervals.append(
                Interval(kind="shift", start=Instant(shift.start), end=Instant(shift.end), name=shift.name)
            )
            intervals += [Interval(kind="planned_stop", start=Instant(a), end=Instant(b)) for a, b in breaks(shift)]
    begin = Instant(shifts(monday, zone)[0].start)
    return CalendarSet(
        t=Instant(said), valid_from=begin, id=f"calendar:{monday.isoformat()}", intervals=intervals, by="planning"
    )


def next_week(t: int, zone: tzinfo) -> int:
    """When the calendar of the week after an instant's begins."""
    return shifts(_monday(t, zone) + timedelta(days=WEEK_DAYS), zone)[0].start


def _monday(t: int, zone: tzinfo) -> date:
    """The Monday whose week of shifts holds an instant."""
    day = datetime.fromtimestamp(t // SECOND, zone).date()
    if t < shifts(day, zone)[0].start:
        day -= timedelta(days=1)
    return day - timedelta(days=day.weekday())


@lru_cache(maxsize=256)
def _of_day(number: int, zone: tzinfo) -> list[Shift]:
    return shifts(date(1970, 1, 1) + timedelta(days=number), zone)


def _instant(day: date, at: time, zone: tzinfo) -> int:
    moment = datetime.combine(day, at, zone).astimezone(UTC)
    return int(moment.timestamp()) * SECOND
