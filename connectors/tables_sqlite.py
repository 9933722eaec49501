"""Tables of one adapter in a SQLite file that others use too."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from tailrace.engine.unit import unit


def make(connection: sqlite3.Connection, statements: Mapping[str, str]) -> None:
    """Makes what is missing of the named tables and indices; where nothing is, no lock is asked for that a writer holds."""
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if statements.keys() <= there:
        return
    with unit(connection):
        for statement in statements.values():
            connection.execute(statement)
