"""Which `derived` log a read.db holds: a name of its own, another one after the file was deleted and made again.

Rule: it says whether positions of before still mean anything. What was taken, by n, holds in every derived log of one log of
events.
"""

from __future__ import annotations

import secrets
import sqlite3

from tailrace.connectors import tables_sqlite
from tailrace.engine.unit import unit

TABLE = "CREATE TABLE IF NOT EXISTS derived_name (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL)"


def derived_name(connection: sqlite3.Connection) -> str:
    """The name, given by whoever asks first."""
    tables_sqlite.make(connection, {"derived_name": TABLE})
    found = connection.execute("SELECT name FROM derived_name").fetchone()
    if found is None:
        with unit(connection):
            connection.execute("INSERT OR IGNORE INTO derived_name VALUES (1, ?)", (secrets.token_hex(8),))
        found = connection.execute("SELECT name FROM derived_name").fetchone()
    return str(found[0])
