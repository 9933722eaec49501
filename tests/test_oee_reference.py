"""The judge itself is judged: by every vector worked by hand, and by the laws that any OEE obeys."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oee_cases
import oee_random
import oee_vectors
from oee_reference import BUCKETS, Timeline, deltas, summarise, tallies
from tailrace.schemas import codec, line
from tailrace.schemas.event import Counter, Event, ReasonAssigned, StateChanged
from tailrace.schemas.instant import MINUTE, SECOND, Instant, Span

SUMS = (
    *BUCKETS, "calendar", "pbt", "operating", "total", "good", "reject", "rework", "offplan_good", "offplan_reject",
    "breakdowns", "microstops",
)  # fmt: skip
LOSSES = ("speed_loss", "quality_loss", "valuable")
TIMELINES = settings(derandomize=True, deadline=None, max_examples=60, database=None)
seeds = st.integers(0, 2**32 - 1)


def _case(seed: int, *, seq: bool | None = None) -> tuple[random.Random, list[Event], tuple[int, int, int | None]]:
    rng = random.Random(seed)
    events = oee_random.timeline(rng, rng.choice((3, 20, 60)), seq=seq)
    return rng, events, oee_random.window(rng, events)


@pytest.mark.parametrize("vector", oee_vectors.params("timeline", "counter", "summary"))
def test_agrees_with_the_vector(vector: oee_vectors.Vector) -> None:
    start, end, as_of = oee_vectors.window(vector)
    got = summarise(oee_vectors.events(vector), start, end, as_of)
    assert oee_vectors.differences(oee_vectors.expected(vector), got) == {}


@pytest.mark.parametrize("vector", oee_vectors.params("timeline", "counter", "summary"))
def test_a_vector_survives_the_events_file(vector: oee_vectors.Vector) -> None:
    events = [line.parse(text) for text in oee_vectors.lines(vector).splitlines()]
    assert events == oee_vectors.events(vector)
    start, end, as_of = oee_vectors.window(vector)
    assert oee_vectors.differences(oee_vectors.expected(vector), summarise(events, start, end, as_of)) == {}


@pytest.mark.parametrize("vector", oee_vectors.params("counter"))
def test_agrees_with_every_delta_of_the_vector(vector: oee_vectors.Vector) -> None:
    readings = Timeline(oee_vectors.events(vector), None, None).readings["total"]
    config = Counter(**vector["input"].get("config", {}))
    found = [delta for delta, _ in deltas([value for _, value in readings], config)]
    assert found == vector["expect"]["deltas"]


@pytest.mark.parametrize("case", oee_cases.CASES, ids=lambda case: case.id)
def test_agrees_with_the_case(case: oee_cases.Case) -> None:
    got = summarise(case.events(), case.start, case.end, case.now)
    assert oee_vectors.differences(case.expect, got) == {}


@pytest.mark.parametrize(
    ("values", "config", "found"),
    [
        ([10, 700, 705], Counter(max_step=500), [(0, None), (0, "counter_anomaly"), (5, None)]),
        ([10, 700, 20], Counter(max_step=500), [(0, None), (0, "counter_anomaly"), (10, None)]),
        ([10, 700, 1400, 1401], Counter(max_step=500), [(0, None), *[(0, "counter_anomaly")] * 2, (1, None)]),
        ([900, 600], Counter(max_step=500), [(0, None), (0, "counter_anomaly")]),
        ([253, 3], Counter(modulus=256, max_step=5), [(0, None), (3, "counter_reset")]),
        ([253, 2], Counter(modulus=256, max_step=5), [(0, None), (5, "counter_rollover")]),
        ([200, 72], Counter(modulus=256), [(0, None), (128, "counter_rollover")]),
        ([200, 73], Counter(modulus=256), [(0, None), (73, "counter_reset")]),
        ([200, 197], Counter(modulus=256, backstep_max=3), [(0, None), (-3, "counter_backstep")]),
        ([200, 900_000], Counter(modulus=256), [(0, None), (899_800, None)]),
    ],
)
def test_counter_rules(values: list[int], config: Counter, found: list[tuple[int, str | None]]) -> None:
    assert deltas(values, config) == found


@TIMELINES
@given(seeds)
def test_time_is_all_spent_once_and_parts_are_counted_once(seed: int) -> None:
    rng, events, (start, end, as_of) = _case(seed)
    policy = oee_random.policy(rng)
    got = summarise(events, start, end, as_of, policy)
    assert sum(got[name] for name in BUCKETS) == got["calendar"]
    assert got["pbt"] == sum(got[name] for name in ("setup", "breakdown", "unknown", "microstop", "run"))
    assert got["total"] == got["good"] + got["reject"] + (got["rework"] if policy.rework == "reject" else 0)
    if got["oee"] is not None:
        assert got["oee"] * got["base"] == got["valuable"]
        losses = sum(got[n] for n in (*LOSSES, "microstop", "breakdown", "setup", "unknown"))
        assert losses == got["pbt"]


@TIMELINES
@given(seeds)
def test_adjacent_windows_add_up(seed: int) -> None:
    rng, events, (start, end, as_of) = _case(seed)
    edges = sorted({start, end, *(rng.randrange(start, end) for _ in range(4))})
    now = end if as_of is None else max(as_of, start)
    whole = summarise(events, start, end, now)
    parts = [summarise(events, a, b, now) for a, b in pairwise(edges)]
    assert {name: sum(part[name] for part in parts) for name in SUMS} == {name: whole[name] for name in SUMS}
    if all(part["valuable"] is not None for part in (whole, *parts)):
        assert {name: sum(part[name] for part in parts) for name in LOSSES} == {name: whole[name] for name in LOSSES}


@TIMELINES
@given(seeds)
def test_order_and_redelivery_mean_nothing(seed: int) -> None:
    rng, events, (start, end, as_of) = _case(seed, seq=True)
    again = oee_random.permuted(rng, events)
    assert summarise(again, start, end, as_of) == summarise(events, start, end, as_of)


@TIMELINES
@given(seeds)
def test_oee_does_not_depend_on_the_microstop_length(seed: int) -> None:
    rng, events, (start, end, as_of) = _case(seed)
    policy = oee_random.policy(rng)
    found = {
        summarise(events, start, end, as_of, msgspec.structs.replace(policy, microstop_s=Span(length)))["oee"]
        for length in (0, 30 * SECOND, 300 * SECOND, 10**6 * SECOND)
    }
    assert len(found) == 1


@TIMELINES
@given(seeds)
def test_edits_in_any_order_end_the_same(seed: int) -> None:
    rng, events, (start, end, as_of) = _case(seed)
    edits = [event for event in events if isinstance(event, ReasonAssigned)]
    edits = [msgspec.structs.replace(e, t=Instant(e.t + i)) for i, e in enumerate({e.id: e for e in edits}.values())]
    rest = [event for event in events if not isinstance(event, ReasonAssigned)]
    wanted = summarise([*rest, *edits], start, end, as_of)
    rng.shuffle(edits)
    assert summarise([*edits, *rest], start, end, as_of) == wanted


@TIMELINES
@given(seeds)
def test_tallies_hold_what_a_summary_is_made_of(seed: int) -> None:
    rng, events, (start, end, as_of) = _case(seed)
    edges = sorted({start, end, *(rng.randrange(start, end) for _ in range(9))})
    policy = msgspec.structs.replace(oee_random.policy(rng), run_through="include", rework="reject")
    whole = summarise(events, start, end, as_of, policy)
    found = tallies(events, edges, as_of, policy)
    time: dict[str, int] = {}
    on_plan = [0, 0, 0]
    for tally in found.values():
        for (scheduled, category), ns in tally.time.items():
            name = "run" if category == "run" else scheduled if scheduled != "shift" else category
            time[name] = time.get(name, 0) + ns
        for (scheduled, ran), parts in tally.parts.items():
            if scheduled == "shift" or ran or policy.offplan_counts == "include":
                on_plan = [a + b for a, b in zip(on_plan, parts, strict=True)]
    assert time.get("off", 0) == whole["not_scheduled"] * SECOND
    assert time.get("run", 0) == whole["run"] * SECOND
    assert sum(time.values()) == whole["calendar"] * SECOND
    assert on_plan == [whole["good"], whole["reject"], whole["rework"]]


def _shift(*states: tuple[int, str], until: int = 3600) -> dict[str, Any]:
    events = [StateChanged(machine="M1", t=Instant(MINUTE + t * SECOND), state=state) for t, state in states]
    return summarise(events, MINUTE, MINUTE + until * SECOND)


def test_an_open_stop_grows_with_the_window() -> None:
    states = (0, "running"), (3500, "fault")
    assert _shift(*states)["microstops"] == 1
    assert _shift(*states, until=3800)["breakdowns"] == 1


def test_completeness_is_what_was_seen_of_the_schedule() -> None:
    assert _shift((600, "running"), (1800, "idle"))["completeness"] * 3600 == 1200
    assert summarise([], 0, SECOND)["completeness"] == 0


def test_generated_timelines_are_lines_that_import_takes() -> None:
    for seed in range(20):
        for event in oee_random.timeline(random.Random(seed), 60):
            assert line.parse(codec.to_line(event)) == event


def test_generated_timelines_hold_every_kind_of_trouble() -> None:
    flags: set[str] = set()
    kinds: set[str] = set()
    for seed in range(200):
        _, events, (start, end, as_of) = _case(seed)
        flags |= summarise(events, start, end, as_of)["flags"]
        kinds |= {codec.type_of(event) for event in events}
    assert flags == {
        "provisional", "offplan_counts", "ideal_cycle_missing", "performance_over_100", "counts_without_runtime",
        "negative_counts", "counter_reset", "counter_rollover", "counter_backstep", "counter_anomaly",
    }  # fmt: skip
    assert len(kinds) == 11
