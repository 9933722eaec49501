"""The plant file: what stands in plant.yaml, as types (docs/plant.md shows a whole one).

Rules: every field is read by something. A wrong file ends in InvalidSettings with line, field, expected, got and what to do.
What a plant file says of machines, calendars and definitions becomes events when `tailrace up` starts, and only then counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from tailrace.app import calendar_checks, reason_settings, zones
from tailrace.app.checked import convert, located, nearest
from tailrace.app.reason_settings import ReasonGroup
from tailrace.app.yaml_lines import Document
from tailrace.app.yaml_lines import Path as Place
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.mqtt_settings import MqttSettings
from tailrace.connectors.opcua_settings import OpcUaSettings
from tailrace.engine.ingest import Signals
from tailrace.projections.oee_definition import BUILT_IN
from tailrace.projections.store_settings import ReadModels
from tailrace.schemas import line
from tailrace.schemas.calendar import Calendar, PlannedStop
from tailrace.schemas.errors import InvalidSettings
from tailrace.schemas.event import Counter, CounterName, Policy
from tailrace.schemas.instant import Instant, parse_span
from tailrace.schemas.wall import Day, LocalTime, WallTime

FILE = "plant.yaml"
DATA = "tailrace-data"

SourceSettings = OpcUaSettings | MqttSettings

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=line.KEY_MAX)]


class Site(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """name: the ISA-95 site. definition: the OEE definition of every machine that names none.

    timezone: the zone of its calendars, and in which the page shows times, by its IANA name: `Europe/Berlin`.
    calendar: by which every machine works whose own or whose line's calendar is not named.
    """

    name: Name
    definition: str = ""
    timezone: str = "UTC"
    calendar: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """calendar: by which the machines of the line work."""

    calendar: str = ""


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """area, line: where it stands. definition: its OEE definition. counters: how its cumulative counters behave.

    signals: the only signals that are taken from it; a reading with another one is quarantined. Absent: any.
    units: the unit of each signal's numbers, as it is shown beside them: `MachineTemp: °C`.
    calendar: by which it works. planned_stops: its own, like planned maintenance, beside those of the calendar.
    """

    area: str = ""
    line: str = ""
    definition: str = ""
    counters: dict[CounterName, Counter] = {}
    signals: list[Name] | None = None
    units: dict[str, str] = {}
    calendar: str = ""
    planned_stops: list[PlannedStop] = []


class PlantPolicy(Policy, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How buckets become an OEE (docs/oee.md); the first word of each is the default. microstop_s: seconds."""

    microstop_s: Annotated[float, msgspec.Meta(ge=0, le=10**9)] = 300.0  # type: ignore[assignment]

    @property
    def policy(self) -> Policy:
        """The same as it stands in an event."""
        fields = {name: getattr(self, name) for name in Policy.__struct_fields__}
        return Policy(**fields | {"microstop_s": parse_span(self.microstop_s)})


class Definition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version of how OEE is computed. valid_from: from when; version 1 may go without. A used version is never changed."""

    name: Name
    version: Annotated[int, msgspec.Meta(ge=1)] = 1
    valid_from: Instant | None = None
    policy: PlantPolicy = PlantPolicy()


class Archive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Moving what is old from events.db into Parquet files. after_days: what came in so many days ago is old."""

    after_days: Annotated[int, msgspec.Meta(ge=1, le=36_500)]


class Plant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plant file. data: the data folder, seen from the plant file; `--dir` goes before it. Absent: ./tailrace-data.

    log: where the log is when it is not in the data folder. reasons: what people choose from for a stop; absent: a usual tree.
    archive: what `tailrace up` archives by itself; absent: nothing.
    read_models: a database that gets the tables of read.db too.
    """

    site: Site
    data: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    machines: dict[str, Machine] = {}
    lines: dict[str, Line] = {}
    calendars: list[Calendar] = []
    definitions: list[Definition] = []
    reasons: list[ReasonGroup] = []
    sources: list[SourceSettings] = []
    log: KafkaSettings | None = None
    archive: Archive | None = None
    read_models: ReadModels | None = None

    @property
    def built_in(self) -> list[str]:
        """The built-in definitions that the plant uses and does not define itself."""
        used = {self.site.definition, *(machine.definition for machine in self.machines.values())}
        own = {definition.name for definition in self.definitions}
        return [name for name in BUILT_IN if name in used and name not in own]

    @property
    def signals(self) -> Signals:
        """The declared signals of each machine that declares any."""
        return {name: frozenset(m.signals) for name, m in self.machines.items() if m.signals is not None}


def load(path: Path) -> Plant:
    """The plant in a file; raises InvalidSettings."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InvalidSettings(f"{path}: expected a plant file, got nothing there; `tailrace init` writes one") from None
    except UnicodeDecodeError as error:
        raise InvalidSettings(f"{path}: expected text in UTF-8, got byte {error.object[error.start]:#04x}") from None
    except OSError as error:
        raise InvalidSettings(f"{path}: expected a plant file that can be read, got: {error.strerror}") from None
    document = Document(text, str(path))
    plant = convert(document, Plant, str(path))
    for place, problem in _problems(plant):
        raise located(document, place, problem, str(path))
    return plant


def schema() -> dict[str, Any]:
    """The JSON Schema of a plant file."""
    made = msgspec.json.schema(Plant, schema_hook=_schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Tailrace plant file", **made}


def _problems(plant: Plant) -> list[tuple[Place, str]]:
    """What types cannot say: names that are nobody's, and names that are two things'."""
    found: list[tuple[Place, str]] = []
    known = {definition.name for definition in plant.definitions} | BUILT_IN.keys()

    def named(place: Place, name: str) -> None:
        if name and name not in known:
            words = f"expected a definition of this file, or {', '.join(BUILT_IN)}, got {name!r}"
            found.append((place, f"{words}; {nearest(name, known)}"))

    named(("site", "definition"), plant.site.definition)
    found += [(("site", "timezone"), problem) for problem in zones.problems(plant.site.timezone)]
    for name, machine in plant.machines.items():
        if not 0 < len(name) <= line.KEY_MAX or not name.isprintable():
            found.append((("machines", name), f"expected a name of 1 to {line.KEY_MAX} printable characters"))
        named(("machines", name, "definition"), machine.definition)
    for i, each in enumerate(plant.definitions):
        if each.version > 1 and each.valid_from is None:
            found.append(
                (("definitions", i), f"expected valid_from for version {each.version}: from when it holds; add it")
            )
    found += calendar_checks.problems(plant)
    lines = {machine.line for machine in plant.machines.values()} | plant.lines.keys()
    found += reason_settings.problems(plant.reasons, plant.machines.keys(), lines - {""})
    found += _repeated("definitions", [f"{each.name}@{each.version}" for each in plant.definitions])
    if plant.read_models is not None:
        found += [(("read_models", field), problem) for field, problem in plant.read_models.problems()]
    found += _repeated("sources", [each.name for each in plant.sources])
    return found


def _repeated(field: str, names: list[str]) -> list[tuple[Place, str]]:
    return [
        ((field, i), f"expected each name once, got {name!r} again")
        for i, name in enumerate(names)
        if name in names[:i]
    ]  # fmt: skip


def _schema(kind: type) -> dict[str, Any]:
    if kind is Instant:
        return {
            "description": "ISO 8601 with offset, or Unix seconds",
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0}],
        }
    if kind in _LOCAL:
        pattern, words = _LOCAL[kind]
        return {"type": "string", "pattern": f"^{pattern}$", "description": words}
    raise NotImplementedError(kind.__name__)


_TIME, _DAY = "(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)", "2[01][0-9]{2}-[0-9]{2}-[0-9]{2}"
_LOCAL: dict[type, tuple[str, str]] = {
    WallTime: (_TIME, "local time of day, like 06:00; 24:00 is the end of the day"),
    Day: (_DAY, "local day, like 2026-12-24"),
    LocalTime: (f"{_DAY}T{_TIME}", "local day and time, like 2026-12-24T14:00"),
}
