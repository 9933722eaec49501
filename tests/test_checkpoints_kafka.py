"""What only a compacted topic with several writers can get wrong: whose save counts, and what compaction leaves of the line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import pytest

from kafka_broker import topics, unique
from tailrace.connectors.checkpoints_kafka import KafkaCheckpoints, Line, decoded
from tailrace.connectors.kafka_partition import PartitionReader
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.engine.checkpoints import Manifest
from tailrace.schemas.errors import StaleWriter, Unavailable

NAMES = [f"p{i}" for i in range(6)]
Copies = dict[bytes, Mapping[str, bytes]]
"""Every page that a writer had, by the hash that its manifest carries."""


def manifest(position: int, base: int, tag: bytes) -> Manifest:
    return Manifest(
        topology="oee", version=1, position=position, record_hash=tag, derived_end=1, marks={"M1": 1}, base=base
    )


@asynccontextmanager
async def opened(settings: KafkaSettings) -> AsyncIterator[KafkaCheckpoints]:
    sender = Sender(settings)
    checkpoints = KafkaCheckpoints(settings, 0, sender)
    try:
        yield checkpoints
    finally:
        await sender.close()
        await checkpoints.close()


async def contend(settings: KafkaSettings, random: Random, saves: int) -> tuple[Copies, list[bytes]]:
    """Two workers that save on what each believes in; gives what they had, and whose saves were stored, in order."""
    copies: Copies = {b"": {}}
    stored: list[bytes] = []
    async with opened(settings) as a, opened(settings) as b:
        for step in range(saves):
            writer = random.choice([a, b])
            if random.random() < 0.5:
                await writer.manifests("oee", 1)
            kept = writer._line(("oee", 1))._kept
            base = random.choice([0, *kept]) if random.random() < 0.1 else max(kept, default=0)
            tag = b"%d" % step
            dirty = {name: tag + name.encode() for name in random.sample(NAMES, random.randrange(4))}
            copies[tag] = {**copies[kept[base].stored.manifest.record_hash if base else b""], **dirty}
            with suppress(StaleWriter):
                await writer.save(manifest(base + random.randint(1, 5), base, tag), dirty)
                stored.append(tag)
    return copies, stored


def check(line: Line, copies: Copies) -> list[bytes]:
    """Every manifest has every page that its writer had; gives their hashes, newest first."""
    found = line.manifests()
    for each in found:
        held = {name: line.page(name, each.position) for name in NAMES}
        assert {name: page for name, page in held.items() if page is not None} == copies[each.record_hash]
    return [each.record_hash for each in found]


async def messages(settings: KafkaSettings) -> Sequence[Any]:
    reader = PartitionReader(settings, settings.checkpoints, 0)
    try:
        return await reader.read(0, await reader.end())
    finally:
        await reader.close()


def replayed(some: Sequence[Any]) -> Line:
    line = Line(("oee", 1))
    for message in some:
        line.take(decoded(message), message.value)
    return line


def compacted(some: Sequence[Any], random: Random) -> Sequence[Any]:
    """As the broker does it: of each key the newest up to some point stays; what takes a key away goes later, or stays."""
    cut = random.randrange(len(some) + 1)
    newest = {message.key: message.offset for message in some[:cut]}
    kept = [message for message in some[:cut] if newest[message.key] == message.offset]
    return [message for message in kept if message.value is not None or random.random() < 0.5] + list(some[cut:])


@pytest.mark.parametrize("seed", range(4))
async def test_two_who_save_agree_on_one_line_whatever_is_compacted(seed: int) -> None:
    random, settings = Random(seed), await asyncio.to_thread(lambda: topics(unique()))
    copies, stored = await contend(settings, random, 60)
    everything = await messages(settings)
    whole = check(replayed(everything), copies)
    assert whole[0] == stored[-1]
    assert 10 < len(stored) < 60
    for _ in range(200):
        assert check(replayed(compacted(everything, random)), copies) == whole


@pytest.mark.parametrize("seed", range(4))
async def test_a_page_that_is_lost_takes_its_manifests_with_it(seed: int) -> None:
    random, settings = Random(seed), await asyncio.to_thread(lambda: topics(unique()))
    copies, _ = await contend(settings, random, 40)
    everything = await messages(settings)
    gone = 0
    for _ in range(200):
        lost = random.randrange(len(everything))
        gone += len(check(replayed([*everything[:lost], *everything[lost + 1 :]]), copies)) < 2
    assert gone


async def test_another_message_in_the_topic_is_said() -> None:
    settings = await asyncio.to_thread(lambda: topics(unique()))
    sender = Sender(settings)
    await (await sender._open()).send_and_wait(settings.checkpoints, b"?", b"\xc1", 0)
    await sender.close()
    async with opened(settings) as checkpoints:
        with pytest.raises(Unavailable, match="position 1: expected a checkpoint that Tailrace wrote, got another"):
            await checkpoints.manifests("oee", 1)
