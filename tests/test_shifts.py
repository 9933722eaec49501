"""Shift instances: the same in any batch, there exactly where the calendar that holds has a shift, each once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

import oee_harness as harness
import oee_random
from tailrace.engine.worker import OUTPUT_MAX
from tailrace.schemas import shift as schema
from tailrace.schemas.event import CalendarSet, Event, Interval, StateChanged
from tailrace.schemas.instant import HOUR, SECOND, Instant
from tailrace.schemas.record import Derived
from tailrace.schemas.shift import Shift
from tailrace.topologies.plan import Calendar, Plan
from tailrace.topologies.shifts import Shifts
from tailrace.topologies.steps import FOREVER

SEEDS = range(40)
T0 = oee_random.EPOCH


def fold(events: Sequence[Event], rng: random.Random | None = None) -> tuple[Any, list[Derived]]:
    return harness.fold(harness.records(events), rng, Shifts())


def rows(outputs: Sequence[Derived], machine: str = "M1") -> list[Shift]:
    """What a projection holds at the end."""
    found: dict[tuple[int, str], Shift] = {}
    for output in outputs:
        said = schema.decode(output.body)
        assert len(said) == output.n
        if output.key == machine:
            found |= {(each.start, each.name): each for each in said}
    return sorted(each for each in found.values() if each.end > each.start)


def calendar(
    *spans: tuple[float, float, str], t: float = 0, machine: str = "M1", valid_from: float | None = None
) -> Event:
    """Shifts by hours since T0."""
    intervals = [Interval(kind="shift", start=at(a), end=at(b), name=name) for a, b, name in spans]
    return CalendarSet(
        machine=machine, t=at(t), id=f"{machine}{t}{valid_from}", intervals=intervals,
        valid_from=None if valid_from is None else at(valid_from),
    )  # fmt: skip


def at(hours: float) -> Instant:
    return Instant(T0 + round(hours * HOUR))


def shown(events: Sequence[Event], machine: str = "M1") -> list[tuple[float, float, str]]:
    found = rows(fold(events, random.Random(0))[1], machine)
    return [((each.start - T0) / HOUR, (each.end - T0) / HOUR, each.name) for each in found]


@pytest.mark.parametrize("seed", SEEDS)
def test_batches_pages_and_restores_change_nothing(seed: int) -> None:
    events = oee_random.timeline(random.Random(seed), 60)
    whole, cut = fold(events)[1], fold(events, random.Random(seed))[1]
    assert [(o.key, o.first_n, o.n, o.cause, o.body) for o in cut] == [
        (o.key, o.first_n, o.n, o.cause, o.body) for o in whole
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_instant_is_in_a_shift_where_the_calendar_that_holds_has_one(seed: int) -> None:
    rng = random.Random(seed)
    events = named(oee_random.timeline(rng, 120), rng)
    state, outputs = fold(events)
    found = rows(outputs)
    plan = state.machine("M1").head.plan
    edges = {edge for row in found for edge in (row.start, row.end)}
    edges |= {e for c in plan.calendars for a, b, _ in c.intervals for e in (a, b, c.valid_from)}
    for edge in edges:
        for instant in (edge - 1, edge):
            inside = any(row.start <= instant < row.end for row in found)
            assert inside == scheduled(plan.calendars, instant)


def scheduled(calendars: Sequence[Calendar], t: int) -> bool:
    """Whether the calendar that holds at an instant has a shift there: a machine's own stand above the site's."""
    own, site = ([c for c in calendars if c.own is mine] for mine in (True, False))
    for group in (own, site):
        holding = [c for i, c in enumerate(group) if (c.valid_from if i else c.begins) <= t]
        if holding:
            return any(a <= t < b for a, b, planned in holding[-1].intervals if not planned)
    return False


def named(events: Sequence[Event], rng: random.Random) -> list[Event]:
    return [
        msgspec.structs.replace(
            event, intervals=[msgspec.structs.replace(i, name=rng.choice(("", "a", "b"))) for i in event.intervals]
        )
        if isinstance(event, CalendarSet)
        else event
        for event in events
    ]


def test_a_shift_has_its_name_and_a_planned_stop_does_not_cut_it() -> None:
    event = calendar((6, 14, "F"), (14, 22, "S"))
    assert isinstance(event, CalendarSet)
    stop = Interval(kind="planned_stop", start=at(9), end=at(9.5), name="break")
    assert shown([msgspec.structs.replace(event, intervals=[*event.intervals, stop])]) == [(6, 14, "F"), (14, 22, "S")]


def test_shifts_of_one_name_side_by_side_stay_two() -> None:
    assert shown([calendar((0, 24, "day"), (24, 48, "day"))]) == [(0, 24, "day"), (24, 48, "day")]


def test_a_new_calendar_cuts_what_it_does_not_go_on_with() -> None:
    early = calendar((6, 14, "F"), (14, 22, "S"))
    assert shown([early, calendar((14, 22, "S"), t=10)]) == [(6, 10, "F"), (14, 22, "S")]
    assert shown([early, calendar((6, 15, "F"), (15, 22, "S"), t=10)]) == [(6, 15, "F"), (15, 22, "S")]
    assert shown([early, calendar((10, 15, "F"), t=10)]) == [(6, 15, "F")]
    assert shown([early, calendar(t=10)]) == [(6, 10, "F")]


def test_a_site_calendar_reaches_every_machine_and_its_own_stands_above() -> None:
    site = calendar((6, 14, "site"), machine="")
    seen = [StateChanged(machine=name, t=at(1), id=name, state="running") for name in ("M1", "M2")]
    own = calendar((7, 9, "own"), t=7, machine="M2", valid_from=7)
    assert shown([site, *seen, own]) == [(6, 14, "site")]
    assert shown([site, *seen, own], "M2") == [(6, 7, "site"), (7, 9, "own")]
    assert shown([*seen, own, site], "M2") == [(6, 7, "site"), (7, 9, "own")]


def test_only_what_is_different_is_said_again() -> None:
    first = calendar((6, 14, "F"), (14, 22, "S"))
    said = fold([first, calendar((6, 14, "F"), (14, 22, "S"), t=1), calendar((6, 14, "F"), (14, 20, "S"), t=2)])[1]
    assert [schema.decode(o.body) for o in said] == [
        [Shift(at(6), at(14), "F"), Shift(at(14), at(22), "S")],
        [Shift(at(14), at(20), "S")],
    ]


def test_many_shifts_with_long_names_are_split() -> None:
    spans = [(i, i + 0.5, f"{i:04}" + "\U0001f4a1" * 500) for i in range(2 * schema.ROWS_MAX + 1)]
    said = fold([calendar(*spans)])[1]
    assert [o.n for o in said] == [schema.ROWS_MAX, schema.ROWS_MAX, 1]
    assert max(len(o.body) for o in said) <= OUTPUT_MAX
    assert {len(each.name) for o in said for each in schema.decode(o.body)} == {schema.NAME_MAX}


def test_a_machine_without_a_calendar_has_no_shift() -> None:
    assert not fold([StateChanged(machine="M1", t=Instant(T0 + SECOND), id="s", state="running")])[1]


@pytest.mark.parametrize("seed", SEEDS)
def test_before_the_instant_from_which_a_calendar_reschedules_nothing_is_another(seed: int) -> None:
    """What the fold looks at again when a calendar is said: all that differs, and of a month more nothing that was there."""
    rng = random.Random(seed)
    plan = Plan()
    for position in range(12):
        start = rng.randrange(-200, 200)
        valid_from = rng.choice((None, start))
        event = calendar(
            *((start + n, start + n + rng.choice((3, 5, 8)), "") for n in range(0, 48, 8)),
            t=rng.randrange(200), machine=rng.choice(("", "M1")), valid_from=valid_from,
        )  # fmt: skip
        assert isinstance(event, CalendarSet)
        after = plan.with_calendar(event, position)
        reach = after.rescheduled(plan)
        edges = {
            edge
            for each in (plan, after)
            for c in each.calendars
            for a, b, _ in c.intervals
            for edge in (a, b, c.begins)
        }
        probes = np.array(sorted({edge + d for edge in edges for d in (-1, 0)}), np.int64)
        differs = probes[plan.schedule().at(probes) != after.schedule().at(probes)]
        assert not len(differs) or differs[0] >= reach
        plan = after
    last = max(each.valid_from for each in plan.calendars) + 300 * HOUR
    more = CalendarSet(machine="M1", t=Instant(last), valid_from=Instant(last), intervals=[])
    assert plan.with_calendar(more, 99).rescheduled(plan) == last
    assert plan.rescheduled(plan) == FOREVER
