"""What an event changes about a machine, and how far back it may reach. Pure tables: an event type, a change.

Rules: `fact(machine, event, place)` gives (reach, change): nothing before `reach` can be different after `change()`, which gives
the stretch it touched. Nothing happens before `change` is called, but for the code of a word or product that is new.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailrace.schemas import event
from tailrace.topologies import marks, watching
from tailrace.topologies.clocks import LOST, UNKNOWN_WORDS
from tailrace.topologies.interval import up_at
from tailrace.topologies.machine import NOTHING, Machine, Touched, join
from tailrace.topologies.plan import NONE, Plan, since
from tailrace.topologies.series import T
from tailrace.topologies.steps import FOREVER

Fact = tuple[int, Callable[[], Touched]]

ROW_BITS = 10
"""A row of a frame has position << ROW_BITS | row as its place in the log."""


def fact(machine: Machine, said: event.Event, position: int) -> Fact:
    """The change that an event of a log position makes."""
    return _FACTS[type(said)](machine, said, position << ROW_BITS)


def _block(fact: event.Event, place: int, *values: int) -> NDArray[np.int64]:
    seq = -1 if fact.seq is None else fact.seq
    return np.array([[int(fact.t)], [seq], [place], *([value] for value in values)], np.int64)


def _state(machine: Machine, fact: event.StateChanged, place: int) -> Fact:
    word, clock = machine.word(fact.state), machine.clock(fact.clock)
    if fact.state.lower() in UNKNOWN_WORDS:
        block = _block(fact, place, word, clock, 0, 0)
    else:
        begin = machine.begin(int(fact.t), clock, watching.TICKER)
        block = _block(fact, place, word, clock, int(fact.ingested or 0), begin - int(fact.t))
        block[T] = begin
    return int(fact.t), lambda: _ended(machine, machine.enter(block))


def _lost(machine: Machine, fact: event.ConnectionLost, place: int) -> Fact:
    if not watching.concerns(machine.head, fact):
        return FOREVER, lambda: NOTHING
    block = _block(fact, place, machine.word(LOST), machine.clock(fact.clock or event.OWN), 0, 0)
    return int(fact.t), lambda: _ended(machine, machine.lose(block))


def _parts(machine: Machine, fact: event.PartsCounted, place: int) -> Fact:
    code = machine.product(fact.product) if fact.product else NONE
    return int(fact.t), lambda: machine.count(_block(fact, place, fact.good, fact.reject, fact.rework, code))


def _reading(machine: Machine, fact: event.CounterRead, place: int) -> Fact:
    return int(fact.t), lambda: machine.read(fact.counter, _block(fact, place, fact.value))


def _product(machine: Machine, fact: event.ProductChanged, place: int) -> Fact:
    plan = machine.head.plan.with_product(fact, machine.product(fact.product), place)
    return int(fact.t), lambda: _say(machine, plan, int(fact.t), FOREVER)


def _reason(machine: Machine, fact: event.ReasonAssigned, place: int) -> Fact:
    end = up_at(machine, since(fact)) if fact.end is None else int(fact.end)
    plan = machine.head.plan.with_reason(fact, place, end)
    if plan is machine.head.plan:
        return FOREVER, lambda: NOTHING
    return int(fact.start), lambda: _say(machine, plan, int(fact.start), end)


def _retracted(machine: Machine, fact: event.ReasonRetracted, _: int) -> Fact:
    plan = machine.head.plan
    if plan.outdated(fact):
        return FOREVER, lambda: NOTHING
    gone = [(reason.start, reason.end) for reason in plan.reasons if reason.id == fact.reason_id]
    parted = [(mark.start, mark.end + 1) for mark in plan.marks if mark.id == fact.reason_id]
    touched = reduce(join, gone + parted, NOTHING)
    return min((start for start, _ in gone), default=FOREVER), lambda: _say(machine, plan.without(fact), *touched)


def _split(machine: Machine, fact: event.StopSplit, place: int) -> Fact:
    """Where stops are parted changes no bucket, so it reaches nothing back; but the stops there are others."""
    return FOREVER, lambda: _mark(machine, fact, marks.split_of(fact, place))


def _merged(machine: Machine, fact: event.StopMerged, place: int) -> Fact:
    return FOREVER, lambda: _mark(machine, fact, marks.merge_of(fact, place))


def _mark(machine: Machine, fact: event.StopSplit | event.StopMerged, mark: marks.Mark | None) -> Touched:
    plan = machine.head.plan.with_mark(fact, mark)
    if plan is machine.head.plan:
        return NOTHING
    return _say(machine, plan, *((mark.start, mark.end + 1) if mark else NOTHING))


def _calendar(machine: Machine, fact: event.CalendarSet, place: int) -> Fact:
    plan = machine.head.plan.with_calendar(fact, place)
    start = plan.rescheduled(machine.head.plan)
    return start, lambda: _say(machine, plan, start, FOREVER)


def _definition(machine: Machine, fact: event.DefinitionSet, place: int) -> Fact:
    return _new_maps(machine, machine.head.plan.with_definition(fact, place))


def _registered(machine: Machine, fact: event.MachineRegistered, place: int) -> Fact:
    plan = machine.head.plan.with_registration(fact, place)
    reach, say = _new_maps(machine, plan)
    if plan.registered.counters == machine.head.plan.registered.counters:
        return reach, say
    counted = min(machine.head.first_read.values(), default=FOREVER)
    return min(reach, counted), lambda: _ended(machine, join((reach, FOREVER), machine.configure(plan)))


def _tick(machine: Machine, fact: event.ClockTicked, place: int) -> Fact:
    blind = watching.unwatched(machine.head, fact)

    def change() -> Touched:
        head = machine.head
        head.seen, head.last_tick = watching.seen(head, fact, place), max(head.last_tick, int(fact.t))
        if blind is None:
            return NOTHING
        clock = machine.clock(watching.TICKER)
        row = (blind.t, -1, blind.place, machine.word(LOST), clock, blind.since, 0)
        return _ended(machine, machine.lose(np.array(row, np.int64)[:, None]))

    return FOREVER if blind is None else blind.t, change


def _new_maps(machine: Machine, plan: Plan) -> Fact:
    """A change of what is in use restates only where it changes which state is which category."""
    before, after = (
        [(start, policy.state_map) for start, _, _, policy in p.in_use()] for p in (machine.head.plan, plan)
    )
    if before == after or not any(state_map for _, state_map in before + after):
        return FOREVER, lambda: _say(machine, plan, FOREVER, FOREVER)
    start = min(start for start, _ in before + after)
    return start, lambda: _ended(machine, _say(machine, plan, start, FOREVER))


def _ended(machine: Machine, touched: Touched) -> Touched:
    """What states change also changes until when the reasons hold that were given while the machine was down."""
    plan = machine.head.plan
    now: dict[int, int] = {}
    for reason in plan.reasons if plan.ongoing else ():
        said = plan.ongoing.get(reason.position)
        if said is None or touched[1] <= said or reason.end < touched[0]:
            continue
        end = up_at(machine, said)
        if end != reason.end:
            now[reason.position] = end
            touched = join(touched, (min(end, reason.end), max(end, reason.end)))
    if now:
        machine.say(plan.with_ends(now))
    return touched


def _say(machine: Machine, plan: Plan, start: int, end: int) -> Touched:
    machine.say(plan)
    return start, end


_FACTS: dict[type, Callable[[Machine, Any, int], Fact]] = {
    event.StateChanged: _state,
    event.PartsCounted: _parts,
    event.CounterRead: _reading,
    event.ProductChanged: _product,
    event.ReasonAssigned: _reason,
    event.ReasonRetracted: _retracted,
    event.StopSplit: _split,
    event.StopMerged: _merged,
    event.CalendarSet: _calendar,
    event.DefinitionSet: _definition,
    event.MachineRegistered: _registered,
    event.ClockTicked: _tick,
    event.ConnectionLost: _lost,
}

KINDS = frozenset(name for name, cls in event.TYPES.items() if cls in _FACTS)
"""Types of events that change something about a machine."""
