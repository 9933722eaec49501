"""What a plant file says of machines, calendars, definitions, reasons, as events, when it is not what the last `up` said.

Rules: what is said is remembered in the data folder by content, so starting again says nothing new. A version of a
definition means one thing for ever: another content under the same version is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from tailrace.app import calendar_events, durable, reason_settings
from tailrace.app.settings import Plant
from tailrace.projections.oee_definition import BUILT_IN, VERSION
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidSettings
from tailrace.schemas.event import OWN, AnyEvent, DefinitionSet, MachineRegistered, ReasonsSet
from tailrace.schemas.instant import EARLIEST, Instant
from tailrace.schemas.reason import DEFAULT
from tailrace.schemas.record import Record

FILE = "up.json"
REASONS = "reasons"


class Declared(msgspec.Struct, frozen=True):
    """What the last `up` on a folder was given: its sources, and what it said (name -> hash of the content)."""

    sources: list[str] = []
    said: dict[str, str] = {}
    meanings: dict[str, str] = {}


def read(directory: Path) -> Declared:
    """What the last `up` was given; nothing if there was none."""
    try:
        return msgspec.json.decode((directory / FILE).read_bytes(), type=Declared)
    except (OSError, msgspec.MsgspecError):
        return Declared()


def write(directory: Path, declared: Declared) -> None:
    """Leaves it for the next `up`, and for those who look later."""
    durable.replace(directory / FILE, msgspec.json.encode(declared))


def declare(plant: Plant, before: Declared, now: int) -> tuple[list[Record], Declared]:
    """Records of what is new, and what is to be remembered once they are in the log. Raises InvalidSettings."""
    records: list[Record] = []
    said = dict(before.said)
    for name, event in (*_events(plant, before.said, Instant(now)), *calendar_events.events(plant, before.said, now)):
        content = _hash(event)
        if said.get(name) != content:
            said[name] = content
            stamped = msgspec.structs.replace(event, id=f"plant:{name}:{content}:{now}", ingested=Instant(now))
            records.append(codec.record_of(stamped, source=OWN, site=plant.site.name))
    return records, Declared([each.name for each in plant.sources], said, _meanings(plant, before.meanings))


def _events(plant: Plant, said: Mapping[str, str], t: Instant) -> Iterator[tuple[str, AnyEvent]]:
    for each in plant.definitions:
        yield (
            f"definition:{each.name}@{each.version}",
            DefinitionSet(
                t=t, name=each.name, version=each.version, policy=each.policy.policy,
                valid_from=each.valid_from or Instant(EARLIEST), default=each.name == plant.site.definition,
            ),
        )  # fmt: skip
    for name in plant.built_in:
        yield (
            f"definition:{name}@{VERSION}",
            DefinitionSet(
                t=t, name=name, version=VERSION, policy=BUILT_IN[name], valid_from=Instant(EARLIEST),
                default=name == plant.site.definition,
            ),
        )  # fmt: skip
    for name, machine in plant.machines.items():
        yield (
            f"machine:{name}",
            MachineRegistered(
                t=t, machine=name, site=plant.site.name, area=machine.area, line=machine.line,
                definition=machine.definition, counters=machine.counters, units=machine.units,
            ),
        )  # fmt: skip
    if plant.reasons or REASONS in said:
        yield REASONS, ReasonsSet(t=t, reasons=reason_settings.leaves(plant.reasons) or list(DEFAULT))


def _meanings(plant: Plant, before: Mapping[str, str]) -> dict[str, str]:
    """What each version means, by hash; a version that meant something else is refused."""
    meanings = dict(before)
    for each in plant.definitions:
        name = f"{each.name}@{each.version}"
        meaning = hashlib.blake2b(
            msgspec.json.encode([each.policy, int(each.valid_from or 0)]), digest_size=8
        ).hexdigest()
        if meanings.setdefault(name, meaning) != meaning:
            raise InvalidSettings(
                f"definitions: expected {name} as it was when it was first used, got another content; figures were computed "
                f"with it: leave it, and write the change as version {each.version + 1} with its valid_from"
            )
    return meanings


def _hash(event: AnyEvent) -> str:
    timeless = msgspec.structs.replace(event, t=Instant(0))
    return hashlib.blake2b(codec.canonical(timeless), digest_size=8).hexdigest()
