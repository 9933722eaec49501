"""One simulated machine from the beginning of the plant on: days in a row, asked by instants and by stretches of time.

Rules: history and live ask the same object, so there is one timeline. Days are made when they are first needed, in order, and
kept; a stop that somebody causes changes its day and those after it, and nothing before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import NamedTuple

import numpy as np

from tailrace.connectors.simulator_day import Day, Entry
from tailrace.connectors.simulator_noise import Ints
from tailrace.connectors.simulator_script import Stop, script
from tailrace.connectors.simulator_table import WORDS, Product, Profile
from tailrace.schemas.instant import DAY

DAYS_KEPT = 4
"""Days whose parts stay in memory; of older ones only how they ended."""


class Moment(NamedTuple):
    """A machine at an instant. values: what the sensors give; one that gives nothing is absent."""

    t: int
    state: str
    product: Product
    total: int
    reject: int
    values: Mapping[str, float]


class Turn(NamedTuple):
    """At t the machine enters a state, or begins with a product (the other is None)."""

    t: int
    state: str | None
    product: Product | None


class Machine:
    """See the file's rules. began: the first instant of the plant, the start of a day, ns. version rises when the timeline
    is changed."""

    def __init__(self, seed: int, profile: Profile, began: int, zone: tzinfo) -> None:
        self.profile, self.began = profile, began
        self._seed, self._zone = seed, zone
        self.version = 0
        self._forced: tuple[Stop, ...] = ()
        self._entries: dict[int, Entry] = {began // DAY: Entry()}
        self._days: dict[int, Day] = {}

    # -- asking ----------------------------------------------------------------------------------------------------------

    def at(self, t: int) -> Moment:
        """Everything at one instant."""
        return self.moments(np.array([t], np.int64))[0]

    def counted(self, t: int) -> tuple[int, int]:
        """Parts, and rejected parts, since the plant began."""
        total, reject = self.day(t // DAY).counters(np.array([t], np.int64))
        return int(total[0]), int(reject[0])

    def product(self, t: int) -> Product:
        """What is made at an instant."""
        return self.profile.products[int(self.day(t // DAY).product(np.array([t], np.int64))[0])]

    def moments(self, t: Ints) -> list[Moment]:
        """Everything at each of these instants, which rise."""
        return [moment for day, some in self.by_day(t) for moment in self._moments(day, some)]

    def by_day(self, t: Ints) -> Iterator[tuple[Day, Ints]]:
        """Rising instants with the day that each belongs to."""
        numbers = t // DAY
        for number in np.unique(numbers).tolist():
            yield self.day(number), t[numbers == number]

    def turns(self, start: int, end: int) -> Iterator[Turn]:
        """What changes in [start, end), in order; at the beginning of the plant everything does."""
        start = max(start, self.began)
        for number in range(start // DAY, -(-end // DAY)):
            day = self.day(number)
            products = list(zip(day.script.changes, day.products[1:], strict=True))
            states = list(zip(day.starts.tolist(), day.states.tolist(), strict=True))
            if day.entry.state == states[0][1]:
                states = states[1:]
            if number * DAY == self.began:
                products.insert(0, (self.began, day.products[0]))
            turns = [Turn(t, None, self.profile.products[p]) for t, p in products]
            turns += [Turn(t, WORDS[state], None) for t, state in states]
            yield from sorted((turn for turn in turns if start <= turn.t < end), key=lambda turn: turn.t)

    def stops(self, start: int, end: int) -> Iterator[Stop]:
        """The stops that somebody can explain and that end in [start, end), in order."""
        for number in range(start // DAY - 1, -(-end // DAY)):
            if number * DAY < self.began:
                continue
            mine = [stop for stop in self.day(number).script.stops if stop.why and stop.start // DAY == number]
            yield from sorted(stop for stop in mine if start <= stop.end < end and stop not in self._forced)

    def day(self, number: int) -> Day:
        """A day of UTC, made when it is first asked for."""
        found = self._days.get(number)
        if found is None:
            found = self._days[number] = self._make(number)
            for old in sorted(self._days)[:-DAYS_KEPT]:
                if old != number:
                    del self._days[old]
        return found

    # -- interfering -----------------------------------------------------------------------------------------------------

    def force(self, stops: tuple[Stop, ...]) -> None:
        """These, and no others, are the stops that somebody caused; what went before them stays as it was."""
        changed = {stop.start // DAY for stop in set(stops) ^ set(self._forced)}
        self._forced = tuple(sorted(stops))
        self.version += bool(changed)
        if changed:
            first = min(changed)
            self._days = {number: day for number, day in self._days.items() if number < first}
            self._entries = {number: entry for number, entry in self._entries.items() if number <= first}

    def _moments(self, day: Day, t: Ints) -> Iterator[Moment]:
        states, made = day.states[day.segment(t)].tolist(), day.product(t).tolist()
        total, reject = (counter.tolist() for counter in day.counters(t))
        columns = [(name, value.tolist(), there.tolist()) for name, (value, there) in day.values(t).items()]
        for i, at in enumerate(t.tolist()):
            values = {name: value[i] for name, value, there in columns if there[i]}
            product = self.profile.products[made[i]]
            yield Moment(at, WORDS[states[i]], product, total[i], reject[i], values)

    def _make(self, number: int) -> Day:
        if number * DAY < self.began:
            raise ValueError(f"{self.profile.name}: expected an instant from {self.began} on, got day {number}")
        known = max(each for each in self._entries if each <= number)
        for each in range(known, number + 1):
            made = Day(
                self._seed,
                self.profile,
                each,
                script(self._seed, self.profile, self.began, self._zone, each, self._forced),
                self._entries[each],
            )
            self._entries[each + 1] = made.exit()
        return made
