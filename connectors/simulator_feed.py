"""What the machines say while somebody may listen: a sample to begin with, one a step, one just before and one at every turn.

Rules: samples come in the order of time, each once, and follow from the plant alone; asking late gives more at once, never
others. The one before a turn brings the last part to the state it was made in. A machine's samples are made some way ahead, and
made again from the first that was not given when somebody interferes with the machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tailrace.connectors.simulator_machine import Machine, Moment
from tailrace.schemas.instant import SECOND

AHEAD = 64
"""Steps that are made at once."""

BEFORE = 1_000_000
"""How long before a turn its last sample is, ns."""


class Sample(NamedTuple):
    """A machine's n-th word since the feed began (from 0). stamp: the time as the machine's own clock has it; silent: the
    sensors that give nothing though they should."""

    machine: str
    n: int
    stamp: int
    moment: Moment
    silent: frozenset[str] = frozenset()


class Feed:
    """The samples of some machines from `begin` on. step: ns of plant time between two of them."""

    def __init__(self, machines: Sequence[Machine], begin: int, step: int = SECOND) -> None:
        self._ahead = [_Ahead(machine, begin, step) for machine in machines]

    def until(self, t: int) -> list[Sample]:
        """What is due before t and was not given yet."""
        due = [sample for ahead in self._ahead for sample in ahead.take(t)]
        due.sort(key=lambda sample: sample.moment.t)
        return due


class _Ahead:
    """One machine's samples, made ahead."""

    def __init__(self, machine: Machine, begin: int, step: int) -> None:
        self._machine, self._step = machine, step
        self._begin = self._given = self._made = begin // BEFORE * BEFORE
        self._version = machine.version
        self._waiting: deque[Moment] = deque()
        self._n = 0

    def take(self, t: int) -> list[Sample]:
        if self._version != self._machine.version:
            self._version, self._made = self._machine.version, self._given
            self._waiting.clear()
        while self._made < t:
            self._make()
        taken = []
        while self._waiting and self._waiting[0].t < t:
            moment = self._waiting.popleft()
            taken.append(Sample(self._machine.profile.name, self._n, moment.t, moment))
            self._n += 1
        self._given = max(self._given, t)
        return taken

    def _make(self) -> None:
        start, end = self._made, self._made + AHEAD * self._step
        turns = np.array([turn.t for turn in self._machine.turns(start, end + BEFORE)], np.int64)
        grid = np.arange(-(-start // self._step) * self._step, end, self._step, dtype=np.int64)
        first = np.array([start] if start == self._begin else [], np.int64)
        times = np.unique(np.concatenate([first, grid, turns, turns - BEFORE]))
        self._waiting.extend(self._machine.moments(times[(times >= start) & (times < end)]))
        self._made = end
