"""The first stage of a fold against the log in memory: the same events are left, however they came, were cut, or restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import msgspec
import pytest

from log_records import everything, identified, sequenced, state
from tailrace.connectors.kafka_repeats import FirstOnly, Stretches
from tailrace.connectors.memory import MemoryLog
from tailrace.engine.topology import Load
from tailrace.schemas import codec
from tailrace.schemas.record import Derived, Record


class Given:
    """A topology that remembers what it was given: all of it is on one page."""

    name, version = "given", 1

    def restore(self, marks: Mapping[str, int], load: Load) -> GivenState:
        page = load("given")
        return GivenState(msgspec.msgpack.decode(page, type=list[Record]) if page else [])


class GivenState:
    marks: Mapping[str, int] = {}

    def __init__(self, records: list[Record]) -> None:
        self.records = records

    def fold(self, records: Sequence[Record]) -> list[Derived]:
        self.records += records
        return []

    def dirty(self) -> dict[str, bytes]:
        return {"given": msgspec.msgpack.encode(self.records)}


def given(records: Sequence[Record], random: Random | None = None) -> list[Record]:
    """What reaches the topology; with dice, batches are cut and the state is restored from its pages here and there."""
    topology, pages = FirstOnly(Given()), dict[str, bytes]()
    log = [msgspec.structs.replace(record, position=i) for i, record in enumerate(records, 1)]
    state = topology.restore({}, pages.get)
    while log:
        n = random.randint(1, 4) if random else len(log)
        state.fold(log[:n])
        log = log[n:]
        if random and random.random() < 0.3:
            pages |= state.dirty()
            state = topology.restore({}, pages.get)
    return msgspec.msgpack.decode(state.dirty()["given"], type=list[Record])


def told(records: Sequence[Record]) -> list[tuple[str, object]]:
    """Every event by its id, with its content, in order."""
    return [(event.id, codec.canonical(event)) for record in records for event in codec.events_of(record)]


def some(random: Random) -> Record:
    session, shift = random.choice(["s1", "s2"]), 0.5 if random.random() < 0.1 else 0.0
    first, n = random.randint(1, 150), random.randint(1, 20)
    return random.choice(
        [
            sequenced(first, n, session=session, shift=shift),
            sequenced(first, n, session=session, shift=shift),
            identified([(first + i, f"seq:mqtt:{session}:{first + i}") for i in range(n)], shift=shift),
            identified([(i, f"id-{i}") for i in random.choices(range(60), k=n)], shift=shift),
            identified([(i, "") for i in range(n)]),
            state(first, id=f"seq:mqtt:{session}:{first}"),
            state(first, id=f"id-{first}"),
        ]
    )


@pytest.mark.parametrize("seed", range(40))
async def test_what_is_left_is_what_an_embedded_log_keeps(seed: int) -> None:
    random = Random(seed)
    records = [some(random) for _ in range(120)]
    log = MemoryLog()
    for record in records:
        await log.append([record])
    kept = told(await everything(log))
    assert told(given(records)) == kept
    assert told(given(records, random)) == kept


async def test_a_trimmed_frame_is_where_the_whole_was() -> None:
    records = given([sequenced(5, 5), state(1), sequenced(3, 9)])
    assert [(record.position, record.n) for record in records] == [(1, 5), (2, 1), (3, 4)]
    assert [event_id for event_id, _ in told(records[2:])] == [f"seq:mqtt:s1:{n}" for n in (3, 4, 10, 11)]


async def test_a_record_of_a_newer_release_is_taken_or_dropped_whole() -> None:
    newer = msgspec.structs.replace(state(1), type="mood.changed", version=3)
    frame = msgspec.structs.replace(sequenced(4, 3), version=2)
    records = given([newer, frame, newer, frame, sequenced(6, 2), msgspec.structs.replace(sequenced(7, 2), version=2)])
    assert [record.position for record in records] == [1, 2, 5]
    assert [event_id for event_id, _ in told(records[2:])] == ["seq:mqtt:s1:7"]


def test_many_ids_fill_pages_that_do_not_change_again() -> None:
    topology, pages = FirstOnly(Given()), dict[str, bytes]()
    first = topology.restore({}, pages.get)
    first.fold([state(i) for i in range(5000)])
    pages |= first.dirty()
    again = topology.restore({}, pages.get)
    again.fold([state(i) for i in range(4990, 5010)])
    changed = again.dirty()
    assert sorted(changed) == ["given", "once:head", "once:ids:1"]
    assert len(msgspec.msgpack.decode(changed["given"], type=list[Record])) == 5010


@pytest.mark.parametrize("seed", range(20))
def test_stretches_are_a_set_of_numbers(seed: int) -> None:
    random, stretches, numbers = Random(seed), Stretches([]), set[int]()
    for _ in range(60):
        low = random.randrange(80)
        high = low + random.randint(1, 9)
        if not stretches.add_above(low, high):
            stretches.add(low, high)
        numbers |= set(range(low, high))
        assert {n for n in range(100) if n in stretches} == numbers
        assert stretches.bounds == sorted(set(stretches.bounds))
