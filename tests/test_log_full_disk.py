"""A full disk under `tailrace up`: nothing is acknowledged that is not stored, it is said, and it goes on when there is space."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as paho

from brokers import Broker, publisher
from commands import live, running, tailrace_json, until
from components import missing
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.connectors.log_sqlite_verify import verify
from tailrace.schemas import codec
from tailrace.schemas.event import Telemetry

DISK_MB = 48
START = 1_795_154_400  # 2026-11-20T06:00:00Z
SIGNALS = 900
PLANT = """
site: {{name: Test}}
machines:
  M1: {{line: L1}}
sources:
  - kind: mqtt
    name: floor
    url: {url}
    topic: plant/{{machine}}/data
    retry_max_s: 0.5
    payload: {{time: $.ts, sequence: $.seq, session: $.boot, values: "*"}}
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        missing("the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_stops_acknowledgements_is_said_and_is_over_with_space(small_disk: Path, mosquitto: Broker) -> None:
    """Messages of 900 values go on coming while there is no room for them: the broker keeps what is not acknowledged."""
    plant = mosquitto.folder.parent / "plant.yaml"
    plant.write_text(PLANT.format(url=mosquitto.url))
    data = small_disk / "data"
    with running(plant, data), publisher(mosquitto) as client:
        until(lambda: _up(data)["sources"][0]["connected"], "connected")
        _send(client, range(1, 11))
        until(lambda: len(_numbers(data)) == 10, "there is space")
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(_free(small_disk) - 300_000))
        _send(client, range(11, 301))
        until(lambda: "the disk is full" in json.dumps(_up(data)), "it is said")
        stored = _numbers(data)
        assert len(stored) < 300
        assert stored == list(range(1, len(stored) + 1))
        ballast.unlink()
        until(lambda: len(_numbers(data)) >= 300, "what was not acknowledged comes again")
        assert _numbers(data) == list(range(1, 301))
        until(lambda: "the disk is full" not in json.dumps(_up(data)), "it is over")
        accounts = {each["source"]: each for each in tailrace_json("status", "--dir", data)["sources"]}
        assert accounts["floor"]["appended"] == 300
    assert verify(data / "events.db").ok


def _send(client: paho.Client, numbers: range) -> None:
    for n in numbers:
        values = {"boot": "b1", "seq": n, "ts": START + n, "Temp": n / 8} | {f"v{i}": n for i in range(SIGNALS)}
        client.publish("plant/M1/data", json.dumps(values).encode(), qos=1)
    client.publish("done", b"", qos=1).wait_for_publish(30)


def _up(data: Path) -> Mapping[str, Any]:
    return live(data) or {"sources": [{"connected": False}]}


def _numbers(data: Path) -> list[float]:
    """What the readings in the log say, eighths as sent, in order."""
    with closing(LogReader(data / "events.db")) as log:
        records = log.read(0, 10_000)
    found = [event for record in records if record.type == "telemetry" for event in codec.events_of(record)]
    return [8 * float(event.values["Temp"]) for event in found if isinstance(event, Telemetry)]


def _free(folder: Path) -> int:
    found = subprocess.run(["stat", "-f", "-c", "%a %S", str(folder)], capture_output=True, check=True, text=True)
    blocks, size = map(int, found.stdout.split())
    return blocks * size
