"""The broker that the other tests stand on: it comes back with its topics after being killed."""

from __future__ import annotations

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from kafka_broker import kafka, unique


async def test_a_killed_broker_comes_back_with_its_topics() -> None:
    broker = await asyncio.to_thread(kafka)
    name = unique()
    assert name not in await _topics(broker.address)
    await _make(broker.address, name)
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)
    assert name in await _topics(broker.address)


async def _topics(address: str) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    try:
        await admin.start()
        return list(await admin.list_topics())
    finally:
        await admin.close()


async def _make(address: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    try:
        await admin.start()
        await admin.create_topics([NewTopic(name, 1, 1)])
    finally:
        await admin.close()
