"""The worker, rule by rule; what their interplay is worth is shown by test_model.py."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from log_records import state
from tailrace.connectors.checkpoints_sqlite import SqliteCheckpoints
from tailrace.connectors.derived_sqlite import SqliteDerivedLog
from tailrace.connectors.memory import MemoryCheckpoints, MemoryDerivedLog, MemoryLog
from tailrace.engine.checkpoints import Manifest
from tailrace.engine.reader import Reader
from tailrace.engine.unit import unit
from tailrace.engine.worker import Worker
from tailrace.schemas.errors import Conflict, SendFailed, SequenceGap, StaleWriter, Unavailable
from tailrace.schemas.record import Derived, Record
from worker_echo import Echo, Plant


@pytest.fixture
def plant() -> Plant:
    return Plant()


def numbered(first: int, last: int) -> list[Record]:
    return [state(i, machine=f"M{i % 2}") for i in range(first, last + 1)]


def expected(*positions: int) -> list[str]:
    """What Echo says of records that `numbered(1, …)` made."""
    return [f"e{position} {(position + 1) // 2}" for position in positions]


async def test_a_drained_log_is_in_derived_once(plant: Plant) -> None:
    await plant.events.append(numbered(1, 10))
    worker = plant.worker()
    assert await worker.drain() == 10
    assert await worker.drain() == 10
    assert await plant.echoed() == expected(*range(1, 11))


async def test_a_drain_stops_where_it_is_told(plant: Plant) -> None:
    await plant.events.append(numbered(1, 10))
    worker = plant.worker(batch=4)
    assert await worker.drain(until=6) == 6
    assert await worker.drain(until=3) == 6
    assert plant.topology.folded == [1, 2, 3, 4, 5, 6]
    assert await worker.drain(until=99) == 10


async def test_a_log_is_never_asked_for_less_than_one_record(plant: Plant) -> None:
    """To a database, a limit below 0 is none."""

    class Strict(MemoryLog):
        async def read(self, after: int, limit: int) -> Sequence[Record]:
            assert limit > 0
            return await super().read(after, limit)

    plant.events = Strict()
    await plant.events.append(numbered(1, 10))
    worker = plant.worker(batch=4)
    for until, reached in ((6, 6), (6, 6), (3, 6), (99, 10)):
        assert await worker.drain(until) == reached


async def test_a_restart_begins_at_the_newest_checkpoint(plant: Plant) -> None:
    await plant.events.append(numbered(1, 10))
    await plant.worker(batch=4, checkpoint_every=4).drain()
    assert await plant.seals() == [4, 8]
    plant.topology.folded.clear()
    await plant.events.append(numbered(11, 12))
    assert await plant.worker().drain() == 12
    assert plant.topology.folded == [9, 10, 11, 12]
    assert await plant.echoed() == expected(*range(1, 13))


async def test_a_checkpoint_on_request_leaves_nothing_to_fold(plant: Plant) -> None:
    await plant.events.append(numbered(1, 5))
    worker = plant.worker()
    await worker.drain()
    await worker.checkpoint()
    await worker.checkpoint()
    assert await plant.seals() == [5]
    plant.topology.folded.clear()
    assert await plant.worker().restore() == 5
    assert not plant.topology.folded


async def test_without_checkpoints_everything_is_folded_and_nothing_sent_again(plant: Plant) -> None:
    await plant.events.append(numbered(1, 10))
    await plant.worker(checkpoint_every=4).drain()
    plant.checkpoints = MemoryCheckpoints()
    plant.topology.folded.clear()
    await plant.events.append(numbered(11, 12))
    await plant.worker(batch=3).drain()
    assert plant.topology.folded == list(range(1, 13))
    assert await plant.echoed() == expected(*range(1, 13))


async def test_no_checkpoint_is_made_while_outputs_found_are_ahead(plant: Plant) -> None:
    await plant.events.append(numbered(1, 10))
    await plant.worker().drain()
    await plant.worker(batch=2, checkpoint_every=1).drain(until=9)
    assert await plant.seals() == []
    await plant.worker(batch=2, checkpoint_every=1).drain()
    assert await plant.seals() == [10]


@pytest.mark.parametrize("lost", ["all of it", "its end", "its end, and it is longer again"])
async def test_a_checkpoint_does_not_hold_without_its_seal(plant: Plant, lost: str) -> None:
    await plant.events.append(numbered(1, 8))
    await plant.worker(batch=4, checkpoint_every=4).drain()
    stored = await plant.derived.read(0, 100)
    plant.derived = MemoryDerivedLog()
    if lost == "its end":
        await plant.derived.append(stored[:7])
    if lost == "its end, and it is longer again":
        await plant.derived.append([*stored[:7], *stored[:7]])
    plant.topology.folded.clear()
    await plant.worker(checkpoint_every=1).drain()
    assert plant.topology.folded == list(range(1 if lost == "all of it" else 5, 9))
    reader = Reader({}, "test")
    taken = [r.body.decode() for r in await plant.derived.read(0, 100) if reader.take(r) < r.n]
    assert taken == expected(*range(1, 9))


@pytest.mark.parametrize("changes", [{"kind": "echoed"}, {"cause": 7}, {"topology": "other"}, {"version": 2}], ids=str)
async def test_only_the_seal_itself_proves_a_checkpoint(plant: Plant, changes: Mapping[str, Any]) -> None:
    await plant.events.append(numbered(1, 8))
    await plant.worker(batch=4, checkpoint_every=4).drain()
    *stored, seal = await plant.derived.read(0, 100)
    plant.derived = MemoryDerivedLog()
    await plant.derived.append([*stored, msgspec.structs.replace(seal, **changes)])
    assert await plant.worker().restore() == 4


async def test_a_restore_reads_derived_from_the_seal_on(plant: Plant) -> None:
    class Watched(MemoryDerivedLog):
        least = 10_000

        async def read(self, after: int, limit: int) -> Sequence[Derived]:
            self.least = min(self.least, after)
            return await super().read(after, limit)

    plant.derived = derived = Watched()
    await plant.events.append(numbered(1, 9))
    await plant.worker(batch=4, checkpoint_every=4).drain()
    derived.least = 10_000
    assert await plant.worker().restore() == 8
    assert derived.least == 9


async def test_a_checkpoint_of_another_log_does_not_hold(plant: Plant) -> None:
    """Records without an output were lost, others came: only what was folded of the rest is still true."""
    topology = plant.topology = Silent()
    await plant.events.append(numbered(1, 8))
    await plant.worker(batch=4, checkpoint_every=4).drain()
    kept = await plant.events.read(0, 6)
    other = Plant()
    await other.events.append([*kept, state(77), state(88)])
    other.derived, other.checkpoints, other.topology = plant.derived, plant.checkpoints, topology
    topology.folded.clear()
    assert await other.worker(batch=3).restore() == 4
    await other.worker(batch=3, checkpoint_every=3).drain()
    assert topology.folded == [5, 6, 7, 8]
    assert [m.position for m in await plant.checkpoints.manifests("echo", 1)] == [7, 4]


class Silent(Echo):
    """Says nothing of what it folds."""

    def restore(self, marks: Mapping[str, int], load: object) -> SilentState:  # type: ignore[override]
        return SilentState(self)


class SilentState:
    def __init__(self, topology: Echo) -> None:
        self.marks: dict[str, int] = {}
        self._topology = topology

    def fold(self, records: Sequence[Record]) -> list[Derived]:
        self._topology.folded += [record.position for record in records]
        return []

    def dirty(self) -> dict[str, bytes]:
        return {}


async def test_derived_of_another_log_is_refused(plant: Plant) -> None:
    await plant.events.append(numbered(1, 8))
    await plant.worker(checkpoint_every=4).drain()
    other = Plant()
    await other.events.append(numbered(1, 3))
    other.derived, other.checkpoints = plant.derived, plant.checkpoints
    with pytest.raises(
        Conflict, match=r"echo@1: expected a log that reaches position 8, .* ends at 3; .* bring that log back"
    ):
        await other.worker().step()


async def test_an_output_of_another_topology_or_version_is_not_ones_own(plant: Plant) -> None:
    await plant.events.append(numbered(1, 2))
    foreign = Derived(topology="echo", version=2, key="M1", first_n=1, n=7, kind="echoed", cause=99, body=b"")
    await plant.derived.append([foreign, msgspec.structs.replace(foreign, topology="other", version=1)])
    await plant.worker().drain()
    assert (await plant.echoed())[2:] == expected(1, 2)


class Failing(MemoryDerivedLog):
    """Fails the appends whose number is in `fails`, after storing `stores` of their records; counts all."""

    def __init__(self, fails: set[int], stores: int = 0) -> None:
        super().__init__()
        self._fails, self._stores, self.appends = fails, stores, 0

    async def append(self, records: Sequence[Derived]) -> int:
        self.appends += 1
        if self.appends in self._fails:
            await super().append(records[: self._stores])
            raise SendFailed("not acknowledged")
        return await super().append(records)


@pytest.mark.parametrize("stored", [0, 1, 2])
async def test_a_failed_send_ends_the_tenancy_and_the_next_call_sends_what_is_missing(
    plant: Plant, stored: int
) -> None:
    plant.derived = derived = Failing({2}, stored)
    await plant.events.append(numbered(1, 6))
    worker = plant.worker(batch=2)
    with pytest.raises(SendFailed):
        await worker.drain()
    assert (derived.appends, worker.position) == (2, 0)
    assert await worker.drain() == 6
    assert await plant.echoed() == expected(*range(1, 7))


async def test_a_failed_seal_or_save_ends_the_tenancy(plant: Plant) -> None:
    plant.derived = Failing({2})
    await plant.events.append(numbered(1, 4))
    worker = plant.worker(checkpoint_every=4)
    with pytest.raises(SendFailed):
        await worker.step()
    assert worker.position == 0
    assert not await plant.checkpoints.manifests("echo", 1)


async def test_a_worker_that_was_overtaken_says_so_and_restores(plant: Plant) -> None:
    await plant.events.append(numbered(1, 12))
    old, new = plant.worker(batch=4, checkpoint_every=4), plant.worker(batch=4, checkpoint_every=4)
    await old.step()
    await new.drain()
    with pytest.raises(StaleWriter):
        await old.step()
    assert await old.restore() == 12
    assert await plant.echoed() == expected(*range(1, 13))


async def test_a_hole_in_the_log_is_never_folded_over(plant: Plant) -> None:
    await plant.events.append(numbered(1, 8))
    worker = plant.worker()
    await worker.step()
    with pytest.raises(SequenceGap, match="expected n=5, got n=7"):
        await worker.take(await plant.events.read(6, 2))
    await worker.restore()
    records = await plant.events.read(0, 8)
    with pytest.raises(SequenceGap):
        await worker.take([*records[:2], *records[3:]])


async def test_an_output_that_leaves_a_gap_is_never_sent(plant: Plant) -> None:
    class Skipping(Silent):
        def restore(self, marks: Mapping[str, int], load: object) -> SilentState:  # type: ignore[override]
            found = SilentState(self)
            found.fold = lambda records: [  # type: ignore[method-assign]
                Derived(topology="echo", version=1, key="M1", first_n=2, kind="echoed", cause=1, body=b"")
            ]
            return found

    plant.topology = Skipping()
    await plant.events.append(numbered(1, 1))
    with pytest.raises(SequenceGap, match="key 'M1': expected n=1, got n=2"):
        await plant.worker().step()
    assert await plant.derived.end() == 0


async def test_a_page_that_cannot_be_had_is_not_blamed_on_the_record(plant: Plant) -> None:
    class Away(MemoryCheckpoints):
        def page(self, topology: str, version: int, name: str, position: int) -> bytes | None:
            raise Unavailable("the disk is away")

    plant.checkpoints = Away()
    await plant.events.append(numbered(1, 8))
    worker = plant.worker(batch=4, checkpoint_every=4)
    await worker.step()
    with pytest.raises(Unavailable, match="the disk is away"):
        await worker.step()


class Heard(MemoryDerivedLog):
    """Tells its end after each append."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: asyncio.Queue[int] = asyncio.Queue()

    async def append(self, records: Sequence[Derived]) -> int:
        end = await super().append(records)
        self.ends.put_nowait(end)
        return end


async def test_following_folds_what_comes(plant: Plant) -> None:
    plant.derived = derived = Heard()
    await plant.events.append(numbered(1, 3))
    following = asyncio.ensure_future(plant.worker(batch=2).follow())
    try:
        for end in (3, 5, 6):
            await plant.events.append(numbered(1, end))
            async with asyncio.timeout(5):
                while await derived.ends.get() < end:
                    pass
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert await plant.echoed() == expected(*range(1, 7))


async def test_following_raises_what_failed(plant: Plant) -> None:
    class Away(MemoryDerivedLog):
        async def append(self, records: Sequence[Derived]) -> int:
            raise Unavailable("the disk is away")

    plant.derived = Away()
    await plant.events.append(numbered(1, 5))
    worker = plant.worker(batch=500)
    for _ in range(2):
        with pytest.raises(Unavailable, match="the disk is away"):
            await worker.follow()


async def test_a_step_that_was_rolled_back_is_done_again(plant: Plant, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "read.db", isolation_level=None)
    derived, checkpoints = SqliteDerivedLog(connection), SqliteCheckpoints(connection)
    await plant.events.append(numbered(1, 10))
    worker = Worker(plant.topology, plant.events, derived, checkpoints, batch=2, checkpoint_every=4)
    for attempt in range(9):
        try:
            with unit(connection):
                await worker.step()
                if attempt % 3 == 2:
                    raise SendFailed("the disk is full")
        except SendFailed:
            worker.abandon()
    assert [r.body.decode() for r in await derived.read(0, 100) if r.n] == expected(*range(1, 11))
    assert [manifest.position for manifest in await checkpoints.manifests("echo", 1)] == [8, 4]
    connection.close()


async def test_manifests_say_what_they_stand_on(plant: Plant) -> None:
    await plant.events.append(numbered(1, 5))
    worker = plant.worker(batch=2, checkpoint_every=2)
    await worker.drain()
    newest, older = await plant.checkpoints.manifests("echo", 1)
    assert isinstance(newest, Manifest)
    assert (older.position, older.base, older.marks) == (2, 0, {"M0": 1, "M1": 1})
    assert (newest.position, newest.base, newest.marks) == (4, 2, {"M0": 2, "M1": 2})
    assert (older.derived_end, newest.derived_end) == (3, 6)
