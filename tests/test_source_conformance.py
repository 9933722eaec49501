"""The one contract of the port `Source`, run by every adapter over its real protocol.

Each adapter is a place where ten readings of one machine wait to be brought, and a way to open a source on it, again and again
as a process does that was restarted.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiomqtt
import msgspec
import pytest

from brokers import broker
from listening import listening
from mqtt_collector import SETTINGS
from opcua_server import BEGIN_NS, Plant
from tailrace.connectors.opcua_settings import OpcUaSettings
from tailrace.connectors.source_file import open_file
from tailrace.connectors.source_mqtt import MqttSettings, MqttSource
from tailrace.connectors.source_opcua import OpcUaSource
from tailrace.engine.source import Delivery, Source
from tailrace.schemas import line
from tailrace.schemas.event import Telemetry
from tailrace.schemas.instant import SECOND, format_instant

COUNT = 10
DEADLINE_S = 60.0
NOW = BEGIN_NS + 365 * 24 * 3600 * SECOND

Open = Callable[[], Source]


@asynccontextmanager
async def events_file(folder: Path) -> AsyncIterator[Open]:
    path = folder / "day.jsonl"
    times = [format_instant(BEGIN_NS + i * SECOND) for i in range(COUNT)]
    lines = [{"type": "telemetry", "machine": "M1", "t": t, "values": {"Temp": i / 2}} for i, t in enumerate(times)]
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    yield lambda: open_file(path)


@asynccontextmanager
async def shdr_file(folder: Path) -> AsyncIterator[Open]:
    path = folder / "M1.shdr"
    path.write_text("".join(f"{format_instant(BEGIN_NS + i * SECOND)}|Temp|{i / 2}\n" for i in range(COUNT)))
    yield lambda: open_file(path)


@asynccontextmanager
async def mqtt(folder: Path) -> AsyncIterator[Open]:
    with broker(folder) as one:
        settings = msgspec.convert(SETTINGS | {"url": one.url}, MqttSettings)
        async with listening(MqttSource(settings)) as subscribed:
            await subscribed.until(
                lambda: subscribed.source.health.connected, "the broker keeps messages for this client"
            )
        async with aiomqtt.Client("127.0.0.1", one.port) as client:
            for i in range(COUNT):
                said = {"ts": BEGIN_NS // SECOND + i, "seq": i, "boot": "b1", "temp": i / 2}
                await client.publish("plant/M1/telemetry", json.dumps(said), qos=1)
        yield lambda: MqttSource(settings)


@asynccontextmanager
async def opcua(folder: Path) -> AsyncIterator[Open]:
    plant = Plant()
    await plant.start()
    try:
        await plant.add("M1", **{f"S{i}": i / 2 for i in range(COUNT)})
        for i in range(COUNT):
            await plant.write(f"M1.S{i}", i / 2, 1000 * i)
        nodes = {f"S{i}": f"ns=2;s=M1.S{i}" for i in range(COUNT)}
        settings = {"name": "line", "url": plant.url, "machines": {"M1": {"values": nodes}}}
        yield lambda: OpcUaSource(msgspec.convert({"kind": "opcua"} | settings, OpcUaSettings))
    finally:
        await plant.server.stop()


ADAPTERS = {"events_file": events_file, "shdr_file": shdr_file, "mqtt": mqtt, "opcua": opcua}


@pytest.fixture(params=list(ADAPTERS))
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    async with ADAPTERS[request.param](tmp_path) as open_:
        yield open_


async def brought(source: Source, count: int, *, acknowledge: bool) -> list[Delivery]:
    """Deliveries until `count` readings are there; then the source is left."""
    found: list[Delivery] = []
    async with asyncio.timeout(DEADLINE_S), aclosing(cast(Any, source.deliveries())) as deliveries:
        async for delivery in deliveries:
            found.append(delivery)
            if acknowledge:
                await delivery.acknowledge()
            if len(readings(found)) >= count:
                break
    return found


def readings(deliveries: list[Delivery]) -> list[Telemetry]:
    return [event for each in deliveries for event in each.events if isinstance(event, Telemetry)]


async def test_everything_comes_in_order_and_is_an_event(opened: Open) -> None:
    found = readings(await brought(opened(), COUNT, acknowledge=True))
    assert [reading.t for reading in found] == [BEGIN_NS + i * SECOND for i in range(COUNT)]
    assert [value for reading in found for value in reading.values.values()] == [i / 2 for i in range(COUNT)]
    assert len({reading.id for reading in found}) == COUNT
    for reading in found:
        assert reading.id
        assert reading.machine == "M1"
        line.check(reading)
        line.check_time(reading, NOW)


async def test_what_was_not_acknowledged_comes_again_with_the_same_ids(opened: Open) -> None:
    first = readings(await brought(opened(), COUNT, acknowledge=False))
    again = readings(await brought(opened(), COUNT, acknowledge=True))
    assert [reading.id for reading in again] == [reading.id for reading in first]


async def test_a_delivery_says_in_which_run_it_came(opened: Open) -> None:
    found = await brought(opened(), COUNT, acknowledge=True)
    for delivery in found:
        assert not delivery.rejected
        for event in delivery.events:
            if event.id.startswith("seq:"):
                assert f":{delivery.session}:" in event.id


async def test_it_has_a_name_and_says_how_it_is(opened: Open) -> None:
    source = opened()
    assert source.name
    assert source.health.since >= 0
    await brought(source, COUNT, acknowledge=True)
    assert not source.health.at_least_once
