"""The tree of reasons: in a plant file, as an event, as rows, and what is chosen from it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import yaml

import oee_harness as harness
from tailrace.app import declared, demo_reasons, settings
from tailrace.app.declared import Declared
from tailrace.app.reason_settings import DEPTH_MAX, leaves
from tailrace.app.template import TEMPLATE
from tailrace.connectors.simulator_table import TROUBLES
from tailrace.projections import reasons
from tailrace.projections.facts import FactRows
from tailrace.projections.store_sqlite import make_tables
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent, InvalidSettings
from tailrace.schemas.event import MachineRegistered, ReasonsSet
from tailrace.schemas.instant import Instant
from tailrace.schemas.line import parse
from tailrace.schemas.reason import DEFAULT, LOSSES, StopReason, repeated
from test_projections import Events, connection, project

__all__ = ["connection"]

TREE = """\
site:
  name: Demo
machines:
  M1: {line: L1}
  M2: {line: L2}
reasons:
  - name: Failure
    category: unplanned
    loss: equipment_failure
    reasons:
      - name: Drive
        lines: [L1]
        reasons:
          - name: Motor
          - {name: Belt, machines: [M2], loss: idling_minor_stops}
      - name: Sensor
  - {name: Break, category: planned_stop}
"""


def load(tmp_path: Path, text: str) -> settings.Plant:
    path = tmp_path / "plant.yaml"
    path.write_text(text)
    return settings.load(path)


# -- plant file --------------------------------------------------------------------------------------------------------


def test_a_reason_has_what_the_groups_around_it_say(tmp_path: Path) -> None:
    tree = leaves(load(tmp_path, TREE).reasons)
    failure, drive = ["Failure"], ["Failure", "Drive"]
    assert tree == [
        StopReason(reason="Motor", category="unplanned", path=drive, loss="equipment_failure", lines=["L1"]),
        StopReason(reason="Belt", category="unplanned", path=drive, loss="idling_minor_stops", machines=["M2"]),
        StopReason(reason="Sensor", category="unplanned", path=failure, loss="equipment_failure"),
        StopReason(reason="Break", category="planned_stop"),
    ]
    assert [each.reason for each in tree if each.offered("M1", "L1")] == ["Motor", "Sensor", "Break"]
    assert [each.reason for each in tree if each.offered("M2", "L2")] == ["Belt", "Sensor", "Break"]
    assert [each.reason for each in tree if each.offered("M3", None)] == ["Sensor", "Break"]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("category: unplanned", "category: broken", ":8: reasons[0].category: expected one of planned_stop, run, setup, unknown"),
        ("loss: equipment_failure", "loss: bad_luck", ":9: reasons[0].loss: expected one of equipment_failure, idling"),
        ("    category: unplanned\n", "", ":13: reasons[0].reasons[0].reasons[0]: expected a category (run, unplanned, "),
        ("name: Sensor", "name: Motor", ":16: reasons[0].reasons[1].name: expected each reason once in the tree, got 'Mo"),
        ("[M2]", "[M22]", "].machines: expected machines of this file, got 'M22'; did you mean 'M2'?"),
        ("[L1]", "[L3]", "].lines: expected lines of this file, got 'L3'; known: L1, L2"),
        ("name: Sensor", "nam: Sensor", "got 'nam'; did you mean 'name'?"),
        ("name: Sensor", "name: ''", ":16: reasons[0].reasons[1].name: expected "),
        ("name: Sensor", f"name: {'x' * 65}", ":16: reasons[0].reasons[1].name: expected "),
    ],
)  # fmt: skip
def test_a_wrong_tree_is_refused_with_line_field_and_fix(tmp_path: Path, old: str, new: str, error: str) -> None:
    assert old in TREE
    with pytest.raises(InvalidSettings) as caught:
        load(tmp_path, TREE.replace(old, new, 1))
    assert error in str(caught.value)


def test_a_tree_has_an_end(tmp_path: Path) -> None:
    deep = "{name: r, category: setup}"
    for _ in range(DEPTH_MAX):
        deep = f"{{name: g, reasons: [{deep}]}}"
    with pytest.raises(InvalidSettings, match="expected at most 8 levels of reasons"):
        load(tmp_path, f"site: {{name: Demo}}\nreasons: [{deep}]\n")


def test_the_trees_that_come_with_tailrace_are_right(tmp_path: Path) -> None:
    assert repeated(DEFAULT) is None
    assert {each.loss for each in DEFAULT if each.loss} < set(LOSSES)
    assert all(each.loss or each.category == "planned_stop" for each in DEFAULT)
    assert leaves(load(tmp_path, TEMPLATE).reasons)
    demo = leaves(load(tmp_path, "site: {name: D}\n" + yaml.safe_dump({"reasons": demo_reasons.REASONS})).reasons)
    assert {each.why for each in TROUBLES if each.minutes != (0, 0)} <= {each.reason for each in demo}


# -- event and rows ----------------------------------------------------------------------------------------------------


def test_a_tree_is_said_once_and_the_usual_one_when_it_is_taken_out(tmp_path: Path) -> None:
    plant, none = load(tmp_path, TREE), load(tmp_path, TREE.partition("reasons:")[0])
    assert _said(none, Declared()) == ([], Declared(said=_said(none, Declared())[1].said))
    (first,), after = _said(plant, Declared())
    assert first.reasons == leaves(plant.reasons)
    assert _said(plant, after)[0] == []
    (back,), _ = _said(none, after)
    assert back.reasons == list(DEFAULT)


def _said(plant: settings.Plant, before: Declared) -> tuple[list[ReasonsSet], Declared]:
    records, after = declared.declare(plant, before, 10**18)
    events = [event for record in records for event in codec.events_of(record)]
    return [event for event in events if isinstance(event, ReasonsSet)], Declared(said=after.said)


@pytest.mark.parametrize(
    ("reasons_", "error"),
    [
        ([], "expected a reason or more in reasons, got none"),
        ([{"reason": "", "category": "setup"}], "expected a name of the reason, got none"),
        ([{"reason": "a", "category": "planned"}], "expected one of run, unplanned, setup, planned_stop, unknown"),
        ([{"reason": "a", "category": "setup", "loss": "luck"}], "expected one of equipment_failure"),
        ([{"reason": "a", "category": "setup"}] * 2, "expected each reason once, got 'a' again"),
        ([{"reason": "a", "category": "setup", "path": ["x" * 65]}], "at most 64 printable characters"),
    ],
)
def test_a_wrong_event_is_refused(reasons_: list[object], error: str) -> None:
    with pytest.raises(InvalidEvent, match=error):
        parse(json.dumps({"type": "reasons.set", "t": 1, "reasons": reasons_}).encode())


def test_the_latest_tree_stands_whatever_comes_last(connection: sqlite3.Connection) -> None:
    make_tables(connection)
    assert reasons.tree(connection) == list(DEFAULT)
    new = [
        StopReason(reason="Jam", category="unplanned", path=["A", "B"], loss="idling_minor_stops", lines=["L1"]),
        StopReason(reason="Break", category="planned_stop"),
        StopReason(reason="Die", category="setup", machines=["M2"]),
    ]
    old = [StopReason(reason=f"old {n}", category="run") for n in range(9)]
    said = [
        ReasonsSet(t=Instant(60), id="a", reasons=new),
        ReasonsSet(t=Instant(50), id="b", reasons=old),
        MachineRegistered(machine="M1", t=Instant(1), id="m", line="L1"),
        MachineRegistered(machine="M2", t=Instant(1), id="n"),
    ]
    project(connection, FactRows(), Events(harness.records(said)), 1)
    assert reasons.tree(connection) == new
    assert reasons.offered(connection, "M1") == new[:2]
    assert reasons.offered(connection, "M2") == new[1:]
