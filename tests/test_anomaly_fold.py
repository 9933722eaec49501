"""The anomaly fold gives the same outputs for any batch, frame and restore, within its bounds, whatever comes in."""

from __future__ import annotations

import random
from collections import Counter

import pytest

import anomaly_harness as harness
import anomaly_random
import oee_harness
from tailrace.schemas import anomaly
from tailrace.schemas.event import CounterName, Event, ModelSet, ProductChanged, Scalar, Telemetry
from tailrace.schemas.instant import SECOND, Instant

SEEDS = range(16)
SIZE = 900
PAGE_MAX = 10 * 1024


@pytest.mark.parametrize("seed", SEEDS)
def test_batches_pages_and_restores_change_nothing(seed: int) -> None:
    log = harness.records(anomaly_random.timeline(random.Random(seed), SIZE), random.Random(seed))
    whole, cut = harness.fold(log), harness.fold(log, random.Random(seed + 1))
    assert harness.rows(cut) == harness.rows(whole)


@pytest.mark.parametrize("seed", SEEDS)
def test_how_readings_are_framed_changes_nothing_but_the_cause(seed: int) -> None:
    events = anomaly_random.timeline(random.Random(seed), SIZE)
    single, framed = harness.records(events), harness.records(events, random.Random(seed))
    assert len(framed) < len(single)
    assert [row[:4] for row in harness.rows(harness.fold(framed))] == [
        row[:4] for row in harness.rows(harness.fold(single))
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_are_dense_scores_are_finite_and_alarms_come_in_pairs(seed: int) -> None:
    log = harness.records(anomaly_random.timeline(random.Random(seed), SIZE), random.Random(seed))
    marks: Counter[str] = Counter()
    standing: dict[str, str] = {}
    for key, n, kind, said, cause in harness.rows(harness.fold(log)):
        marks[key] += 1
        assert n == marks[key]
        assert 1 <= cause <= len(log)
        if kind == anomaly.SCORED:
            assert 0.0 <= float.fromhex(said[1]) < float("inf")
        elif kind == anomaly.RAISED:
            assert key not in standing
            assert said["id"] == anomaly.record_id(said["event"], "anomaly", 1, n)
            standing[key] = said["id"]
        elif kind == anomaly.CLEARED:
            assert said["id"] == standing.pop(key)


def test_the_timelines_reach_everything() -> None:
    kinds: Counter[str] = Counter()
    why: Counter[str] = Counter()
    for seed in SEEDS:
        for _, _, kind, said, _ in harness.rows(
            harness.fold(harness.records(anomaly_random.timeline(random.Random(seed), SIZE)))
        ):
            kinds[kind] += 1
            if kind == anomaly.CLEARED:
                why[said["why"]] += 1
            elif kind == anomaly.RAISED:
                why.update({reason["how"] if isinstance(reason, dict) else reason.how for reason in said["reasons"]})
                why["missing"] += bool(said["missing"])
            elif kind == anomaly.CONFIGURED:
                why["refused" if said["refused"] else "accepted"] += 1
    assert set(kinds) == {anomaly.SCORED, *harness.DECODERS}
    assert {"calm", "product", "learning", "level", "relation", "missing", "refused", "accepted"} <= set(why)


@pytest.mark.parametrize("seed", SEEDS[:6])
def test_a_page_stays_below_ten_kilobytes(seed: int) -> None:
    log = harness.records(anomaly_random.timeline(random.Random(seed), SIZE), random.Random(seed))
    state, _ = oee_harness.fold(log, random.Random(seed), harness.TOPOLOGY)
    state.fold(log[:0])
    for machine in state.machines:
        assert len(state._cell(machine).pages()["anomaly"]) <= PAGE_MAX


def test_the_largest_page_stays_below_ten_kilobytes() -> None:
    """Every list is full, and every name as long as a name may be."""
    rng = random.Random(1)
    settings = {"warmup": 40, "ignore": [f"{i}".rjust(64, "x") for i in range(5)]}
    events: list[Event] = []
    for i in range(600):
        t = Instant(anomaly_random.EPOCH + i * SECOND)
        if i % 60 == 0:
            events.append(ProductChanged(machine="M1", t=t, product=f"{i}".rjust(64, "p"), id=f"p{i}"))
            events += [
                ModelSet(name="anomaly", version=1, machine=machine, t=t, settings=settings, id=f"s{i}{machine}")
                for machine in ("", "M1")
            ]
        signals = 6 if 300 < i < 540 else 80
        values: dict[str, Scalar] = {
            f"{k}".rjust(64, "s"): anomaly_random.normal(rng) + i // 500 for k in range(signals)
        }
        counters: dict[CounterName, int] = {"total": i, "reject": i // 9, "good": i - i // 9}
        events.append(Telemetry(machine="M1", t=t, id=f"r{i}", values=values, counters=counters))
    sizes = []
    state = harness.TOPOLOGY.restore({}, lambda page: None)
    for record in harness.records(events):
        state.fold([record])
        sizes.append(sum(len(page) for name, page in state.dirty().items() if name != "site"))
    assert 7_000 < max(sizes) < PAGE_MAX


def test_a_record_in_the_past_of_every_product_gives_nothing() -> None:
    reading = Telemetry(machine="M1", t=Instant(0), id="r", values={"a": 1.0})
    assert harness.fold(harness.records([reading])) == []
