"""What a day brings to one simulated machine: stops, troubles that come on, changes of product. Pure.

Rules: a script depends on the seed, the machine and the day, and on nothing that happened before; a day is one of UTC. What
comes on slowly may begin on the day before, and a stop may end on the day after, so a day is made of three days' troubles.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import tzinfo
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tailrace.connectors import simulator_calendar as calendar
from tailrace.connectors.simulator_noise import Ints
from tailrace.connectors.simulator_table import (
    BLOCKED,
    BREAK,
    FAULT,
    MAINTENANCE,
    MICROSTOP_EVERY_S,
    RUNNING,
    SETUP,
    SHORT_STOPS_PER_DAY,
    STARVED,
    STOPPED,
    TROUBLES,
    TROUBLES_PER_DAY,
    Profile,
    Trouble,
)
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND

QUIET = 8 * HOUR
"""A new plant has no trouble for so long: a model that learns what is normal has something to learn from."""


class Stop(NamedTuple):
    """The machine is in a state on [start, end); `why` is what its people will say, or nothing."""

    start: int
    end: int
    state: int
    why: str = ""


class Coming(NamedTuple):
    """A trouble that comes on during [start, end), when it is at its height and over."""

    start: int
    end: int
    trouble: Trouble


class Script(NamedTuple):
    """starts, states: the states of the day and from when they hold; the first one begins with the day."""

    starts: Ints
    states: Ints
    stops: list[Stop]
    coming: list[Coming]
    changes: list[int]


def script(seed: int, profile: Profile, began: int, zone: tzinfo, day: int, forced: tuple[Stop, ...] = ()) -> Script:
    """The script of a day; forced: stops that somebody caused, which go before everything else."""
    start, end = day * DAY, (day + 1) * DAY
    stops = list(_small_stops(seed, profile.name, day))
    stops += [Stop(a, b, BREAK) for a, b in calendar.breaks_in(start, end, zone)]
    stops += _maintenance(profile.name, day)
    changes = _changes(seed, profile.name, day)
    stops += [Stop(t, t + long, SETUP, "Change of product") for t, long in changes]
    found = [each for d in (day - 1, day, day + 1) for each in troubles(seed, profile.name, profile.frailty, began, d)]
    stops += [stop for _, stop in found if stop.end > stop.start]
    stops += forced
    stops = [stop for stop in stops if stop.start < end and start < stop.end]
    coming = [each for each, _ in found if each.start < end and start < each.end]
    return Script(*_painted(start, end, stops), stops, coming, [t for t, _ in changes])


@lru_cache(maxsize=4096)
def troubles(seed: int, name: str, frailty: float, began: int, day: int) -> list[tuple[Coming, Stop]]:
    """What fails on a day: how it comes on, and the stop that it ends in (of no length where the machine runs on)."""
    chance = random.Random(f"{seed}/{name}/{day}/troubles")
    found: list[tuple[Coming, Stop]] = []
    weights = [each.weight for each in TROUBLES]
    t = day * DAY
    while True:
        t += int(chance.expovariate(TROUBLES_PER_DAY * frailty) * DAY)
        (trouble,) = chance.choices(TROUBLES, weights)
        stands, before = chance.uniform(*trouble.minutes), chance.uniform(*trouble.hours)
        if t >= (day + 1) * DAY:
            return found
        at = _ms(t)
        coming = Coming(at - _ms(int(before * HOUR)), at, trouble)
        stop = Stop(at, at + _ms(int(stands * MINUTE)), FAULT, trouble.why)
        if coming.start >= began + QUIET:
            found.append((coming, stop))
        t = max(t, stop.end)


def _small_stops(seed: int, name: str, day: int) -> Iterator[Stop]:
    """Stops of seconds or a few minutes, and some of several minutes that wait for a person."""
    chance = random.Random(f"{seed}/{name}/{day}/stops")
    t, end = day * DAY, (day + 1) * DAY
    while True:
        t += int(chance.expovariate(1 / MICROSTOP_EVERY_S) * SECOND) + 20 * SECOND
        state = chance.choice((STOPPED, STARVED, STARVED, BLOCKED))
        long = int(min(chance.lognormvariate(4.2, 0.7), 280.0) * SECOND)
        if t + long >= end:
            break
        yield Stop(_ms(t), _ms(t + long), state)
        t += long
    t = day * DAY
    while True:
        t += int(chance.expovariate(SHORT_STOPS_PER_DAY) * DAY)
        long = int(chance.uniform(5.5, 14) * MINUTE)
        if t + long >= end:
            return
        why = chance.choice(("No operator", "Waiting for material", "Quality check"))
        yield Stop(_ms(t), _ms(t + long), STOPPED, why)


def _changes(seed: int, name: str, day: int) -> list[tuple[int, int]]:
    """When the product changes on a day and how long that takes: once, now and then twice; over before the day is."""
    chance = random.Random(f"{seed}/{name}/{day}/changes")
    hours = [chance.uniform(1, 22.5)] if chance.random() < 0.7 else [chance.uniform(1, 10), chance.uniform(13, 22.5)]
    return [(day * DAY + _ms(int(hour * HOUR)), _ms(int(chance.uniform(12, 30) * MINUTE))) for hour in hours]


def _maintenance(name: str, day: int) -> list[Stop]:
    """45 minutes once a week, on another day for each machine."""
    if (day + int(name[3:])) % 7:
        return []
    start = day * DAY + 9 * HOUR
    return [Stop(start, start + 45 * MINUTE, MAINTENANCE, "Weekly maintenance")]


def _painted(start: int, end: int, stops: list[Stop]) -> tuple[Ints, Ints]:
    """States and their starts; of stops that overlap the later one in the list holds."""
    cuts = {start, *(max(stop.start, start) for stop in stops), *(stop.end for stop in stops if stop.end < end)}
    starts = np.array(sorted(cuts), np.int64)
    states = np.full(len(starts), RUNNING, np.int64)
    for stop in stops:
        lo, hi = np.searchsorted(starts, (stop.start, stop.end))
        states[lo:hi] = stop.state
    new = np.concatenate([[True], states[1:] != states[:-1]])
    return starts[new], states[new]


def _ms(ns: int) -> int:
    """Whole milliseconds: what every protocol carries exactly."""
    return ns // 1_000_000 * 1_000_000
