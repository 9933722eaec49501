"""Nasty timelines of one machine, from a seeded generator: everything that an OEE must survive, mixed.

Rules: `timeline` gives events in log order, with ids and ingest times that never fall; what is late, doubled or out of order
is so in that list. With seq=True order among equal t never hangs on the log, so any permutation means the same; with
seq=False the log decides; None leaves it to the generator. Numbers stay small enough for int64 sums of ns × parts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tailrace.schemas.event import (
    CalendarSet,
    Category,
    ClockTicked,
    ConnectionLost,
    Counter,
    CounterName,
    CounterRead,
    DefinitionSet,
    Event,
    Interval,
    MachineRegistered,
    PartsCounted,
    Policy,
    ProductChanged,
    ReasonAssigned,
    ReasonRetracted,
    StateChanged,
    Telemetry,
)
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND, Instant, Span, parse_instant

EPOCH = int(parse_instant("2026-01-05T00:00:00Z"))
MACHINE = "M1"
STATES = (
    "running", "running", "running", "execute", "stopped", "fault", "idle", "starved", "held", "setup", "changeover",
    "maintenance", "break", "no_demand", "unknown", "offline", "lunch", "never heard of",
)  # fmt: skip
STEPS = (
    0, 0, 0, 1, 250_000_000, SECOND, SECOND, 29 * SECOND, 30 * SECOND, 59 * SECOND, MINUTE, 61 * SECOND, 299 * SECOND,
    300 * SECOND, 301 * SECOND, 10 * MINUTE, HOUR, 8 * HOUR,
)  # fmt: skip
DELAYS = (0, 0, 0, 0, 0, 0, 0, 1, SECOND, MINUTE, HOUR, 7 * HOUR, 3 * DAY)
CYCLES = (None, Span(SECOND), Span(1_500_000_000), Span(1_666_666_667), Span(12 * SECOND), Span(1))
PRODUCTS = ("P1", "P2", "P3")
COUNTERS: tuple[tuple[CounterName, ...], ...] = (
    (), ("total",), ("good",), ("reject",), ("total", "reject"), ("total", "good"), ("good", "reject"),
    ("total", "good", "reject"),
)  # fmt: skip
CATEGORIES: tuple[Category, ...] = ("run", "unplanned", "setup", "planned_stop", "planned", "unknown")
STATE_MAPS: tuple[dict[str, Category], ...] = (
    {},
    {"lunch": "planned"},
    {"idle": "planned_stop", "lunch": "setup", "held": "run"},
)
SILENCE = 45 * DAY


def timeline(
    rng: random.Random, size: int, *, machine: str = MACHINE, seq: bool | None = None, silence: bool = True
) -> list[Event]:
    """About `size` events of one machine, and of its site, in log order; silence=False leaves out the months of it."""
    return _Maker(rng, machine, rng.random() < 0.5 if seq is None else seq, silence).make(size)


def watched(rng: random.Random, events: Sequence[Event]) -> list[Event]:
    """The same timeline as seen through connections that get lost, by several clocks and a collector that dies: in log order."""
    found: list[Event] = []
    clocks = rng.choice((("plc",), ("plc", ""), ("plc", "plc/server", "tailrace"), ("device", "agent", "")))
    since = {"plc": EPOCH}
    for n, said in enumerate(events):
        event = said
        if isinstance(event, StateChanged):
            skew = rng.choice((0, 0, -SECOND, -40 * SECOND, -HOUR, MINUTE))
            clock = random.Random(event.id).choice(clocks)
            skewed = event.t + (skew if clock != clocks[0] else 0)
            event = msgspec.structs.replace(event, clock=clock, t=Instant(skewed))
        if isinstance(event, ClockTicked) and rng.random() < 0.8:
            if rng.random() < 0.3:
                since = {rng.choice(("plc", "other", "device")): int(event.t) - rng.choice((0, SECOND, MINUTE, HOUR))}
            event = msgspec.structs.replace(event, since={name: Instant(t) for name, t in since.items()})
        found.append(event)
        if rng.random() < 0.1:
            t = Instant(event.t - rng.choice((0, 0, SECOND, 10 * MINUTE, HOUR)))
            machine = rng.choice((MACHINE, MACHINE, ""))
            clock = rng.choice(("", "tailrace"))
            found.append(
                ConnectionLost(machine=machine, t=t, id=f"lost-{n}", clock=clock, source="plc", ingested=event.ingested)
            )
    return found


def policy(rng: random.Random) -> Policy:
    """Any policy."""
    drawn = Policy(
        microstop_s=Span(rng.choice((0, 1, 30 * SECOND, 60 * SECOND, 300 * SECOND, HOUR))),
        setup=rng.choice(("loss", "exclude")),
        planned=rng.choice(("exclude", "loss")),
        unknown=rng.choice(("loss", "exclude")),
        run_through=rng.choice(("exclude", "include")),
        offplan_counts=rng.choice(("exclude", "include")),
        rework=rng.choice(("reject", "good")),
        state_map=rng.choice(STATE_MAPS),
    )
    apart = random.Random(repr(drawn))  # not of `rng`: what it draws next is what golden digests were made of
    return msgspec.structs.replace(drawn, base=apart.choice(("planned", "planned", "total")))


def window(rng: random.Random, events: Sequence[Event]) -> tuple[int, int, int | None]:
    """(from, to, as-of or None): between any two of event times, a nanosecond beside them, whole minutes, and outside."""
    start, end = sorted((_moment(rng, events), _moment(rng, events)))
    return start, max(end, start + 1), _moment(rng, events) if rng.random() < 0.4 else None


def permuted(rng: random.Random, events: Sequence[Event]) -> list[Event]:
    """The same facts in another order, some of them twice more."""
    again = [*events, *rng.choices(events, k=len(events) // 4)]
    rng.shuffle(again)
    return again


def _moment(rng: random.Random, events: Sequence[Event]) -> int:
    t = int(rng.choice(events).t) + rng.choice((0, 0, 0, 1, -1, MINUTE, -MINUTE, 20 * MINUTE, -HOUR, 8 * HOUR))
    return t if rng.random() < 0.5 else t // MINUTE * MINUTE


class _Maker:
    """Events by time of creation; the log's order comes at the end."""

    def __init__(self, rng: random.Random, machine: str, seq: bool, silence: bool) -> None:
        self.rng, self.machine, self.seq, self.silence = rng, machine, seq, silence
        self.now = EPOCH + rng.randrange(DAY)
        self.made: list[tuple[int, Event]] = []
        self.ids: list[str] = []
        self.version = 0
        self.counters = {name: _Counter(rng) for name in rng.choice(COUNTERS)}
        self.makers: list[tuple[int, Callable[[], Event]]] = [
            (30, self._state), (12, self._parts), (5, self._product), (6, self._reason), (2, self._retraction),
            (2, self._calendar), (1, self._definition), (4, self._tick), (6, self._telemetry), (25, self._count),
        ]  # fmt: skip

    def make(self, size: int) -> list[Event]:
        if self.rng.random() < 0.8:
            self._keep(self._registration())
        weights = [weight for weight, _ in self.makers]
        while len(self.made) < size:
            self.now += self.rng.choice(STEPS)
            if self.silence and self.rng.random() < 0.005:
                self.now += SILENCE
            _, make = self.rng.choices(self.makers, weights)[0]
            self._keep(make())
        return self._log()

    def _keep(self, event: Event) -> None:
        self.made.append((self.now + self.rng.choice(DELAYS), event))

    def _log(self) -> list[Event]:
        doubles = self.rng.choices(self.made, k=len(self.made) // 10)
        arrivals = self.made + [(at + self.rng.choice(DELAYS), event) for at, event in doubles]
        arrivals.sort(key=lambda arrival: arrival[0])
        return [msgspec.structs.replace(event, ingested=Instant(at)) for at, event in arrivals]

    def _base(self, *, machine: str | None = None, t: int | None = None) -> dict[str, Any]:
        number = len(self.made)
        return {
            "machine": self.machine if machine is None else machine,
            "t": Instant(self.now if t is None else t),
            "id": f"{self.machine}-{number}",
            "seq": number if self.seq else None,
        }

    def _registration(self) -> Event:
        rng = self.rng
        configs = {name: counter.config for name, counter in self.counters.items() if rng.random() < 0.9}
        definition = rng.choice(("", "plant-a", "plant-a", "not defined"))
        return MachineRegistered(definition=definition, counters=configs, **self._base())

    def _state(self) -> Event:
        return StateChanged(state=self.rng.choice(STATES), **self._base())

    def _parts(self) -> Event:
        rng = self.rng
        good, reject, rework = (rng.choice((0, 0, 1, 2, 7, -1, -3)) for _ in range(3))
        product = rng.choice(("", "", "", *PRODUCTS))
        return PartsCounted(good=good, reject=reject, rework=rework, product=product, **self._base())

    def _product(self) -> Event:
        t = self.now - self.rng.choice((0, 0, MINUTE, HOUR, DAY))
        cycle = self.rng.choice(CYCLES)
        return ProductChanged(product=self.rng.choice(PRODUCTS), ideal_cycle=cycle, **self._base(t=t))

    def _reason(self) -> Event:
        rng = self.rng
        start = self.now - rng.choice((0, SECOND, MINUTE, 10 * MINUTE, HOUR, DAY)) + rng.choice((0, 0, 1, MINUTE))
        end = start + rng.choice((1, SECOND, MINUTE, 20 * MINUTE, HOUR))
        base = self._base()
        self.ids.append(base["id"])
        until = None if random.Random(base["id"]).random() < 0.4 else Instant(end)
        return ReasonAssigned(start=Instant(start), end=until, category=rng.choice(CATEGORIES), **base)

    def _retraction(self) -> Event:
        return ReasonRetracted(reason_id=self.rng.choice(self.ids or ["nothing"]), **self._base())

    def _calendar(self) -> Event:
        rng = self.rng
        intervals: list[Interval] = []
        if rng.random() < 0.8:
            first = self.now // DAY * DAY - rng.choice((0, 1, 2)) * DAY
            for day in range(first, first + rng.choice((1, 3, 50)) * DAY, DAY):
                intervals += self._day(day)
            rng.shuffle(intervals)
        valid_from = rng.choice((None, None, self.now - HOUR, self.now + HOUR, self.now // DAY * DAY))
        base = self._base()
        return CalendarSet(intervals=intervals, valid_from=None if valid_from is None else Instant(valid_from), **base)

    def _day(self, day: int) -> list[Interval]:
        """One of: a day shift with a break, a night shift over midnight, two shifts that overlap, nothing."""
        shape = self.rng.choice(("day", "night", "overlap", "free"))
        shifts = {"day": [(6, 14)], "night": [(22, 30)], "overlap": [(6, 15), (14, 22)], "free": []}[shape]
        found = [_interval("shift", day + a * HOUR, day + b * HOUR) for a, b in shifts]
        for _ in range(self.rng.choice((0, 1, 3))):
            start = day + self.rng.randrange(30 * HOUR)
            found.append(_interval("planned_stop", start, start + self.rng.choice((0, 1, 15 * MINUTE, 2 * HOUR))))
        return found

    def _definition(self) -> Event:
        rng = self.rng
        self.version += 1
        base = self._base(machine="")
        valid_from = self.now + rng.choice((-DAY, -HOUR, 0, HOUR)) + self.version
        return DefinitionSet(
            name=rng.choice(("plant-a", "plant-b")), version=self.version, policy=policy(rng),
            valid_from=Instant(valid_from), default=rng.random() < 0.5, **base,
        )  # fmt: skip

    def _tick(self) -> Event:
        return ClockTicked(**self._base(machine=self.rng.choice(("", self.machine))))

    def _telemetry(self) -> Event:
        return Telemetry(values={"MachineTemp": self.rng.random(), "CO2Level": 480.0}, **self._base())

    def _count(self) -> Event:
        """A reading of one counter, or of all of them in one reading of the machine."""
        if not self.counters:
            return self._parts()
        if self.rng.random() < 0.5:
            name = self.rng.choice(list(self.counters))
            return CounterRead(counter=name, value=self.counters[name].read(), **self._base())
        read = {name: counter.read() for name, counter in self.counters.items()}
        return Telemetry(values={"MachineTemp": self.rng.random()}, counters=read, **self._base())


class _Counter:
    """A cumulative counter that rolls over, is reset, steps back and shows rubbish."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.value = rng.choice((0, 5, 120, 9_990))
        self.config = Counter(
            modulus=rng.choice((None, 255, 256, 10_000)),
            max_step=rng.choice((None, None, 50, 500)),
            backstep_max=rng.choice((0, 0, 3)),
        )

    def read(self) -> int:
        kind = self.rng.choices(("rise", "stay", "reset", "back", "rubbish", "jump"), (70, 10, 4, 5, 4, 2))[0]
        rise = self.rng.choice((1, 1, 2, 5, 40))
        match kind:
            case "rubbish":
                return self.rng.choice((0, 1, 65_000, self.value + 600))
            case "rise":
                self.value += rise
            case "jump":
                self.value += 2_000
            case "reset":
                self.value = self.rng.choice((0, 0, 3, 70))
            case "back":
                self.value = max(0, self.value - self.rng.choice((1, 2, 3, 4)))
        if self.config.modulus is not None:
            self.value %= self.config.modulus
        return self.value


def _interval(kind: Any, start: int, end: int) -> Interval:
    return Interval(kind=kind, start=Instant(start), end=Instant(end))
