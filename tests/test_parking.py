"""Parking: what cannot be folded holds up its own machine alone, and all of it is a function of the log."""

from __future__ import annotations

import random
import zlib
from collections import Counter

import msgspec
import pytest

import parking_picky as picky
from parking_picky import Picky, release, state
from tailrace.connectors.memory import MemoryCheckpoints, MemoryDerivedLog, MemoryLog
from tailrace.engine.parking import PAGE, counts_of, lot_of
from tailrace.engine.projector import Projector
from tailrace.engine.reader import Reader
from tailrace.engine.worker import Worker
from tailrace.projections.facts import FactRows
from tailrace.projections.store_memory import MemoryStore
from tailrace.schemas import codec, parking
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.event import MachineRegistered
from tailrace.schemas.instant import Instant
from tailrace.schemas.record import Record


class Folded:
    """A log in memory, folded by as many workers as are asked for."""

    def __init__(self, records: list[Record]) -> None:
        self.events, self.derived, self.checkpoints = MemoryLog(), MemoryDerivedLog(), MemoryCheckpoints()
        self.events._shelf.records.extend(records)

    def worker(self, batch: int = 500, checkpoint_every: int = 10_000) -> Worker:
        return Worker(
            Picky(), self.events, self.derived, self.checkpoints, batch=batch, checkpoint_every=checkpoint_every
        )

    async def said(self) -> dict[str, list[str]]:
        """What a reader takes, by key."""
        reader, said = Reader({}, "test"), dict[str, list[str]]()
        for record in await self.derived.read(0, 100_000):
            if record.n and reader.take(record) < record.n:
                words = record.body.decode() if record.kind == "said" else _told(record.kind, record.body)
                said.setdefault(record.key, []).append(words)
        return said

    async def page(self) -> bytes | None:
        newest = max(await self.checkpoints.manifests("picky", 1), key=lambda manifest: manifest.position)
        return self.checkpoints.page("picky", 1, PAGE, newest.position)


def _told(kind: str, body: bytes) -> str:
    return f"{kind} {parking.decode(body).position}"


def _own(said: dict[str, list[str]]) -> dict[str, list[str]]:
    return {key: words for key, words in said.items() if not key.startswith(parking.KEY)}


@pytest.mark.parametrize("seed", range(40))
async def test_any_log_gives_what_the_slow_walk_gives_however_it_is_folded(seed: int) -> None:
    rng = random.Random(seed)
    records = picky.log(rng, 60)
    wanted, queues = picky.reference(records)
    once = Folded(records)
    await once.worker().drain()
    told = await once.said()
    assert _own(told) == wanted
    for _ in range(4):
        folded = Folded(records)
        while (worker := folded.worker(rng.choice((1, 2, 7, 30)), rng.choice((1, 3, 10, 1000)))) and (
            await worker.restore() < len(records)
        ):
            for _ in range(rng.choice((1, 2, 9))):
                await worker.step()
            if rng.random() < 0.1:
                folded.checkpoints = MemoryCheckpoints()
            if rng.random() < 0.3:
                await worker.drain()
                break
        assert await folded.said() == told
        last = folded.worker()
        await last.drain()
        await last.checkpoint()
        page = await folded.page()
        waiting = {machine: [record.position for record in queue] for machine, queue in queues.items()}
        assert {m: parked.position for m, parked in lot_of(page).items()} == {m: at[0] for m, at in waiting.items()}
        folded_events, _, parked_events = counts_of(page)
        assert parked_events == sum(map(len, waiting.values()))
        assert folded_events + parked_events == len(records)


def test_the_logs_have_everything() -> None:
    found: Counter[str] = Counter()
    for seed in range(40):
        records = picky.log(random.Random(seed), 60)
        said, queues = picky.reference(records)
        found["parked at the end"] += len(queues)
        found["parked site"] += "" in queues
        found["waits behind"] += sum(len(queue) > 1 for queue in queues.values())
        found["said"] += sum(map(len, said.values()))
        found["released"] += sum(record.type == "parking.released" for record in records)
    assert min(found.values()) > 5 and len(found) == 5, found


async def test_others_go_on_and_the_backlog_follows_its_release() -> None:
    records = [state(1, "M1", "good"), state(2, "M1", "damaged"), state(3, "M2", "good"), state(4, "M1", "good")]
    folded = Folded(_placed([*records, release(5, "e2", "skip", {}), state(6, "M1", "good")]))
    worker = folded.worker()
    assert await worker.drain(4) == 4
    assert _own(await folded.said()) == {"M1": ["e1=good 1"], "M2": ["e3=good 1"]}
    assert (await folded.said())["parking\tM1"] == ["stream.parked 2"]
    await worker.drain()
    assert (await folded.said())["M1"] == ["e1=good 1", "e4=good 2", "e6=good 3"]
    assert (await folded.said())["parking\tM1"] == ["stream.parked 2", "stream.released 2"]


@pytest.mark.parametrize(
    ("named", "machine", "goes_on"),
    [("3", "", "M2"), ("3", "M1", "M1"), ("e9", "", "M1"), ("e9", "M1", "M1"), ("e9", "M3", ""), ("2", "", "site"),
     ("7", "", ""), ("7", "M1", "")],
)  # fmt: skip
async def test_a_release_in_a_log_of_several_partitions_names_one_stream(
    named: str, machine: str, goes_on: str
) -> None:
    """M2 and the site's own records are in the home partition, M1 is in the other one, at the same position as M2."""
    home = Folded(_placed([state(1, "M2", "good"), state(2, "", "worse"), state(3, "M2", "worse")]))
    wide = [msgspec.structs.replace(state(2, "", "worse"), copy_of=2), state(5, "M1", "good"), state(9, "M1", "worse")]
    other = Folded(_placed(wide))
    said = release(20, named, "skip", {}, machine)
    if machine != "M1":
        home.events._shelf.records.append(msgspec.structs.replace(said, position=4))
    if not machine or machine == "M1":
        copy_of = 0 if machine else 4
        other.events._shelf.records.append(msgspec.structs.replace(said, position=4, copy_of=copy_of))
    parked = set()
    for folded in (home, other):
        worker = folded.worker()
        await worker.drain()
        await worker.checkpoint()
        parked |= {(folded is home, machine) for machine in lot_of(await folded.page())}
    gone = {(True, "M2"), (True, ""), (False, ""), (False, "M1")} - parked
    assert gone == {"M2": {(True, "M2")}, "M1": {(False, "M1")}, "site": {(True, ""), (False, "")}, "": set()}[goes_on]


async def test_what_is_said_of_a_parked_record_says_which_and_why() -> None:
    records = [state(1, "M1", "worse"), state(2, "M2", "damaged"), state(3, "M3", "newer"), state(4, "", "foreign")]
    folded = Folded(_placed(records))
    await folded.worker().drain()
    found = [
        parking.decode(record.body) for record in await folded.derived.read(0, 100) if record.kind == parking.PARKED
    ]
    said = {parked.id: (parked.machine, parked.position, parked.type, parked.reason) for parked in found}
    assert said == {
        "e1": ("M1", 1, "state.changed", "ValueError: no worse word"),
        "e2": ("M2", 2, "state.changed", said["e2"][3]),
        "e3": ("M3", 3, "state.changed", "expected a type and version that this release knows, got state.changed@2"),
        "e4": ("", 4, "state.dreamt", "expected a type and version that this release knows, got state.dreamt@1"),
    }
    assert said["e2"][3].startswith("damaged: expected a payload with crc32 0x")


@pytest.mark.parametrize("error", [Unavailable("the disk is away"), MemoryError(), OSError(28, "No space left")])
async def test_what_is_outside_parks_nothing(error: Exception) -> None:
    class Away(Picky):
        def restore(self, marks: object, load: object) -> picky.PickyState:
            made = super().restore({}, lambda _: None)

            def fold(records: object) -> list[object]:
                raise error

            made.fold = fold  # type: ignore[assignment, method-assign]
            return made

    folded = Folded(_placed([state(1, "M1", "good")]))
    worker = Worker(Away(), folded.events, folded.derived, folded.checkpoints)
    with pytest.raises(type(error)):
        await worker.drain()
    assert await folded.said() == {}


async def test_a_worker_that_was_overtaken_while_it_looked_goes_on_from_the_newer_checkpoint() -> None:
    records = _placed(
        [*(state(i, f"M{i % 2}", "good") for i in range(1, 7)), state(7, "M1", "worse"), state(8, "M2", "good")]
    )
    folded = Folded(records)
    slow, fast = folded.worker(), folded.worker(2, 2)
    await slow.restore()
    await fast.drain()
    await slow.drain()
    assert slow.position == 8
    assert _own(await folded.said()) == picky.reference(records)[0]


async def test_a_record_that_cannot_be_read_gives_no_rows_and_the_others_do() -> None:
    """What rows are made of straight from the events goes on past it; that it is there, the workers say."""
    good = codec.record_of(MachineRegistered(machine="M2", line="L2", id="a", t=Instant(1), ingested=Instant(1)))
    broken = good.payload[:-1]
    records = [
        msgspec.structs.replace(good, machine="M1", payload=broken, crc32=zlib.crc32(broken)),
        good,
        msgspec.structs.replace(good, machine="M3", crc32=good.crc32 ^ 1),
        state(4, "M4", "good"),
    ]
    folded, store = Folded(_placed(records)), MemoryStore()
    projector = Projector(store, FactRows(), folded.events)
    assert await projector.drain() == 4
    assert sorted(row["machine"] for row in store.rows("machine")) == ["M2", "M4"]
    await folded.worker().drain()
    assert set(await folded.said()) == {"M4", "parking\tM1", "parking\tM2", "parking\tM3"}


def _placed(records: list[Record]) -> list[Record]:
    return [msgspec.structs.replace(record, position=i) for i, record in enumerate(records, 1)]
