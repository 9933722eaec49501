"""Sources: what the simulated plant did before somebody watched it, and what its people go on saying.

Rules: time goes forward, a stretch of STRETCH at a time, machine by machine, so that nothing is late and everything up to some
instant is complete. A reading closes each minute, so no part is counted in a break that follows it. Frames end where the
machine's state or product changes: one that reached beyond would make every state in it late, and be folded twice. Ids say what
and when, so what is given again is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.connectors import simulator_office as office
from tailrace.connectors.simulator_machine import Machine, Turn
from tailrace.connectors.simulator_noise import Ints
from tailrace.connectors.simulator_plant import SITE, SOURCES, Plant
from tailrace.engine.source import Delivery, Health
from tailrace.schemas import codec, frame
from tailrace.schemas.event import AnyEvent, ProductChanged, StateChanged
from tailrace.schemas.frame import Column
from tailrace.schemas.instant import HOUR, MINUTE, Instant, Span
from tailrace.schemas.record import Record

NAME = "history"
STRETCH = 12 * HOUR
CAUGHT_UP = MINUTE
"""Time goes on while history is given: what is left after a stretch as short as this is for whoever speaks next."""

LAST = 1_000_000
"""A reading stands so long before the end of its minute, ns."""

Columns = Sequence[tuple[str, bool, NDArray[Any], NDArray[np.bool_] | None]]
"""name, whether it is a counter, values, and which of them are there (None: all)."""


class History:
    """Everything from `since` on (by machine, ns; a machine that is not named: from the plant's beginning) until `now()`."""

    name = NAME

    def __init__(self, plant: Plant, now: Callable[[], int], since: Mapping[str, int] | None = None) -> None:
        self._plant, self._now = plant, now
        self._since = {name: max(plant.began, (since or {}).get(name, 0)) for name in plant.machines}
        self._done = self._begin = min(self._since.values())
        self.health = Health(connected=True, since=now())

    @property
    def start_of_live(self) -> int:
        """Where history has ended, and whoever speaks next begins."""
        return self._done

    @property
    def progress(self) -> float:
        """How much of the time is given, 0..1."""
        whole = max(self._now() - self._begin, 1)
        return min((self._done - self._begin) / whole, 1.0)

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """Stretch by stretch, until one was shorter than CAUGHT_UP; between two machines everything else gets its turn."""
        while self._done < (now := self._now()):
            begin, end = self._done, min(now, self._done + STRETCH)
            if said := list(office.of_plant(self._plant, begin, end)):
                yield Delivery(records=[_record(event, now) for event in said], session=NAME)
            for machine in self._plant.machines.values():
                start = max(begin, self._since[machine.profile.name])
                if records := list(_told(self._plant, machine, start, end, now)):
                    yield Delivery(records=records, session=machine.profile.name)
                await asyncio.sleep(0)
            self._done = end
            if end - begin < CAUGHT_UP:
                return


class Office:
    """What people say from `since` on, as it becomes due, for ever."""

    name = office.CLOCK

    def __init__(self, plant: Plant, now: Callable[[], int], since: int, poll_s: float = 1.0) -> None:
        self._plant, self._now, self._poll_s = plant, now, poll_s
        self._done = max(since, plant.began)
        self.health = Health(connected=True, since=now())

    async def deliveries(self) -> AsyncIterator[Delivery]:
        while True:
            end = self._now()
            events = list(office.of_plant(self._plant, self._done, end))
            for machine in self._plant.machines.values():
                events += office.of_machine(self._plant, machine, self._done, end)
            self._done = max(end, self._done)
            if events:
                yield Delivery(events=events, session=self.name)
            await asyncio.sleep(self._poll_s)


def _told(plant: Plant, machine: Machine, start: int, end: int, now: int) -> Iterator[Record]:
    """Everything of one machine in [start, end): what it did and said, in the order of time."""
    readings = _Readings(machine, start, end, now)
    told: list[tuple[int, bool, AnyEvent]] = [
        (turn.t, True, _turned(machine, turn)) for turn in machine.turns(start, end)
    ]
    told += [(int(event.t), False, event) for event in office.of_machine(plant, machine, start, end)]
    for t, turn, event in sorted(told, key=lambda each: each[0]):
        if turn:
            yield from readings.before(t)
        yield _record(event, now)
    yield from readings.before(end)


def _turned(machine: Machine, turn: Turn) -> AnyEvent:
    name = machine.profile.name
    head: dict[str, Any] = {"machine": name, "t": Instant(turn.t), "clock": SOURCES[machine.profile.protocol]}
    if turn.product is not None:
        made, ideal = turn.product.name, Span(turn.product.ideal)
        return ProductChanged(id=f"{NAME}:product:{name}:{turn.t}", product=made, ideal_cycle=ideal, **head)
    return StateChanged(id=f"{NAME}:state:{name}:{turn.t}", state=turn.state or "", **head)


def _record(event: AnyEvent, now: int) -> Record:
    return codec.record_of(
        msgspec.structs.replace(event, ingested=Instant(now)), source=NAME, session=event.machine or NAME, site=SITE
    )


class _Readings:
    """The readings of a stretch, which are handed out in frames."""

    def __init__(self, machine: Machine, start: int, end: int, now: int) -> None:
        self._machine, self._now = machine, now
        self._t = np.arange(start + (-LAST - start) % MINUTE, end, MINUTE, dtype=np.int64)
        self._columns = _columns(machine, self._t)
        self._at = 0

    def before(self, t: int) -> Iterator[Record]:
        """Those before an instant that were not handed out yet."""
        until = int(np.searchsorted(self._t, t))
        while self._at < until:
            part = slice(self._at, min(until, self._at + frame.MAX_READINGS))
            self._at = part.stop
            yield self._frame(part)

    def _frame(self, part: slice) -> Record:
        t = self._t[part]
        machine = self._machine
        columns = [
            _cut(name, counter, data[part], None if there is None else there[part])
            for name, counter, data, there in self._columns
        ]
        return codec.frame_record(
            frame.encode(t, [column for column in columns if column]),
            machine=machine.profile.name, ingested=self._now, source=NAME, session=machine.profile.name,
            first_seq=(int(t[0]) + LAST - machine.began) // MINUTE, clock=SOURCES[machine.profile.protocol], site=SITE,
        )  # fmt: skip


def _columns(machine: Machine, t: Ints) -> Columns:
    """The readings at these instants, columns by name as in any frame."""
    found: dict[tuple[str, bool], list[tuple[NDArray[Any], NDArray[np.bool_] | None]]] = {}
    for day, some in machine.by_day(t):
        for name, (value, there) in day.values(some).items():
            found.setdefault((name, False), []).append((value, there))
        for name, count in zip(("total", "reject"), day.counters(some), strict=True):
            found.setdefault((name, True), []).append((count, None))
    return [(*key, *_joined(parts)) for key, parts in sorted(found.items())]


def _joined(
    parts: Sequence[tuple[NDArray[Any], NDArray[np.bool_] | None]],
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    valid = [np.ones(len(data), np.bool_) if there is None else there for data, there in parts]
    there = np.concatenate(valid)
    return np.concatenate([data for data, _ in parts]), None if there.all() else there


def _cut(
    name: str, counter: bool, data: NDArray[Any], there: NDArray[np.bool_] | None
) -> tuple[Column, NDArray[Any], NDArray[np.bool_] | None] | None:
    """A column of a frame; none where no reading has a value."""
    if there is None or there.all():
        return Column(name, "i8" if counter else "f8", counter), data, None
    return (Column(name, "f8", counter, complete=False), data, there) if there.any() else None
