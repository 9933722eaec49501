"""Workers on a real broker, under faults: every output that a reader takes is the one of an undisturbed fold, in every window."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from kafka_broker import kafka, topics, unique
from kafka_plant import DEADLINE_S, LOOK_S, kafka_plant
from log_records import state
from tailrace.app.kafka_worker import KafkaWorker
from tailrace.connectors import kafka_topics
from tailrace.connectors.derived_kafka import KafkaDerivedLog
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import open_log
from worker_echo import Echo

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 6))]

seeds = pytest.mark.parametrize("seed", SEEDS)


@seeds
async def test_a_worker_that_nobody_disturbs(tmp_path: Path, seed: int) -> None:
    async with kafka_plant(tmp_path, seed) as plant:
        worker = plant.start()
        await plant.append(0.5)
        await plant.held(worker)
        await plant.append(1.0)
        await plant.settle()


@seeds
async def test_a_killed_worker_and_the_next_one(tmp_path: Path, seed: int) -> None:
    async with kafka_plant(tmp_path, seed) as plant:
        await plant.append(0.3)
        for share in (0.5, 0.8):
            worker = plant.start()
            await plant.held(worker)
            await plant.append(share)
            worker.kill()
        plant.start()
        await plant.append(1.0)
        await plant.settle()


@seeds
async def test_a_second_worker_joins_and_leaves(tmp_path: Path, seed: int) -> None:
    async with kafka_plant(tmp_path, seed) as plant:
        first = plant.start()
        await plant.append(0.3)
        await plant.held(first)
        second = plant.start()
        await plant.held(first, second)
        await plant.append(0.6)
        assert await asyncio.to_thread(second.end) == 0
        await plant.held(first)
        await plant.append(1.0)
        await plant.settle()


@seeds
async def test_a_worker_that_was_frozen_for_longer_than_its_session(tmp_path: Path, seed: int) -> None:
    async with kafka_plant(tmp_path, seed) as plant:
        first, second = plant.start(), plant.start()
        await plant.held(first, second)
        await plant.append(0.4)
        first.signal(signal.SIGSTOP)
        await plant.held(second)
        await plant.append(0.7)
        first.signal(signal.SIGCONT)
        await plant.held(first, second)
        await plant.append(1.0)
        await plant.settle()


@seeds
async def test_a_loop_that_stalls_for_longer_than_the_session(tmp_path: Path, seed: int) -> None:
    async with kafka_plant(tmp_path, seed) as plant:
        first, second = plant.start(stall_s=6.0, stall_at=40), plant.start()
        await plant.held(first, second)
        await plant.append(0.7)
        await plant.until(lambda: "stalls" in first.said, "the loop stalls")
        before = first.generation
        await plant.until(lambda: first.generation > before, "the stalled worker is out of the group")
        await plant.held(first, second)
        await plant.append(1.0)
        await plant.settle()


@seeds
async def test_a_broker_that_is_killed_and_comes_back(tmp_path: Path, seed: int) -> None:
    broker = await asyncio.to_thread(kafka)
    async with kafka_plant(tmp_path, seed) as plant:
        worker = plant.start()
        await plant.held(worker)
        await plant.append(0.3)
        appending = asyncio.ensure_future(plant.append(0.7))
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)
        await appending
        await plant.append(1.0)
        await plant.settle()


@seeds
async def test_outputs_that_are_not_acknowledged(tmp_path: Path, seed: int) -> None:
    """The broker is frozen while the worker sends: whether its outputs are stored, it does not know, and it begins anew."""
    broker = await asyncio.to_thread(kafka)
    async with kafka_plant(tmp_path, seed, session_s=30.0, send_s=1.0) as plant:
        await plant.append(0.5)
        worker = plant.start(stall_s=4.0, stall_at=30)
        await plant.until(lambda: "stalls" in worker.said, "the worker folds")
        with broker.frozen():
            await plant.until(lambda: "expected an acknowledgement" in worker.said, "a send fails")
        await plant.append(1.0)
        await plant.settle()


async def test_what_was_fetched_before_a_rebalance_is_not_folded_after_it() -> None:
    """Partitions change hands while a fetch is under way, and come back restored before its records are looked at."""
    settings = await asyncio.to_thread(lambda: topics(name := unique(), group=name))
    log = await open_log(settings)
    await log.append([state(i) for i in range(10)])
    worker = KafkaWorker(settings, lambda: [Echo()])
    running = asyncio.ensure_future(worker.run())
    sender = Sender(settings)
    derived = KafkaDerivedLog(settings, 0, sender)
    while await derived.end() < 10:
        assert not running.done()
    fetch, place, ends = worker._consumer.getmany, TopicPartition(settings.events, 0), list[int]()

    hooked = asyncio.Event()

    async def interrupted(**how: Any) -> Any:
        hooked.set()
        found = await fetch(**how)
        if found and not ends:
            await worker.on_partitions_revoked([place])
            await worker.on_partitions_assigned([place])
            await worker._begin()
            ends.append(worker.held[0])
        elif ends:
            ends.append(worker.held[0])
            worker.stop()
        return found

    worker._consumer.getmany = interrupted
    await hooked.wait()
    await log.append([state(i) for i in range(10, 20)])
    await asyncio.wait_for(running, 60)
    await log.close()
    assert ends == [10, 10]
    await derived.close()


async def test_a_log_that_is_shorter_than_what_was_folded_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """An old backup of `events` beside newer outputs and checkpoints: nothing is folded until somebody has looked."""
    settings = await asyncio.to_thread(lambda: topics(name := unique(), group=name))
    await append(settings, 1, 10)
    await folded(settings, lambda worker: worker.held == {0: 10})
    await again(settings)
    await append(settings, 11, 13)
    await folded(settings, lambda _: "expected a log that reaches position 10" in caplog.text)
    sender = Sender(settings)
    derived = KafkaDerivedLog(settings, 0, sender)
    assert [record.cause for record in await derived.read(0, 100) if record.n] == list(range(1, 11))
    await derived.close()
    await sender.close()


async def append(settings: KafkaSettings, first: int, last: int) -> None:
    log = await open_log(settings)
    await log.append([state(i) for i in range(first, last + 1)])
    await log.close()


async def folded(settings: KafkaSettings, done: Callable[[KafkaWorker], bool]) -> None:
    """A worker of this process, until something is so; it leaves a checkpoint."""
    worker = KafkaWorker(settings, lambda: [Echo()])
    running = asyncio.ensure_future(worker.run())
    async with asyncio.timeout(DEADLINE_S):
        while not done(worker):
            assert not running.done()
            await asyncio.sleep(LOOK_S)
    worker.stop()
    await running


async def again(settings: KafkaSettings) -> None:
    """Throws the topic of events away and makes it again; a broker takes a while to forget."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.servers)
    await admin.start()
    await admin.delete_topics([settings.events])
    async with asyncio.timeout(DEADLINE_S):
        while settings.events in await admin.list_topics():
            pass
    await admin.close()
    assert await kafka_topics.make(settings) == [settings.events]
