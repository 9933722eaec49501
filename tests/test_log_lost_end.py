"""A log that lost its end, as a backup that is older than the rows has: it is said, wherever figures would be other ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from commands import running, tailrace, tailrace_json, until
from log_records import state
from tailrace.app import compose
from tailrace.connectors import log_sqlite_file
from tailrace.schemas.errors import Conflict

T = "2026-11-20T{:02}:00:00Z"
WINDOW = ("--machine", "M1", "--from", T.format(6), "--to", T.format(12))
PLANT = "site: {name: Test}\nmachines:\n  M1: {line: L1}\n"
SAID = "Was it restored from an older backup? Bring the newer one back; or, if that is lost, delete this file"


def _states(path: Path, first: int, last: int, word: str = "running", name: str = "e") -> Path:
    lines = (
        f'{{"type":"state.changed","machine":"M1","t":"2026-11-20T06:{n:02}:00Z","state":"{word}","id":"{name}{n}"}}\n'
        for n in range(first, last)
    )
    path.write_text("".join(lines))
    return path


@pytest.fixture
def restored(tmp_path: Path) -> Path:
    """A folder whose rows reach position 40, with a log of 10 records."""
    folder = tmp_path / "data"
    tailrace("import", _states(tmp_path / "a", 0, 10), "--dir", folder)
    (log,) = folder.glob("events.db")
    _settle(log)
    shutil.copy(log, tmp_path / "backup.db")
    tailrace("import", _states(tmp_path / "b", 10, 40), "--dir", folder)
    tailrace("oee", *WINDOW, "--dir", folder)
    _settle(log)
    shutil.copy(tmp_path / "backup.db", log)
    return folder


def _settle(log: Path) -> None:
    """Moves the WAL into the file, as closing the last connection does."""
    connection = log_sqlite_file.open_writer(log)
    assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    connection.close()


def test_a_log_that_is_shorter_than_its_rows_is_said(restored: Path) -> None:
    said = tailrace_json("oee", *WINDOW, "--dir", restored, code=1)["error"]
    assert "read.db: expected a log that reaches position 40, as these rows do, got events.db that ends at 10" in said
    assert SAID in said
    with compose.pipeline(restored) as folding, pytest.raises(Conflict, match="ends at 10"):
        folding.step()


async def test_a_log_that_has_grown_again_is_known_by_the_hash_in_the_checkpoint(restored: Path) -> None:
    """At the checkpoint's position there is a record again, of an event that came later."""
    log = compose.SqliteLog(restored / compose.EVENTS_FILE)
    await log.append([state(n, id=f"other{n}") for n in range(100)])
    await log.close()
    said = tailrace_json("oee", *WINDOW, "--dir", restored, code=1)["error"]
    assert "the record that a checkpoint stands on, got another one in events.db" in said
    assert SAID in said


def test_without_the_rows_everything_is_made_again(restored: Path, tmp_path: Path) -> None:
    for path in restored.glob("read.db*"):
        path.unlink()
    fresh = tmp_path / "fresh"
    tailrace("import", tmp_path / "a", "--dir", fresh)
    assert tailrace_json("oee", *WINDOW, "--dir", restored) == tailrace_json("oee", *WINDOW, "--dir", fresh)


def test_a_record_that_was_damaged_since_makes_no_other_log(restored: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    tailrace("import", tmp_path / "b", "--dir", whole)
    tailrace("oee", *WINDOW, "--dir", whole)
    with compose.read_store(whole) as rows, compose.reading(whole) as log:
        (position,) = rows.execute("SELECT max(position) FROM checkpoint_manifest").fetchone()
        assert position == log.end()
    connection = log_sqlite_file.open_writer(whole / "events.db")
    connection.execute("UPDATE record SET payload = x'00' WHERE position = ?", (position,))
    connection.close()
    tailrace("oee", *WINDOW, "--dir", whole)


def test_up_takes_what_comes_and_says_why_it_does_not_fold(restored: Path, tmp_path: Path) -> None:
    plant = tmp_path / "plant.yaml"
    plant.write_text(PLANT)
    with running(plant, restored) as up:
        until(lambda: "Was it restored" in _troubles(restored).get("fold", ""), "up says what is wrong")
        tailrace("import", _states(tmp_path / "d", 0, 5, "idle", "late"), "--dir", restored)
        up.stop()
    with compose.reading(restored) as log:
        assert [record.id for record in log.read(log.end() - 5, 5)] == [f"late{n}" for n in range(5)]


def _troubles(folder: Path) -> dict[str, str]:
    found: dict[str, str] = (tailrace_json("status", "--dir", folder)["up"] or {}).get("troubles", {})
    return found
