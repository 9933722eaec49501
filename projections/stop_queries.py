"""What an edit of a stop has to know of it beside what is shown: exact times, what ran in it, and the edit that stands last."""

from __future__ import annotations

import sqlite3

import msgspec
import sqlalchemy as sa

from tailrace.projections.pages import rows
from tailrace.projections.queries import gaps_of
from tailrace.projections.tables import command, stop
from tailrace.schemas.stop import Verdict


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A stop of a machine: [start, end) in ns, end None while it is open; gaps: what ran in it; edit: '' = none stands."""

    id: str
    machine: str
    start: int
    end: int | None
    gaps: list[tuple[int, int]]
    edit: str
    revision: int


def made(connection: sqlite3.Connection, stop_id: str) -> Made | None:
    """A stop, by id."""
    found = rows(connection, sa.select(stop).where(stop.c.id == stop_id))
    return _made(found[0]) if found else None


def made_in(connection: sqlite3.Connection, machine: str, start: int, end: int | None) -> list[Made]:
    """The stops of a machine that have a part in [start, end), by time; an end of None has none."""
    later = sa.or_(stop.c.end_ns.is_(None), stop.c.end_ns > start)
    statement = sa.select(stop).where(stop.c.machine == machine, later)
    if end is not None:
        statement = statement.where(stop.c.start_ns < end)
    return [_made(row) for row in rows(connection, statement.order_by(stop.c.start_ns))]


def verdict(connection: sqlite3.Connection, event_id: str) -> Verdict | None:
    """What became of an edit; None where it named no revision, and stands."""
    found = rows(connection, sa.select(command).where(command.c.id == event_id))
    return msgspec.convert(found[0] | {"accepted": bool(found[0]["accepted"])}, Verdict) if found else None


def _made(row: dict[str, object]) -> Made:
    return msgspec.convert(
        {"id": row["id"], "machine": row["machine"], "start": row["start_ns"], "end": row["end_ns"], "gaps": gaps_of(row),
         "edit": row["edit"], "revision": row["revision"]},
        Made,
    )  # fmt: skip
