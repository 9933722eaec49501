"""What-if replays: overrides are events of an ordinary folder, the live one stays, and `diff` says what became another."""

from __future__ import annotations

import asyncio
import json
import random
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import replay_plant
import tailrace as package
from commands import tailrace, tailrace_json
from tailrace.app import compose, replay
from tailrace.app.what_if import ALLOWED
from tailrace.schemas import codec
from tailrace.schemas.event import DefinitionSet, ModelSet

DAY = "2026-11-20T"
PLANT: list[dict[str, Any]] = [
    {"type": "definition.set", "t": f"{DAY}04:00:00Z", "name": "own", "version": 1, "policy": {"setup": "exclude"},
     "valid_from": f"{DAY}00:00:00Z", "id": "d1"},
    {"type": "machine.registered", "machine": "M1", "t": f"{DAY}05:00:00Z", "definition": "own"},
    {"type": "product.changed", "machine": "M1", "t": f"{DAY}05:00:00Z", "product": "P", "ideal_cycle_s": 10},
    {"type": "state.changed", "machine": "M1", "t": f"{DAY}06:00:00Z", "state": "running"},
    {"type": "state.changed", "machine": "M1", "t": f"{DAY}06:10:00Z", "state": "stopped"},
    {"type": "state.changed", "machine": "M1", "t": f"{DAY}06:13:00Z", "state": "setup"},
    {"type": "parts.counted", "machine": "M1", "t": f"{DAY}06:14:00Z", "good": 50},
    {"type": "state.changed", "machine": "M1", "t": f"{DAY}06:20:00Z", "state": "running"},
    {"type": "definition.set", "t": f"{DAY}07:00:00Z", "name": "own", "version": 2, "policy": {"microstop_s": 60}, "id": "d2"},
    {"type": "state.changed", "machine": "M1", "t": f"{DAY}07:10:00Z", "state": "fault"},
    {"type": "state.changed", "machine": "M1", "t": f"{DAY}07:12:00Z", "state": "running"},
    {"type": "state.changed", "machine": "M2", "t": f"{DAY}06:00:00Z", "state": "running"},
    {"type": "state.changed", "machine": "M2", "t": f"{DAY}06:30:00Z", "state": "idle"},
    {"type": "state.changed", "machine": "M2", "t": f"{DAY}06:33:20Z", "state": "running"},
    {"type": "clock.ticked", "t": f"{DAY}08:00:00Z"},
]  # fmt: skip
WINDOW = ("--from", f"{DAY}06:00:00Z", "--to", f"{DAY}08:00:00Z")


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A folder in which one machine has two versions of a definition, and another none."""
    return imported(tmp_path / "live", PLANT)


def imported(directory: Path, lines: list[dict[str, Any]]) -> Path:
    path = directory.with_suffix(".jsonl")
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    tailrace("import", path, "--dir", directory)
    compose.catch_up(directory)
    return directory


def oee(directory: Path, machine: str, *options: str) -> dict[str, Any]:
    return tailrace_json("oee", "--dir", directory, "--machine", machine, *WINDOW, *options)


def what_if(live: Path, into: Path, *overrides: str) -> dict[str, Any]:
    given = [word for each in overrides for word in ("--override", each)]
    return tailrace_json("replay", "--dir", live, "--into", into, *given)


def events(directory: Path) -> list[Any]:
    with compose.reading(directory) as log:
        return [event for record in log.read(0, 10_000) for event in codec.events_of(record)]


def by_hand(directory: Path, **policy: Any) -> Path:
    """The same plant, had every definition been set with another policy."""
    lines: list[dict[str, Any]] = [
        {"type": "definition.set", "t": f"{DAY}03:00:00Z", "name": "site", "version": 1, "default": True,
         "valid_from": "1970-01-01T00:00:00Z", "policy": policy}
    ]  # fmt: skip
    for each in PLANT:
        other = {**each.get("policy", {}), **policy}
        lines.append({**each, "policy": other} if each["type"] == "definition.set" else each)
    return imported(directory, lines)


@pytest.mark.parametrize(
    ("overrides", "policy"),
    [
        (["definition.microstop_s=150"], {"microstop_s": 150}),
        (["definition.setup=loss", "definition.microstop_s=1e3"], {"setup": "loss", "microstop_s": 1000}),
        (['definition.state_map={"idle":"planned_stop"}'], {"state_map": {"idle": "planned_stop"}}),
        (["definition.base=total"], {"base": "total"}),
    ],
    ids=str,
)
def test_figures_are_those_of_a_plant_that_had_been_set_up_so(
    live: Path, tmp_path: Path, overrides: list[str], policy: dict[str, Any]
) -> None:
    what_if(live, tmp_path / "if", *overrides)
    other = by_hand(tmp_path / "hand", **policy)
    for machine in ("M1", "M2"):
        found, expected = (oee(each, machine) for each in (tmp_path / "if", other))
        assert {**found, "definition": 0} == {**expected, "definition": 0}
    assert any(oee(live, machine)["oee" if "base" in policy else "breakdown"] != oee(other, machine)[
        "oee" if "base" in policy else "breakdown"] or oee(live, machine)["pbt"] != oee(other, machine)["pbt"]
        for machine in ("M1", "M2"))  # fmt: skip


def test_the_folder_says_what_was_overridden_and_the_old_versions_are_there(live: Path, tmp_path: Path) -> None:
    what_if(live, tmp_path / "if", "definition.microstop_s=150")
    said = [each for each in events(tmp_path / "if") if isinstance(each, DefinitionSet)]
    assert [(each.name, each.version) for each in said] == [
        ("what-if", 1),
        ("own", 3),
        ("own", 4),
        ("own", 1),
        ("own", 2),
    ]
    assert {each.by for each in said[:3]} == {"override definition.microstop_s=150"}
    assert [int(each.policy.microstop_s) // 10**9 for each in said] == [150, 150, 150, 300, 60]
    assert said[1].policy.setup == "exclude"
    assert oee(tmp_path / "if", "M1")["definition"] == ["own@3", "own@4"]
    assert oee(tmp_path / "if", "M2")["definition"] == ["what-if@1"]
    for version in (1, 2):
        known = [oee(each, "M1", "--definition", f"own@{version}") for each in (live, tmp_path / "if")]
        assert known[0] == known[1]
    assert tailrace_json("audit", "--dir", tmp_path / "if")["balanced"]
    assert replay.verify(tmp_path / "if").equal


def test_a_what_if_of_a_what_if(live: Path, tmp_path: Path) -> None:
    what_if(live, tmp_path / "one", "definition.microstop_s=150")
    what_if(tmp_path / "one", tmp_path / "two", "definition.setup=loss")
    other = by_hand(tmp_path / "hand", microstop_s=150, setup="loss")
    for machine in ("M1", "M2"):
        assert {**oee(tmp_path / "two", machine), "definition": 0} == {**oee(other, machine), "definition": 0}


def test_the_same_question_gives_the_same_log_and_the_live_folder_stays(live: Path, tmp_path: Path) -> None:
    def content() -> dict[str, str]:
        return {path.name: sha256(path.read_bytes()).hexdigest() for path in live.iterdir() if path.suffix == ".db"}

    before = content()
    for name in ("one", "two"):
        what_if(live, tmp_path / name, "definition.microstop_s=150", "model.z_limit=9")
    assert events(tmp_path / "one") == events(tmp_path / "two")
    assert content() == before
    assert len(events(tmp_path / "one")) == len(events(live)) + 4
    refused = tailrace(
        "replay", "--dir", live, "--into", tmp_path / "one", "--override", "definition.microstop_s=151", code=2
    )
    assert "name another folder" in refused.stderr


async def test_an_interrupted_what_if_goes_on(live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The overrides stand in the log before anything else, and a crash right after that adds none twice."""
    from tailrace.app import replay_into  # noqa: PLC0415

    monkeypatch.setattr(replay_into, "BATCH", 3)
    asked = replay_into.Asked(source=str(live), overrides={"definition.microstop_s": 150})
    save = replay_into._save

    def breaking(into: Path, stands: replay_into.Replay) -> None:
        if stands.read:
            raise InterruptedError
        save(into, stands)

    monkeypatch.setattr(replay_into, "_save", breaking)
    for _ in range(2):
        with pytest.raises(InterruptedError):
            await replay_into.run(asked, tmp_path / "if", lambda _done, _all: None, asyncio.Event())
    monkeypatch.setattr(replay_into, "_save", save)
    found = await replay_into.run(asked, tmp_path / "if", lambda _done, _all: None, asyncio.Event())
    assert found.done and found.kept == len(events(tmp_path / "if"))
    await replay_into.run(asked, tmp_path / "whole", lambda _done, _all: None, asyncio.Event())
    assert events(tmp_path / "if") == events(tmp_path / "whole")


def test_a_model_setting_changes_alarms(tmp_path: Path) -> None:
    directory = tmp_path / "live"
    directory.mkdir()
    asyncio.run(replay_plant.append(directory, replay_plant.records(random.Random(3), 240)))
    compose.catch_up(directory)
    settings = [each for each in events(directory) if isinstance(each, ModelSet)]
    what_if(directory, tmp_path / "if", "model.hold_s=7")
    found = [each for each in events(tmp_path / "if") if isinstance(each, ModelSet)]
    assert [each.settings for each in found] == [{"hold_s": 7}, *({**each.settings, "hold_s": 7} for each in settings)]
    assert replay.verify(tmp_path / "if").equal


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("definition.microstop=120", "expected one of definition.base, definition.microstop_s"),
        ("calendar.x=1", "model.z_limit"),
        ("definition.microstop_s=-1", "microstop_s of 0 or more"),
        ("definition.setup=maybe", "'maybe'"),
        ("model.k=7", "expected k of at most n"),
        ("model.z_limit=much", "z_limit"),
        ("definition.microstop_s", "expected NAME=VALUE"),
    ],
)
def test_an_override_that_cannot_be_is_refused(live: Path, tmp_path: Path, override: str, words: str) -> None:
    refused = tailrace("replay", "--dir", live, "--into", tmp_path / "if", "--override", override, code=2)
    assert words in refused.stderr
    assert not (tmp_path / "if").exists()


def test_an_override_needs_a_folder_of_its_own(live: Path) -> None:
    refused = tailrace("replay", "--dir", live, "--verify", "--override", "definition.microstop_s=1", code=2)
    assert "--verify: expected no other choice" in refused.stderr


# -- diff --------------------------------------------------------------------------------------------------------------


def test_diff_says_figures_where_rows_are_the_same(live: Path, tmp_path: Path) -> None:
    what_if(live, tmp_path / "if", "definition.microstop_s=150")
    found = tailrace_json("diff", live, tmp_path / "if")
    assert not found["equal"]
    assert all(each["added"] == each["removed"] == each["changed"] == 0 for each in found["models"].values())
    assert [each["machine"] for each in found["oee"]] == ["M1", "M2"]
    for each in found["oee"]:
        window = ("--from", each["before"]["from"], "--to", each["before"]["to"])
        for side, directory in (("before", live), ("after", tmp_path / "if")):
            asked = tailrace_json("oee", "--dir", directory, "--machine", each["machine"], *window)
            assert each[side] == asked
    assert tailrace_json("diff", live, live)["equal"]


def test_diff_counts_rows_by_read_model(live: Path, tmp_path: Path) -> None:
    what_if(live, tmp_path / "if", 'definition.state_map={"idle":"planned_stop"}')
    found = tailrace_json("diff", live, tmp_path / "if")
    assert {name: each["removed"] for name, each in found["models"].items() if each["removed"]} == {"stop": 1}
    assert found["models"]["oee_bucket"]["changed"] == 4
    assert found["models"]["state_interval"] == {"before": 9, "after": 9, "added": 0, "removed": 0, "changed": 1}
    back = tailrace_json("diff", tmp_path / "if", live)
    assert back["models"]["stop"]["added"] == 1
    shown = tailrace("diff", live, tmp_path / "if").stdout
    assert "read model" in shown and "█" in shown
    changed = package.diff(live, tmp_path / "if")
    assert {(row["model"], row["change"]) for row in changed.to_dicts()} >= {("stop", "removed"), ("oee", "changed")}
    (stop,) = changed.filter(model="stop").to_dicts()
    assert (stop["machine"], stop["after"]) == ("M2", None)
    assert json.loads(stop["before"])["category"] == "unplanned"
    counts = {name: each["changed"] + each["removed"] + each["added"] for name, each in found["models"].items()}
    rows = changed.filter(changed["model"] != "oee").group_by("model").len().rows()
    assert dict(rows) == {name: n for name, n in counts.items() if n}


def test_diff_leaves_out_what_one_side_does_not_fold(live: Path, tmp_path: Path) -> None:
    tailrace("replay", "--dir", live, "--into", tmp_path / "part", "--topology", "oee")
    found = tailrace_json("diff", live, tmp_path / "part")
    assert found["equal"]
    assert {"stop", "oee_shift", "signal_rollup", "anomaly"} <= set(found["left_out"])


def test_diff_of_what_is_no_folder(live: Path, tmp_path: Path) -> None:
    assert "expected a data folder" in tailrace("diff", live, tmp_path / "none", code=2).stderr


def test_every_override_that_is_allowed_is_documented() -> None:
    text = (Path(__file__).parents[1] / "docs" / "replay.md").read_text()
    for name in ALLOWED:
        assert f"`{name.partition('.')[2]}`" in text, name
