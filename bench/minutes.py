"""Run time and parts of one machine by minute, from readings in order: what every contender of bench/peers.py folds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tailrace.schemas import codec
from tailrace.schemas.event import StateChanged
from tailrace.schemas.frame import Frame
from tailrace.schemas.instant import MINUTE
from tailrace.schemas.record import Record

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


def said_in(record: Record) -> list[Item]:
    """The readings of the total counter in a record, or its state; [] for what says neither."""
    if record.type != "telemetry":
        return [(int(said.t), said.state) for said in codec.events_of(record) if isinstance(said, StateChanged)]
    frame = Frame(record.payload)
    return list(zip(frame.t.tolist(), frame.data(frame.header.counters["total"]).tolist(), strict=True))


def messages(record: Record) -> list[Reading]:
    """The same, each with its values."""
    if record.type != "telemetry":
        return [Reading(record.machine, t, said, []) for t, said in said_in(record)]
    frame = Frame(record.payload)
    values = zip(*(frame.data(i).tolist() for i in range(8)), strict=True)
    rows = zip(said_in(record), values, strict=True)
    return [Reading(record.machine, t, said, list(cells)) for (t, said), cells in rows]
