"""What people ask and say on the command line: stops and reasons, alarms, why a figure is what it is, what is wrong here."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import oee_harness as harness
import oee_random
from brokers import free_port
from commands import running, tailrace, tailrace_json
from tailrace.app import compose, doctor
from tailrace.app.explain import explain_oee
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.schemas.instant import HOUR, MINUTE, SECOND, format_instant, parse_instant
from test_rollup_queries import alarm, put

DAY = [
    {"type": "machine.registered", "machine": "M1", "t": "2026-11-20T05:00:00Z", "line": "L1"},
    {"type": "calendar.set", "machine": "M1", "t": "2026-11-20T05:00:00Z", "intervals": [
        {"kind": "shift", "from": "2026-11-20T06:00:00Z", "to": "2026-11-20T08:00:00Z", "name": "2026-11-20/F"},
        {"kind": "shift", "from": "2026-11-20T08:00:00Z", "to": "2026-11-20T16:00:00Z", "name": "2026-11-20/S"},
        {"kind": "planned_stop", "from": "2026-11-20T06:30:00Z", "to": "2026-11-20T06:35:00Z"}]},
    {"type": "product.changed", "machine": "M1", "t": "2026-11-20T05:50:00Z", "product": "P1", "ideal_cycle_s": 10},
    {"type": "state.changed", "machine": "M1", "t": "2026-11-20T05:50:00Z", "state": "running", "id": "e1"},
    {"type": "parts.counted", "machine": "M1", "t": "2026-11-20T06:20:00Z", "good": 110, "reject": 10},
    {"type": "state.changed", "machine": "M1", "t": "2026-11-20T06:40:00Z", "state": "stopped"},
    {"type": "state.changed", "machine": "M1", "t": "2026-11-20T06:50:00Z", "state": "running"},
    {"type": "state.changed", "machine": "M1", "t": "2026-11-20T07:10:00Z", "state": "fault"},
    {"type": "state.changed", "machine": "M1", "t": "2026-11-20T07:11:00Z", "state": "running"},
    {"type": "state.changed", "machine": "M2", "t": "2026-11-20T06:00:00Z", "state": "idle"},
    {"type": "clock.ticked", "t": "2026-11-20T08:30:00Z"},
]  # fmt: skip
SHIFT = ("--machine", "M1", "--from", "2026-11-20T06:00:00Z", "--to", "2026-11-20T08:00:00Z")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A data folder with the day."""
    path = tmp_path / "day.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in DAY))
    tailrace("import", path, "--dir", tmp_path / "data")
    return tmp_path / "data"


def items(command: str, *arguments: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tailrace_json(*command.split(), *arguments)["items"]
    return found


def rows(store: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(store / "read.db") as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


# -- stops -----------------------------------------------------------------------------------------------------------------


def test_stops_are_listed_newest_first_with_every_field(store: Path) -> None:
    found = tailrace_json("stops", "--dir", store, "--machine", "M1")
    assert found["next"] is None
    last, first = found["items"]
    assert {name: value for name, value in first.items() if name != "id"} == {
        "machine": "M1", "start": "2026-11-20T06:40:00Z", "end": "2026-11-20T06:50:00Z", "duration_s": 600,
        "category": "unplanned", "reason": "", "by": "", "revision": 1,
    }  # fmt: skip
    assert last["duration_s"] == 60
    (standing,) = items("stops", "--dir", store, "--machine", "M2")
    assert standing["end"] is None
    shown = tailrace("stops", "--dir", store).stdout
    assert first["id"] in shown
    assert "still down" in shown


def test_stops_of_a_window_and_in_parts(store: Path) -> None:
    def starts(*arguments: object) -> list[str]:
        return [each["start"][11:16] for each in items("stops", "--dir", store, *arguments)]

    assert starts() == ["07:10", "06:40", "06:00"]
    assert starts("--machine", "M1", "--to", "2026-11-20T07:10:00Z") == ["06:40"]
    assert starts("--from", "2026-11-20T06:50:00Z") == ["07:10", "06:00"]
    part = tailrace_json("stops", "--dir", store, "--limit", 2)
    assert [each["start"][11:16] for each in part["items"]] == ["07:10", "06:40"]
    assert starts("--cursor", part["next"]) == ["06:00"]
    assert "there are more" in tailrace("stops", "--dir", store, "--limit", 2).stderr


def test_pages_are_walked_up_to_the_limit(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with compose.own(data), compose.read_store(data) as connection:
        put(connection, "stop", [stop(i) for i in range(2345)])
    (tmp_path / "empty.jsonl").write_text("")
    tailrace("import", tmp_path / "empty.jsonl", "--dir", data)
    assert len(items("stops", "--dir", data, "--limit", 100_000)) == 2345
    assert len(items("stops", "--dir", data, "--limit", 1500)) == 1500
    assert len(items("stops", "--dir", data)) == 1000


def stop(number: int) -> dict[str, Any]:
    said = {"state": "fault", "category": "unplanned", "reason": "", "by": "", "revision": 1, "gaps": "", "edit": ""}
    return {
        "id": f"{number}", "machine": "M1", "start_ns": number * MINUTE, "start": "", "end_ns": number * MINUTE + SECOND,
        "end": "", **said,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("stops", "--machine", "M9"), 1, "expected a machine that has events, got 'M9'; known are: M1, M2"),
        (("stops", "--from", "2026-11-20T06:00:00Z", "--to", "2026-11-20T05:00:00Z"), 2, "expected --from before --to"),
        (("stops", "--cursor", "%%"), 1, "cursor: expected the `next` of an earlier answer"),
        (("stops", "--limit", "0"), 2, "0 is not in the range"),
        (("anomaly", "list", "--machine", "M9"), 1, "expected a machine that has events"),
        (("explain", "oee", *SHIFT[2:]), 2, "Missing option '--machine'"),
        (("explain", "oee", "--machine", "M9", *SHIFT[2:]), 1, "expected a machine that has events"),
        (("reason", "nothing", "--category", "setup"), 1, "expected the id of a stop (`tailrace stops` lists them)"),
        (("reason", "nothing", "--category", "lunch"), 2, "'lunch' is not one of"),
        (("reason", "nothing"), 2, "or --category beside it, got none"),
    ],
)
def test_mistakes_are_told_in_words(store: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = tailrace(*arguments, "--dir", store, code=code)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    "command", ["stops", "anomaly list", "reason x --category setup", "explain oee --machine M1 --from 1 --to 2"]
)
def test_a_folder_that_is_none_is_told(tmp_path: Path, command: str) -> None:
    done = tailrace(*command.split(), "--dir", tmp_path / "nowhere", code=2)
    assert "expected a data folder, got no such folder" in done.stderr
    assert not (tmp_path / "nowhere").exists()


# -- reasons ---------------------------------------------------------------------------------------------------------------


def give(store: Path, stop_id: str, category: str, *more: object, code: int = 0) -> dict[str, Any]:
    return tailrace_json("reason", stop_id, "--dir", store, "--category", category, *more, code=code)


def test_a_reason_changes_the_stop_and_the_figures(store: Path) -> None:
    stop_id = items("stops", "--dir", store, "--machine", "M1")[1]["id"]
    before = tailrace_json("oee", "--dir", store, *SHIFT)
    given = give(store, stop_id, "planned", "--reason", "tool change", "--by", "ann", "--expected-revision", 1)
    assert (given["category"], given["reason"], given["by"], given["revision"]) == (
        "planned_stop",
        "tool change",
        "ann",
        2,
    )
    assert items("stops", "--dir", store, "--machine", "M1")[1] == given
    after = tailrace_json("oee", "--dir", store, *SHIFT)
    assert (before["breakdown"], after["breakdown"]) == (600, 0)
    assert after["oee"] > before["oee"]
    assert "setup 'again' by bob; revision 3" in tailrace(
        "reason", stop_id, "--dir", store, "--category", "setup", "--reason", "again", "--by", "bob"
    ).stdout  # fmt: skip


def test_of_two_edits_of_one_revision_the_second_is_told_both(store: Path) -> None:
    stop_id = items("stops", "--dir", store, "--machine", "M1")[0]["id"]
    first = give(store, stop_id, "setup", "--by", "ann", "--expected-revision", 1)
    second = give(store, stop_id, "run", "--reason", "no stop", "--by", "bob", "--expected-revision", 1, code=1)
    assert second["current"] == first
    assert second["proposed"] == {"category": "run", "reason": "no stop", "by": "bob", "expected_revision": 1}
    told = tailrace(
        "reason", stop_id, "--dir", store, "--category", "run", "--by", "bob", "--expected-revision", 1, code=1
    )
    assert "it stands as revision 2: setup by ann" in told.stderr
    assert "yours, on revision 1: run by bob" in told.stderr
    assert items("stops", "--dir", store, "--machine", "M1")[0] == first


def test_a_reason_goes_through_a_running_up(store: Path, tmp_path: Path) -> None:
    plant = tmp_path / "plant.yaml"
    plant.write_text("site: {name: S}\nmachines: {M1: {line: L1}}\n")
    stop_id = items("stops", "--dir", store, "--machine", "M1")[1]["id"]
    with running(plant, store) as up:
        assert give(store, stop_id, "setup", "--expected-revision", 1)["revision"] == 2
        assert give(store, stop_id, "run", "--expected-revision", 1, code=1)["current"]["category"] == "setup"
        assert items("stops", "--dir", store, "--machine", "M1")[1]["category"] == "setup"
        found = {each["name"]: each for each in checks("--dir", store)}
        assert f"process {up.process.pid} owns the folder" in found["up"]["found"]
        assert found["up"]["state"] == "ok"
        up.stop()
    assert items("stops", "--dir", store, "--machine", "M1")[1]["revision"] == 2


def test_a_reason_waits_for_a_command_that_owns_the_folder_for_a_moment(store: Path) -> None:
    stop_id = items("stops", "--dir", store, "--machine", "M1")[0]["id"]
    done: list[dict[str, Any]] = []
    with compose.own(store):
        asking = threading.Thread(target=lambda: done.append(give(store, stop_id, "setup")))
        asking.start()
        asking.join(0.3)
        assert asking.is_alive()
    asking.join(30)
    assert done[0]["category"] == "setup"


# -- alarms ----------------------------------------------------------------------------------------------------------------


def test_alarms_are_listed(store: Path) -> None:
    assert tailrace_json("anomaly", "list", "--dir", store) == {"items": [], "next": None}
    assert "no anomalies" in tailrace("anomaly", "list", "--dir", store).stdout
    t = int(parse_instant("2026-11-20T07:00:00Z"))
    with compose.read_store(store) as connection:
        put(connection, "anomaly", [alarm(1, "M1", t, t + MINUTE), alarm(2, "M2", t + HOUR, None)])
    newest, first = items("anomaly list", "--dir", store)
    assert (newest["machine"], first["machine"]) == ("M2", "M1")
    assert {"RecordID", "AnomalyScore", "DetectionTime"} <= set(first)
    assert (first["DetectionTime"], first["cleared"]) == ("2026-11-20T07:00:00Z", "2026-11-20T07:01:00Z")
    assert [each["machine"] for each in items("anomaly list", "--dir", store, "--open")] == ["M2"]
    assert [each["machine"] for each in items("anomaly list", "--dir", store, "--to", t // SECOND + 1)] == ["M1"]
    shown = tailrace("anomaly", "list", "--dir", store).stdout
    assert newest["RecordID"] in shown
    assert "open" in shown


# -- rows that SQL sees ------------------------------------------------------------------------------------------------------


def test_sql_and_the_command_say_the_same_of_hours_and_shifts(store: Path) -> None:
    sums = "sum(shift_run_ns), sum(shift_unplanned_ns), sum(shift_good), sum(shift_reject), sum(shift_good_ideal_ns)"
    hour = rows(store, f"SELECT {sums} FROM oee_hour WHERE machine = 'M1' AND start = '2026-11-20 06:00:00.000000'")
    found = tailrace_json("oee", "--dir", store, *SHIFT[:4], "--to", "2026-11-20T07:00:00Z")
    wanted = [
        found["run"] * SECOND,
        found["breakdown"] * SECOND,
        found["good"],
        found["reject"],
        found["valuable"] * SECOND,
    ]
    assert hour == [tuple(wanted)]
    shift = rows(store, f"SELECT {sums}, min(minutes) FROM oee_shift WHERE machine = 'M1' AND name = '2026-11-20/F'")
    found = tailrace_json("oee", "--dir", store, *SHIFT)
    down = (found["breakdown"] + found["microstop"]) * SECOND
    wanted = [found["run"] * SECOND, down, found["good"], found["reject"], found["valuable"] * SECOND, 120]
    assert shift == [tuple(wanted)]
    assert rows(store, "SELECT name, minutes FROM oee_shift ORDER BY start_ns") == [
        ("2026-11-20/F", 120), ("2026-11-20/S", 30),
    ]  # fmt: skip


# -- explain -----------------------------------------------------------------------------------------------------------------


def test_an_oee_is_taken_apart(store: Path) -> None:
    found = tailrace_json("explain", "oee", "--dir", store, *SHIFT[:2], "--from", "2026-11-20T05:55:00Z", *SHIFT[4:])
    figures = found["figures"]
    assert figures == tailrace_json("oee", "--dir", store, *SHIFT[:2], "--from", "2026-11-20T05:55:00Z", *SHIFT[4:])
    assert [(each["bucket"], each["seconds"]) for each in found["time"]] == [
        ("not_scheduled", 300), ("run", 1800), ("planned_stop", 300), ("run", 300), ("breakdown", 600), ("run", 1200),
        ("microstop", 60), ("run", 2940),
    ]  # fmt: skip
    stops = {each["start"]: each["id"] for each in items("stops", "--dir", store, "--machine", "M1")}
    assert [(each["from"], each["stop"]) for each in found["time"] if each["stop"]] == sorted(stops.items())
    (part,) = found["parts"]
    assert (part["product"], part["ideal_cycle_s"], part["good"], part["reject"]) == ("P1", [10], 110, 10)
    assert (part["standard_s"], part["standard_good_s"]) == (1200, 1100)
    oee = found["formulas"][-1]
    assert (oee["above_s"], oee["below_s"]) == (figures["valuable"], figures["pbt"])
    assert oee["value"] == found["value"] == pytest.approx(oee["above_s"] / oee["below_s"])
    assert (found["buckets"]["rows"], found["buckets"]["restated"]) == (125, 0)
    assert (found["definitions"][0]["name"], found["known_until"]) == (None, "2026-11-20T08:30:00Z")


def test_it_is_told_in_words_with_what_was_restated(store: Path) -> None:
    stop_id = items("stops", "--dir", store, "--machine", "M1")[1]["id"]
    give(store, stop_id, "setup", "--reason", "tool change", "--by", "ann")
    shown = tailrace("explain", "oee", "--dir", store, *SHIFT).stdout
    assert "availability = 1:45:00 ÷ 1:55:00 = 91.3 %" in shown
    assert f"category setup, 'tool change' by ann, stop {stop_id}" in shown
    assert "120 minutes (2026-11-20T06:00:00Z .. 2026-11-20T07:59:00Z), 10 of them restated" in shown
    assert "2026-11-20T06:40:00Z: revision 2, known since" in shown


async def filled(data: Path, seed: int) -> None:
    log = SqliteLog(data / "events.db")
    await log.append(harness.records(oee_random.timeline(random.Random(seed), 120, silence=False)))
    await log.close()


@pytest.mark.parametrize("seed", range(8))
async def test_parts_add_up_on_random_timelines(tmp_path: Path, seed: int) -> None:
    """explain says so itself where they do not; its sums are done here again, in whole nanoseconds, under any definition."""
    await filled(tmp_path, seed)
    rng = random.Random(seed)
    with compose.pipeline(tmp_path) as pipeline:
        pipeline.drain()
    for _ in range(6):
        start = oee_random.EPOCH + rng.randrange(48 * HOUR)
        end = start + rng.choice((1, MINUTE, HOUR, 30 * HOUR, rng.randrange(1, 60 * HOUR)))
        found = explain_oee(tmp_path, "M1", start, end, rng.choice((None, "iso", "semi", "vorne")), events=0)
        sums: Counter[str] = Counter()
        for each in found["time"]:
            sums[each["bucket"]] += int(parse_instant(each["to"])) - int(parse_instant(each["from"]))
        for name in ("run", "microstop", "breakdown", "setup", "unknown", "planned_stop", "excluded", "not_scheduled"):
            assert sums[name] == ns(found["figures"][name])
        assert sum(sums.values()) == end - start
        _require_waterfall(found["figures"], sums)
        for name in ("good", "reject", "rework", "offplan_good", "offplan_reject"):
            assert sum(each[name] for each in found["parts"]) == found["figures"][name]


def ns(figure: float) -> int:
    """A figure in seconds as whole nanoseconds; a float holds those of a window of 100 days exactly."""
    return round(figure * SECOND)


def _require_waterfall(found: dict[str, Any], sums: Counter[str]) -> None:
    """From calendar time down to valuable time, level by level."""
    left_out = sums["not_scheduled"] + sums["planned_stop"] + sums["excluded"]
    assert ns(found["pbt"]) == ns(found["calendar"]) - left_out
    down = sums["setup"] + sums["breakdown"] + sums["unknown"]
    assert ns(found["operating"]) == ns(found["pbt"]) - down == sums["run"] + sums["microstop"]
    if found["valuable"] is not None:
        lost = sums["microstop"] + ns(found["speed_loss"]) + ns(found["quality_loss"])
        assert ns(found["operating"]) - lost == ns(found["valuable"])


def test_a_definition_that_is_asked_for_is_explained(store: Path) -> None:
    """By `semi` all of the time is judged, and the calendar's planned stop is a loss of it."""
    for name in ("iso", "semi", "vorne"):
        found = tailrace_json("explain", "oee", "--dir", store, *SHIFT, "--definition", name)
        figures = tailrace_json("oee", "--dir", store, *SHIFT, "--definition", name)
        assert found["figures"] == figures
        assert [each["name"] for each in found["definitions"]] == figures["definition"] == [f"{name}@1"]
        assert found["formulas"][-1]["below_s"] == figures["base"]
        for bucket in ("run", "breakdown", "microstop", "planned_stop", "setup"):
            assert sum(each["seconds"] for each in found["time"] if each["bucket"] == bucket) == figures[bucket]
    assert found["value"] != tailrace_json("explain", "oee", "--dir", store, *SHIFT, "--definition", "semi")["value"]
    done = tailrace("explain", "oee", "--dir", store, *SHIFT, "--definition", "x", code=1)
    assert "expected a definition that somebody set, got 'x'" in done.stderr


def test_a_figure_leads_to_its_raw_events(store: Path) -> None:
    """Figure, buckets, intervals, events: a page of events, and each interval names those that have a part in it."""
    found = tailrace_json("explain", "oee", "--dir", store, *SHIFT)
    events = found["events"]["items"]
    with compose.reading(store) as log:
        first, last = parse_instant(SHIFT[3]), parse_instant(SHIFT[5])
        records = [each for each in log.between("M1", first, last, 0, 100) if each.type != "source.accounted"]
    assert [(each["position"], each["t"], each["source"], each["session"], each["seq"]) for each in events] == [
        (each.position, format_instant(each.t_min), each.source, each.session, each.first_seq) for each in records
    ]
    assert {"ingested", "quality"} <= events[0].keys()
    down = next(each for each in found["time"] if each["bucket"] == "breakdown")
    said = {each["position"]: each for each in events}
    assert [said[position]["said"].get("state") for position in down["events"]] == ["stopped"]
    pages: list[dict[str, Any]] = []
    cursor = found["events"]["next"]
    assert cursor is None
    more: list[str] = []
    while cursor is not None or not pages:
        page = tailrace_json("explain", "oee", "--dir", store, *SHIFT, "--events", 2, *more)["events"]
        pages += page["items"]
        cursor = page["next"]
        more = ["--cursor", str(cursor)]
    assert pages == events
    assert "raw event" in tailrace("explain", "oee", "--dir", store, *SHIFT).stdout


def test_lines_that_there_are_are_named_to_who_asks_for_another(store: Path) -> None:
    done = tailrace("oee", "--dir", store, "--line", "L9", *SHIFT[2:], code=1)
    assert "registered in line 'L9', got none; known lines: L1; known sites: none" in done.stderr
    found = tailrace_json(
        "oee", "compare", "--dir", store, "--line", "L1", *SHIFT[2:], "--definition", "iso", "--definition", "semi"
    )
    for each, name in zip(found["definitions"], ("iso", "semi"), strict=True):
        assert each == tailrace_json("oee", "--dir", store, "--line", "L1", *SHIFT[2:], "--definition", name)
    shown = tailrace("oee", "compare", "--dir", store, "--line", "L1", *SHIFT[2:], "--definition", "iso").stdout
    assert "iso@1" in shown and "L1" in shown
    refused = tailrace("oee", "compare", "--dir", store, "--line", "L1", *SHIFT, "--definition", "iso", code=2)
    assert "expected one of --machine, --machines and --line, got --machine and --line" in refused.stderr


def test_rows_that_disagree_with_the_facts_are_told(store: Path) -> None:
    with sqlite3.connect(store / "read.db") as connection:
        connection.execute("UPDATE oee_hour SET shift_run_ns = shift_run_ns + 1")
    connection.close()
    done = tailrace("explain", "oee", "--dir", store, *SHIFT, code=1)
    assert "expected run of" in done.stderr
    assert "delete read.db" in done.stderr


# -- doctor ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """How fast and how full the disk of the tests is, is not their business."""
    monkeypatch.setattr(doctor, "FLUSH_MIN", 0.0)
    monkeypatch.setattr(doctor, "FREE_MIN", 0)


def checks(*arguments: object, code: int = 0, cwd: Path | None = None) -> list[dict[str, Any]]:
    found = tailrace_json("doctor", *arguments, code=code, cwd=cwd)
    assert found["ok"] is (code == 0)
    listed: list[dict[str, Any]] = found["checks"]
    return listed


def wrong(found: list[dict[str, Any]]) -> dict[str, str]:
    for each in found:
        assert (each["state"] == "ok") is not bool(each["todo"])
    return {each["name"]: each["found"] for each in found if each["state"] != "ok"}


def test_a_sound_machine_needs_nothing(store: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    found = {each["name"]: each["found"] for each in checks("--dir", store, cwd=tmp_path)}
    assert {"python", "libraries", "sqlite", "wal", "flush", "space", "ports", "clock", "mosquitto", "chromium"} <= set(
        found
    )
    assert found["rows"] == "up to position 11 of 11"
    assert found["log"] == "11 events in 11 records of 2 machines"
    assert sorted(tmp_path.rglob("*")) == before
    assert "nothing needs attention" in tailrace("doctor", "--dir", store, cwd=tmp_path).stdout
    assert checks("--dir", tmp_path / "not" / "yet", cwd=tmp_path)
    assert not (tmp_path / "not").exists()


def test_a_clock_that_was_set_back_is_told(store: Path) -> None:
    def found(now: str) -> dict[str, str]:
        return {
            each.name: each.found
            for each in doctor.examine(store, lambda: int(parse_instant(now)))
            if each.state != "ok"
        }

    back = found("2026-01-01T00:00:00Z")
    assert list(back) == ["clock"]
    assert "but the log has an event that came in at" in back["clock"]
    assert found("1970-01-01T00:00:05Z") == {"clock": "it is 1970-01-01T00:00:05Z here"}


def test_a_slow_or_full_disk_and_no_free_port_are_told(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FLUSH_MIN", 1e9)
    monkeypatch.setattr(doctor, "FREE_MIN", 1 << 80)
    monkeypatch.setattr(doctor, "PORTS", 0)
    assert list(wrong(checks("--dir", store, code=1))) == ["flush", "space", "ports"]


def test_rows_that_are_behind_are_told(store: Path) -> None:
    async def append() -> None:
        log = SqliteLog(store / "events.db")
        await log.append(harness.records(oee_random.timeline(random.Random(1), 5)))
        await log.close()

    asyncio.run(append())
    assert list(wrong(checks("--dir", store, code=1))) == ["rows"]
    tailrace("status", "--dir", store)
    assert not wrong(checks("--dir", store))


def test_a_damaged_log_is_told_in_words(store: Path) -> None:
    (store / "events.db").write_bytes(b"not a database" * 1000)
    found = checks("--dir", store, code=1)
    assert "events.db" in wrong(found)["data"]
    assert {"python", "flush", "mosquitto", "plant"} <= {each["name"] for each in found}


def test_what_was_refused_is_shown(store: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("not json\n")
    tailrace("import", tmp_path / "bad.jsonl", "--dir", store)
    found = {each["name"]: each["found"] for each in checks("--dir", store)}
    assert found["quarantine"].startswith("1 events could not be taken")


def test_a_wrong_plant_file_and_a_source_that_is_away_are_told(tmp_path: Path) -> None:
    plant = tmp_path / "plant.yaml"
    plant.write_text("site: {nam: S}\n")
    assert "plant.yaml:1: site.nam" in wrong(checks(code=1, cwd=tmp_path))["plant"]
    port = free_port()
    plant.write_text(
        f"site: {{name: S}}\nsources: [{{kind: mqtt, name: floor, url: 'mqtt://127.0.0.1:{port}', topic: 'a/{{machine}}',"
        " payload: {values: {T: $.t}}}]\n"
    )
    found = wrong(checks("--dir", tmp_path / "data", code=1, cwd=tmp_path))
    assert f"nothing answers on 127.0.0.1:{port}" in found["source floor"]
