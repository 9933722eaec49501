"""The projector: rows and place move together, each record once, and of two projectors one goes on."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, Literal

import msgspec
import pytest

from log_records import state
from tailrace.connectors.memory import MemoryDerivedLog, MemoryLog
from tailrace.engine.projection import Part
from tailrace.engine.projector import Projector
from tailrace.engine.store import Change, Place
from tailrace.projections.store_memory import MemoryStore
from tailrace.schemas.errors import Conflict, SequenceGap, StaleWriter, Unavailable
from tailrace.schemas.record import Derived, Record


class Lines:
    """Each derived event of topology `t` is a row of its own, named by key and n; `seen` has every one that it was given."""

    name = "lines"
    reads: Literal["derived"] = "derived"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def wants(self, record: Derived) -> bool:
        return record.topology == "t"

    def changes(self, parts: Sequence[Part[Derived]]) -> list[Change]:
        assert all(skip < record.n for record, skip in parts), "a part has something new in it"
        names = [f"{r.key}{r.first_n + i}" for r, skip in parts for i in range(skip, r.n)]
        self.seen += names
        return [Change("machine", [{"machine": name} for name in names])]


class Machines:
    """A row for each machine that has an event, with the id of its last one."""

    name = "machines"
    reads: Literal["events"] = "events"

    def wants(self, record: Record) -> bool:
        return bool(record.machine)

    def changes(self, parts: Sequence[Part[Record]]) -> list[Change]:
        return [Change("machine", [{"machine": part.record.machine, "site": part.record.id} for part in parts])]


def derived(key: str, first_n: int, n: int = 1, topology: str = "t") -> Derived:
    return Derived(topology=topology, version=1, key=key, first_n=first_n, n=n, kind="k", cause=1, body=b"")


SEAL = derived("", 1, 0)


def names(store: MemoryStore) -> list[str]:
    return [row["machine"] for row in store.rows("machine")]


async def test_rows_of_derived_events_with_their_marks() -> None:
    log, store = MemoryDerivedLog(), MemoryStore()
    await log.append([derived("a", 1, 2), SEAL, derived("b", 1), derived("a", 2, 2), derived("x", 7, topology="u")])
    projector = Projector(store, Lines(), log, batch=2)
    assert await projector.drain() == projector.position == 5
    assert names(store) == ["a1", "a2", "a3", "b1"]
    assert await store.place("lines") == Place(5, {"t@1/a": 3, "t@1/b": 1})


async def test_an_event_that_is_written_again_is_given_once() -> None:
    log, lines = MemoryDerivedLog(), Lines()
    for again in range(3):
        await log.append([derived("a", 1, 3), derived("a", 4 + again)])
    await Projector(MemoryStore(), lines, log, batch=1).drain()
    assert lines.seen == ["a1", "a2", "a3", "a4", "a5", "a6"]


async def test_rows_of_events_know_their_place_by_position() -> None:
    log, store = MemoryLog(), MemoryStore()
    await log.append([state(1, machine="M1"), state(2, machine=""), state(3, machine="M2"), state(4, machine="M1")])
    await Projector(store, Machines(), log, batch=3).drain()
    assert [(row["machine"], row["site"]) for row in store.rows("machine")] == [("M1", "e4"), ("M2", "e3")]
    assert await store.place("machines") == Place(4)


async def test_a_gap_is_reported_and_nothing_of_its_batch_is_stored() -> None:
    log, store = MemoryDerivedLog(), MemoryStore()
    await log.append([derived("a", 1), derived("a", 2), derived("a", 4)])
    projector = Projector(store, Lines(), log, batch=2)
    await projector.step()
    for _ in range(2):
        with pytest.raises(SequenceGap, match="lines: derived position 3: key 't@1/a': expected n=3, got n=4"):
            await projector.step()
    assert names(store) == ["a1", "a2"]
    assert (await store.place("lines")).position == 2


async def test_the_slower_of_two_projectors_goes_on_from_the_others_place() -> None:
    log, store, lines = MemoryDerivedLog(), MemoryStore(), Lines()
    await log.append([derived("a", n) for n in range(1, 7)])
    fast, slow = Projector(store, Lines(), log, batch=2), Projector(store, lines, log, batch=1)
    await slow.step()
    await fast.drain()
    assert await slow.step() == 1
    assert slow.position == 0
    assert await slow.step() == 0
    assert slow.position == 6
    assert names(store) == ["a1", "a2", "a3", "a4", "a5", "a6"]


class Flaky(MemoryStore):
    """Fails one commit in three: half of them before, half after it is stored."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = Random(seed)

    async def commit(self, projection: str, expected: Place, changes: Sequence[Change], reached: Place) -> None:
        roll = self._random.random()
        if roll < 1 / 6:
            raise Unavailable("nothing is stored")
        await super().commit(projection, expected, changes, reached)
        if roll > 5 / 6:
            raise Unavailable("stored, but nobody was told")


@pytest.mark.parametrize("seed", range(50))
async def test_a_commit_of_unknown_outcome_is_found_out_from_the_place(seed: int) -> None:
    log, store, random = MemoryDerivedLog(), Flaky(seed), Random(seed)
    await log.append([derived(random.choice("ab"), 1, n) for n in range(1, 30)])
    projector: Projector[Derived] = Projector(store, Lines(), log, batch=random.randint(1, 5))
    while projector.position < 29:
        try:
            await projector.drain()
        except Unavailable:
            assert projector.position == 0
        if random.random() < 0.2:
            projector = Projector(store, Lines(), log, batch=random.randint(1, 5))
    marks = (await store.place("lines")).marks
    assert sorted(names(store)) == sorted(f"{key[-1]}{n}" for key, mark in marks.items() for n in range(1, mark + 1))


async def test_a_place_beyond_the_log_is_refused() -> None:
    store = MemoryStore()
    await store.commit("machines", Place(), [], Place(5))
    with pytest.raises(
        Conflict, match=r"machines: expected a log that reaches position 5, .* ends at 0; .* rebuild the rows"
    ):
        await Projector(store, Machines(), MemoryLog()).step()


async def test_a_hole_in_the_log_is_never_stepped_over() -> None:
    class Holed(MemoryDerivedLog):
        async def read(self, after: int, limit: int) -> Sequence[Derived]:
            return [record for record in await super().read(after, limit) if record.position != 2]

    log = Holed()
    await log.append([derived("a", 1), derived("b", 1), derived("a", 2)])
    with pytest.raises(SequenceGap, match="lines"):
        await Projector(MemoryStore(), Lines(), log).drain()


async def test_an_abandoned_step_is_done_again() -> None:
    log, store = MemoryDerivedLog(), MemoryStore()
    await log.append([derived("a", 1), derived("a", 2)])
    projector = Projector(store, Lines(), log, batch=1)
    await projector.step()
    rolled_back = msgspec.structs.replace(await store.place("lines"), position=0, marks={})
    store._places["lines"] = rolled_back
    projector.abandon()
    assert projector.position == 0
    assert await projector.drain() == 2
    assert names(store) == ["a1", "a2"]


async def test_a_stale_projector_writes_no_row() -> None:
    class Theirs(MemoryStore):
        async def commit(self, *args: Any) -> None:
            raise StaleWriter("another projector was here")

    log, store = MemoryDerivedLog(), Theirs()
    await log.append([derived("a", 1)])
    projector = Projector(store, Lines(), log)
    assert await projector.step() == 1
    assert projector.position == 0
    assert not names(store)
