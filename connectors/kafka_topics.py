"""The topics of a plant: made once, and looked at before they are used.

Rules: `events` and `derived` keep everything for ever, `checkpoints` keeps the newest of each key; another setting would lose
what figures are made of, so it is refused with what to do. The number of partitions never changes: it says where a machine's
events are, and one order of them is all that a fold may see.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidReplicationFactorError, KafkaError, TopicAlreadyExistsError, for_code

from tailrace.connectors import kafka_clients
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.schemas.errors import InvalidSettings

FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
NEWEST = {"cleanup.policy": "compact"}
LARGE = {"max.message.bytes": str(18 * 1024 * 1024)}
SAFE_REPLICATION, SAFE_IN_SYNC = 3, 2
KNOWN_S = 20.0


async def make(settings: KafkaSettings) -> list[str]:
    """Makes the topics that are missing and gives their names; then `check`. Raises InvalidSettings, Unavailable."""
    in_sync = {"min.insync.replicas": str(SAFE_IN_SYNC if settings.replication >= SAFE_REPLICATION else 1)}
    made = []
    async with admin(settings) as client:
        for topic, rules in _rules(settings).items():
            new = NewTopic(
                topic, settings.partitions, settings.replication, topic_configs={**rules, **LARGE, **in_sync}
            )
            ((_, code, message),) = (await client.create_topics([new])).topic_errors
            error = for_code(code)
            if error is InvalidReplicationFactorError:
                raise InvalidSettings(
                    f"{settings.where}: expected a broker for each of {settings.replication} replicas, got fewer; start more, "
                    "or write replication: 1 into log: of the plant file, which a single broker can keep"
                )
            if code and error is not TopicAlreadyExistsError:
                raise InvalidSettings(
                    f"{settings.where}: topic {topic} was not made: {error.__name__}: {message or error.description}"
                )
            made += [] if code else [topic]
        await _known(client, settings)
    await check(settings)
    return made


async def check(settings: KafkaSettings) -> str:
    """Why an acknowledgement is not power-safe, or "". Raises InvalidSettings where a topic is not as it has to be."""
    async with admin(settings) as client:
        found = {each["topic"]: each for each in await client.describe_topics(names(settings))}
        for topic, rules in _rules(settings).items():
            _check_partitions(settings, topic, found.get(topic, {}))
            _check_rules(topic, rules, await config(client, topic))
        return _risk(settings.events, found[settings.events], await config(client, settings.events))


def names(settings: KafkaSettings) -> list[str]:
    """The topics of a log."""
    return list(_rules(settings))


async def _known(client: Any, settings: KafkaSettings) -> None:
    """Returns when every broker that is asked knows the topics; it hears of them a moment after they were made."""
    async with asyncio.timeout(KNOWN_S):
        while True:
            found = await client.describe_topics(names(settings))
            if all(each["partitions"] for each in found):
                return
            await asyncio.sleep(KNOWN_S / 1000)


def _rules(settings: KafkaSettings) -> dict[str, Mapping[str, str]]:
    return {settings.events: FOR_EVER, settings.derived: FOR_EVER, settings.checkpoints: NEWEST}


def _check_partitions(settings: KafkaSettings, topic: str, found: Mapping[str, Any]) -> None:
    count = len(found.get("partitions", ()))
    if not count:
        raise InvalidSettings(
            f"{settings.where}: expected a topic {topic}, got none; `tailrace init` with the plant file makes it"
        )
    if count != settings.partitions:
        raise InvalidSettings(
            f"{settings.where}: topic {topic}: expected {settings.partitions} partitions as the plant file says, got {count}; "
            "a machine's events stay in one partition by this number, so it never changes: put the old number back, or "
            "`tailrace copy` the log to topics of another name"
        )


def _check_rules(topic: str, rules: Mapping[str, str], found: Mapping[str, str]) -> None:
    for name, value in rules.items():
        if found.get(name) != value:
            raise InvalidSettings(
                f"topic {topic}: expected {name}={value}, got {found.get(name)}; the log is the truth and is kept for ever: "
                f"kafka-configs.sh --alter --topic {topic} --add-config {name}={value}"
            )


def _risk(topic: str, found: Mapping[str, Any], rules: Mapping[str, str]) -> str:
    """Law 14: several copies in step, or a flush before every acknowledgement."""
    copies = min(len(each["replicas"]) for each in found["partitions"])
    in_sync = int(rules.get("min.insync.replicas", "1"))
    if rules.get("flush.messages") == "1" or (copies >= SAFE_REPLICATION and in_sync >= SAFE_IN_SYNC):
        return ""
    return (
        f"not power-safe: topic {topic} has {copies} replicas and min.insync.replicas={in_sync}; expected "
        f"{SAFE_REPLICATION} and {SAFE_IN_SYNC}, or flush.messages=1"
    )


async def config(client: Any, topic: str) -> dict[str, str]:
    """The settings that hold for a topic, its own and those of the brokers."""
    (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    entries = answer.resources[0][4]
    return {entry[0]: entry[1] for entry in entries}


@asynccontextmanager
async def admin(settings: KafkaSettings) -> AsyncIterator[Any]:
    """A client for questions about the brokers and topics; raises Unavailable."""
    client = AIOKafkaAdminClient(**kafka_clients.options(settings))
    try:
        await client.start()
        yield client
    except (KafkaError, OSError, TimeoutError) as error:
        raise await kafka_clients.away(settings, error) from error
    finally:
        await client.close()
