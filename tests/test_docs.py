"""What the documentation says is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import inspect

from tailrace.app import settings
from tailrace.schemas.event import NO_MACHINE, SITE_WIDE, TYPES

ROOT = Path(__file__).parents[1]
HEAD = {"type", "machine", "t", "id", "clock", "seq", "ingested"}
WORDS = {
    "Instant": "time",
    "Span": "seconds",
    "StrType": "text",
    "IntType": "integer",
    "FloatType": "number",
    "BoolType": "true or false",
    "BytesType": "base64",
    "AnyType": "any",
}


def shown(kind: Any) -> str:
    """A type as docs/events.md writes it."""
    name = kind.cls.__name__ if isinstance(kind, inspect.CustomType) else type(kind).__name__
    if isinstance(kind, inspect.UnionType):
        names = [shown(each) for each in kind.types if not isinstance(each, inspect.NoneType)]
        return "number, text, true or false" if len(names) == 4 else " or ".join(names)
    if isinstance(kind, inspect.LiteralType):
        return " / ".join(f"`{value}`" for value in kind.values)
    if isinstance(kind, inspect.DictType):
        return f"{{{shown(kind.key_type)}: {shown(kind.value_type)}}}"
    if isinstance(kind, inspect.ListType):
        return f"[{shown(kind.item_type)}]"
    return kind.cls.__name__ if isinstance(kind, inspect.StructType) else WORDS[name]


def sections() -> dict[str, str]:
    """The text under each heading of a type."""
    text = (ROOT / "docs" / "events.md").read_text()
    parts = re.split(r"^### (\S+)$", text.partition("## Types")[2], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_events_md_has_every_type_and_no_other() -> None:
    assert list(sections()) == list(TYPES)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_events_md_has_every_field_with_its_type(name: str) -> None:
    text = sections()[name]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (yes)? ?\| (.*) \|$", text, flags=re.MULTILINE)
    info = inspect.type_info(TYPES[name])
    assert isinstance(info, inspect.StructType)
    fields = [(f.encode_name, shown(f.type), f.required) for f in info.fields if f.encode_name not in HEAD]
    assert [(field, kind, needed == "yes") for field, kind, needed, _ in rows] == fields
    assert all(meaning for *_, meaning in rows)
    assert ("concerns the site" in text) == (name in SITE_WIDE)
    assert ("may have no machine" in text) == (name in NO_MACHINE - SITE_WIDE)


@pytest.mark.parametrize("name", ["Interval", "Gap", "Policy", "Counter", "StopReason"])
def test_events_md_has_the_parts_of_events(name: str) -> None:
    text = (ROOT / "docs" / "events.md").read_text()
    kind = {each.cls.__name__: each for each in _structs()}[name]
    section = text.partition(f"**{name}**")[2].partition("\n\n")[0]
    assert re.findall(r"`(\w+)`:", section) == [field.encode_name for field in kind.fields]


def _structs() -> list[inspect.StructType]:
    found = []
    for cls in TYPES.values():
        info = inspect.type_info(cls)
        assert isinstance(info, inspect.StructType)
        for field in info.fields:
            inner = getattr(field.type, "item_type", None) or getattr(field.type, "value_type", None) or field.type
            found += [inner] if isinstance(inner, inspect.StructType) else []
    return found


def test_plant_md_names_every_field() -> None:
    text = (ROOT / "docs" / "plant.md").read_text()
    types = settings.schema()["$defs"]
    for name in ("Plant", "Site", "Machine", "Line", "Counter", "Definition", "PlantPolicy", "ReasonGroup"):
        for field in types[name]["properties"]:
            assert re.search(rf"[`. ]{field}`|^### .*\b{field}\b", text, flags=re.MULTILINE), f"{name}.{field}"


def test_calendar_md_names_every_field() -> None:
    text = (ROOT / "docs" / "calendar.md").read_text()
    types = settings.schema()["$defs"]
    for name in ("Calendar", "WeeklyShift", "ExceptionDay", "Shift", "Break", "PlannedStop"):
        for field in types[name]["properties"]:
            assert re.search(rf"`{field}`", text), f"{name}.{field}"


def test_sources_md_names_every_field() -> None:
    text = (ROOT / "docs" / "sources.md").read_text()
    types = settings.schema()["$defs"]
    for name in (
        "OpcUaSettings",
        "OpcUaMachine",
        "NodeState",
        "MqttSettings",
        "PayloadSettings",
        "StatePath",
        "ValuePath",
    ):
        for field in types[name]["properties"]:
            assert re.search(rf"\b{field}\b", text), f"{name}.{field}"


def test_links_lead_somewhere() -> None:
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name} names {target}"


def test_the_example_day_is_the_one_that_its_program_writes() -> None:
    made = subprocess.run([sys.executable, "examples/make_day.py"], cwd=ROOT, capture_output=True, check=True)
    assert made.stdout == (ROOT / "examples" / "day.jsonl").read_bytes()
