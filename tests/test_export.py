"""`tailrace export`: JSON lines, CSV and Parquet say the same, by time, machine and type, and nothing is rounded."""

from __future__ import annotations

import asyncio
import csv
import json
import math
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import replay_plant
from commands import tailrace, tailrace_json
from tailrace.app import compose
from tailrace.schemas import codec
from tailrace.schemas.instant import format_instant, parse_instant

HEAD = ["machine", "t", "type", "id", "clock", "seq", "ingested"]
START = "2026-11-20T06:00:00Z"
LINES: list[dict[str, Any]] = [
    {"type": "machine.registered", "machine": "M1", "t": "2026-11-20T05:00:00Z", "id": "m1"},
    {"type": "telemetry", "machine": "M1", "t": "2026-11-20T06:00:00.123456789Z", "id": "r1", "seq": 7,
     "values": {"Temp": 73.8, "Mode": "auto", "Mixed": 70.5, "Door": True, "t": 1.0, "Big": 2**53 + 1},
     "counters": {"total": 2**53 + 1}},
    {"type": "telemetry", "machine": "M1", "t": "2026-11-20T06:00:00.123456790Z", "id": "r2",
     "values": {"Mode": "hand", "Mixed": "off"}, "quality": {"Temp": "bad", "Mode": 2150891520}},
    {"type": "state.changed", "machine": "M2", "t": "2026-11-20T06:00:01Z", "state": "running", "id": "s1", "native": 'a,"b"'},
    {"type": "telemetry", "machine": "M2", "t": "2026-11-20T06:00:02Z", "id": "r3", "clock": "dev", "values": {"Temp": -0.1}},
    {"type": "clock.ticked", "t": "2026-11-20T06:00:03Z", "id": "c1"},
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A data folder with the lines."""
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in LINES))
    tailrace("import", path, "--dir", tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with every kind of trouble, half of it archived."""
    directory = tmp_path_factory.mktemp("plant")
    some = replay_plant.records(random.Random(5), 600)
    asyncio.run(replay_plant.append(directory, some))
    tailrace("log", "archive", "--dir", directory, "--before", str(some[len(some) // 2].ingested // 10**9))
    with compose.reading(directory) as log:
        assert 0 < log.archived()[0] < log.end()
    return directory


def lines(directory: Path, *options: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tailrace("export", "--dir", directory, *options).stdout.splitlines()]


def table(directory: Path, *options: object) -> pl.DataFrame:
    out = directory.parent / "out.parquet"
    said = tailrace_json("export", "--dir", directory, "--out", out, *options)
    found = pl.read_parquet(out)
    assert (said["format"], said["events"], said["left_out"]) == ("parquet", len(found), 0)
    return found


def test_a_reading_is_a_row_with_a_column_a_signal_and_nothing_is_rounded(store: Path) -> None:
    found = table(store)
    assert found.columns == [
        *HEAD, "fields", "quality", "Big", "Door", "Mixed", "Mode", "Temp", "signal_t", "counter_total",
    ]  # fmt: skip
    rows = found.to_dicts()
    assert [row["id"] for row in rows] == [each["id"] for each in LINES]
    assert found["t"].cast(pl.Int64).to_list() == [int(parse_instant(each["t"])) for each in LINES]
    one, other = rows[1], rows[2]
    assert (one["Temp"], one["Mode"], one["Door"], one["signal_t"], one["seq"]) == (73.8, "auto", True, 1.0, 7)
    assert (one["Big"], one["counter_total"], one["quality"], one["fields"]) == (2**53 + 1, 2**53 + 1, None, None)
    assert (one["Mixed"], other["Mixed"]) == ("70.5", "off")
    assert (other["Temp"], other["Door"], other["Big"], other["seq"]) == (None, None, None, None)
    assert json.loads(other["quality"]) == {"Temp": "bad", "Mode": 2150891520}
    assert json.loads(rows[3]["fields"]) == {"state": "running", "native": 'a,"b"'}
    assert (rows[4]["clock"], rows[4]["Temp"], rows[5]["machine"]) == ("dev", -0.1, "")


def test_csv_says_the_same_with_nine_decimals(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    tailrace("export", "--dir", store, "--out", out)
    printed = tailrace("export", "--dir", store, "--format", "csv").stdout
    assert printed == out.read_text()
    rows = list(csv.DictReader(printed.splitlines()))
    assert [row["t"] for row in rows][1:3] == ["2026-11-20T06:00:00.123456789Z", "2026-11-20T06:00:00.123456790Z"]
    same = table(store)
    assert list(rows[0]) == same.columns
    for row, other in zip(rows, same.to_dicts(), strict=True):
        for name, value in other.items():
            if name in ("t", "ingested"):
                assert parse_instant(row[name]) == same.filter(id=other["id"])[name].cast(pl.Int64).item()
            elif value is None:
                assert row[name] == ""
            elif isinstance(value, bool):
                assert row[name] == str(value).lower()
            else:
                assert type(value)(row[name]) == value, name


CHOICES: list[list[str]] = [
    [], ["--machine", "M2"], ["--type", "telemetry"], ["--type", "state.changed", "--type", "clock.ticked"],
    ["--from", "2026-11-20T06:00:00.123456790Z", "--to", "2026-11-20T06:00:02Z"],
    ["--machine", "M1", "--type", "telemetry", "--to", "2026-11-20T06:00:00.123456790Z"],
    ["--from", "2026-11-21T00:00:00Z"],
]  # fmt: skip


@pytest.mark.parametrize("choice", CHOICES, ids=" ".join)
def test_every_form_has_the_events_that_are_asked_for(store: Path, choice: list[str]) -> None:
    asked = dict(zip(choice[::2], choice[1::2], strict=True))
    types = [value for name, value in zip(choice[::2], choice[1::2], strict=True) if name == "--type"]
    since, until = (parse_instant(asked[name]) if name in asked else None for name in ("--from", "--to"))
    expected = [
        each["id"]
        for each in LINES
        if (not types or each["type"] in types)
        and asked.get("--machine", each.get("machine")) == each.get("machine")
        and (since is None or parse_instant(each["t"]) >= since)
        and (until is None or parse_instant(each["t"]) < until)
    ]
    assert [each["id"] for each in lines(store, *choice)] == expected
    assert table(store, *choice)["id"].to_list() == expected
    out = tailrace("export", "--dir", store, "--format", "csv", *choice).stdout
    assert [row["id"] for row in csv.DictReader(out.splitlines())] == expected


def test_a_plant_with_every_trouble_is_the_same_in_lines_and_columns(plant: Path) -> None:
    said, found = lines(plant), table(plant)
    assert len(said) == len(found) > 500
    for line, row in zip(said, found.to_dicts(), strict=True):
        assert [line.get("machine", ""), line["type"], line["id"], line.get("clock", ""), line.get("seq")] == [
            row[name] for name in ("machine", "type", "id", "clock", "seq")
        ]
        if line["type"] != "telemetry":
            assert json.loads(row["fields"]) == {name: v for name, v in line.items() if name not in HEAD}
            continue
        there = {n: v for n, v in row.items() if n not in (*HEAD, "fields", "quality") and v is not None}
        endless = {n: v for n, v in there.items() if isinstance(v, float) and not math.isfinite(v)}
        counted = {f"counter_{name}": value for name, value in line.get("counters", {}).items()}
        assert there == line.get("values", {}) | counted | endless  # JSON has no word for these
        assert (None if row["quality"] is None else json.loads(row["quality"])) == line.get("quality")


def test_a_window_cuts_frames(plant: Path) -> None:
    with compose.reading(plant) as log:
        frames = [record for record in log.read(0, 10_000) if record.type == "telemetry" and record.n > 2]
    times = [sorted(int(event.t) for event in codec.events_of(record)) for record in frames]
    machine, cut = next((r.machine, t) for r, t in zip(frames, times, strict=True) if t[0] < t[1] < t[-1])
    window = ("--machine", machine, "--from", format_instant(cut[1]), "--to", format_instant(cut[-1]))
    said, found = lines(plant, *window), table(plant, *window)
    assert [each["id"] for each in said] == found["id"].to_list() != []
    assert all(cut[1] <= t < cut[-1] for t in found["t"].cast(pl.Int64))
    assert all(cut[1] <= parse_instant(each["t"]) < cut[-1] for each in said)


def test_a_file_is_whole_or_not_there(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    out.write_text("before")
    tailrace("export", "--dir", store, "--out", out, "--machine", "M9", code=1)
    assert out.read_text() == "before"
    assert [path.name for path in tmp_path.glob("out*")] == ["out.parquet"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--json"], 2, "expected --out with --json"),
        (["--format", "parquet"], 2, "expected --out with --format parquet"),
        (["--type", "state"], 1, "expected types of events, got 'state'"),
        (["--machine", "M9"], 1, "known are: M1, M2"),
        (["--from", "2", "--to", "1"], 2, "expected --from before --to"),
    ],
)
def test_what_cannot_be_exported_is_said(store: Path, options: list[str], code: int, words: str) -> None:
    assert words in tailrace("export", "--dir", store, *options, code=code).stderr


def test_a_damaged_record_is_left_out_and_told(store: Path, tmp_path: Path) -> None:
    import sqlite3  # noqa: PLC0415

    with sqlite3.connect(store / "events.db") as connection:
        connection.execute("UPDATE record SET crc32 = crc32 + 1 WHERE id = 's1'")
    connection.close()
    for form in ("jsonl", "csv", "parquet"):
        done = tailrace("export", "--dir", store, "--format", form, "--out", tmp_path / "out", "--json", code=1)
        assert json.loads(done.stdout)["left_out"] == 1
        assert "expected a payload with crc32" in done.stderr
