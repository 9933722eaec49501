"""`tailrace audit`: accounts that balance, accounts that do not and say why; and what is parked, from outside."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pytest

import replay_plant
from commands import running, tailrace, tailrace_json
from tailrace.app import compose, replay
from tailrace.schemas import codec, line
from tailrace.schemas.record import Record

START = 1_795_100_000
HOUR = ("--from", "2026-11-19T12:00:00Z", "--to", "2026-11-19T18:00:00Z")


def _lines(machine: str, first: int = 0, count: int = 30) -> list[dict[str, Any]]:
    """A state a minute, and a reading."""
    found: list[dict[str, Any]] = []
    for i in range(first, first + count):
        base = {"machine": machine, "t": START + 60 * i, "ingested": START + 60 * i}
        state = "running" if i % 3 else "stopped"
        found.append({"type": "state.changed", "state": state, "id": f"{machine}-{i}", **base})
        found.append({"type": "telemetry", "values": {"Temp": i}, "id": f"{machine}-r{i}", **base})
    return found


def _import(directory: Path, name: str, lines: Sequence[dict[str, Any] | str]) -> dict[str, Any]:
    path = directory.with_name(name)
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines))
    return tailrace_json("import", path, "--dir", directory)


def _sql(directory: Path, *statements: str) -> None:
    """Somebody else's hand in the log."""
    with closing(sqlite3.connect(directory / "events.db")) as connection, connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0


def _append(directory: Path, *records: Record) -> None:
    asyncio.run(replay_plant.append(directory, records))


def _audit(directory: Path, code: int = 0) -> dict[str, Any]:
    found = tailrace_json("audit", "--dir", directory, code=code)
    stages = found["stages"]
    assert stages["appended"] == stages["folded"] + stages["parked"]
    for each in found["sources"]:
        assert each["received"] == each["appended"] + each["duplicate"] + each["quarantined"]
    assert found["balanced"] == (not found["problems"]) == (code == 0)
    return found


# -- accounts ----------------------------------------------------------------------------------------------------------


def test_everything_that_came_in_is_accounted_for(tmp_path: Path) -> None:
    data = tmp_path / "data"
    lines: list[dict[str, Any] | str] = [*_lines("M1"), "not an event", *_lines("M2"), _lines("M1")[0]]
    _import(data, "a.jsonl", lines)
    _import(data, "a.jsonl", lines)
    late = {
        "type": "parts.counted",
        "machine": "M1",
        "t": START + 60,
        "good": 1,
        "id": "late",
        "ingested": START + 9000,
    }
    gap = {"type": "gap.detected", "t": START, "source": "file:b.jsonl", "first": 5, "last": 9, "id": "gap"}
    _import(data, "b.jsonl", [late, gap])
    found = _audit(data)
    first, second = found["sources"]
    assert (first["source"], first["received"], first["appended"]) == ("file:a.jsonl", 244, 120)
    assert (first["duplicate"], first["quarantined"]) == (122, 2)
    assert (second["appended"], second["late"]) == (2, 1)
    stages = found["stages"]
    assert stages["appended"] == stages["projected"] == stages["folded"] and stages["behind"] == stages["parked"] == 0
    assert all(each["balanced"] and each["folded"] == stages["folded"] for each in stages["topologies"])
    assert "balanced" in tailrace("audit", "--dir", data).stdout


@pytest.mark.parametrize("seed", range(3))
async def test_any_log_balances_wherever_its_checkpoints_are(tmp_path: Path, seed: int) -> None:
    from tailrace.app.audit import audit  # noqa: PLC0415

    rng = random.Random(seed)
    await replay_plant.append(tmp_path, replay_plant.records(rng, 200))
    with compose.pipeline(tmp_path, batch=rng.choice((7, 50))) as pipeline:
        while pipeline.step():
            found = audit(tmp_path)
            assert found.balanced, found.problems
            assert found.stages.appended + found.stages.behind == sum(
                (await asyncio.to_thread(_counts, tmp_path)).values()
            )
            if rng.random() < 0.3:
                pipeline.checkpoint()
    assert found.stages.late > 0


def _counts(directory: Path) -> dict[str, int]:
    with compose.reading(directory) as log:
        return log.sources()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            "UPDATE source SET events = events - 1 WHERE source = 'file:a.jsonl'",
            "source file:a.jsonl: expected 119 events",
        ),
        ("UPDATE source SET events = events + 1 WHERE source = 'tailrace'", "Tailrace's own events: expected"),
        ("DELETE FROM record WHERE position = (SELECT max(position) FROM record)", "Tailrace's own events: expected"),
        ("DELETE FROM record WHERE position = 20", "expected a record at position 20, got 21"),
        ("UPDATE record SET n = 2 WHERE position = 9", "source file:a.jsonl: expected 120 events in the log"),
    ],
)
def test_an_account_that_does_not_balance_says_why(tmp_path: Path, spoil: str, words: str) -> None:
    data = tmp_path / "data"
    _import(data, "a.jsonl", [*_lines("M1"), *_lines("M2"), "not an event"])
    _audit(data)
    _sql(data, spoil)
    found = _audit(data, code=1)
    assert any(words in problem for problem in found["problems"]), found["problems"]
    said = tailrace("audit", "--dir", data, code=1)
    assert "not balanced" in said.stdout and words in said.stderr


def test_a_note_that_does_not_add_up_is_found(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _import(data, "a.jsonl", [*_lines("M1", count=3), "not an event"])
    text = (
        '{"type":"source.accounted","t":1,"id":"x","source":"file:a.jsonl",'
        '"received":9,"appended":0,"duplicate":1,"quarantined":0}'
    )
    note = msgspec.structs.replace(line.parse(text.encode()), ingested=line.parse(text.encode()).t)
    _append(data, codec.record_of(note, source="tailrace"))
    found = _audit(data, code=1)
    assert found["problems"] == ["source file:a.jsonl: the note at position 9 does not add up"]
    assert not found["sources"][0]["balanced"]


# -- parking -----------------------------------------------------------------------------------------------------------


def _flip(directory: Path, machine: str, kind: str, nth: int = 4) -> int:
    """One bit of a payload; gives its position."""
    with closing(sqlite3.connect(directory / "events.db")) as connection, connection:
        sql = "SELECT position, payload FROM record WHERE machine = ? AND type = ? ORDER BY position LIMIT 1 OFFSET ?"
        position, payload = connection.execute(sql, (machine, kind, nth)).fetchone()
        spoilt = bytes([*payload[:-3], payload[-3] ^ 4, *payload[-2:]])
        connection.execute("UPDATE record SET payload = ? WHERE position = ?", (spoilt, position))
    return int(position)


def _released(directory: Path, name: str, parked: object, action: str, **more: object) -> None:
    release = {
        "type": "parking.released",
        "t": START + 8000,
        "ingested": START + 8000,
        "parked": str(parked),
        "action": action,
    }
    _import(directory, name, [release | more])


@pytest.mark.parametrize("kind", ["state.changed", "telemetry"])
def test_a_flipped_bit_is_named_parked_and_stops_no_other_machine(tmp_path: Path, kind: str) -> None:
    data, whole = tmp_path / "data", tmp_path / "whole"
    both = [each for pair in zip(_lines("M1"), _lines("M2"), strict=True) for each in pair]
    _import(whole, "a.jsonl", both)
    asyncio.run(_copied(whole, data))
    position = _flip(data, "M1", kind)
    status = tailrace_json("status", "--dir", data)
    (parked,) = status["parked"]
    assert (parked["machine"], parked["position"], parked["type"]) == ("M1", position, kind)
    assert parked["reason"].startswith("damaged: expected a payload with crc32 0x") and parked["waiting"] > 10
    assert parked["topologies"] == sorted(compose.TOPOLOGIES)
    for command in (("oee", "--machine", "M2", *HOUR), ("stops", "--machine", "M2", *HOUR)):
        assert tailrace_json(*command, "--dir", data) == tailrace_json(*command, "--dir", whole)
    found = _audit(data)
    assert found["stages"]["parked"] == parked["waiting"] and found["parked"][0]["id"] == parked["id"]
    assert (
        "holds up" in tailrace("status", "--dir", data).stdout and "parked" in tailrace("audit", "--dir", data).stdout
    )
    assert replay.verify(data).equal
    tailrace_json("oee", "--machine", "M1", *HOUR, "--dir", data)
    _released(data, "r.jsonl", position, "skip")
    assert tailrace_json("status", "--dir", data)["parked"] == []
    after = _audit(data)["stages"]
    assert after["parked"] == 0 and {each["skipped"] for each in after["topologies"]} == {1}
    assert replay.verify(data).equal


def test_figures_of_a_parked_machine_do_not_hang_on_where_checkpoints_are(tmp_path: Path) -> None:
    """What waits is in no row, so it may be in no figure either."""
    data, whole = tmp_path / "data", tmp_path / "whole"
    _import(whole, "a.jsonl", _lines("M1"))
    asyncio.run(_copied(whole, data))
    _flip(data, "M1", "state.changed")
    ask = ("oee", "--machine", "M1", *HOUR, "--dir", data)
    with compose.pipeline(data) as pipeline:
        pipeline.drain()
        before = tailrace_json(*ask)
        pipeline.checkpoint()
        assert tailrace_json(*ask) == before


@pytest.mark.parametrize("column", ["type", "id", "clock"])
def test_a_text_that_is_no_text_any_more_stops_nobody_else(tmp_path: Path, column: str) -> None:
    data = tmp_path / "data"
    _import(data, "a.jsonl", [{**each, "clock": "plc"} for each in [*_lines("M1"), *_lines("M2")]])
    before = tailrace_json("oee", "--machine", "M2", *HOUR, "--dir", data)
    _sql(
        data,
        f"UPDATE record SET {column} = CAST(x'ff' || substr({column}, 2) AS TEXT) WHERE machine = 'M1' AND position = 8",
    )
    for path in data.glob("read.db*"):
        path.unlink()
    assert tailrace_json("oee", "--machine", "M2", *HOUR, "--dir", data) == before
    assert [each["position"] for each in tailrace_json("status", "--dir", data)["parked"]] == [8] * (column == "type")
    assert not tailrace_json("log", "verify", "--dir", data, code=1)["ok"]


def test_a_replay_names_the_damaged_records_that_it_leaves_out(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _import(data, "a.jsonl", [*_lines("M1"), *_lines("M2")])
    position = _flip(data, "M1", "telemetry")
    found = tailrace_json("replay", "--dir", data, "--into", tmp_path / "b")
    assert found["done"] and found["damaged"] == [position]
    assert f"1 damaged records were left out, at position {position};" in tailrace(
        "replay", "--dir", data, "--into", tmp_path / "b"
    ).stderr  # fmt: skip


async def _copied(source: Path, directory: Path) -> None:
    """The log of a folder, not folded."""
    await asyncio.to_thread(directory.mkdir)
    with compose.reading(source) as log:
        await replay_plant.append(directory, log.read(0, 100_000))


def test_what_is_patched_gives_what_an_undamaged_log_gives(tmp_path: Path) -> None:
    """Once the damaged event is put in its place, every figure is the one of the whole log."""
    data, whole = tmp_path / "data", tmp_path / "whole"
    _import(whole, "a.jsonl", _lines("M1"))
    asyncio.run(_copied(whole, data))
    position = _flip(data, "M1", "state.changed", 4)
    patch = {name: value for name, value in _lines("M1")[8].items() if name != "ingested"}
    _released(data, "r.jsonl", position, "patched", patch=patch)
    assert tailrace_json("status", "--dir", data)["parked"] == []
    for command in (("oee", "--machine", "M1", *HOUR), ("stops", "--machine", "M1", *HOUR)):
        mine, its = (tailrace_json(*command, "--dir", each) for each in (data, whole))
        assert _unrevised(mine) == _unrevised(its)
    assert replay.verify(data).equal


def _unrevised(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unrevised(each) for name, each in value.items() if name not in ("revision", "id")}
    return [_unrevised(each) for each in value] if isinstance(value, list) else value


def test_what_another_release_wrote_is_kept_and_parked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _import(data, "a.jsonl", [*_lines("M1"), *_lines("M2")])
    payload = msgspec.msgpack.encode({"machine": "M1", "state": 7})
    newer = Record(
        type="state.changed", version=2, payload=payload, crc32=crc32(payload), id="n1", machine="M1", t_min=1, t_max=1,
        ingested=1,
    )  # fmt: skip
    other = msgspec.structs.replace(newer, type="mood.changed", version=1, machine="M2", id="n2")
    _append(data, newer, other)
    _import(data, "b.jsonl", [*_lines("M1", 30), *_lines("M2", 30), *_lines("M3", 30)])
    found = _audit(data)
    assert [(each["machine"], each["id"], each["waiting"]) for each in found["parked"]] == [
        ("M1", "n1", 61),
        ("M2", "n2", 61),
    ]
    assert tailrace_json("status", "--dir", data)["machines"] == ["M1", "M2", "M3"]
    assert tailrace_json("oee", "--machine", "M3", *HOUR, "--dir", data)["run"] > 0
    _released(data, "r.jsonl", "n1", "retry")
    assert len(_audit(data)["parked"]) == 2, "this release still does not know it"
    _released(data, "s.jsonl", "n1", "skip")
    assert [each["id"] for each in _audit(data)["parked"]] == ["n2"]
    assert replay.verify(data).equal


def test_a_running_owner_goes_on_past_what_is_parked(tmp_path: Path) -> None:
    plant, data = tmp_path / "plant.yaml", tmp_path / "data"
    plant.write_text("site:\n  name: here\nmachines:\n  M1: {}\n")
    _import(data, "a.jsonl", [*_lines("M1"), *_lines("M2")])
    payload = b"\x80"
    crc = crc32(payload)
    wrong = Record(
        type="state.changed", version=2, payload=payload, crc32=crc, id="w", machine="M1", t_min=1, t_max=1, ingested=1
    )  # fmt: skip
    _append(data, wrong)
    with running(plant, data):
        _import(data, "b.jsonl", [*_lines("M1", 30), *_lines("M2", 30)])
        status = tailrace_json("status", "--dir", data)
        assert [each["id"] for each in status["parked"]] == ["w"] and status["up"]["troubles"] == {}
        _released(data, "r.jsonl", "w", "skip")
        assert tailrace_json("status", "--dir", data)["parked"] == []
    assert _audit(data)["stages"]["parked"] == 0
