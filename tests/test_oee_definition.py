"""Definitions applied on read: any of them over any timeline says what the slow reference says when it is told the policy."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

import oee_harness as harness
import oee_random
import oee_reference
from commands import tailrace, tailrace_json
from tailrace.app import declared, settings
from tailrace.app.oee_query import compare, oee
from tailrace.projections.oee_definition import BUILT_IN
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidInput, NotFound
from tailrace.schemas.event import DefinitionSet, Event, Policy
from tailrace.schemas.instant import EARLIEST, HOUR, SECOND, Instant

SEEDS = range(6)

SHIFT = """
{"type":"calendar.set","machine":"M1","t":"2026-11-19T12:00:00Z","intervals":[{"kind":"shift","from":"2026-11-20T06:00:00Z","to":"2026-11-20T14:00:00Z"},{"kind":"planned_stop","from":"2026-11-20T10:00:00Z","to":"2026-11-20T10:30:00Z"}]}
{"type":"product.changed","machine":"M1","t":"2026-11-20T06:00:00Z","product":"P1","ideal_cycle_s":60}
{"type":"state.changed","machine":"M1","t":"2026-11-20T06:00:00Z","state":"warm"}
{"type":"state.changed","machine":"M1","t":"2026-11-20T06:30:00Z","state":"running"}
{"type":"state.changed","machine":"M1","t":"2026-11-20T10:00:00Z","state":"break"}
{"type":"state.changed","machine":"M1","t":"2026-11-20T10:30:00Z","state":"running"}
{"type":"state.changed","machine":"M1","t":"2026-11-20T13:00:00Z","state":"fault"}
{"type":"parts.counted","machine":"M1","t":"2026-11-20T13:30:00Z","good":325,"reject":18,"rework":17}
{"type":"clock.ticked","machine":"M1","t":"2026-11-20T14:00:00Z"}
{"type":"definition.set","t":"2026-11-20T05:00:00Z","name":"plant-a","version":1,"default":true,"policy":{"state_map":{"warm":"setup"}}}
{"type":"definition.set","t":"2026-11-20T05:00:00Z","name":"plant-a","version":3,"valid_from":"2026-12-01T00:00:00Z","policy":{"state_map":{"warm":"planned"}}}
{"type":"definition.set","t":"2026-11-20T05:00:00Z","name":"plant-a","version":2,"valid_from":"2026-12-02T00:00:00Z","policy":{"setup":"exclude"}}
""".lstrip()
WINDOW = ("--machine", "M1", "--from", "2026-11-20T06:00:00Z", "--to", "2026-11-20T14:00:00Z")


def _named(seed: int) -> tuple[list[Event], dict[str, Policy]]:
    """A timeline, and two more definitions that nobody uses: one with words of its own, one with the defaults'."""
    rng = random.Random(seed)
    events = oee_random.timeline(rng, 60)
    policies = {
        "words": msgspec.structs.replace(oee_random.policy(rng), state_map={"idle": "planned", "held": "run"}),
        "plain": msgspec.structs.replace(oee_random.policy(rng), state_map={}),
    }
    late = Instant(events[-1].ingested or events[-1].t)
    said = [
        DefinitionSet(
            t=late, name=name, version=v, policy=policy if v == 2 else Policy(), id=f"{name}{v}", ingested=late
        )
        for name, policy in policies.items()
        for v in (2, 1)
    ]
    return [*events, *said], policies


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_definition_by_name_holds_for_the_whole_window(tmp_path: Path, seed: int) -> None:
    """Its latest version, whatever its valid_from; where it gives a state another category, the rows are not asked."""
    events, policies = _named(seed)
    rng = random.Random(seed)
    await harness.fill(tmp_path, events, rng)
    for start, end, as_of in [*(oee_random.window(rng, events) for _ in range(4)), *_days(events)]:
        for name, policy in policies.items():
            (got,) = oee(tmp_path, oee_random.MACHINE, [(start, end)], as_of, name)
            wanted = oee_reference.summarise(events, start, end, as_of, policy)
            wanted["definition"] = [f"{name}@2"] if wanted["calendar"] else []
            assert _differences(wanted, got) == {}, (start, end, as_of)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_built_in_definition_leaves_state_words_their_meaning(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    events = oee_random.timeline(rng, 60)
    await harness.fill(tmp_path, events, rng)
    for start, end, as_of in [*(oee_random.window(rng, events) for _ in range(4)), *_days(events)]:
        for name, policy in BUILT_IN.items():
            (got,) = oee(tmp_path, oee_random.MACHINE, [(start, end)], as_of, name)
            wanted = oee_reference.summarise(_restyled(events, policy), start, end, as_of)
            wanted["definition"] = [f"{name}@1"] if wanted["calendar"] else []
            assert _differences(wanted, got) == {}, (name, start, end, as_of)


def _restyled(events: Sequence[Event], policy: Policy) -> list[Event]:
    """The same plant, had it always used this policy with its own state maps."""
    styled = [
        msgspec.structs.replace(e, policy=msgspec.structs.replace(policy, state_map=e.policy.state_map))
        if isinstance(e, DefinitionSet)
        else e
        for e in events
    ]
    first = DefinitionSet(t=Instant(EARLIEST), name="", version=0, policy=policy, default=True, id="styled")
    return [first, *styled]


def _days(events: Sequence[Event]) -> list[tuple[int, int, int | None]]:
    hour = min(int(e.t) for e in events) // HOUR * HOUR
    return [(hour, hour + 24 * HOUR, None)]


def _differences(wanted: dict[str, Any], got: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {k: (v, got[k]) for k, v in wanted.items() if not harness.agrees(v, got[k])}


async def test_what_nobody_set_is_said_so(tmp_path: Path) -> None:
    events, _ = _named(1)
    await harness.fill(tmp_path, events, random.Random(1))
    for asked in ("words@3", "nobody", "iso@2"):
        with pytest.raises(NotFound, match=rf"got '{asked}'; known are: iso@1, vorne@1, semi@1, .*plain@1, plain@2"):
            compare(tmp_path, oee_random.MACHINE, 0, HOUR, ["iso", asked])
    with pytest.raises(InvalidInput, match="expected a definition as name or name@version, got ''"):
        oee(tmp_path, oee_random.MACHINE, [(0, HOUR)], None, "")


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shift of docs/oee.md that four formulas judge differently."""
    base = tmp_path_factory.mktemp("shift")
    (base / "shift.jsonl").write_text(SHIFT)
    tailrace_json("import", base / "shift.jsonl", "--dir", base / "data")
    return base / "data"


def test_one_shift_under_four_formulas(shift: Path) -> None:
    asked = ("--definition", "iso", "--definition", "vorne", "--definition", "semi@1", "--definition", "plant-a")
    found = tailrace_json("oee", "compare", "--dir", shift, *WINDOW, *asked)["definitions"]
    iso, vorne, semi, own = found
    assert [each["definition"] for each in found] == [["iso@1"], ["vorne@1"], ["semi@1"], ["plant-a@3"]]
    assert (iso["oee"], iso["nee"]) == (pytest.approx(342 / 450), pytest.approx(342 / 450 * 390 / 360))
    assert (vorne["oee"], semi["oee"]) == (pytest.approx(325 / 450), pytest.approx(342 / 480))
    assert (own["planned_stop"], own["oee"]) == (3600, pytest.approx(325 / 420))
    assert [each["first_pass_yield"] for each in found] == [pytest.approx(325 / 360)] * 4


def test_a_version_by_its_number(shift: Path) -> None:
    """plant-a@2 maps no word: what the machine calls warm is unknown then."""
    plain = tailrace_json("oee", "--dir", shift, *WINDOW)
    first, second = (tailrace_json("oee", "--dir", shift, *WINDOW, "--definition", f"plant-a@{n}") for n in (1, 2))
    assert plain == first and plain["definition"] == ["plant-a@1"]
    assert (second["definition"], second["unknown"], second["setup"]) == (["plant-a@2"], 1800, 0)
    hours = tailrace_json("oee", "--dir", shift, *WINDOW, "--definition", "plant-a@2", "--every", "1h")["items"]
    assert sum(each["unknown"] for each in hours) == 1800


def test_a_reason_that_ends_with_its_stop_ends_by_the_definition_that_is_asked(tmp_path: Path) -> None:
    """Down from 0 on, a reason given at 60. From 1000 to 2000 the machine's own words say it is up, so there it ends; by plain
    words it never ends. In the third stretch the words are the same again, and the rows still are not asked."""
    zero = "2026-11-20T06:00:00Z"
    policies: tuple[tuple[int, str, dict[str, str]], ...] = (
        (1, "T05:00:00Z", {}),
        (2, "T06:16:40Z", {"held": "run"}),
        (3, "T06:33:20Z", {}),
    )
    events: list[dict[str, Any]] = [
        {"type": "state.changed", "machine": "M1", "t": zero, "state": "held"},
        {
            "type": "reason.assigned",
            "machine": "M1",
            "t": "2026-11-20T06:01:00Z",
            "from": zero,
            "to": None,
            "category": "setup",
        },
        {"type": "definition.set", "t": "2026-11-20T05:00:00Z", "name": "plain", "version": 1},
        {"type": "clock.ticked", "machine": "M1", "t": "2026-11-20T08:00:00Z"},
    ]
    for version, since, words in policies:
        policy = {
            "type": "definition.set",
            "t": zero,
            "name": "own",
            "version": version,
            "valid_from": f"2026-11-20{since}",
        }
        events.append(policy | {"default": True, "policy": {"state_map": words}})
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in events))
    tailrace_json("import", tmp_path / "events.jsonl", "--dir", tmp_path / "data")
    window = ("--machine", "M1", "--from", "2026-11-20T06:40:00Z", "--to", "2026-11-20T07:40:00Z")
    own = tailrace_json("oee", "--dir", tmp_path / "data", *window)
    plain = tailrace_json("oee", "--dir", tmp_path / "data", *window, "--definition", "plain")
    assert [(each["breakdown"], each["setup"]) for each in (own, plain)] == [(3600, 0), (0, 3600)]


def test_a_plant_file_names_a_built_in_one(tmp_path: Path) -> None:
    """What a plant uses is set in its log; one of the same name in the file is the plant's own."""
    (tmp_path / "plant.yaml").write_text(
        "site: {name: S, definition: iso}\nmachines: {M1: {}, M2: {definition: semi}, M3: {definition: vorne}}\n"
        "definitions: [{name: vorne, policy: {microstop_s: 60}}]\n"
    )
    plant = settings.load(tmp_path / "plant.yaml")
    records, after = declared.declare(plant, declared.Declared(), EARLIEST + HOUR)
    said = [event for record in records for event in codec.events_of(record) if isinstance(event, DefinitionSet)]
    assert [(each.name, each.version, each.default, each.policy.microstop_s) for each in said] == [
        ("vorne", 1, False, 60 * SECOND), ("iso", 1, True, 0), ("semi", 1, False, 300 * SECOND),
    ]  # fmt: skip
    assert {each.name: each.policy for each in said if each.name != "vorne"} == {
        n: BUILT_IN[n] for n in ("iso", "semi")
    }
    assert declared.declare(plant, after, EARLIEST + 2 * HOUR)[0] == []


def test_compare_for_people(shift: Path) -> None:
    shown = tailrace("oee", "compare", "--dir", shift, *WINDOW, "--definition", "iso", "--definition", "vorne").stdout
    assert "iso@1" in shown and "76.0 %" in shown and "72.2 %" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["oee", *WINDOW, "compare"], 2, "expected --machine behind `compare`, got it before it"),
        (["oee", "compare", *WINDOW], 2, "Missing option '--definition'"),
        (["oee", "compare", *WINDOW[2:], "--definition", "iso"], 2, "Missing option '--machine'"),
        (["oee", *WINDOW[:2]], 2, "Missing option '--from'"),
        (["oee", *WINDOW, "--definition", "plant-b"], 1, "expected a definition that somebody set, got 'plant-b'"),
    ],
)
def test_what_cannot_be_asked(shift: Path, arguments: list[str], code: int, words: str) -> None:
    folder = () if arguments[-1] == "compare" else ("--dir", shift)
    assert words in tailrace(*arguments, *folder, code=code).stderr
