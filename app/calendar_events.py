"""The calendars of a plant file as `calendar.set` events: a month of UTC at a time, some weeks ahead.

Rules:
1. Only intervals enter the log, so that it says the same whatever version of the time zone database reads it later. The rules
   are worked out here, when the plant file is read, and again when a month is due.
2. An event holds from its `valid_from` until the next one's. Months that are due are those that begin by now + AHEAD. What a
   month says is a function of the file, and one that was said is said again only when the file says something else of it: to say
   a month more changes nothing that is past.
3. The first month begins with the calendar: at its valid_from, else with the month in which the file is read first. When
   a machine's calendar has begun, no later file may leave that time without one.
4. A machine by itself has events of its own from when it has another calendar than the site's, or stops of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise

from tailrace.app import calendars
from tailrace.app.calendars import Work
from tailrace.app.settings import Plant
from tailrace.engine.calendar import intervals
from tailrace.schemas.errors import InvalidSettings
from tailrace.schemas.event import CalendarSet
from tailrace.schemas.instant import DAY, SECOND, Instant, format_instant, parse_instant
from tailrace.schemas.wall import instant, local

AHEAD = 35 * DAY
"""Months that begin so long after now, or sooner, are due, so five to nine weeks ahead are always said."""

KIND = "calendar"


def events(plant: Plant, said: Iterable[str], now: int) -> Iterator[tuple[str, CalendarSet]]:
    """(name, event) of every month of every calendar up to those that are due; said: names of all that was said before.

    Raises InvalidSettings where time that had a calendar would have none.
    """
    begun = _begun(said)
    for machine, work in _works(plant, begun):
        edges = _edges(machine, work, begun.get(machine, set()), now)
        for start, end in pairwise(edges):
            found = intervals(work.versions, work.zone, start, end)
            event = CalendarSet(
                machine=machine, t=Instant(now), valid_from=Instant(start), intervals=found, by="plant file"
            )
            yield f"{KIND}:{machine}@{format_instant(start)}", event


def due(now: int) -> int:
    """Up to when (ns, a month's begin) calendars are said at an instant."""
    ahead = _moment(now + AHEAD)
    return _month(ahead.year, ahead.month + 1)


def _works(plant: Plant, begun: Iterable[str]) -> Iterator[tuple[str, Work]]:
    """The site ("") and every machine that needs events of its own, with what it works by."""
    if plant.site.calendar:
        yield "", calendars.work(plant, plant.site.calendar)
    elif "" in begun:
        raise InvalidSettings(f"site.calendar: {_KEEP}")
    for machine in plant.machines:
        work = calendars.work_of(plant, machine)
        if work is None and machine in begun:
            raise InvalidSettings(f"machines.{machine}.calendar: {_KEEP}")
        if work is not None and (machine in begun or not calendars.is_site_s(plant, machine)):
            yield machine, work


def _edges(machine: str, work: Work, begun: set[int], now: int) -> list[int]:
    """When the events of a machine begin, by time, and where the last one ends."""
    first = work.versions[0].valid_from
    at = _moment(now)
    begin = min(begun, default=_month(at.year, at.month)) if first is None else instant(local(first, 0), work.zone)
    if begun and begin > min(begun):
        raise InvalidSettings(
            f"{f'machines.{machine}' if machine else 'site'}.calendar: expected a calendar from {format_instant(min(begun))} on, "
            f"as it was said when that file was read, got one from {format_instant(begin)} on; {_HOW}"
        )
    return sorted({begin, *begun, *_months(begin, due(now))})


def _begun(said: Iterable[str]) -> dict[str, set[int]]:
    """By machine, when the events that were said begin."""
    found: dict[str, set[int]] = {}
    for name in said:
        kind, _, rest = name.partition(":")
        if kind == KIND:
            machine, _, start = rest.rpartition("@")
            found.setdefault(machine, set()).add(int(parse_instant(start)))
    return found


def _months(begin: int, end: int) -> Iterator[int]:
    """The months of UTC that begin in (begin, end]."""
    at = _moment(begin)
    year, month = at.year, at.month
    while (month := month + 1) and (start := _month(year, month)) <= end:
        yield start


def _month(year: int, month: int) -> int:
    """When a month begins; month 13 is January of the next year."""
    years, rest = divmod(month - 1, 12)
    return int(datetime(year + years, rest + 1, 1, tzinfo=UTC).timestamp()) * SECOND


def _moment(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // SECOND, UTC)


_HOW = (
    "leave the earlier entry of `calendars` as it is and write the change as another entry of that name with its valid_from; "
    "`shifts: []` schedules nothing, a shift from 00:00 to 24:00 all of the time"
)
_KEEP = f"expected a calendar, as it was said when that file was read before, got none; {_HOW}"
