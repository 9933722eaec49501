"""Of which log the rows were made: the log's chain at a position that they have, in a table of the read models' file.

Rule: it is written in the transaction that moves the rows, so it is never of another place than they are.
"""

from __future__ import annotations

import sqlite3

from tailrace.connectors import tables_sqlite

TABLE = """CREATE TABLE IF NOT EXISTS origin (
    one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, chain BLOB NOT NULL
)"""


class SqliteOrigin:
    """The position and the chain, in one row."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        tables_sqlite.make(connection, {"origin": TABLE})

    def put(self, position: int, chain: bytes) -> None:
        """Replaces what is there; part of the caller's transaction."""
        self._connection.execute("INSERT OR REPLACE INTO origin VALUES (1, ?, ?)", (position, chain))

    def get(self) -> tuple[int, bytes] | None:
        """None where nothing was put yet."""
        found = self._connection.execute("SELECT position, chain FROM origin").fetchone()
        return (found[0], bytes(found[1])) if found else None
