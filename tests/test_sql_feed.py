"""Read models in a database of the plant's choice: the rows of read.db, whatever happens to either side.

Each test runs on a SQLite file, and on SQL Server where TAILRACE_TEST_MSSQL_URL names one, in a schema of its own.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import replay_plant
import sql_databases
from commands import Up, live, running, tailrace, tailrace_json, until
from tailrace.app import compose, sql_folder, sql_verify
from tailrace.app.sql_feed import Feed
from tailrace.app.sql_origin import ORIGIN
from tailrace.projections.store_settings import ReadModels
from tailrace.schemas.errors import Conflict, Unavailable

SIZE = 80


def fold(directory: Path) -> None:
    with compose.own(directory), compose.pipeline(directory, batch=90) as pipeline:
        pipeline.drain()
        pipeline.checkpoint()


def grown(directory: Path, seed: int, size: int) -> None:
    asyncio.run(replay_plant.append(directory, replay_plant.records(random.Random(seed), size)))
    fold(directory)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made") / "data"
    directory.mkdir()
    grown(directory, 3, SIZE)
    return directory


@pytest.fixture
def folder(tmp_path: Path, made: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "data"))


@pytest.fixture(params=sql_databases.KINDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReadModels]:
    with sql_databases.database(request.param, tmp_path, monkeypatch) as found:
        yield found


def verified(directory: Path, settings: ReadModels) -> dict[str, Any]:
    sql_folder.write(directory, settings)
    return tailrace_json("replay", "--verify", "--dir", directory)


# -- the same rows -----------------------------------------------------------------------------------------------------


def test_its_rows_are_those_of_read_db_and_stay_so_as_the_log_grows(folder: Path, settings: ReadModels) -> None:
    first = Feed(folder, settings).once()
    assert (first.state, first.behind_records, first.error) == ("up to date", 0, "")
    grown(folder, 4, 20)
    found = verified(folder, settings)
    assert found["equal"]
    assert found["database"]["position"] == found["position"] > (first.position or 0)
    assert {model: each["live"] for model, each in found["database"]["digests"].items()} == {
        model: each["live"] for model, each in found["digests"].items()
    }
    assert len({each["live"] for each in found["digests"].values()}) > 6, "there are rows in many models"


def test_a_row_that_somebody_changed_there_is_found(folder: Path, settings: ReadModels) -> None:
    Feed(folder, settings).once()
    sql_databases.execute(settings, "machine", "UPDATE {table} SET line = 'elsewhere'")
    sql_folder.write(folder, settings)
    found = tailrace_json("replay", "--verify", "--dir", folder, code=1)
    assert not found["equal"]
    assert [m for m, each in found["database"]["digests"].items() if each["live"] != each["replayed"]] == ["machine"]
    assert "differs in machine" in tailrace("replay", "--verify", "--dir", folder, code=1).stdout


def test_a_read_db_that_is_made_again_moves_nothing_there(folder: Path, settings: ReadModels) -> None:
    """Its derived log is cut otherwise then, so positions in it mean nothing: what was taken is known by n."""
    Feed(folder, settings).once()
    grown(folder, 5, 40)
    for each in folder.glob("read.db*"):
        each.unlink()
    with compose.own(folder), compose.pipeline(folder, batch=7) as pipeline:
        pipeline.drain(50)
    behind = Feed(folder, settings).once()
    assert behind.error == ""
    with compose.own(folder), compose.pipeline(folder, batch=11) as pipeline:
        pipeline.drain()
    assert verified(folder, settings)["equal"]


# -- what is noticed ---------------------------------------------------------------------------------------------------


def test_a_database_that_went_back_to_an_older_backup_is_noticed_and_caught_up(folder: Path, tmp_path: Path) -> None:
    file, backup = tmp_path / "rows.db", tmp_path / "backup.db"
    settings = ReadModels(url=f"sqlite:///{file}")
    before = Feed(folder, settings).once().position
    shutil.copy(file, backup)
    grown(folder, 6, 40)
    feed = Feed(folder, settings)
    feed.start()
    until(lambda: feed.status.state == "up to date" and (feed.status.position or 0) > (before or 0), "it is up to date")
    reached = feed.status.position
    for each in tmp_path.glob("rows.db-*"):
        each.unlink()
    backup.replace(file)
    until(lambda: "went back" in feed.status.note and feed.status.position == reached, "it is caught up")
    feed.stop()
    assert f"from position {reached} to {before}" in feed.status.note
    assert verified(folder, settings)["equal"]


def test_one_that_is_ahead_of_the_log_is_refused_with_an_explanation(
    folder: Path, settings: ReadModels, made: Path
) -> None:
    older = Path(shutil.copytree(made, folder.parent / "older"))
    grown(folder, 7, 40)
    reached = Feed(folder, settings).once().position
    with pytest.raises(Conflict, match=f"reaches position {reached}.*got one that ends at .*older backup"):
        Feed(older, settings).once()


def test_one_of_another_plant_is_refused_however_long_its_log(
    folder: Path, settings: ReadModels, tmp_path: Path
) -> None:
    Feed(folder, settings).once()
    digests = sql_verify.digests(folder, settings).digests
    other = tmp_path / "other"
    other.mkdir()
    grown(other, 99, 3 * SIZE)
    with pytest.raises(Conflict, match=r"expected up to position .* another plant"):
        Feed(other, settings).once()
    assert sql_verify.digests(folder, settings).digests == digests, "not a row of it was written"


def test_rows_that_nobody_fed_here_are_refused(folder: Path, settings: ReadModels) -> None:
    Feed(folder, settings).once()
    sql_databases.execute(settings, "checkpoint", f"DELETE FROM {{table}} WHERE projection = '{ORIGIN}'")
    with pytest.raises(Conflict, match="expected an empty database"):
        Feed(folder, settings).once()


def test_one_that_is_away_is_waited_for_and_caught_up(folder: Path, tmp_path: Path) -> None:
    gone = tmp_path / "mount"
    settings = ReadModels(url=f"sqlite:///{gone / 'rows.db'}")
    with pytest.raises(Unavailable, match="unable to open"):
        Feed(folder, settings).once()
    heard: list[str] = []
    feed = Feed(folder, settings, heard.append)
    feed.start()
    until(lambda: feed.status.state == "waiting", "it waits")
    assert "unable to open" in feed.status.error and heard[0] == feed.status.error
    gone.mkdir()
    until(lambda: feed.status.state == "up to date", "it is caught up")
    feed.stop()
    assert feed.status.error == "" and heard[-1] == ""
    assert verified(folder, settings)["equal"]


# -- in the process of up ------------------------------------------------------------------------------------------------


def line(i: int) -> str:
    state = ("running", "down")[i % 2]
    return (
        json.dumps({"type": "state.changed", "machine": f"M{i % 3}", "t": 1_795_154_400 + 60 * i, "state": state})
        + "\n"
    )


def test_up_feeds_it_and_says_how_it_is(tmp_path: Path) -> None:
    """An outage stops nothing: what comes meanwhile is in the log and in read.db, and later there too."""
    data, mount = tmp_path / "data", tmp_path / "mount"
    plant, events = tmp_path / "plant.yaml", tmp_path / "events.jsonl"
    plant.write_text(f"site: {{name: Test}}\nread_models:\n  url: sqlite:///{mount}/rows.db\n")
    events.write_text("".join(line(i) for i in range(40)))
    tailrace("import", events, "--dir", data)

    def fed() -> Any:
        return (live(data) or {}).get("read_models") or {}

    with running(plant, data) as up:
        until(lambda: fed().get("state") == "waiting", "the database is away")
        said = tailrace_json("status", "--dir", data)
        assert "unable to open" in said["read_models"]["error"] and "read models" in said["up"]["troubles"]
        assert said["read_models"]["position"] is None
        assert "rows in   sqlite" in tailrace("status", "--dir", data).stdout
        mount.mkdir()
        until(lambda: fed().get("state") == "up to date", "it is caught up")
        assert tailrace_json("status", "--dir", data)["up"]["troubles"] == {}
        assert tailrace_json("replay", "--verify", "--dir", data)["database"]["position"] > 0
        up.stop()
    assert up.process.returncode == 0
    found = tailrace_json("status", "--dir", data)["read_models"]
    assert (found["state"], found["where"]) == ("not fed", f"sqlite {mount}/rows.db")
    assert tailrace_json("replay", "--verify", "--dir", data)["equal"]
    checks = {each["name"]: each for each in tailrace_json("doctor", "--dir", data, code=0)["checks"]}
    assert checks["read models"]["state"] == "ok"


def test_killed_again_and_again_its_rows_are_right(tmp_path: Path) -> None:
    data, rows = tmp_path / "data", tmp_path / "rows.db"
    plant, events = tmp_path / "plant.yaml", tmp_path / "events.jsonl"
    plant.write_text(f"site: {{name: Test}}\nread_models: {{url: 'sqlite:///{rows}'}}\n")
    events.write_text("".join(line(i) for i in range(50)))
    tailrace("import", events, "--dir", data)

    def committed() -> int:
        if not rows.exists():
            return 0
        with closing(sqlite3.connect(f"file:{rows}?mode=ro", uri=True)) as connection:
            try:
                found = connection.execute("SELECT sum(position) FROM checkpoint").fetchone()
            except sqlite3.OperationalError:
                return 0
            return int(found[0] or 0)

    for _ in range(3):
        up = Up(plant, data)
        until(partial(lambda before: committed() > before, committed()), "something is committed")
        up.kill()
        events.write_text("".join(line(i) for i in range(committed(), committed() + 50)))
        tailrace("import", events, "--dir", data)
    assert tailrace_json("replay", "--verify", "--dir", data)["equal"]


# -- the plant file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{url: 'mssql+aioodbc://u:secret@h/db'}", "read_models.url: expected no password in it"),
        ("{url: 'postgresql://h/db'}", "read_models.url: expected mssql+aioodbc://"),
        ("{url: 'rows.db'}", "got what is no URL"),
        ("{url: 'mssql+aioodbc://u@h'}", "expected a database in it"),
        ("{url: 'mssql+aioodbc://h/db', password_env: X}", "expected a user beside the password"),
        ("{url: 'mssql+aioodbc://u@h/db', password_env: X, password_file: y}", "read_models.password_env: expected"),
        ("{uri: x}", "read_models"),
    ],
)
def test_a_wrong_one_is_said_with_line_field_and_fix(tmp_path: Path, text: str, words: str) -> None:
    plant = tmp_path / "plant.yaml"
    plant.write_text(f"site: {{name: Test}}\n\nread_models: {text}\n")
    said = tailrace("validate", plant, code=2).stderr
    assert f"{plant}:3: " in said and words in said
    assert "secret" not in said


def test_a_password_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss/wörd\n")
    url = "mssql+aioodbc://user@host:1433/db?driver=X"
    whole = "mssql+aioodbc://user:p%40ss%2Fw%C3%B6rd@host:1433/db?driver=X"
    found = ReadModels(url=url, password_file=str(file))
    assert found.whole() == whole
    assert found.where == "mssql+aioodbc://user@host:1433/db"
    monkeypatch.setenv("TAILRACE_SQL", "p@ss/wörd")
    assert ReadModels(url=url, password_env="TAILRACE_SQL").whole() == whole
    monkeypatch.delenv("TAILRACE_SQL")
    with pytest.raises(Exception, match="TAILRACE_SQL, got none"):
        ReadModels(url=url, password_env="TAILRACE_SQL").whole()
