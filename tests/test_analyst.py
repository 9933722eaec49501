"""`tailrace.open`: frames whose figures are the command line's to the digit, and whose columns are those of docs/analysts.md.

`TAILRACE_WRITE_DOCS=1` writes the tables of the page anew.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import replay_plant
import tailrace as package
from commands import tailrace, tailrace_json
from tailrace.app import analyst_columns, compose
from tailrace.app.analyst import Folder, instant
from tailrace.app.analyst_frames import TYPES
from tailrace.app.arrow_events import HEAD
from tailrace.schemas.errors import InvalidInput, InvalidSettings, NotFound
from tailrace.schemas.instant import DAY, HOUR, format_instant, parse_instant
from test_cli_reads import DAY as SHIFTS
from test_rollup_queries import alarm, put

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "analysts.md"
BEGIN, END = (
    "<!-- columns: written by tests/test_analyst.py from app/analyst_columns.py -->\n",
    "<!-- end of columns -->",
)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every kind of trouble, which is never changed."""
    directory = tmp_path_factory.mktemp("plant")
    asyncio.run(replay_plant.append(directory, replay_plant.records(random.Random(7), 500)))
    compose.catch_up(directory)
    return directory


@pytest.fixture(scope="module")
def shifts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a day of two machines and a calendar."""
    directory = tmp_path_factory.mktemp("shifts")
    lines = directory / "day.jsonl"
    lines.write_text("".join(json.dumps(each) + "\n" for each in SHIFTS))
    tailrace("import", lines, "--dir", directory / "data")
    return directory / "data"


def shown(columns: list[str], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answers of a command as the rows of a frame: times as they are, lists of fields as JSON."""
    return [{name: row[name] for name in columns} for row in rows]


def same(found: pl.DataFrame, items: list[dict[str, Any]]) -> None:
    """A frame has the rows of a command's answer, cell by cell."""
    assert len(found) == len(items)
    for name in found.columns:
        cells = found[name]
        said = [item[name] for item in items]
        if cells.dtype == pl.Datetime("ns", "UTC"):
            ns = [None if each is None else int(parse_instant(each)) for each in said]
            assert cells.cast(pl.Int64).to_list() == ns, name
        elif cells.dtype == pl.String:
            assert [each if each is None or isinstance(each, str) else json.dumps(each, separators=(",", ":"), ensure_ascii=False)
                    for each in said] == cells.to_list(), name  # fmt: skip
        else:
            assert cells.to_list() == said, name


# -- figures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"every": "1h"}, {"definition": "iso"}, {"known_at": 1}, {"as_of": 1}], ids=str
)
def test_oee_is_the_command_s_to_the_digit(plant: Path, options: dict[str, Any]) -> None:
    t = package.open(plant)
    machines = [name for name in t.machines() if name.startswith("OEE")]
    with compose.reading(plant) as log:
        times = [record.t_min for record in log.read(0, 10_000) if record.machine in machines]
        known = [record.ingested for record in log.read(0, 10_000)]
    start, end = min(times) // HOUR * HOUR, min(times) // HOUR * HOUR + 10 * HOUR
    middle = {"known_at": known[2 * len(known) // 3], "as_of": start + 5 * HOUR + 1}
    given = {name: format_instant(middle[name]) if value == 1 else value for name, value in options.items()}
    found = t.oee(machines, format_instant(start), format_instant(end), **given)
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]
    window = ("--from", format_instant(start), "--to", format_instant(end))
    items: list[dict[str, Any]] = []
    for name in machines:
        answer = tailrace_json("oee", "--dir", plant, "--machine", name, *window, *words)
        items += answer["items"] if "every" in options else [answer]
    same(found, items)
    assert set(found.columns) == set(items[0])
    assert found["calendar"].sum() > 0


def test_oee_by_shift_and_of_everything(shifts: Path) -> None:
    t = package.open(shifts)
    window = ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z")
    answer = tailrace_json(
        "oee", "--dir", shifts, "--machine", "M1", "--from", window[0], "--to", window[1], "--every", "shift"
    )["items"]
    found = t.oee("M1", *window, every="shift")
    same(found, answer)
    assert found["shift"].to_list() == ["2026-11-20/F", "2026-11-20/S"]
    assert t.oee("M2", *window, every="shift").shape == (0, len(found.columns))
    whole = t.oee()
    assert whole["machine"].to_list() == ["M1", "M2"]
    assert (whole["from"][0].isoformat(), whole["to"][0].isoformat()) == (
        "2026-11-20T05:00:00+00:00",
        "2026-11-20T09:00:00+00:00",
    )


def test_stops_and_alarms_are_the_command_s(plant: Path, shifts: Path, tmp_path: Path) -> None:
    for directory in (plant, shifts):
        t = package.open(directory)
        closed = [
            each for each in tailrace_json("stops", "--dir", directory, "--limit", 100_000)["items"] if each["end"]
        ]
        found = t.stops()
        same(found.filter(found["end"].is_not_null()), closed)
        assert len(closed) > 1
    open_one = package.open(shifts).stops("M2", now="2026-11-20T07:00:00Z")
    assert open_one["duration_s"].to_list() == [3600]
    window = {"start": "2026-11-20T06:45:00Z", "end": "2026-11-20T07:10:00Z"}
    part = tailrace_json("stops", "--dir", shifts, "--machine", "M1", "--from", window["start"], "--to", window["end"])
    same(package.open(shifts).stops("M1", **window), part["items"])


def test_alarms_of_a_store_come_as_they_are(shifts: Path, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    tailrace("replay", "--dir", shifts, "--into", directory)
    with compose.read_store(directory) as connection:
        made = [alarm(i, f"M{1 + i % 2}", i * HOUR, i * HOUR + 1 if i < 5 else None) for i in range(1, 7)]
        put(connection, "anomaly", made)
    items = tailrace_json("anomaly", "list", "--dir", directory)["items"]
    t = package.open(directory)
    same(t.anomalies(), items)
    assert len(items) == 6
    same(t.anomalies("M1", open_only=True), [e for e in items if e["machine"] == "M1" and e["cleared"] is None])


# -- events and readings -----------------------------------------------------------------------------------------------


def test_events_are_those_of_the_export(plant: Path) -> None:
    lines = [json.loads(line) for line in tailrace("export", "--dir", plant).stdout.splitlines()]
    found = package.open(plant).events()
    assert found["id"].to_list() == [each["id"] for each in lines]
    head = {"type", "machine", "t", "id", "clock", "seq", "ingested"}
    said = [{name: value for name, value in each.items() if name not in head} for each in lines]
    assert list(map(json.loads, found["fields"])) == said
    some = package.open(plant).events("OEE1", types=["state.changed", "parts.counted"])
    expected = [
        e["id"] for e in lines if e.get("machine") == "OEE1" and e["type"] in ("state.changed", "parts.counted")
    ]
    assert some["id"].to_list() == expected != []
    same_time = [int(parse_instant(each["t"])) for each in lines]
    assert found["t"].cast(pl.Int64).to_list() == same_time


def test_readings_are_a_column_a_signal_by_machine_and_time(plant: Path) -> None:
    lines = [json.loads(line) for line in tailrace("export", "--dir", plant, "--type", "telemetry").stdout.splitlines()]
    found = package.open(plant).readings()
    assert len(found) == len(lines)
    order = sorted(lines, key=lambda each: (each["machine"], parse_instant(each["t"])))
    assert found["machine"].to_list() == [each["machine"] for each in order]
    signal = next(name for each in order for name, value in each.get("values", {}).items() if isinstance(value, float))
    one = package.open(plant).readings(signals=[signal])
    assert one.columns == ["machine", "t", "quality", signal]
    assert sum(each.get("values", {}).get(signal) is not None for each in order) > 0
    machine = order[0]["machine"]
    mine = [each for each in order if each["machine"] == machine]
    middle = mine[len(mine) // 2]["t"]
    early = package.open(plant).readings(machine, end=middle)
    assert len(early) == sum(parse_instant(each["t"]) < parse_instant(middle) for each in mine) > 0
    with pytest.raises(InvalidInput, match="expected signals that were read, got 'Nothing'"):
        package.open(plant).readings(signals=["Nothing"])


def test_signals_have_units(shifts: Path, tmp_path: Path) -> None:
    lines = [
        {"type": "machine.registered", "machine": "M1", "t": "2026-11-20T05:00:00Z", "units": {"Temp": "°C"}},
        {"type": "telemetry", "machine": "M1", "t": "2026-11-20T05:00:01Z", "values": {"Temp": 70.5, "Mode": "auto"}},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    tailrace("import", tmp_path / "a.jsonl", "--dir", tmp_path / "data")
    found = package.open(tmp_path / "data").signals().rows()
    assert [(row[1], row[2], row[4]) for row in found] == [("Mode", "", "auto"), ("Temp", "°C", "70.5")]


def test_an_empty_answer_has_its_columns(shifts: Path) -> None:
    t = package.open(shifts)
    late = {"start": "2027-01-01T00:00:00Z"}
    assert t.events(**late).shape == (0, len(analyst_columns.EVENTS))
    assert t.anomalies().shape == (0, len(analyst_columns.ANOMALIES))
    assert t.readings().columns == [column.name for column in analyst_columns.READINGS]
    assert package.diff(t, t).shape == (0, len(analyst_columns.CHANGES))


# -- replay ------------------------------------------------------------------------------------------------------------


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.suffix == ".db"}


async def test_a_replay_works_where_a_loop_runs_and_leaves_the_folder_alone(shifts: Path, tmp_path: Path) -> None:
    """As in a notebook."""
    t = package.open(shifts)
    t.oee()
    before = files(shifts)
    w = t.replay(topology="oee", overrides={"definition.microstop_s": 700}, into=tmp_path / "if")
    assert isinstance(w, Folder)
    assert files(shifts) == before
    window = ("M1", "2026-11-20T06:00:00Z", "2026-11-20T08:00:00Z")
    figures = [each.oee(*window).select("breakdown", "microstop").row(0) for each in (t, w)]
    assert figures == [(600.0, 60.0), (0.0, 660.0)]
    changed = package.diff(t, w)
    assert changed.filter(model="oee")["machine"].to_list() == ["M1"]
    after = json.loads(changed.filter(model="oee")["after"][0])
    assert (after["breakdown"], after["microstop"]) == (0, 660)
    assert package.diff(shifts, tmp_path / "if").equals(changed)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda t: t.oee("M9"), NotFound, "known are: M1, M2"),
        (lambda t: t.stops("M9"), NotFound, "known are: M1, M2"),
        (lambda t: t.events("M9"), NotFound, "known are: M1, M2"),
        (lambda t: t.events(types="state"), InvalidInput, "got 'state'"),
        (lambda t: t.oee("M1", every="1 day"), InvalidInput, "30s, 15min, 1h or 1d"),
        (lambda t: t.oee("M1", "2026-11-20", "2026-11-21"), InvalidInput, "ISO 8601 with offset"),
        (lambda t: t.oee("M1", datetime(2026, 11, 20)), InvalidInput, "expected a time with a zone"),
        (lambda t: t.oee("M1", 2, 1), InvalidInput, "expected a start before the end"),
        (lambda t: t.readings(start=2, end=1), InvalidInput, "expected a start before the end"),
        (lambda t: t.replay(into="x", topology="oe"), InvalidSettings, "expected one of oee, stops"),
        (lambda t: t.replay(into="x", overrides={"microstop_s": 1}), InvalidSettings, "definition.microstop_s"),
        (lambda t: t.replay(into=t.directory), InvalidSettings, "expected another folder"),
        (lambda t: package.open("http://localhost:8420/"), InvalidSettings, "got the URL http"),
        (lambda t: package.open(t.directory / "none"), InvalidSettings, "no such folder"),
        (lambda t: package.close, AttributeError, "no attribute 'close'"),
    ],
)
def test_a_mistake_is_said_in_words(shifts: Path, call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(package.open(shifts))


def test_times_are_exact() -> None:
    berlin = timezone(timedelta(hours=1))
    assert instant(datetime(2026, 11, 20, 7, 0, 0, 123457, berlin)) == int(parse_instant("2026-11-20T06:00:00.123457Z"))
    assert instant(datetime(1970, 1, 2, tzinfo=UTC)) == DAY
    assert instant("2026-11-20T06:00:00.123456789Z") % 10**9 == 123456789


# -- the package and the page ------------------------------------------------------------------------------------------


def test_the_package_itself_imports_nothing() -> None:
    code = "import sys, tailrace; print(sorted({'polars', 'numpy', 'pyarrow', 'msgspec', 'tailrace.app'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.strip() == "[]"
    assert set(package.__all__) == {"open", "diff", "__version__"}


def test_without_polars_the_words_say_what_to_install() -> None:
    code = (
        "import sys; sys.modules['polars'] = None; import tailrace\n"
        "try: tailrace.open('.')\nexcept Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.startswith("Unavailable") and "tailrace[analysis]" in done.stdout


def tables() -> str:
    """The tables of the page."""
    found = []
    for name, columns in analyst_columns.FRAMES.items():
        rows = [f"| `{each.name}` | {each.kind} | {each.unit} | {each.says} |" for each in columns]
        found.append(
            "\n".join([f"### `{name}`", "", "| column | type | unit | meaning |", "| --- | --- | --- | --- |", *rows])
        )
    return "\n\n".join(found) + "\n\n"


def test_the_page_has_every_column() -> None:
    text = DOCS.read_text()
    head, _, rest = text.partition(BEGIN)
    if os.environ.get("TAILRACE_WRITE_DOCS") == "1":
        DOCS.write_text(head + BEGIN + "\n" + tables() + END + rest.partition(END)[2])
    assert DOCS.read_text().partition(BEGIN)[2].partition(END)[0] == "\n" + tables()


def test_frames_have_the_columns_of_the_page(shifts: Path, plant: Path) -> None:
    t = package.open(shifts)
    frames = {
        "events": t.events(), "readings": package.open(plant).readings(signals=[]), "oee": t.oee(every="shift"),
        "stops": t.stops(), "anomalies": t.anomalies(), "signals": t.signals(), "diff": package.diff(t, t),
    }  # fmt: skip
    assert frames.keys() == analyst_columns.FRAMES.keys()
    for name, frame in frames.items():
        columns = analyst_columns.FRAMES[name]
        assert dict(frame.schema) == {each.name: TYPES[each.kind] for each in columns}, name
        assert frame.columns == [each.name for each in columns]
    assert HEAD.names == [each.name for each in analyst_columns.EVENTS][:-1]
