"""Projection `parked`: the machines whose records wait, one row for each fold that holds them up (engine/parking.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tailrace.engine.projection import Part
from tailrace.engine.store import Change
from tailrace.schemas import parking
from tailrace.schemas.record import Derived


class ParkedRows:
    """The mapping, for every topology."""

    name = "parked"
    reads: Literal["events", "derived"] = "derived"

    def wants(self, record: Derived) -> bool:
        return record.kind in (parking.PARKED, parking.RELEASED)

    def changes(self, parts: Sequence[Part[Derived]]) -> list[Change]:
        rows: dict[tuple[str, str], dict[str, Any] | None] = {}
        for record, _ in parts:
            parked = parking.decode(record.body)
            key = (record.topology, parked.machine)
            rows[key] = _row(record.topology, parked) if record.kind == parking.PARKED else None
        gone = [{"topology": topology, "machine": machine} for (topology, machine), row in rows.items() if not row]
        return [Change("parked", [row for row in rows.values() if row], gone)]


def _row(topology: str, parked: parking.Parked) -> dict[str, Any]:
    return {
        "topology": topology, "machine": parked.machine, "id": parked.id, "position": parked.position,
        "type": parked.type, "reason": parked.reason,
    }  # fmt: skip
