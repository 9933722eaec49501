"""What can go wrong between a machine and the one who listens, on purpose: late, twice, out of order, a wrong clock, no sensor.

Rules: a fault concerns one machine and ends by itself; nothing is lost by it, what it holds back comes when its time has come.
Times are plant time; order by chance comes from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from tailrace.connectors.simulator_feed import Sample
from tailrace.schemas.instant import SECOND, seconds

Kind = Literal["late", "duplicate", "reorder", "skew", "missing"]


class Fault(msgspec.Struct, frozen=True):
    """A fault of a machine until an instant. late, reorder: held back for `by` ns; skew: the clock is `by` ns ahead;
    missing: `signal` gives nothing."""

    kind: Kind
    machine: str
    until: int
    by: int = 0
    signal: str = ""

    def words(self) -> str:
        """As a person says it."""
        what = {
            "late": f"everything comes {seconds(self.by)} s late",
            "duplicate": "everything comes twice",
            "reorder": f"what is said within {seconds(self.by)} s comes in any order",
            "skew": f"its clock is {seconds(self.by)} s wrong",
            "missing": f"{self.signal} gives nothing",
        }
        return f"{self.machine}: {what[self.kind]}"


class Faults:
    """The faults that are on."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"{seed}/faults")
        self._on: list[Fault] = []
        self._held: list[tuple[int, Sample]] = []

    @property
    def on(self) -> list[Fault]:
        """The faults that are on now."""
        return list(self._on)

    def add(self, fault: Fault) -> None:
        """A fault begins; one of the same kind of the same machine ends."""
        self._on = [each for each in self._on if not _same(each, fault)]
        self._on.append(fault)

    def clear(self) -> int:
        """Ends every fault; what is held back comes with the next samples. Gives how many there were."""
        count = len(self._on)
        self._on.clear()
        self._held = [(0, sample) for _, sample in self._held]
        return count

    def through(self, samples: Iterable[Sample], now: int) -> list[Sample]:
        """What comes out now, for what goes in."""
        self._on = [fault for fault in self._on if fault.until > now]
        out: list[Sample] = []
        for sample in samples:
            mine = [fault for fault in self._on if fault.machine == sample.machine]
            self._pass(_spoiled(sample, mine), mine, now, out)
        return self._released(now) + out if self._held else out

    def _pass(self, sample: Sample, faults: Sequence[Fault], now: int, out: list[Sample]) -> None:
        kinds = {fault.kind: fault for fault in faults}
        copies = 2 if "duplicate" in kinds else 1
        release = now
        if "late" in kinds:
            release += kinds["late"].by
        if "reorder" in kinds:
            release += int(self._chance.random() * kinds["reorder"].by)
        for _ in range(copies):
            if release > now:
                self._held.append((release, sample))
            else:
                out.append(sample)

    def _released(self, now: int) -> list[Sample]:
        due = sorted((each for each in self._held if each[0] <= now), key=lambda each: each[0])
        self._held = [each for each in self._held if each[0] > now]
        return [sample for _, sample in due]


def _spoiled(sample: Sample, faults: Sequence[Fault]) -> Sample:
    for fault in faults:
        if fault.kind == "skew":
            sample = sample._replace(stamp=sample.stamp + fault.by)
        elif fault.kind == "missing":
            sample = sample._replace(silent=sample.silent | {fault.signal})
    return sample


def _same(one: Fault, other: Fault) -> bool:
    return (one.kind, one.machine, one.signal) == (other.kind, other.machine, other.signal)


__all__ = ["SECOND", "Fault", "Faults", "Kind"]
