"""Rebuilds: the same rows beside the live ones, put in place in one step, while whoever asks notices nothing."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import replay_plant
from commands import DEADLINE_S, TAILRACE, running, tailrace, tailrace_json, until
from tailrace import __version__
from tailrace.app import compose, rebuild, replay
from tailrace.app.pipeline import drive
from tailrace.engine.unit import unit
from tailrace.projections.models import TABLES, of_derived, of_events, projection_of
from tailrace.projections.store_sqlite import name_beside, place_of
from tailrace.projections.tables import metadata

SIZE = 200
NEVER: Callable[[], bool] = lambda: False  # noqa: E731


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose log is folded; there are rows in most tables."""
    directory = tmp_path_factory.mktemp("made") / "data"
    directory.mkdir()
    asyncio.run(replay_plant.append(directory, replay_plant.records(random.Random(3), SIZE)))
    with compose.own(directory), compose.pipeline(directory, batch=90) as pipeline:
        pipeline.drain()
        pipeline.checkpoint()
    return directory


@pytest.fixture
def folder(tmp_path: Path, made: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "data"))


@contextmanager
def read_db(directory: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(directory / compose.READ_FILE, isolation_level=None)) as connection:
        yield connection


def everything(directory: Path) -> dict[str, Any]:
    """All that the file holds but the pages where it lies: layout, places, derived and rows."""
    with read_db(directory) as connection:
        names = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        tables = [name for name, sql in names if sql and sql.startswith("CREATE TABLE")]
        found = {name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr) for name in tables}
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {"layout": names, **found}


def interrupted(directory: Path, projection: str) -> int:
    """Begins a rebuild and pauses it after its first transaction; gives where it stands."""
    asked = iter((False,))
    found = rebuild.rebuild(directory, projection, lambda *_: None, lambda: next(asked, True), differing=False)
    assert found.state == "paused"
    assert 0 < found.position < found.end, "half of it is made"
    return found.position


# -- what it makes -----------------------------------------------------------------------------------------------------


def test_every_table_is_made_by_one_projection() -> None:
    made = [table for tables in TABLES.values() for table in tables]
    assert sorted(made) == sorted(metadata.tables.keys() - {"checkpoint"})
    assert list(TABLES) == [*(each.name for each in of_events()), *(each.name for each in of_derived())]
    assert [projection_of(name) for name in ("oee", "oee_hour", "machine", "nothing")] == ["oee", "oee", "facts", None]


def test_rebuilt_rows_are_the_live_ones_and_nothing_else_changes(folder: Path) -> None:
    """No event, no output, no place moves; tables and indices are called what they were called."""
    before, log = everything(folder), (folder / compose.EVENTS_FILE).read_bytes()
    found = tailrace_json("rebuild", "all", "--dir", folder)["projections"]
    assert [(each["projection"], each["state"], each["equal"]) for each in found] == [
        (name, "swapped", True) for name in TABLES
    ]
    assert everything(folder) == before
    assert (folder / compose.EVENTS_FILE).read_bytes() == log


def test_rows_that_somebody_changed_are_shown_and_replaced_when_told_to(folder: Path) -> None:
    right = everything(folder)
    with read_db(folder) as connection:
        connection.execute("UPDATE oee_bucket SET shift_run_ns = shift_run_ns + 1 WHERE start_ns % 7 = 0")
        connection.execute("DELETE FROM oee_hour WHERE rowid % 2 = 0")
        connection.execute("INSERT INTO shift VALUES ('ghost', 1, 'F', 2, '', '')")
    wrong = everything(folder)
    said = tailrace("rebuild", "oee_hour", "--dir", folder, code=1)
    assert "oee_bucket: " in said.stderr and "differ; the first is machine=" in said.stderr
    assert "in shift_run_ns" in said.stderr
    assert "shift: 1 rows are only live; the first is machine=ghost start_ns=1 name=F" in said.stderr
    assert "--yes puts the rebuilt ones in place" in said.stdout
    now = everything(folder)
    assert {name: now[name] for name in TABLES["oee"]} == {name: wrong[name] for name in TABLES["oee"]}
    (kept,) = tailrace_json("rebuild", "oee", "--dir", folder, code=1)["projections"]
    assert (kept["state"], kept["equal"], kept["records"]) == ("kept", False, 0), "it was made already"
    assert {each["table"] for each in kept["differences"]} == {"oee_bucket", "oee_hour", "shift"}
    (done,) = tailrace_json("rebuild", "oee", "--dir", folder, "--yes")["projections"]
    assert (done["state"], done["equal"], done["records"]) == ("swapped", False, 0)
    assert everything(folder) == right


def test_indices_are_those_of_the_rows_that_were_put_in_place(folder: Path) -> None:
    """The live rows lie elsewhere in their table than the rebuilt ones; `everything` has SQLite check one against the other."""
    right = everything(folder)
    with read_db(folder) as connection:
        connection.execute("UPDATE stop SET rowid = rowid + 1000, start_ns = start_ns + 1")
    tailrace("rebuild", "stops", "--dir", folder, "--yes")
    assert everything(folder) == right


def test_a_place_that_somebody_moved_is_that_of_the_rebuilt_rows(folder: Path) -> None:
    """Marks are part of what is made again: a projection with a mark too high would leave outputs out."""
    right = everything(folder)
    with read_db(folder) as connection:
        connection.execute("UPDATE checkpoint SET marks = x'80' WHERE projection = 'oee'")
    tailrace("rebuild", "oee", "--dir", folder)
    assert everything(folder) == right


# -- while others write and ask ------------------------------------------------------------------------------------------


class Asking:
    """A thread that asks all the time; what it hears has to be one of the pictures that there were at the ends of steps."""

    def __init__(self, directory: Path, ask: Callable[[sqlite3.Connection], object]) -> None:
        self._directory, self._ask = directory, ask
        self._ended = threading.Event()
        self.heard: list[object] = []
        self.failed: list[str] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with read_db(self._directory) as connection:
            while not self._ended.is_set():
                try:
                    self.heard.append(self._ask(connection))
                except sqlite3.Error as error:
                    self.failed.append(str(error))
                time.sleep(0.001)

    def __enter__(self) -> Asking:
        self._thread.start()
        until(lambda: self.heard or self.failed, "somebody asks")
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(DEADLINE_S)


def figures(connection: sqlite3.Connection) -> object:
    """Sums over three tables of one projection in one statement, by names that a dashboard has."""
    return connection.execute(
        "SELECT (SELECT count(*) FROM oee_bucket), (SELECT sum(minutes) FROM oee_hour), (SELECT count(*) FROM shift), "
        "(SELECT count(*) FROM asset_data), (SELECT sum(n) FROM score_rollup)"
    ).fetchone()


def test_who_asks_meanwhile_never_sees_a_failure_or_half_a_table(folder: Path) -> None:
    with read_db(folder) as connection:
        whole = figures(connection)
    with Asking(folder, figures) as asking:
        tailrace("rebuild", "all", "--dir", folder)
    assert not asking.failed
    assert set(asking.heard) == {whole}


async def test_rows_that_are_written_meanwhile_are_in_the_rebuilt_ones(folder: Path) -> None:
    """The pipeline of an owner goes on between the transactions, and after the swap in what was put in place."""
    waiting = replay_plant.records(random.Random(31), SIZE)
    with compose.own(folder), compose.pipeline(folder, batch=20) as pipeline:
        assert not pipeline.step()
        for name in TABLES:
            some, waiting = waiting[:30], waiting[30:]

            def between(_done: int, _end: int, some: list[Any] = some) -> None:
                pipeline.step()

            await replay_plant.append(folder, some)
            found = rebuild.rebuild(folder, name, between, NEVER, differing=False)
            assert (found.state, found.differences) == ("swapped", [])
            pipeline.drain()
        await replay_plant.append(folder, waiting)
        pipeline.drain()
    assert replay.verify(folder).equal


async def test_rows_that_are_written_between_the_last_look_and_the_swap_are_not_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The live rows move on after they were reached: then they are reached once more."""
    reach, more = rebuild._Run._reach_live, iter(replay_plant.records(random.Random(41), 40))
    with compose.own(folder), compose.pipeline(folder) as pipeline:
        pipeline.drain()

        def late(run: rebuild._Run, *paused: Any) -> bool:
            found = reach(run, *paused)
            some = list(itertools.islice(more, 5))
            if some:
                with ThreadPoolExecutor(1) as other:
                    other.submit(asyncio.run, replay_plant.append(folder, some)).result()
                pipeline.drain()
            return found

        monkeypatch.setattr(rebuild._Run, "_reach_live", late)
        found = rebuild.rebuild(folder, "ingested", lambda *_: None, NEVER, differing=False)
    assert (found.state, found.differences) == ("swapped", [])
    assert replay.verify(folder).equal
    with read_db(folder) as connection, compose.reading(folder) as log:
        assert place_of(connection, "ingested").position == log.end()


def test_a_connection_that_was_open_sees_the_rows_that_were_put_in_place(folder: Path) -> None:
    """It has read the list of tables long ago. At once, and not only when what was replaced is taken away."""
    with read_db(folder) as connection:
        right = figures(connection)
        connection.execute("DELETE FROM oee_bucket WHERE start_ns % 7 = 0")
        assert figures(connection) != right
        with compose.rebuilding(folder, "oee") as (writing, beside, projector):
            beside.begin()
            drive(projector.drain())
            assert figures(connection) != right
            with unit(writing):
                beside.swap()
            assert figures(connection) == right


def test_it_works_beside_a_running_up(tmp_path: Path) -> None:
    plant, data = tmp_path / "plant.yaml", tmp_path / "data"
    plant.write_text("site: {name: Test}\nmachines: {M1: {}, M2: {}}\n")
    events = tmp_path / "events.jsonl"
    lines = [
        {"type": "state.changed", "machine": f"M{1 + i % 2}", "t": 1_795_154_400 + 60 * i, "state": state}
        for i, state in zip(range(300), itertools.cycle(("running", "down", "down")), strict=False)
    ]
    events.write_text("".join(json.dumps(each) + "\n" for each in lines))
    tailrace("import", events, "--dir", data)
    with running(plant, data) as up:
        with Asking(data, figures) as asking:
            found = tailrace_json("rebuild", "all", "--dir", data)["projections"]
        assert [(each["state"], each["differences"]) for each in found] == [("swapped", [])] * len(TABLES)
        assert not asking.failed
        assert tailrace_json("status", "--dir", data)["up"]["troubles"] == {}
        up.stop()
    assert tailrace_json("replay", "--verify", "--dir", data)["equal"]


# -- interruptions -----------------------------------------------------------------------------------------------------


def test_a_rebuild_that_was_paused_goes_on_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = everything(folder)
    monkeypatch.setattr(rebuild, "STEP_MAX", 5)
    stands = interrupted(folder, "oee")
    found = rebuild.rebuild(folder, "oee", lambda *_: None, NEVER, differing=False)
    assert (found.state, found.records) == ("swapped", found.position - stands)
    assert everything(folder) == right


def test_cancelling_leaves_nothing_behind(folder: Path) -> None:
    before = everything(folder)
    for name in ("oee", "rollup", "anomaly"):
        interrupted(folder, name)
    assert everything(folder) != before
    assert tailrace_json("rebuild", "all", "--cancel", "--dir", folder)["cancelled"] == ["oee", "rollup", "anomaly"]
    assert everything(folder) == before
    assert "nothing was being rebuilt" in tailrace("rebuild", "oee", "--cancel", "--dir", folder).stdout


KILLED = """
import os, signal, sys
from pathlib import Path
from tailrace.app import compose, rebuild
from tailrace.projections.beside_sqlite import Beside
rebuild.STEP_FIRST, rebuild.STEP_MAX = 3, 3
seen = 0
def die(*_):
    global seen
    seen += 1
    if seen == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "step":
    rebuild.rebuild(Path(sys.argv[1]), "oee", die, lambda: False, differing=False)
elif sys.argv[2] == "swap":
    swap = Beside.swap
    Beside.swap = lambda self: (swap(self), die())
elif sys.argv[2] == "swept":
    drop = Beside.drop
    Beside.drop = lambda self: (die(), drop(self))
rebuild.rebuild(Path(sys.argv[1]), "oee", lambda *_: None, lambda: False, differing=False)
"""


@pytest.mark.parametrize(("moment", "times"), [("step", 1), ("step", 4), ("swap", 1), ("swept", 2)])
def test_killed_at_any_moment_it_goes_on(folder: Path, moment: str, times: int) -> None:
    """In the middle of the rows, before the swap is committed, and when what was replaced is not yet taken away."""
    right = everything(folder)
    killed = subprocess.run([TAILRACE[0], "-c", KILLED, str(folder), moment, str(times)], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = everything(folder)
    assert left != right, "something is left beside"
    assert {name: left[name] for name in metadata.tables if name != "checkpoint"} == {
        name: right[name] for name in metadata.tables if name != "checkpoint"
    }
    (found,) = tailrace_json("rebuild", "oee", "--dir", folder)["projections"]
    assert found["state"] == "swapped"
    assert (found["records"] < found["position"]) == (moment != "swept"), "rows that were made are not made again"
    assert everything(folder) == right


def test_rows_of_another_release_are_not_gone_on_with(folder: Path) -> None:
    right = everything(folder)
    interrupted(folder, "oee")
    with read_db(folder) as connection:
        connection.execute("UPDATE rebuilt_oee_bucket SET shift_run_ns = -1")
        changed = "UPDATE checkpoint SET projection = ? WHERE projection = ?"
        connection.execute(changed, (name_beside("oee", "0.0.0"), name_beside("oee", __version__)))
    (found,) = tailrace_json("rebuild", "oee", "--dir", folder)["projections"]
    assert (found["state"], found["equal"], found["records"]) == ("swapped", True, found["position"])
    assert everything(folder) == right


def test_a_table_that_another_release_laid_out_is_refused(folder: Path) -> None:
    with read_db(folder) as connection:
        connection.execute("ALTER TABLE stop ADD COLUMN colour TEXT")
    said = tailrace("rebuild", "stops", "--dir", folder, code=1).stderr
    assert "stop: expected the columns and indices of this release" in said and "delete read.db" in said


def test_one_at_a_time(folder: Path) -> None:
    with rebuild.alone(folder):
        said = tailrace("rebuild", "oee", "--dir", folder, code=3).stderr
        assert f"process {os.getpid()} is rebuilding here" in said


def test_a_name_that_is_nobodys_is_answered_with_those_that_there_are(folder: Path) -> None:
    said = tailrace("rebuild", "oe", "--dir", folder, code=2).stderr
    assert "got 'oe'" in said
    assert "oee (shift, oee_bucket, oee_history, oee_hour, oee_shift)" in said


def test_a_log_that_lost_its_end_is_refused(folder: Path) -> None:
    """Rows made again of another log would look like a repair."""
    (folder / compose.EVENTS_FILE).unlink()
    asyncio.run(replay_plant.append(folder, replay_plant.records(random.Random(99), 50)))
    tailrace("rebuild", "facts", "--dir", folder, code=1)
