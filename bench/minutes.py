"""Run time and parts of one machine by minute, from readings in order: what every peer folds.

Of a library nothing but msgspec is wanted, for a peer may be in an environment of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

MINUTE = 60 * 10**9
"""In ns, as all times are."""

Item = tuple[int, int | str]
"""A time in ns, and a counter's value or a state."""

Minute = tuple[int, int, int]
"""Start in ns, run time in ns, parts."""


class Reading(msgspec.Struct, array_like=True, gc=False):
    """A reading as a message: what an item says, and eight values."""

    machine: str
    t: int
    said: int | str
    values: list[float]


class Totals(NamedTuple):
    """Over all machines and closed minutes."""

    minutes: int
    run_ns: int
    parts: int


class Fold:
    """One machine: minutes that are over come out of `take`."""

    __slots__ = ("at", "begun", "parts", "run", "running", "total")

    def __init__(self, t: int) -> None:
        self.at, self.begun = t, t // MINUTE * MINUTE
        self.run = self.parts = 0
        self.running = False
        self.total: int | None = None

    def take(self, t: int, said: int | str) -> list[Minute] | None:
        closed = None
        end = self.begun + MINUTE
        if t >= end:
            closed = []
            while t >= end:
                if self.running:
                    self.run += end - self.at
                closed.append((self.begun, self.run, self.parts))
                self.at = self.begun = end
                self.run = self.parts = 0
                end += MINUTE
        if self.running:
            self.run += t - self.at
        self.at = t
        if isinstance(said, str):
            self.running = said == "running"
        else:
            if self.total is not None:
                self.parts += said - self.total
            self.total = said
        return closed


def totals(minutes: Iterable[Minute]) -> Totals:
    rows = list(minutes)
    return Totals(len(rows), sum(run for _, run, _ in rows), sum(parts for _, _, parts in rows))


def restored(state: Sequence[Any] | None, t: int) -> Fold:
    """A fold from what `kept` gave, or a new one that begins at t."""
    fold = Fold(t)
    for name, value in zip(Fold.__slots__, state or (), strict=False):
        setattr(fold, name, value)
    return fold


def kept(fold: Fold) -> list[Any]:
    """What a fold is, for a store."""
    return [getattr(fold, name) for name in Fold.__slots__]
