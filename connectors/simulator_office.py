"""What people of the simulated plant say: shift calendars, work orders, reasons of stops. Pure.

Rules: an event depends on the plant alone, id included, so saying a stretch of time again says the same. Orders follow the
product: one ends and the next begins at a change of product and with every early shift. People explain most long stops, some
minutes after they are over; what somebody caused from outside (`break`) they leave to whoever did it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from tailrace.connectors import simulator_calendar as calendar
from tailrace.connectors.simulator_machine import Machine
from tailrace.connectors.simulator_noise import key, uniform
from tailrace.connectors.simulator_plant import DEFINITION, SITE, Plant
from tailrace.connectors.simulator_script import Stop
from tailrace.connectors.simulator_table import MAINTENANCE, SETUP
from tailrace.schemas import codec
from tailrace.schemas.event import (
    AnyEvent,
    Category,
    DefinitionSet,
    MachineRegistered,
    ModelSet,
    ReasonAssigned,
    WorkOrderCompleted,
    WorkOrderReleased,
    WorkOrderStarted,
)
from tailrace.schemas.instant import DAY, EARLIEST, HOUR, MINUTE, Instant

CLOCK = "office"
SAID_AFTER = 20 * MINUTE
"""Reasons come at most so long after the stop."""

EXPLAINED = 0.6
"""Share of the stops that get a reason."""

AMBIENT = ("EnvTemp", "Humidity")
"""Signals of the hall, which follow the day and say nothing of a machine: the anomaly model is told to leave them out."""

CALENDAR_AHEAD = 2 * DAY


def of_plant(plant: Plant, start: int, end: int) -> Iterator[AnyEvent]:
    """What is said of the whole plant in [start, end)."""
    if start <= plant.began < end:
        yield DefinitionSet(
            t=Instant(plant.began), id=f"{CLOCK}:definition:{DEFINITION}@1", clock=CLOCK, name=DEFINITION, version=1,
            valid_from=Instant(EARLIEST), default=True,
        )  # fmt: skip
        yield ModelSet(
            t=Instant(plant.began), id=f"{CLOCK}:model:anomaly@1", clock=CLOCK, name="anomaly", version=1,
            valid_from=Instant(plant.began), settings={"ignore": list(AMBIENT)},
        )  # fmt: skip
        yield calendar.calendar(plant.began, plant.zone, plant.began)
    week = plant.began
    while (week := calendar.next_week(week, plant.zone)) - CALENDAR_AHEAD < end:
        said = max(week - CALENDAR_AHEAD, plant.began)
        if start <= said < end:
            yield calendar.calendar(week, plant.zone, said)


def of_machine(plant: Plant, machine: Machine, start: int, end: int) -> list[AnyEvent]:
    """What is said of a machine in [start, end), by time."""
    said: list[AnyEvent] = []
    if start <= plant.began < end:
        said.append(_registered(machine, plant.began))
    said += _orders(plant, machine, start, end)
    said += _reasons(plant, machine, start, end)
    return sorted(said, key=lambda event: event.t)


def _registered(machine: Machine, t: int) -> MachineRegistered:
    profile = machine.profile
    return MachineRegistered(
        machine=profile.name, t=Instant(t), id=f"office:registered:{profile.name}", clock=CLOCK, site=SITE,
        area=profile.area, line=profile.line, definition=DEFINITION,
    )  # fmt: skip


# -- work orders -------------------------------------------------------------------------------------------------------


def _orders(plant: Plant, machine: Machine, start: int, end: int) -> Iterator[AnyEvent]:
    """One order a stretch between two of `_begins`; what a day begins is released when the day begins."""
    for number in range(max(start, plant.began) // DAY, -(-end // DAY)):
        begins = _begins(plant, machine, number)
        released = max(number * DAY, plant.began)
        for n, t in enumerate(begins):
            due = begins[n + 1] if n + 1 < len(begins) else (number + 1) * DAY + 6 * HOUR
            if start <= released < end:
                yield _identified(
                    WorkOrderReleased(t=Instant(released), due=Instant(due), **_order(machine, number, n, t, due))
                )
            if start <= t < end:
                yield from _completed(plant, machine, number, n, t)
                yield _identified(WorkOrderStarted(t=Instant(t), **_order(machine, number, n, t, due)))


def _order(machine: Machine, number: int, n: int, t: int, due: int) -> dict[str, Any]:
    """The fields of an order: as many parts as the time until it is due should give."""
    product = machine.product(t)
    planned = max(10, round((due - t) * 0.75 / product.ideal / 10) * 10)
    return _head(machine, _name(machine, number, n), product.name) | {"quantity": planned}


def _completed(plant: Plant, machine: Machine, number: int, n: int, t: int) -> Iterator[AnyEvent]:
    """The end of the order before, with the good parts that it brought."""
    if n == 0:
        number -= 1
        if number * DAY < plant.began:
            return
    begins = _begins(plant, machine, number)
    since = begins[n - 1]
    (total, reject), (total_then, reject_then) = machine.counted(t), machine.counted(since)
    name = _name(machine, number, begins.index(since))
    head = _head(machine, name, machine.product(since).name)
    yield _identified(WorkOrderCompleted(t=Instant(t), quantity=total - total_then - (reject - reject_then), **head))


def _head(machine: Machine, order: str, product: str) -> dict[str, Any]:
    return {
        "machine": machine.profile.name, "clock": CLOCK, "order": order, "product": product, "by": "planning",
    }  # fmt: skip


def _begins(plant: Plant, machine: Machine, number: int) -> list[int]:
    """When orders of a day of UTC begin."""
    early = [
        shift.start
        for shift in calendar.shifts_in(number * DAY, (number + 1) * DAY, plant.zone)
        if shift.name.endswith("early") and shift.start // DAY == number
    ]
    first = [plant.began] if number * DAY == plant.began else []
    return sorted({*machine.day(number).script.changes, *early, *first})


def _name(machine: Machine, number: int, n: int) -> str:
    day = np.datetime64(number, "D").astype(str).replace("-", "")
    return f"WO-{machine.profile.name[3:]}-{day}-{n + 1}"


# -- reasons -----------------------------------------------------------------------------------------------------------


def _reasons(plant: Plant, machine: Machine, start: int, end: int) -> Iterator[AnyEvent]:
    for stop in machine.stops(start - SAID_AFTER, end):
        ends = np.array([stop.end // 1_000_000], np.int64)
        streams = (key(plant.identity.seed, machine.profile.name, what) for what in ("say", "when"))
        chance, delay = (float(uniform(stream, ends)[0]) for stream in streams)
        t = stop.end + MINUTE + int(delay * (SAID_AFTER - 2 * MINUTE)) // 1_000_000 * 1_000_000
        if chance < EXPLAINED and start <= t < end:
            yield _identified(ReasonAssigned(
                machine=machine.profile.name, t=Instant(t), clock=CLOCK, start=Instant(stop.start), end=Instant(stop.end),
                category=_category(stop), reason=stop.why, by="shift lead",
            ))  # fmt: skip


def _category(stop: Stop) -> Category:
    if stop.why == "Quality check":
        return "planned_stop"
    return {SETUP: "setup", MAINTENANCE: "planned_stop"}.get(stop.state, "unplanned")  # type: ignore[return-value]


def _identified(event: Any) -> Any:
    """The event with an id that says what it is about."""
    what = getattr(event, "order", "") or int(event.start)
    return msgspec.structs.replace(event, id=f"{CLOCK}:{codec.type_of(event)}:{event.machine}:{what}")
