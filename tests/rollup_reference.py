"""Rollups the slow way, a reading at a time: what the column fold has to give, row by row, bit by bit."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tailrace.schemas import codec, rollup
from tailrace.schemas.event import ClockTicked, Event, StateChanged, Telemetry
from tailrace.schemas.frame import status_code
from tailrace.schemas.instant import HOUR, MINUTE, SECOND, Instant
from tailrace.schemas.record import Derived, Record

EPOCH = 1_767_571_200 * SECOND
BAD = 0x8000_0000


class Row(NamedTuple):
    """A row as it was said, with everything that identifies and describes it."""

    machine: str
    signal: str
    resolution: int
    start: int
    n: int
    bad: int
    low: float | None
    high: float | None
    sum: float | None
    first: float | None
    last: float | None
    first_t: int | None
    last_t: int | None
    revision: int
    known_from: int
    cause: int


class Cell:
    """Readings of a signal in a minute."""

    def __init__(self) -> None:
        self.n = self.bad = self.revision = 0
        self.sum, self.low, self.high = 0.0, float("inf"), float("-inf")
        self.first = self.last = (0, 0.0)

    def take(self, t: int, value: float) -> None:
        value += 0.0
        self.first = (t, value) if not self.n or t < self.first[0] else self.first
        self.last = (t, value) if not self.n or t >= self.last[0] else self.last
        self.n, self.sum = self.n + 1, self.sum + value
        self.low, self.high = min(self.low, value), max(self.high, value)


class Machine:
    """One machine's minutes, and which rows they are worth."""

    def __init__(self, name: str) -> None:
        self.name, self.watermark = name, -1
        self.cells: dict[tuple[int, str], Cell] = {}
        self.signals: list[str] = []
        self.revisions: dict[tuple[int, str], int] = {}

    def take(self, record: Record) -> Iterator[Row]:
        touched: set[tuple[int, str]] = set()
        if record.type == "telemetry":
            self.signals += [name for name in numbers(record) if name not in self.signals]
            for event in codec.events_of(record):
                assert isinstance(event, Telemetry)
                touched.update(self._read(event))
        over = self.watermark // MINUTE * MINUTE
        late = [key for key in touched if key[0] < over]
        yield from self._rows([(start, end, name) for start, end, name in _spans(late) if end <= over], record)
        self.watermark = max(self.watermark, record.t_max)
        now = self.watermark // MINUTE * MINUTE
        yield from self._rows([span for span in _spans(self.cells) if over < span[1] <= now], record)

    def _read(self, event: Telemetry) -> Iterator[tuple[int, str]]:
        start = int(event.t) // MINUTE * MINUTE
        for name in {**event.values, **event.quality}:
            value, quality = event.values.get(name), status_code(event.quality.get(name, 0))
            if name not in self.signals or isinstance(value, (bool, str)):
                continue
            cell = self.cells.setdefault((start, name), Cell())
            if value is None or quality >= BAD:
                cell.bad += 1
            else:
                cell.take(int(event.t), float(value))
            yield start, name

    def _rows(self, spans: Sequence[tuple[int, int, str]], record: Record) -> Iterator[Row]:
        """The rows of some stretches, by end, length and signal."""
        due = sorted({(end, end - start, self.signals.index(name)) for start, end, name in spans})
        for end, resolution, code in due:
            row = self._row(self.signals[code], resolution, end - resolution, record)
            if row is not None:
                yield row

    def _row(self, name: str, resolution: int, start: int, record: Record) -> Row | None:
        cells = [
            self.cells[key] for key in sorted(self.cells) if key[1] == name and start <= key[0] < start + resolution
        ]
        n, bad = sum(c.n for c in cells), sum(c.bad for c in cells)
        if resolution == MINUTE and n + bad < 2:
            return None
        revision = self.revisions[start * 2 + (resolution == HOUR), name] = (
            self.revisions.get((start * 2 + (resolution == HOUR), name), 0) + 1
        )
        some = [c for c in cells if c.n]
        total = 0.0
        for c in cells:
            total += c.sum
        figures: tuple[Any, ...] = (None,) * 7
        if some:
            low, high = min(c.low for c in some), max(c.high for c in some)
            (first_t, first), (last_t, last) = some[0].first, some[-1].last
            figures = (low, high, total, first, last, first_t, last_t)
        causes = (revision, record.ingested, record.position)
        return Row._make((self.name, name, resolution, start, n, bad, *figures, *causes))


def _spans(keys: Iterable[tuple[int, str]]) -> Iterator[tuple[int, int, str]]:
    """The minutes and the hours of some cells."""
    for start, name in keys:
        hour = start // HOUR * HOUR
        yield from ((start, start + MINUTE, name), (hour, hour + HOUR, name))


def numbers(record: Record) -> list[str]:
    """Names of the columns with numbers in a record's frame."""
    from tailrace.schemas.frame import Frame  # noqa: PLC0415

    return [c.name for c in Frame(record.payload).header.columns if c.dtype in ("f8", "i8") and not c.counter]


def fold(log: Sequence[Record]) -> list[Row]:
    """The rows of a log, in the order in which each machine's come about, machine by machine."""
    machines: dict[str, Machine] = {}
    found: dict[str, list[Row]] = {}
    tick: Record | None = None
    for record in log:
        if record.machine and record.machine not in machines:
            machines[record.machine] = Machine(record.machine)
            found[record.machine] = []
            if tick is not None:
                assert not list(machines[record.machine].take(tick))
        for name in [record.machine] if record.machine else list(machines):
            found[name] += machines[name].take(record)
        if not record.machine and (tick is None or record.t_max > tick.t_max):
            tick = record
    return [row for name in sorted(found) for row in found[name]]


def rows(outputs: Sequence[Derived]) -> list[Row]:
    """The rows that were said, machine by machine, after checking that they are numbered densely."""
    found: dict[str, list[Row]] = {}
    for output in outputs:
        said = rollup.decode(output.body)
        mine = found.setdefault(output.key, [])
        assert (output.first_n, output.n) == (len(mine) + 1, len(said))
        assert output.cause == said.ints[rollup.CAUSE][-1]
        for ints, floats in zip(said.ints.T.tolist(), said.floats.T.tolist(), strict=True):
            signal, resolution, start, n, bad, first_t, last_t, revision, known, cause = ints
            figures = (*floats, first_t, last_t) if n else (None,) * 7
            keys = (output.key, said.names[signal], resolution, start, n, bad)
            mine.append(Row._make((*keys, *figures, revision, known, cause)))
    return [row for name in sorted(found) for row in found[name]]


def timeline(rng: random.Random, n: int = 120) -> list[Event]:
    """Readings of two machines at a pace that changes, late ones, bad ones, other types, and ticks."""
    events: list[Event] = []
    now = EPOCH + rng.randrange(HOUR)
    for i in range(n):
        now += rng.choice((SECOND, 7 * SECOND, 20 * SECOND, MINUTE, 5 * MINUTE, rng.randrange(1, 3 * HOUR)))
        machine = rng.choice(("M1", "M1", "M2"))
        kind = rng.random()
        if kind < 0.08:
            events.append(ClockTicked(t=Instant(now), id=f"k{i}", ingested=Instant(now + 5)))
        elif kind < 0.12:
            events.append(
                StateChanged(machine=machine, t=Instant(now), id=f"s{i}", state="run", ingested=Instant(now + 5))
            )
        else:
            events += _burst(rng, machine, now, f"r{i}")
    return events


def _burst(rng: random.Random, machine: str, now: int, stem: str) -> Iterator[Telemetry]:
    """A few readings that came in together; some stand long before, some out of order."""
    back = rng.choice((0, 0, 0, 0, MINUTE, 30 * MINUTE, 26 * HOUR))
    step = rng.choice((SECOND, 15 * SECOND, MINUTE, -10 * SECOND, 40 * MINUTE))
    for k in range(rng.choice((1, 1, 2, 5, 20))):
        t = max(EPOCH, min(now, now - back + k * step))
        values: dict[str, Any] = {"Temp": rng.choice((0.1, -0.0, 0.0, 70 + rng.random(), -3.7, 1e12))}
        quality: dict[str, str | int] = {}
        if rng.random() < 0.3:
            values["Pressure"] = rng.random()
        if rng.random() < 0.3:
            values |= {"Count": 2**60 + rng.randrange(9), "Mode": "auto", "On": True}
        if rng.random() < 0.2:
            quality["Temp"] = rng.choice(("bad", "uncertain", 0x80AF0000, 0xC0000000))
        if rng.random() < 0.2:
            quality["Flow"] = "bad"
        yield Telemetry(
            machine=machine, t=Instant(t), id=f"{stem}-{k}", values=values, quality=quality,
            counters={"total": k}, ingested=Instant(now + 7),
        )  # fmt: skip
