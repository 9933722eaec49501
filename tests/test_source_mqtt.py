"""The MQTT source against a real mosquitto: nothing lost, nothing acknowledged early, nothing wrong let through."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest

from brokers import Broker, broker, free_port, wait_until
from certificates import certificate
from commands import DEADLINE_S
from listening import Listener, listening
from mqtt_collector import SETTINGS
from tailrace.connectors import mqtt_client
from tailrace.connectors.link import Link
from tailrace.connectors.mqtt_client import Received
from tailrace.connectors.mqtt_reader import Reader
from tailrace.connectors.mqtt_topics import Machine
from tailrace.connectors.payload import Payload, PayloadSettings
from tailrace.connectors.source_mqtt import MqttSettings, MqttSource
from tailrace.schemas.event import (
    ConnectionLost,
    ConnectionRestored,
    PartsCounted,
    StateChanged,
    Telemetry,
)

START = 1_790_000_000


def source(url: str, **change: Any) -> MqttSource:
    return MqttSource(msgspec.convert(SETTINGS | {"url": url} | change, MqttSettings))


def message(seq: int, boot: str = "b1", **more: Any) -> bytes:
    return json.dumps({"ts": START + seq, "seq": seq, "boot": boot, "temp": seq / 2} | more).encode()


async def publish(port: int, messages: list[tuple[str, bytes]], qos: int = 1, retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", port, timeout=DEADLINE_S, max_inflight_messages=500) as client:
        client.pending_calls_threshold = len(messages) + 1
        await asyncio.gather(*(client.publish(topic, raw, qos=qos, retain=retain) for topic, raw in messages))


async def connected(listener: Listener) -> None:
    await listener.until(lambda: listener.source.health.connected, "connected")


def readings(listener: Listener) -> list[Telemetry]:
    return listener.of(Telemetry)


# -- counts --------------------------------------------------------------------------------------------------------------


async def test_what_arrives_equals_a_direct_count_of_what_was_sent(mosquitto: Broker) -> None:
    dice = random.Random(3)
    machines = ["M1", "M2", "M3"]
    sent: list[Any] = []
    for _ in range(3000):
        made = {"m": dice.choice(machines), "good": dice.randrange(3), "bad": dice.randrange(2)}
        sent.append(made | {"s": dice.choice(["run", "stop"])})
    numbers = dict.fromkeys(machines, -1)
    messages = []
    for one in sent:
        n = numbers[one["m"]] = numbers[one["m"]] + 1
        messages.append((f"plant/{one['m']}/telemetry", message(n, good=one["good"], bad=one["bad"], s=one["s"])))
    reading = SETTINGS["payload"] | {"good": "$.good", "reject": "$.bad", "state": "$.s"}
    async with listening(source(mosquitto.url, payload=reading)) as listener:
        await connected(listener)
        await publish(mosquitto.port, messages)
        await listener.until(lambda: len(readings(listener)) == len(sent), "3000 readings")
    for name in machines:
        mine: list[dict[str, Any]] = [one for one in sent if one["m"] == name]
        parts = [each for each in listener.of(PartsCounted) if each.machine == name]
        assert sum(each.good for each in parts) == sum(one["good"] for one in mine)
        assert sum(each.reject for each in parts) == sum(one["bad"] for one in mine)
        assert [each.seq for each in readings(listener) if each.machine == name] == list(range(len(mine)))
        states = [one["s"] for one in mine]
        changes = [state for before, state in zip([None, *states], states, strict=False) if state != before]
        assert [each.state for each in listener.of(StateChanged) if each.machine == name] == changes
    assert len({event.id for event in listener.events}) == len(listener.events)
    assert not listener.rejected
    assert {event.clock for event in listener.events} == {"shop"}
    assert {each.session for each in listener.deliveries if each.events} == {f"{name}/b1" for name in machines}


# -- acknowledgement -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_what_was_not_acknowledged_comes_again_with_the_same_ids(mosquitto: Broker, protocol: str) -> None:
    messages = [("plant/M1/telemetry", message(n)) for n in range(300)]
    async with listening(source(mosquitto.url, protocol=protocol), acknowledge=False) as first:
        await connected(first)
        await publish(mosquitto.port, messages)
        await first.until(lambda: len(readings(first)) == 300, "300 readings")
    async with listening(source(mosquitto.url, protocol=protocol)) as second:
        await second.until(lambda: second.acknowledged == 300, "300 readings again, acknowledged")
    assert [event.id for event in readings(second)] == [event.id for event in readings(first)]
    async with listening(source(mosquitto.url, protocol=protocol)) as third:
        await connected(third)
        await publish(mosquitto.port, [("plant/M1/telemetry", message(300))])
        await third.until(lambda: bool(third.events), "the next message")
    assert [event.seq for event in third.events] == [300]


async def test_a_collector_that_dies_between_receiving_and_writing_loses_nothing(
    mosquitto: Broker, tmp_path: Path
) -> None:
    """With an acknowledgement on arrival, what lies in between is lost: this goes red."""
    dice = random.Random(11)
    path = tmp_path / "written"
    path.touch()
    total = 2000
    collector = str(Path(__file__).with_name("mqtt_collector.py"))

    def start(cut: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, collector, str(mosquitto.port), str(path), str(cut)])

    async with listening(source(mosquitto.url)) as subscriber:
        await connected(subscriber)
    await publish(mosquitto.port, [("plant/M1/telemetry", message(n)) for n in range(total)])
    for _ in range(3):
        process = start(dice.randrange(1, 600))
        assert await asyncio.to_thread(process.wait, 20) == -9
    process = start(10**9)
    try:
        expected = {f"seq:shop:M1/b1:{n + 1}" for n in range(total)}
        await asyncio.to_thread(
            wait_until, lambda: set(path.read_text().split()) == expected, "every reading is written", 15
        )
    finally:
        process.kill()
        process.wait()


async def test_the_window_bounds_what_is_under_way(mosquitto: Broker) -> None:
    """Seven unacknowledged ones, and not one more until somebody acknowledges."""
    async with listening(source(mosquitto.url, receive_maximum=7), acknowledge=False) as listener:
        await connected(listener)
        await publish(mosquitto.port, [("plant/M1/telemetry", message(n)) for n in range(50)])
        await answered(mosquitto.port)
        await listener.until(lambda: len(readings(listener)) >= 7, "7 readings")
        assert len(readings(listener)) == 7
        for delivery in list(listener.deliveries):
            await delivery.acknowledge()
        await listener.until(lambda: len(readings(listener)) > 7, "more after the acknowledgement")


@pytest.mark.parametrize("qos", [0, 1])
async def test_a_source_that_nobody_asks_reads_no_further(
    mosquitto: Broker, monkeypatch: pytest.MonkeyPatch, qos: int
) -> None:
    """What waits is bounded at either quality of service, and nothing of it is dropped."""
    monkeypatch.setattr(mqtt_client, "WAITING_MAX", 20)
    sizes: list[int] = []
    kept = mqtt_client.Inbox.put_nowait

    def watched(inbox: mqtt_client.Inbox, one: aiomqtt.Message) -> None:
        kept(inbox, one)
        sizes.append(len(inbox))

    monkeypatch.setattr(mqtt_client.Inbox, "put_nowait", watched)
    held = source(mosquitto.url, qos=qos)
    deliveries = held.deliveries()
    first = asyncio.ensure_future(anext(deliveries))
    await asyncio.to_thread(wait_until, lambda: held.health.connected, "connected")
    await publish(mosquitto.port, [("plant/M1/telemetry", message(n)) for n in range(2000)], qos=qos)
    await answered(mosquitto.port)
    events = list((await first).events)
    while len(events) < 2000:
        delivery = await asyncio.wait_for(anext(deliveries), 60)
        events += delivery.events
        await delivery.acknowledge()
    await deliveries.aclose()  # type: ignore[attr-defined]
    assert [event.seq for event in events] == list(range(2000))
    assert max(sizes) <= 20 + mqtt_client.READS_MAX


async def answered(port: int) -> None:
    """Returns when the broker has done everything that it was asked before."""
    async with aiomqtt.Client("127.0.0.1", port, timeout=DEADLINE_S) as client:
        await client.subscribe("done")
        await client.publish("done", b"", qos=1)
        await anext(client.messages)


# -- connections ---------------------------------------------------------------------------------------------------------


async def test_a_broker_that_is_killed_is_found_again_and_subscribed_to_again(tmp_path: Path) -> None:
    with broker(tmp_path, persistent=False) as mosquitto:
        async with listening(source(mosquitto.url)) as listener:
            await connected(listener)
            await publish(mosquitto.port, [("plant/M1/telemetry", message(0))])
            await listener.until(lambda: len(readings(listener)) == 1, "a reading")
            before = time.time_ns()
            mosquitto.kill()
            await listener.until(lambda: bool(listener.of(ConnectionLost)), "connection lost")
            await listener.until(lambda: "cannot" in listener.source.health.detail or "refused" in
                                 listener.source.health.detail.lower(), "words")  # fmt: skip
            mosquitto.start()
            await listener.until(lambda: bool(listener.of(ConnectionRestored)), "connection restored")
            await publish(mosquitto.port, [("plant/M1/telemetry", message(1))])
            await listener.until(lambda: len(readings(listener)) == 2, "a reading after the restart")
    (lost,), (restored,) = listener.of(ConnectionLost), listener.of(ConnectionRestored)
    assert before <= lost.t < restored.t <= time.time_ns()
    assert (lost.clock, lost.source, restored.source) == ("tailrace", "shop", "shop")
    assert lost.reason


async def test_an_acknowledgement_is_for_its_own_connection(mosquitto: Broker) -> None:
    async with listening(source(mosquitto.url), acknowledge=False) as listener:
        await connected(listener)
        await publish(mosquitto.port, [("plant/M1/telemetry", message(n)) for n in range(5)])
        await listener.until(lambda: len(readings(listener)) == 5, "5 readings")
        old = [delivery for delivery in listener.deliveries if delivery.events]
        mosquitto.stop()
        await listener.until(lambda: bool(listener.of(ConnectionLost)), "connection lost")
        mosquitto.start()
        await listener.until(lambda: len(readings(listener)) == 10, "the 5 again")
        for delivery in old:
            await delivery.acknowledge()
    ids = [event.id for event in readings(listener)]
    assert ids[:5] == ids[5:]
    async with listening(source(mosquitto.url)) as again:
        await again.until(lambda: len(readings(again)) == 5, "the 5 that nobody acknowledged on their connection")


async def test_a_broker_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    mosquitto = Broker(tmp_path)
    async with listening(source(mosquitto.url)) as listener:
        await listener.until(lambda: str(mosquitto.port) in listener.source.health.detail, "health names the address")
        assert not listener.source.health.connected
        mosquitto.start()
        try:
            await connected(listener)
            await publish(mosquitto.port, [("plant/M1/telemetry", message(0))])
            await listener.until(lambda: len(listener.events) == 1, "a reading")
        finally:
            mosquitto.kill()
    assert not listener.of(ConnectionRestored), "the first connection of a run restores nothing"


async def test_two_clients_of_one_name_are_told_so(mosquitto: Broker) -> None:
    async with listening(source(mosquitto.url, retry_max_s=30.0)) as first:
        await connected(first)
        version = aiomqtt.ProtocolVersion.V5
        async with aiomqtt.Client("127.0.0.1", mosquitto.port, identifier="tailrace-shop", protocol=version):
            await first.until(lambda: bool(first.of(ConnectionLost)), "connection lost")
    assert "'tailrace-shop'? set client_id" in first.of(ConnectionLost)[0].reason


async def test_a_broker_that_never_answers_is_left_alone_in_time() -> None:
    accepted: list[asyncio.StreamWriter] = []

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(60), listening(source(f"mqtt://127.0.0.1:{port}")) as listener:
        await listener.until(lambda: bool(accepted), "a connection")
    for writer in accepted:
        writer.close()
    server.close()


# -- bad input -----------------------------------------------------------------------------------------------------------


async def test_a_bad_message_is_rejected_with_its_bytes_and_the_stream_goes_on(mosquitto: Broker) -> None:
    bad = [
        b"{",
        b"",
        b"\xff\xfe",
        b'{"seq":1}',
        b'{"ts":"?","seq":1,"boot":"b","temp":1}',
        message(1, temp="hot"),
        b"[]",
    ]
    future = message(1, ts=time.time() + 3600)
    messages = [("plant/M1/telemetry", message(0))]
    messages += [("plant/M1/telemetry", raw) for raw in [*bad, future]]
    messages += [("plant/M1/telemetry", message(2)), (f"plant/{'x' * 65}/telemetry", message(3))]
    async with listening(source(mosquitto.url)) as listener:
        await connected(listener)
        await publish(mosquitto.port, messages)
        await listener.until(lambda: len(listener.rejected) == len(bad) + 2, "every bad message is rejected")
        await listener.until(lambda: len(readings(listener)) == 2, "both good ones")
    assert [each.raw for each in listener.rejected] == [*bad, future, message(3)]
    assert {each.where for each in listener.rejected[:-1]} == {"plant/M1/telemetry"}
    assert all("expected" in each.reason for each in listener.rejected)
    async with listening(source(mosquitto.url)) as again:
        await connected(again)
        await publish(mosquitto.port, [("plant/M1/telemetry", message(4))])
        await again.until(lambda: bool(again.events), "the next message")
    assert [event.seq for event in again.events] == [4], "what was rejected is acknowledged and does not come again"
    assert not again.rejected


def test_a_payload_deeper_than_any_is_refused() -> None:
    """Every depth at which either the decoder or the walk over it gives up."""
    payload = Payload(msgspec.convert({"values": "*"}, PayloadSettings), "shop")
    reader = Reader("shop", Machine(["x"], "M1"), payload, Link("shop"))
    for depth in (10, 200, 400, 600, 800, 900, 950, 980, 1000, 100_000):
        raw = b'{"a":' * depth + b"1" + b"}" * depth
        (run,) = reader.runs([Received(aiomqtt.Message("x", raw, 1, False, 1, None), time.time_ns())])
        assert bool(run.rejected) is (depth > 10), depth
        assert len(run.events) == (depth <= 10)


async def test_words_for_a_broker_that_wants_a_user(tmp_path: Path) -> None:
    port = free_port()
    with broker(tmp_path, extra=f"listener {port} 127.0.0.1\nallow_anonymous false", port=port) as mosquitto:
        async with listening(source(mosquitto.url, username="u", password="wrong")) as listener:
            await listener.until(lambda: "check username and password" in listener.source.health.detail, "words")


async def test_origins_keep_the_bytes_of_every_event(mosquitto: Broker) -> None:
    async with listening(source(mosquitto.url)) as listener:
        await connected(listener)
        await publish(mosquitto.port, [("plant/M1/telemetry", message(n)) for n in range(20)])
        await listener.until(lambda: len(readings(listener)) == 20, "20 readings")
    for delivery in listener.deliveries:
        assert len(delivery.origins) == len(delivery.events)
    origins = [origin for delivery in listener.deliveries for origin in delivery.origins]
    assert [(origin.raw, origin.where) for origin in origins] == [(message(n), "plant/M1/telemetry") for n in range(20)]


# -- kinds of messages ---------------------------------------------------------------------------------------------------


async def test_a_retained_message_is_a_reading(mosquitto: Broker) -> None:
    await publish(mosquitto.port, [("plant/M7/telemetry", message(5))], retain=True)
    async with listening(source(mosquitto.url)) as listener:
        await listener.until(lambda: bool(listener.events), "the retained message")
    assert [(event.machine, event.seq) for event in listener.events] == [("M7", 5)]


async def test_with_a_time_but_no_sequence_the_message_is_its_own_identity(mosquitto: Broker) -> None:
    timed = {"payload": {"time": "$.ts", "values": "*"}}
    same, other = b'{"ts":1795348800,"a":1}', b'{"ts":1795348800,"a":2}'
    async with listening(source(mosquitto.url, **timed)) as listener:
        await connected(listener)
        await publish(mosquitto.port, [("plant/M1/telemetry", raw) for raw in (same, other, same)])
        await listener.until(lambda: len(listener.events) == 3, "3 readings")
    first, second, third = [event.id for event in listener.events]
    assert first == third != second
    assert not first.startswith("seq:")
    assert not listener.source.health.at_least_once


async def test_with_neither_every_message_counts_and_health_says_so(mosquitto: Broker) -> None:
    async with listening(source(mosquitto.url, payload={"values": "*"})) as listener:
        await connected(listener)
        assert not listener.source.health.at_least_once
        await publish(mosquitto.port, [("plant/M1/telemetry", b'{"a":1}')] * 3)
        await listener.until(lambda: len(listener.events) == 3, "3 readings")
    assert listener.source.health.at_least_once
    assert len({event.id for event in listener.events}) == 3
    assert {event.clock for event in listener.events} == {"tailrace"}
    sessions = {delivery.session for delivery in listener.deliveries if delivery.events}
    assert {event.id.rsplit(":", 1)[0] for event in listener.events} == {f"seq:shop:{session}" for session in sessions}


# -- TLS -----------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # paho leaves a failed handshake's socket
async def test_tls_with_a_client_certificate_and_words_without_one(tmp_path: Path) -> None:
    authority = certificate(tmp_path, "authority")
    certificate(tmp_path, "server", authority)
    certificate(tmp_path, "client", authority)
    port = free_port()
    extra = (
        f"listener {port} 127.0.0.1\nallow_anonymous true\nrequire_certificate true\n"
        f"cafile {tmp_path}/authority.crt\ncertfile {tmp_path}/server.crt\nkeyfile {tmp_path}/server.key"
    )
    with broker(tmp_path, extra=extra, port=port):
        url, ca = f"mqtts://localhost:{port}", str(tmp_path / "authority.crt")
        own = {"cert": str(tmp_path / "client.crt"), "key": str(tmp_path / "client.key")}
        async with listening(source(url, ca=ca, timeout_s=1.0, **own)) as listener:
            await connected(listener)
        for change, words in [
            ({"ca": ca}, "certificate"),
            ({"ca": str(tmp_path / "none.crt")}, "none.crt"),
            (own, "certificate"),
        ]:
            async with listening(source(url, timeout_s=1.0, **change)) as listener:
                await listener.until(lambda: listener.source.health.detail not in ("", "not started"), "words")
                assert words in listener.source.health.detail
                assert not listener.source.health.connected
        gc.collect()
