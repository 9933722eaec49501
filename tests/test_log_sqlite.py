"""What only the log in a file can show: crashes, a full disk, damage, who shares a commit, and how far files grow."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from components import missing
from log_files import failing_writes
from log_records import events, everything, identified, large, numbers, sequenced, state
from tailrace.connectors import log_sqlite_file as file
from tailrace.connectors import log_sqlite_writer as writer
from tailrace.connectors.log_sqlite import Room, SqliteLog
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.engine.log import Receipt
from tailrace.schemas import frame
from tailrace.schemas.errors import InvalidEvent, NotFound, SendFailed, Unavailable

CHILD = [sys.executable, str(Path(__file__).with_name("log_child.py"))]


# -- crashes -----------------------------------------------------------------------------------------------------------------


async def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    """Each round goes on after what was acknowledged, so it sends again what the kill left in doubt."""
    acknowledged = [0] * 12
    for _ in range(5):
        _produce_and_kill(tmp_path, acknowledged, lines=150)
        log = SqliteLog(tmp_path / file.EVENTS_FILE)
        records = await everything(log)
        await log.close()
        for k, reached in enumerate(acknowledged):
            mine = numbers([record for record in records if record.session == f"s{k}"])
            assert mine == list(range(1, len(mine) + 1)), "one event twice, or out of order"
            assert len(mine) >= reached, f"s{k}: acknowledged up to {reached}, in the log up to {len(mine)}"


def _produce_and_kill(directory: Path, acknowledged: list[int], lines: int) -> None:
    starts = [str(reached + 1) for reached in acknowledged]
    with subprocess.Popen([*CHILD, "produce", str(directory), *starts], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for count, line in enumerate(child.stdout, 1):
            session, _, last = line.split()
            acknowledged[int(session[1:])] = int(last)
            if count == lines:
                child.kill()
    assert count >= lines


# -- a disk that does not take it ----------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        missing("the right to mount a small file system")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


async def test_a_full_disk_is_said_and_the_log_goes_on_when_there_is_space(small_disk: Path) -> None:
    """Frames come until two in a row find no space; what was acknowledged is there, and space lets in what was refused."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2 * 1024 * 1024))
    log = SqliteLog(small_disk / "events.db")
    frames = [sequenced(1 + 1000 * i, 1000, machine="M" * 60) for i in range(300)]
    outcomes: list[Receipt | BaseException] = []
    while sum(isinstance(each, SendFailed) for each in outcomes[-2:]) < 2:
        outcomes += await asyncio.gather(log.append([frames[len(outcomes)]]), return_exceptions=True)
    assert {str(each).partition(" (")[0] for each in outcomes if isinstance(each, BaseException)} == {
        f"{small_disk}/events.db: the disk is full; free some space, the log goes on by itself"
    }
    stored = [frame.first_seq for frame, each in zip(frames, outcomes, strict=False) if isinstance(each, Receipt)]
    assert [record.first_seq for record in await everything(log)] == stored
    ballast.unlink()
    receipts = [await log.append([each]) for each in frames[: len(outcomes)]]
    assert sum(receipt.appended for receipt in receipts) == 1000 * (len(outcomes) - len(stored))
    assert sorted(numbers(await everything(log))) == list(range(1, 1000 * len(outcomes) + 1))
    await log.close()


async def test_a_failed_write_stores_nothing_of_the_group_and_the_log_goes_on(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "events.db")
    await log.append([state(1)])
    with failing_writes(200_000):
        appends = [log.append([large(50_000, id=f"large-{i}")]) for i in range(20)]
        outcomes = await asyncio.gather(*appends, return_exceptions=True)
    failed = [each for each in outcomes if isinstance(each, SendFailed)]
    assert failed
    assert all("events.db: the disk does not take" in str(each) for each in failed)
    stored = sum(each.appended for each in outcomes if isinstance(each, Receipt))
    assert await log.end() == 1 + stored
    again = [large(50_000, id=f"large-{i}") for i in range(20)]
    assert (await log.append(again)).appended == 20 - stored
    assert await log.end() == len(await everything(log)) == 21
    await log.close()


# -- files that are not what they should be ------------------------------------------------------------------------------------


async def test_a_damaged_payload_is_given_as_it_is_and_refused_where_it_is_read(tmp_path: Path) -> None:
    """So that it can be parked by name, and what comes after it is there (engine/parking.py)."""
    path = tmp_path / "events.db"
    log = SqliteLog(path)
    await log.append([state(1), state(2, word="WATERMARK"), state(3)])
    await log.close()
    data = path.read_bytes()
    assert data.count(b"WATERMARK") == 1
    path.write_bytes(data.replace(b"WATERMARK", b"WATERMARX"))
    log = SqliteLog(path)
    found = await log.read(0, 3)
    assert [(record.position, record.intact()) for record in found] == [(1, True), (2, False), (3, True)]
    with pytest.raises(InvalidEvent, match="position 2: expected a payload with crc32 0x"):
        events(found)
    await log.close()


def _other_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()


def _newer(path: Path) -> None:
    connection = file.open_writer(path)
    connection.execute(f"PRAGMA user_version = {file.LAYOUT + 1}")
    connection.close()


def _cut_off(path: Path) -> None:
    file.open_writer(path).close()
    path.write_bytes(path.read_bytes()[: file.PAGE_BYTES])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda path: path.write_bytes(b"no database " * 1000),
            "expected a Tailrace log, got a file that is no SQLite",
        ),
        (_other_database, "expected a Tailrace log, got a database of another program"),
        (_newer, f"expected layout {file.LAYOUT}, got {file.LAYOUT + 1}: use the release that wrote it"),
        (_cut_off, "the file is damaged"),
        (lambda path: path.mkdir(), "cannot be opened"),
    ],
    ids=["no database", "another program's", "a newer release's", "cut off", "a folder"],
)
async def test_a_file_that_is_no_log_is_refused_in_words(tmp_path: Path, make: object, words: str) -> None:
    path = tmp_path / "events.db"
    make(path)  # type: ignore[operator]
    with pytest.raises(Unavailable, match=words):
        await SqliteLog(path).append([state(1)])


def test_a_folder_without_a_log_is_said_and_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no log here"):
        LogReader(tmp_path / "events.db").read(0, 1)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Unavailable, match="cannot be opened"):
        SqliteLog(tmp_path / "nowhere" / "events.db")


async def test_the_log_of_a_killed_owner_is_read_without_an_owner(tmp_path: Path) -> None:
    acknowledged = [0] * 3
    _produce_and_kill(tmp_path, acknowledged, lines=20)
    assert (tmp_path / "events.db-wal").exists()
    reader = LogReader(tmp_path / "events.db")
    assert reader.end() >= 20
    assert sum(record.n for record in reader.read(0, 10_000)) == reader.events_count() >= sum(acknowledged)
    reader.close()


# -- how it works ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the writer says to SQLite, as it says it."""
    said: list[str] = []
    open_writer = file.open_writer

    def open_traced(path: Path) -> sqlite3.Connection:
        connection = open_writer(path)
        connection.set_trace_callback(said.append)
        return connection

    monkeypatch.setattr(file, "open_writer", open_traced)
    return said


async def test_those_who_wait_share_a_commit_and_its_statements(tmp_path: Path, statements: list[str]) -> None:
    log = SqliteLog(tmp_path / "events.db")
    await asyncio.gather(*(log.append([sequenced(1, 5, session=f"s{i}"), state(i)]) for i in range(64)))
    statements.clear()
    await asyncio.gather(*(log.append([sequenced(6, 5, session=f"s{i}"), state(100 + i)]) for i in range(64)))
    assert 1 <= statements.count("COMMIT") <= 3
    assert len(statements) <= 30
    await log.close()


async def test_a_sequence_in_order_is_neither_decoded_nor_looked_up(
    tmp_path: Path, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SqliteLog(tmp_path / "events.db")
    await log.append([sequenced(1, 5)])
    frames = [sequenced(first, 100) for first in range(6, 1006, 100)]
    statements.clear()
    monkeypatch.setattr(frame.Frame, "__init__", lambda *_: pytest.fail("a frame was decoded"))
    assert (await log.append(frames)).appended == 1000
    assert [said.split()[:3] for said in statements] == [
        ["BEGIN", "IMMEDIATE"], ["INSERT", "INTO", "record"], ["INSERT", "INTO", "source"], ["INSERT", "INTO", "session"],
        ["COMMIT"],
    ]  # fmt: skip
    await log.close()


def test_a_commit_is_on_the_disk(tmp_path: Path) -> None:
    connection = file.open_writer(tmp_path / "events.db")
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


async def test_the_wal_stays_bounded_while_somebody_reads(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "events.db")
    follower = asyncio.ensure_future(_count(log, 400))
    largest = 0
    for i in range(100):
        await asyncio.gather(*(log.append([large(250_000, id=f"{i}-{k}")]) for k in range(4)))
        largest = max(largest, _size(tmp_path / "events.db-wal"))
    assert await asyncio.wait_for(follower, 60) == 400
    assert _size(tmp_path / "events.db") > 2 * largest
    await log.close()
    assert sorted(os.listdir(tmp_path)) in (["events.db"], ["events.db", "events.db-shm", "events.db-wal"])


async def test_the_wal_starts_over_soon_after_a_long_reading(tmp_path: Path) -> None:
    """In shares of what a checkpoint waits for: read for 1.1, so the first one comes to nothing; the next is not 1 away."""
    log, wal = SqliteLog(tmp_path / "events.db"), tmp_path / "events.db-wal"
    piece = writer.CHECKPOINT_BYTES // 20
    await log.append([large(100, id="first")])
    reading = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
    reading.execute("BEGIN")
    reading.execute("SELECT count(*) FROM record").fetchone()
    for i in range(22):
        await log.append([large(piece, id=f"a{i}")])
    reading.execute("COMMIT")
    reading.close()
    for i in range(30):
        await log.append([large(piece, id=f"b{i}")])
    assert _size(tmp_path / "events.db") > 2 * writer.CHECKPOINT_BYTES
    assert _size(wal) < 1.5 * writer.CHECKPOINT_BYTES
    await log.close()


def _size(path: Path) -> int:
    return path.stat().st_size


async def _count(log: SqliteLog, n: int) -> int:
    seen = 0
    async for batch in log.follow(0, 10):
        seen += len(batch)
        if seen >= n:
            break
    return seen


async def test_a_cancelled_append_harms_nobody(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "events.db")
    appends = [asyncio.ensure_future(log.append([state(i)])) for i in range(50)]
    await asyncio.sleep(0)
    for each in appends[::2]:
        each.cancel()
    await asyncio.gather(*appends, return_exceptions=True)
    assert all(each.result().appended == 1 for each in appends[1::2])
    await log.append([state(i) for i in range(50)])
    assert len(await everything(log)) == 50
    await log.close()


async def test_who_comes_first_gets_room_first() -> None:
    room = Room(100)
    await room.take(60)
    entered: list[str] = []

    async def enter(name: str, size: int) -> None:
        await room.take(size)
        entered.append(name)

    tasks = [
        asyncio.ensure_future(enter(name, size))
        for name, size in (("big", 80), ("gone", 90), ("small", 5), ("huge", 500))
    ]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    assert entered == []
    room.give(60)
    await asyncio.gather(tasks[0], tasks[2])
    assert entered == ["big", "small"]
    room.give(80)
    await asyncio.sleep(0)
    assert entered == ["big", "small"]
    room.give(5)
    await tasks[3]
    assert entered == ["big", "small", "huge"]


async def test_memory_in_flight_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for three records of a hundred, at most four ever wait for the writer; all are stored."""
    monkeypatch.setattr("tailrace.connectors.log_sqlite.WAITING_BYTES_MAX", 3 * 100_000)
    log = SqliteLog(tmp_path / "events.db")
    groups: list[int] = []
    store = log._writer._store

    def counted(group: Sequence[writer.Waiting]) -> list[writer.Outcome]:
        groups.append(len(group))
        return store(group)

    monkeypatch.setattr(log._writer, "_store", counted)
    await asyncio.gather(*(log.append([large(100_000, id=f"{i}")]) for i in range(100)))
    assert max(groups) <= 4
    assert len(await everything(log)) == 100
    await log.close()


async def test_an_imported_frame_keeps_its_rows_findable(tmp_path: Path) -> None:
    """`seen` tells where each event of a trimmed frame stands: position, and row inside it."""
    log = SqliteLog(tmp_path / "events.db")
    await log.append([identified([(1, "a"), (2, "b")]), identified([(0, "z"), (2, "b"), (3, "c")])])
    await log.close()
    connection = file.open_reader(tmp_path / "events.db")
    rows = connection.execute("SELECT position, row FROM seen ORDER BY position, row").fetchall()
    connection.close()
    assert rows == [(1, 0), (1, 1), (2, 0), (2, 1)]
