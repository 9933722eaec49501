"""A plant for the page: eight machines with a day of history up to now, and events that come while somebody looks.

Rules: all of it is real: records in the log of a folder, folded by `tailrace up`, to which live events are appended as any other
process appends. Seeded, and relative to now, for a page shows the running shift: that has gone on for INTO_SHIFT, whatever the
time of day.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from commands import Up, until
from tailrace.app import compose
from tailrace.app.pipeline import PLACE
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.engine.packing import Arrival, pack
from tailrace.projections.store_sqlite import place_of
from tailrace.schemas import codec, frame
from tailrace.schemas.event import (
    AnyEvent,
    CalendarSet,
    Category,
    IngestQuarantined,
    Interval,
    MachineRegistered,
    ProductChanged,
    ReasonAssigned,
    StateChanged,
)
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND, Instant, Span
from tailrace.schemas.record import Record

T = TypeVar("T")
SEED = 11
MACHINES = [f"MCH{n:03d}" for n in range(3, 11)]
UNITS = {
    "CO2Level": "ppm",
    "CycleTime": "s",
    "EnergyConsumed": "kWh",
    "EnvTemp": "°C",
    "Humidity": "%RH",
    "MachineTemp": "°C",
}
USUAL = {
    "CO2Level": 610.0,
    "CycleTime": 3.4,
    "EnergyConsumed": 15.2,
    "EnvTemp": 28.1,
    "Humidity": 52.0,
    "MachineTemp": 73.8,
}
REASONS: tuple[tuple[Category, str], ...] = (
    ("setup", "Tool change"), ("unplanned", "Material jam"), ("unplanned", "Waiting for parts"), ("planned_stop", "Maintenance"),
    ("unplanned", "Sensor fault"),
)  # fmt: skip
CYCLE = 3 * SECOND
SHIFT, INTO_SHIFT = 8 * HOUR, 5 * HOUR
HOT = "MCH007"
PLANT = """
site: {name: Plant Nord, timezone: Europe/Berlin}
sources: []
"""


class Live(NamedTuple):
    """A running `up` with its page."""

    url: str
    directory: Path
    up: Up

    def say(self, *events: AnyEvent) -> int:
        """Appends events as another process does; the time at which that began, in monotonic seconds."""
        began = time.monotonic()
        packed, _ = pack([Arrival(event, "live") for event in events], source="line", site="Plant Nord")
        apart(asyncio.run, _append(self.directory, [each.record for each in packed]))
        return round(began)

    def state(self, machine: str, state: str) -> None:
        """The machine says its state, now."""
        self.say(stamped(StateChanged, machine=machine, state=state))


def apart(call: Callable[..., T], *arguments: Any) -> T:
    """A call in a thread of its own: Playwright keeps an event loop in this one, and there can be no second."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call, *arguments).result()


def stamped(kind: type[Any], **fields: Any) -> Any:
    """An event of now."""
    now = Instant(time.time_ns())
    return kind(t=now, ingested=now, id=f"live:{kind.__name__}:{fields.get('machine', '')}:{now}", **fields)


@contextmanager
def shown(folder: Path, plant: str = PLANT, *, history: bool = True, wait: bool = True) -> Iterator[Live]:
    """A plant with its page, until the block ends."""
    path, data = folder / "plant.yaml", folder / "data"
    path.write_text(plant)
    if history:
        data.mkdir()
        apart(asyncio.run, write(data, list(records(time.time_ns()))))
    up = Up(path, data, "--port", "0")
    try:
        until(lambda: address(up) or up.process.poll() is not None, "the page is there")
        live = Live(address(up), data, up)
        if history and wait:
            until(lambda: _folded(data), "history is folded")
        yield live
    finally:
        if up.process.poll() is None:
            up.stop()


def address(up: Up) -> str:
    """Where the page is, as `up` says it."""
    found = re.search(r"page on (http://\S+/),", up.said())
    return found[1] if found else ""


def records(now: int) -> Iterator[Record]:
    """A day of history that ends at `now`."""
    start = now // HOUR * HOUR - DAY
    yield from _said(start, now)
    for at, machine in enumerate(MACHINES):
        rng = random.Random(SEED + at)
        yield from _turned(machine, rng, start, now, calm=at == 0)
        yield from _counted(machine, np.random.default_rng(SEED + at), start, now)


def _said(start: int, now: int) -> Iterator[Record]:
    base: dict[str, Any] = {"t": Instant(start), "ingested": Instant(start)}
    for at, machine in enumerate(MACHINES):
        place: dict[str, Any] = {
            "site": "Plant Nord",
            "area": "Pressing" if at < 4 else "Assembly",
            "line": f"Line {1 + at % 2}",
        }
        yield _record(MachineRegistered(machine=machine, id=f"r:{machine}", units=UNITS, **place, **base))
        yield _record(ProductChanged(machine=machine, id=f"p:{machine}", product="P1", ideal_cycle=Span(CYCLE), **base))
    first = now // MINUTE * MINUTE - INTO_SHIFT - 4 * SHIFT
    shifts = [(first + n * SHIFT, first + (n + 1) * SHIFT) for n in range(7)]
    intervals = [
        Interval(kind="shift", start=Instant(a), end=Instant(b), name=f"S{n}") for n, (a, b) in enumerate(shifts)
    ]
    breaks = [
        Interval(kind="planned_stop", start=Instant(a + 2 * HOUR), end=Instant(a + 2 * HOUR + 30 * MINUTE))
        for a, _ in shifts
    ]
    yield _record(CalendarSet(id="calendar", valid_from=Instant(first), intervals=[*intervals, *breaks], **base))
    what: dict[str, Any] = {
        "source": "line",
        "where": "plant/MCH006/data",
        "reason": "expected a number, got 'warm'",
        "raw": b'{"Temp": "warm"}',
    }
    yield _record(IngestQuarantined(t=Instant(now - MINUTE), ingested=Instant(now - MINUTE), id="q1", **what))


def _turned(machine: str, rng: random.Random, start: int, now: int, *, calm: bool) -> Iterator[Record]:
    """Runs and stops; at the end it runs. Some stops have a reason."""
    t, last = start, now - (20 + rng.randrange(30)) * MINUTE
    while t < last:
        yield _state(machine, t, "running")
        t += int(rng.expovariate(1 / 70) * MINUTE) + MINUTE
        if t >= last:
            return
        state = rng.choice(("fault", "stopped", "starved", "setup", "blocked"))
        end = min(last, t + int(rng.expovariate(1 / (4 if calm else 9)) * MINUTE) + 20 * SECOND)
        yield _state(machine, t, state)
        if state != "setup" and rng.random() < 0.6 and end < now - 4 * HOUR:
            category, reason = rng.choice(REASONS)
            yield _record(ReasonAssigned(
                machine=machine, t=Instant(end), ingested=Instant(end), id=f"w:{machine}:{t}", start=Instant(t), end=Instant(end),
                category=category, reason=reason, by=rng.choice(("Ann", "Björn", "Chen")),
            ))  # fmt: skip
        t = end
    yield _state(machine, last, "running")


def _counted(machine: str, rng: np.random.Generator, start: int, now: int) -> Iterator[Record]:
    """A reading a minute: signals and cumulative counters, in frames of 200."""
    names = ["MachineTemp"] if machine == "MCH003" else list(UNITS)
    every = np.arange(start, now, MINUTE, dtype=np.int64)
    total, reject = np.cumsum(rng.integers(14, 19, len(every))), np.cumsum(rng.random(len(every)) < 0.35)
    for n, rows in enumerate(np.array_split(np.arange(len(every)), max(1, len(every) // 200))):
        level = {name: _level(machine, name, every[rows], now) for name in names}
        signals: list[Any] = [
            (frame.Column(name, "f8"), (level[name] * rng.normal(1, 1 / 90, len(rows))).round(2), None)
            for name in names
        ]
        signals.append((frame.Column("total", "i8", counter=True), total[rows].astype(np.int64), None))
        signals.append((frame.Column("reject", "i8", counter=True), reject[rows].astype(np.int64), None))
        yield codec.frame_record(
            frame.encode(every[rows], signals), machine=machine, ingested=int(every[rows[-1]]), source="line", session=machine,
            first_seq=1 + n * 1000,
        )  # fmt: skip


def _level(machine: str, name: str, t: NDArray[np.int64], now: int) -> NDArray[np.float64]:
    """What is usual, with a slow wave; HOT is too hot in the last minutes."""
    wave = 1 + 0.01 * np.sin(2 * np.pi * (t % (6 * HOUR)) / (6 * HOUR))
    raised = np.where(t > now - 25 * MINUTE, 1.25, 1.0) if machine == HOT and name == "MachineTemp" else 1.0
    return np.asarray(USUAL[name] * wave * raised)


def _state(machine: str, t: int, state: str) -> Record:
    return _record(StateChanged(machine=machine, t=Instant(t), ingested=Instant(t), id=f"s:{machine}:{t}", state=state))


def _record(event: AnyEvent) -> Record:
    return codec.record_of(event, source="line", site="Plant Nord")


async def write(directory: Path, found: list[Record]) -> None:
    """Records as the log of a new folder."""
    log = SqliteLog(directory / compose.EVENTS_FILE)
    try:
        for at in range(0, len(found), 500):
            await log.append(found[at : at + 500])
    finally:
        await log.close()


async def _append(directory: Path, found: list[Record]) -> None:
    log = compose.SocketLog(directory)
    try:
        await log.append(found)
    finally:
        await log.close()


def _folded(directory: Path) -> bool:
    with compose.reading(directory) as log, compose.read_store(directory) as connection:
        return place_of(connection, PLACE).position >= log.end()
