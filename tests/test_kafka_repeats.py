"""The first stage of a fold against the log in memory: the same events are left, however they came, were cut, or restored."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec
import pytest

from log_records import everything, identified, sequenced, state
from tailrace.connectors import kafka_repeats
from tailrace.connectors.kafka_repeats import Seen, Stretches
from tailrace.connectors.memory import MemoryLog
from tailrace.engine.first import part
from tailrace.schemas import codec
from tailrace.schemas.record import Record


def given(records: Sequence[Record], random: Random | None = None) -> list[Record]:
    """What reaches a fold; with dice, what was seen is restored from its pages here and there."""
    pages, seen, left = dict[str, bytes](), Seen(lambda _: None), []
    for position, record in enumerate(records, 1):
        placed = msgspec.structs.replace(record, position=position)
        left.append(part(placed, seen.keep(placed)))
        if random and random.random() < 0.3:
            pages |= seen.dirty()
            seen = Seen(pages.get)
    return [record for record in left if record is not None]


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
    pages = dict[str, bytes]()
    first = Seen(pages.get)
    for i in range(5000):
        first.keep(state(i))
    pages |= first.dirty()
    again = Seen(pages.get)
    kept = [again.keep(state(i)) for i in range(4990, 5010)]
    assert sorted(again.dirty()) == ["once:head", "once:ids:1"]
    assert kept == [[False]] * 10 + [None] * 10


def newest(log: Sequence[str], segments: int) -> list[bool]:
    """Which ids are new, where a page that begins pushes out the oldest of so many."""
    pages: list[list[str]] = [[]]
    new = []
    for event_id in log:
        new.append(not any(event_id in page for page in pages))
        if new[-1]:
            pages[-1].append(event_id)
        if len(pages[-1]) == kafka_repeats.SEGMENT:
            pages.append([])
        if len(pages) > segments and pages[-1]:
            del pages[0]
    return new


@pytest.mark.parametrize("seed", range(20))
def test_ids_without_a_sequence_are_known_in_a_window_that_the_log_alone_decides(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_repeats, "SEGMENT", 5)
    random, pages, segments = Random(seed), dict[str, bytes](), Random(seed).randint(1, 4)
    log = [f"e{random.randrange(40)}" for _ in range(400)]
    seen, new = Seen(pages.get, segments), []
    for event_id in log:
        new.append(seen.keep(state(1, id=event_id)) is None)
        if random.random() < 0.2:
            pages |= seen.dirty()
            seen = Seen(pages.get, segments)
    assert new == newest(log, segments)
    assert len(seen._ids) <= segments * 5
    assert sum(name.startswith("once:ids:") for name in pages) == segments
    assert 40 < sum(new) < 400


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
