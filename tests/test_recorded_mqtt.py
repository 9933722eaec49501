"""Recordings of real messages, published by a real broker: what was recorded is what the MQTT source brings."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import aiomqtt
import msgspec
import pytest

from brokers import broker
from components import shared
from listening import listening
from tailrace.connectors.source_mqtt import MqttSettings, MqttSource
from tailrace.schemas.event import StateChanged
from tailrace.schemas.instant import Instant

STATES = {100: "stopped", 200: "idle", 300: "running", 400: "running"}
SETTINGS: dict[str, Any] = {
    "kind": "mqtt",
    "name": "labels",
    "topic": "l99/+/evt/status",
    "machine": "topic:1",
    "payload": {
        "time": {"path": "$._ts", "unit": "ms"},
        "state": {"path": "$.state", "map": STATES, "default": "unknown"},
        "values": {"cpu_time": "$.cpu_time"},
    },
}


class Message(NamedTuple):
    """A row of a recording: topic, message, qos, retain, and the time at which it was recorded (s)."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    time: float


def recorded(path: Path) -> list[Message]:
    """The messages of a recording, in order; the machine is named, where the recorder left a placeholder."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Message(
            row["topic"].replace("${deviceId}", "labeler"), row["message"].encode(), int(row["qos"]),
            row["retain"] == "1", float(row["time_now"]),
        )
        for row in rows
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["ladder99_print-apply_run2", "ladder99_print-apply_run7"])
async def test_a_recording_is_what_the_source_brings(tmp_path: Path, name: str) -> None:
    messages = recorded(shared(f"recordings/{name}.csv"))
    said = [json.loads(each.payload) for each in messages if each.topic.endswith("/evt/status")]
    wanted: list[tuple[int, str]] = []
    for each in said:
        word = STATES.get(each["state"], "unknown")
        if not wanted or wanted[-1][1] != word:
            wanted.append((each["_ts"] * 1_000_000, word))
    with broker(tmp_path) as mosquitto:
        source = MqttSource(msgspec.convert(SETTINGS | {"url": mosquitto.url}, MqttSettings))
        async with listening(source) as listener:
            await listener.until(lambda: listener.source.health.connected, "connected")
            async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
                for each in messages:
                    await client.publish(each.topic, each.payload, qos=1, retain=each.retain)
            distinct = {each.payload for each in messages if each.topic.endswith("/evt/status")}
            await listener.until(lambda: len({e.id for e in listener.events if not isinstance(e, StateChanged)})
                                 >= len(distinct), "every message")  # fmt: skip
    assert not listener.rejected
    assert [(int(e.t), e.state) for e in listener.of(StateChanged)] == wanted
    assert {event.machine for event in listener.events} == {"labeler"}
    assert Instant(wanted[0][0]) == listener.of(StateChanged)[0].t
    assert Counter(word for _, word in wanted)["running"] > 0
