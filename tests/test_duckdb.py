"""The SQL of docs/archive.md, run by DuckDB on the archive of a real folder: it says what the log says, to the bit."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

import replay_plant
from commands import tailrace
from tailrace.connectors import archive_file
from tailrace.schemas.instant import parse_instant

DOCS = Path(__file__).parents[1] / "docs" / "archive.md"
FILES = "archive/events-*.parquet"
SIGNALS = (
    '{"type":"telemetry","machine":"N","t":%d,"id":"n%d",'
    '"values":{"noise":%r,"walk":%r,"whole":%d%s},"counters":{"total":%d}}'
)


def blocks() -> list[str]:
    """The SQL of the page: by type, by state, the macros, by hour."""
    return re.findall(r"^```sql\n(.*?)^```$", DOCS.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of several files and row groups: every kind of trouble, and signals that are packed in each way."""
    directory = tmp_path_factory.mktemp("plant")
    some = replay_plant.records(random.Random(5), 400)
    asyncio.run(replay_plant.append(directory, some))
    rng = random.Random(6)
    lines, walk = [], 0.0
    for i in range(3000):
        walk += rng.gauss(0, 1)
        rare = f',"rare":{rng.random()!r}' if rng.random() < 0.3 else ""
        lines.append(
            SIGNALS
            % (1_767_600_000 + i, i, round(rng.gauss(70, 5), 1), walk, rng.randrange(2**52), rare, 2**60 + i * i)
        )
    path = directory / "lines.jsonl"
    path.write_text("\n".join(lines) + "\n")
    tailrace("import", path, "--dir", directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive_file, "GROUP_RECORDS", 40)
        tailrace("log", "archive", "--dir", directory, "--before", str(some[len(some) // 2].ingested // 10**9))
        tailrace("log", "archive", "--dir", directory, "--before", "4102444800")
    assert len(list(directory.glob(FILES))) == 2
    return directory


@pytest.fixture
def sql(folder: Path) -> Iterator[Any]:
    """Runs SQL of the page on the folder."""
    with duckdb.connect() as connection:
        yield lambda text: connection.execute(text.replace(FILES, str(folder / FILES))).fetchall()


@pytest.fixture(scope="module")
def lines(folder: Path) -> list[dict[str, Any]]:
    """The same log as JSON lines."""
    return [json.loads(line) for line in tailrace("export", "--dir", folder).stdout.splitlines()]


def test_what_came_by_machine_and_type(sql: Any, lines: list[dict[str, Any]]) -> None:
    found = {(machine, kind): int(n) for machine, kind, n, *_ in sql(blocks()[0])}
    assert found == Counter((line.get("machine", ""), line["type"]) for line in lines)


def test_hours_by_state(sql: Any, lines: list[dict[str, Any]]) -> None:
    of: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for line in lines:
        if line["type"] == "state.changed":
            of[line["machine"]].append((int(parse_instant(line["t"])), line["state"]))
    expected: dict[tuple[str, str], int] = defaultdict(int)
    for machine, states in of.items():
        ordered = sorted(states, key=lambda each: each[0])
        for (t, state), (until, _) in pairwise(ordered):
            expected[machine, state] += until - t
    found = {(machine, state): round(hours * 3.6e12) for machine, state, hours in sql(blocks()[1]) if hours}
    assert found == {key: ns for key, ns in expected.items() if ns} != {}


def test_values_are_those_that_were_read_to_the_bit(sql: Any, lines: list[dict[str, Any]]) -> None:
    expected = Counter[Any]()
    for line in lines:
        if line["type"] == "telemetry":
            counted = {f"counter_{name}": value for name, value in line.get("counters", {}).items()}
            for name, value in (line.get("values", {}) | counted).items():
                if isinstance(value, (int, float)):
                    expected[line["machine"], int(parse_instant(line["t"])), name, float(value)] += 1
    sql(blocks()[2])
    rows = sql(
        "SELECT machine, epoch_ns(t), signal, value FROM tailrace_readings('archive/events-*.parquet') WHERE isfinite(value)"
    )
    assert Counter(rows) == expected
    assert {name for machine, _, name, _ in rows if machine == "N"} == {
        "noise",
        "walk",
        "whole",
        "rare",
        "counter_total",
    }
    codings = sql("SELECT DISTINCT u.decimals < 0, u.base IS NULL, u.complete FROM (SELECT unnest(signals) AS u "
                  "FROM read_parquet('archive/events-*.parquet'))")  # fmt: skip
    assert {(False, True, True), (False, False, True), (True, True, True), (True, True, False)} <= set(codings)


def test_means_by_hour(sql: Any) -> None:
    sql(blocks()[2])
    found = sql(blocks()[3])
    assert sum(machine == "N" and signal == "noise" for machine, signal, *_ in found) == 1
    (mean,) = (mean for machine, signal, _, mean, _ in found if (machine, signal) == ("N", "noise"))
    assert 69 < mean < 71
