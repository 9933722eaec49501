"""OEE from outside: every vector and hand case as lines of an events file, imported, and asked for on the command line.

What concerns one machine only shares a folder with all others of its kind; a case that says something to its whole site has a
folder of its own.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import oee_cases
import oee_random
import oee_vectors
from commands import tailrace_json
from oee_reference import summarise
from tailrace.schemas import codec
from tailrace.schemas.instant import format_instant, parse_instant

ALONE = [case for case in oee_cases.CASES if not case.site_wide]
SITES = [case for case in oee_cases.CASES if case.site_wide]
OPEN: dict[str, str] = {}
"""Cases that do not hold yet, and what is seen instead."""


def _param(case: oee_cases.Case) -> Any:
    marks = [pytest.mark.xfail(reason=OPEN[case.id], strict=True)] if case.id in OPEN else []
    return pytest.param(case, id=case.id, marks=marks)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with every vector and every case that concerns one machine."""
    base = tmp_path_factory.mktemp("oee")
    vectors = [oee_vectors.lines(vector) for vector in oee_vectors.load("timeline", "counter", "summary")]
    return _imported(base, b"".join([*vectors, *(case.lines() for case in ALONE)]))


@pytest.mark.parametrize("vector", oee_vectors.params("timeline", "counter", "summary"))
def test_a_vector(folder: Path, vector: oee_vectors.Vector) -> None:
    got = _oee(folder, oee_vectors.machine(vector), *oee_vectors.window(vector))
    assert oee_vectors.differences(oee_vectors.expected(vector), got) == {}


@pytest.mark.parametrize("vector", oee_vectors.params("aggregate"))
def test_a_group(tmp_path: Path, vector: oee_vectors.Vector) -> None:
    data = _imported(tmp_path, oee_vectors.lines(vector))
    start, end, _ = oee_vectors.window(vector)
    names = ",".join(oee_vectors.members(vector))
    got = tailrace_json("oee", "--dir", data, "--machines", names, *_between(start, end))
    flat = {**got, "members": [member["oee"] for member in got["members"]]}
    assert oee_vectors.differences(oee_vectors.expected(vector), flat) == {}


@pytest.mark.parametrize("vector", oee_vectors.params("line"))
def test_a_line(tmp_path: Path, vector: oee_vectors.Vector) -> None:
    data = _imported(tmp_path, oee_vectors.lines(vector))
    start, end, _ = oee_vectors.window(vector)
    got = tailrace_json("oee", "--dir", data, "--line", oee_vectors.machine(vector), *_between(start, end))
    assert oee_vectors.differences(oee_vectors.expected(vector), got) == {}


@pytest.mark.parametrize("case", [_param(case) for case in ALONE])
def test_a_case(folder: Path, case: oee_cases.Case) -> None:
    if not case.story:
        pytest.skip("a machine of which nothing was ever heard is not known")
    got = _oee(folder, case.id, case.start, case.end, case.now)
    assert oee_vectors.differences(case.expect, got) == {}


@pytest.mark.parametrize("case", SITES, ids=lambda case: case.id)
def test_a_case_of_a_whole_site(tmp_path: Path, case: oee_cases.Case) -> None:
    got = _oee(_imported(tmp_path, case.lines()), case.id, case.start, case.end, case.now)
    assert oee_vectors.differences(case.expect, got) == {}


def test_random_timelines(tmp_path: Path) -> None:
    """Late, doubled and shuffled lines in one file: the command's figures are the judge's, key by key."""
    rng = random.Random(11)
    events = oee_random.timeline(rng, 150, machine="R")
    data = _imported(tmp_path, b"".join(codec.to_line(event) + b"\n" for event in events))
    for _ in range(12):
        start, end, as_of = oee_random.window(rng, events)
        wanted = summarise(events, start, end, as_of)
        got = _oee(data, "R", start, end, as_of)
        assert set(got) == oee_vectors.FIGURES
        assert oee_vectors.differences(wanted, got) == {}, (start, end, as_of)


def test_the_worked_example_of_the_docs(tmp_path: Path) -> None:
    """The lines and the table of docs/oee.md, as they stand there."""
    text = (Path(__file__).parents[1] / "docs" / "oee.md").read_text()
    lines = text.split("```jsonl\n")[1].split("```")[0]
    rows = re.findall(r"^\| (\w+) \|.*\| ([\d.]+) \|$", text.split("```jsonl\n")[1].split("```")[1], re.MULTILINE)
    start, end = (int(parse_instant(f"2026-11-20T{hour}:00:00Z")) for hour in ("06", "14"))
    got = _oee(_imported(tmp_path, lines.encode()), "MCH004", start, end, None)
    assert len(rows) == 21
    assert {name: f"{got[name]:.3f}" if "." in value else str(got[name]) for name, value in rows} == dict(rows)


def _imported(base: Path, lines: bytes) -> Path:
    (base / "events.jsonl").write_bytes(lines)
    done = tailrace_json("import", base / "events.jsonl", "--dir", base / "data")
    assert done["received"] == done["appended"] + done["duplicate"] + done["quarantined"] == lines.count(b"\n")
    return base / "data"


def _oee(data: Path, machine: str, start: int, end: int, as_of: int | None) -> Mapping[str, Any]:
    now = [] if as_of is None else ["--as-of", format_instant(as_of)]
    return tailrace_json("oee", "--dir", data, "--machine", machine, *_between(start, end), *now)


def _between(start: int, end: int) -> tuple[str, ...]:
    return "--from", format_instant(start), "--to", format_instant(end)
