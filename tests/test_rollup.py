"""Rollups: the rows that a reading at a time gives, whatever the batches, checkpoints and restores."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import numpy as np
import pytest

import oee_harness as harness
import rollup_reference as reference
from rollup_reference import EPOCH, Row
from tailrace.engine.worker import OUTPUT_MAX
from tailrace.schemas import rollup
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import ClockTicked, Event, Telemetry
from tailrace.schemas.instant import HOUR, MINUTE, SECOND, Instant
from tailrace.schemas.record import Derived, Record
from tailrace.topologies import rollup as topology
from tailrace.topologies.rollup import Rollup

SEEDS = range(20)


def fold(log: list[Record], rng: random.Random | None = None) -> list[Derived]:
    return harness.fold(log, rng, Rollup())[1]


def records(seed: int, n: int = 120) -> list[Record]:
    rng = random.Random(seed)
    return harness.records(mixed(reference.timeline(rng, n)), rng)


def mixed(events: list[Event]) -> list[Event]:
    """A number is whole in some frames and not in others, as two sources may give it; never in one frame."""
    return [
        msgspec.structs.replace(event, values={**event.values, "Count": 0.5}, clock="b")
        if isinstance(event, Telemetry) and "Count" in event.values and int(event.t) % 2
        else event
        for event in events
    ]


def reading(at: int, value: float | None = 1.0, signal: str = "Temp", **fields: Any) -> Telemetry:
    """At so many seconds."""
    t = Instant(EPOCH + at * SECOND)
    values: dict[str, Any] = {} if value is None else {signal: value}
    base: dict[str, Any] = {"machine": "M1", "id": f"{at}-{value}-{signal}", "ingested": Instant(t + SECOND)}
    return Telemetry(t=t, values=values, **base | fields)


def said(*events: Event) -> list[Row]:
    return reference.rows(fold(harness.records(events, random.Random(0))))


def shown(rows: list[Row]) -> list[tuple[int, int, int, float | None, int]]:
    """(resolution in s, start in s, n, sum, revision)."""
    return [(r.resolution // SECOND, (r.start - EPOCH) // SECOND, r.n, r.sum, r.revision) for r in rows]


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_are_those_of_a_reading_at_a_time(seed: int) -> None:
    log = records(seed)
    assert reference.rows(fold(log)) == reference.fold(log)


@pytest.mark.parametrize("seed", SEEDS)
def test_batches_pages_and_restores_change_nothing(seed: int) -> None:
    log = records(seed)
    assert bits(fold(log, random.Random(seed))) == bits(fold(log))


def bits(outputs: list[Derived]) -> dict[str, bytes]:
    """The bytes of every row, machine by machine."""
    found: dict[str, bytes] = {}
    for output in outputs:
        part = rollup.decode(output.body)
        names = [part.names[code] for code in part.ints[rollup.SIGNAL]]
        rows = zip(names, part.ints[1:].T, part.floats.T, strict=True)
        found[output.key] = found.get(output.key, b"") + b"".join(
            name.encode() + ints.tobytes() + floats.tobytes() for name, ints, floats in rows
        )
    return found


def test_what_waits_is_bounded_and_that_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    log = records(7, 200)
    whole = bits(fold(log))
    monkeypatch.setattr(topology, "WAITING_MAX", 3)
    assert bits(fold(log)) == whole


def test_a_minute_comes_when_it_is_over_and_an_hour_too() -> None:
    assert not said(reading(0, 1.5), reading(59, 2.5))
    rows = said(reading(0, 1.5), reading(59, 2.5), reading(60, 9.0))
    assert shown(rows) == [(60, 0, 2, 4.0, 1)]
    assert (rows[0].low, rows[0].high, rows[0].first, rows[0].last) == (1.5, 2.5, 1.5, 2.5)
    assert (rows[0].first_t, rows[0].last_t) == (EPOCH, EPOCH + 59 * SECOND)
    assert (rows[0].known_from, rows[0].cause) == (EPOCH + 61 * SECOND, 3)
    tick = ClockTicked(t=Instant(EPOCH + HOUR), id="k", ingested=Instant(EPOCH + HOUR))
    assert shown(said(reading(0, 1.5), reading(59, 2.5), tick)) == [(60, 0, 2, 4.0, 1), (3600, 0, 2, 4.0, 1)]


def test_a_minute_of_one_reading_is_no_rollup_until_a_second_one_comes() -> None:
    one = [reading(0, 1.0), reading(60, 2.0), reading(120, 3.0), reading(3600, 4.0)]
    assert shown(said(*one)) == [(3600, 0, 3, 6.0, 1)]
    assert shown(said(*one, reading(90, 5.0))) == [(3600, 0, 3, 6.0, 1), (60, 60, 2, 7.0, 1), (3600, 0, 4, 11.0, 2)]


def test_a_late_reading_emits_the_whole_row_again() -> None:
    late = [reading(i, 1.0) for i in range(0, 180, 30)] + [reading(45, 10.0), reading(10, 20.0)]
    assert shown(said(*late)) == [(60, 0, 2, 2.0, 1), (60, 60, 2, 2.0, 1), (60, 0, 3, 12.0, 2), (60, 0, 4, 32.0, 3)]
    rows = said(*late)
    assert (rows[-1].first, rows[-1].last, rows[-1].low, rows[-1].high) == (1.0, 10.0, 1.0, 20.0)


def test_what_is_not_usable_is_counted_and_not_added_up() -> None:
    events = [
        reading(1, 5.0),
        reading(2, 100.0, quality={"Temp": "bad"}),
        reading(3, None, quality={"Temp": "bad"}),
        reading(4, 7.0, quality={"Temp": "uncertain"}),
        reading(60, 0.0),
    ]
    (row,) = said(*events)
    assert (row.n, row.bad, row.sum, row.high) == (2, 2, 12.0, 7.0)
    nothing = [reading(i, None, quality={"Temp": "bad"}) for i in range(3)] + [reading(60, 0.0)]
    (row,) = said(*nothing)
    assert (row.n, row.bad, row.sum, row.first_t) == (0, 3, None, None)


def test_texts_truth_values_and_counters_are_no_signals() -> None:
    events = [
        Telemetry(machine="M1", t=Instant(EPOCH + i * SECOND), id=str(i), values={"Mode": "a", "On": True}, counters={"total": i})
        for i in range(100)
    ]  # fmt: skip
    assert not said(*events)


def test_of_equal_times_the_first_and_the_last_in_the_log_stand() -> None:
    same = [reading(5, float(v)) for v in (3, 1, 4, 2)] + [reading(60, 0.0)]
    (row,) = said(*same)
    assert (row.first, row.last, row.low, row.high) == (3.0, 2.0, 1.0, 4.0)


def test_a_sum_goes_on_from_what_was_there() -> None:
    """0.1 ten times is not ten times 0.1: adding up parts and then the parts' sums gives another last bit."""
    values = [0.1] * 10 + [1e16, 1.0, -1e16]
    log = harness.records([*(reading(i, v) for i, v in enumerate(values)), reading(60, 0.0)], random.Random(0))
    total = 0.0
    for value in values:
        total += value
    for seed in range(20):
        (row,) = reference.rows(fold(log, random.Random(seed)))
        assert row.sum == total


def test_a_body_with_the_most_rows_and_the_longest_names_fits() -> None:
    names = [f"{i:03}" + "\U0001f4a1" * 61 for i in range(rollup.ROWS_MAX + 1)]
    events = [reading(at, 1.0, name) for at in (0, 1) for name in names] + [reading(60)]
    outputs = fold(harness.records(events))
    assert [o.n for o in outputs] == [rollup.ROWS_MAX, 1]
    assert max(len(o.body) for o in outputs) <= OUTPUT_MAX


def test_a_body_of_other_columns_is_refused() -> None:
    rows = rollup.Rolled(np.zeros((len(rollup.INTS), 1), np.int64), np.zeros((len(rollup.FLOATS), 1)), ["Temp"])
    body = rollup.encode(rows)
    assert rollup.decode(body).ints.tolist() == rows.ints.tolist()
    with pytest.raises(InvalidEvent, match="expected columns"):
        rollup.decode(body.replace(b"\xa3low", b"\xa3mid"))


def test_pages_that_did_not_change_are_not_written_again() -> None:
    events = [reading(i * 30, float(i)) for i in range(400)]
    log = harness.records(events, random.Random(0))
    pages = harness.Pages()
    state = Rollup().restore({}, pages.pages.get)
    state.fold(log[:-3])
    first = state.dirty()
    pages.pages |= first
    state.fold(log[-3:])
    again = state.dirty()
    assert len([name for name in first if name.startswith("hour/")]) == 4
    assert [name for name in again if name.startswith("hour/")] == ["hour/490995:M1"]
    assert max(map(len, again.values())) < 8 * MINUTE // SECOND * 100
