"""What nobody saw is unknown: over real sockets, with a broker and a collector that are killed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as paho

from brokers import Broker, publisher
from commands import Up, live, running, tailrace, tailrace_json, until
from tailrace.schemas.instant import SECOND, parse_instant

PLANT = """
site: {{name: Test}}
machines: {{M1: {{line: L1}}}}
sources:
  - kind: mqtt
    name: floor
    url: {url}
    topic: plant/{{machine}}/data
    retry_max_s: 0.5
    payload: {{time: $.ts, state: $.state}}
"""


@pytest.fixture
def plant(tmp_path: Path, mosquitto: Broker) -> Path:
    path = tmp_path / "plant.yaml"
    path.write_text(PLANT.format(url=mosquitto.url))
    return path


def of(directory: Path, kind: str) -> list[dict[str, Any]]:
    """The events of one type, in the order of the log."""
    lines = tailrace("export", "--dir", directory).stdout.splitlines()
    return [event for event in map(json.loads, lines) if event["type"] == kind]


def t_of(event: dict[str, Any]) -> int:
    return int(parse_instant(event["t"]))


def connected(up: Up) -> None:
    until(lambda: all(each["connected"] for each in (live(up.directory) or {"sources": [{"connected": 0}]})["sources"]),
          "connected")  # fmt: skip


def says(client: paho.Client, directory: Path, state: str) -> None:
    """The machine says its state, and that is in the log."""
    known = len(of(directory, "state.changed"))
    client.publish("plant/M1/data", json.dumps({"ts": time.time(), "state": state}).encode(), qos=1)
    until(lambda: len(of(directory, "state.changed")) > known, f"{state} is in the log")


def unknown(directory: Path) -> int:
    """ns of unknown between the first state and the last."""
    first, *_, last = (event["t"] for event in of(directory, "state.changed"))
    window = ("--dir", directory, "--machine", "M1", "--from", first, "--to", last)
    found = tailrace_json("oee", *window)
    assert found["run"] + found["unknown"] == pytest.approx(found["calendar"], abs=1e-6)
    return int(found["unknown"] * SECOND)


def test_while_a_broker_was_away_nothing_is_known(tmp_path: Path, plant: Path, mosquitto: Broker) -> None:
    data = tmp_path / "data"
    with running(plant, data) as up:
        connected(up)
        with publisher(mosquitto) as client:
            says(client, data, "running")
        mosquitto.kill()
        until(lambda: of(data, "connection.lost"), "the loss is in the log")
        mosquitto.start()
        connected(up)
        with publisher(mosquitto) as client:
            says(client, data, "running")
            up.stop()
    lost = of(data, "connection.lost")[0]
    assert (lost["machine"], lost["source"]) == ("M1", "floor")
    assert unknown(data) == pytest.approx(t_of(of(data, "state.changed")[-1]) - t_of(lost), abs=1000)


def test_while_the_collector_was_dead_nothing_is_known(tmp_path: Path, plant: Path, mosquitto: Broker) -> None:
    data = tmp_path / "data"

    def named() -> list[dict[str, Any]]:
        return [tick for tick in of(data, "clock.ticked") if "floor" in tick.get("since", {})]

    with publisher(mosquitto) as client:
        with running(plant, data) as up:
            connected(up)
            says(client, data, "running")
            until(named, "a tick names the source")
            up.kill()
        before = named()
        with running(plant, data) as up:
            connected(up)
            says(client, data, "running")
            until(lambda: len(named()) > len(before), "a tick names the source again")
            up.stop()
    dead = t_of(of(data, "state.changed")[-1]) - t_of(before[-1])
    assert dead > 0
    assert unknown(data) == pytest.approx(dead, abs=1000)
