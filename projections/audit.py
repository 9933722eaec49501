"""Projection `audit`: what became of what each source brought, as Tailrace itself noted it.

A row is one note (an append with duplicates or quarantined events); the account of a source is the sum over its notes, and
its appended events are counted in the log. Notes that an events file brought are history, and not added up again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tailrace.engine.projection import Part
from tailrace.engine.store import Change
from tailrace.schemas import codec
from tailrace.schemas.event import OWN, SourceAccounted
from tailrace.schemas.record import Record

NOTED = "SELECT source, sum(duplicate), sum(quarantined) FROM source_audit GROUP BY source ORDER BY source"


class AuditRows:
    """The mapping."""

    name = "audit"
    reads: Literal["events", "derived"] = "events"

    def wants(self, record: Record) -> bool:
        return record.type == "source.accounted" and record.source == OWN and record.version == 1

    def changes(self, parts: Sequence[Part[Record]]) -> list[Change]:
        events = [event for part in parts for event in codec.events_of(part.record)]
        rows = [
            {
                "id": event.id, "source": event.source, "t_ns": int(event.t), "received": event.received,
                "appended": event.appended, "duplicate": event.duplicate, "quarantined": event.quarantined,
            }
            for event in events
            if isinstance(event, SourceAccounted)
        ]  # fmt: skip
        return [Change("source_audit", rows)]
