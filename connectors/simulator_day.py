"""One day of one simulated machine: its parts one by one, and its sensors at any instant. Pure; instants are int64 ns UTC.

Rules: a day follows from its script and from how the day before ended, so nothing depends on who asks, when, or for how much
at once. Sensors follow the state with a lag and the troubles as they come on; what they read is rounded as a sensor does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tailrace.connectors.simulator_noise import Floats, Ints, gauss, key, uniform, wander
from tailrace.connectors.simulator_script import Coming, Script
from tailrace.connectors.simulator_table import CYCLE, LOADS, RUNNING, SIGNALS, Product, Profile, Signal
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND

MS = 1_000_000
LAGS = sorted({each.lag for each in SIGNALS.values() if each.lag})
_LOADS = np.array(LOADS)
SETTLING = 12 * MINUTE
"""After a change of product more parts are rejected for so long."""


class Entry(NamedTuple):
    """How a day begins: what is made, where the counters stand, the loads as the slow sensors have followed them, the cycle
    of the last part (ns), and the state before (-1: there was none)."""

    product: int = 0
    total: int = 0
    reject: int = 0
    loads: tuple[float, ...] = (0.6,) * len(LAGS)
    cycle: int = 0
    state: int = -1


class Day:
    """A day that can be asked. starts, states: as in its script. done: when each part was ready, rising."""

    def __init__(self, seed: int, profile: Profile, number: int, script: Script, entry: Entry) -> None:
        self.number, self.script, self.entry = number, script, entry
        self.starts, self.states = script.starts, script.states
        self._seed, self._profile = seed, profile
        self._changes = np.array(script.changes, np.int64)
        self.products = self._made(entry.product)
        self.done, self.cycles = self._parts()
        self._rejects = np.concatenate([[0], np.cumsum(self._rejected())])
        self._load = _LOADS[self.states] * self._heft(self.starts)
        self._followed = [self._follow(lag, first) for lag, first in zip(LAGS, entry.loads, strict=True)]

    def exit(self) -> Entry:
        """How the next day begins."""
        end = (self.number + 1) * DAY
        total, reject = self.counters(np.array([end], np.int64))
        return Entry(
            self.products[-1],
            int(total[0]),
            int(reject[0]),
            tuple(float(self._lagged(i, np.array([end], np.int64))[0]) for i in range(len(LAGS))),
            int(self.cycles[-1]) if len(self.cycles) else self.entry.cycle,
            int(self.states[-1]),
        )

    # -- what holds at an instant ----------------------------------------------------------------------------------------

    def segment(self, t: Ints) -> Ints:
        """Which stretch of one state holds at each instant."""
        return np.searchsorted(self.starts, t, side="right") - 1

    def product(self, t: Ints) -> Ints:
        """Which of the machine's products is made at each instant."""
        return np.asarray(self.products)[np.searchsorted(self._changes, t, side="right")]

    def counters(self, t: Ints) -> tuple[Ints, Ints]:
        """Parts and rejected parts since the plant began, up to and with each instant."""
        n = np.searchsorted(self.done, t, side="right")
        return self.entry.total + n, self.entry.reject + self._rejects[n]

    def values(self, t: Ints) -> dict[str, tuple[Floats, NDArray[np.bool_]]]:
        """The sensors at each instant: value, and whether there is one."""
        always = np.ones(len(t), np.bool_)
        found = {
            name: (self._sensor(name, SIGNALS[name], level, t), always) for name, level in self._profile.levels.items()
        }
        n = np.searchsorted(self.done, t, side="right") - 1
        cycles = np.concatenate([self.cycles, [self.entry.cycle]])
        there = (self.states[self.segment(t)] == RUNNING) & (cycles[n] > 0)
        return found | {CYCLE: (np.round(cycles[n] / SECOND, 2), there)}

    # -- parts -----------------------------------------------------------------------------------------------------------

    def _made(self, product: int) -> list[int]:
        """The product before the first change, and after each."""
        made = [product]
        for t in self._changes.tolist():
            step = 1 + int(uniform(key(self._seed, self._profile.name, "next"), np.array([t // MS]))[0] * 2)
            made.append((made[-1] + step) % len(self._profile.products))
        return made

    def _parts(self) -> tuple[Ints, Ints]:
        """When each part is ready, and how long it took."""
        found = [self._run(start, end, product) for start, end, product in self._runs()]
        done = [done for done, _ in found]
        if not done:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(done), np.concatenate([cycles for _, cycles in found])

    def _runs(self) -> Iterator[tuple[int, int, Product]]:
        """Every stretch of running, with what is made in it; a change of product stops the machine first."""
        ends = [*self.starts[1:].tolist(), (self.number + 1) * DAY]
        made = self.product(self.starts).tolist()
        for start, end, state, product in zip(self.starts.tolist(), ends, self.states.tolist(), made, strict=True):
            if state == RUNNING:
                yield start, end, self._profile.products[product]

    def _run(self, start: int, end: int, product: Product) -> tuple[Ints, Ints]:
        usual = product.ideal / self._profile.pace
        at = start + (np.arange(1, (end - start) // product.ideal + 2) * usual).astype(np.int64)
        chance = gauss(self._key("cycle"), at // MS)
        slow = 0.03 * wander(self._key("pace"), at, 3 * HOUR) + self._come(at, "cycle")
        cycles = np.round(usual * (1.0 + slow + 0.012 * chance) / MS).astype(np.int64) * MS
        done = start + np.cumsum(cycles)
        ready = done < end
        return done[ready], cycles[ready]

    def _rejected(self) -> NDArray[np.bool_]:
        done = self.done
        before = np.searchsorted(self._changes, done, side="right")
        last = np.concatenate([[-DAY], self._changes])[before]
        share = self._profile.scrap + 0.06 * (done - last < SETTLING) + self._come(done, "scrap")
        return np.asarray(uniform(self._key("scrap"), done // MS) < share)

    # -- sensors ---------------------------------------------------------------------------------------------------------

    def _sensor(self, name: str, signal: Signal, level: float, t: Ints) -> Floats:
        load = self._lagged(LAGS.index(signal.lag), t) if signal.lag else self._load[self.segment(t)]
        share = signal.rest + (1.0 - signal.rest) * load
        share = share + signal.wander * wander(self._key(f"{name} wander"), t, 2 * HOUR)
        share = share + signal.noise * gauss(self._key(f"{name} noise"), t // MS) + self._come(t, name)
        return np.round(level * share + _by_day(name, t), signal.decimals)

    def _come(self, t: Ints, what: str) -> Floats:
        """What the troubles that are coming on add to a signal, to `cycle` or to `scrap`."""
        added = np.zeros(len(t))
        for coming in self.script.coming:
            height = _height(coming, what)
            if height and coming.end > coming.start:
                way = (t - coming.start) / float(coming.end - coming.start)
                added += np.where((way >= 0.0) & (way < 1.0), height * way * way, 0.0)
        return added

    def _heft(self, t: Ints) -> Floats:
        return np.array([each.heft for each in self._profile.products])[self.product(t)]

    def _follow(self, lag: int, first: float) -> Floats:
        """The lagged load at the start of every stretch: each one draws it towards its own load."""
        followed = [first]
        ends = self.starts[1:].tolist()
        for start, end, load in zip(self.starts.tolist(), ends, self._load.tolist(), strict=False):
            followed.append(load + (followed[-1] - load) * math.exp(-(end - start) / lag))
        return np.array(followed)

    def _lagged(self, i: int, t: Ints) -> Floats:
        segment = self.segment(t)
        load = self._load[segment]
        gone = (t - self.starts[segment]) / float(LAGS[i])
        return np.asarray(load + (self._followed[i][segment] - load) * np.exp(-gone))

    def _key(self, what: str) -> np.uint64:
        return key(self._seed, self._profile.name, what)


def _height(coming: Coming, what: str) -> float:
    if what in ("cycle", "scrap"):
        return float(getattr(coming.trouble, what))
    return coming.trouble.effects.get(what, 0.0)


def _by_day(name: str, t: Ints) -> Floats | float:
    """What the time of day adds: warm in the afternoon, and drier then."""
    swing = {"EnvTemp": 1.6, "Humidity": -3.0, "MachineTemp": 0.5}.get(name)
    if swing is None:
        return 0.0
    way = (t % DAY) / float(DAY) - 0.375
    wave = 4.0 * np.abs((way % 1.0) - 0.5) - 1.0  # 1 at 09:00 UTC turns to -1 at 21:00: a triangle needs no sine
    return np.asarray(-swing * wave * 0.5)
