"""Groups and lines: the vectors through the functions, sums of members against each member, and a line in all its cases."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

import oee_harness as harness
import oee_random
import oee_vectors
from commands import tailrace, tailrace_json
from oee_vectors import SECOND
from tailrace.app.oee_group import Asked, of
from tailrace.app.oee_query import oee
from tailrace.projections.oee_group import Station, bottleneck, summed
from tailrace.projections.oee_result import Account, result
from tailrace.schemas.instant import format_instant

Line = dict[str, Any]
ADDED = (
    "calendar",
    "pbt",
    "base",
    "operating",
    "run",
    "setup",
    "good",
    "total",
    "offplan_good",
    "breakdowns",
    "microstops",
)
HOURS = (oee_vectors.EPOCH, oee_vectors.EPOCH + 7200 * SECOND)


def _account(given: Line) -> Account:
    """Totals of a vector as an account: what is not run or set-up was down."""
    planned, run, set_up, ideal = (
        oee_vectors.ns(given.get(name, 0)) for name in ("planned_s", "run_s", "setup_s", "ideal_cycle_s")
    )
    good, total = given["good"], given["total"]
    return Account(
        calendar=oee_vectors.ns(given.get("calendar_s", given["planned_s"])), base=planned, scheduled=planned, run=run,
        setup=set_up, breakdown=planned - run - set_up, good=good, reject=total - good, total=total,
        standard_total=ideal * total, standard_good=ideal * good,
    )  # fmt: skip


@pytest.mark.parametrize("vector", oee_vectors.params("summary"))
def test_totals_become_ratios(vector: oee_vectors.Vector) -> None:
    got = result([_account(vector["input"])], provisional=False)
    assert oee_vectors.differences(oee_vectors.expected(vector), got) == {}


@pytest.mark.parametrize("vector", oee_vectors.params("aggregate"))
def test_members_become_a_group(vector: oee_vectors.Vector) -> None:
    members = [[_account(member)] for member in vector["input"]["members"]]
    got = summed(members, provisional=False)
    got["members"] = [result(member, provisional=False)["oee"] for member in members]
    assert oee_vectors.differences(oee_vectors.expected(vector), got) == {}


@pytest.mark.parametrize("vector", oee_vectors.params("line"))
def test_stations_become_a_line(vector: oee_vectors.Vector) -> None:
    given = vector["input"]
    good, base = given["good_out"], oee_vectors.ns(given["planned_s"])
    cycles = {station["name"]: oee_vectors.ns(station["ideal_cycle_s"]) for station in given["stations"]}
    slowest = bottleneck([Station(name, good, cycle * good, cycle, base) for name, cycle in cycles.items()])
    assert slowest is not None
    got = {"bottleneck": slowest.name, "oee": slowest.oee}
    assert oee_vectors.differences(oee_vectors.expected(vector), got) == {}


def test_the_bottleneck() -> None:
    def station(name: str, good: int = 0, standard: int | None = 0, cycle: int | None = 0, base: int = 100) -> Station:
        return Station(name, good, standard, cycle, base)

    nothing_made = [station("a", cycle=2), station("b", cycle=3), station("c", cycle=3)]
    assert bottleneck(nothing_made) == nothing_made[1], "the earliest of the slowest, by what it runs"
    by_product = [station("a", 10, 70, cycle=9), station("b", 10, 80, cycle=1)]
    assert bottleneck(by_product) == by_product[1], "by what was made, not by what runs now"
    assert bottleneck([station("a", 10, 70), station("b", 10, None)]) is None
    assert bottleneck([station("a", cycle=2), station("b", cycle=None)]) is None
    assert bottleneck([]) is None
    assert station("a", 10, 70, base=0).oee is None


@pytest.mark.parametrize("seed", range(4))
async def test_a_group_is_the_sum_of_its_members(tmp_path: Path, seed: int) -> None:
    """Of any timelines, under any definitions: seconds and parts add up, and ratios are of the sums."""
    rng = random.Random(seed)
    events = [
        msgspec.structs.replace(event, id=f"{name}-{event.id}", ingested=event.ingested or event.t)
        for name in "ABC"
        for event in oee_random.timeline(rng, 30, machine=name)
        if event.machine
    ]
    events.sort(key=lambda event: event.ingested or 0)
    await harness.fill(tmp_path, events, rng)
    for definition in (None, "semi"):
        start, end, as_of = oee_random.window(rng, events)
        (got,) = of(tmp_path, [Asked(start, end, as_of, definition)], machines=["A", "C", "A"])
        members = [oee(tmp_path, name, [(start, end)], as_of, definition)[0] for name in "AC"]
        assert got["members"] == members
        assert {name: got[name] for name in ADDED} == {name: sum(m[name] for m in members) for name in ADDED}
        if got["valuable"] is not None and got["base"]:
            assert got["oee"] == pytest.approx(sum(m["valuable"] for m in members) / got["base"])
        scheduled = [m["calendar"] - m["not_scheduled"] for m in members]
        if definition is None and all(scheduled) and all(m["completeness"] is not None for m in members):
            assert min(m["completeness"] for m in members) <= got["completeness"]
            assert got["completeness"] <= max(m["completeness"] for m in members)


# -- a line ----------------------------------------------------------------------------------------------------------------


def _at(t: float, machine: str, kind: str, **fields: object) -> Line:
    return {"type": kind, "machine": machine, "t": oee_vectors.EPOCH / SECOND + t, **fields}


def _station(name: str, cycle: float | None, *states: tuple[float, str], product: str = "P") -> list[Line]:
    ideal = {} if cycle is None else {"ideal_cycle_s": cycle}
    return [
        _at(-60, name, "machine.registered", line="L", site="S"),
        _at(-60, name, "product.changed", product=product, **ideal),
        *(_at(t, name, "state.changed", state=state) for t, state in states or ((0, "running"),)),
    ]


def _feeds(*names: str) -> list[Line]:
    return [_at(-60, a, "relation.set", relation="feeds", other=b) for a, b in pairwise(names)]


def _asked(path: Path, events: Sequence[Line], *, end: float = 7200, as_of: float | None = None) -> dict[str, Any]:
    file = path / "line.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in events))
    tailrace_json("import", file, "--dir", path / "data")
    zero = oee_vectors.EPOCH
    now = [] if as_of is None else ["--as-of", format_instant(zero + int(as_of * SECOND))]
    window = ("--from", format_instant(zero), "--to", format_instant(zero + int(end * SECOND)))
    return tailrace_json("oee", "--dir", path / "data", "--line", "L", *window, *now)


def test_good_parts_are_those_of_the_last_station(tmp_path: Path) -> None:
    events = [*_station("z", 30), *_station("y", 45), *_station("x", 40), *_feeds("z", "y", "x")]
    parts = [
        _at(60, "z", "parts.counted", good=99),
        _at(60, "y", "parts.counted", good=98),
        _at(60, "x", "parts.counted", good=80),
    ]
    got = _asked(tmp_path, [*events, *parts])
    assert [m["machine"] for m in got["members"]] == ["z", "y", "x"]
    assert (got["bottleneck"], got["output"], got["good"], got["base"]) == ("y", "x", 80, 7200)
    assert got["oee"] == pytest.approx(80 * 45 / 7200)
    assert got["sum"]["oee"] == pytest.approx((99 * 30 + 98 * 45 + 80 * 40) / 21600)
    assert got["sum"]["mean_of_oee"] == pytest.approx((99 * 30 + 98 * 45 + 80 * 40) / 21600)


def test_nobody_says_who_feeds_whom(tmp_path: Path) -> None:
    """Each station is judged by its own good parts; the slowest one is still the bottleneck."""
    parts = [_at(60, "a", "parts.counted", good=99), _at(60, "b", "parts.counted", good=98)]
    got = _asked(tmp_path, [*_station("a", 30), *_station("b", 45), *parts])
    assert (got["bottleneck"], got["output"], got["good"]) == ("b", None, 98)
    assert got["oee"] == pytest.approx(98 * 45 / 7200)


@pytest.mark.parametrize("way", [[], _feeds("a", "b", "a"), _feeds("a", "a"), _feeds("c", "d")])
def test_a_way_that_says_nothing(tmp_path: Path, way: list[Line]) -> None:
    """No way, a ring, a loop, or one of other machines: the only station that counts is the last one."""
    got = _asked(tmp_path, [*_station("a", 45), *_station("b", 30), *way, _at(60, "b", "parts.counted", good=80)])
    assert (got["bottleneck"], got["output"], got["oee"]) == ("a", "b", pytest.approx(80 * 45 / 7200))


def test_cycles_are_those_of_the_parts_product_and_time(tmp_path: Path) -> None:
    """P at 10 s, from 3600 s on at 50 s; the second station knows P at 30 s and runs Q; the third never heard of P."""
    events = [
        *_station("a", 10), _at(3600, "a", "product.changed", product="P", ideal_cycle_s=50),
        *_station("b", 30), _at(0, "b", "product.changed", product="Q", ideal_cycle_s=1),
        *_station("c", 20, product="C"), *_station("d", 1), *_feeds("a", "b", "c", "d"),
        _at(60, "d", "parts.counted", good=40), _at(3600, "d", "parts.counted", good=60),
    ]  # fmt: skip
    got = _asked(tmp_path, events)
    assert [m["ideal_cycle_s"] for m in got["members"]] == [pytest.approx(34), 30, 20, 1]
    assert (got["bottleneck"], got["oee"]) == ("a", pytest.approx((40 * 10 + 60 * 50) / 7200))
    before = _asked(tmp_path, [], as_of=3599)
    assert (before["bottleneck"], before["good"], before["oee"]) == ("b", 40, pytest.approx(40 * 30 / 3599))
    at = _asked(tmp_path, [], as_of=3600)
    assert (at["good"], at["oee"], at["flags"]) == (100, pytest.approx(3400 / 3600), ["provisional"])


def test_a_missing_cycle_is_said(tmp_path: Path) -> None:
    got = _asked(
        tmp_path, [*_station("a", None), *_station("b", 30), *_feeds("a", "b"), _at(60, "b", "parts.counted", good=8)]
    )
    assert (got["bottleneck"], got["oee"], got["members"][0]["ideal_cycle_s"]) == (None, None, None)
    shown = tailrace("oee", "--dir", tmp_path / "data", "--line", "L", *_between()).stdout
    assert "bottleneck: unknown, for an ideal cycle is missing" in shown


def test_waiting_counts_in_shifts_only(tmp_path: Path) -> None:
    zero = oee_vectors.EPOCH // SECOND
    shift = {"kind": "shift", "from": zero, "to": zero + 3600}
    pause = {"kind": "planned_stop", "from": zero + 600, "to": zero + 900}
    events = [
        *_station("a", 30, (-100, "Blocked"), (300, "running"), (500, "blocked"), (1000, "starved"), (1100, "running")),
        *_station("b", 30, (0, "running"), (3000, "STARVED")), *_feeds("a", "b"),
        _at(-60, "a", "calendar.set", intervals=[shift, pause]), _at(-60, "b", "calendar.set", intervals=[shift, pause]),
    ]  # fmt: skip
    got = _asked(tmp_path, events)
    assert [(m["blocked"], m["starved"]) for m in got["members"]] == [(500, 100), (0, 600)]
    early = _asked(tmp_path, [], as_of=200)
    assert [(m["blocked"], m["starved"]) for m in early["members"]] == [(200, 0), (0, 0)]
    never = _asked(tmp_path, [], as_of=-5)
    assert [(m["blocked"], m["starved"]) for m in never["members"]] == [(0, 0), (0, 0)]


def _between() -> tuple[str, ...]:
    return "--from", format_instant(HOURS[0]), "--to", format_instant(HOURS[1])


def test_plants_and_windows(tmp_path: Path) -> None:
    other = [{**each, "site": "T", "line": "L"} if "site" in each else each for each in _station("c", 60)]
    parts = [_at(60, "a", "parts.counted", good=20), _at(3700, "c", "parts.counted", good=30)]
    _asked(tmp_path, [*_station("a", 30), *_station("b", 30), *other, *parts])
    found = {
        sites: tailrace_json("oee", "--dir", tmp_path / "data", *(f"--site={s}" for s in sites), *_between())
        for sites in ("S", "T", "ST")
    }
    assert [len(each["members"]) for each in found.values()] == [2, 1, 3]
    assert found["ST"]["oee"] == pytest.approx((20 * 30 + 30 * 60) / (3 * 7200))
    line = tailrace_json("oee", "--dir", tmp_path / "data", "--line", "L", "--site", "T", *_between(), "--every", "1h")
    assert [each["oee"] for each in line["items"]] == [0, pytest.approx(0.5)]
    shown = tailrace("oee", "--dir", tmp_path / "data", "--site", "S", *_between()).stdout
    assert "2 machines" in shown and "which is no OEE of the group" in shown
    rows = tailrace("oee", "--dir", tmp_path / "data", "--line", "L", *_between(), "--every", "1h").stdout
    assert "L, OEE" in rows


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--line", "X"], 1, "expected machines registered in line 'X', got none"),
        (["--site", "X", "--site", "Y"], 1, "expected machines registered in site 'X' or site 'Y', got none"),
        (["--machines", "a,nobody"], 1, "expected a machine that has events, got 'nobody'"),
        (["--machines", "a", "--line", "L"], 2, "expected one of --machine, --machines and --line or --site"),
        ([], 2, "Missing option '--machine'"),
        (["--line", "L", "--definition", "x"], 1, "expected a definition that somebody set, got 'x'"),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    _asked(tmp_path, _station("a", 30))
    assert words in tailrace("oee", "--dir", tmp_path / "data", *arguments, *_between(), code=code).stderr
