"""The latest reading of each signal as of a time: from the log, by the code that makes the rows (projections/now.py).

Rules: of each clock the latest reading that is not stamped after the time, and of the clocks that one that stands by the rule of
the view `signal_now`. The log is looked at in windows back from the time, each SPREAD times as long as the one before, until
every signal that the machine has is found, or the log ends; so what was read shortly before the time is cheap, and what was
never read before it costs all of the machine's readings.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import sqlalchemy as sa

from tailrace.app.known_rows import copy_table
from tailrace.app.oee_picture import Picture
from tailrace.app.pipeline import drive
from tailrace.engine.store import Change, Place
from tailrace.projections import queries
from tailrace.projections.now import Latest, NowRows, look
from tailrace.projections.pages import rows
from tailrace.projections.store_sqlite import SqliteStore
from tailrace.projections.tables import signal_clock, signal_unit
from tailrace.schemas.answer import Page, SignalItem
from tailrace.schemas.instant import HOUR
from tailrace.schemas.record import Record

SPREAD = 8
BATCH = 500
EVER = 2**62
"""A time (ns) after every other."""


def signals_at(
    picture: Picture, at: int | None, *, machine: str | None = None, cursor: str | None = None, limit: int = 100
) -> Page[SignalItem]:
    """The signals of a picture as of a time (ns; None = the latest that it knows), by machine and name."""
    first = queries.signal_after(cursor)[0]
    names = _machines(picture.connection, machine, first)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        store, there = SqliteStore(made), 0
        copy_table(picture.connection, made, signal_unit.name)
        for name in names:
            found = latest(picture, name, EVER if at is None else at)
            drive(store.commit(name, Place(), [Change(signal_clock.name, list(found.values()))], Place()))
            there += 0 if name == first else len({signal for _, signal, _ in found})
            if there > limit:
                break
        return queries.signals(made, machine=machine, cursor=cursor, limit=limit)


def latest(picture: Picture, machine: str, at: int) -> Latest:
    """The latest reading of each signal of a machine by each clock, not after `at` (ns)."""
    table = signal_clock.c
    known = rows(picture.connection, sa.select(table.signal, table.clock, table.t_ns).where(table.machine == machine))
    found: Latest = {}
    wanted = {(row["signal"], row["clock"]) for row in known}
    until, length = min(at, max((row["t_ns"] for row in known), default=0)), HOUR
    while wanted and until >= 0:
        since = until - length
        for key, row in _window(picture, machine, since, until).items():
            if key not in found:
                found[key] = row
        wanted -= {key[1:] for key in found}
        until, length = since - 1, length * SPREAD
    return found


def _window(picture: Picture, machine: str, since: int, until: int) -> Latest:
    """The same of readings in [since, until], a part of the log at a time; within a part from the last record back."""
    found: Latest = {}
    after = 0
    while records := picture.log.between(machine, since, until + 1, after, BATCH):
        part: Latest = {}
        for record in reversed(records):
            if record.position <= picture.until and _makes_rows(record):
                look(part, record, until)
        for key, row in part.items():
            stands = found.get(key)
            if row["t_ns"] >= since and (stands is None or _place(row) >= _place(stands)):
                found[key] = row
        after = records[-1].position
    return found


def _makes_rows(record: Record) -> bool:
    return record.intact() and NowRows().wants(record)


def _place(row: Mapping[str, Any]) -> tuple[int, int]:
    return row["t_ns"], row["seq"]


def _machines(connection: sqlite3.Connection, machine: str | None, first: str) -> list[str]:
    if machine is not None:
        return [machine]
    names = sa.select(signal_clock.c.machine).distinct().where(signal_clock.c.machine >= first)
    return [row["machine"] for row in rows(connection, names.order_by(signal_clock.c.machine))]
