"""A log restored from a backup that has grown beyond the rows since: known by its chain where no checkpoint tells it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from archive_logs import archive_all
from commands import running, tailrace, tailrace_json, until
from log_records import everything, state
from tailrace.app import compose
from tailrace.app.doctor import examine
from tailrace.connectors import log_sqlite_file
from tailrace.connectors.checkpoints_sqlite import SqliteCheckpoints
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.schemas.record import Record

SAID = "expected up to position 30 the records that these rows were made of, got others in events.db that ends at 60"
OEE = ("oee", "--machine", "M1", "--from", "2026-11-20T06:00:00Z", "--to", "2026-11-20T12:00:00Z")
PLANT = "site: {name: Test}\nmachines:\n  M1: {line: L1}\n"


def _append(folder: Path, records: Sequence[Record]) -> list[Record]:
    async def append() -> list[Record]:
        log = SqliteLog(folder / compose.EVENTS_FILE)
        await log.append(records)
        found = await everything(log)
        await log.close()
        return found

    return asyncio.run(append())


def _archive(folder: Path) -> None:
    async def archive() -> None:
        log = SqliteLog(folder / compose.EVENTS_FILE)
        assert await archive_all(log)
        await log.close()

    asyncio.run(archive())


def _fold(folder: Path) -> None:
    """As a crash leaves it: rows to the end of the log, and no checkpoint there."""
    with compose.pipeline(folder) as folding:
        folding.drain()


def _backup(of: Path, to: Path) -> None:
    with closing(sqlite3.connect(of)) as live, closing(sqlite3.connect(to)) as copy:
        live.backup(copy)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A backup of 10 records, with a checkpoint there; rows to position 30, where no checkpoint is; then the backup again."""
    data = tmp_path / "data"
    data.mkdir()
    _append(data, [state(n, id=f"a{n}") for n in range(10)])
    compose.catch_up(data)
    _backup(data / "events.db", tmp_path / "backup.db")
    _append(data, [state(n, id=f"b{n}") for n in range(20)])
    _fold(data)
    with compose.read_store(data) as rows:
        newest = SqliteCheckpoints(rows).newest()
    assert newest is not None
    assert newest.position == 10
    _backup(data / "events.db", tmp_path / "lost.db")
    for path in data.glob("events.db*"):
        path.unlink()
    shutil.copy(tmp_path / "backup.db", data / "events.db")
    return data


def test_every_command_that_shows_figures_says_it(folder: Path) -> None:
    _append(folder, [state(n, id=f"c{n}") for n in range(50)])
    for command in (("replay", "--verify"), OEE):
        assert SAID in tailrace_json(*command, "--dir", folder, code=1)["error"]
    found = {each["name"]: each for each in tailrace_json("doctor", "--dir", folder, code=1)["checks"]}
    assert SAID in found["same log"]["found"]
    (folder / "read.db").unlink()
    assert tailrace_json("replay", "--verify", "--dir", folder)["position"] == 60


def test_up_says_it_and_takes_what_comes(folder: Path, tmp_path: Path) -> None:
    _append(folder, [state(n, id=f"c{n}") for n in range(50)])
    plant = tmp_path / "plant.yaml"
    plant.write_text(PLANT)
    with running(plant, folder) as up:
        until(lambda: "these rows were made of" in _troubles(folder).get("fold", ""), "up says what is wrong")
        up.stop()


def test_it_is_known_when_the_place_is_archived_since(folder: Path) -> None:
    _append(folder, [state(n, id=f"c{n}") for n in range(50)])
    _archive(folder)
    assert SAID in tailrace_json("replay", "--verify", "--dir", folder, code=1)["error"]


def test_rows_of_an_archive_are_known_by_the_chain_of_its_file(folder: Path, tmp_path: Path) -> None:
    """Rows that stand within a file: its own end is beyond them, and the chain that is stored before them tells."""
    shutil.copy(tmp_path / "lost.db", folder / "events.db")
    _archive(folder)
    (folder / "read.db").unlink()
    with compose.pipeline(folder, batch=7) as folding:
        folding.step()
        assert folding.reached == 7
    with compose.read_store(folder) as rows:
        assert rows.execute("SELECT position, chain FROM origin").fetchall() == [(0, bytes(32))]
    compose.catch_up(folder)
    with compose.read_store(folder) as rows, compose.reading(folder) as log:
        assert rows.execute("SELECT position, chain FROM origin").fetchall() == [(30, log.chain(30))]


def test_a_log_that_got_the_same_records_again_is_the_same_log(folder: Path, tmp_path: Path) -> None:
    lost = tmp_path / "lost"
    lost.mkdir()
    shutil.copy(tmp_path / "lost.db", lost / "events.db")
    records = _append(lost, [])
    assert _append(folder, records[10:]) == records
    assert tailrace_json("replay", "--verify", "--dir", folder)["equal"] is True
    assert {each.name: each.state for each in examine(folder)}["same log"] == "ok"


@pytest.mark.parametrize("damage", ["payload = x'00'", "chain = x'00'", "source = 'other'"])
def test_a_record_that_was_damaged_since_makes_no_other_log(folder: Path, tmp_path: Path, damage: str) -> None:
    shutil.copy(tmp_path / "lost.db", folder / "events.db")
    with closing(log_sqlite_file.open_writer(folder / "events.db")) as connection:
        connection.execute(f"UPDATE record SET {damage} WHERE position = 30")
    tailrace(*OEE, "--dir", folder)


def _troubles(folder: Path) -> dict[str, str]:
    found: dict[str, str] = (tailrace_json("status", "--dir", folder)["up"] or {}).get("troubles", {})
    return found
