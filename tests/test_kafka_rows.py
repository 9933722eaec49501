"""Rows of a log on Kafka are those of the same log in a folder, whoever folded it, and whatever happened meanwhile.

The plant is the demo's: its history goes into a folder, a copy of that to Kafka, workers in processes of their own fold it.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from shutil import copytree
from typing import Any, NamedTuple
from zlib import crc32

import msgspec
import pytest

from commands import TAILRACE, tailrace, tailrace_json
from kafka_broker import apart, kafka, unique
from tailrace.app import compose, kafka_folder, kafka_rows, replay
from tailrace.app.settings import load
from tailrace.connectors.checkpoints_sqlite import SqliteCheckpoints
from tailrace.connectors.derived_kafka import KafkaDerivedLog
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import KafkaLog, open_log
from tailrace.connectors.simulator_history import History
from tailrace.connectors.simulator_plant import Identity, Plant
from tailrace.engine.ingest import Ingest
from tailrace.projections import digest
from tailrace.projections.store_sqlite import SqliteStore
from tailrace.schemas import codec
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.event import MachineRegistered, ReasonsSet
from tailrace.schemas.instant import DAY, HOUR, SECOND, Instant
from tailrace.schemas.reason import DEFAULT
from tailrace.schemas.record import Record

PLANT = """
site: {{name: Demo Plant}}
log:
  {{kind: kafka, servers: ["{address}"], topics: {topics}, group: {topics}, partitions: 3, replication: 1, session_s: 6}}
"""
NOW = 20_010 * DAY + 5 * HOUR + 7 * SECOND
DEADLINE_S = 180.0
SOAK_S = 3600.0
LOOK_S = 0.2

Digests = dict[str, str]


# -- the logs ----------------------------------------------------------------------------------------------------------


def history(folder: Path, span: int) -> None:
    """The simulated plant's past, and what people, files and newer releases bring."""

    async def fill() -> None:
        log = compose.SqliteLog(folder / compose.EVENTS_FILE)
        source = History(Plant(Identity(seed=3, began=NOW - span, machines=8)), lambda: NOW)
        await Ingest(source, log, clock=lambda: NOW, token="t", site="Demo Plant").run()
        await log.append([_moved(), _newer(), _offered()])
        await log.close()

    folder.mkdir()
    apart(fill)
    file = folder / "more.jsonl"
    file.write_text('not an event\n{"type":"state.changed","machine":"MCH004","t":1728900000,"state":"fault"}\n')
    tailrace("import", file, "--dir", folder)
    compose.catch_up(folder)
    with compose.read_store(folder) as connection:
        stop, revision = connection.execute("SELECT id, revision FROM stop ORDER BY start_ns LIMIT 1").fetchone()
    edit = ("--category", "setup", "--reason", "jaws", "--by", "ann", "--expected-revision", revision)
    tailrace("reason", stop, "--dir", folder, *edit)


def _moved() -> Record:
    event = MachineRegistered(
        id="moved", machine="MCH004", t=Instant(NOW), ingested=Instant(NOW), area="Yard", line="Line 9", units={"CO2Level": "%"}
    )  # fmt: skip
    return codec.record_of(event, source="people")


def _offered() -> Record:
    return codec.record_of(
        ReasonsSet(id="tree", t=Instant(NOW), ingested=Instant(NOW), reasons=list(DEFAULT)), source="people"
    )


def _newer() -> Record:
    """What no fold of this release can take: it parks its machine."""
    return Record(type="hologram.shown", payload=b"?", crc32=crc32(b"?"), id="h1", machine="MCH006", source="people")


def some(folder: Path, count: int) -> list[Record]:
    """The first records of a folder, as if they came again."""
    with compose.reading(folder) as log:
        return [msgspec.structs.replace(record, position=0) for record in log.read(0, count)]


def topics(path: Path) -> KafkaSettings:
    """A new log, and its plant file."""
    path.write_text(PLANT.format(address=kafka().address, topics=unique()))
    tailrace("init", path)
    log = load(path).log
    assert log is not None
    return log


def append(log: KafkaSettings, records: Sequence[Record]) -> None:
    """As a sender does who does not know what is there."""

    async def send() -> None:
        target = await open_log(log)
        await target.append(records)
        await target.close()

    apart(send)


def zombie(log: KafkaSettings) -> None:
    """A worker that was thought dead sends what it had: the latest outputs are there twice."""

    async def send() -> None:
        sender = Sender(log)
        for partition in range(log.partitions):
            derived = KafkaDerivedLog(log, partition, sender)
            late = await derived.read(max(0, await derived.end() - 200), 200)
            await derived.append([each for each in late if each.n])
            await derived.close()
        await sender.close()

    apart(send)


def derived_end(log: KafkaSettings) -> int:
    """How much was derived, in records."""

    async def ends() -> int:
        sender = Sender(log)
        logs = [KafkaDerivedLog(log, partition, sender) for partition in range(log.partitions)]
        found = [await each.end() for each in logs]
        for each in logs:
            await each.close()
        return sum(found)

    return apart(ends)


# -- the processes -----------------------------------------------------------------------------------------------------


class Workers:
    """Processes of `tailrace worker`."""

    def __init__(self, plant: Path) -> None:
        self._plant, self._log = plant, plant.with_suffix(".log")
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, count: int = 1) -> None:
        with self._log.open("ab") as said:
            self.running += [
                subprocess.Popen([*TAILRACE, "worker", str(self._plant)], stdout=said, stderr=said)
                for _ in range(count)
            ]  # fmt: skip

    def kill(self) -> None:
        """The one that runs longest, as a power cut does."""
        first = self.running.pop(0)
        first.kill()
        first.wait(DEADLINE_S)

    def end(self) -> None:
        """All, in good order."""
        for each in self.running:
            each.send_signal(signal.SIGTERM)
        assert [each.wait(DEADLINE_S) for each in self.running] == [0] * len(self.running), self.said
        self.running.clear()

    @property
    def said(self) -> str:
        return self._log.read_text()[-4000:]


@contextmanager
def workers(plant: Path, count: int) -> Iterator[Workers]:
    """So many of one group, until they are ended."""
    found = Workers(plant)
    found.start(count)
    try:
        yield found
    finally:
        for each in found.running:
            each.kill()
            each.wait(DEADLINE_S)


def until(condition: Callable[[], bool], what: Callable[[], Any], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s: {what()}"
        time.sleep(LOOK_S)


# -- the rows ----------------------------------------------------------------------------------------------------------


def digests(folder: Path) -> Digests:
    with compose.read_store(folder) as connection:
        return digest.digests(connection)


def made(log: KafkaSettings, folder: Path) -> Digests:
    """The rows of a folder, brought to where the workers are."""
    apart(lambda: kafka_rows.make(log, folder))
    return digests(folder)


def different(found: Digests, wanted: Digests) -> list[str]:
    return [model for model in wanted if found[model] != wanted[model]]


def equal(log: KafkaSettings, folder: Path, wanted: Digests, seconds: float) -> None:
    """Every read model is as it has to be, in a while."""
    until(lambda: made(log, folder) == wanted, lambda: different(digests(folder), wanted), seconds)


def folded(folder: Path) -> Digests:
    """The rows of a data folder, which are what its log says."""
    compose.catch_up(folder)
    found = replay.verify(folder)
    assert found.equal, found.first_differences
    return digests(folder)


# -- questions ---------------------------------------------------------------------------------------------------------


class Known(NamedTuple):
    """A plant that workers have folded under kills: its folder, the copy on Kafka, and the digests of the folder."""

    folder: Path
    plant: Path
    log: KafkaSettings
    wanted: Digests


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    """A few hours. The log comes in parts, most of it twice; of three workers two are killed, one sends outputs again."""
    base = tmp_path_factory.mktemp("rows")
    folder, plant = base / "data", base / "plant.yaml"
    history(folder, 7 * HOUR)
    wanted = folded(folder)
    log = topics(plant)
    with workers(plant, 3) as group:
        for part in (100, 200):
            before = derived_end(log)
            append(log, some(folder, part))
            until(partial(grows, log, before), lambda: group.said, DEADLINE_S)
            group.kill()
        tailrace("copy", folder, plant)
        append(log, some(folder, 150))
        equal(log, base / "rows", wanted, DEADLINE_S)
        group.end()
    zombie(log)
    return Known(folder, plant, log, wanted)


def grows(log: KafkaSettings, before: int) -> bool:
    return derived_end(log) > before


def test_rows_of_workers_that_are_killed_are_those_of_a_folder(known: Known, tmp_path: Path) -> None:
    assert len(set(known.wanted.values())) == len(digest.MODELS), "every model has rows"
    assert different(made(known.log, tmp_path), known.wanted) == []
    found = tailrace_json("replay", "--verify", "--dir", known.folder, "--against", known.plant)
    assert found["equal"] and found["first_differences"] == []
    assert {model: each["live"] for model, each in found["digests"].items()} == known.wanted


def test_a_row_that_workers_did_not_find_is_named(known: Known, tmp_path: Path) -> None:
    copytree(known.folder, tmp_path / "data")
    with compose.read_store(tmp_path / "data") as connection:
        assert connection.execute("UPDATE stop SET reason = 'x' WHERE rowid = 2").rowcount
    found = tailrace_json("replay", "--verify", "--dir", tmp_path / "data", "--against", known.plant, code=1)
    assert [(each["model"], each["columns"]) for each in found["first_differences"]] == [("stop", ["reason"])]


def test_steps_that_are_torn_leave_the_rows_of_a_place(
    known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small steps, of which some fail anywhere between their first row and their last, and then everything begins anew."""
    rng, commit, torn = random.Random(9), SqliteStore.commit, list[str]()

    async def failing(self: SqliteStore, projection: str, *change: Any) -> None:
        await commit(self, projection, *change)
        if rng.random() < 0.05:
            torn.append(projection)
            raise Unavailable("the disk is full")

    monkeypatch.setattr(kafka_rows, "BATCH", 150)
    monkeypatch.setattr(SqliteStore, "commit", failing)
    done = False
    while not done:
        with suppress(Unavailable):
            done = bool(made(known.log, tmp_path))
    assert len({name.split("/")[0] for name in torn}) > 2
    assert different(digests(tmp_path), known.wanted) == []


def test_the_command_follows_and_ends_when_told(known: Known, tmp_path: Path) -> None:
    said = tmp_path / "rows.log"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [*TAILRACE, "rows", str(known.plant), "--dir", str(tmp_path / "rows")], stdout=out, stderr=out
        )
    try:
        until(
            lambda: (tmp_path / "rows" / "read.db").exists() and digests(tmp_path / "rows") == known.wanted,
            said.read_text, DEADLINE_S,
        )  # fmt: skip
        assert "owns this folder" in _flat(
            tailrace("rows", known.plant, "--dir", tmp_path / "rows", "--once", code=3).stderr
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait(DEADLINE_S)
    tailrace("rows", known.plant, "--dir", tmp_path / "rows", "--once")
    assert digests(tmp_path / "rows") == known.wanted


def test_rows_of_another_log_are_refused(known: Known, tmp_path: Path) -> None:
    """By its name; and where its name is the same, but it is shorter or has another record in the place."""
    made(known.log, tmp_path / "rows")
    other = topics(tmp_path / "plant.yaml")
    named = tailrace("rows", tmp_path / "plant.yaml", "--dir", tmp_path / "rows", "--once", code=2)
    assert f"the rows of topics {other.topics}" in _flat(named.stderr)
    kafka_folder.write(tmp_path / "rows", kafka_folder.KafkaFolder(log=other, has="rows"))
    short = tailrace("rows", tmp_path / "plant.yaml", "--dir", tmp_path / "rows", "--once", code=1)
    assert "made of another log" in _flat(short.stderr)
    append(other, some(known.folder, 500))
    append(other, some(known.folder, 400))
    with compose.read_store(tmp_path / "rows") as connection:
        connection.execute("UPDATE checkpoint SET position = 0 WHERE projection LIKE '%/_'")
    wrong = tailrace("rows", tmp_path / "plant.yaml", "--dir", tmp_path / "rows", "--once", code=1)
    assert "the record that the rows were made of, got another or none" in _flat(wrong.stderr)


async def test_of_a_copy_of_what_concerns_the_site_only_the_place_stays(tmp_path: Path) -> None:
    """Its rows are the home partition's, once."""
    with compose.read_store(tmp_path) as connection:
        first = kafka_rows.First(SqliteCheckpoints(connection), 1)
        await first.restore(KafkaLog(KafkaSettings(servers=["127.0.0.1:1"]), 1, ""))
        wide = msgspec.structs.replace(_moved(), machine="", position=7)
        assert first.take(msgspec.structs.replace(wide, copy_of=3)) == Record(type="", payload=b"", position=7)
        assert first.take(wide) == wide


def test_a_folder_with_a_log_of_its_own_is_refused(known: Known) -> None:
    said = tailrace("rows", known.plant, "--dir", known.folder, "--once", code=2)
    assert "expected a folder for rows of a log on Kafka" in _flat(said.stderr)
    assert digests(known.folder) == known.wanted


def test_a_plant_without_a_log_on_kafka_has_no_rows_there(tmp_path: Path) -> None:
    plant = tmp_path / "plant.yaml"
    plant.write_text("site: {name: Test}\n")
    assert "expected a log of kind: kafka" in _flat(tailrace("rows", plant, "--dir", tmp_path, code=2).stderr)
    verify = tailrace("replay", "--verify", "--dir", tmp_path, "--against", plant, code=2)
    assert "expected a log of kind: kafka" in _flat(verify.stderr)
    assert "--against: expected --verify" in _flat(
        tailrace("replay", "--into", tmp_path / "x", "--dir", tmp_path, "--against", plant, code=2).stderr
    )


@pytest.mark.soak
def test_a_month_of_the_demo_plant_has_the_same_digests_everywhere(tmp_path: Path) -> None:
    """Live and replayed in a folder; on Kafka by one worker, and by three of which two are killed."""
    folder = tmp_path / "data"
    began = time.monotonic()
    history(folder, 30 * DAY)
    _tell("history", began)
    wanted = folded(folder)
    _tell("live and replayed", began)
    end = 0
    for count in (1, 3):
        plant = tmp_path / f"plant{count}.yaml"
        log = topics(plant)
        tailrace("copy", folder, plant)
        _tell("copied", began)
        with workers(plant, count) as group:
            for kill in range(count - 1):
                until(partial(grows, log, end * (kill + 1) // 4), lambda group=group: group.said, SOAK_S)  # type: ignore[misc]
                group.kill()
            equal(log, tmp_path / f"rows{count}", wanted, SOAK_S)
            group.end()
        end = derived_end(log)
        _tell(f"{count} workers, {end} derived records", began)
        assert different(made(log, tmp_path / f"again{count}"), wanted) == []
        _tell("rows", began)


def _tell(what: str, began: float) -> None:
    print(f"{time.monotonic() - began:7.1f} s  {what}")


def _flat(text: str) -> str:
    return " ".join(text.split())
