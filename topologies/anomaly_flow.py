"""Production rate, defect ratio and cycle time of a machine, from its cumulative counters, reading by reading.

Rules: only readings that are later than the last one count, since a late one says nothing of the time between. Rates are
smoothed over SMOOTH_S (span x rate + parts) / (span + dt), with a span that grows from 0 to SMOOTH_S, so a start is not a ramp.
A cycle time is the time between readings with new parts, per part, and is there at those only. Parts are those of `total`,
without one good + reject; defects those of `reject`, without one total - good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.event import Counter, CounterName
from tailrace.schemas.instant import SECOND
from tailrace.topologies.counter import Level, deltas
from tailrace.topologies.plan import NONE

SMOOTH_S = 600.0
PARTS_MIN = 0.5
"""Parts in the smoothed span below which a defect ratio says nothing."""

CYCLE, DEFECTS, RATE = "cycle_time", "defect_ratio", "production_rate"
NAMES = (CYCLE, DEFECTS, RATE)
"""In s per part, defects per part, and parts per minute."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Counts = Mapping[CounterName, tuple[Ints, Bools]]
"""By counter: readings and which are there, each of shape (n,)."""

_PLAIN = Counter()

_Feature = tuple[list[int], list[float]]
"""Places of readings that have a feature, and what it is there."""

_Found = tuple[_Feature, _Feature, _Feature]
"""In the order of NAMES."""


class Flow(msgspec.Struct):
    """Where counters stand, and the smoothed rates (per s) since the last restart.

    t: latest reading (ns); step_t: latest one that told parts; part_t: latest one with new parts. defects: counted since step_t.
    """

    levels: dict[CounterName, Level] = {}
    t: int = NONE
    step_t: int = NONE
    part_t: int = NONE
    span: float = 0.0
    rate: float = 0.0
    defect_rate: float = 0.0
    defects: int = 0

    def restart(self) -> None:
        """Forgets the rates: another product is made."""
        self.span = self.rate = self.defect_rate = 0.0
        self.part_t = NONE

    def take(self, t: Ints, counts: Counts, configs: Mapping[CounterName, Counter]) -> tuple[Floats, Bools]:
        """The features NAMES of readings at t (n,), and which are there; both of shape (3, n)."""
        values, present = np.zeros((3, len(t))), np.zeros((3, len(t)), np.bool_)
        latest = np.maximum.accumulate(np.concatenate([[self.t], t]))
        self.t = int(latest[-1])
        timely = t > latest[:-1]
        read = {kind: there & timely for kind, (_, there) in sorted(counts.items())}
        if not any(there.any() for there in read.values()):
            return values, present
        known = {kind: self._known(kind, read, len(t)) for kind in _KINDS}
        rises = {kind: self._rises(kind, counts[kind][0], there, configs) for kind, there in read.items()}
        total, good, reject = (rises.get(kind, np.zeros(len(t), np.int64)) for kind in _KINDS)
        both = known["total"] & known["good"]
        parts = np.where(known["total"], total, good + reject)
        defects = np.where(known["reject"], reject, np.where(both, total - good, 0))
        nothing = np.zeros(len(t), np.bool_)
        told = np.where(known["total"], read.get("total", nothing), timely)
        judged = known["reject"] | both
        rows = np.flatnonzero(np.logical_or.reduce(list(read.values())))
        columns = (rows, *(column[rows] for column in (t, parts, defects, told, judged)))
        found = self._features(zip(*(column.tolist() for column in columns), strict=True))
        for feature, (places, told_values) in enumerate(found):
            values[feature, places], present[feature, places] = told_values, True
        return values, present

    def _features(self, rows: Iterable[tuple[int, int, int, int, bool, bool]]) -> _Found:
        """Moves on through (place, t, parts, defects, whether it tells parts and defects) of readings; gives what is there."""
        found: _Found = ([], []), ([], []), ([], [])
        cycle, ratio, rates = found
        before, part_t, unsaid = self.step_t, self.part_t, self.defects
        span, rate, defect_rate = self.span, self.rate, self.defect_rate
        for i, t, parts, bad, tells, judged in rows:
            unsaid += bad
            if not tells:
                continue
            since, before = before, t
            defects, unsaid = unsaid, 0
            if since == NONE:
                continue
            dt = (t - since) / SECOND
            rate = (span * rate + parts) / (span + dt)
            defect_rate = (span * defect_rate + defects) / (span + dt)
            span = min(span + dt, SMOOTH_S)
            rates[0].append(i)
            rates[1].append(60.0 * rate)
            if judged and rate * span >= PARTS_MIN:
                ratio[0].append(i)
                ratio[1].append(defect_rate / rate)
            if parts > 0:
                if part_t != NONE:
                    cycle[0].append(i)
                    cycle[1].append((t - part_t) / SECOND / parts)
                part_t = t
        self.step_t, self.part_t, self.defects = before, part_t, unsaid
        self.span, self.rate, self.defect_rate = span, rate, defect_rate
        return found

    def _known(self, kind: CounterName, read: Mapping[CounterName, Bools], n: int) -> Bools:
        """From which row on a counter was read at least once, shape (n,)."""
        if kind in self.levels or kind not in read:
            return np.full(n, kind in self.levels)
        known: Bools = np.logical_or.accumulate(read[kind])
        return known

    def _rises(self, kind: CounterName, readings: Ints, there: Bools, configs: Mapping[CounterName, Counter]) -> Ints:
        rises = np.zeros(len(readings), np.int64)
        if there.any():
            level = self.levels.get(kind, Level())
            self.levels[kind], rises[there], _ = deltas(level, readings[there], configs.get(kind, _PLAIN))
        return rises


_KINDS: tuple[CounterName, ...] = ("total", "good", "reject")
