"""What only a log of several partitions can get wrong: where records go, copies of what concerns the site, topics that lose."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from kafka_broker import kafka, settings, topics, unique
from log_records import everything, state
from tailrace.connectors import kafka_topics
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import KafkaLog, open_log, partition_of
from tailrace.schemas.errors import InvalidSettings, SendFailed, Unavailable
from tailrace.schemas.record import Record


def plant(partitions: int = 3, **more: Any) -> KafkaSettings:
    return topics(unique(), partitions=partitions, **more)


async def content(settings: KafkaSettings) -> list[list[Record]]:
    """What is in each partition."""
    return [await _all(await open_log(settings, partition)) for partition in range(settings.partitions)]


async def _all(log: KafkaLog) -> list[Record]:
    try:
        return await everything(log)
    finally:
        await log.close()


def ids(records: Sequence[Record]) -> list[str]:
    return [record.id for record in records]


def test_where_a_machine_goes_is_for_ever() -> None:
    """By the CRC-32 that everybody has, with its known check value."""
    assert partition_of("123456789", 1000) == 0xCBF43926 % 1000
    assert partition_of("", 8) == 0


async def test_a_machine_is_in_one_partition_in_its_order() -> None:
    here = plant()
    log = await open_log(here)
    await log.append([state(i, machine=f"M{i % 7}") for i in range(70)])
    await log.close()
    found = await content(here)
    assert sorted(ids([record for part in found for record in part])) == sorted(f"e{i}" for i in range(70))
    for number, part in enumerate(found):
        assert {partition_of(record.machine, 3) for record in part} <= {number}
    machine = [record.id for part in found for record in part if record.machine == "M3"]
    assert machine == [f"e{i}" for i in range(3, 70, 7)]


async def test_what_concerns_the_site_is_in_every_partition_before_what_comes_later() -> None:
    here = plant()
    log = await open_log(here, 2)
    machines = [next(f"M{i}" for i in range(99) if partition_of(f"M{i}", 3) == p) for p in range(3)]
    before = [state(i, machine=machine) for i, machine in enumerate(machines)]
    after = [state(20 + i, machine=machine) for i, machine in enumerate(machines)]
    receipt = await log.append([*before, state(10, machine=""), *after])
    assert (receipt.last, receipt.appended) == (3, 7)
    await log.close()
    found = await content(here)
    assert [ids(part) for part in found] == [[f"e{i}", "e10", f"e{20 + i}"] for i in range(3)]
    assert [part[1].copy_of for part in found] == [0, 2, 2]
    assert msgspec.structs.replace(found[1][1], copy_of=0) == found[0][1]


async def test_copies_that_a_crash_left_out_are_made_when_the_log_is_opened() -> None:
    here = plant()
    log = await open_log(here)
    await log.append([state(1, machine="")])
    await (await log._enqueue([state(2, machine=""), state(3, machine="M1")])).positions()
    assert await log.finish_copies() == 2
    assert await log.finish_copies() == 0
    await log.close()
    for part in await content(here):
        assert [record.id for record in part if not record.machine] == ["e1", "e2"]


@pytest.mark.parametrize(
    ("topic", "change", "words"),
    [
        ("events", {"retention.ms": "1000"}, "expected retention.ms=-1, got 1000"),
        ("events", {"retention.ms": "-1", "cleanup.policy": "compact"}, "expected cleanup.policy=delete, got compact"),
        ("derived", {"retention.bytes": "99", "retention.ms": "-1"}, "expected retention.bytes=-1, got 99"),
        ("checkpoints", {"cleanup.policy": "delete"}, "expected cleanup.policy=compact, got delete"),
    ],
)
async def test_topics_that_would_lose_something_are_refused(topic: str, change: dict[str, str], words: str) -> None:
    here = plant()
    await _alter(here, f"{here.topics}.{topic}", change)
    with pytest.raises(InvalidSettings, match=f"{topic}: {words}.*kafka-configs.sh"):
        await open_log(here)


async def test_another_number_of_partitions_is_refused() -> None:
    here = msgspec.structs.replace(plant(3), partitions=4)
    with pytest.raises(InvalidSettings, match=r"expected 4 partitions as the plant file says, got 3; .*copy"):
        await open_log(here)


async def test_topics_that_nobody_made_are_named() -> None:
    with pytest.raises(InvalidSettings, match=r"expected a topic .*\.events, got none; `tailrace init`"):
        await open_log(await asyncio.to_thread(lambda: settings(unique())))


async def test_topics_are_made_once() -> None:
    here = settings(unique())
    assert await kafka_topics.make(here) == [here.events, here.derived, here.checkpoints]
    assert await kafka_topics.make(here) == []


async def test_a_topic_that_is_not_flushed_is_said_to_be_no_safe_place() -> None:
    here = plant()
    assert await kafka_topics.check(here) == ""
    await _alter(here, here.events, {"flush.messages": "1000", "retention.ms": "-1", "retention.bytes": "-1"})
    log = await open_log(here)
    assert log.risk.startswith(f"not power-safe: topic {here.events} has 1 replicas and min.insync.replicas=1")
    await log.close()


async def test_nobody_there_is_said() -> None:
    with pytest.raises(Unavailable, match=r"kafka 127\.0\.0\.1:1: expected a broker that answers"):
        await open_log(KafkaSettings(servers=["127.0.0.1:1"]))


async def test_an_append_without_an_answer_fails_in_time_and_the_next_one_goes_on() -> None:
    broker, here = await asyncio.to_thread(kafka), plant(1, send_s=1.0)
    log = await open_log(here)
    await _insist(log, [state(1)])
    with broker.frozen(), pytest.raises(SendFailed, match="expected an acknowledgement, got TimeoutError"):
        await log.append([state(2)])
    await _insist(log, [state(2), state(3)])
    found = ids(await everything(log))
    await log.close()
    assert list(dict.fromkeys(found)) == ["e1", "e2", "e3"]


async def test_what_was_acknowledged_outlives_a_killed_broker() -> None:
    broker, here = await asyncio.to_thread(kafka), plant(2)
    log = await open_log(here)
    acknowledged: list[str] = []
    enough, back = asyncio.Event(), asyncio.Event()

    async def produce(k: int) -> None:
        """One record after the other, until one was acknowledged by the broker that came back."""
        i, ending = 0, False
        while not ending:
            ending = back.is_set()
            with suppress(SendFailed):
                i += 1
                await log.append([state(i, id=f"{k}-{i}", machine=f"M{k}")])
                acknowledged.append(f"{k}-{i}")
            if len(acknowledged) >= 100:
                enough.set()

    producers = [asyncio.ensure_future(produce(k)) for k in range(4)]
    await enough.wait()
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)
    back.set()
    await asyncio.gather(*producers)
    await log.close()
    found = {record.id for part in await content(here) for record in part}
    assert set(acknowledged) <= found


async def _insist(log: KafkaLog, records: Sequence[Record]) -> None:
    """Appends until it is acknowledged, as ingest does."""
    while True:
        try:
            await log.append(records)
        except SendFailed:
            continue
        return


async def _alter(here: KafkaSettings, topic: str, change: dict[str, str]) -> None:
    """Returns when the broker shows what was changed; it hears of it a moment later."""
    admin = AIOKafkaAdminClient(bootstrap_servers=here.servers)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, change)])
        while not change.items() <= (await kafka_topics.config(admin, topic)).items():
            pass
    finally:
        await admin.close()
