"""Telemetry that an anomaly fold must survive, from a seeded generator: what is missing, bad, late, or means something new.

Rules: `timeline` gives events in log order. Numbers are made with + - x / of `random.random` alone, so that they are the same on
every machine. Every kind of trouble comes often enough that a short timeline has most of it.
"""

from __future__ import annotations

import random
from typing import Any

from tailrace.schemas.event import Counter, Event, MachineRegistered, ModelSet, ProductChanged, Scalar, Telemetry
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant

EPOCH = int(parse_instant("2026-01-05T06:00:00Z"))
SENSORS = ("Current", "Flow", "Pressure", "Temperature")
PRODUCTS = ("P1", "P2", "P3")
SETTINGS: tuple[dict[str, Any], ...] = (
    {"warmup": 40}, {"warmup": 60, "k": 2, "n": 3, "hold_s": 5, "cooldown_s": 20}, {"warmup": 40, "k": 1, "n": 1, "hold_s": 0},
    {"warmup": 40, "ignore": ["Flow"], "z_limit": 3.0, "drift_limit": 10, "learning": 1},
    {"warmup": 40, "distance_limit": 1.5, "k": 5},
)  # fmt: skip
WRONG: tuple[dict[str, Any], ...] = ({"warmup": "many"}, {"k": 6, "n": 5}, {"window": 3})


def normal(rng: random.Random) -> float:
    """About normal, mean 0, variance 1: six uniform numbers."""
    return (
        (rng.random() + rng.random() + rng.random()) - (rng.random() + rng.random() + rng.random())
    ) * 1.4142135623730951


def timeline(rng: random.Random, size: int, machines: tuple[str, ...] = ("M1", "M2")) -> list[Event]:
    """About `size` events of machines and their site, in log order."""
    makers = {machine: _Machine(rng, machine) for machine in machines}
    events: list[Event] = [_model(rng, EPOCH, "", 0, SETTINGS[0])]
    while len(events) < size:
        maker = makers[rng.choice(machines)]
        events += maker.next(len(events))
    return events


class _Machine:
    """One machine: sensors that move together, a counter or none, faults, and everything that goes wrong with them."""

    def __init__(self, rng: random.Random, name: str) -> None:
        self.rng, self.name = rng, name
        self.now = EPOCH
        self.total = self.reject = 0
        self.counts = rng.choice((("total", "reject"), ("total",), ("good", "reject"), ()))
        self.fault = 0
        self.came = EPOCH

    def next(self, number: int) -> list[Event]:
        rng = self.rng
        self.now += rng.choice(
            (SECOND, SECOND, SECOND, SECOND, 2 * SECOND, MINUTE, HOUR if rng.random() < 0.02 else SECOND)
        )
        if rng.random() < 0.03:
            return [self._said(number)]
        self.came = self.now
        return [self._reading(number + i) for i in range(rng.choice((1, 1, 1, 5, 20)))]

    def _said(self, number: int) -> Event:
        rng = self.rng
        kind = rng.random()
        t = self.now + rng.choice((0, 0, 0, -MINUTE, MINUTE, 5 * MINUTE, -DAY))
        if kind < 0.4:
            return ProductChanged(product=rng.choice(PRODUCTS), **self._base(number, t))
        if kind < 0.5:
            return MachineRegistered(counters={"total": Counter(modulus=1000, max_step=50)}, **self._base(number, t))
        machine = rng.choice(("", self.name))
        return _model(rng, t, machine, number, rng.choice(WRONG if rng.random() < 0.4 else SETTINGS))

    def _reading(self, number: int) -> Event:
        rng = self.rng
        self.now += SECOND
        late = rng.choice((0, 0, 0, 0, 0, 0, 0, 0, 0, 3 * SECOND, 10 * MINUTE)) if rng.random() < 0.1 else 0
        return Telemetry(
            values=self._values(),
            quality=self._quality(),
            counters=self._counters(),
            **self._base(number, self.now - late),
        )

    def _values(self) -> dict[str, Scalar]:
        rng = self.rng
        if self.fault == 0 and rng.random() < 0.02:
            self.fault = rng.choice((1, 5, 30, 100))
        off = 8.0 if self.fault else 0.0
        self.fault = max(self.fault - 1, 0)
        load = normal(rng)
        values: dict[str, Scalar] = {
            "Current": 12.0 + load + 0.1 * normal(rng), "Flow": 3.0 + 0.2 * normal(rng),
            "Pressure": 1e5 + 800.0 * (load + off) + 50.0 * normal(rng), "Temperature": 350.0 + 0.5 * normal(rng) + off,
            "Mode": rng.choice(("auto", "manual")), "Door": rng.random() < 0.1, "Setpoint": 5.0,
        }  # fmt: skip
        for name in list(values):
            if rng.random() < 0.05:
                values[name] = rng.choice((float("nan"), float("inf"), -1e300)) if name in SENSORS else values[name]
            if rng.random() < 0.08:
                del values[name]
        if rng.random() < 0.02:
            values = {}
        if rng.random() < 0.03:
            values["Late"] = 2**60 + int(1000 * rng.random())
        return values

    def _quality(self) -> dict[str, str | int]:
        rng = self.rng
        if rng.random() > 0.1:
            return {}
        return {rng.choice(SENSORS): rng.choice(("bad", "uncertain", 0x8000_0480, 0x480))}

    def _counters(self) -> dict[Any, int]:
        rng = self.rng
        self.total += rng.choice((0, 0, 1, 1, 2))
        self.reject += rng.random() < 0.1
        if rng.random() < 0.01:
            self.total = self.reject = 0
        read = {"total": self.total, "reject": self.reject, "good": max(self.total - self.reject, 0)}
        return {name: read[name] for name in self.counts if rng.random() < 0.95}

    def _base(self, number: int, t: int) -> dict[str, Any]:
        at = {"t": Instant(t), "ingested": Instant(self.came)}
        return {"machine": self.name, "id": f"{self.name}-{number}", **at}


def _model(rng: random.Random, t: int, machine: str, number: int, settings: dict[str, Any]) -> Event:
    name = "anomaly" if number == 0 or rng.random() < 0.9 else "another"
    valid_from = rng.choice((None, None, Instant(t + MINUTE))) if number else None
    return ModelSet(
        name=name, version=1 + number, settings=settings, valid_from=valid_from, machine=machine, t=Instant(t),
        id=f"model-{machine}-{number}", ingested=Instant(max(t, EPOCH)),
    )  # fmt: skip
