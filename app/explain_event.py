"""What an event changed: the minutes, hours and shifts that it restated, with the figures before and after, stops and alarms.

Rules: every output carries a pointer to the record that caused it, and that is what is followed. Figures before and after are
those of the log up to the record before the event's and up to the event's own (app/oee_picture.py), whatever came later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from tailrace.app.oee_picture import Picture, pictured
from tailrace.app.oee_query import figures
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.projections import queries
from tailrace.projections.pages import rows
from tailrace.projections.tables import anomaly, oee_history
from tailrace.schemas import bucket, codec, stop
from tailrace.schemas.errors import NotFound
from tailrace.schemas.instant import HOUR, MINUTE, format_instant, parse_instant
from tailrace.schemas.record import Record
from tailrace.topologies.machine import Machine
from tailrace.topologies.oee import Oee
from tailrace.topologies.stops import Stops

SPANS_MAX = 100
"""Hours and shifts of a machine for which figures are worked out, each; `minutes` counts all."""

Span = tuple[int, int, str]
"""From, to (ns) and a name."""


def explain_event(directory: Path, event_id: str) -> dict[str, Any]:
    """What an event changed; raises NotFound for an id that the log has not."""
    with pictured(directory) as picture:
        record = _found(picture.log, event_id)
        machines = [record.machine] if record.machine else picture.log.machines()
        said = next((each for each in codec.events_of(record) if event_id in (each.id, record.id)), None)
        return {
            "id": event_id, "type": record.type, "machine": record.machine or None,
            "event": msgspec.json.decode(codec.to_line(said)) if said else None, "record": _envelope(record),
            "figures": [each for name in machines if (each := _figures(picture, record, name))],
            "stops": [each for name in machines for each in _stops(picture.connection, record, name)],
            "anomalies": _anomalies(picture.connection, event_id),
        }  # fmt: skip


def _found(log: LogReader, event_id: str) -> Record:
    record = log.find(event_id)
    if record is None:
        raise NotFound(
            f"expected the id of an event in the log, got {event_id!r}; `tailrace export` lists events with their ids"
        )
    return record


def _envelope(record: Record) -> dict[str, Any]:
    return {
        "source": record.source, "session": record.session, "seq": record.first_seq or None, "events": record.n,
        "position": record.position, "ingested": format_instant(record.ingested),
    }  # fmt: skip


# -- figures ---------------------------------------------------------------------------------------------------------------


def _figures(picture: Picture, record: Record, machine: str) -> dict[str, Any] | None:
    """The minutes of a machine that a record restated or closed, and the hours and shifts around those it restated."""
    restated = _restated(picture.connection, record, machine)
    closed = _closed(picture.connection, record, machine)
    if not restated and not closed:
        return None
    hours = [(hour, hour + HOUR, "") for hour in sorted({minute // HOUR * HOUR for minute in restated})]
    before, after = (_facts(picture, machine, position) for position in (record.position - 1, record.position))
    return {
        "machine": machine, "minutes_restated": len(restated), "minutes_closed": closed,
        "first": format_instant(restated[0]) if restated else None,
        "last": format_instant(restated[-1]) if restated else None,
        "hours": list(_both(before, after, hours)), "shifts": list(_both(before, after, _shifts(picture, machine, restated))),
    }  # fmt: skip


def _restated(connection: sqlite3.Connection, record: Record, machine: str) -> list[int]:
    """Starts of the minutes (ns), in order."""
    of = oee_history.c
    cause = codec.ids_of(record)[0][: bucket.TEXT_MAX]
    here = sa.select(of.start_ns).distinct().where(of.cause == cause, of.machine == machine).order_by(of.start_ns)
    return [row["start_ns"] for row in rows(connection, here)]


def _closed(connection: sqlite3.Connection, record: Record, machine: str) -> int:
    """How many minutes were over with this record."""
    sql = "SELECT body FROM derived WHERE topology = ? AND version = ? AND key = ? AND kind = ? AND cause >= ? ORDER BY position"
    closed = 0
    for (body,) in connection.execute(sql, (Oee.name, Oee.version, machine, bucket.KIND, record.position)):
        found = bucket.decode(body)
        if found.cause[0] > record.position:
            break
        closed += len({*found.start[(found.cause == record.position) & (found.revision == 1)].tolist()})
    return closed


def _facts(picture: Picture, machine: str, position: int) -> Machine | None:
    """The machine after a position; None where nothing was known of it yet."""
    try:
        return picture.after(position).facts(machine)
    except NotFound:
        return None


def _both(before: Machine | None, after: Machine | None, spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
    for start, end, name in spans[:SPANS_MAX]:
        was, now = (figures(None, each, start, end) if each else None for each in (before, after))
        named = {"name": name} if name else {}
        place = {"from": format_instant(start), "to": format_instant(end)}
        yield named | place | {"before": was, "after": now}


def _shifts(picture: Picture, machine: str, restated: Sequence[int]) -> list[Span]:
    if not restated:
        return []
    found = queries.shifts(picture.connection, machine, restated[0], restated[-1] + MINUTE)
    spans = [(parse_instant(each.start), parse_instant(each.end), each.name) for each in found]
    return [(a, b, name) for a, b, name in spans if any(a <= minute < b for minute in restated)]


# -- stops and alarms ------------------------------------------------------------------------------------------------------


def _stops(connection: sqlite3.Connection, record: Record, machine: str) -> Iterator[dict[str, Any]]:
    """What a record made of each stop, and what the stop was before; null where there was none, or is none any more."""
    kinds = ", ".join(map(repr, sorted(stop.STOPS)))
    sql = (
        f"SELECT cause, body FROM derived WHERE topology = ? AND version = ? AND key = ? AND cause <= ? AND kind IN ({kinds}) "
        "ORDER BY position"
    )
    before: dict[str, stop.Stop] = {}
    after: dict[str, stop.Stop] = {}
    for cause, body in connection.execute(sql, (Stops.name, Stops.version, machine, record.position)):
        said = stop.decode_stop(body)
        (after if cause == record.position else before)[said.id] = said
    for id_, now in after.items():
        yield {"id": id_, "machine": machine, "before": _stop(before.get(id_)), "after": _stop(now)}


def _stop(said: stop.Stop | None) -> dict[str, Any] | None:
    if said is None or said.end == said.start:
        return None
    times = {"start": format_instant(said.start), "end": None if said.end is None else format_instant(said.end)}
    return times | {name: getattr(said, name) for name in ("state", "category", "reason", "by", "revision")}


def _anomalies(connection: sqlite3.Connection, event_id: str) -> list[dict[str, Any]]:
    of = anomaly.c
    columns = (of.RecordID, of.AnomalyScore, of.DetectionTime, of.machine, of.severity, of.explanation)
    return rows(connection, sa.select(*columns).where(of.event == event_id).order_by(of.RecordID))
