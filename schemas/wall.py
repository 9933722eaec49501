"""Local times of a plant, and where they lie in UTC: a time of day, a day, and both together.

Rules: a time of day is whole minutes from 00:00 to 24:00, which is the end of the day. A local time that the clocks skip lies as
much later as they jump (02:30 becomes 03:30); of one that comes twice the first is meant. RFC 5545 and most calendars decide so.
The zone is an argument: nothing here reads the time zone database.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.instant import SECOND

DAY_MINUTES = 24 * 60
YEAR_MIN, YEAR_MAX = 2000, 2199

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00", re.ASCII)
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class WallTime(int):
    """A time of day in minutes since 00:00; 1440 is 24:00."""

    __slots__ = ()


class Day(date):
    """A day of a plant."""


class LocalTime(datetime):
    """A day and a time of day of a plant, without an offset."""


def parse_wall(value: object) -> WallTime:
    """A time of day from text like 06:00. Raises InvalidEvent."""
    if not isinstance(value, str) or not (match := _TIME.fullmatch(value)):
        raise InvalidEvent(f"expected a time of day from 00:00 to 24:00, like 06:00, got {_shown(value)}")
    return WallTime(DAY_MINUTES if match[1] is None else int(match[1]) * 60 + int(match[2]))


def parse_day(value: object) -> Day:
    """A day from text like 2026-12-24. Raises InvalidEvent."""
    problem = f"expected a day of the years {YEAR_MIN} to {YEAR_MAX}, like 2026-12-24, got {_shown(value)}"
    if not isinstance(value, str) or not (match := _DAY.fullmatch(value)):
        raise InvalidEvent(problem)
    try:
        day = Day(*map(int, match.groups()))
    except ValueError:
        raise InvalidEvent(f"expected a day that exists, got {_shown(value)}") from None
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise InvalidEvent(problem)
    return day


def parse_local(value: object) -> LocalTime:
    """A day and a time of day from text like 2026-12-24T14:00. Raises InvalidEvent."""
    day, _, time = value.partition("T") if isinstance(value, str) else ("", "", "")
    if not time:
        raise InvalidEvent(f"expected a day and a local time, like 2026-12-24T14:00, got {_shown(value)}")
    found = local(parse_day(day), parse_wall(time))
    return LocalTime(found.year, found.month, found.day, found.hour, found.minute)


def format_wall(minutes: int) -> str:
    """A time of day as text; minutes beyond 24:00 are those of the next day."""
    whole = minutes if minutes <= DAY_MINUTES else minutes - DAY_MINUTES
    return f"{whole // 60:02}:{whole % 60:02}"


def local(day: date, minutes: int) -> datetime:
    """The local time so many minutes, as clocks show them, after a day's 00:00."""
    return datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)


def instant(at: datetime, zone: tzinfo) -> int:
    """A local time as int64 ns UTC."""
    since = at.replace(tzinfo=zone, fold=0).astimezone(UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND


def day_of(ns: int, zone: tzinfo) -> date:
    """The local day of an instant."""
    return (_EPOCH + timedelta(seconds=ns // SECOND)).astimezone(zone).date()


def skipped(at: datetime, zone: tzinfo) -> bool:
    """Whether clocks never show a local time, because they jump over it."""
    there = at.replace(tzinfo=zone, fold=0)
    return there.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != at.replace(tzinfo=None)


def _shown(value: object) -> str:
    return repr(value)[:60]
