"""The questions that read models answer. REST, CLI and dashboard all ask here, so that they show the same.

Rules: a list comes in pages of at most LIMIT_MAX rows, by name, or newest first; a cursor is opaque and names the last row that
was given, so rows that come in between neither repeat nor vanish. `now` is an argument (ns UTC). With `at` (ns UTC) a list is
what it was at that time by the times of its rows: what held then, without what came after it, such as an end.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
import sqlalchemy as sa

from tailrace.projections.pages import LIMIT_MAX, opened, page, rows
from tailrace.projections.tables import (
    anomaly,
    machine,
    machine_now,
    quarantine,
    shift,
    signal_unit,
    state_interval,
    stop,
)
from tailrace.projections.views import signal_now
from tailrace.schemas.anomaly import Reason, explanation, severity_of
from tailrace.schemas.answer import (
    AnomalyItem,
    IntervalItem,
    MachineItem,
    Page,
    QuarantineItem,
    ShiftItem,
    SignalItem,
    StopItem,
)
from tailrace.schemas.frame import quality_word
from tailrace.schemas.instant import format_instant, parse_instant, seconds
from tailrace.schemas.unit import unit_of


def machines(
    connection: sqlite3.Connection,
    *,
    site: str | None = None,
    line: str | None = None,
    at: int | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[MachineItem]:
    """Every machine that has an event, by name, with its state and the category that the state has now, or had at a time."""
    holds = state_interval.c.machine == machine.c.machine
    state = (machine_now if at is None else state_interval).c
    statement = (
        sa.select(machine, state.state, state.why, state_interval.c.start_ns, state_interval.c.category)
        .outerjoin(machine_now, machine_now.c.machine == machine.c.machine)
        .outerjoin(state_interval, sa.and_(holds, *_held(state_interval, at)))
        .order_by(machine.c.machine)
    )
    for column, wanted in ((machine.c.site, site), (machine.c.line, line)):
        if wanted is not None:
            statement = statement.where(column == wanted)
    if cursor is not None:
        statement = statement.where(machine.c.machine > opened(cursor, str))
    return page(connection, statement, limit, _machine, lambda row: row["machine"])


def signals(
    connection: sqlite3.Connection, *, machine: str | None = None, cursor: str | None = None, limit: int = 100
) -> Page[SignalItem]:
    """The latest reading of each signal, by machine and name."""
    same = sa.and_(signal_unit.c.machine == signal_now.c.machine, signal_unit.c.signal == signal_now.c.signal)
    statement = (
        sa.select(signal_now, signal_unit.c.unit)
        .outerjoin(signal_unit, same)
        .order_by(signal_now.c.machine, signal_now.c.signal)
    )
    if machine is not None:
        statement = statement.where(signal_now.c.machine == machine)
    if cursor is not None:
        statement = statement.where(
            sa.tuple_(signal_now.c.machine, signal_now.c.signal) > sa.tuple_(*signal_after(cursor))
        )
    return page(connection, statement, limit, _signal, lambda row: (row["machine"], row["signal"]))


def signal_after(cursor: str | None) -> tuple[str, str]:
    """Machine and name of the signal after which a page of signals begins."""
    return ("", "") if cursor is None else opened(cursor, tuple[str, str])


def stops(
    connection: sqlite3.Connection,
    now: int,
    *,
    machine: str | None = None,
    start: int | None = None,
    end: int | None = None,
    open_only: bool = False,
    at: int | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[StopItem]:
    """Stops that have a part in [start, end), newest first; open_only: those that are not over; at: those that were open then."""
    statement = sa.select(stop).order_by(stop.c.start_ns.desc(), stop.c.id.desc())
    if machine is not None:
        statement = statement.where(stop.c.machine == machine)
    if start is not None:
        statement = statement.where(sa.or_(stop.c.end_ns.is_(None), stop.c.end_ns > start))
    if end is not None:
        statement = statement.where(stop.c.start_ns < end)
    if open_only or at is not None:
        statement = statement.where(*_held(stop, at))
    if cursor is not None:
        statement = statement.where(sa.tuple_(stop.c.start_ns, stop.c.id) < sa.tuple_(*opened(cursor, tuple[int, str])))
    return page(
        connection, statement, limit, lambda row: _stop_at(row, now, at), lambda row: (row["start_ns"], row["id"])
    )


def open_stops(connection: sqlite3.Connection) -> bool:
    """Whether any stop is not over, so that how long it takes runs with the clock."""
    return bool(rows(connection, sa.select(stop.c.id).where(stop.c.end_ns.is_(None)).limit(1)))


def intervals(connection: sqlite3.Connection, machine: str, start: int, end: int) -> list[IntervalItem]:
    """What the machine did in [start, end), by time, whole stretches; where nothing is known there is none."""
    table = state_interval.c
    statement = sa.select(state_interval).where(
        table.machine == machine, table.start_ns < end, sa.or_(table.end_ns.is_(None), table.end_ns > start)
    )
    return [_interval(row) for row in rows(connection, statement.order_by(table.start_ns))]


def anomalies(
    connection: sqlite3.Connection,
    *,
    machine: str | None = None,
    start: int | None = None,
    end: int | None = None,
    open_only: bool = False,
    at: int | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[AnomalyItem]:
    """Alarms that have a part in [start, end), newest first; open_only: those that are not over; at: that stood then."""
    table = anomaly.c
    statement = sa.select(anomaly).order_by(table.t_ns.desc(), table.RecordID.desc())
    if machine is not None:
        statement = statement.where(table.machine == machine)
    if start is not None:
        statement = statement.where(sa.or_(table.cleared_ns.is_(None), table.cleared_ns > start))
    if end is not None:
        statement = statement.where(table.t_ns < end)
    if open_only and at is None:
        statement = statement.where(table.cleared_ns.is_(None))
    if at is not None:
        statement = statement.where(table.t_ns <= at, sa.or_(table.cleared_ns.is_(None), table.cleared_ns > at))
    if cursor is not None:
        statement = statement.where(sa.tuple_(table.t_ns, table.RecordID) < sa.tuple_(*opened(cursor, tuple[int, str])))
    units = _Units(connection)
    return page(
        connection,
        statement,
        limit,
        lambda row: _anomaly(_standing(row, at), units),
        lambda row: (row["t_ns"], row["RecordID"]),
    )


def shifts(connection: sqlite3.Connection, machine: str, start: int, end: int) -> list[ShiftItem]:
    """The shifts of a machine that have a part in [start, end), by time; none where no calendar says any."""
    table = shift.c
    statement = sa.select(shift).where(table.machine == machine, table.start_ns < end, table.end_ns > start)
    return [_shift(row) for row in rows(connection, statement.order_by(table.start_ns, table.name))]


def stop_of(connection: sqlite3.Connection, stop_id: str, now: int) -> StopItem | None:
    """One stop, by id."""
    found = rows(connection, sa.select(stop).where(stop.c.id == stop_id))
    return _stop(found[0], now) if found else None


def stops_beside(connection: sqlite3.Connection, one: StopItem, now: int) -> tuple[StopItem | None, StopItem | None]:
    """The stop of the machine before one, and the one after it."""
    start = int(parse_instant(one.start))
    mine = sa.select(stop).where(stop.c.machine == one.machine)
    before = rows(connection, mine.where(stop.c.start_ns < start).order_by(stop.c.start_ns.desc()).limit(1))
    after = rows(connection, mine.where(stop.c.start_ns > start).order_by(stop.c.start_ns).limit(1))
    return _stop(before[0], now) if before else None, _stop(after[0], now) if after else None


def quarantined(
    connection: sqlite3.Connection, *, source: str | None = None, cursor: str | None = None, limit: int = 100
) -> Page[QuarantineItem]:
    """What could not be taken, newest first."""
    statement = sa.select(quarantine).order_by(quarantine.c.t_ns.desc(), quarantine.c.id.desc())
    if source is not None:
        statement = statement.where(quarantine.c.source == source)
    if cursor is not None:
        statement = statement.where(
            sa.tuple_(quarantine.c.t_ns, quarantine.c.id) < sa.tuple_(*opened(cursor, tuple[int, str]))
        )
    return page(connection, statement, limit, _quarantined, lambda row: (row["t_ns"], row["id"]))


def _held(table: sa.Table, at: int | None) -> tuple[sa.ColumnElement[bool], ...]:
    """That a row holds still, or held at a time."""
    if at is None:
        return (table.c.end_ns.is_(None),)
    return table.c.start_ns <= at, sa.or_(table.c.end_ns.is_(None), table.c.end_ns > at)


def _machine(row: dict[str, Any]) -> MachineItem:
    since = row["start_ns"]
    return MachineItem(
        machine=row["machine"], site=row["site"], area=row["area"], line=row["line"], definition=row["definition"],
        state=row["state"], category=row["category"], since=None if since is None else format_instant(since),
        why=row["why"] or "",
    )  # fmt: skip


def _signal(row: dict[str, Any]) -> SignalItem:
    return SignalItem(
        machine=row["machine"], signal=row["signal"], t=format_instant(row["t_ns"]),
        value=row["text"] if row["value"] is None else row["value"], quality=quality_word(row["status"]),
        unit=unit_of(row["signal"], row["unit"]),
    )  # fmt: skip


def _interval(row: dict[str, Any]) -> IntervalItem:
    end = row["end_ns"]
    return IntervalItem(
        machine=row["machine"], start=format_instant(row["start_ns"]), end=None if end is None else format_instant(end),
        state=row["state"], category=row["category"], why=row["why"],
    )  # fmt: skip


def _stop(row: dict[str, Any], now: int) -> StopItem:
    end = row["end_ns"]
    return StopItem(
        id=row["id"], machine=row["machine"], start=format_instant(row["start_ns"]),
        end=None if end is None else format_instant(end),
        duration_s=seconds(max(0, (now if end is None else end) - row["start_ns"] - sum(b - a for a, b in gaps_of(row)))),
        category=row["category"], reason=row["reason"], by=row["by"], revision=row["revision"],
    )  # fmt: skip


def _stop_at(row: dict[str, Any], now: int, at: int | None) -> StopItem:
    """A stop as it stood at a time, when it was open."""
    if at is None:
        return _stop(row, now)
    gaps = [(min(a, at), min(b, at)) for a, b in gaps_of(row)]
    return _stop(row | {"end_ns": None, "gaps": msgspec.json.encode(gaps).decode()}, at)


def gaps_of(row: dict[str, Any]) -> list[tuple[int, int]]:
    """[start, end) in ns of what ran inside a stop."""
    return msgspec.json.decode(row["gaps"], type=list[tuple[int, int]]) if row["gaps"] else []


class _Units:
    """The units of machines' signals by name, each machine asked for once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, dict[str, str]] = {}

    def of(self, machine: str) -> dict[str, str]:
        if machine not in self._known:
            said = rows(self._connection, sa.select(signal_unit).where(signal_unit.c.machine == machine))
            self._known[machine] = {row["signal"]: row["unit"] for row in said}
        return self._known[machine]


def _anomaly(row: dict[str, Any], units: _Units) -> AnomalyItem:
    cleared = row["cleared_ns"]
    reasons = msgspec.json.decode(row["reasons"], type=list[Reason])
    return AnomalyItem(
        record_id=row["RecordID"], score=row["AnomalyScore"], detected=format_instant(row["t_ns"]), machine=row["machine"],
        since=format_instant(row["since_ns"]), severity=row["severity"],
        explanation=explanation(reasons, units.of(row["machine"])), reasons=reasons, product=row["product"],
        flags=row["flags"].split(),
        cleared=None if cleared is None else format_instant(cleared), cleared_by=row["cleared_by"], peak=row["peak"],
    )  # fmt: skip


def _standing(row: dict[str, Any], at: int | None) -> dict[str, Any]:
    """An alarm as it stood at a time, when it was not over: its severity was that of the reading that raised it."""
    if at is None:
        return row
    ended = dict.fromkeys(("cleared_ns", "cleared_by", "peak"))
    return row | ended | {"severity": severity_of(row["AnomalyScore"])}


def _shift(row: dict[str, Any]) -> ShiftItem:
    span = {"start": format_instant(row["start_ns"]), "end": format_instant(row["end_ns"])}
    return ShiftItem(machine=row["machine"], name=row["name"], **span)


def _quarantined(row: dict[str, Any]) -> QuarantineItem:
    return QuarantineItem(
        id=row["id"], t=format_instant(row["t_ns"]), source=row["source"], where=row["place"], reason=row["reason"]
    )


__all__ = [
    "LIMIT_MAX", "anomalies", "intervals", "machines", "open_stops", "quarantined", "rows", "shifts", "signal_after", "signals",
    "stop_of", "stops",
]  # fmt: skip
