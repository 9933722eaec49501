"""Replays: the rows of a folder are what its log says, however they came to be; and what is not, is named."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

import replay_plant
from commands import running, tailrace, tailrace_json
from tailrace.app import compose, replay
from tailrace.app.pipeline import PLACE
from tailrace.projections import digest
from tailrace.projections.column_types import Instant as InstantType
from tailrace.projections.store_sqlite import make_tables, place_of
from tailrace.projections.tables import metadata
from tailrace.schemas import codec
from tailrace.schemas.errors import SendFailed
from tailrace.schemas.instant import SECOND

# -- digests -----------------------------------------------------------------------------------------------------------


def test_a_digest_is_of_canonical_rows() -> None:
    """Every kind of value: an integer, a time in microseconds, text, -0 as 0, what is no number as null."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        make_tables(connection)
        put = "INSERT INTO signal_clock VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        connection.execute(put, ("M2", "é", "", 1_999, "1970-01-01 00:00:00.000001", -1, -0.0, None, 0, 7))
        connection.execute(
            put, ("M1", "b", "c", 2 * SECOND, "1970-01-01 00:00:02.000000", 3, float("inf"), "x", 2**32 - 1, 8)
        )
        assert list(digest.rows(connection, "signal_clock")) == [
            ("M1", "b", "c", 2 * SECOND, 2_000_000, 3, None, "x", 2**32 - 1),
            ("M2", "é", "", 1_999, 1, -1, 0.0, None, 0),
        ]
        first = (
            b"\x99\xa2M1\xa1b\xa1c\xce"
            + (2 * SECOND).to_bytes(4, "big")
            + b"\xce\x00\x1e\x84\x80\x03\xc0\xa1x\xce\xff\xff\xff\xff"
        )
        second = b"\x99\xa2M2\xa2\xc3\xa9\xa0\xcd\x07\xcf\x01\xff\xcb" + bytes(8) + b"\xc0\x00"
        assert digest.digests(connection)["signal_clock"] == hashlib.sha256(first + second).hexdigest()


@pytest.mark.parametrize("value", [-0.0, 0.0, 0])
def test_a_float_is_its_bits_and_there_is_one_zero(value: float) -> None:
    (kind,) = {digest._maker(column) for column in metadata.tables["score_rollup"].columns if column.name == "max"}
    assert msgspec.msgpack.encode(kind(value)) == b"\xcb" + bytes(8)


def test_the_places_of_projections_are_in_no_digest_and_every_other_table_is() -> None:
    assert set(digest.MODELS) == metadata.tables.keys() - {"checkpoint", "log_block"}


def test_every_column_that_holds_an_instant_is_read_as_one() -> None:
    """A row whose time is text here and a DATETIME2 there must not differ by that."""
    for table in metadata.tables.values():
        for column in table.columns:
            says_so = isinstance(column.type, InstantType) and (column.comment or "").split(";")[0].endswith("UTC")
            assert says_so == (column.name in digest.TIMES), f"{table.name}.{column.name}: {column.comment}"
    assert digest.micros("2026-11-20 06:00:00.250001") == digest.micros(
        datetime(2026, 11, 20, 6, 0, 0, 250_001, tzinfo=UTC)
    )


# -- verify ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
async def test_rows_are_what_the_log_says_however_they_were_made(tmp_path: Path, seed: int) -> None:
    """Steps of any size, checkpoints anywhere, steps that are rolled back, workers that start again."""
    rng = random.Random(seed)
    waiting = replay_plant.records(rng, 400)
    while waiting:
        size = rng.choice((1, 20, 150))
        await replay_plant.append(tmp_path, waiting[:size])
        waiting = waiting[size:]
        with compose.pipeline(tmp_path, batch=rng.choice((1, 7, 60, 500))) as pipeline:
            while pipeline.step():
                if rng.random() < 0.2:
                    pipeline.checkpoint()
                if rng.random() < 0.1:
                    break
    for batch in (640, 13):
        found = replay.verify(tmp_path, batch=batch)
        assert found.equal, found.first_differences
        assert found.position == len(await _log(tmp_path))
    assert len({each.live for each in found.digests.values()}) > 10, "there are rows in most models"


async def test_rows_at_a_place_say_nothing_of_what_comes_after_it(tmp_path: Path) -> None:
    """So that a replay can be compared with rows that are being made."""
    rng = random.Random(5)
    await replay_plant.append(tmp_path, replay_plant.records(rng, 400))
    with compose.read_store(tmp_path) as live, compose.own(tmp_path):
        for _ in range(6):
            with compose.pipeline(tmp_path, batch=rng.choice((20, 50))) as pipeline:
                for _ in range(3):
                    pipeline.step()
                    if rng.random() < 0.3:
                        pipeline.checkpoint()
            assert place_of(live, PLACE).position < len(await _log(tmp_path))
            assert replay.verify(tmp_path).equal


async def test_who_starts_far_behind_reaches_the_end(tmp_path: Path) -> None:
    """Without a checkpoint every worker begins at zero, below the place of the rows."""
    some = replay_plant.records(random.Random(6), 200)
    for part in (some[:100], some[100:]):
        await replay_plant.append(tmp_path, part)
        with compose.pipeline(tmp_path, batch=30) as pipeline:
            pipeline.drain()
    with compose.read_store(tmp_path) as live:
        assert place_of(live, PLACE).position == len(some)
    assert replay.verify(tmp_path).equal


async def test_a_step_that_is_torn_leaves_the_rows_of_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await replay_plant.append(tmp_path, replay_plant.records(random.Random(7), 400))
    rng = random.Random(8)
    with compose.pipeline(tmp_path, batch=20) as pipeline:
        project = pipeline._project

        async def torn() -> None:
            await project()
            if rng.random() < 0.5:
                raise SendFailed("the disk is full")

        monkeypatch.setattr(pipeline, "_project", torn)
        moved = True
        while moved:
            try:
                moved = pipeline.step()
                pipeline.checkpoint()
            except SendFailed:
                continue
    assert replay.verify(tmp_path).equal


@pytest.mark.parametrize(
    ("spoil", "model", "words"),
    [
        ("UPDATE oee_bucket SET revision = revision + 1 WHERE rowid = 5", "oee_bucket", "in revision"),
        ("UPDATE signal_rollup SET known_from_ns = known_from_ns + 1", "signal_rollup", "in known_from_ns"),
        ("DELETE FROM stop WHERE rowid = (SELECT max(rowid) FROM stop)", "stop", "only one side has that row"),
        ("INSERT INTO machine (machine) VALUES ('M0')", "machine", "at machine=M0: only one side has that row"),
        ("UPDATE score_rollup SET sum_e6 = sum_e6 + 1", "score_rollup", "in sum_e6"),
    ],
)
def test_a_row_that_the_log_does_not_say_is_named(tmp_path: Path, spoil: str, model: str, words: str) -> None:
    _imported(tmp_path)
    before = tailrace_json("replay", "--verify", "--dir", tmp_path)
    assert before["equal"] and before["position"] > 0 and before["first_differences"] == []
    with closing(sqlite3.connect(tmp_path / "read.db", isolation_level=None)) as connection:
        assert connection.execute(spoil).rowcount > 0
    after = tailrace_json("replay", "--verify", "--dir", tmp_path, code=1)
    assert not after["equal"]
    different = [name for name, each in after["digests"].items() if each["live"] != each["replayed"]]
    assert different == [model]
    assert after["digests"][model]["replayed"] == before["digests"][model]["live"]
    said = tailrace("replay", "--verify", "--dir", tmp_path, code=1)
    assert words in said.stderr and "not equal" in said.stdout


def test_verify_says_it_as_a_table_too(tmp_path: Path) -> None:
    _imported(tmp_path)
    said = tailrace("replay", "--verify", "--dir", tmp_path)
    assert "equal, up to position" in said.stdout and "oee_bucket" in said.stdout


def test_a_folder_without_a_log_is_refused_in_words(tmp_path: Path) -> None:
    said = tailrace("replay", "--verify", "--dir", tmp_path / "nowhere", code=2)
    assert "expected a data folder" in said.stderr


def test_rows_that_were_deleted_are_made_again_and_equal(tmp_path: Path) -> None:
    _imported(tmp_path)
    digests = tailrace_json("replay", "--verify", "--dir", tmp_path)["digests"]
    for path in tmp_path.glob("read.db*"):
        path.unlink()
    assert tailrace_json("replay", "--verify", "--dir", tmp_path)["digests"] == digests


def test_an_owner_that_is_killed_leaves_rows_that_the_log_says(tmp_path: Path) -> None:
    """`up` folds what an import brings through it, is killed in the middle and started again; verify runs beside it."""
    plant, data = tmp_path / "plant.yaml", tmp_path / "data"
    plant.write_text("site:\n  name: here\nmachines:\n  OEE1: {}\n")
    first, second = (_file(tmp_path / f"{i}.jsonl", i, 60) for i in range(2))
    with running(plant, data) as up:
        assert up.process.poll() is None, up.said()
        tailrace("import", first, "--dir", data)
        up.kill()
    with running(plant, data) as up:
        tailrace("import", second, "--dir", data)
        assert tailrace_json("replay", "--verify", "--dir", data)["equal"]
        up.kill()
    found = tailrace_json("replay", "--verify", "--dir", data)
    assert found["equal"], found["first_differences"]
    with compose.reading(data) as log:
        assert found["position"] == log.end()


async def _log(directory: Path) -> list[object]:
    with compose.reading(directory) as log:
        return list(log.read(0, 1_000_000))


def _file(path: Path, seed: int, size: int = 160) -> Path:
    rng = random.Random(seed)
    made = [msgspec.structs.replace(each, id=f"{seed}-{each.id}") for each in replay_plant.events(rng, size)]
    path.write_bytes(b"".join(codec.to_line(each) + b"\n" for each in made) + b"not an event\n")
    return path


def _imported(directory: Path) -> None:
    tailrace("import", _file(directory / "some.jsonl", 3), "--dir", directory)
