"""Store in a SQLite file of its own, as any other database that is named by a URL: read.db stays what the pages show.

Rules: one thread uses it. A file that is locked, full or gone is Unavailable, and the next call opens it again; so is one that
somebody put in its place, as out of a backup: what was written to the one that is no longer there would be lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from tailrace.engine.store import Change, Place
from tailrace.projections.store_sqlite import SqliteStore
from tailrace.schemas.errors import Unavailable

BUSY_S = 5.0
_DIALECT = sqlite.dialect(paramstyle="named")


class FileStore:
    """The read models in a SQLite file that nobody else writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: tuple[sqlite3.Connection, SqliteStore] | None = None
        self._file = (0, 0)

    async def prepare(self) -> None:
        """Makes the file and its tables where they are missing."""
        with self._open():
            pass

    async def commit(self, projection: str, expected: Place, changes: Sequence[Change], reached: Place) -> None:
        with self._open() as (_, store):
            await store.commit(projection, expected, changes, reached)

    async def place(self, projection: str) -> Place:
        with self._open() as (_, store):
            return await store.place(projection)

    async def read(self, statement: sa.Select[Any]) -> list[dict[str, Any]]:
        """The rows of a statement, by column name."""
        compiled = statement.compile(dialect=_DIALECT)
        with self._open() as (connection, _):
            found = connection.execute(str(compiled), compiled.params)
            names = [each[0] for each in found.description]
            return [dict(zip(names, row, strict=True)) for row in found]

    async def close(self) -> None:
        """Lets the file go."""
        if self._opened is not None:
            self._opened[0].close()
        self._opened = None

    @contextmanager
    def _open(self) -> Iterator[tuple[sqlite3.Connection, SqliteStore]]:
        try:
            if self._opened is None or self._found() != self._file:
                self._opened = self._anew()
            yield self._opened
        except sqlite3.Error as error:
            raise Unavailable(f"{self._path}: {error}") from error

    def _anew(self) -> tuple[sqlite3.Connection, SqliteStore]:
        if self._opened is not None:
            self._opened[0].close()
            self._opened = None
        connection = sqlite3.connect(self._path, BUSY_S, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            store = SqliteStore(connection)
        except BaseException:
            connection.close()
            raise
        self._file = self._found()
        return connection, store

    def _found(self) -> tuple[int, int]:
        """Which file is there now."""
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino
