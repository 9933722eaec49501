"""Many frames at once: columns of all of them, an OEE of them, and the records in many messages, as one by one."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

import oee_harness as harness
from tailrace.connectors.kafka_records import message_of, record_of, records_of
from tailrace.schemas import codec, frame
from tailrace.schemas.event import ProductChanged, StateChanged
from tailrace.schemas.instant import SECOND, Instant, Span
from tailrace.schemas.record import Record
from tailrace.schemas.stack import STACKED_MAX, stacks

START = 1_790_000_040 * SECOND
MACHINES = ("M1", "M2", "M3")
STEPS = (1, 1, 1, 1, 7, 61, 0, -1, -70, -4000)
"""Seconds from one frame to the next: some are late, by minutes that were emitted or not."""


def payload(random: Random, t: int, total: int) -> bytes:
    """A frame of few readings, now and then of other columns than the one before."""
    n = random.choice((1,) * 12 + (2, 3))
    whole = random.random() < 0.9
    there = None if whole else np.array([random.random() < 0.7 for _ in range(n)])
    columns: list[Any] = [(frame.Column("Temp", "f8"), np.full(n, 70.5), None)]
    columns.append((frame.Column("total", "i8", counter=True, complete=whole), total + np.arange(n), there))
    if random.random() < 0.05:
        columns.append((frame.Column("reject", "i8", counter=True), np.full(n, total // 7), None))
    seq = np.arange(n, dtype=np.int64) if random.random() < 0.05 else None
    return frame.encode(t + np.arange(n, dtype=np.int64) * SECOND, columns, seq=seq)


def log(seed: int) -> list[Record]:
    """Frames of several machines in turns, with states, products and news of the site between them."""
    random, found = Random(seed), list[Record]()
    at, first = dict.fromkeys(MACHINES, START), dict.fromkeys(MACHINES, 1)
    for i in range(150):
        machine = random.choice(MACHINES)
        at[machine] += random.choice(STEPS) * SECOND
        base: dict[str, Any] = {"t": Instant(at[machine]), "id": f"e{i}", "ingested": Instant(START + i)}
        if random.random() < 0.03:
            made = ProductChanged(machine=machine, product="P1", ideal_cycle=Span(SECOND), **base)
            found.append(codec.record_of(made, source="plc"))
        elif random.random() < 0.05:
            word = random.choice(("running", "idle"))
            found.append(codec.record_of(StateChanged(machine=machine, state=word, **base), source="plc"))
        else:
            record = codec.frame_record(
                payload(random, at[machine], i), machine=machine, ingested=START + i, source="plc", session=machine,
                first_seq=first[machine], clock=random.choice(("", "plc")) if seed % 2 else "",
            )  # fmt: skip
            first[machine] += record.n
            found.append(record)
    return [msgspec.structs.replace(record, position=i) for i, record in enumerate(found, 1)]


@pytest.mark.parametrize("seed", range(4))
def test_a_stack_has_the_readings_of_its_frames(seed: int) -> None:
    records = [record for record in log(seed) if record.type == "telemetry" and record.machine == "M1"]
    found = list(stacks(records))
    assert [record for stack in found for record in stack.records] == records
    assert max(len(stack.records) for stack in found) > 3
    for stack in found:
        frames = [frame.Frame(record.payload) for record in stack.records]
        assert np.array_equal(stack.t, np.concatenate([each.t for each in frames]))
        assert _same(stack.seq, [each.seq for each in frames])
        for i in range(len(stack.header.columns)):
            assert np.array_equal(stack.data(i), np.concatenate([each.data(i) for each in frames]))
            assert _same(stack.valid(i), [each.valid(i) for each in frames])


def test_large_frames_stand_alone() -> None:
    columns: list[Any] = [(frame.Column("Temp", "f8"), np.zeros(STACKED_MAX // 16 + 1), None)]
    body = frame.encode(np.arange(STACKED_MAX // 16 + 1, dtype=np.int64), columns)
    record = codec.frame_record(body, machine="M1", ingested=START, source="plc", session="s", first_seq=1)
    assert [len(stack.records) for stack in stacks([record, record])] == [1, 1]


@pytest.mark.parametrize("seed", range(4))
def test_frames_fold_together_as_one_by_one(seed: int) -> None:
    records = log(seed)
    whole, cut, each = harness.fold(records)[1], harness.fold(records, Random(seed))[1], list(_one_by_one(records))
    assert len({output.key for output in whole}) == len(MACHINES)
    assert sorted(harness.emitted(whole)) == sorted(harness.emitted(cut)) == sorted(harness.emitted(each))


def _one_by_one(records: list[Record]) -> Iterator[Any]:
    state = harness.OEE.restore({}, lambda _: None)
    for record in records:
        yield from state.fold([record])


def _same(stacked: Any, each: list[Any]) -> bool:
    if stacked is None:
        return all(one is None for one in each)
    return np.array_equal(stacked, np.concatenate(each))


@pytest.mark.parametrize("seed", range(4))
def test_records_of_many_messages_are_those_of_each(seed: int) -> None:
    random = Random(seed)
    messages = [_read(message_of(record, 0), i) for i, record in enumerate(log(seed))]
    for message in random.sample(messages, 5):
        headers = list(message.headers)
        damage = random.choice(("twice", "foreign", "number", "text", "none", "bare", "rare"))
        message.headers = tuple(
            {
                "twice": [*headers, ("source", b"other")], "foreign": [*headers, ("theirs", b"1")],
                "number": [("ingested", b"1x"), *headers[1:]], "text": [("site", b"\xff"), *headers[1:]],
                "none": [("id", None), *headers[1:]], "bare": [], "rare": [*headers, ("trace", b"t")],
            }[damage]
        )  # fmt: skip
        message.key, message.value = random.choice(((None, b"x"), (b"\xff", None), (message.key, message.value)))
    found = records_of(messages)
    assert found == [record_of(message) for message in messages]
    assert [record.position for record in found] == list(range(1, len(messages) + 1))


def _read(message: Any, offset: int) -> Any:
    return SimpleNamespace(key=message.key, value=message.value, headers=tuple(message.headers), offset=offset)
