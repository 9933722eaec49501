"""`tailrace up` over real protocols: what was sent is what the commands say, whatever happens to the process."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from paho.mqtt import client as paho

from brokers import Broker, free_port, publisher
from commands import DEADLINE_S, Up, live, running, tailrace, tailrace_json, until
from tailrace.app import compose
from tailrace.connectors.log_sqlite_reader import LogReader

ROOT = Path(__file__).parents[1]
START = 1_795_154_400  # 2026-11-20T06:00:00Z
PLANT = """
site: {{name: Test}}
machines:
  M1: {{line: L1, signals: [Temp]}}
sources:
  - kind: mqtt
    name: floor
    url: {url}
    topic: plant/{{machine}}/data
    retry_max_s: 0.5
    payload:
      time: $.ts
      sequence: $.seq
      session: $.boot
      state: $.state
      good: $.good
      values: "*"
"""


@pytest.fixture
def plant(tmp_path: Path, mosquitto: Broker) -> Path:
    path = tmp_path / "plant.yaml"
    path.write_text(PLANT.format(url=mosquitto.url))
    return path


@contextmanager
def process(
    command: Sequence[str], cwd: Path = ROOT, stdin: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[str]]:
    """A program whose lines are read; it is gone at the end, whatever happened, and cannot outlive its deadline."""
    with subprocess.Popen(command, cwd=cwd, stdin=stdin, stdout=subprocess.PIPE, text=True) as one:
        deadline = threading.Timer(DEADLINE_S, one.kill)
        deadline.start()
        try:
            yield one
        finally:
            deadline.cancel()
            one.kill()


def send(client: paho.Client, payload: object, machine: str = "M1") -> None:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    client.publish(f"plant/{machine}/data", body, qos=1)


def sent(client: paho.Client) -> None:
    """Everything that was published is with the broker."""
    marker = client.publish("done", b"", qos=1)
    marker.wait_for_publish(30)


def connected(up: Up) -> None:
    """The source hears its machines."""
    until(
        lambda: all(each["connected"] for each in (live(up.directory) or {"sources": [{"connected": 0}]})["sources"]),
        "connected",
    )


def appended(directory: Path) -> int:
    reader = LogReader(directory / "events.db")
    try:
        return reader.events_count()
    finally:
        reader.close()


def reached(directory: Path, events: int) -> Callable[[], bool]:
    return lambda: appended(directory) >= events


def account(directory: Path, name: str = "floor") -> dict[str, int]:
    found = tailrace_json("status", "--dir", directory)["sources"]
    return {key: n for each in found if each["source"] == name for key, n in each.items() if key != "source"}


def message(n: int, **more: object) -> dict[str, object]:
    return {"boot": "b1", "seq": n, "ts": START + n / 10, "good": 1, "Temp": n / 8} | more


def exported(directory: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in tailrace("export", "--dir", directory).stdout.splitlines()]


def test_figures_equal_what_was_sent(tmp_path: Path, plant: Path, mosquitto: Broker) -> None:
    data = tmp_path / "data"
    with running(plant, data) as up, publisher(mosquitto) as client:
        connected(up)
        for n in range(600):
            send(client, message(n, state="running" if n < 300 else "stopped"))
        for n in range(10):
            send(client, message(n))
        send(client, b'{"broken')
        send(client, message(600, Temperature=1.0))
        send(client, message(601, ts="2026-11-20T06:00:00"))
        for n in range(100):
            send(client, message(n, reject=5), machine="M2")
        sent(client)
        # A message with state, parts and values is three events; a repeat of ten messages is known, also its parts.
        until(lambda: account(data).get("received", 0) >= 2 * 710 + 2 + 4, "everything is accounted for")
        during = account(data)
        window = ("--machine", "M1", "--from", START, "--to", START + 60)
        until(lambda: tailrace_json("oee", "--dir", data, *window)["total"] == 600, "the figures are there")
        up.stop()
        assert up.process.returncode == 0
    assert account(data) == during
    assert during["quarantined"] == 3
    assert during["received"] == during["appended"] + during["duplicate"] + during["quarantined"]
    found = tailrace_json("oee", "--dir", data, *window)
    assert (found["good"], found["run"]) == (600, 30.0)
    events = exported(data)
    assert Counter(each["type"] for each in events if each.get("machine") == "M2") == {
        "telemetry": 100,
        "parts.counted": 100,
    }
    reasons = [str(each["reason"]) for each in events if each["type"] == "ingest.quarantined"]
    assert sum("Temperature" in reason for reason in reasons) == 1
    assert [each["source"] for each in events if each["type"] == "ingest.quarantined"] == ["floor"] * 3


def test_nothing_is_lost_or_counted_twice_when_it_is_killed(tmp_path: Path, plant: Path, mosquitto: Broker) -> None:
    """Ten kills while 20,000 messages flow, and an end in good order in 2,000 more; each carries a reading and a part."""
    data, choice, kills, chunk = tmp_path / "data", random.Random(3), 10, 2000
    wall = int(time.time())
    up = Up(plant, data)
    with publisher(mosquitto) as client:
        try:
            until(lambda: live(data) is not None, "up is ready")
            connected(up)
            for kill in range(kills):
                for n in range(kill * chunk, (kill + 1) * chunk):
                    send(client, message(n, ts=time.time()))
                enough = 2 * (kill * chunk + choice.randrange(100, chunk - 100))
                until(reached(data, enough), f"{enough} events are in the log")
                up.kill()
                up = Up(plant, data)
            for n in range(kills * chunk, (kills + 1) * chunk):
                send(client, message(n, ts=time.time()))
            until(reached(data, 2 * kills * chunk + 100), "more has come")
            up.stop()
            assert up.process.returncode == 0
            up = Up(plant, data)
            sent(client)
            until(lambda: appended(data) >= 2 * (kills + 1) * chunk, "everything is in the log")
            until(lambda: live(data) is not None, "up answers")
            up.stop()
        finally:
            if up.process.poll() is None:
                up.kill()
    events, total = exported(data), (kills + 1) * chunk
    ids = Counter(str(each["id"]) for each in events)
    assert max(ids.values()) == 1
    readings = {each["id"]: each for each in events if each["type"] == "telemetry"}
    assert sorted(int(str(name).rpartition(":")[2]) for name in readings) == list(range(1, total + 1))
    parts = sum(int(str(each.get("good", 0))) for each in events if each["type"] == "parts.counted")
    assert parts == total
    window = ("--machine", "M1", "--from", wall, "--to", wall + 3600)
    assert tailrace_json("oee", "--dir", data, *window)["good"] == total
    assert account(data)["appended"] == 2 * total


def test_figures_over_opc_ua_equal_a_direct_count(tmp_path: Path) -> None:
    """The machine says on its standard output what it does: the figures have to be the count over those lines."""
    port, data, plant = free_port(), tmp_path / "data", tmp_path / "plant.yaml"
    text = (ROOT / "examples" / "plant.yaml").read_text()
    plant.write_text(text.replace("127.0.0.1:48400", f"127.0.0.1:{port}"))
    command = [
        sys.executable,
        "examples/opcua_machine.py",
        "--hold",
        "--port",
        str(port),
        "--parts",
        "60",
        "--cycle",
        "0.02",
    ]
    with process(command, stdin=subprocess.PIPE) as machine, running(plant, data) as up:
        assert machine.stdin is not None
        assert machine.stdout is not None
        connected(up)
        until(lambda: account(data, "press-line").get("received"), "the first values are there")
        machine.stdin.write("go\n")
        machine.stdin.flush()
        said = [json.loads(machine.stdout.readline())]
        while not (said[-1].get("State") == 0 and any(line.get("Total") == 60 for line in said)):
            said.append(json.loads(machine.stdout.readline()))
        states = [(line["t"], line["State"]) for line in said if "State" in line]
        window = ("--machine", "MCH003", "--from", states[0][0], "--to", states[-1][0])
        until(lambda: tailrace_json("oee", "--dir", data, *window)["completeness"] == 1.0, "the last state is folded")
        found = tailrace_json("oee", "--dir", data, *window)
        up.stop()
    assert tailrace_json("oee", "--dir", data, *window) == found
    assert (found["total"], found["reject"]) == (60, max(line.get("Reject", 0) for line in said))
    ran = sum(
        (datetime.fromisoformat(until_) - datetime.fromisoformat(since)).total_seconds()
        for (since, state), (until_, _) in pairwise(states)
        if state == 1
    )
    assert found["run"] == pytest.approx(ran, abs=1e-6)
    assert found["availability"] == pytest.approx((found["run"] + found["microstop"]) / found["pbt"], abs=1e-12)


def test_import_goes_through_a_running_up(tmp_path: Path, plant: Path) -> None:
    data, path = tmp_path / "data", tmp_path / "history.jsonl"
    lines = [{"type": "parts.counted", "machine": "H", "t": START + i, "good": 1} for i in range(3000)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "broken\n")
    with running(plant, data) as up:
        assert tailrace_json("import", path, "--dir", data) == {
            "received": 3001, "appended": 3000, "duplicate": 0, "quarantined": 1,
        }  # fmt: skip
        window = ("--machine", "H", "--from", START, "--to", START + 3000)
        assert tailrace_json("oee", "--dir", data, *window)["good"] == 3000
        refused = tailrace("up", plant, "--dir", data, code=3)
        assert str(up.process.pid) in refused.stderr
        assert tailrace_json("import", path, "--dir", data)["duplicate"] == 3000
        up.stop(signal.SIGINT)
        assert up.process.returncode == 0
    assert account(data, "file:history.jsonl") == {
        "received": 6002,
        "appended": 3000,
        "duplicate": 3000,
        "quarantined": 2,
    }


def test_a_broker_that_is_away_is_waited_for(tmp_path: Path, plant: Path, mosquitto: Broker) -> None:
    data = tmp_path / "data"
    mosquitto.stop()
    with running(plant, data) as up:
        found = tailrace_json("status", "--dir", data)
        assert (found["idle"], found["sources"], found["machines"]) == (["floor"], [], ["M1"])
        assert found["up"]["sources"][0]["connected"] is False
        mosquitto.start()
        connected(up)
        with publisher(mosquitto) as client:
            send(client, message(1))
            sent(client)
        until(lambda: appended(data) == 2, "the message is in the log")
        up.stop()
    found = tailrace_json("status", "--dir", data)
    assert (found["idle"], found["up"]) == ([], None)
    assert "Traceback" not in up.said()


def test_a_command_that_holds_the_folder_for_a_moment_is_waited_for(tmp_path: Path, plant: Path) -> None:
    data = tmp_path / "data"
    with compose.own(data):
        up = Up(plant, data)
        until(lambda: "owns this folder" in up.said(), "up has met the owner")
        assert up.process.poll() is None
    try:
        until(lambda: live(data) is not None, "up is ready")
        up.stop()
    finally:
        if up.process.poll() is None:
            up.kill()


def ticks(data: Path) -> list[str]:
    """When the clock ticked, in the order of the log."""
    return [str(each["t"]) for each in exported(data) if each["type"] == "clock.ticked"]


def _ticked(data: Path, before: int) -> bool:
    return len(ticks(data)) > before


def test_a_plant_file_is_said_once_and_again_when_it_changes(tmp_path: Path) -> None:
    plant, data = tmp_path / "plant.yaml", tmp_path / "data"
    text = "site: {name: S, definition: a}\nmachines: {M1: {line: L1}}\ndefinitions: [{name: a, policy: {setup: exclude}}]\n"
    kinds: list[list[object]] = []
    for n, version in enumerate((text, text, text.replace("L1", "L2"))):
        plant.write_text(version)
        with running(plant, data) as up:
            until(partial(_ticked, data, n), "the plant file is said, and the clock goes")
            up.stop()
        kinds.append([each["type"] for each in exported(data) if each["type"] != "clock.ticked"])
    assert kinds[0] == kinds[1] == ["definition.set", "machine.registered"]
    assert kinds[2] == [*kinds[0], "machine.registered"]
    assert ticks(data) == sorted(set(ticks(data)))
    plant.write_text(text.replace("exclude", "loss"))
    assert "version 2" in tailrace("up", plant, "--dir", data, code=2).stderr
