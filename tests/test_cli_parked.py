"""`tailrace parked`: what a person sees of a machine that waits, and each decision, on a folder that runs or does not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

import replay_plant
from commands import running, tailrace, tailrace_json
from tailrace.app import compose
from tailrace.schemas import codec, line
from tailrace.schemas.record import Record

START = 1_795_100_000
WORDS = ("running", "stopped")


def states(machine: str, first: int, count: int = 6) -> list[Record]:
    lines = [
        {"type": "state.changed", "machine": machine, "t": t, "ingested": t, "state": WORDS[i % 2], "id": f"{machine}-{i}"}
        for i in range(first, first + count)
        for t in [START + 60 * i]
    ]  # fmt: skip
    return [codec.record_of(line.parse(json.dumps(each).encode()), source="plc") for each in lines]


def unknown(event_id: str, machine: str) -> Record:
    """What no fold of this release knows."""
    return Record(
        type="state.changed", version=2, payload=b"\x80", crc32=crc32(b"\x80"), id=event_id, machine=machine, t_min=START,
        t_max=START, ingested=START * 10**9, source="plc",
    )  # fmt: skip


def _folder(path: Path) -> Path:
    path.mkdir()
    records = [*states("M1", 0), unknown("w", "M1"), *states("M1", 6), *states("M2", 0)]
    asyncio.run(replay_plant.append(path, records))
    return path


def _parked(directory: Path) -> list[dict[str, Any]]:
    return list(tailrace_json("parked", "--dir", directory)["parked"])


def _release(directory: Path, *more: object, machine: str = "M1", code: int = 0) -> dict[str, Any]:
    how = ("parked", "release", "--dir", directory, "--machine", machine, "--by", "ann", *more)
    return tailrace_json(*how, code=code)


def test_what_waits_is_listed(tmp_path: Path) -> None:
    data = _folder(tmp_path / "data")
    (found,) = _parked(data)
    assert (found["machine"], found["id"], found["position"], found["waiting"]) == ("M1", "w", 7, 7)
    assert found["since"].startswith("2026-11-19T14:53:20")
    assert found["topologies"] == sorted(compose.TOPOLOGIES)
    assert "state.changed@2" in found["reason"]
    assert "state.changed@2" in tailrace("parked", "--dir", data).stdout


def test_a_record_that_is_skipped_lets_the_others_go_on(tmp_path: Path) -> None:
    data = _folder(tmp_path / "data")
    assert _release(data, "--skip") == {
        "machine": "M1", "action": "skip", "by": "ann", "released": ["w"], "parked": [],
    }  # fmt: skip
    assert _parked(data) == []
    assert "parked    nothing" in tailrace("parked", "--dir", data).stdout
    assert {each["skipped"] for each in tailrace_json("audit", "--dir", data)["stages"]["topologies"]} == {1}
    (event,) = [
        json.loads(each)
        for each in tailrace("export", "--dir", data, code=1).stdout.splitlines()
        if "parking.released" in each
    ]
    assert (event["by"], event["parked"], event["machine"], event["action"]) == ("ann", "w", "M1", "skip")


def test_a_record_that_still_cannot_be_folded_is_parked_again(tmp_path: Path) -> None:
    data = _folder(tmp_path / "data")
    done = _release(data, "--retry", code=1)
    assert [each["id"] for each in done["parked"]] == ["w"] and done["released"] == ["w"]


def test_a_record_is_put_in_its_place_by_a_file(tmp_path: Path) -> None:
    data, patch = _folder(tmp_path / "data"), tmp_path / "patch.json"
    whole = {"type": "state.changed", "machine": "M1", "t": START + 340, "state": "setup"}
    patch.write_text(json.dumps(whole))
    assert _release(data, "--patch", patch)["parked"] == []
    patch.write_text("[]")
    assert "patch.json: expected a JSON object" in _release(data, "--patch", patch, code=2)["error"]


def test_a_running_owner_is_told(tmp_path: Path) -> None:
    data, plant = _folder(tmp_path / "data"), tmp_path / "plant.yaml"
    plant.write_text("site:\n  name: here\nmachines:\n  M1: {}\n")
    with running(plant, data):
        assert _release(data, "--skip", "--event", "w")["parked"] == []
        assert _parked(data) == []


@pytest.mark.parametrize(
    ("machine", "more", "code", "words"),
    [
        ("M2", ["--skip"], 1, "expected a machine that is parked, got machine 'M2'; parked: machine 'M1' by w"),
        ("", ["--skip"], 1, "got the site; parked: machine 'M1' by w"),
        ("M1", ["--skip", "--event", "e"], 1, "got machine 'M1' by 'e'; parked: machine 'M1' by w"),
        ("M1", [], 2, "expected one of --retry, --skip and --patch FILE"),
        ("M1", ["--skip", "--retry"], 2, "expected one of --retry, --skip and --patch FILE"),
    ],
)
def test_what_cannot_be_meant_is_said(tmp_path: Path, machine: str, more: list[str], code: int, words: str) -> None:
    data = _folder(tmp_path / "data")
    assert words in _release(data, *more, machine=machine, code=code)["error"]
