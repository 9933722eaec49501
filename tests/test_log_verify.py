"""`log verify`: whatever is flipped in what a log stores is found, and named in words."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from archive_logs import archive_all
from commands import tailrace
from log_records import identified, large, sequenced, state
from tailrace.connectors import log_sqlite_file as file
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.connectors.log_sqlite_verify import Verdict, verify
from tailrace.schemas.errors import NotFound, Unavailable

FLIPS = 300


async def _fill(log: SqliteLog) -> None:
    """Frames with and without ids, events, a payload over several pages, several senders, repeats."""
    await log.append([sequenced(1 + 50 * i, 50, session=f"s{i % 3}", machine=f"M{i % 2}") for i in range(6)])
    await log.append([state(i, machine="Fräse-α") for i in range(20)])
    await log.append([identified([(i, f"id-{i}") for i in range(60)]), large(30_000)])
    await log.append([identified([(i, f"id-{i}") for i in range(50, 80)]), sequenced(20, 50, session="s0"), state(1)])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log that nobody has open."""

    async def make(directory: Path) -> None:
        log = SqliteLog(directory / file.EVENTS_FILE)
        await _fill(log)
        await log.close()

    directory = tmp_path_factory.mktemp("whole")
    asyncio.run(make(directory))
    return directory


@pytest.fixture(scope="module")
def partly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log of which a part is archived."""

    async def make(directory: Path) -> None:
        log = SqliteLog(directory / file.EVENTS_FILE)
        await _fill(log)
        await archive_all(log)
        await log.append([sequenced(1 + 50 * i, 50, session="later") for i in range(6)])
        await log.append([identified([(i, f"later-{i}") for i in range(60)]), large(30_000, id="later")])
        await log.close()

    directory = tmp_path_factory.mktemp("partly")
    asyncio.run(make(directory))
    return directory


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as its owner's sudden end leaves it: what was appended since its start is in the WAL."""

    async def make(directory: Path, copy: Path) -> None:
        await (log := SqliteLog(directory / file.EVENTS_FILE)).append([state(1), state(2)])
        await log.close()
        log = SqliteLog(directory / file.EVENTS_FILE)
        await _fill(log)
        await asyncio.to_thread(shutil.copytree, directory, copy, dirs_exist_ok=True)
        await log.close()

    copy = tmp_path_factory.mktemp("copy")
    asyncio.run(make(tmp_path_factory.mktemp("growing"), copy))
    return copy


def _content(path: Path) -> list[Any] | None:
    """Everything that the tables hold, with types, as SQLite reads it; None where it cannot."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.text_factory = bytes
            found: list[Any] = [connection.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()]
            for table in ("record", "seen", "source", "session", "archive", "archived", "sealed"):
                columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
                kinds = ", ".join(f"{name.decode()}, typeof({name.decode()})" for name in columns)
                found.append(connection.execute(f"SELECT {kinds} FROM {table}").fetchall())
            return found
    except sqlite3.Error:
        return None


def _flips(path: Path, seed: int, count: int) -> Iterator[tuple[int, bytes]]:
    """(offset, the file with one byte changed there): in pages in turn, and in the header of every page more often."""
    random, data = Random(seed), path.read_bytes()
    pages = range(0, len(data), file.PAGE_BYTES)
    for i in range(count):
        size = random.choice((12, 100, file.PAGE_BYTES))
        at = min(pages[i % len(pages)] + random.randrange(size), len(data) - 1)
        changed = bytearray(data)
        changed[at] ^= 1 << random.randrange(8) if random.random() < 0.7 else random.randrange(1, 256)
        yield at, bytes(changed)


def test_a_log_that_is_what_was_written_is_found_so(whole: Path, growing: Path) -> None:
    for directory, records in ((whole, 30), (growing, 30)):
        verdict = verify(directory / file.EVENTS_FILE)
        assert verdict == Verdict(True, records=records, chain=verdict.chain)
        assert len(verdict.chain) == 64


@pytest.mark.parametrize("folder", ["whole", "partly"])
def test_every_flip_in_what_is_stored_is_found(folder: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    directory: Path = request.getfixturevalue(folder)
    shutil.copytree(directory, tmp_path, dirs_exist_ok=True)
    path = tmp_path / file.EVENTS_FILE
    original = _content(path)
    harmless = named = 0
    for at, data in _flips(directory / file.EVENTS_FILE, 1, FLIPS):
        path.write_bytes(data)
        verdict = verify(path)
        assert verdict.ok or (verdict.file, bool(verdict.error)) == (file.EVENTS_FILE, True)
        assert not verdict.ok or _content(path) == original, f"a flip at {at} was not found"
        harmless += verdict.ok
        named += verdict.position is not None
    assert harmless < FLIPS / 2, "most flips should hit something"
    assert named > FLIPS / 10


def test_every_flip_in_the_wal_that_sqlite_reads_is_found(growing: Path, tmp_path: Path) -> None:
    """A frame that is not what its checksum says ends the WAL for SQLite, like the end of a write that the power cut."""
    random, path = Random(2), tmp_path / file.EVENTS_FILE
    wal = (growing / f"{file.EVENTS_FILE}-wal").read_bytes()
    shorter = 0
    for _ in range(100):
        for each in tmp_path.iterdir():
            each.unlink()
        shutil.copy(growing / file.EVENTS_FILE, path)
        changed = bytearray(wal)
        changed[random.randrange(len(wal))] ^= 1 << random.randrange(8)
        Path(f"{path}-wal").write_bytes(changed)
        verdict = verify(path)
        assert verdict.ok or verdict.error
        shorter += verdict.ok and verdict.records < 30
    assert shorter > 50


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE record SET trace = 'x' WHERE position = 9",
        "UPDATE record SET t_max = t_max + 1 WHERE position = 9",
        "UPDATE record SET chain = zeroblob(32) WHERE position = 9",
        "UPDATE record SET payload = CAST(payload AS TEXT) WHERE position = 9",
        "UPDATE record SET payload = x'00', crc32 = 3523407757 WHERE position = 9",
        "DELETE FROM record WHERE position = 9",
        "UPDATE seen SET row = 7 WHERE position = 9",
        "UPDATE seen SET content = zeroblob(16) WHERE position = 9",
        "DELETE FROM seen WHERE position = 9",
    ],
)
def test_what_was_changed_by_hand_is_named_by_its_position(whole: Path, tmp_path: Path, change: str) -> None:
    verdict = verify(_changed(whole, tmp_path, change))
    assert (verdict.ok, verdict.file, verdict.position) == (False, file.EVENTS_FILE, 9)


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO seen VALUES (x'01', 1, 1, x'02')",
        "UPDATE source SET events = events + 1",
        "UPDATE session SET link = zeroblob(32)",
        "INSERT INTO session VALUES ('a', 'b', 1, zeroblob(32))",
        "DELETE FROM record WHERE position = 30",
        "DROP INDEX record_machine",
        "CREATE TABLE other (x)",
    ],
)
def test_what_does_not_follow_from_the_records_is_found(whole: Path, tmp_path: Path, change: str) -> None:
    verdict = verify(_changed(whole, tmp_path, change))
    assert (verdict.ok, verdict.file, verdict.position) == (False, file.EVENTS_FILE, None)


def test_an_index_that_lost_an_entry_is_found(whole: Path, tmp_path: Path) -> None:
    path = _changed(whole, tmp_path, "UPDATE record SET machine = machine")
    data = path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'record_machine'").fetchone()
    at = (root - 1) * file.PAGE_BYTES + 3  # number of cells, two bytes
    path.write_bytes(data[: at + 1] + bytes([data[at + 1] - 1]) + data[at + 2 :])
    verdict = verify(path)
    assert (verdict.ok, verdict.position) == (False, None)
    assert "SQLite finds the file damaged" in str(verdict.error)


def test_a_schema_that_is_no_text_any_more_is_said(whole: Path, tmp_path: Path) -> None:
    """What SQLite says of it quotes it, and is no text either."""
    data, path = (whole / file.EVENTS_FILE).read_bytes(), tmp_path / file.EVENTS_FILE
    for at in range(data.index(b"CREATE TABLE session"), data.index(b"CREATE TABLE session") + 60):
        path.write_bytes(data[:at] + b"\xe4" + data[at + 1 :])
        assert not verify(path).ok
        with suppress(Unavailable), closing(LogReader(path)) as reader:
            reader.read(0, 1)


def _changed(whole: Path, directory: Path, change: str) -> Path:
    path = directory / file.EVENTS_FILE
    shutil.copy(whole / file.EVENTS_FILE, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(change)
        connection.commit()
    return path


async def test_a_log_is_checked_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.connectors.log_sqlite_verify.PORTION_BYTES", 2000)
    log = SqliteLog(tmp_path / file.EVENTS_FILE)
    loop = asyncio.get_running_loop()
    await log.append([sequenced(1, 100)])

    def more(done: int, of: int) -> None:
        if done < 30:
            receipt = log.append([sequenced(1 + 100 * done, 100), state(done)])
            asyncio.run_coroutine_threadsafe(receipt, loop).result(20)

    verdict = await asyncio.to_thread(verify, tmp_path / file.EVENTS_FILE, more)
    assert verdict.ok, verdict.error
    assert verdict.records > 30
    await log.close()


def test_where_there_is_no_log_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        verify(tmp_path / file.EVENTS_FILE)


# -- the command -----------------------------------------------------------------------------------------------------------


def test_the_command_says_what_it_found(whole: Path, tmp_path: Path) -> None:
    done = tailrace("log", "verify", "--dir", whole, "--json")
    assert done.stderr == ""
    assert json.loads(done.stdout).items() >= {"ok": True, "file": None, "position": None, "records": 30}.items()
    assert "as written: 30 records" in tailrace("log", "verify", "--dir", whole).stdout
    _changed(whole, tmp_path, "UPDATE record SET id = 'other' WHERE position = 9")
    done = tailrace("log", "verify", "--dir", tmp_path, "--json", code=1)
    assert done.stderr == ""
    assert json.loads(done.stdout).items() >= {"ok": False, "file": "events.db", "position": 9}.items()
    assert "damaged: events.db, position 9: " in tailrace("log", "verify", "--dir", tmp_path, code=1).stdout


def test_the_command_finds_a_file_that_is_no_database_any_more(whole: Path, tmp_path: Path) -> None:
    data = (whole / file.EVENTS_FILE).read_bytes()
    for changed in (bytes(len(data)), b"x" + data[1:], data[: file.PAGE_BYTES], os.urandom(100)):
        (tmp_path / file.EVENTS_FILE).write_bytes(changed)
        done = tailrace("log", "verify", "--dir", tmp_path, "--json", code=1)
        assert json.loads(done.stdout).items() >= {"ok": False, "file": "events.db", "position": None}.items()


def test_a_folder_without_a_log_is_wrong_use(tmp_path: Path) -> None:
    done = tailrace("log", "verify", "--dir", tmp_path, "--json", code=2)
    assert "expected a data folder" in json.loads(done.stdout)["error"]
