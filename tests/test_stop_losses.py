"""The six big losses: worked by hand, on random timelines against the OEE, and as they are asked for."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

import oee_harness as harness
import oee_random
import replay_plant
from commands import tailrace, tailrace_json
from tailrace.app import compose
from tailrace.app.oee_query import oee
from tailrace.app.stop_report import report
from tailrace.schemas.event import Event, ReasonAssigned, ReasonsSet
from tailrace.schemas.instant import Instant
from tailrace.schemas.reason import DEFAULT, LOSSES
from test_api import served
from test_cli_reads import items, store

__all__ = ["store"]

DAY = "2026-11-20T{}Z"
WINDOW = ("--machine", "M1", "--from", DAY.format("06:00:00"), "--to", DAY.format("08:00:00"))
NOW = 4 * 10**18


def filled(directory: Path, events: list[Event]) -> None:
    """A folder that holds these events, folded."""
    asyncio.run(replay_plant.append(directory, harness.records(events)))
    compose.catch_up(directory)


def reasoned(rng: random.Random, events: list[Event]) -> list[Event]:
    """The events with reasons of the tree instead of none, and with the tree."""
    found = [
        msgspec.structs.replace(each, reason=rng.choice(DEFAULT).reason) if isinstance(each, ReasonAssigned) else each
        for each in events
    ]
    return [ReasonsSet(t=Instant(0), ingested=Instant(0), id="tree", reasons=list(DEFAULT)), *found]


@pytest.mark.parametrize("seed", range(8))
def test_the_losses_add_up_to_what_the_oee_lost(tmp_path: Path, seed: int) -> None:
    """For any definition, any reasons, split and joined or not, and any window: pbt - valuable, to the nanosecond."""
    rng = random.Random(seed)
    events = reasoned(rng, oee_random.timeline(rng, 80, silence=False))
    filled(tmp_path, events)
    for _ in range(12):
        start, end, _ = oee_random.window(rng, events)
        found = report(tmp_path, NOW, start, end)
        (figures,) = oee(tmp_path, oee_random.MACHINE, [(start, end)])
        by_loss = {each.loss: each.duration_s for each in found.losses}
        assert list(by_loss) == [*LOSSES, "unknown"]
        assert by_loss["unknown"] == figures["unknown"]
        if figures["valuable"] is None:
            assert (found.lost_s, by_loss["reduced_speed"], by_loss["process_defects"]) == (None, None, None)
            continue
        lost = figures["pbt"] - figures["valuable"]
        assert sum(each or 0 for each in by_loss.values()) == pytest.approx(lost, abs=1e-5)
        assert found.lost_s == pytest.approx(lost, abs=1e-5)


def worked(loss_of_jam: str) -> list[dict[str, Any]]:
    """M1 runs from 06:00; down 06:10-06:30, 06:40-06:42 and 07:00-07:10; parts of 10 s, 300 good and 30 rejected."""
    head = {"machine": "M1"}

    def at(time: str, kind: str, **fields: Any) -> dict[str, Any]:
        return {"type": kind, "t": DAY.format(time), **head, **fields}

    tree = [
        {"reason": "Jam", "category": "unplanned", "loss": loss_of_jam},
        {"reason": "Warm-up", "category": "setup", "loss": "reduced_yield"},
    ]
    states = [("06:00:00", "running"), ("06:10:00", "fault"), ("06:30:00", "running"), ("06:40:00", "fault")]
    states += [("06:42:00", "running"), ("07:00:00", "fault"), ("07:10:00", "running"), ("08:00:00", "running")]
    return [
        {"type": "reasons.set", "t": DAY.format("05:00:00"), "id": "tree", "reasons": tree},
        at("05:00:00", "product.changed", product="P", ideal_cycle_s=10, id="p"),
        *(at(t, "state.changed", state=state, id=f"s{t}") for t, state in states),
        at("06:50:00", "parts.counted", good=300, reject=10, id="c1"),
        at("07:05:00", "parts.counted", good=0, reject=20, id="c2"),
        at("07:20:00", "reason.assigned", id="r1", category="unplanned", reason="Jam",
           **{"from": DAY.format("06:10:00"), "to": DAY.format("06:30:00")}),
        at("07:21:00", "reason.assigned", id="r2", category="unplanned", reason="Jam",
           **{"from": DAY.format("06:40:00"), "to": DAY.format("06:42:00")}),
        at("07:22:00", "reason.assigned", id="r3", category="setup", reason="Warm-up",
           **{"from": DAY.format("07:00:00"), "to": DAY.format("07:10:00")}),
    ]  # fmt: skip


def asked(tmp_path: Path, events: list[dict[str, Any]], *more: object) -> dict[str, Any]:
    path = tmp_path / "day.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in events))
    tailrace("import", path, "--dir", tmp_path / "data")
    found: dict[str, Any] = tailrace_json("stops", "pareto", "--dir", tmp_path / "data", *WINDOW, *more)
    return found


def test_the_losses_are_worked_by_hand(tmp_path: Path) -> None:
    """7,200 s planned - 3,000 s valuable = 4,200 s: a jam, a minor stop, warming up and its 20 rejects, speed, 10 rejects."""
    found = asked(tmp_path, worked("equipment_failure"))
    assert {each["loss"]: each["duration_s"] for each in found["losses"]} == {
        "equipment_failure": 1200, "setup_adjustments": 0, "idling_minor_stops": 120, "reduced_speed": 1980,
        "process_defects": 100, "reduced_yield": 800, "unknown": 0,
    }  # fmt: skip
    assert found["lost_s"] == 4200
    assert sum(each["share"] for each in found["losses"]) == pytest.approx(1)


def test_a_reason_moves_the_time_of_a_failure_and_of_no_minor_stop(tmp_path: Path) -> None:
    found = asked(tmp_path, worked("process_defects"))
    by_loss = {each["loss"]: each["duration_s"] for each in found["losses"]}
    assert (by_loss["equipment_failure"], by_loss["process_defects"], by_loss["idling_minor_stops"]) == (0, 1300, 120)
    lines = {(each["reason"], each["loss"]): (each["duration_s"], each["stops"]) for each in found["items"]}
    assert lines[("Jam", "process_defects")] == (1200, 1)
    assert lines[("Jam", "idling_minor_stops")] == (120, 1)
    shown = tailrace("stops", "pareto", "--dir", tmp_path / "data", *WINDOW).stdout
    assert "process defects" in shown and "together 4,200.0 s (planned busy time - valuable time)" in shown


def test_the_threshold_of_failures_is_that_of_the_definition_unless_one_is_given(tmp_path: Path) -> None:
    policy = {"policy": {"microstop_s": 60}}
    definition = {
        "type": "definition.set",
        "t": DAY.format("05:00:00"),
        "name": "d",
        "version": 1,
        "default": True,
        "id": "d",
    }
    found = asked(tmp_path, [definition | policy, *worked("equipment_failure")])
    assert (found["mtbf"]["n"], found["mttr"]["sum_s"]) == (2, 1320)
    assert [each["loss"] for each in found["items"] if each["reason"] == "Jam"] == ["equipment_failure"]
    given = asked(tmp_path, [], "--microstop", "5min")
    assert (given["mtbf"]["n"], given["mttr"]["sum_s"]) == (1, 1200)


# -- the reason of a stop, from the tree ---------------------------------------------------------------------------------


def test_a_reason_of_the_tree_brings_its_category(store: Path) -> None:
    stop = items("stops", "--dir", store, "--machine", "M1")[0]["id"]
    given = tailrace_json("reason", stop, "--dir", store, "--reason", "Changeover")
    assert (given["category"], given["reason"]) == ("setup", "Changeover")
    own = tailrace_json("reason", stop, "--dir", store, "--reason", "Changeover", "--category", "planned")
    assert own["category"] == "planned_stop"
    wrong = tailrace("reason", stop, "--dir", store, "--reason", "Changover", code=2)
    assert "got 'Changover'; did you mean 'Changeover'?" in " ".join(wrong.stderr.split())
    assert "expected the id of a stop" in tailrace("reason", "--dir", store, code=2).stderr
    listed = tailrace_json("reason", "--list", "--dir", store)["items"]
    assert [each["reason"] for each in listed] == [each.reason for each in DEFAULT]
    assert "Changeover" in tailrace("reason", "--list", "--dir", store).stdout


async def test_the_tree_over_rest(tmp_path: Path) -> None:
    tree = ReasonsSet(t=Instant(1), ingested=Instant(1), id="tree", reasons=list(DEFAULT[:3]))
    for each, events in (("default", []), ("own", [tree])):
        (tmp_path / each).mkdir()
        async with served(tmp_path / each, list(events)) as (client, _):
            found = (await client.get("/v1/reasons")).json()
            assert [row["reason"] for row in found["items"]] == [r.reason for r in (DEFAULT[:3] if events else DEFAULT)]
            assert found["items"][0] == {
                "reason": "Mechanical fault", "category": "unplanned", "path": ["Failure"], "loss": "equipment_failure",
            }  # fmt: skip
            of_one = (await client.get("/v1/reasons", params={"machine": "M1"})).json()
            assert of_one == found
