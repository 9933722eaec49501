"""The model test: random schedules of the engine must give the reference, and every known mistake must be found."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from model_faults import FAULTS, restoring
from model_ports import Shelf
from model_schedule import Engine, failure
from tailrace.engine.projector import Projector
from tailrace.engine.reader import Reader
from tailrace.engine.restore import Restore, Tenancy
from tailrace.engine.store import Place
from tailrace.schemas.errors import StaleWriter
from tailrace.schemas.record import Derived

SCHEDULES = 20_000
SECONDS_MAX = 90
FAULT_SCHEDULES_MAX = 2_000
"""A fault that needs more schedules than these would be found by luck."""


def test_every_schedule_gives_a_reader_exactly_the_reference() -> None:
    began = time.process_time()
    for seed in range(SCHEDULES):
        assert not (found := failure(seed)), f"{found}\nstep by step: python tests/model_replay.py {seed}"
    assert time.process_time() - began < SECONDS_MAX


@pytest.mark.parametrize("fault", FAULTS)
def test_the_model_finds(fault: str) -> None:
    engine = FAULTS[fault]
    assert any(failure(seed, engine) for seed in range(FAULT_SCHEDULES_MAX)), f"nothing goes wrong with {fault!r}"


REACHED: Counter[str] = Counter()


class ProbeReader(Reader):
    def take(self, record: Derived) -> int:
        skip = super().take(record)
        REACHED["record taken" if not skip else "record trimmed" if skip < record.n else "record known"] += 1
        return skip


class ProbeProjector(Projector[Derived]):
    def _reader(self, place: Place) -> Reader:
        return ProbeReader(place.marks, "probe")


class ProbeRestore(Restore):
    async def tenancy(self) -> Tenancy:
        tenancy = await super().tenancy()
        newest = max([each.position for each in await self._checkpoints.manifests("tally", 1)], default=0)
        REACHED["restored at zero" if not tenancy.position else "restored at a checkpoint"] += 1
        REACHED["restored below the newest checkpoint"] += tenancy.position < newest
        REACHED["restored with a parked stream"] += bool(tenancy.lot.parked)
        REACHED["restored behind what derived has"] += tenancy.marks() != tenancy.sent
        return tenancy


class ProbeShelf(Shelf):
    def _require(self, base: int) -> None:
        try:
            super()._require(base)
        except StaleWriter:
            REACHED["save on a base that is gone"] += 1
            raise

    def _overtaken(self, mine: int) -> None:
        REACHED["save overtaken"] += mine != self._saves
        super()._overtaken(mine)

    def page(self, topology: str, version: int, name: str, position: int) -> bytes | None:
        REACHED["page that is gone"] += position not in self.kept
        return super().page(topology, version, name, position)


def test_the_schedules_reach_what_they_are_for() -> None:
    REACHED.clear()
    probes = Engine(restoring(ProbeRestore), ProbeProjector, ProbeShelf)
    assert not any(failure(seed, probes) for seed in range(1_000))
    assert {what: count for what, count in REACHED.items() if count < 20} == {}, "too rare for 1,000 schedules"
    assert len(REACHED) == 11, REACHED
