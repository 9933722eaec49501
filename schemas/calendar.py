"""The rules of a calendar: which shifts a plant works, in local times, as plant.yaml says them (docs/calendar.md).

Rules: a shift whose end is not after its start ends on the next day, and belongs to the day on which it begins. A holiday has no
shift that begins on it; an exception has its own. What is said of a day (exception, holiday, weekday) stands in this order.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from tailrace.schemas.wall import DAY_MINUTES, Day, LocalTime, WallTime

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of what stands in a calendar."""


class Break(Rule, frozen=True, kw_only=True):
    """A planned stop of every such shift, start to end by the clock; it is as long when clocks change."""

    start: WallTime
    end: WallTime
    name: Name = "break"


class Shift(Rule, frozen=True, kw_only=True):
    """A shift from start to end by the clock; `name` after the day is its instance's: `2026-11-20/N`."""

    name: Name
    start: WallTime
    end: WallTime
    breaks: list[Break] = []

    @property
    def minutes(self) -> int:
        """How long it is by the clock: 1 to 1440."""
        return (self.end - self.start) % DAY_MINUTES or DAY_MINUTES

    def within(self, pause: Break) -> tuple[int, int]:
        """A break as minutes, by the clock, after the start of the shift."""
        start = (pause.start - self.start) % DAY_MINUTES
        return start, start + pause.end % DAY_MINUTES - pause.start % DAY_MINUTES + DAY_MINUTES * _midnight(pause)


class WeeklyShift(Shift, frozen=True, kw_only=True):
    """A shift on days of the week; absent: on every day."""

    days: list[Weekday] = msgspec.field(default_factory=lambda: list(WEEK))


class ExceptionDay(Rule, frozen=True, kw_only=True):
    """The shifts that begin on one day, instead of those of its weekday; none: nothing begins."""

    date: Day
    shifts: list[Shift] = []


class PlannedStop(Rule, frozen=True, kw_only=True):
    """Planned maintenance, or another planned stop, from one local time to another."""

    start: LocalTime = msgspec.field(name="from")
    end: LocalTime = msgspec.field(name="to")
    name: Name = "planned maintenance"


class Calendar(Rule, frozen=True, kw_only=True):
    """A calendar, or a later version of one: several entries of one name hold each from its valid_from to the next one's.

    valid_from: the first day whose shifts it says. timezone: IANA name; absent: the site's.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    valid_from: Day | None = None
    timezone: str = ""
    shifts: list[WeeklyShift] = []
    holidays: list[Day] = []
    exceptions: list[ExceptionDay] = []
    planned_stops: list[PlannedStop] = []


def _midnight(pause: Break) -> bool:
    """Whether midnight lies in a break or at its end."""
    return pause.end % DAY_MINUTES < pause.start % DAY_MINUTES
