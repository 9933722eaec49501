"""The tree of reasons that stands: the latest that was said, or the default one where nobody said any."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
import sqlalchemy as sa

from tailrace.projections.pages import rows
from tailrace.projections.tables import machine as machines
from tailrace.projections.tables import reason
from tailrace.schemas.reason import DEFAULT, StopReason


def tree(connection: sqlite3.Connection) -> list[StopReason]:
    """Every reason, in the order of the tree."""
    latest = sa.select(reason.c.said).order_by(reason.c.t_ns.desc(), reason.c.said.desc()).limit(1)
    statement = sa.select(reason).where(reason.c.said == latest.scalar_subquery()).order_by(reason.c.n)
    return [_leaf(row) for row in rows(connection, statement)] or list(DEFAULT)


def offered(connection: sqlite3.Connection, machine: str) -> list[StopReason]:
    """The reasons for stops of one machine, in the order of the tree."""
    found = rows(connection, sa.select(machines.c.line).where(machines.c.machine == machine))
    line = found[0]["line"] if found else None
    return [each for each in tree(connection) if each.offered(machine, line)]


def _leaf(row: dict[str, Any]) -> StopReason:
    lists = {name: msgspec.json.decode(row[name]) for name in ("path", "machines", "lines")}
    return msgspec.convert({name: row[name] for name in ("reason", "category", "loss")} | lists, StopReason)
