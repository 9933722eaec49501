"""Stops and stretches: the same in any batch, and at the end what the facts say."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest

import oee_harness as harness
import oee_random
import oee_reference
from tailrace.app.oee_answer import answer
from tailrace.schemas import stop as schema
from tailrace.schemas.event import Event, ReasonAssigned
from tailrace.schemas.instant import Instant, parse_instant
from tailrace.schemas.line import parse
from tailrace.schemas.record import Derived, Record
from tailrace.topologies.stops import Stops

SEEDS = range(60)
NEVER = 2**63 - 1


def fold(log: Sequence[Record], rng: random.Random | None = None) -> list[Derived]:
    return harness.fold(log, rng, Stops())[1]


def intervals(outputs: Sequence[Derived]) -> dict[int, schema.StateInterval]:
    rows: dict[int, schema.StateInterval] = {}
    for output in outputs:
        if output.kind == schema.INTERVAL:
            row = schema.decode_interval(output.body)
            rows[row.start] = row
    return {start: row for start, row in rows.items() if row.end != row.start}


def stops(outputs: Sequence[Derived]) -> dict[str, schema.Stop]:
    rows: dict[str, schema.Stop] = {}
    for output in outputs:
        if output.kind in schema.STOPS:
            row = schema.decode_stop(output.body)
            rows[row.id] = row
    return {id_: row for id_, row in rows.items() if row.end != row.start}


@pytest.mark.parametrize("seed", SEEDS)
def test_batches_pages_and_restores_change_nothing(seed: int) -> None:
    log = harness.records(oee_random.timeline(random.Random(seed), 60))
    whole, cut = fold(log), fold(log, random.Random(seed))
    assert [(o.key, o.first_n, o.kind, o.cause, o.body) for o in cut] == [
        (o.key, o.first_n, o.kind, o.cause, o.body) for o in whole
    ]
    assert [o.first_n for o in whole] == list(range(1, len(whole) + 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_stretches_are_what_the_reference_says_at_every_instant(seed: int) -> None:
    events = oee_random.timeline(random.Random(seed), 60)
    rows = sorted(intervals(fold(harness.records(events))).values(), key=lambda row: row.start)
    timeline = oee_reference.Timeline(events, None, None)
    for one, other in pairwise(rows):
        assert one.end is not None
        assert one.end <= other.start
    for cut in timeline.cuts:
        said = next((r.category for r in rows if r.start <= cut and (r.end is None or cut < r.end)), "unknown")
        assert said == timeline.category_at(cut)


@pytest.mark.parametrize("seed", SEEDS)
def test_stops_do_not_overlap_and_cover_every_unplanned_instant(seed: int) -> None:
    events = oee_random.timeline(random.Random(seed), 60)
    rows = sorted(stops(fold(harness.records(events))).values(), key=lambda row: row.start)
    for one, other in pairwise(rows):
        assert one.end is not None
        assert one.end < other.start
    timeline = oee_reference.Timeline(events, None, None)
    for cut in timeline.cuts:
        inside = any(row.start <= cut < (NEVER if row.end is None else row.end) for row in rows)
        assert inside or timeline.category_at(cut) != "unplanned"


def test_a_stop_opens_grows_closes_and_takes_a_reason() -> None:
    log = _log(("06:00", "running"), ("07:00", "fault"), ("07:10", "stopped"), ("07:30", "running"))
    said = [(o.kind, schema.decode_stop(o.body)) for o in fold(log) if o.kind in schema.STOPS]
    assert [(kind, row.revision) for kind, row in said] == [(schema.OPENED, 1), (schema.CLOSED, 1)]
    assert said[-1][1].end == said[-1][1].start + 1800 * 10**9
    log = harness.records([*_events(("06:00", "running"), ("07:00", "fault"), ("07:30", "running")),
                           _reason("07:00", "07:30", "setup", "tool change")])  # fmt: skip
    (row,) = stops(fold(log)).values()
    assert (row.category, row.reason, row.by, row.revision) == ("setup", "tool change", "ann", 1)


def test_of_two_edits_made_on_one_revision_the_second_is_rejected() -> None:
    states = _events(("06:00", "running"), ("07:00", "fault"), ("07:30", "running"))
    (stop,) = stops(fold(harness.records(states))).values()
    first, second, third = (
        msgspec.structs.replace(
            _reason("07:00", "07:30", category, category), id=category, stop=stop.id, expected_revision=revision
        )
        for category, revision in (("setup", 1), ("planned_stop", 1), ("unplanned", 2))
    )
    said = fold(harness.records([*states, first, second]))
    verdicts = [schema.decode_verdict(o.body) for o in said if o.kind in (schema.ACCEPTED, schema.REJECTED)]
    assert [(v.id, v.accepted, v.revision) for v in verdicts] == [("setup", True, 1), ("planned_stop", False, 2)]
    (row,) = stops(said).values()
    assert (row.category, row.revision) == ("setup", 2)
    (row,) = stops(fold(harness.records([*states, first, second, third]))).values()
    assert (row.category, row.revision) == ("unplanned", 3)
    oee, _ = harness.fold(harness.records([*states, first, second]))
    assert answer(oee.machine("M1"), stop.start, stop.start + 1800 * 10**9)["setup"] == 1800


def test_a_reason_given_while_the_machine_is_down_holds_until_it_is_up_and_no_longer() -> None:
    """Said at 07:10; other states of the stop do not end it, a late run does, and the next stop has none of it."""
    said = msgspec.structs.replace(_reason("07:00", "07:10", "setup", "tool change"), end=None, t=_at("07:10"))
    down = [*_events(("06:00", "running"), ("07:00", "fault")), said]
    later = parse(b'{"type":"state.changed","machine":"M1","t":"2026-01-05T07:20:00Z","id":"x","state":"held"}')
    up, again, late = (
        parse(
            f'{{"type":"state.changed","machine":"M1","t":"2026-01-05T{at}:00Z","id":"{at}","state":"{word}"}}'.encode()
        )
        for at, word in (("07:40", "running"), ("08:00", "fault"), ("07:30", "running"))
    )
    for events, end, minutes in (
        (down, None, 120),
        ([*down, later], None, 120),
        ([*down, later, up], "07:40", 40),
        ([*down, later, up, again], "07:40", 40),
        ([*down, later, up, again, late], "07:30", 30),
        ([late, again, up, later, *down], "07:30", 30),
    ):
        rows = sorted(stops(fold(harness.records(events))).values(), key=lambda row: row.start)
        assert (rows[0].end, rows[0].category) == (end and _at(end), "setup")
        assert [(row.start, row.category) for row in rows[1:]] == [(_at("08:00"), "unplanned")] * (again in events)
        oee, _ = harness.fold(harness.records(events))
        assert answer(oee.machine("M1"), _at("07:00"), _at("09:00"))["setup"] == 60 * minutes


def test_what_a_state_means_ends_a_reason_too() -> None:
    """That `held` is no stop is known later: by a definition of the site, or by one that the machine uses from then on."""
    said = msgspec.structs.replace(_reason("07:00", "07:10", "setup", "tool change"), end=None, t=_at("07:10"))
    states = _events(("06:00", "running"), ("07:00", "fault"), ("07:20", "held"), ("07:50", "running"))
    text = '{{"type":"definition.set","t":"2026-01-05T09:00:00Z","name":"d","version":1,"default":{},"id":"d",'
    text += '"valid_from":"2026-01-01T00:00:00Z","policy":{{"state_map":{{"held":"planned_stop"}}}}}}'
    site, own = (parse(text.format(default).encode()) for default in ("true", "false"))
    text = '{{"type":"machine.registered","machine":"M1","t":"2026-01-05T09:00:00Z","id":"m","definition":"d"{}}}'
    uses, counts = (parse(text.format(more).encode()) for more in ("", ',"counters":{"total":{"modulus":100}}'))
    down = [*states, said]
    for events, minutes in (
        (down, 50), ([*down, site], 20), ([site, *down], 20), ([*down, own], 50), ([*down, own, uses], 20),
        ([*down, own, counts], 20), ([own, uses, *down], 20),
    ):  # fmt: skip
        oee, _ = harness.fold(harness.records(events))
        assert answer(oee.machine("M1"), _at("07:00"), _at("09:00"))["setup"] == 60 * minutes


def test_a_late_run_cuts_a_stop_and_a_late_stop_joins_two() -> None:
    cut = stops(
        fold(
            _log(
                ("06:00", "running"), ("07:00", "fault"), ("08:00", "running"), ("07:20", "running"), ("07:40", "fault")
            )
        )
    )
    first, second = sorted(cut.values(), key=lambda row: row.start)
    whole = stops(fold(_log(("06:00", "running"), ("07:00", "fault"), ("08:00", "running"))))
    assert first.id in whole
    assert second.id not in whole
    joined = stops(
        fold(
            _log(("07:00", "fault"), ("07:20", "running"), ("07:40", "fault"), ("08:00", "running"), ("07:20", "held"))
        )
    )
    (row,) = joined.values()
    assert row.id == first.id


def _at(time: str) -> Instant:
    return parse_instant(f"2026-01-05T{time}:00Z")


def _log(*states: tuple[str, str]) -> list[Record]:
    return harness.records(_events(*states))


def _events(*states: tuple[str, str]) -> list[Event]:
    text = '{{"type":"state.changed","machine":"M1","t":"2026-01-05T{}:00Z","id":"s{}","state":"{}"}}'
    return [parse(text.format(at, i, word).encode()) for i, (at, word) in enumerate(states)]


def _reason(start: str, end: str, category: str, reason: str) -> ReasonAssigned:
    day = "2026-01-05T"
    text = (
        f'{{"type":"reason.assigned","machine":"M1","t":"{day}09:00:00Z","id":"r1","from":"{day}{start}:00Z",'
        f'"to":"{day}{end}:00Z","category":"{category}","reason":"{reason}","by":"ann"}}'
    )
    event = parse(text.encode())
    assert isinstance(event, ReasonAssigned)
    return event
