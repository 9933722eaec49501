"""Splits, merges, reasons and their undoing: in any order the stops that facts and edits say, and no other bucket."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise, permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oee_harness as harness
import oee_random
import oee_reference
import stop_edits
from tailrace.app.oee_answer import answer
from tailrace.schemas import stop as schema
from tailrace.schemas.event import (
    Event,
    Gap,
    ReasonAssigned,
    ReasonRetracted,
    StateChanged,
    StopMerged,
    StopSplit,
    Telemetry,
)
from tailrace.schemas.instant import HOUR, MINUTE, SECOND, Instant, parse_instant
from test_stops import fold, stops

SEEDS = range(40)
FOREVER = 2**63 - 1
MIDNIGHT = int(parse_instant("2026-01-06T00:00:00Z"))
QUICK = settings(derandomize=True, deadline=None, max_examples=40, database=None)


def shape(events: Sequence[Event], rng: random.Random | None = None) -> list[stop_edits.Row]:
    """Where the stops are that the fold says."""
    found = sorted(stops(fold(harness.records(events), rng)).values(), key=lambda row: row.start)
    return [
        stop_edits.Row(row.start, FOREVER if row.end is None else row.end, tuple((a, b) for a, b in row.gaps))
        for row in found
    ]


def log(seed: int, edits: int = 12) -> list[Event]:
    rng = random.Random(seed)
    return stop_edits.edited(rng, oee_random.timeline(rng, 60, seq=True, silence=False), edits)


# -- the fold ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_stops_are_what_facts_and_edits_say(seed: int) -> None:
    events = log(seed)
    assert shape(events) == stop_edits.rows(events)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_of_facts_and_edits_ends_the_same(seed: int) -> None:
    events = log(seed)
    assert shape(oee_random.permuted(random.Random(seed), events)) == shape(events)


@pytest.mark.parametrize("seed", SEEDS)
def test_batches_pages_and_restores_change_nothing(seed: int) -> None:
    records = harness.records(log(seed))
    whole, cut = fold(records), fold(records, random.Random(seed))
    assert [(o.key, o.first_n, o.kind, o.cause, o.body) for o in cut] == [
        (o.key, o.first_n, o.kind, o.cause, o.body) for o in whole
    ]


@pytest.mark.parametrize("seed", range(20))
def test_splits_and_merges_are_in_no_bucket(seed: int) -> None:
    events = log(seed)
    parted = [event for event in events if not isinstance(event, (StopSplit, StopMerged))]
    with_them, without = (
        {key: row[3] for key, row in harness.table(harness.fold(harness.records(each))[1]).items()}
        for each in (events, parted)
    )
    assert with_them == without


def test_the_random_edits_do_part_and_join() -> None:
    found = [row for seed in SEEDS for row in stop_edits.rows(log(seed))]
    assert any(row.gaps for row in found)
    assert any(one.end == other.start for one, other in pairwise(found))


# -- one by one --------------------------------------------------------------------------------------------------------


def test_each_part_of_a_split_stop_has_its_own_reason() -> None:
    (whole,) = said(DOWN)
    parts = said([*DOWN, split(whole, "07:20")])
    assert [(row.start, row.end, row.category) for row in parts] == [
        (at("07:00"), at("07:20"), "unplanned"), (at("07:20"), at("08:00"), "unplanned"),
    ]  # fmt: skip
    assert [row.id == whole.id for row in parts] == [True, False]
    assert [row.revision for row in parts] == [2, 1]
    given_ = [reason(parts[0], "setup", "die"), reason(parts[1], "planned_stop", "lunch")]
    for order in permutations([split(whole, "07:20"), *given_]):
        found = said([*DOWN, *order])
        assert [(row.category, row.reason, row.id) for row in found] == [
            ("setup", "die", parts[0].id), ("planned_stop", "lunch", parts[1].id),
        ]  # fmt: skip
        assert [row.revision for row in found] == [3, 2]
        assert buckets([*DOWN, *order]) == {"setup": 20 * 60, "planned_stop": 40 * 60, "run": 60 * 60}


def test_a_merged_stop_is_one_row_and_what_ran_in_it_still_ran() -> None:
    one, other = said(TWICE)
    joined = [*TWICE, merge(one, other)]
    (row,) = said(joined)
    assert (row.id, row.start, row.end, row.gaps) == (one.id, at("07:00"), at("08:00"), [(at("07:10"), at("07:40"))])
    assert (row.revision, buckets(joined)) == (2, buckets(TWICE))
    named = [*joined, reason(row, "setup", "die")]
    (row,) = said(named)
    assert (row.category, row.reason, row.revision) == ("setup", "die", 3)
    assert buckets(named) == {"run": 90 * 60, "setup": 30 * 60}


def test_a_merge_without_times_joins_the_stops_that_are_known_by_these_ids() -> None:
    one, other = said(TWICE)
    bare = msgspec.structs.replace(merge(one, other), start=None, end=None)
    assert said([*TWICE, bare]) == said([*TWICE, merge(one, other)])
    strange = msgspec.structs.replace(bare, stops=[one.id, "nobody"])
    assert [(row.id, row.revision) for row in said([*TWICE, strange])] == [(one.id, 2), (other.id, 1)]


def test_an_undone_edit_gives_back_what_held_before() -> None:
    (whole,) = said(DOWN)
    first = reason(whole, "setup", "die", minute=1)
    over = msgspec.structs.replace(reason(whole, "planned_stop", "lunch", minute=2), id="over")
    cut = split(whole, "07:20", minute=3)
    steps = [*DOWN, first, over, cut]
    left, right = said(steps)
    assert {left.edit, right.edit} == {cut.id}
    steps.append(undo(right, minute=4))
    (row,) = said(steps)
    assert (row.category, row.reason, row.edit, row.id) == ("planned_stop", "lunch", "over", whole.id)
    steps.append(undo(row, minute=5))
    (row,) = said(steps)
    assert (row.category, row.reason, row.edit) == ("setup", "die", first.id)
    steps.append(undo(row, minute=6))
    (row,) = said(steps)
    assert (row.category, row.reason, row.edit) == ("unplanned", "", "")
    assert buckets(steps) == buckets(DOWN)


def test_an_undone_merge_gives_both_stops_back_with_their_ids_and_reasons() -> None:
    one, other = said(TWICE)
    named = [*TWICE, reason(one, "setup", "die"), reason(other, "unplanned", "jam")]
    joined = [*named, merge(one, other)]
    (row,) = said(joined)
    assert (row.reason, row.edit) == ("jam", "merge")
    assert [(each.id, each.reason) for each in said([*joined, undo(row, minute=5)])] == [
        (one.id, "die"), (other.id, "jam"),
    ]  # fmt: skip


def test_a_split_in_the_gap_of_a_merged_stop_parts_it_again() -> None:
    one, other = said(TWICE)
    joined = [*TWICE, merge(one, other)]
    (row,) = said(joined)
    assert [each.id for each in said([*joined, split(row, "07:30", minute=5)])] == [one.id, other.id]


def test_late_facts_move_what_is_joined_and_cut() -> None:
    one, other = said(TWICE)
    joined = [*TWICE, merge(one, other)]
    late = state("late", "07:45", "running"), state("later", "07:50", "fault")
    (row, rest) = said([*joined, *late])
    assert (row.start, row.end, rest.start, rest.end) == (at("07:00"), at("07:45"), at("07:50"), at("08:00"))
    (whole,) = said(DOWN)
    found = said([*DOWN, split(whole, "07:20"), state("late", "07:15", "running"), state("later", "07:30", "fault")])
    assert [(row.start, row.end) for row in found] == [(at("07:00"), at("07:15")), (at("07:30"), at("08:00"))]


def test_an_edit_that_changes_nothing_but_the_revision_is_said() -> None:
    (whole,) = said(DOWN)
    nothing = msgspec.structs.replace(undo(whole, minute=1), reason_id="nobody's")
    assert [row.revision for row in said([*DOWN, nothing])] == [2]
    assert [row.revision for row in said([*DOWN, split(whole, "09:30"), nothing])] == [3]


@pytest.mark.parametrize("kind", ["reason", "split", "merge", "undo"])
def test_an_edit_on_an_old_revision_is_rejected_whatever_it_is(kind: str) -> None:
    one, other = said(TWICE)
    first = msgspec.structs.replace(reason(one, "setup", "die"), expected_revision=1)
    (one, other) = said([*TWICE, first])
    assert one.revision == 2
    late: dict[str, Event] = {
        "reason": msgspec.structs.replace(reason(one, "run", "", minute=4), id="late", expected_revision=1),
        "split": msgspec.structs.replace(split(one, "07:05", minute=4), id="late", expected_revision=1),
        "merge": msgspec.structs.replace(merge(one, other, minute=4), id="late", expected_revision=1),
        "undo": msgspec.structs.replace(undo(one, minute=4), id="late", expected_revision=1),
    }
    events = [*TWICE, first, late[kind]]
    assert [(v.id, v.accepted, v.revision) for v in verdicts(events)] == [(first.id, True, 1), ("late", False, 2)]
    assert said(events) == [one, other]
    assert buckets(events) == buckets([*TWICE, first])


def test_a_merge_is_rejected_when_another_of_its_stops_was_changed() -> None:
    one, other = said(TWICE)
    first = msgspec.structs.replace(reason(other, "setup", "die"), expected_revision=1)
    stale = msgspec.structs.replace(merge(one, other), expected_revision=1, expected_revisions={other.id: 1})
    found = verdicts([*TWICE, first, stale])
    assert [(v.stop, v.accepted, v.expected_revision, v.revision) for v in found] == [
        (other.id, True, 1, 1), (other.id, False, 1, 2),
    ]  # fmt: skip
    fresh = msgspec.structs.replace(stale, expected_revisions={other.id: 2})
    assert len(said([*TWICE, first, fresh])) == 1


# -- restatement -------------------------------------------------------------------------------------------------------

CATEGORIES = ("run", "unplanned", "setup", "planned_stop", "unknown")


@QUICK
@given(
    states=st.lists(
        st.tuples(st.integers(-180, 180), st.sampled_from(["running", "fault", "idle", "setup"])),
        min_size=1, max_size=12, unique_by=lambda each: each[0],
    ),
    edits=st.lists(
        st.tuples(st.integers(-200, 100), st.integers(1, 250), st.sampled_from(CATEGORIES), st.booleans()),
        min_size=1, max_size=4,
    ),
)  # fmt: skip
def test_an_edit_across_midnight_restates_exactly_the_buckets_that_change(
    states: list[tuple[int, str]], edits: list[tuple[int, int, str, bool]]
) -> None:
    """Episodes are merged, split and removed by what a person says; each edit, and its undoing, restates what it moves."""
    events: list[Event] = [
        StateChanged(machine="M1", t=_t(90 * minute), id=f"s{minute}", state=word) for minute, word in sorted(states)
    ]
    end = _t(8 * HOUR // SECOND)
    events.append(Telemetry(machine="M1", t=end, id="end", values={"x": 1.0}))
    steps: list[Event] = []
    for i, (start, long, category, back) in enumerate(edits):
        a, b = _t(90 * start), _t(90 * (start + long))
        recorded = Instant(end + i * SECOND)
        steps.append(ReasonAssigned(machine="M1", t=recorded, id=f"r{i}", start=a, end=b, category=category))  # type: ignore[arg-type]
        if back:
            steps.append(ReasonRetracted(machine="M1", t=recorded, id=f"u{i}", reason_id=f"r{i}"))
    records = harness.records([*events, *steps])
    state = harness.OEE.restore({}, lambda page: None)
    state.fold(records[: len(events)])
    was = minutes(events)
    for i, record in enumerate(records[len(events) :], len(events) + 1):
        said_now = {start for _, _, start, _, _ in harness.emitted(state.fold([record]))}
        now = minutes([*events, *steps][:i])
        assert said_now == {start for start in now if now[start] != was[start]}
        was = now


def minutes(events: Sequence[Event]) -> dict[int, tuple[int, ...]]:
    """What each closed minute was, by the reference: ns of each category."""
    timeline = oee_reference.Timeline(events, None, None)
    first = min(int(event.t) for event in events if isinstance(event, (StateChanged, Telemetry))) // MINUTE * MINUTE
    last = max(int(event.t) for event in events if isinstance(event, (StateChanged, Telemetry))) // MINUTE * MINUTE
    found = {}
    for start in range(first, last, MINUTE):
        edges = sorted({start, start + MINUTE, *(cut for cut in timeline.cuts if start < cut < start + MINUTE)})
        spent = dict.fromkeys(CATEGORIES, 0)
        for a, b in pairwise(edges):
            spent[timeline.category_at(a)] += b - a
        found[start] = tuple(spent.values())
    return found


# -- events ------------------------------------------------------------------------------------------------------------


def at(time: str) -> Instant:
    return parse_instant(f"2026-01-05T{time}:00Z")


def state(id_: str, time: str, word: str) -> Event:
    return StateChanged(machine="M1", t=at(time), id=id_, state=word)


DOWN = [state("s1", "06:00", "running"), state("s2", "07:00", "fault"), state("s3", "08:00", "running")]
TWICE = [*DOWN, state("s4", "07:10", "running"), state("s5", "07:40", "fault")]


def said(events: Sequence[Event]) -> list[schema.Stop]:
    return sorted(stops(fold(harness.records(events))).values(), key=lambda row: row.start)


def verdicts(events: Sequence[Event]) -> list[schema.Verdict]:
    found = fold(harness.records(events))
    return [schema.decode_verdict(o.body) for o in found if o.kind in (schema.ACCEPTED, schema.REJECTED)]


def buckets(events: Sequence[Event]) -> dict[str, float]:
    """Seconds between 06:30 and 08:30 by bucket, without those that have none."""
    state_, _ = harness.fold(harness.records(events))
    found = answer(state_.machine("M1"), at("06:30"), at("08:30"))
    names = ("run", "setup", "planned_stop", "breakdown", "microstop", "unknown", "excluded")
    return {name: found[name] for name in names if found[name]}


def reason(stop: schema.Stop, category: str, why: str, minute: int = 0) -> ReasonAssigned:
    """What is said of a stop, as an editing surface writes it."""
    return ReasonAssigned(
        machine="M1", t=_recorded(minute), id=f"r-{stop.start}-{category}", start=Instant(stop.start),
        end=None if stop.end is None else Instant(stop.end), category=category, reason=why, by="ann", stop=stop.id,  # type: ignore[arg-type]
        gaps=[Gap(start=Instant(a), end=Instant(b)) for a, b in stop.gaps],
    )  # fmt: skip


def split(stop: schema.Stop, time: str, minute: int = 0) -> StopSplit:
    return StopSplit(machine="M1", t=_recorded(minute), id=f"split-{time}", stop=stop.id, at=at(time), by="ann")


def merge(one: schema.Stop, other: schema.Stop, minute: int = 0) -> StopMerged:
    return StopMerged(
        machine="M1", t=_recorded(minute), id="merge", stops=[one.id, other.id], start=Instant(one.start),
        end=Instant(other.start),
    )  # fmt: skip


def undo(stop: schema.Stop, minute: int) -> ReasonRetracted:
    return ReasonRetracted(machine="M1", t=_recorded(minute), id=f"undo-{minute}", reason_id=stop.edit, stop=stop.id)


def _recorded(minute: int) -> Instant:
    return Instant(at("09:00") + minute * MINUTE)


def _t(seconds: int) -> Instant:
    return Instant(MIDNIGHT + seconds * SECOND)
