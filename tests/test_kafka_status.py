"""What `status` and `doctor` say of a log on Kafka and its workers, beside a real broker."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from brokers import free_port
from commands import tailrace, tailrace_json, until
from kafka_broker import apart, kafka, unique
from kafka_workers import worker
from tailrace.app import kafka_folder, worker_files
from tailrace.app.doctor import examine
from tailrace.app.settings import load
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import open_log
from tailrace.schemas import codec
from tailrace.schemas.event import PartsCounted
from tailrace.schemas.instant import SECOND, Instant

PLANT = """
site: {{name: Test}}
log: {{kind: kafka, servers: ["{address}"], topics: {topics}, group: {topics}, partitions: 3, replication: 1, session_s: 6}}
"""


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    path = tmp_path / "plant.yaml"
    path.write_text(PLANT.format(address=kafka().address, topics=unique()))
    return path


@pytest.fixture
def log(plant: Path) -> KafkaSettings:
    """The log of the plant, with thirty records of ten machines."""
    tailrace("init", plant)
    found = load(plant).log
    assert found is not None
    apart(lambda: fill(found))
    return found


async def fill(settings: KafkaSettings) -> None:
    log = await open_log(settings)
    events = [
        PartsCounted(machine=f"M{i % 10}", t=Instant(i * SECOND), ingested=Instant(i * SECOND), id=f"e{i}", good=1)
        for i in range(1, 31)
    ]
    await log.append([codec.record_of(event, source="t") for event in events])
    await log.close()


async def altered(settings: KafkaSettings, **rules: str) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=settings.servers)
    await client.start()
    named = {name.replace("_", "."): value for name, value in rules.items()}
    await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.events, named)])
    await client.close()


def asked(plant: Path) -> dict[str, Any]:
    found: dict[str, Any] = tailrace_json("status", cwd=plant.parent)["kafka"]
    return found


def test_status_says_how_the_log_is_and_how_far_its_workers_are(
    plant: Path, log: KafkaSettings, tmp_path: Path
) -> None:
    found = asked(plant)
    assert [each["topic"] for each in found["topics"]] == [log.events, log.derived, log.checkpoints]
    assert {(each["partitions"], each["replicas"]) for each in found["topics"]} == {(3, 1)}
    assert [each["cleanup"] for each in found["topics"]] == ["delete", "delete", "compact"]
    assert found["brokers"] == [kafka().address]
    assert (found["power_safe"], found["trouble"], found["workers"]) == (True, "", 0)
    assert sum(each["records"] for each in found["lag"]) == 30
    assert [each["folded_records"] for each in found["lag"]] == [None] * 3
    with worker(plant, tmp_path / "worker.log", "--dir", tmp_path / "w") as process:
        until(lambda: [each["lag_records"] for each in asked(plant)["lag"]] == [0] * 3, "everything is folded")
        assert asked(plant)["workers"] == 1
        mine = tailrace_json("status", "--dir", tmp_path / "w")["workers"]
        assert [(each["pid"], each["alive"], each["group"]) for each in mine] == [(process.pid, True, log.group)]
        assert sorted(mine[0]["partitions"]) == ["0", "1", "2"]
        said = tailrace("status", "--dir", tmp_path / "w").stdout
        assert f"process {process.pid}" in said
    assert worker_files.workers(tmp_path / "w", time.time_ns()) == []
    assert "0: 0, 1: 0, 2: 0" in " ".join(tailrace("status", cwd=plant.parent).stdout.split())


def test_a_worker_that_is_killed_is_shown_as_silent(plant: Path, log: KafkaSettings, tmp_path: Path) -> None:
    with worker(plant, tmp_path / "worker.log", "--dir", tmp_path, killed=True) as process:
        until(lambda: worker_files.workers(tmp_path, 0), "it has said who it is")
        process.kill()
        process.wait(60)
    now = time.time_ns() + int(worker_files.QUIET_S) * SECOND
    (left,) = worker_files.workers(tmp_path, now)
    assert (left["pid"], left["alive"]) == (process.pid, False)
    assert left["silent_s"] >= worker_files.QUIET_S


def test_what_is_not_power_safe_and_what_loses_records_is_said(plant: Path, log: KafkaSettings) -> None:
    kept = {"cleanup_policy": "delete", "retention_ms": "-1", "retention_bytes": "-1"}
    apart(lambda: altered(log, **kept, flush_messages="1000"))
    found = asked(plant)
    assert not found["power_safe"]
    assert found["risk"].startswith("not power-safe: topic")
    assert "not power-safe" in tailrace("status", cwd=plant.parent).stdout
    apart(lambda: altered(log, **kept | {"retention_ms": "60000"}))
    found = asked(plant)
    assert found["topics"][0]["retention_ms"] == 60_000
    assert "expected retention.ms=-1, got 60000" in found["trouble"]


def test_doctor_looks_at_kafka(
    plant: Path, log: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plant.parent)
    checks = {each.name: each for each in examine(tmp_path / "data")}
    assert [checks[name].state for name in ("kafka", "topics", "power", "workers")] == ["ok"] * 4
    assert "30 records behind" in checks["workers"].found or "nothing is known" in checks["workers"].found
    apart(lambda: altered(log, cleanup_policy="delete", retention_ms="-1", retention_bytes="-1", flush_messages="9"))
    checks = {each.name: each for each in examine(tmp_path / "data")}
    assert (checks["power"].state, "not power-safe" in checks["power"].found) == ("attention", True)


def test_brokers_that_are_away_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"127.0.0.1:{free_port()}"
    (tmp_path / "plant.yaml").write_text(PLANT.format(address=address, topics="t"))
    found = asked(tmp_path / "plant.yaml")
    assert (found["brokers"], found["topics"], found["power_safe"]) == ([], [], False)
    assert address in found["trouble"]
    monkeypatch.chdir(tmp_path)
    checks = {each.name: each for each in examine(tmp_path / "data")}
    assert (checks["kafka"].state, address in checks["kafka"].found) == ("attention", True)


def test_a_folder_with_rows_of_workers_says_what_it_is(plant: Path, log: KafkaSettings, tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    tailrace("rows", plant, "--dir", rows, "--once")
    folder = kafka_folder.read(rows)
    assert folder is not None and folder.has == "rows"
    assert tailrace_json("status", "--dir", rows)["kafka"]["topics"][0]["topic"] == log.events
    refused = tailrace("oee", "--dir", rows, "--machine", "M1", "--from", 0, "--to", 60, code=2).stderr
    assert "ask a folder of `tailrace up`" in " ".join(refused.split())
