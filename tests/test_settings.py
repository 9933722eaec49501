"""A plant file that is wrong says where, what was expected, what came and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from commands import tailrace
from tailrace.app import settings
from tailrace.app.template import TEMPLATE
from tailrace.app.yaml_lines import Document
from tailrace.schemas.errors import InvalidSettings

ROOT = Path(__file__).parents[1]
GOOD = """\
site:
  name: Demo
machines:
  M1:
    line: L1
    counters:
      total: {modulus: 10000}
definitions:
  - name: a
    policy:
      microstop_s: 120
sources:
  - kind: mqtt
    name: broker
    url: mqtt://localhost:1883
    topic: plant/{machine}/data
    payload:
      time: $.t
      values: "*"
  - kind: opcua
    name: plc
    url: opc.tcp://localhost:4840/
    machines:
      M1: {state: ns=2;s=State}
"""


def load(tmp_path: Path, text: str) -> settings.Plant:
    path = tmp_path / "plant.yaml"
    path.write_text(text)
    return settings.load(path)


def test_a_right_file_is_read(tmp_path: Path) -> None:
    plant = load(tmp_path, GOOD.replace("line: L1", "line: 'yes'\n    signals: [Temp]"))
    assert plant.machines["M1"].line == "yes"
    assert plant.signals == {"M1": frozenset({"Temp"})}
    assert plant.definitions[0].policy.policy.microstop_s == 120_000_000_000
    assert [each.name for each in plant.sources] == ["broker", "plc"]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (
            "  name: Demo",
            "  nam: Demo",
            ":2: site.nam: expected a field that is known here, got 'nam'; did you mean 'name'?",
        ),
        ("line: L1", "line: 5", ":5: machines.M1.line: expected text, got a whole number"),
        (
            "line: L1",
            "lne: x",
            ":5: machines.M1.lne: expected a field that is known here, got 'lne'; did you mean 'line'?",
        ),
        (
            "{modulus: 10000}",
            "{modulus: x}",
            ":7: machines.M1.counters.total.modulus: expected a whole number or nothing",
        ),
        ("total: {", "totl: {", ":7: machines.M1.counters.totl: expected one of good, reject, total, got 'totl'"),
        ("kind: mqtt", "kind: mqt", ":13: sources[0].kind: expected one of opcua, mqtt, got 'mqt'"),
        ("url: mqtt:", "uri: mqtt:", ":15: sources[0].uri: expected a field that is known here"),
        ("    url: mqtt://localhost:1883\n", "", ":13: sources[0]: expected a field 'url', got none; add it"),
        (
            "microstop_s: 120",
            "microstop_s: -1",
            ":11: definitions[0].policy.microstop_s: expected a number >= 0.0, got -1",
        ),
        ("microstop_s: 120", "setup: x", ":11: definitions[0].policy.setup: expected one of exclude, loss, got 'x'"),
        ("  M1:\n", "  M1: 5\n  M2:\n", ":4: machines.M1: expected fields (name: value), got a whole number"),
        ("sources:\n", "sources: 5\nx:\n", ":12: sources: expected a list, got a whole number"),
        (
            "  name: Demo",
            "  name: Demo\n  definition: b",
            ":3: site.definition: expected a definition of this file, or iso, vorne, semi, got 'b'",
        ),
        (
            "  name: Demo",
            "  name: Demo\n  timezone: Europe/Berlinn",
            ":3: site.timezone: expected the IANA name of a time zone, like Europe/Berlin, got 'Europe/Berlinn'; did you mean "
            "'Europe/Berlin'?",
        ),
        (
            "  name: Demo",
            "  name: Demo\n  timezone: ../x",
            ":3: site.timezone: expected the IANA name",
        ),
        ("name: broker", "name: plc", ":20: sources[1]: expected each name once, got 'plc' again"),
        ("name: broker", "name: a:b", ":13: sources[0]: name: expected"),
        ("url: mqtt://", "url: http://", "sources[0]: url: expected"),
        ("time: $.t", "tme: $.t", ":18: sources[0].payload.tme: expected a field that is known here"),
        ("state: ns=2", "stat: ns=2", ":24: sources[1].machines.M1.stat: expected"),
        (
            "name: a\n",
            "name: a\n    valid_from: 2026-01-01\n",
            ":10: definitions[0].valid_from: expected a time as ISO 8601",
        ),
        ("name: a\n", "name: a\n    version: 2\n", ":9: definitions[0]: expected valid_from for version 2"),
        ("{machine}", "all", "sources[0]: machine: expected"),
        ("site:\n  name: Demo\n", "", ":1: the file: expected a field 'site', got none; add it"),
        ("line: L1", "line: L1\n    line: L2", ":6: expected YAML, got something else: the key 'line' stands twice"),
        ("line: L1", "line: 'L1", "expected YAML"),
        ("    line: L1", "\tline: L1", "indent with blanks, not tabs"),
        (GOOD, "", ":1: the file: expected fields (name: value), got nothing"),
        (GOOD, "- &a [*a]", "hundreds of levels or a loop"),
        (GOOD, "\x00", "expected YAML"),
    ],
)
def test_a_wrong_file_says_where_and_what(tmp_path: Path, old: str, new: str, error: str) -> None:
    assert old in GOOD
    with pytest.raises(InvalidSettings) as raised:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert error in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "plant.yaml"))


def test_plain_words_stay_words() -> None:
    value = Document("[yes, no, on, 06:00, 2026-11-20, 0x10, 1_000, 1.0, 7, true, ~, '5']", "x").value
    assert value == ["yes", "no", "on", "06:00", "2026-11-20", "0x10", "1_000", 1.0, 7, True, None, "5"]


def test_a_bomb_of_aliases_is_refused() -> None:
    text = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    with pytest.raises(InvalidSettings, match="values"):
        Document(text, "plant.yaml")


def test_the_schema_in_docs_is_the_one_of_the_types() -> None:
    assert json.loads((ROOT / "docs" / "plant.schema.json").read_text()) == settings.schema(), "run `make schema`"
    assert json.loads(tailrace("validate", "--schema").stdout) == settings.schema()


@pytest.mark.parametrize("text", [TEMPLATE, GOOD, (ROOT / "examples" / "plant.yaml").read_text()])
def test_schema_and_types_agree(tmp_path: Path, text: str) -> None:
    load(tmp_path, text)
    jsonschema.validate(_text_keys(Document(text, "x").value), settings.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(_text_keys(Document(text, "x").value) | {"sits": {}}, settings.schema())


def test_the_whole_file_of_the_guide_is_right(tmp_path: Path) -> None:
    blocks = (ROOT / "docs" / "plant.md").read_text().split("```yaml\n")[1:]
    assert blocks
    plant = load(tmp_path, blocks[0].partition("```")[0])
    assert [each.name for each in plant.sources] == ["line1", "floor"]


def _text_keys(value: object) -> dict[str, object]:
    """As JSON has it."""
    found = json.loads(json.dumps(value))
    assert isinstance(found, dict)
    return found
