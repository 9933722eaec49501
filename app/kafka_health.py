"""How a log on Kafka is, for `tailrace status` and `doctor`: brokers, topics, what may be lost, and how far workers are behind.

Rules: it asks and changes nothing. What cannot be learned is said in `trouble`, the rest is there all the same. How far a
partition is folded, its worker says in the group now and then; nobody goes on from there, so it may lag and is never ahead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tailrace.connectors import kafka_clients, kafka_topics
from tailrace.connectors.kafka_partition import leave
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.schemas.errors import InvalidSettings, TailraceError

ANSWER_S = 8.0
RETRY_S = 0.2


class Topic(msgspec.Struct, frozen=True):
    """A topic as it is. retention_ms, retention_bytes: -1 = for ever."""

    topic: str
    partitions: int
    replicas: int
    in_sync_min: int
    cleanup: str
    retention_ms: int
    retention_bytes: int


class Lag(msgspec.Struct, frozen=True):
    """A partition of `events`. folded_records: as far as a worker has said; None: none has said anything yet."""

    partition: int
    records: int
    folded_records: int | None
    lag_records: int | None


class Health(msgspec.Struct, frozen=True):
    """brokers: those that are there, host:port. workers: members of the group. risk: why it is not power-safe, "" = it is."""

    servers: list[str]
    brokers: list[str]
    topics: list[Topic]
    power_safe: bool
    risk: str
    group: str
    workers: int
    lag: list[Lag]
    lag_records: int
    trouble: str


async def health(settings: KafkaSettings) -> Health:
    """How the log is now. Raises InvalidSettings where a file or password for it is not to be had."""
    asked = _Asked(settings)
    try:
        async with asyncio.timeout(ANSWER_S):
            await asked.all()
    except TimeoutError:
        asked.troubles.append(f"{settings.where}: expected answers within {ANSWER_S:.0f} s, got none")
    except (TailraceError, KafkaError, OSError) as error:
        asked.troubles.append(str(error) or type(error).__name__)
    return Health(
        servers=settings.servers,
        brokers=asked.brokers,
        topics=asked.topics,
        power_safe=not asked.risk and not asked.troubles,
        risk=asked.risk,
        group=settings.group,
        workers=asked.workers,
        lag=asked.lag,
        lag_records=sum(each.lag_records or 0 for each in asked.lag),
        trouble="; ".join(asked.troubles),
    )


class _Asked:
    """What was learned so far."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self.brokers: list[str] = []
        self.topics: list[Topic] = []
        self.risk = ""
        self.workers = 0
        self.lag: list[Lag] = []
        self.troubles: list[str] = []

    async def all(self) -> None:
        """Asks for everything, in this order."""
        async with kafka_topics.admin(self._settings) as admin:
            self.brokers = sorted(
                f"{each['host']}:{each['port']}" for each in (await admin.describe_cluster())["brokers"]
            )
            for found in await admin.describe_topics(kafka_topics.names(self._settings)):
                if found["partitions"]:
                    rules = await kafka_topics.config(admin, found["topic"])
                    self.topics.append(_topic(found, rules))
        try:
            self.risk = await kafka_topics.check(self._settings)
        except InvalidSettings as error:
            self.troubles.append(str(error))
            return
        async with kafka_topics.admin(self._settings) as admin:
            coordinator = await _coordinator(admin, self._settings.group)
            self.workers = await _members(admin, self._settings.group, coordinator)
            folded = await admin.list_consumer_group_offsets(self._settings.group, coordinator)
        ends = await _ends(self._settings)
        for place, end in sorted(ends.items()):
            said = folded.get(place)
            at = None if said is None or said.offset < 0 else min(int(said.offset), end)
            self.lag.append(Lag(place.partition, end, at, None if at is None else end - at))


def _topic(found: Mapping[str, Any], rules: Mapping[str, str]) -> Topic:
    return Topic(
        topic=found["topic"],
        partitions=len(found["partitions"]),
        replicas=min(len(each["replicas"]) for each in found["partitions"]),
        in_sync_min=int(rules.get("min.insync.replicas", "1")),
        cleanup=rules.get("cleanup.policy", ""),
        retention_ms=int(rules.get("retention.ms", "-1")),
        retention_bytes=int(rules.get("retention.bytes", "-1")),
    )


async def _coordinator(admin: Any, group: str) -> int:
    """The broker that knows the group; brokers that were just started take a while to agree on one."""
    while True:
        try:
            return int(await admin.find_coordinator(group))
        except KafkaError as error:
            if not error.retriable:
                raise
        await asyncio.sleep(RETRY_S)


async def _members(admin: Any, group: str, coordinator: int) -> int:
    (answer,) = await admin.describe_consumer_groups([group], coordinator)
    return sum(len(each[5]) for each in answer.groups)


async def _ends(settings: KafkaSettings) -> dict[TopicPartition, int]:
    places = [TopicPartition(settings.events, partition) for partition in range(settings.partitions)]
    consumer = AIOKafkaConsumer(**kafka_clients.options(settings), group_id=None, enable_auto_commit=False)
    try:
        await consumer.start()
        return {place: int(end) for place, end in (await consumer.end_offsets(places)).items()}
    except (KafkaError, OSError) as error:
        raise await kafka_clients.away(settings, error) from error
    finally:
        await leave(consumer)
