"""The demo's plant in its data folder: what it is made of, its plant file, and how far its machines were heard.

Rules: a folder holds one demo; its seed, beginning and size are decided when it is made, and another wish is refused in words.
`demo.json` keeps them and what people caused, so the plant goes on where it was. `plant.yaml` is written at every start, with
the addresses of that start; sources keep their names, so nothing that they said before is new.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import msgspec
import yaml

from tailrace.app import durable
from tailrace.app.demo_reasons import REASONS
from tailrace.connectors import log_sqlite_file
from tailrace.connectors.log_sqlite_file import EVENTS_FILE
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.connectors.simulator import Clock
from tailrace.connectors.simulator_history import NAME as HISTORY
from tailrace.connectors.simulator_history import History, Office
from tailrace.connectors.simulator_mqtt import TOPIC
from tailrace.connectors.simulator_opcua import names_of, node_of
from tailrace.connectors.simulator_plant import DEFINITION, SITE, SOURCES, Caused, Identity, Plant
from tailrace.connectors.simulator_table import CYCLE, MACHINES_MIN, UNITS, WORDS
from tailrace.schemas.errors import InvalidSettings, Unavailable
from tailrace.schemas.instant import DAY, MINUTE

FILE, PLANT_FILE = "demo.json", "plant.yaml"
VERSION = 1
DAYS = 30
MACHINES_MAX = 200
PARTS_STEP_MAX = 2000
"""More parts than this between two readings is an error of a counter, not work."""

HEARD = """
SELECT t_max FROM record WHERE machine = ? AND type = 'telemetry' AND source IN ({}) ORDER BY position DESC LIMIT 1
"""

ALWAYS = (-(2**63), 2**63 - 1)

HEAD = """\
# The plant of `tailrace demo`, written at every start. All fields: docs/plant.md
# OPC UA: half of the machines, by NodeIds. MQTT: the others, one JSON message a second on plant/<machine>/data.
"""


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """What `demo.json` holds."""

    version: int
    identity: Identity
    opcua_port: int = 48400
    mqtt_port: int = 18830
    caused: list[Caused] = []


def open_demo(
    directory: Path,
    now: int,
    *,
    seed: int | None = None,
    machines: int | None = None,
    days: int = DAYS,
    zone: str | None = None,
) -> Demo:
    """The demo of a folder, made when there is none: `days` days before now (ns UTC). Raises InvalidSettings, Unavailable."""
    found = _read(directory)
    if found is not None:
        _agree(directory, "seed", seed, found.identity.seed)
        _agree(directory, "machines", machines, found.identity.machines)
        _agree(directory, "zone", zone, found.identity.zone)
        return found
    if (directory / EVENTS_FILE).exists():
        raise InvalidSettings(
            f"{directory}: expected a new folder or one of a demo, got one with other data; name another with --dir"
        )
    count = MACHINES_MIN if machines is None else machines
    if not MACHINES_MIN <= count <= MACHINES_MAX:
        raise InvalidSettings(f"--machines: expected {MACHINES_MIN} to {MACHINES_MAX}, got {count}")
    if zone is not None and zone not in available_timezones():
        raise InvalidSettings(f"--zone: expected a time zone like Europe/Berlin, got {zone!r}")
    identity = Identity(
        seed=1 if seed is None else seed, began=(now - days * DAY) // DAY * DAY, machines=count, zone=zone or "UTC"
    )
    demo = Demo(version=VERSION, identity=identity)
    save(directory, demo)
    return demo


def save(directory: Path, demo: Demo) -> None:
    """Keeps it; raises Unavailable where the folder cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        durable.replace(directory / FILE, msgspec.json.format(msgspec.json.encode(demo)))
    except OSError as error:
        raise Unavailable(f"{directory}: expected a folder that can be written, got: {error.strerror}") from None


def plant_of(demo: Demo) -> Plant:
    """The plant, with what people caused to it."""
    return Plant(demo.identity, demo.caused)


def keeper(directory: Path, demo: Demo) -> Callable[[Sequence[Caused]], None]:
    """Keeps what people cause, as it changes."""
    return lambda caused: save(directory, msgspec.structs.replace(demo, caused=list(caused)))


def clock_of(directory: Path, plant: Plant, speed: float = 1.0) -> Clock:
    """The plant's time. A plant that was faster than the real time goes on where it was heard last."""
    return Clock(max(time.time_ns(), *heard(directory, plant).values(), 0), speed)


def sources_of(directory: Path, plant: Plant, now: Callable[[], int]) -> tuple[History, Office]:
    """What nobody has heard yet, to be carried first; and what people go on saying. Their overlap of a minute is known by id."""
    known = heard(directory, plant)
    return History(plant, now, known), Office(plant, now, min(known.values(), default=now()) - MINUTE)


def heard(directory: Path, plant: Plant) -> dict[str, int]:
    """From when on each machine was not heard yet, ns; without those that were never."""
    path = directory / EVENTS_FILE
    if not path.exists():
        return {}
    sources = [HISTORY, *SOURCES.values()]
    sql = HEARD.format(", ".join("?" * len(sources)))
    found: dict[str, int] = {}
    with closing(log_sqlite_file.open_reader(path)) as connection, log_sqlite_file.in_words(path):
        for name in plant.machines:
            for (t,) in connection.execute(sql, (name, *sources)):
                found[name] = int(t) + 1
    with closing(LogReader(path)) as archived:
        for name in (each for each in plant.machines if each not in found):
            newest = archived.telemetry(name, *ALWAYS, 1)
            found.update((name, record.t_max + 1) for record in newest if record.source in sources)
    return found


def write_plant_file(directory: Path, plant: Plant, opcua_url: str, mqtt_url: str, mqtt_version: str = "5") -> Path:
    """Writes the plant file for these addresses, and says where."""
    path = directory / PLANT_FILE
    durable.replace(path, plant_text(plant, opcua_url, mqtt_url, mqtt_version).encode())
    return path


def plant_text(plant: Plant, opcua_url: str, mqtt_url: str, mqtt_version: str = "5") -> str:
    """A plant file in which `tailrace up` hears the simulated machines."""
    document = {
        "site": {"name": SITE, "definition": DEFINITION, "timezone": plant.identity.zone},
        "data": ".",
        "machines": {name: _machine(plant, name) for name in plant.machines},
        "definitions": [{"name": DEFINITION, "version": 1}],
        "reasons": REASONS,
        "sources": [_opcua(plant, opcua_url), _mqtt(plant, mqtt_url, mqtt_version)],
    }
    return HEAD + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


def _machine(plant: Plant, name: str) -> dict[str, Any]:
    profile = plant.machine(name).profile
    step = {"max_step": PARTS_STEP_MAX}
    signals = [*profile.levels, CYCLE]
    return {
        "area": profile.area,
        "line": profile.line,
        "counters": {"total": step, "reject": step},
        "signals": signals,
        "units": {each: UNITS[each] for each in signals},
    }


def _opcua(plant: Plant, url: str) -> dict[str, Any]:
    machines: dict[str, Any] = {}
    for machine in plant.spoken_by("opcua"):
        name = machine.profile.name
        values = [each for each in names_of(machine) if each == CYCLE or each in machine.profile.levels]
        machines[name] = {
            "state": {"node": node_of(name, "State"), "map": dict(enumerate(WORDS))},
            "counters": {"total": node_of(name, "Total"), "reject": node_of(name, "Reject")},
            "product": node_of(name, "Product"),
            "ideal_cycle_s": node_of(name, "IdealCycle"),
            "values": {each: node_of(name, each) for each in values},
        }
    return {"kind": "opcua", "name": SOURCES["opcua"], "url": url, "retry_max_s": 2, "machines": machines}


def _mqtt(plant: Plant, url: str, version: str) -> dict[str, Any]:
    signals = dict.fromkeys(signal for each in plant.spoken_by("mqtt") for signal in (*each.profile.levels, CYCLE))
    payload = {
        "time": "$.ts",
        "sequence": "$.seq",
        "session": "$.boot",
        "state": "$.state",
        "counters": {"total": "$.counts.total", "reject": "$.counts.reject"},
        "product": "$.product",
        "ideal_cycle_s": "$.ideal",
        "values": {signal: f"$.values.{signal}" for signal in signals},
    }
    spoken: Mapping[str, Any] = {} if version == "5" else {"protocol": version}
    return {
        "kind": "mqtt", "name": SOURCES["mqtt"], "url": url, **spoken, "topic": TOPIC, "retry_max_s": 2, "payload": payload,
    }  # fmt: skip


def _read(directory: Path) -> Demo | None:
    path = directory / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Demo)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unavailable(f"{path}: expected a file that can be read, got: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise InvalidSettings(
            f"{path}: expected what a demo wrote, got: {error}; use another folder with --dir"
        ) from None
    if found.version != VERSION:
        raise InvalidSettings(
            f"{path}: expected a demo of version {VERSION}, got {found.version}; use another folder with --dir"
        )
    return found


def _agree(directory: Path, what: str, wanted: int | str | None, is_: int | str) -> None:
    if wanted is not None and wanted != is_:
        raise InvalidSettings(
            f"--{what}: expected {is_}, which the demo in {directory} was made with, got {wanted}; leave it out, or name "
            "another folder with --dir"
        )
