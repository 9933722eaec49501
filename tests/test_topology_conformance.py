"""One contract for every topology: what it says is a function of the log, numbered without a gap, and small enough to send."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

import oee_harness as harness
import oee_random
from tailrace.engine.topology import Topology
from tailrace.engine.worker import OUTPUT_MAX
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import Event, QualityRecorded, StateChanged
from tailrace.schemas.instant import Instant
from tailrace.schemas.record import Derived, Record
from tailrace.topologies.oee import Oee
from tailrace.topologies.stops import Stops

TOPOLOGIES: list[Topology] = [Oee(), Stops()]
SEEDS = range(6)

each_topology = pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda t: f"{t.name}@{t.version}")
each_seed = pytest.mark.parametrize("seed", SEEDS)


def log_of(seed: int) -> list[Record]:
    """Two machines and their site, in turns."""
    rng = random.Random(seed)
    one, other = (oee_random.timeline(rng, 40, machine=name) for name in ("M1", "M2"))
    mixed: list[Event] = []
    while one or other:
        turn = one if one and (not other or rng.random() < 0.5) else other
        mixed.append(turn.pop(0))
    return harness.records(_renamed(mixed), random.Random(seed))


def _renamed(events: Sequence[Event]) -> list[Event]:
    """Ids are made per machine by the generator; here they share a log."""
    return [msgspec.structs.replace(event, id=f"{event.machine}:{i}:{event.id}") for i, event in enumerate(events)]


def said(outputs: Sequence[Derived]) -> dict[str, list[Any]]:
    """Every output by key, in order, without where a body was cut: kind, n and what the body decodes to."""
    found: dict[str, list[Any]] = {}
    for output in outputs:
        rows = harness.rows_of(output)
        found.setdefault(output.key, []).extend((output.kind, output.first_n + i, row) for i, row in enumerate(rows))
    return found


@each_topology
@each_seed
def test_batches_and_restores_change_nothing(topology: Topology, seed: int) -> None:
    log = log_of(seed)
    assert said(harness.fold(log, random.Random(seed), topology)[1]) == said(harness.fold(log, None, topology)[1])


@each_topology
@each_seed
def test_numbers_are_dense_by_key_and_causes_lie_in_the_log(topology: Topology, seed: int) -> None:
    log = log_of(seed)
    state, outputs = harness.fold(log, random.Random(seed), topology)
    marks: dict[str, int] = {}
    for output in outputs:
        assert output.first_n == marks.get(output.key, 0) + 1
        marks[output.key] = output.last_n
        assert 1 <= output.cause <= len(log)
        assert len(output.body) <= OUTPUT_MAX
    assert {key: n for key, n in state.marks.items() if n} == marks
    assert marks, "a topology that says nothing shows nothing"


@each_topology
def test_what_it_does_not_know_passes_and_another_version_is_refused(topology: Topology) -> None:
    base: dict[str, Any] = {"machine": "M1", "t": Instant(5), "ingested": Instant(5)}
    other = codec.record_of(QualityRecorded(characteristic="width", value=1.0, id="q", **base))
    state = topology.restore({}, lambda page: None)
    assert not state.fold([msgspec.structs.replace(other, position=1)])
    newer = codec.record_of(StateChanged(state="running", id="s", **base))
    with pytest.raises(InvalidEvent, match=r"position 2: state.changed@2 is not known"):
        state.fold([msgspec.structs.replace(newer, position=2, version=2)])


@each_topology
def test_a_state_that_was_told_nothing_has_no_pages(topology: Topology) -> None:
    state = topology.restore({}, lambda page: None)
    assert dict(state.dirty()) == {}
    assert list(state.fold([])) == []
