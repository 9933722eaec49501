"""Kafka on the command line: topics made, logs copied, a worker run, and what is said when something is not as it should be."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from random import Random

import pytest

from commands import TAILRACE, tailrace, tailrace_json
from kafka_broker import apart, kafka, unique
from kafka_plant import made, outputs, truth
from tailrace.app import kafka_folder
from tailrace.app.compose import EVENTS_FILE, pipeline
from tailrace.app.kafka_topologies import TOPOLOGIES
from tailrace.app.settings import load
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas.record import Record

PLANT = """
site: {{name: Test}}
log: {{kind: kafka, servers: ["{address}"], topics: {topics}, group: {topics}, partitions: 3, replication: 1}}
"""
DEADLINE_S = 60.0


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    path = tmp_path / "plant.yaml"
    path.write_text(PLANT.format(address=kafka().address, topics=unique()))
    return path


def folder(path: Path, records: list[Record]) -> Path:
    """A data folder with these records."""
    path.mkdir()

    async def fill() -> None:
        log = SqliteLog(path / EVENTS_FILE)
        await log.append(records)
        await log.close()

    apart(fill)
    return path


def by_machine(path: Path) -> dict[str, list[Record]]:
    """What a machine's fold gets of a data folder, in order, without the places."""
    reader = LogReader(path / EVENTS_FILE)
    found = {name: reader.read_machine(name, 0, 10_000) for name in reader.machines()}
    reader.close()
    return {name: [_placeless(record) for record in records] for name, records in found.items()}


def _placeless(record: Record) -> Record:
    return Record(**{name: getattr(record, name) for name in Record.__struct_fields__ if name != "position"})


def test_more_copies_than_brokers_are_refused_with_what_to_write(plant: Path) -> None:
    plant.write_text(plant.read_text().replace("replication: 1", "replication: 3"))
    said = tailrace("init", plant, code=2).stderr
    assert "expected a broker for each of 3 replicas, got fewer" in said
    assert "replication: 1" in said


def test_init_makes_the_topics_of_a_plant_file_once(plant: Path) -> None:
    log = load(plant).log
    assert log is not None
    assert f"made {log.events}, {log.derived}, {log.checkpoints}" in _flat(tailrace("init", plant.parent).stdout)
    assert "every topic is there" in _flat(tailrace("init", plant).stdout)


def test_a_copy_to_kafka_and_back_is_the_same_log(plant: Path, tmp_path: Path) -> None:
    tailrace("init", plant)
    first = folder(tmp_path / "first", _kept())
    done = tailrace_json("copy", first, plant)
    assert done["records"] > 100
    assert (done["events"], done["duplicate"], done["conflicts"]) == (done["appended"], 0, 0)
    back = tailrace_json("copy", plant, tmp_path / "second")
    assert back == done
    assert by_machine(tmp_path / "second") == by_machine(first)
    again = tailrace_json("copy", plant, tmp_path / "second")
    assert (again["appended"], again["duplicate"]) == (0, done["events"])


def test_a_copy_of_records_that_differ_says_so(plant: Path, tmp_path: Path) -> None:
    one = folder(tmp_path / "one", made(Random(1), 10))
    other = folder(tmp_path / "other", made(Random(2), 10))
    assert tailrace_json("copy", one, other, code=1)["conflicts"] > 0


def test_a_worker_folds_what_a_data_folder_would_and_ends_when_told(plant: Path, tmp_path: Path) -> None:
    tailrace("init", plant)
    source = folder(tmp_path / "source", _kept())
    tailrace("copy", source, plant)
    log = load(plant).log
    assert log is not None
    wanted = apart(lambda: truth(_kept()))
    assert len(wanted) == 6
    said = (tmp_path / "worker.log").open("wb")
    worker = subprocess.Popen([*TAILRACE, "worker", str(plant)], stdout=said, stderr=said)
    try:
        deadline = time.monotonic() + DEADLINE_S
        while apart(lambda: outputs(log)) != wanted:
            assert time.monotonic() < deadline, (tmp_path / "worker.log").read_text()
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(DEADLINE_S) == 0
    finally:
        worker.kill()
        said.close()


def test_a_pipeline_and_a_worker_fold_the_same(tmp_path: Path) -> None:
    folder(tmp_path / "data", _kept()[:1])
    with pipeline(tmp_path / "data") as found:
        names = [worker._name for worker in found._workers]
    assert names == [f"{each.name}@{each.version}" for each in (make() for make in TOPOLOGIES)]


def test_a_plant_without_a_log_on_kafka_has_no_worker(tmp_path: Path) -> None:
    (tmp_path / "plant.yaml").write_text("site: {name: Test}\n")
    assert "expected a log of kind: kafka" in _flat(tailrace("worker", tmp_path / "plant.yaml", code=2).stderr)


def test_up_without_its_topics_says_what_to_do(plant: Path, tmp_path: Path) -> None:
    done = tailrace("up", plant, "--dir", tmp_path / "data", "--port", 0, code=2)
    assert "expected a topic" in _flat(done.stderr)


def test_up_on_kafka_takes_no_folder_with_a_log_of_its_own(plant: Path, tmp_path: Path) -> None:
    tailrace("init", plant)
    data = folder(tmp_path / "data", _kept()[:1])
    refused = tailrace("up", plant, "--dir", data, "--port", 0, code=2)
    assert f"`tailrace copy {data} PLANT` brings that into the log on Kafka" in _flat(refused.stderr)


def test_a_folder_that_follows_kafka_takes_nothing_of_its_own(plant: Path, tmp_path: Path) -> None:
    log = load(plant).log
    assert log is not None
    data = folder(tmp_path / "data", [])
    kafka_folder.write(data, kafka_folder.KafkaFolder(log=log, has="follows"))
    (tmp_path / "day.jsonl").write_text("")
    for command in (["import", tmp_path / "day.jsonl"], ["reason", "s1", "--category", "setup"]):
        refused = tailrace(*command, "--dir", data, code=2)
        assert "start `tailrace up` with its plant file" in _flat(refused.stderr)
    (tmp_path / "own.yaml").write_text("site: {name: Test}\n")
    assert "start `tailrace up`" in _flat(
        tailrace("up", tmp_path / "own.yaml", "--dir", data, "--port", 0, code=2).stderr
    )


def test_a_worker_without_its_topics_says_what_to_do(plant: Path) -> None:
    assert "expected a topic" in _flat(tailrace("worker", plant, code=2).stderr)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{kind: kafka, servers: []}", "servers"),
        ("{kind: kafka, servers: [broker]}", "expected host:port, got 'broker'"),
        ("{kind: kafka, servers: ['b:9092'], topics: 'a b'}", "expected letters, digits"),
        ("{kind: kafka, servers: ['b:9092'], partitions: 0}", "partitions"),
        ("{kind: kafka, servers: ['b:9092'], retention: 7}", "retention"),
    ],
)
def test_a_wrong_log_is_named(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "plant.yaml").write_text(f"site: {{name: Test}}\nlog: {line}\n")
    assert words in _flat(tailrace("validate", tmp_path / "plant.yaml", code=2).stderr)


def _kept() -> list[Record]:
    """Records of six machines and their site."""
    return made(Random(7), 30)


def _flat(text: str) -> str:
    return " ".join(text.split())
