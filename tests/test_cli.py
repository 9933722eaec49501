"""The commands from outside: what they print, their exit codes, and what they say when something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import oee_vectors
from commands import TAILRACE, tailrace, tailrace_json
from components import shared
from tailrace.app import compose

DAY = [
    {"type": "machine.registered", "machine": "M1", "t": "2026-11-20T06:00:00Z", "line": "L1"},
    {"type": "product.changed", "machine": "M1", "t": "2026-11-20T06:00:00Z", "product": "P1", "ideal_cycle_s": 10},
    {"type": "state.changed", "machine": "M1", "t": "2026-11-20T06:00:00Z", "state": "running", "id": "e1"},
    {"type": "parts.counted", "machine": "M1", "t": "2026-11-20T06:20:00Z", "good": 110, "reject": 10},
    {"type": "state.changed", "machine": "M1", "t": "2026-11-20T06:40:00Z", "state": "stopped"},
    {"type": "state.changed", "machine": "M1", "t": "2026-11-20T06:50:00Z", "state": "running"},
    {"type": "telemetry", "machine": "M1", "t": "2026-11-20T06:55:00.123456789Z", "values": {"temp": 73.8, "mode": "auto"},
     "quality": {"flow": "bad"}, "counters": {"reject": 3}},
    {"type": "clock.ticked", "machine": "M1", "t": "2026-11-20T07:00:00Z"},
]  # fmt: skip
HOUR = ("--machine", "M1", "--from", "2026-11-20T06:00:00Z", "--to", "2026-11-20T07:00:00Z")


def write(path: Path, events: Sequence[object] = DAY) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in events))
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A data folder with the day."""
    tailrace("import", write(tmp_path / "day.jsonl"), "--dir", tmp_path / "data")
    return tmp_path / "data"


# -- what commands give ------------------------------------------------------------------------------------------------


def test_import_counts_what_became_of_each_line(tmp_path: Path) -> None:
    path, data = write(tmp_path / "day.jsonl"), tmp_path / "deep" / "data"
    with path.open("a") as file:
        file.write("not json\n")
    first = tailrace_json("import", path, "--dir", data)
    assert first == {"received": 9, "appended": 8, "duplicate": 0, "quarantined": 1}
    again = tailrace("import", path, "--dir", data, "--json", "--strict", code=1)
    assert json.loads(again.stdout) == {"received": 9, "appended": 0, "duplicate": 8, "quarantined": 1}
    assert "day.jsonl line 9" in again.stderr
    assert "day.jsonl" in tailrace("import", path, "--dir", data).stdout


def test_oee_has_every_figure(store: Path) -> None:
    found = tailrace_json("oee", "--dir", store, *HOUR)
    assert set(found) == oee_vectors.FIGURES
    assert (found["calendar"], found["run"], found["breakdown"]) == (3600, 3000, 600)
    assert (found["total"], found["good"], found["reject"]) == (120, 110, 10)
    assert found["availability"] == pytest.approx(3000 / 3600, abs=1e-12)
    assert found["oee"] == pytest.approx(1100 / 3600, abs=1e-12)
    assert (found["completeness"], found["revision"], found["definition"]) == (1.0, 1, [])
    assert (found["from"], found["to"]) == ("2026-11-20T06:00:00Z", "2026-11-20T07:00:00Z")


def test_oee_of_windows_adds_up_and_takes_unix_seconds(store: Path) -> None:
    items = tailrace_json("oee", "--dir", store, *HOUR, "--every", "20min")["items"]
    assert [each["run"] for each in items] == [1200, 1200, 600]
    same = ("--machine", "M1", "--from", 1795154400, "--to", "2026-11-20T08:00:00+01:00")
    assert tailrace_json("oee", "--dir", store, *same) == tailrace_json("oee", "--dir", store, *HOUR)


def test_oee_as_of_counts_nothing_later(store: Path) -> None:
    found = tailrace_json("oee", "--dir", store, *HOUR, "--as-of", "2026-11-20T06:45:00Z")
    assert (found["calendar"], found["run"], found["flags"]) == (2700, 2400, ["provisional"])


def test_status_gives_accounts(store: Path) -> None:
    assert tailrace_json("status", "--dir", store) == {
        "machines": ["M1"],
        "sources": [{"source": "file:day.jsonl", "received": 8, "appended": 8, "duplicate": 0, "quarantined": 0}],
        "parked": [],
        "idle": [],
        "log": {"events": 8, "records": 8},
        "up": None,
        "owner": None,
        "workers": [],
        "kafka": None,
        "read_models": None,
    }
    assert "file:day.jsonl" in tailrace("status", "--dir", store).stdout


def test_export_and_import_give_the_same_log_and_figures(store: Path, tmp_path: Path) -> None:
    tailrace("export", "--dir", store, "--out", tmp_path / "out.jsonl")
    assert tailrace("export", "--dir", store).stdout == (tmp_path / "out.jsonl").read_text()
    exported = lines(tmp_path / "out.jsonl")
    assert len(exported) == len({each["id"] for each in exported}) == 8
    assert all("ingested" in each for each in exported)
    assert exported[6]["t"] == "2026-11-20T06:55:00.123456789Z"
    assert exported[6]["quality"] == {"flow": "bad"}
    assert tailrace_json("import", tmp_path / "out.jsonl", "--dir", tmp_path / "two")["appended"] == 8
    tailrace("export", "--dir", tmp_path / "two", "--out", tmp_path / "again.jsonl")
    assert lines(tmp_path / "again.jsonl") == exported
    assert tailrace_json("oee", "--dir", tmp_path / "two", *HOUR) == tailrace_json("oee", "--dir", store, *HOUR)
    assert tailrace_json("import", tmp_path / "out.jsonl", "--dir", store)["duplicate"] == 8


def test_an_imported_account_is_history(store: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.jsonl", ["not an event"])
    tailrace("import", path, path, "--dir", store)
    tailrace("export", "--dir", store, "--out", tmp_path / "out.jsonl")
    kinds = [each["type"] for each in lines(tmp_path / "out.jsonl")]
    assert kinds[8:] == ["ingest.quarantined", "source.accounted", "source.accounted"]
    assert tailrace_json("import", tmp_path / "out.jsonl", "--dir", tmp_path / "two")["appended"] == 11
    (source,) = tailrace_json("status", "--dir", tmp_path / "two")["sources"]
    assert source == {"source": "file:out.jsonl", "received": 11, "appended": 11, "duplicate": 0, "quarantined": 0}
    accounts = {each["source"]: each for each in tailrace_json("status", "--dir", store)["sources"]}
    assert accounts["file:bad.jsonl"]["received"] == accounts["file:bad.jsonl"]["quarantined"] == 2


def test_tail_shows_the_newest(store: Path) -> None:
    items = tailrace_json("tail", "--dir", store, "-n", "2")["items"]
    assert [each["type"] for each in items] == ["telemetry", "clock.ticked"]
    assert len(tailrace("tail", "--dir", store).stdout.splitlines()) == 8
    assert tailrace("tail", "--dir", store, "-n", "0").stdout == ""


def test_rows_can_be_deleted(store: Path) -> None:
    before = tailrace_json("oee", "--dir", store, *HOUR)
    for path in store.glob("read.db*"):
        path.unlink()
    assert tailrace_json("oee", "--dir", store, *HOUR) == before


def test_init_writes_a_plant_file_that_is_right(tmp_path: Path) -> None:
    tailrace("init", tmp_path / "plant")
    path = tmp_path / "plant" / "plant.yaml"
    assert tailrace_json("validate", path)["sources"] == 2
    before = path.read_text()
    assert "already" in tailrace("init", tmp_path / "plant", code=2).stderr
    assert path.read_text() == before


def test_the_data_folder_is_dir_then_the_plant_file_then_here(store: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    store.rename(plain / "tailrace-data")
    assert tailrace_json("status", cwd=plain)["machines"] == ["M1"]
    (plain / "plant.yaml").write_text("site: {name: S}\ndata: other\n")
    assert "other" in tailrace("status", cwd=plain, code=2).stderr
    (plain / "tailrace-data").rename(plain / "other")
    assert tailrace_json("status", cwd=plain)["machines"] == ["M1"]


def test_the_plant_file_here_declares_signals(tmp_path: Path) -> None:
    (tmp_path / "plant.yaml").write_text("site: {name: S}\nmachines:\n  M1: {signals: [pressure]}\n")
    write(tmp_path / "day.jsonl")
    assert tailrace_json("import", "day.jsonl", cwd=tmp_path)["quarantined"] == 1


# -- when something is wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["import", "nowhere.jsonl"], 2, "nowhere.jsonl"),
        (["import", "."], 2, "can be read"),
        (["import", "run.csv"], 2, ".csv"),
        (["import"], 2, "FILES"),
        (["status", "--dir", "nowhere"], 2, "--dir"),
        (["status", "--dir", "empty"], 2, "--dir"),
        (["export", "--dir", "nowhere"], 2, "--dir"),
        (["tail", "--dir", "empty"], 2, "--dir"),
        (["oee", "--dir", "data", "--machine", "M9", *HOUR[2:]], 1, "M9"),
        (["oee", "--dir", "data", "--machine", "M1", "--from", "2026-11-20T06:00:00", "--to", "1"], 2, "offset"),
        (["oee", "--dir", "data", "--machine", "M1", "--from", "5", "--to", "5"], 2, "before"),
        (["oee", "--dir", "data", *HOUR, "--every", "soon"], 2, "1h"),
        (["validate", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["validate", "wrong.yaml"], 2, "wrong.yaml:2"),
        (["up", "wrong.yaml"], 2, "wrong.yaml:2"),
        (["export", "--dir", "data", "--out", "nowhere/out.jsonl"], 3, "nowhere"),
        (["status", "--dir", "notdb"], 3, "events.db"),
        (["import", "day.jsonl", "--dir", "day.jsonl"], 3, "folder"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_mistakes_are_sentences(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    write(tmp_path / "day.jsonl")
    (tmp_path / "run.csv").write_text("a,b\n")
    (tmp_path / "wrong.yaml").write_text("site:\n  nam: S\n")
    for folder in ("empty", "notdb"):
        (tmp_path / folder).mkdir()
    (tmp_path / "notdb" / "events.db").write_text("this is no database, but it is long enough to be one" * 20)
    tailrace("import", "day.jsonl", "--dir", "data", cwd=tmp_path)
    done = tailrace(*arguments, code=code, cwd=tmp_path)
    assert words in done.stderr
    assert done.stdout == ""


def test_with_json_an_error_is_an_object(tmp_path: Path) -> None:
    found = tailrace_json("status", "--dir", "nowhere", code=2, cwd=tmp_path)
    assert "nowhere" in found["error"]


def test_whoever_stops_reading_ends_the_export(tmp_path: Path) -> None:
    events = [{"type": "parts.counted", "machine": "M1", "t": i, "good": 1} for i in range(20_000)]
    tailrace("import", write(tmp_path / "many.jsonl", events), "--dir", tmp_path / "data")
    command = [*TAILRACE, "export", "--dir", str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as export:
        assert export.stdout is not None
        assert export.stderr is not None
        export.stdout.readline()
        export.stdout.close()
        assert export.wait(20) == 0
        assert export.stderr.read() == b""


def test_a_full_disk_is_a_sentence_and_loses_nothing(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    tailrace("import", write(tmp_path / "day.jsonl"), "--dir", tmp_path / "data")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*TAILRACE, "export", "--dir", str(tmp_path / "data")], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 3
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_import_into_a_full_disk_gives_up_in_words_and_can_be_done_again(tmp_path: Path) -> None:
    """A file may not grow beyond 400 kB here, which for SQLite is a disk that takes no more."""
    events = [{"type": "parts.counted", "machine": "M1", "t": i, "good": 1} for i in range(20_000)]
    path, data = write(tmp_path / "many.jsonl", events), tmp_path / "data"
    limited = (
        "import resource, sys; from tailrace.app import cli, cli_import; cli_import.AWAY_S = 0.5; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)); cli.main()"
    )
    command = [sys.executable, "-c", limited, "import", str(path), "--dir", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 3
    assert "waiting" in done.stderr
    assert "import again" in done.stderr
    assert "Traceback" not in done.stderr
    again = tailrace_json("import", path, "--dir", data)
    assert again["appended"] + again["duplicate"] == 20_000
    window = ("--machine", "M1", "--from", 0, "--to", 20_000)
    assert tailrace_json("oee", "--dir", data, *window)["good"] == 20_000


def test_an_import_waits_for_another_one(tmp_path: Path) -> None:
    path, data = write(tmp_path / "day.jsonl"), tmp_path / "data"
    command = [*TAILRACE, "import", str(path), "--dir", str(data), "--json"]
    with compose.own(data):
        waiting = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert waiting.stderr is not None
        said = waiting.stderr.readline()
        assert str(os.getpid()) in said
        assert "waiting" in said
    out, _ = waiting.communicate(timeout=90)
    assert json.loads(out)["appended"] == 8


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "day.jsonl")
    path.chmod(0)
    assert "Permission" in tailrace("import", path, "--dir", tmp_path / "data", code=2).stderr


# -- real recordings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["nist_Mazak01-20161206-20161207", "mtc_okuma_extract", "nist_Mazak03-20170613-20170614"]
)
def test_hours_of_a_real_recording_equal_a_direct_count(tmp_path: Path, name: str) -> None:
    path = shared(f"recordings/{name}.shdr")
    tailrace("import", path, "--dir", tmp_path)
    hours = direct_count(path)
    window = ("--from", min(hours), "--to", max(hours) + 3600)
    items = tailrace_json("oee", "--dir", tmp_path, "--machine", name, *window, "--every", "1h")["items"]
    for found, (start, expected) in zip(items, hours.items(), strict=True):
        assert found["run"] == pytest.approx(expected["running"], abs=1e-6), start
        assert found["total"] == expected["parts"], start
    assert sum(expected["running"] for expected in hours.values()) > 1000


def direct_count(path: Path) -> dict[int, dict[str, float]]:
    """Running seconds and parts by hour, straight from the lines: sorted by time, a state holds until the next."""
    states: list[tuple[float, str]] = []
    counts: list[tuple[float, int]] = []
    for line in path.read_text().splitlines():
        stamp, *fields = line.split("|")
        t = seconds(stamp)
        for key, word in zip(fields[::2], fields[1::2], strict=False):
            if key.endswith("execution"):
                states.append((t, word))
            if key.lower().endswith(("partcount", "partcountact")) and word.isdigit():
                counts.append((t, int(word)))
    states.sort(key=lambda each: each[0])
    counts.sort(key=lambda each: each[0])
    first, last = min(states[0][0], counts[0][0]), max(states[-1][0], counts[-1][0])
    hours = {h: {"running": 0.0, "parts": 0.0} for h in range(int(first // 3600) * 3600, int(last) + 1, 3600)}
    for (t, word), (until, _) in zip(states, [*states[1:], (states[-1][0], "")], strict=True):
        for hour in hours if word == "ACTIVE" else ():
            hours[hour]["running"] += max(0.0, min(until, hour + 3600) - max(t, hour))
    for (_, before), (t, value) in pairwise(counts):
        hours[int(t // 3600) * 3600]["parts"] += value - before if value >= before else value
    return hours


def seconds(stamp: str) -> float:
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
