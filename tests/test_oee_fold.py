"""The column fold against the vectors, against the slow reference, and against itself in other batches."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import oee_harness as harness
import oee_random
import oee_reference
import oee_vectors
from tailrace.app.oee_answer import answer
from tailrace.schemas.instant import MINUTE
from tailrace.schemas.line import parse
from tailrace.topologies.machine import Machine
from tailrace.topologies.oee import without
from tailrace.topologies.tally import tally

SEEDS = range(60)


@pytest.mark.parametrize("vector", oee_vectors.params("timeline", "counter"))
def test_vector(vector: oee_vectors.Vector) -> None:
    state, _ = harness.fold(harness.records(oee_vectors.events(vector)))
    got = answer(state.machine(oee_vectors.machine(vector)), *oee_vectors.window(vector))
    assert oee_vectors.differences(oee_vectors.expected(vector), got) == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_batches_pages_and_restores_change_nothing(seed: int) -> None:
    rng = random.Random(seed)
    log = harness.records(oee_random.timeline(rng, 40), random.Random(seed))
    _, whole = harness.fold(log)
    _, cut = harness.fold(log, random.Random(seed + 1))
    assert harness.emitted(cut) == harness.emitted(whole)


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_are_dense_and_revisions_rise(seed: int) -> None:
    log = harness.records(oee_random.timeline(random.Random(seed), 40), random.Random(seed))
    rows = harness.emitted(harness.fold(log)[1])
    assert [n for _, n, _, _, _ in rows] == list(range(1, len(rows) + 1))
    last: dict[int, tuple[int, int]] = {}
    for _, _, start, _, (revision, _, cause, _) in rows:
        before, earlier = last.get(start, (0, 0))
        assert 1 <= cause <= len(log)
        assert revision == (before if cause == earlier else before + 1)
        last[start] = revision, cause


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_are_the_tally_of_what_is_closed(seed: int) -> None:
    log = harness.records(oee_random.timeline(random.Random(seed), 40), random.Random(seed))
    state, outputs = harness.fold(log, random.Random(seed + 1))
    machine = state.machine(oee_random.MACHINE)
    head = machine.head
    rows = {(start, product): row[3] for (_, start, product), row in harness.table(outputs).items()}
    wanted: dict[Any, Any] = {}
    for a, b in without(head.first // MINUTE * MINUTE, head.closed, head.skipped):
        edges = np.arange(a, b + 1, MINUTE, dtype=np.int64)
        found = tally(machine, edges)
        wanted |= harness.tallies(edges[found.segment], found.product, found.tallies, head.products)
    assert rows == wanted


@pytest.mark.parametrize("seed", SEEDS)
def test_any_window_agrees_with_the_reference(seed: int) -> None:
    rng = random.Random(seed)
    events = oee_random.timeline(rng, 40)
    state, _ = harness.fold(harness.records(events, random.Random(seed)), random.Random(seed))
    for _ in range(4):
        window = oee_random.window(rng, events)
        assert _differences(events, window, state.machine(oee_random.MACHINE)) == {}


@pytest.mark.parametrize("seed", SEEDS[:20])
def test_facts_in_any_order_are_the_same_machine(seed: int) -> None:
    rng = random.Random(seed)
    events = oee_random.timeline(rng, 40, seq=True)
    other = harness.records(oee_random.permuted(rng, events), random.Random(seed))
    state, outputs = harness.fold(harness.records(events))
    again, shuffled = harness.fold(other)
    window = oee_random.window(rng, events)
    assert answer(again.machine(oee_random.MACHINE), *window) == answer(state.machine(oee_random.MACHINE), *window)
    if not (state.machine(oee_random.MACHINE).head.skipped or again.machine(oee_random.MACHINE).head.skipped):
        contents = [{key: row[3] for key, row in harness.table(out).items()} for out in (outputs, shuffled)]
        assert contents[0] == contents[1]


def test_a_clock_that_was_once_at_1970_does_not_flood_the_rows() -> None:
    line = '{{"type":"state.changed","machine":"M1","t":"{}","state":"running","id":"{}"}}'
    stamps = ["1970-01-01T00:00:05Z", "2026-01-05T00:00:00Z", "2026-01-05T01:00:00Z"]
    log = harness.records([parse(line.format(t, i).encode()) for i, t in enumerate(stamps)])
    state, outputs = harness.fold(log)
    assert sum(output.n for output in outputs) < 10_000
    start = int(log[-2].t_min)
    assert answer(state.machine("M1"), start - 3600 * 10**9, start)["run"] == 3600


def _differences(
    events: list[Any], window: tuple[int, int, int | None], machine: Machine
) -> dict[str, tuple[Any, Any]]:
    wanted = oee_reference.summarise(events, *window)
    watermark = oee_reference.Timeline(events, window[2], None).watermark
    got = answer(machine, *window, watermark=0 if watermark is None else watermark)
    return {name: (value, got[name]) for name, value in wanted.items() if not harness.agrees(value, got[name])}
