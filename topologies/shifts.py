"""Topology `shifts`: which shifts a machine has, from the calendars that hold for it.

Rules:
1. A shift is an interval of a calendar, as far as that calendar holds. Where another one replaces it in the middle of a shift
   and goes on with one of the same name, that is one shift. Planned stops do not cut a shift.
2. After a calendar is set, what is new or different is said; what is gone is said to be empty (its end is its start).
3. A machine without a calendar has no shift instances, though all of its time counts as a shift.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tailrace.engine.topology import Load
from tailrace.schemas import codec, event, shift
from tailrace.schemas.record import Record
from tailrace.schemas.shift import Shift
from tailrace.topologies import facts
from tailrace.topologies.cells import Cells, Output
from tailrace.topologies.machine import Machine
from tailrace.topologies.plan import Plan

FOLDED = event.OBSERVED | {"calendar.set", "machine.registered"}
"""A calendar, and whatever shows that there is a machine: what is said to the site reaches each one."""


class Shifts:
    """The topology: name, version, and a state from its pages."""

    name = shift.TOPOLOGY
    version = 1

    def restore(self, marks: Mapping[str, int], load: Load) -> ShiftsState:
        """The state whose pages `load` gives; marks: highest n by machine."""
        return Cells(self.name, self.version, FOLDED, lambda machine, _: _Cell(machine), marks, load)


class _Cell:
    """A machine and its calendars."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._out: list[Output] = []

    def take(self, records: Sequence[Record]) -> None:
        """Records of this machine, or one of the site."""
        for record in records:
            self._one(record)

    def _one(self, record: Record) -> None:
        if record.type != "calendar.set":
            return
        before = shifts(self.machine.head.plan)
        for said in codec.events_of(record):
            _, change = facts.fact(self.machine, said, record.position)
            change()
        rows = list(_differences(before, shifts(self.machine.head.plan)))
        for lo in range(0, len(rows), shift.ROWS_MAX):
            part = rows[lo : lo + shift.ROWS_MAX]
            self._out.append(Output(shift.KIND, len(part), record.position, shift.encode(part)))

    def flush(self) -> list[Output]:
        """Everything that is decided now."""
        out, self._out = self._out, []
        return out

    def pages(self) -> Mapping[str, bytes]:
        """Nothing but the machine's facts."""
        return {}


ShiftsState = Cells[_Cell]
"""Every machine's calendars."""

Key = tuple[int, str]


def shifts(plan: Plan) -> dict[Key, Shift]:
    """The shifts of a machine, by start and name."""
    found: dict[Key, Shift] = {}
    for part in _joined(_parts(plan)):
        key = (part.start, part.name)
        if key not in found or part.end > found[key].end:
            found[key] = part
    return found


class _Part(NamedTuple):
    """A shift as far as its calendar holds; cut: whether its calendar meant it to begin earlier, to end later."""

    name: str
    start: int
    end: int
    cut: tuple[bool, bool]


def _parts(plan: Plan) -> Iterator[_Part]:
    for begin, until, calendar in plan.calendars_in_force():
        for (start, end, planned), name in zip(calendar.intervals, calendar.names, strict=True):
            a, b = max(start, begin), min(end, until)
            if a < b and not planned:
                yield _Part(name[: shift.NAME_MAX], a, b, (a > start, b < end))


def _joined(parts: Iterable[_Part]) -> list[Shift]:
    """Shifts, each of the parts that a change of calendars made of it."""
    joined: list[_Part] = []
    for part in sorted(parts):
        last = joined[-1] if joined else None
        if last and (last.name, last.end) == (part.name, part.start) and (last.cut[1] or part.cut[0]):
            joined[-1] = last._replace(end=part.end, cut=(last.cut[0], part.cut[1]))
        else:
            joined.append(part)
    return [Shift(part.start, part.end, part.name) for part in joined]


def _differences(before: Mapping[Key, Shift], after: Mapping[Key, Shift]) -> Iterator[Shift]:
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            start, name = key
            yield after.get(key) or Shift(start, start, name)
