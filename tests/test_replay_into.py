"""Replays into a folder of their own: what they hold, how they go on after a pause or a crash, and what they refuse."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import oee_harness as harness
import replay_plant
from commands import tailrace, tailrace_json
from tailrace.app import compose, replay, replay_into
from tailrace.app.replay_into import FILE, Asked, Replay
from tailrace.projections import digest
from tailrace.schemas import codec, line
from tailrace.schemas.errors import InvalidSettings, NotFound
from tailrace.schemas.instant import HOUR, format_instant
from tailrace.schemas.record import Record


async def _folder(directory: Path, size: int = 160, seed: int = 1) -> list[Record]:
    _made(directory)
    await replay_plant.append(directory, replay_plant.records(random.Random(seed), size))
    compose.catch_up(directory)
    return _records(directory)


def _made(directory: Path) -> None:
    directory.mkdir()


def _records(directory: Path) -> list[Record]:
    with compose.reading(directory) as log:
        return log.read(0, 1_000_000)


def _digests(directory: Path) -> dict[str, str]:
    compose.catch_up(directory)
    with compose.read_store(directory) as connection:
        return digest.digests(connection)


async def _run(asked: Asked, into: Path, tell: Callable[[int, int], None] = lambda _done, _all: None) -> Replay:
    return await replay_into.run(asked, into, tell, asyncio.Event())


async def test_the_whole_log_gives_the_same_rows(tmp_path: Path) -> None:
    records = await _folder(tmp_path / "a")
    found = await _run(Asked(source=str(tmp_path / "a")), tmp_path / "b")
    assert found.done and found.kept == len(records) and found.events == sum(record.n for record in records)
    assert _records(tmp_path / "b") == records
    assert _digests(tmp_path / "b") == _digests(tmp_path / "a")
    assert replay.verify(tmp_path / "b").equal


@pytest.mark.parametrize("at", ["before the append", "after the append", "after the fold", "between"])
async def test_a_replay_that_was_interrupted_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    records = await _folder(tmp_path / "a")
    asked = Asked(source=str(tmp_path / "a"))
    monkeypatch.setattr(replay_into, "BATCH", 30)
    left = 2

    def breaks(moment: str) -> None:
        nonlocal left
        left -= moment == at
        if not left:
            raise InterruptedError(at)

    class Breaking(compose.SqliteLog):
        async def append(self, records: Any) -> Any:
            breaks("before the append")
            receipt = await super().append(records)
            breaks("after the append")
            return receipt

    save = replay_into._save

    def breaking_save(into: Path, stands: Replay) -> None:
        if stands.read:
            breaks("after the fold")
        save(into, stands)
        if stands.read:
            breaks("between")

    monkeypatch.setattr(compose, "SqliteLog", Breaking)
    monkeypatch.setattr(replay_into, "_save", breaking_save)
    with pytest.raises(InterruptedError):
        await _run(asked, tmp_path / "b")
    assert len(_records(tmp_path / "b")) < len(records)
    left = -1
    assert (await _run(asked, tmp_path / "b")).done
    assert _records(tmp_path / "b") == records
    assert _digests(tmp_path / "b") == _digests(tmp_path / "a")


async def test_a_pause_ends_it_and_asking_again_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = await _folder(tmp_path / "a")
    monkeypatch.setattr(replay_into, "BATCH", 30)
    paused = asyncio.Event()
    asked = Asked(source=str(tmp_path / "a"))
    found = await replay_into.run(asked, tmp_path / "b", lambda _done, _all: paused.set(), paused)
    assert (found.done, found.read, found.until) == (False, 30, len(records))
    assert (await _run(asked, tmp_path / "b")).done
    assert _records(tmp_path / "b") == records


async def test_a_pace_waits_for_what_is_not_due_and_a_pause_ends_the_wait(tmp_path: Path) -> None:
    """A day at the speed at which it happened: only what comes at once is there."""
    records = await _folder(tmp_path / "a")
    start = max(record.t_max for record in records[:100])
    paused = asyncio.Event()

    def tell(done: int, _all: int) -> None:
        if done >= 100:
            paused.set()

    asked = Asked(source=str(tmp_path / "a"), start=start, speed=1e-9)
    async with asyncio.timeout(30):
        found = await replay_into.run(asked, tmp_path / "b", tell, paused)
    assert not found.done and found.read >= 100
    assert (await _run(msgspec.structs.replace(asked, speed=1e12), tmp_path / "b")).done


async def test_an_end_leaves_out_what_came_later_inside_frames_too(tmp_path: Path) -> None:
    _made(tmp_path / "a")
    text = '{{"type":"telemetry","machine":"M1","t":{},"values":{{"a":{}}},"ingested":1767700000,"id":"r{}"}}'
    lines = [text.format(1_767_600_000 + i * 60, i, i) for i in (0, 5, 1, 6, 2, 3)]
    frame = harness.records([line.parse(each.encode()) for each in lines])
    other = harness.records([line.parse(each.replace("M1", "M2").replace('"r', '"s').encode()) for each in lines])
    await replay_plant.append(tmp_path / "a", [*frame, *other])
    compose.catch_up(tmp_path / "a")
    asked = Asked(source=str(tmp_path / "a"), end=(1_767_600_000 + 3 * 60) * 10**9, machine="M2")
    found = await _run(asked, tmp_path / "b")
    kept = [event for record in _records(tmp_path / "b") for event in codec.events_of(record)]
    assert [event.id for event in kept] == ["s0", "s1", "s2"]
    assert found.events == 3


async def test_one_machine_has_the_figures_that_it_has_in_the_whole(tmp_path: Path) -> None:
    records = await _folder(tmp_path / "a")
    await _run(Asked(source=str(tmp_path / "a"), machine="OEE1"), tmp_path / "b")
    assert {record.machine for record in _records(tmp_path / "b")} == {"OEE1", ""}
    first = min(record.t_min for record in records if record.machine == "OEE1") // HOUR * HOUR
    window = ("--machine", "OEE1", "--from", format_instant(first), "--to", format_instant(first + 24 * HOUR))
    assert tailrace_json("oee", *window, "--dir", tmp_path / "b") == tailrace_json(
        "oee", *window, "--dir", tmp_path / "a"
    )


async def test_an_event_ends_it(tmp_path: Path) -> None:
    records = await _folder(tmp_path / "a")
    at = next(i for i in range(60, len(records)) if records[i].n > 1)
    inside = codec.ids_of(records[at])[1]
    found = await _run(Asked(source=str(tmp_path / "a"), until_event=inside), tmp_path / "b")
    assert found.done and _records(tmp_path / "b") == records[: at + 1]
    with pytest.raises(NotFound, match="expected an event 'nothing' to end at, got none up to position"):
        await _run(Asked(source=str(tmp_path / "a"), until_event="nothing"), tmp_path / "c")


async def test_only_one_fold(tmp_path: Path) -> None:
    await _folder(tmp_path / "a")
    await _run(Asked(source=str(tmp_path / "a"), topologies=["stops"]), tmp_path / "b")
    with compose.read_store(tmp_path / "b") as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("stop", "oee_bucket")]
    assert counts[0] > 0 and counts[1] == 0


async def test_what_is_refused_is_said_in_words(tmp_path: Path) -> None:
    await _folder(tmp_path / "a", 40)
    asked = Asked(source=str(tmp_path / "a"))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("")
    for into, words in (
        ("c", "expected a new or empty folder, or one of this replay, got one with letter.txt"),
        ("a", "expected another folder than the one that is replayed"),
        ("file", "expected a folder, got a file"),
    ):
        with pytest.raises(InvalidSettings, match=words):
            await _run(asked, tmp_path / into)
    await _run(asked, tmp_path / "b")
    with pytest.raises(InvalidSettings, match=r"\(no machine\), got machine 'OEE1'; name another folder"):
        await _run(msgspec.structs.replace(asked, machine="OEE1"), tmp_path / "b")
    (tmp_path / "b" / FILE).write_text("{")
    with pytest.raises(InvalidSettings, match="expected what a replay wrote"):
        await _run(asked, tmp_path / "b")


def test_the_command(tmp_path: Path) -> None:
    records = asyncio.run(_folder(tmp_path / "a", 40))
    into = ("replay", "--dir", tmp_path / "a", "--into", tmp_path / "b", "--to", "2200-01-01T00:00:00Z")
    found = tailrace_json(*into)
    assert found["done"] and found["records"] == len(records) and found["records_per_s"] > 0
    assert f"{len(records)} records" in tailrace(*into).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "expected either --verify, or --into"),
        (("--verify", "--into", "x"), "expected either --verify, or --into"),
        (("--verify", "--machine", "M1"), "expected no other choice"),
        (("--into", "x", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"), "expected a time after --from"),
        (("--into", "x", "--speed", "0"), "--speed"),
        (("--into", "x", "--topology", "wrong"), "wrong"),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_use_is_refused_in_words(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    assert words in tailrace("replay", "--dir", tmp_path, *arguments, code=2).stderr
