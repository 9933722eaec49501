"""`tailrace up` on a log on Kafka, over real brokers: what was sent is in the log and in the figures, whatever is away."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from paho.mqtt import client as paho

from brokers import Broker, publisher
from commands import Up, live, running, tailrace, tailrace_json, until
from kafka_broker import apart, kafka, unique
from kafka_workers import worker
from log_records import everything
from tailrace.app import compose, following, kafka_folder
from tailrace.app.settings import load
from tailrace.connectors import kafka_order
from tailrace.connectors.kafka_records import message_of
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import open_log
from tailrace.projections import digest
from tailrace.schemas import codec
from tailrace.schemas.errors import Conflict
from tailrace.schemas.event import DefinitionSet, PartsCounted
from tailrace.schemas.instant import SECOND, Instant
from tailrace.schemas.record import Record

START = 1_795_154_400  # 2026-11-20T06:00:00Z
PLANT = """
site: {{name: Test}}
log: {{kind: kafka, servers: ["{address}"], topics: {topics}, group: {topics}, partitions: 3, replication: 1, send_s: 2}}
machines:
  M1: {{line: L1}}
  M2: {{line: L1}}
definitions:
  - {{name: plant-a, policy: {{microstop_s: 60}}}}
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
MACHINES = ("M1", "M2")
WINDOW = ("--from", START, "--to", START + 60)


@pytest.fixture
def plant(tmp_path: Path, mosquitto: Broker) -> Path:
    path = tmp_path / "plant.yaml"
    path.write_text(PLANT.format(address=kafka().address, topics=unique(), url=mosquitto.url))
    tailrace("init", path)
    return path


def log_of(plant: Path) -> KafkaSettings:
    log = load(plant).log
    assert log is not None
    return log


def send(client: paho.Client, numbers: range) -> None:
    """A part every tenth of a second of each machine, which runs for thirty seconds; then everything is with the broker."""
    for n in numbers:
        body = {"boot": "b1", "seq": n, "ts": START + n / 10, "good": 1, "Temp": n / 8}
        body["state"] = "running" if n < 300 else "stopped"
        for machine in MACHINES:
            client.publish(f"plant/{machine}/data", json.dumps(body).encode(), qos=1)
    client.publish("done", b"", qos=1).wait_for_publish(30)


def said(up: Up) -> dict[str, Any]:
    """What it says of itself."""
    return dict(live(up.directory) or {"sources": [], "kafka": {}})


def connected(up: Up) -> None:
    until(lambda: [each["connected"] for each in said(up)["sources"]] == [True], "connected")


def good(data: Path) -> list[int]:
    """The parts of each machine, by the figures."""
    return [tailrace_json("oee", "--dir", data, "--machine", each, *WINDOW)["good"] for each in MACHINES]


def counted(data: Path, parts: int) -> None:
    def there() -> bool:
        found = tailrace_json("status", "--dir", data)
        ready = found["up"] is not None and found["up"]["reached"] > 0 and set(MACHINES) <= set(found["machines"])
        return ready and good(data) == [parts] * len(MACHINES)

    until(there, f"{parts} parts of each machine are in the figures")


def stopped(up: Up) -> None:
    up.stop()
    assert up.process.returncode == 0, up.said()


# -- machines to figures -------------------------------------------------------------------------------------------------


def test_what_machines_send_is_in_kafka_and_in_the_figures_whatever_is_away(
    tmp_path: Path, plant: Path, mosquitto: Broker
) -> None:
    """A broker that is killed, an `up` that is killed; then workers and their rows say the same of the same log."""
    data, rows = tmp_path / "data", tmp_path / "rows"
    with running(plant, data) as up, publisher(mosquitto) as client:
        connected(up)
        send(client, range(200))
        counted(data, 200)
        kafka().kill()
        try:
            send(client, range(200, 400))
            until(lambda: "expected an acknowledgement" in json.dumps(said(up)), "it says that the broker is away")
        finally:
            kafka().start()
        counted(data, 400)
        up.kill()
        send(client, range(390, 600))
    with running(plant, data) as up:
        counted(data, 600)
        found = tailrace_json("oee", "--dir", data, "--machine", "M1", *WINDOW)
        assert (found["run"], found["total"], found["definition"]) == (30.0, 600, [])
        account = tailrace_json("status", "--dir", data)
        assert account["up"]["kafka"]["topic"] == log_of(plant).events
        stopped(up)
    with worker(plant, tmp_path / "worker.log"):

        def equal() -> bool:
            tailrace("rows", plant, "--dir", rows, "--once")
            return digests(rows) == digests(data)

        until(equal, "the rows of a worker are those of `up`", 120)
    verified = tailrace_json("replay", "--verify", "--dir", data)
    assert verified["equal"], verified["first_differences"]
    again = tmp_path / "again"
    with running(plant, again) as up:
        counted(again, 600)
        stopped(up)


def test_up_begins_and_ends_while_brokers_are_away_and_loses_nothing(
    tmp_path: Path, plant: Path, mosquitto: Broker
) -> None:
    data = tmp_path / "data"
    with running(plant, data) as up, publisher(mosquitto) as client:
        connected(up)
        send(client, range(100))
        counted(data, 100)
        kafka().kill()
        try:
            send(client, range(100, 200))
            until(lambda: "expected an acknowledgement" in json.dumps(said(up)), "it says that the broker is away")
            stopped(up)
            with running(plant, data) as early:
                until(lambda: "expected a broker that answers" in json.dumps(said(early)), "it waits for the broker")
                kafka().start()
                counted(data, 200)
                stopped(early)
        finally:
            kafka().start()


def test_people_and_files_go_through_up_into_kafka(tmp_path: Path, plant: Path, mosquitto: Broker) -> None:
    data, lines = tmp_path / "data", tmp_path / "day.jsonl"
    states = [("running", 0), ("stopped", 60), ("running", 1200), ("stopped", 1300)]
    lines.write_text(
        "".join(
            json.dumps({"type": "state.changed", "machine": "M1", "t": START + at, "state": state}) + "\n"
            for state, at in states
        )
    )
    with running(plant, data) as up:
        connected(up)
        assert tailrace_json("import", lines, "--dir", data)["appended"] == 4
        stop = tailrace_json("stops", "--dir", data, "--machine", "M1", "--to", START + 1250)["items"][0]
        edit = ("--category", "setup", "--by", "ann", "--expected-revision", stop["revision"])
        given = tailrace_json("reason", stop["id"], "--dir", data, *edit)
        assert given["category"] == "setup"
        assert "expected revision" in tailrace("reason", stop["id"], "--dir", data, *edit, code=1).stderr
        assert '"reason.assigned"' in tailrace("tail", "--dir", data, "-n", 100, "--json").stdout
        stopped(up)
    refused = tailrace("import", lines, "--dir", data, code=2)
    assert "start `tailrace up` with its plant file" in refused.stderr
    kinds = {record.type for partition in apart(lambda: records_of(log_of(plant))) for record in partition}
    assert {"state.changed", "reason.assigned", "machine.registered", "definition.set", "clock.ticked"} <= kinds


def test_every_partition_has_what_concerns_the_site_and_each_machine_its_own(
    tmp_path: Path, plant: Path, mosquitto: Broker
) -> None:
    with running(plant, tmp_path / "data") as up:
        connected(up)
        until(lambda: said(up)["kafka"]["behind_records"] == 0 and said(up)["reached"] > 3, "everything is here")
        stopped(up)
    found = apart(lambda: records_of(log_of(plant)))
    wide = [[record.id for record in partition if not record.machine] for partition in found]
    assert wide[0] and wide == [wide[0]] * 3
    assert [record.copy_of for record in found[0]] == [0] * len(found[0])
    assert all(record.copy_of for partition in found[1:] for record in partition if not record.machine)


async def test_a_folder_goes_on_where_it_was_and_takes_no_other_log(tmp_path: Path, plant: Path) -> None:
    """Also an event without an id, whose repeat nothing would know, is there once after a crash between log and place."""
    log = await open_log(log_of(plant))
    event = PartsCounted(machine="M1", t=Instant(START * SECOND), ingested=Instant(START * SECOND), good=1)
    nameless = [codec.record_of(event, source="x"), codec.record_of(event, source="y")]
    await log.append(nameless[:1])
    before = await followed(tmp_path, plant, 1)
    await log.append(nameless[1:])
    await followed(tmp_path, plant, 2)
    await asyncio.to_thread(kafka_folder.write, tmp_path, before)
    await log.append(nameless[:1])
    after = await followed(tmp_path, plant, 3)
    assert after.end == 3
    await log.close()
    other = msgspec.structs.replace(after, hashes=[bytes(16)] * 3)
    await asyncio.to_thread(kafka_folder.write, tmp_path, other)
    with pytest.raises(Conflict, match="it is another log"):
        await followed(tmp_path, plant, 3)


async def followed(data: Path, plant: Path, records: int) -> kafka_folder.KafkaFolder:
    """Follows until so many records are there; gives where it stands."""
    async with compose.plant_log(data, log_of(plant)) as log:
        assert log.following is not None
        running = asyncio.create_task(log.following.run())
        arriving = asyncio.create_task(log.following.arrived())
        try:
            await asyncio.wait([running, arriving], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            assert await log.here.end() == records
        finally:
            for each in (running, arriving):
                each.cancel()
            await asyncio.gather(running, arriving, return_exceptions=True)
    found = kafka_folder.read(data)
    assert found is not None
    return found


# -- one order -----------------------------------------------------------------------------------------------------------


async def test_an_incomplete_fan_out_is_finished_and_holds_up_nobody(
    plant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = log_of(plant)
    site = DefinitionSet(t=Instant(1), ingested=Instant(1), id="site", name="d", version=1)
    record = codec.record_of(site, source="x")
    alone = Sender(settings)
    await alone.send(settings.events, [message_of(record, 0)])
    await alone.close()
    monkeypatch.setattr(following, "COPIES_S", 0.0)
    await followed(tmp_path, plant, 1)
    found = await records_of(settings)
    assert [[each.id for each in partition] for partition in found] == [["site"]] * 3


async def test_one_order_of_all_partitions_keeps_what_concerns_the_site_in_its_place(
    plant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read a little at a time, so that one partition is always ahead of another."""
    monkeypatch.setattr(kafka_order, "BATCH", 2)
    settings = log_of(plant)
    log = await open_log(settings)
    sent = []
    for i in range(40):
        t, name = Instant(i + 1), f"e{i:02}"
        site = DefinitionSet(t=t, ingested=t, id=name, name=name, version=1)
        part = PartsCounted(machine=f"M{i % 7}", t=t, ingested=t, id=name, good=1)
        sent.append(codec.record_of(site if i % 5 == 4 else part, source="x"))
    await log.append(sent)
    await log.close()
    logs = [await open_log(settings, partition) for partition in range(settings.partitions)]
    order = kafka_order.Order(logs)
    found: list[Any] = []
    async with asyncio.timeout(60):
        while len(found) < len(sent):
            found += await order.next()
    for each in logs:
        await each.close()
    assert order.places == [await _end(settings, partition) for partition in range(settings.partitions)]
    for machine in {record.machine for record in sent}:
        mine = (machine, "")
        assert [each.id for each in found if each.machine in mine] == [each.id for each in sent if each.machine in mine]


async def _end(settings: KafkaSettings, partition: int) -> int:
    log = await open_log(settings, partition)
    end = await log.end()
    await log.close()
    return end


# -- helpers -------------------------------------------------------------------------------------------------------------


async def records_of(settings: KafkaSettings) -> list[list[Record]]:
    """Everything in the log, by partition."""
    found = []
    for partition in range(settings.partitions):
        log = await open_log(settings, partition)
        found.append(list(await everything(log)))
        await log.close()
    return found


def digests(folder: Path) -> dict[str, str]:
    with compose.read_store(folder) as connection:
        return digest.digests(connection)
