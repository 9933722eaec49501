"""The archive: records come back as they were, whatever ends the way there, and nobody who reads the log can tell."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from archive_logs import FOREVER, any_frame, archive_all, mixed
from commands import tailrace, tailrace_json
from log_files import failing_writes
from log_records import NOW, everything, identified, large, numbers, sequenced, state
from tailrace.connectors import archive_file, archive_frames, archive_make
from tailrace.connectors import log_sqlite_file as file
from tailrace.connectors.archive import Sealed
from tailrace.connectors.archive_file import ArchiveFile
from tailrace.connectors.archive_make import clean, make, making
from tailrace.connectors.log_socket import SocketLog, serve
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.connectors.log_sqlite_verify import verify
from tailrace.connectors.ownership import own
from tailrace.schemas import frame
from tailrace.schemas.errors import InvalidEvent, Owned, Unavailable
from tailrace.schemas.instant import HOUR, SECOND
from tailrace.schemas.record import Record

DAY = Path(__file__).parents[1] / "examples" / "day.jsonl"
CHILD = [sys.executable, str(Path(__file__).with_name("archive_child.py"))]


# -- frames as columns and back ------------------------------------------------------------------------------------------


def test_frames_come_back_as_the_same_bytes() -> None:
    """Decimals, counters, flags, words, floats without a pattern, NaN, -0, infinities, holes, statuses, sequences."""
    apart = 0
    for seed in range(200):
        record = any_frame(seed)
        parsed = archive_frames.parse(record.payload)
        assert parsed is not None
        parts = archive_frames.apart([parsed, parsed], 0)
        assert archive_frames.together(parts) == [record.payload] * 2
        apart += sum(coding.decimals == 2 for coding in parts.stream.columns)
    assert apart > 100


def test_a_payload_that_is_no_frame_byte_for_byte_is_not_taken_apart() -> None:
    payload = bytearray(frame.encode(np.array([NOW]), [(frame.Column("a", "b1"), np.array([True]), None)]))
    assert archive_frames.parse(bytes(payload)) is not None
    payload[-1] = 1  # what a block is filled up with
    assert frame.Frame(bytes(payload)).data(0)[0]
    for other in (bytes(payload), b"", b"no frame", bytes(payload[:-8])):
        assert archive_frames.parse(other) is None


@pytest.mark.parametrize(
    ("values", "decimals"),
    [([1.0, 2.0], 0), ([0.1, 70.5], 1), ([1e-9], 9), ([0.1 + 0.2], -1), ([-0.0], -1), ([1e17], -1), ([float("nan")], -1)],
)  # fmt: skip
def test_numbers_are_counted_in_their_last_decimal_where_that_is_exact(values: list[float], decimals: int) -> None:
    payload = frame.encode(np.full(len(values), NOW), [(frame.Column("a", "f8"), np.array(values), None)])
    parsed = archive_frames.parse(payload)
    assert parsed is not None
    assert archive_frames.apart([parsed], 0).stream.columns[0].decimals == decimals


# -- a file --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups of a few records, files of a few row groups."""
    monkeypatch.setattr(archive_file, "GROUP_BYTES", 20_000)
    monkeypatch.setattr(archive_make, "FILE_BYTES", 100_000)


def test_records_come_back_as_they_were_in_order(tmp_path: Path, small_groups: None) -> None:
    records = mixed(120)
    garbage = b"garbage"
    records.append(msgspec.structs.replace(any_frame(1), version=2, position=121))
    records.append(msgspec.structs.replace(any_frame(2), payload=garbage, crc32=zlib.crc32(garbage), position=122))
    archive_file.write(tmp_path / "x.parquet", records)
    opened = ArchiveFile(tmp_path / "x.parquet")
    assert len(opened.groups) > 5
    assert [record for i in range(len(opened.groups)) for record in opened.records(i)] == records
    assert [g.first for g in opened.groups[1:]] == [g.last + 1 for g in opened.groups[:-1]]
    opened.close()


def test_a_file_is_parquet_that_anybody_can_read(tmp_path: Path) -> None:
    archive_file.write(tmp_path / "x.parquet", mixed(30))
    table = pq.read_table(tmp_path / "x.parquet", columns=["position", "machine", "type", "n", "t"])
    rows = {row["position"]: row for row in table.to_pylist()}
    for record in mixed(30):
        assert (rows[record.position]["machine"], rows[record.position]["type"]) == (record.machine, record.type)
        if record.type == "telemetry":
            assert len(rows[record.position]["t"]) == record.n


# -- a log with an archive -------------------------------------------------------------------------------------------------


@pytest.fixture
async def log(tmp_path: Path) -> Any:
    opened = SqliteLog(tmp_path / file.EVENTS_FILE)
    yield opened
    await opened.close()


async def _filled(log: SqliteLog, n: int = 120) -> list[Record]:
    for record in mixed(n):
        await log.append([record])
    return await everything(log)


async def test_nobody_who_reads_can_tell_what_is_archived(log: SqliteLog, small_groups: None) -> None:
    before = await _filled(log)
    reader = LogReader(log.path)
    asked = _answers(reader)
    sealed = await archive_all(log, sweep=False)
    assert len(sealed) > 2
    assert _answers(reader) == asked
    await log.sweep()
    assert reader._rows("SELECT count(*) FROM record") == [(0,)]
    assert _answers(reader) == asked
    assert await everything(log, limit=7) == before
    await log.append([state(1000), sequenced(1, 5, session="new")])
    reader.close()
    assert _reads(LogReader(log.path), 3, 1000) == (await everything(log))[3:]
    assert (await everything(log))[: len(before)] == before
    assert verify(log.path).ok


def _answers(reader: LogReader) -> list[Any]:
    """What a reader is asked by folds, queries and commands."""
    end = reader.end()
    return [
        end, reader.machines(), reader.sources(), reader.events_count(),
        [reader.read(after, limit) for after in (-1, 0, 1, 50, end - 1, end) for limit in (0, 1, 3, 500)],
        [reader.read_machine(m, after, limit) for m in ("M1", "M2", "", "x") for after in (0, 40) for limit in (0, 5, 500)],
        [reader.telemetry(m, NOW + a, NOW + b, n) for m in ("M1", "M2") for a, b in ((0, 50), (30, SECOND)) for n in (1, 3, 99)],
        [reader.observed(m, NOW + t, 10**9) for m in ("M1", "M2", "x") for t in (-1, 0, 17, 100, 10 * SECOND, 400 * SECOND)],
    ]  # fmt: skip


def _reads(reader: LogReader, after: int, limit: int) -> Sequence[Record]:
    with closing(reader):
        return reader.read(after, limit)


async def test_what_is_archived_is_still_known(log: SqliteLog, small_groups: None) -> None:
    records = [sequenced(1 + 20 * i, 20, session=f"s{i % 2}") for i in range(40)]
    ids = identified([(i, f"id-{i}") for i in range(100)])
    await log.append([*records, ids, state(1)])
    await archive_all(log)
    again = await log.append([*records, ids, state(1)])
    assert (again.appended, again.duplicate, again.conflicts) == (0, 901, ())
    cut = await log.append([sequenced(795, 20, session="s1"), identified([(99, "id-99"), (100, "id-100")])])
    assert (cut.appended, cut.duplicate) == (15, 7)
    other = await log.append([sequenced(21, 3, session="s1", shift=0.5), state(1, word="idle")])
    assert [(c.id, c.position) for c in other.conflicts] == [
        ("seq:mqtt:s1:21", 2), ("seq:mqtt:s1:22", 2), ("seq:mqtt:s1:23", 2), ("e1", 42),
    ]  # fmt: skip
    await log.close()
    opened = SqliteLog(log.path)
    assert (await opened.append(records)).duplicate == 800
    await opened.close()


async def test_a_log_that_is_all_archived_goes_on_where_it_was(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / file.EVENTS_FILE)
    await log.append([state(1), sequenced(1, 5)])
    await archive_all(log)
    await log.close()
    log = SqliteLog(tmp_path / file.EVENTS_FILE)
    assert (await log.append([state(2)])).last == 3
    assert await log.end() == 3
    assert verify(log.path).records == 3
    await log.close()


async def test_only_what_came_before_is_archived_up_to_the_first_that_did_not(log: SqliteLog) -> None:
    hours = [1, 1, 3, 1, 2]
    await log.append([state(i, ingested=hour * HOUR) for i, hour in enumerate(hours)])
    assert await archive_all(log, HOUR) == []
    (sealed,) = await archive_all(log, 3 * HOUR)
    assert (sealed.first, sealed.last) == (1, 2)


async def test_space_is_given_back(log: SqliteLog) -> None:
    for i in range(40):
        await log.append([large(250_000, id=f"{i}-{k}") for k in range(4)])
    await archive_all(log)
    await log.append([large(100)])
    await log.close()
    assert log.path.stat().st_size < 2_000_000


async def test_appends_and_followers_go_on_while_it_is_archived(log: SqliteLog, small_groups: None) -> None:
    seen: list[Record] = []

    async def follow() -> None:
        async for batch in log.follow(0, 7):
            seen.extend(batch)
            if len(seen) >= 300:
                return

    following = asyncio.ensure_future(follow())
    for i in range(150):
        await log.append([sequenced(1 + 10 * i, 10), any_frame(i)])
        if i % 30 == 29:
            await archive_all(log)
    await asyncio.wait_for(following, 60)
    assert [record.position for record in seen] == list(range(1, 301))
    assert seen == await everything(log)


async def test_records_that_leave_for_the_archive_between_two_looks_are_read_there(
    log: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader has come to the end of the archive; before it looks into the file, the next records leave it."""
    await log.append([state(i, ingested=NOW + i // 20) for i in range(60)])
    before = await everything(log)
    await archive_all(log, NOW + 1)
    reader, look = LogReader(log.path), LogReader._hot

    def late(self: LogReader, after: int, limit: int) -> list[Record]:
        if self is reader and after == 20:
            with making(tmp_path) as folder, closing(LogReader(log.path)) as other:
                sealed = make(folder, other, NOW + 2)
                if sealed is not None:
                    log._writer.seal(sealed).result(20)
            while log._writer.sweep().result(20):
                pass
        return look(self, after, limit)

    monkeypatch.setattr(LogReader, "_hot", late)
    with closing(reader):
        assert reader.read(0, 100) == before
        assert reader.archived()[0] == 40


# -- files that are not what they should be ------------------------------------------------------------------------------------


async def test_a_file_of_other_records_is_not_entered(log: SqliteLog, tmp_path: Path) -> None:
    await _filled(log, 20)
    with making(tmp_path) as folder, closing(LogReader(log.path)) as reader:
        sealed = make(folder, reader, FOREVER)
        assert sealed is not None
        for wrong in ({"chain": bytes(32)}, {"first": 2}, {"last": 19}, {"size": 1}, {"file": "../events.db"}):
            with pytest.raises(InvalidEvent, match="expected"):
                await log.seal(msgspec.structs.replace(sealed, **wrong))
        await log.seal(sealed)
        with pytest.raises(InvalidEvent, match="expected a file that begins at position 21, got 1"):
            await log.seal(sealed)
    assert verify(log.path).ok


def test_a_file_that_does_not_come_back_as_it_was_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(_some(tmp_path, 20))

    def wrong(path: Path, records: Sequence[Record]) -> None:
        archive_file.write(path, [*records[:5], msgspec.structs.replace(records[5], trace="other"), *records[6:]])

    monkeypatch.setattr(archive_make, "write", wrong)
    with making(tmp_path) as folder, closing(LogReader(tmp_path / file.EVENTS_FILE)) as reader:
        with pytest.raises(Unavailable, match="as the log has them, got others"):
            make(folder, reader, FOREVER)
        assert list(folder.iterdir()) == []


async def _some(directory: Path, n: int = 60, *, archived: bool = False) -> None:
    log = SqliteLog(directory / file.EVENTS_FILE)
    await _filled(log, n)
    if archived:
        await archive_all(log)
        await log.append([state(5000)])
    await log.close()


def test_a_damaged_record_is_not_archived(tmp_path: Path) -> None:
    asyncio.run(_some(tmp_path, 20))
    with closing(file.open_writer(tmp_path / file.EVENTS_FILE)) as connection:
        connection.execute("UPDATE record SET payload = x'00' WHERE position = 11")
    with pytest.raises(Unavailable, match=r"position 11: .*damaged"):
        asyncio.run(_some(tmp_path, 0, archived=True))
    assert not verify(tmp_path / file.EVENTS_FILE).ok


def test_every_flip_in_a_file_is_found(tmp_path: Path) -> None:
    """By its sha256, before any of it is decoded: whoever reads it has an error in words, never other records."""
    asyncio.run(_some(tmp_path, archived=True))
    (path,) = (tmp_path / "archive").iterdir()
    data, random = path.read_bytes(), Random(3)
    for i in range(100):
        at = len(data) - 1 - i if i < 12 else random.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :])
        verdict = verify(tmp_path / file.EVENTS_FILE)
        assert (verdict.ok, verdict.file, verdict.position) == (False, f"archive/{path.name}", None)
        assert "sha256" in str(verdict.error)
        with pytest.raises(Unavailable, match=r"the file is damaged, restore it from a backup"):
            _reads(LogReader(tmp_path / file.EVENTS_FILE), 0, 100)
    path.write_bytes(data)
    assert verify(tmp_path / file.EVENTS_FILE).ok


def test_damage_in_a_file_is_said_where_it_is_read(tmp_path: Path) -> None:
    asyncio.run(_some(tmp_path, archived=True))
    (path,) = (tmp_path / "archive").iterdir()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3] + bytes([data[len(data) // 3] ^ 16]) + data[len(data) // 3 + 1 :])
    with pytest.raises(Unavailable, match=r"events-000000000001-000000000060\.parquet: .*restore"):
        _reads(LogReader(tmp_path / file.EVENTS_FILE), 0, 100)
    for damaged in (b"", b"PAR1", data[:-8], data[100:]):
        path.write_bytes(damaged)
        with pytest.raises(Unavailable, match=r"events-000000000001-000000000060\.parquet: expected"):
            _reads(LogReader(tmp_path / file.EVENTS_FILE), 0, 100)
    path.unlink()
    with pytest.raises(Unavailable, match=r"expected a file of the archive, got none; bring it back from a backup"):
        _reads(LogReader(tmp_path / file.EVENTS_FILE), 0, 100)
    assert _reads(LogReader(tmp_path / file.EVENTS_FILE), 60, 100)[0].id == "e5000"
    verdict = verify(tmp_path / file.EVENTS_FILE)
    assert (verdict.ok, verdict.file) == (False, f"archive/{path.name}")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE archive SET last = 59", "UPDATE archive SET events = events + 1", "UPDATE archive SET sha256 = zeroblob(32)",
        "UPDATE archive SET chain = zeroblob(32)", "UPDATE archive SET bytes = 7", "UPDATE archive SET file = 'x'",
        "DELETE FROM archived WHERE machine = 'M1'", "UPDATE archived SET t_max = t_max + 1", "DELETE FROM sealed",
        "UPDATE sealed SET high = high + 1", "DELETE FROM archive", "UPDATE archive SET first = 2",
    ],
)  # fmt: skip
def test_what_stands_about_the_archive_is_checked(tmp_path: Path, change: str) -> None:
    asyncio.run(_some(tmp_path, archived=True))
    with closing(file.open_writer(tmp_path / file.EVENTS_FILE)) as connection:
        connection.execute(change)
    verdict = verify(tmp_path / file.EVENTS_FILE)
    assert not verdict.ok and verdict.error


# -- whatever ends it ------------------------------------------------------------------------------------------------------


class Cut(BaseException):
    """The end of the process."""


STEPS = [
    (archive_make, "write"), (archive_make, "_read_back"), (Path, "rename"), (archive_make, "_sync"), (SqliteLog, "seal"),
    (SqliteLog, "sweep"),
]  # fmt: skip


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
async def test_an_end_at_any_step_loses_nothing_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_groups: None, step: tuple[Any, str], after: bool
) -> None:
    """The run ends before or after a step of its second file; then the log is opened anew, and the next run archives the rest."""
    log = SqliteLog(tmp_path / file.EVENTS_FILE)
    before = await _filled(log)
    (tmp_path / "archive").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(*step, _ending(getattr(*step), after))
        with pytest.raises(Cut):
            await archive_all(log)
    await log.close()
    log = SqliteLog(tmp_path / file.EVENTS_FILE)
    assert await everything(log) == before
    assert verify(log.path).ok
    with making(tmp_path) as folder, closing(LogReader(log.path)) as reader:
        await log.sweep()
        assert clean(folder, reader) == []
        assert [path.name for path in sorted(folder.iterdir())] == reader.files()
    await archive_all(log)
    assert await everything(log) == before
    assert (await log.append(before)).appended == 0
    verdict = verify(log.path)
    assert (verdict.ok, verdict.records) == (True, len(before))
    await log.close()


def _ending(work: Any, after: bool) -> Any:
    """The second call ends with Cut, before or after its work."""
    calls = [0]

    def sync(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == 2 and not after:
            raise Cut
        result = work(*arguments)
        if calls[0] == 2:
            raise Cut
        return result

    async def wait(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == 2 and not after:
            raise Cut
        await work(*arguments)
        if calls[0] == 2:
            raise Cut

    return wait if asyncio.iscoroutinefunction(work) else sync


async def test_nothing_is_lost_when_the_process_is_killed_while_it_archives(tmp_path: Path) -> None:
    """Each round goes on after what was acknowledged; the child archives all the time, and is killed wherever it is."""
    acknowledged, random = 0, Random(5)
    for _ in range(4):
        acknowledged = await asyncio.to_thread(_produce_and_kill, tmp_path, acknowledged, random.randint(30, 90))
        verdict = verify(tmp_path / file.EVENTS_FILE)
        assert verdict.ok, verdict.error
        log = SqliteLog(tmp_path / file.EVENTS_FILE)
        found = numbers(await everything(log))
        await log.close()
        assert found == list(range(1, len(found) + 1)), "one event twice, or out of order"
        assert len(found) >= acknowledged
    assert LogReader(tmp_path / file.EVENTS_FILE).files()


def _produce_and_kill(directory: Path, acknowledged: int, lines: int) -> int:
    count = 0
    with subprocess.Popen([*CHILD, str(directory), str(acknowledged + 1)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            acknowledged = int(line)
            count += 1
            if count == lines:
                child.kill()
    assert count >= lines
    return acknowledged


async def test_a_disk_that_is_full_leaves_the_log_as_it_was(log: SqliteLog, tmp_path: Path) -> None:
    before = await _filled(log)
    with failing_writes(5_000), pytest.raises((OSError, Unavailable)):
        await archive_all(log)
    assert list((tmp_path / "archive").iterdir()) == []
    assert await everything(log) == before
    assert len(await archive_all(log)) == 1
    assert await everything(log) == before


def test_a_file_that_the_log_does_not_know_goes_only_where_the_log_has_its_records(tmp_path: Path) -> None:
    asyncio.run(_some(tmp_path, 20))
    folder = tmp_path / "archive"
    folder.mkdir()
    mine = mixed(20)
    archive_file.write(folder / "events-000000000001-000000000020.parquet", mine)
    archive_file.write(folder / "events-000000000001-000000000030.parquet", mixed(30))
    archive_file.write(folder / "events-000000000001-000000000010.parquet", mixed(10, seed=2))
    (folder / "events-000000000001-000000000040.parquet").write_bytes(b"damaged")
    (folder / "events-000000000001-000000000009.parquet.part").write_bytes(b"begun")
    with closing(LogReader(tmp_path / file.EVENTS_FILE)) as reader:
        assert reader.read(0, 100) == mine
        strange = clean(folder, reader)
    assert strange == [f"events-000000000001-0000000000{n}.parquet" for n in (10, 30, 40)]
    assert sorted(os.listdir(folder)) == strange


def test_two_do_not_archive_at_once(tmp_path: Path) -> None:
    asyncio.run(_some(tmp_path, 5))
    with making(tmp_path), pytest.raises(Owned, match="another process is archiving"), making(tmp_path):
        pass


# -- the command -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    asyncio.run(_some(tmp_path, 60))
    return tmp_path


def test_the_command_archives_and_says_what(folder: Path) -> None:
    exported = tailrace("export", "--dir", folder).stdout
    nothing = json.loads(
        tailrace("log", "archive", "--dir", folder, "--before", "2020-01-01T00:00:00Z", "--json").stdout
    )
    assert nothing == {"files": [], "strange": [], "archived_records": 0, "records": 60}
    done = json.loads(tailrace("log", "archive", "--dir", folder, "--before", FOREVER // SECOND, "--json").stdout)
    (made,) = done["files"]
    assert made == {
        "file": "archive/events-000000000001-000000000060.parquet", "first": 1, "last": 60, "events": made["events"],
        "size_bytes": (folder / made["file"]).stat().st_size,
    }  # fmt: skip
    assert done["archived_records"] == done["records"] == 60
    assert tailrace("export", "--dir", folder).stdout == exported
    assert "archived: 60 of 60 records" in tailrace("log", "archive", "--dir", folder).stdout
    found = json.loads(tailrace("log", "verify", "--dir", folder, "--json").stdout)
    assert (found["ok"], found["files"], found["records"]) == (True, 1, 60)


def test_figures_are_the_same_from_the_archive_and_made_again(tmp_path: Path) -> None:
    """Rows of a log, of the same log archived, and made again of the archive and what came after."""
    day, folder = DAY.read_text().splitlines(keepends=True), tmp_path / "data"
    for name, lines in (("a", day[:300]), ("b", day[300:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
        tailrace("import", tmp_path / f"{name}.jsonl", "--dir", folder)
        if name == "a":
            tailrace("log", "archive", "--dir", folder, "--before", FOREVER // SECOND)
    tailrace("import", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--dir", tmp_path / "hot")
    asked = ("oee", "--machine", "PRESS1", "--from", "2026-03-03T00:00:00Z", "--to", "2026-03-04T00:00:00Z")
    figures = tailrace("export", "--dir", tmp_path / "hot").stdout.count("\n"), _figures(tmp_path / "hot", asked)
    assert figures[1]["operating"] > 0
    assert (tailrace("export", "--dir", folder).stdout.count("\n"), _figures(folder, asked)) == figures
    assert tailrace_json("replay", "--verify", "--dir", folder)["equal"] is True
    for path in folder.glob("read.db*"):
        path.unlink()
    assert _figures(folder, asked) == figures[1]


def _figures(folder: Path, asked: Sequence[str]) -> dict[str, Any]:
    return {k: v for k, v in tailrace_json(*asked, "--dir", folder).items() if k != "revision"}


def test_the_hour_that_is_running_stays(folder: Path) -> None:
    assert json.loads(tailrace("log", "archive", "--dir", folder, "--json").stdout)["archived_records"] in (0, 60)


async def test_the_command_works_through_the_owner(folder: Path) -> None:
    with own(folder) as owned:
        log = SqliteLog(folder / file.EVENTS_FILE)
        server = await serve(log, owned.socket)
        before = await everything(log)
        said = await asyncio.to_thread(
            tailrace, "log", "archive", "--dir", folder, "--before", FOREVER // SECOND, "--json"
        )
        assert json.loads(said.stdout)["archived_records"] == 60
        assert log._reader._rows("SELECT count(*) FROM record") == [(0,)]
        assert await everything(log) == before
        client = SocketLog(folder)
        with pytest.raises(InvalidEvent, match="expected a file of"):
            await client.seal(Sealed("x", 61, 70, 1, 1, b"", b"", [], []))
        await client.close()
        await server.close()
        await log.close()


def test_a_folder_that_somebody_holds_without_listening_is_said(folder: Path) -> None:
    with own(folder):
        done = tailrace("log", "archive", "--dir", folder, "--json", code=3)
    assert "owns this folder" in json.loads(done.stdout)["error"]


def test_wrong_use_is_said(tmp_path: Path, folder: Path) -> None:
    tailrace("log", "archive", "--dir", tmp_path / "nowhere", code=2)
    assert "expected" in tailrace("log", "archive", "--dir", folder, "--before", "yesterday", code=2).stderr
