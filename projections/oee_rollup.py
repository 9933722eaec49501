"""Which hours and shifts a change of minutes touches: those rows of `oee_hour` and `oee_shift` are made again in the same commit.

So hours, shifts and minutes never disagree, whatever was restated and however the log was cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tailrace.engine.store import Change, Row
from tailrace.projections.texts import utc
from tailrace.schemas.instant import HOUR
from tailrace.schemas.shift import Shift

Minute = tuple[str, int]
"""Machine and start of a minute in ns."""


def summed(minutes: Iterable[Minute], shifts: Iterable[tuple[str, Shift]]) -> list[Change]:
    """The changes of the tables that sum up minutes, after some minutes and shifts changed."""
    stretches = _stretches(minutes)
    new = [_stretch(machine, shift.start, max(shift.end, shift.start + 1)) for machine, shift in shifts]
    return [Change("oee_hour", again=stretches), Change("oee_shift", again=[*stretches, *new])]


def shift_rows(shifts: Sequence[tuple[str, Shift]]) -> Change:
    """The rows of some shifts; an empty one goes."""
    keys = {(machine, shift.start, shift.name): shift for machine, shift in shifts}
    there = [_shift(machine, shift) for (machine, _, _), shift in keys.items() if shift.end > shift.start]
    gone = [
        {"machine": machine, "start_ns": start, "name": name}
        for (machine, start, name), shift in keys.items()
        if shift.end == shift.start
    ]
    return Change("shift", there, gone)


def _shift(machine: str, shift: Shift) -> dict[str, Any]:
    texts = {"start": utc(shift.start), "end": utc(shift.end)}
    return {"machine": machine, "start_ns": shift.start, "name": shift.name, "end_ns": shift.end, **texts}


def _stretches(minutes: Iterable[Minute]) -> list[Row]:
    """The hours of some minutes, those side by side together."""
    found: list[tuple[str, int, int]] = []
    for machine, hour in sorted({(machine, start // HOUR * HOUR) for machine, start in minutes}):
        if found and found[-1][0] == machine and found[-1][2] == hour:
            found[-1] = (machine, found[-1][1], hour + HOUR)
        else:
            found.append((machine, hour, hour + HOUR))
    return [_stretch(*each) for each in found]


def _stretch(machine: str, start: int, end: int) -> Row:
    return {"machine": machine, "start_ns": start, "end_ns": end}
