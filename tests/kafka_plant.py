"""A plant on the real broker: nasty timelines go in, workers in processes of their own fold them, every output is compared.

The truth is one undisturbed fold of the same events on an embedded log: other positions, one partition, no repeats.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from kafka_broker import topics, unique
from log_records import everything
from oee_harness import emitted
from oee_random import timeline
from tailrace.connectors.derived_kafka import KafkaDerivedLog
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import open_log
from tailrace.connectors.memory import MemoryLog
from tailrace.engine.reader import Reader
from tailrace.schemas import codec
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.event import Telemetry
from tailrace.schemas.record import Derived, Record
from tailrace.topologies.oee import Oee

CHILD = Path(__file__).with_name("kafka_child.py")
DEADLINE_S = 120.0
LOOK_S = 0.05
CHUNK = 5
"""Records in an append: so that faults fall between them."""

Outputs = dict[str, list[tuple[Any, ...]]]
"""Per key, every output in the order of its n: window, product, revision, known from, tallies."""


class Child:
    """One worker process."""

    def __init__(self, settings: KafkaSettings, folder: Path, **options: Any) -> None:
        self.log = Path(tempfile.mkstemp(dir=folder, suffix=".log")[1])
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(CHILD), msgspec.json.encode(settings).decode(), json.dumps(options)],
                stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(CHILD.parent)},
            )  # fmt: skip

    @property
    def held(self) -> list[int]:
        """The partitions that it has restored."""
        return list(self._holds()[1])

    @property
    def generation(self) -> int:
        """How often partitions were taken from it or given to it."""
        return int(self._holds()[0])

    def _holds(self) -> Any:
        said = [
            line for line in self.said.splitlines(keepends=True) if line.startswith("held ") and line.endswith("\n")
        ]
        return json.loads(said[-1][5:]) if said else (0, [])

    @property
    def said(self) -> str:
        return self.log.read_text()

    def signal(self, which: signal.Signals) -> None:
        self.process.send_signal(which)

    def kill(self) -> None:
        """As a power cut does."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """In good order."""
        self.process.terminate()
        return self.process.wait(DEADLINE_S)


class KafkaPlant:
    """Events of a few machines, appended in order, and what has to come of them."""

    def __init__(self, settings: KafkaSettings, folder: Path, seed: int, size: int) -> None:
        self.settings, self.folder = settings, folder
        self.records = made(Random(seed), size)
        self._appended = 0
        self._children: list[Child] = []

    def start(self, **options: Any) -> Child:
        """A worker of the group."""
        self._children.append(Child(self.settings, self.folder, **options))
        return self._children[-1]

    async def append(self, share: float) -> None:
        """Brings the log to this share of all records, again and again where the brokers do not answer."""
        end = int(share * len(self.records))
        while self._appended < end:
            with contextlib.suppress(Unavailable):
                await self._append(end)
            await asyncio.sleep(LOOK_S)

    async def _append(self, end: int) -> None:
        log = await open_log(self.settings)
        try:
            while self._appended < end:
                chunk = self.records[self._appended : min(end, self._appended + CHUNK)]
                await log.append(chunk)
                self._appended += len(chunk)
        finally:
            await log.close()

    async def outputs(self) -> Outputs:
        """What a reader of `derived` has taken."""
        return await outputs(self.settings)

    async def settle(self) -> None:
        """Waits until as many outputs are there as the truth has, then compares all; again after a while of silence."""
        truth = await self.truth()
        assert min(map(len, truth.values())) > 10
        wanted = _counts(truth)
        deadline = time.monotonic() + DEADLINE_S
        while _counts(found := await self.outputs()) != wanted:
            assert time.monotonic() < deadline, f"{_counts(found)} instead of {wanted}\n{self.heard()}"
            await asyncio.sleep(LOOK_S)
        assert found == truth
        for child in self._children:
            if child.process.poll() is None:
                assert child.end() == 0, child.said
        assert await self.outputs() == truth
        assert "nothing is skipped" not in self.heard()

    async def truth(self) -> Outputs:
        """One fold of everything."""
        return await truth(self.records)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Waits for a condition; fails with what was waited for."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}\n{self.heard()}"
            await asyncio.sleep(LOOK_S)

    async def held(self, *children: Child) -> None:
        """Waits until these workers have every partition between them, and each has some."""
        every = list(range(self.settings.partitions))
        await self.until(
            lambda: sorted(p for each in children for p in each.held) == every and all(each.held for each in children),
            "the partitions are held",
        )

    def heard(self) -> str:
        return "\n".join(child.said[-3000:] for child in self._children)

    def close(self) -> None:
        for child in self._children:
            child.kill()


@asynccontextmanager
async def kafka_plant(
    folder: Path, seed: int, *, size: int = 40, partitions: int = 3, **more: Any
) -> AsyncIterator[KafkaPlant]:
    """A plant with topics of its own."""
    more = {"session_s": 3.0, "send_s": 2.0} | more
    settings = await asyncio.to_thread(lambda: topics(name := unique(), partitions=partitions, group=name, **more))
    plant = KafkaPlant(settings, folder, seed, size)
    try:
        yield plant
    finally:
        await asyncio.to_thread(plant.close)


async def outputs(settings: KafkaSettings) -> Outputs:
    """The OEE that a reader of `derived` has taken, by its marks; raises SequenceGap where something is missing."""
    found: list[Derived] = []
    skips: list[int] = []
    sender = Sender(settings)
    for partition in range(settings.partitions):
        log, reader, after = KafkaDerivedLog(settings, partition, sender), Reader({}, "test"), 0
        while batch := await log.read(after, 1000):
            some = [each for each in batch if each.n and each.topology == Oee.name]
            skips += [reader.take(each) for each in some]
            found += some
            after = batch[-1].position
        await log.close()
    return grouped(found, skips)


async def truth(records: Sequence[Record]) -> Outputs:
    """One fold of everything, on a log that drops repeats as they come."""
    log = MemoryLog()
    for record in records:
        await log.append([record])
    found = Oee().restore({}, lambda _: None).fold(await everything(log))
    return grouped(found, [0] * len(found))


def made(random: Random, size: int) -> list[Record]:
    """Timelines of six machines by their time of arrival, doubles among them, readings in frames of one."""
    events = [event for i in range(6) for event in timeline(random, size, machine=f"M{i}", silence=False)]
    events.sort(key=lambda event: int(event.ingested or 0))
    return [
        codec.readings_record([event], source="plc")
        if isinstance(event, Telemetry)
        else codec.record_of(event, source="plc")
        for event in events
    ]


def grouped(outputs: Sequence[Derived], skips: Sequence[int]) -> Outputs:
    """Outputs by key, without where their causes stand."""
    found: Outputs = {}
    for output, skip in zip(outputs, skips, strict=True):
        for key, n, start, product, (revision, known_from, _, tallies) in emitted([output])[skip:]:
            rows = found.setdefault(key, [])
            assert n == len(rows) + 1
            rows.append((start, product, revision, known_from, tallies))
    return found


def _counts(outputs: Outputs) -> dict[str, int]:
    return {key: len(rows) for key, rows in outputs.items()}
