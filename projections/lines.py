"""Who stands together: the machines of a line and of sites, and the way of the parts through them.

Rules: a machine stands where its latest registration says. The way is what `relation.set` says with `feeds`; parts leave a line
at the one machine that feeds no other of it, and where there is no such machine, nobody knows where.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Literal

import sqlalchemy as sa

from tailrace.projections.pages import rows
from tailrace.projections.tables import machine, relation

FEEDS = "feeds"


def members(connection: sqlite3.Connection, line: str | None, sites: Collection[str]) -> list[str]:
    """The machines of a line, of any of some sites, or of the line in these sites, by name."""
    statement = sa.select(machine.c.machine).order_by(machine.c.machine)
    if line is not None:
        statement = statement.where(machine.c.line == line)
    if sites:
        statement = statement.where(machine.c.site.in_([sa.literal(site) for site in sites]))
    return [row["machine"] for row in rows(connection, statement)]


def places(connection: sqlite3.Connection, column: Literal["line", "site"]) -> list[str]:
    """The lines, or the sites, that machines are registered in, by name."""
    place = machine.c[column]
    found = rows(connection, sa.select(place).where(place != "").distinct().order_by(place))
    return [row[column] for row in found]


def flow(connection: sqlite3.Connection, machines: Sequence[str]) -> tuple[list[str], str | None]:
    """The machines in the order of the parts' way, and the last of them; as they are given, and None, where that is unknown."""
    here = sa.and_(relation.c.relation == FEEDS, relation.c.machine != relation.c.other)
    said = rows(connection, sa.select(relation.c.machine, relation.c.other).where(here))
    fed = [(row["machine"], row["other"]) for row in said if row["machine"] in machines and row["other"] in machines]
    way = TopologicalSorter({name: [one for one, other in fed if other == name] for name in machines})
    try:
        order = list(way.static_order())
    except CycleError:
        return list(machines), None
    last = set(machines) - {one for one, _ in fed}
    return (order, last.pop()) if fed and len(last) == 1 else (list(machines), None)
