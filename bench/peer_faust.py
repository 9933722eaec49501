"""The fold of bench/minutes.py in a Faust agent, beside the Kafka worker: `python bench/peer_faust.py HOST:PORT` of a broker.

One reading a record, on one broker and one partition, a process each, turn by turn; readings a second by the wall's clock, from
the first reading that is folded to the last one, and by CPU time of the process. Ours is the worker as `tailrace worker` runs it,
with OEE alone: deduplication, late readings, quality, products, calendars, checkpoints, outputs numbered and acknowledged. Faust
folds run time and parts by the minute from msgpack and sends each minute that is over: a dict for state, which a crash would
lose, one event at a time and in `take(500)`; and a Table in memory with its changelog. Offsets are committed each second
(at_least_once). All give the same minutes, which is checked. Faust is in bench/requirements-faust.txt.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from figure import EPOCH, SIGNALS, show
from minutes import Fold, Minute, Reading, Totals, totals
from tailrace.app.kafka_worker import KafkaWorker
from tailrace.connectors import kafka_topics
from tailrace.connectors.derived_kafka import KafkaDerivedLog
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import open_log
from tailrace.schemas import bucket, codec, frame
from tailrace.schemas.event import ProductChanged, StateChanged
from tailrace.schemas.instant import SECOND, Instant, Span
from tailrace.schemas.record import Record
from tailrace.topologies.oee import Oee

MACHINES = 4
SECONDS = 5000
"""Readings of each machine, one a second."""

FOLDED = MACHINES * (SECONDS + 1)
ROUNDS = 3
TARGET = 25
TAKE = 500
BATCH = 500
GIVE_UP_S = 300.0
OURS, EVENTS, BATCHED, TABLE = "tailrace", "Faust, events", f"Faust, take({TAKE})", "Faust, events and a table"


def rows() -> Iterator[tuple[str, int, str | int]]:
    """Machine, second, and what is read: that it runs, then its counter."""
    machines = [f"M{i}" for i in range(1, MACHINES + 1)]
    yield from ((machine, 0, "running") for machine in machines)
    yield from ((machine, second, second // 2) for second in range(SECONDS) for machine in machines)


def records() -> Iterator[Record]:
    """The same as Tailrace's records, a product before the first."""
    for machine, second, said in rows():
        t = Instant(EPOCH + second * SECOND)
        base: dict[str, Any] = {"machine": machine, "t": t, "ingested": t}
        if isinstance(said, str):
            product = ProductChanged(product="P1", ideal_cycle=Span(2 * SECOND), id=f"{machine}-p", **base)
            yield codec.record_of(product, source="bench")
            yield codec.record_of(StateChanged(state=said, id=f"{machine}-s", **base), source="bench")
        else:
            columns: list[Any] = [(frame.Column(name, "f8"), np.array([70.5]), None) for name in SIGNALS]
            columns.append((frame.Column("total", "i8", counter=True), np.array([said], np.int64), None))
            yield codec.frame_record(
                frame.encode(np.array([int(t)], np.int64), columns), machine=machine, ingested=int(t), source="bench",
                session=machine, first_seq=1 + second,
            )  # fmt: skip


async def fill(settings: KafkaSettings) -> None:
    """The topics of both, and what is in them."""
    await kafka_topics.make(settings)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.servers)
    await admin.start()
    await admin.create_topics([NewTopic(f"{settings.topics}.{name}", 1, 1) for name in ("readings", "minutes")])
    await admin.close()
    log, all_of_it = await open_log(settings), list(records())
    for start in range(0, len(all_of_it), BATCH):
        await log.append(all_of_it[start : start + BATCH])
    await log.close()
    producer = AIOKafkaProducer(bootstrap_servers=settings.servers, linger_ms=5)
    await producer.start()
    for machine, second, said in rows():
        values = [] if isinstance(said, str) else [70.5] * len(SIGNALS)
        reading = Reading(machine, EPOCH + second * SECOND, said, values)
        await producer.send(f"{settings.topics}.readings", msgspec.msgpack.encode(reading), key=machine.encode())
    await producer.stop()


class Clock:
    """From the first reading to the last one."""

    def __init__(self, expected: int) -> None:
        self._left, self._begun = expected, (0.0, 0.0)
        self.done = asyncio.Event()
        self.wall_s = self.cpu_s = 0.0

    def begin(self) -> None:
        if not self._begun[0]:
            self._begun = time.perf_counter(), time.process_time()

    def count(self, n: int) -> None:
        self._left -= n
        if self._left <= 0:
            self.wall_s = time.perf_counter() - self._begun[0]
            self.cpu_s = time.process_time() - self._begun[1]
            self.done.set()


async def ours(settings: KafkaSettings) -> tuple[Clock, Totals]:
    clock, worker = Clock(1), KafkaWorker(settings, lambda: [Oee()])
    running = asyncio.create_task(worker.run())
    until = MACHINES * (SECONDS + 2)
    while worker.held.get(0, 0) < until:
        if worker.held:
            clock.begin()
        await asyncio.sleep(0.005)
    clock.count(1)
    worker.stop()
    await running
    return clock, await derived(settings)


async def derived(settings: KafkaSettings) -> Totals:
    """What the worker said."""
    sender = Sender(settings)
    log, found, after = KafkaDerivedLog(settings, 0, sender), Totals(0, 0, 0), 0
    run, good = bucket.COLUMNS.index("shift_run_ns"), bucket.COLUMNS.index("shift_good")
    while batch := await log.read(after, 1000):
        for output in batch:
            if output.kind == bucket.KIND:
                some = bucket.decode(output.body)
                more = len(some), int(some.tallies[:, run].sum()), int(some.tallies[:, good].sum())
                found = Totals(*(a + b for a, b in zip(found, more, strict=True)))
        after = batch[-1].position
    await log.close()
    await sender.close()
    return found


class Agents:
    """The fold as agents of a Faust app; `said` has the minutes that are over, which are sent, too."""

    def __init__(self, clock: Clock, out: Any, table: Any) -> None:
        self._clock, self._out, self._table = clock, out, table
        self._folds: dict[str, Fold] = {}
        self._decode, self._encode = msgspec.msgpack.Decoder(Reading).decode, msgspec.msgpack.encode
        self.said: list[Minute] = []

    async def events(self, stream: Any) -> None:
        async for value in stream:
            await self._take([value])

    async def batched(self, stream: Any) -> None:
        async for values in stream.take(TAKE, within=0.1):
            await self._take(values)

    async def tabled(self, stream: Any) -> None:
        async for value in stream:
            self._clock.begin()
            reading = self._decode(value)
            fold = restored(self._table.get(reading.machine), reading.t)
            closed = fold.take(reading.t, reading.said)
            self._table[reading.machine] = [getattr(fold, each) for each in Fold.__slots__]
            await self._tell(closed)
            self._clock.count(1)

    async def _take(self, values: list[bytes]) -> None:
        self._clock.begin()
        for value in values:
            reading = self._decode(value)
            fold = self._folds.get(reading.machine)
            if fold is None:
                fold = self._folds[reading.machine] = Fold(reading.t)
            closed = fold.take(reading.t, reading.said)
            if closed:
                await self._tell(closed)
        self._clock.count(len(values))

    async def _tell(self, closed: list[Minute] | None) -> None:
        for minute in closed or ():
            self.said.append(minute)
            await self._out.send(value=self._encode(minute))


async def theirs(settings: KafkaSettings, name: str) -> tuple[Clock, Totals]:
    import faust  # noqa: PLC0415  it may be absent

    clock = Clock(FOLDED)
    with tempfile.TemporaryDirectory() as folder:
        app = faust.App(
            settings.group, broker=f"kafka://{settings.servers[0]}", store="memory://", datadir=folder, web_enabled=False,
            value_serializer="raw", topic_disable_leader=True, topic_partitions=1, topic_replication_factor=1,
            processing_guarantee="at_least_once", broker_commit_interval=1.0, stream_wait_empty=False,
        )  # fmt: skip
        source, out = (
            app.topic(f"{settings.topics}.{each}", value_type=bytes, value_serializer="raw")
            for each in ("readings", "minutes")
        )
        table = app.Table("folds", partitions=1, value_type=list) if name == TABLE else None
        agents = Agents(clock, out, table)
        app.agent(source)({EVENTS: agents.events, BATCHED: agents.batched, TABLE: agents.tabled}[name])
        app.finalize()
        await app.start()
        await clock.done.wait()
        await app.stop()
    return clock, totals(agents.said)


def restored(state: Any, t: int) -> Fold:
    """A fold from what a table has of it."""
    fold = Fold(t)
    for each, value in zip(Fold.__slots__, state or (), strict=False):
        setattr(fold, each, value)
    return fold


async def child(name: str, settings: KafkaSettings) -> None:
    clock, said = await (ours(settings) if name == OURS else theirs(settings, name))
    print(json.dumps([clock.wall_s, clock.cpu_s, said]), flush=True)


def turn(name: str, address: str) -> tuple[float, float, Totals]:
    """Wall and CPU seconds of one contender on topics of its own, and what it found."""
    topics = f"bench-{uuid4().hex[:8]}"
    settings = KafkaSettings(servers=[address], topics=topics, group=topics, partitions=1, replication=1)
    asyncio.run(fill(settings))
    command = [sys.executable, str(Path(__file__)), "--child", name, msgspec.json.encode(settings).decode()]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=GIVE_UP_S, check=True)
    wall, cpu, said = json.loads(done.stdout.splitlines()[-1])
    return wall, cpu, Totals(*said)


def main(address: str) -> int:
    names = (OURS, EVENTS, BATCHED, TABLE)
    found: dict[str, list[tuple[float, float, Totals]]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        for name in names:
            found[name].append(turn(name, address))
            if found[name][-1][2] != found[OURS][0][2]:
                raise SystemExit(f"faust: {name}: expected {found[OURS][0][2]}, got {found[name][-1][2]}")
    wall = {name: FOLDED / min(each[0] for each in found[name]) for name in names}
    cpu = {name: FOLDED / min(each[1] for each in found[name]) for name in names}
    for name in names:
        show(f"faust: {name}", wall[name], "readings/s")
        show(f"faust: {name}", cpu[name], "readings per CPU second")
    for name in names[1:]:
        show(f"faust: tailrace / {name}, wall clock", wall[OURS] / wall[name], "x")
        show(f"faust: tailrace / {name}, CPU time", cpu[OURS] / cpu[name], "x")
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        asyncio.run(child(sys.argv[2], msgspec.json.decode(sys.argv[3], type=KafkaSettings)))
    else:
        sys.exit(main(sys.argv[1]))
