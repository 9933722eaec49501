"""Projection `facts`: what events say without any fold: which machines there are, how they stand to each other, the units
of their signals, the reasons that are offered for stops, what was quarantined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tailrace.engine.projection import Part
from tailrace.engine.store import Change
from tailrace.projections.texts import utc
from tailrace.schemas import codec
from tailrace.schemas.event import IngestQuarantined, MachineRegistered, ReasonsSet, RelationSet
from tailrace.schemas.record import Record

_SITE = frozenset({"reasons.set", "ingest.quarantined"})
_SAID = frozenset({"machine.registered", "relation.set"}) | _SITE


class FactRows:
    """The mapping; a machine is there from its first event on, registered or not."""

    name = "facts"
    reads: Literal["events", "derived"] = "events"

    def wants(self, record: Record) -> bool:
        return record.version == 1 and (bool(record.machine) or record.type in _SITE)

    def changes(self, parts: Sequence[Part[Record]]) -> list[Change]:
        machines: dict[str, dict[str, Any]] = {}
        units: dict[tuple[str, str], dict[str, Any]] = {}
        relations: dict[tuple[str, str, str], dict[str, Any]] = {}
        reasons: list[dict[str, Any]] = []
        quarantined: dict[str, dict[str, Any]] = {}
        for record, _ in parts:
            if record.machine:
                machines.setdefault(record.machine, {"machine": record.machine})
            if record.type not in _SAID:
                continue
            for event in codec.events_of(record):
                if isinstance(event, MachineRegistered):
                    machines[event.machine] = _machine(event)
                    units |= {(row["machine"], row["signal"]): row for row in _units(event)}
                elif isinstance(event, RelationSet):
                    said = (event.machine, event.relation, event.other)
                    relations[said] = dict(zip(("machine", "relation", "other"), said, strict=True))
                elif isinstance(event, ReasonsSet):
                    reasons += _reasons(event)
                elif isinstance(event, IngestQuarantined):
                    quarantined[event.id] = _quarantined(event)
        return [
            Change("machine", list(machines.values())),
            Change("signal_unit", list(units.values())),
            Change("relation", list(relations.values())),
            Change("reason", reasons),
            Change("quarantine", list(quarantined.values())),
        ]


def _machine(event: MachineRegistered) -> dict[str, Any]:
    place = {"site": event.site, "area": event.area, "line": event.line}
    return {"machine": event.machine, **place, "definition": event.definition}


def _units(event: MachineRegistered) -> list[dict[str, Any]]:
    return [{"machine": event.machine, "signal": name, "unit": unit} for name, unit in sorted(event.units.items())]


def _reasons(event: ReasonsSet) -> list[dict[str, Any]]:
    def text(names: list[str]) -> str:
        return msgspec.json.encode(names).decode()

    return [
        {"said": event.id, "reason": each.reason, "t_ns": int(event.t), "n": n, "path": text(each.path),
         "category": each.category, "loss": each.loss, "machines": text(each.machines), "lines": text(each.lines)}
        for n, each in enumerate(event.reasons, 1)
    ]  # fmt: skip


def _quarantined(event: IngestQuarantined) -> dict[str, Any]:
    return {
        "id": event.id, "t_ns": int(event.t), "t": utc(int(event.t)), "source": event.source, "place": event.where,
        "reason": event.reason, "raw": event.raw,
    }  # fmt: skip
