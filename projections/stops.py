"""Projection `stops`: stretches, stops and verdicts become rows of `state_interval`, `stop` and `command`; an empty one goes.

The stretch that still holds is what a machine does now, and stands in `machine_now` too: every machine that said a state has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tailrace.engine.projection import Part
from tailrace.engine.store import Change
from tailrace.projections.texts import utc
from tailrace.schemas import stop
from tailrace.schemas.record import Derived

KINDS = frozenset({stop.INTERVAL, stop.OPENED, stop.CLOSED, stop.RESTATED, stop.ACCEPTED, stop.REJECTED})


class StopRows:
    """The mapping for version 3 of topology `stops`."""

    name = "stops"
    reads: Literal["events", "derived"] = "derived"

    def wants(self, record: Derived) -> bool:
        return record.topology == "stops" and record.version == 3 and record.kind in KINDS

    def changes(self, parts: Sequence[Part[Derived]]) -> list[Change]:
        intervals: dict[tuple[str, int], dict[str, Any] | None] = {}
        stops: dict[str, dict[str, Any] | None] = {}
        verdicts: list[dict[str, Any]] = []
        for record, _ in parts:
            if record.kind in (stop.ACCEPTED, stop.REJECTED):
                verdicts.append(msgspec.structs.asdict(stop.decode_verdict(record.body)))
            elif record.kind == stop.INTERVAL:
                interval = stop.decode_interval(record.body)
                intervals[(record.key, interval.start)] = _interval(record.key, interval)
            else:
                found = stop.decode_stop(record.body)
                stops[found.id] = _stop(record.key, found)
        no_interval = [
            {"machine": machine, "start_ns": start} for (machine, start), row in intervals.items() if not row
        ]
        no_stop = [{"id": id_} for id_, row in stops.items() if not row]
        now = [_now(row) for row in intervals.values() if row and row["end_ns"] is None]
        return [
            Change("machine_now", now),
            Change("state_interval", [row for row in intervals.values() if row], no_interval),
            Change("stop", [row for row in stops.values() if row], no_stop),
            Change("command", verdicts),
        ]


def _interval(machine: str, row: stop.StateInterval) -> dict[str, Any] | None:
    if row.end == row.start:
        return None
    said = {"state": row.state, "category": row.category, "why": row.why}
    return {"machine": machine, **_span(row.start, row.end), **said}


def _now(row: Mapping[str, Any]) -> dict[str, Any]:
    since = {"since_ns": row["start_ns"], "since": row["start"]}
    return {"machine": row["machine"], "state": row["state"], "why": row["why"], **since}


def _stop(machine: str, row: stop.Stop) -> dict[str, Any] | None:
    if row.end == row.start:
        return None
    said = {"category": row.category, "reason": row.reason, "by": row.by, "revision": row.revision}
    made = {"gaps": msgspec.json.encode(row.gaps).decode() if row.gaps else "", "edit": row.edit}
    return {"id": row.id, "machine": machine, **_span(row.start, row.end), "state": row.state, **said, **made}


def _span(start: int, end: int | None) -> dict[str, Any]:
    return {"start_ns": start, "start": utc(start), "end_ns": end, "end": None if end is None else utc(end)}
