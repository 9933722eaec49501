"""The `derived` log as a table of the read models' file, so that it can commit in one transaction with them.

Rules: an append is a transaction of its own, or part of the one that is open on the shared connection (engine/unit.py), which
is in autocommit mode (isolation_level=None). Nothing here suspends. How durable a commit is, the connection's owner decides:
what is derived can be derived again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tailrace.connectors import tables_sqlite
from tailrace.engine.unit import unit
from tailrace.schemas.errors import SendFailed, Unavailable
from tailrace.schemas.record import Derived

TABLE = """CREATE TABLE IF NOT EXISTS derived (
    position INTEGER PRIMARY KEY, topology TEXT NOT NULL, version INTEGER NOT NULL, key TEXT NOT NULL,
    first_n INTEGER NOT NULL, n INTEGER NOT NULL, kind TEXT NOT NULL, cause INTEGER NOT NULL, body BLOB NOT NULL
)"""
INSERT = "INSERT INTO derived VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
SELECT = (
    "SELECT position, topology, version, key, first_n, n, kind, cause, body FROM derived "
    "WHERE position > ? ORDER BY position LIMIT ?"
)
END = "SELECT ifnull(max(position), 0) FROM derived"


class SqliteDerivedLog:
    """A `derived` log in a table."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        try:
            tables_sqlite.make(connection, {"derived": TABLE})
        except sqlite3.Error as error:
            raise Unavailable(f"the derived log cannot be opened: {error}") from error

    async def append(self, records: Sequence[Derived]) -> int:
        try:
            with unit(self._connection):
                end = self._end()
                rows = [
                    (position, r.topology, r.version, r.key, r.first_n, r.n, r.kind, r.cause, r.body)
                    for position, r in enumerate(records, end + 1)
                ]
                self._connection.executemany(INSERT, rows)
                return end + len(rows)
        except sqlite3.Error as error:
            raise SendFailed(f"the derived log was not written: {error}") from error

    async def read(self, after: int, limit: int) -> Sequence[Derived]:
        try:
            rows = self._connection.execute(SELECT, (after, limit)).fetchall()
        except sqlite3.Error as error:
            raise Unavailable(f"the derived log cannot be read: {error}") from error
        return [
            Derived(
                topology=topology, version=version, key=key, first_n=first_n, n=n, kind=kind, cause=cause, body=body,
                position=position,
            )
            for position, topology, version, key, first_n, n, kind, cause, body in rows
        ]  # fmt: skip

    async def end(self) -> int:
        try:
            return self._end()
        except sqlite3.Error as error:
            raise Unavailable(f"the derived log cannot be read: {error}") from error

    def _end(self) -> int:
        return int(self._connection.execute(END).fetchone()[0])
