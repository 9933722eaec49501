"""Parking where repeats reach the log: the same streams wait, for the same reasons, as on a log that drops repeats."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import Random

import msgspec
import pytest

from kafka_broker import topics, unique
from log_records import identified, sequenced, state
from parking_picky import release
from tailrace.connectors.checkpoints_kafka import KafkaCheckpoints
from tailrace.connectors.checkpoints_sqlite import SqliteCheckpoints
from tailrace.connectors.derived_kafka import KafkaDerivedLog
from tailrace.connectors.derived_sqlite import SqliteDerivedLog
from tailrace.connectors.kafka_repeats import Seen
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.log_kafka import open_log
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.memory import MemoryCheckpoints, MemoryDerivedLog, MemoryLog
from tailrace.engine.checkpoints import Checkpoints
from tailrace.engine.first import Begin
from tailrace.engine.log import DerivedLog, Log
from tailrace.engine.parking import PAGE, counts_of, lot_of
from tailrace.engine.reader import Reader
from tailrace.engine.topology import Load
from tailrace.engine.worker import Worker
from tailrace.schemas import codec, parking
from tailrace.schemas.event import StateChanged, Telemetry
from tailrace.schemas.record import Derived, Record

BAD = 7
"""A number that this divides cannot be folded."""


class Heard:
    """Says the id of each event. It takes no state `bad`, and no reading of a bad number."""

    name, version = "heard", 1

    def restore(self, marks: Mapping[str, int], load: Load) -> HeardState:
        return HeardState(marks)


class HeardState:
    def __init__(self, marks: Mapping[str, int]) -> None:
        self.marks = dict(marks)

    def fold(self, records: Sequence[Record]) -> list[Derived]:
        return [self._heard(record, event) for record in records for event in codec.events_of(record)]

    def dirty(self) -> dict[str, bytes]:
        return {}

    def _heard(self, record: Record, event: object) -> Derived:
        assert isinstance(event, (StateChanged, Telemetry))
        if isinstance(event, StateChanged) and event.state == "bad":
            raise ValueError("no such state")
        if isinstance(event, Telemetry) and event.values["number"] % BAD == 0:
            raise ValueError("no such number")
        n = self.marks[record.machine] = self.marks.get(record.machine, 0) + 1
        return Derived(
            topology="heard", version=1, key=record.machine, first_n=n, kind="heard", cause=record.position,
            body=event.id.encode(),
        )  # fmt: skip


class Outcome(msgspec.Struct, frozen=True):
    """said: by key, what a reader takes. parked: by machine, the id that holds it up and how many wait. counts: of the page."""

    said: dict[str, list[str]]
    parked: dict[str, tuple[str, int]]
    counts: tuple[int, int, int]


class Place:
    """A log, where its outputs go, and the stage that it wants before a fold."""

    def __init__(self, events: Log, derived: DerivedLog, checkpoints: Checkpoints, first: Begin | None) -> None:
        self.events, self.derived, self.checkpoints, self.first = events, derived, checkpoints, first

    def worker(self, batch: int = 500, every: int = 10_000) -> Worker:
        return Worker(
            Heard(), self.events, self.derived, self.checkpoints, first=self.first, batch=batch, checkpoint_every=every
        )

    async def fold(self, random: Random | None = None) -> None:
        """To the end of the log; with dice, by workers that come and go."""
        end = await self.events.end()
        while (
            random
            and await (worker := self.worker(random.choice((1, 2, 7)), random.choice((1, 5, 50)))).restore() < end
        ):
            for _ in range(random.randint(1, 6)):
                await worker.step()
        worker = self.worker()
        await worker.drain()
        await worker.checkpoint()

    async def outcome(self) -> Outcome:
        reader, said = Reader({}, "test"), dict[str, list[str]]()
        for record in await self.derived.read(0, 100_000):
            if record.n and reader.take(record) < record.n:
                told = record.body.decode() if record.kind == "heard" else f"{record.kind} {_id(record.body)}"
                said.setdefault(record.key, []).append(told)
        newest = max(await self.checkpoints.manifests("heard", 1), key=lambda manifest: manifest.position)
        page = self.checkpoints.page("heard", 1, PAGE, newest.position)
        parked = {machine: (each.id, each.waiting) for machine, each in lot_of(page).items()}
        return Outcome(said, parked, counts_of(page))


def _id(body: bytes) -> str:
    return parking.decode(body).id


def memory(first: Begin | None) -> Place:
    return Place(MemoryLog(), MemoryDerivedLog(), MemoryCheckpoints(), first)


def raw(records: Sequence[Record]) -> Place:
    """A log in memory that repeats reach."""
    found = memory(Seen)
    assert isinstance(found.events, MemoryLog)
    found.events._shelf.records.extend(msgspec.structs.replace(each, position=i) for i, each in enumerate(records, 1))
    return found


async def embedded(records: Sequence[Record]) -> Outcome:
    """What comes of the records where a log drops repeats as they come."""
    place = memory(None)
    for record in records:
        await place.events.append([record])
    await place.fold()
    return await place.outcome()


async def in_a_file(folder: Path, records: Sequence[Record]) -> Outcome:
    connection, log = sqlite3.connect(folder / "read.db", isolation_level=None), SqliteLog(folder / "events.db")
    try:
        place = Place(log, SqliteDerivedLog(connection), SqliteCheckpoints(connection), None)
        for record in records:
            await log.append([record])
        await place.fold()
        return await place.outcome()
    finally:
        await log.close()
        connection.close()


async def on_kafka(records: Sequence[Record], random: Random | None = None) -> Outcome:
    settings = topics(unique("parking"))
    async with AsyncExitStack() as opened:
        log, sender = await open_log(settings), Sender(settings)
        derived, checkpoints = KafkaDerivedLog(settings, 0, sender), KafkaCheckpoints(settings, 0, sender)
        for each in (sender, derived, checkpoints, log):
            opened.push_async_callback(each.close)
        place = Place(log, derived, checkpoints, Seen)
        await log.append(records)
        await place.fold(random)
        return await place.outcome()


PATCH = {"state": "run"}
bad, good = partial(state, word="bad"), state
FRAME = identified([(6, "f6"), (7, "f7"), (8, "f8")])

LOGS: dict[str, tuple[list[Record], list[str]]] = {
    "skipped": ([bad(1), release(9, "e1", "skip", {}), bad(1), good(2)], ["e2"]),
    "tried again": ([bad(1), release(9, "e1", "retry", {}), bad(1), good(2)], []),
    "patched": ([bad(1), release(9, "e1", "patched", PATCH), bad(1), good(2)], ["e1", "e2"]),
    "repeated while it waits": ([bad(1), bad(1), good(2), good(2), release(9, "e1", "skip", {}), good(2)], ["e2"]),
    "a release that came twice": (
        [bad(1), release(9, "e1", "skip", {}), bad(2), release(9, "e1", "skip", {}), good(3)],
        [],
    ),
    "seen before it waits": ([good(2), bad(1), good(2), release(9, "e1", "skip", {})], ["e2"]),
    "seen elsewhere while it waits": (
        [bad(1), good(2), good(2, machine="M2"), release(9, "e1", "skip", {})],
        ["e2"],
    ),
    "a frame of which one is known": (
        [identified([(7, "f7")]), release(9, "f7", "skip", {}), FRAME, FRAME],
        ["f6", "f8"],
    ),
    "parked by what is left of a frame": (
        [identified([(6, "f6")]), FRAME, good(1), FRAME, release(9, "f7", "patched", {"events": [
            {"type": "telemetry", "machine": "M1", "t": 1, "values": {"number": 8}, "id": "f8"}]})],
        ["f6", "f8", "e1"],
    ),
    "what is left of a frame waits": (
        [identified([(8, "f8")]), bad(1), identified([(8, "f8"), (9, "f9")]), release(9, "e1", "skip", {})],
        ["f8", "f9"],
    ),
    "what is left of a frame waits again": (
        [identified([(8, "f8")]), bad(1), bad(2), identified([(8, "f8"), (9, "f9")]), release(9, "e1", "skip", {}),
         release(10, "e2", "skip", {})],
        ["f8", "f9"],
    ),
    "parked again, and released again": (
        [bad(1), good(2), bad(3), good(2), good(4), release(8, "e1", "skip", {}), good(4), release(9, "e3", "skip", {})],
        ["e2", "e4"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOGS)
async def test_a_repeat_parks_nothing(name: str, tmp_path: Path) -> None:
    records, said = LOGS[name]
    wanted = await embedded(records)
    assert wanted.said.get("M1", []) == said
    place = raw(records)
    await place.fold()
    assert await place.outcome() == wanted
    assert await in_a_file(tmp_path, records) == wanted
    assert await on_kafka(records) == wanted


def made(random: Random, size: int) -> list[Record]:
    """Events of three machines, overlapping frames, repeats of anything, and releases of what may be parked."""
    found: list[Record] = []
    top = {"s1": 1, "s2": 1}
    for number in range(1, size + 1):
        roll, machine, session = random.random(), random.choice(("M1", "M2")), random.choice(("s1", "s2"))
        if roll < 0.3 and found:
            found.append(random.choice(found))
        elif roll < 0.5 and found:
            action = random.choice(("skip", "retry", "patched"))
            named = random.choice([each.id for each in found if each.type != "parking.released"])
            found.append(release(1000 + number, named, action, PATCH, random.choice(("", machine))))
        elif roll < 0.6:
            first = max(1, top[session] - random.randrange(4))
            found.append(sequenced(first, random.randint(1, 8), session=session, machine="M3"))
            top[session] = first + found[-1].n
        elif roll < 0.7:
            some = random.sample(range(60), random.randint(1, 3))
            found.append(identified([(i, f"f{i}") for i in some]))
        else:
            found.append(state(number, machine=machine, word="bad" if random.random() < 0.2 else "run"))
    return found


@pytest.mark.parametrize("seed", range(40))
async def test_any_log_parks_what_it_parks_without_its_repeats(seed: int) -> None:
    random = Random(seed)
    records = made(random, 80)
    wanted = await embedded(records)
    for _ in range(3):
        place = raw(records)
        await place.fold(random)
        assert await place.outcome() == wanted


@pytest.mark.parametrize("seed", range(2))
async def test_any_log_parks_the_same_in_a_file_and_on_kafka(seed: int, tmp_path: Path) -> None:
    records = made(Random(seed), 80)
    wanted = await embedded(records)
    assert await in_a_file(tmp_path, records) == wanted
    assert await on_kafka(records, Random(seed)) == wanted


async def test_the_logs_have_everything() -> None:
    found: Counter[str] = Counter()
    for seed in range(40):
        records = made(Random(seed), 80)
        outcome = await embedded(records)
        found["parked at the end"] += len(outcome.parked)
        found["waiting"] += sum(waiting for _, waiting in outcome.parked.values())
        found["skipped"] += outcome.counts[1]
        found["parked"] += sum(word.startswith("stream.parked") for words in outcome.said.values() for word in words)
        found["released"] += sum(
            word.startswith("stream.released") for words in outcome.said.values() for word in words
        )
        found["repeats"] += sum(record.n for record in records) - outcome.counts[0] - outcome.counts[2]
    assert min(found.values()) > 20, found
