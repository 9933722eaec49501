"""State pages and manifests as tables of the read models' file.

Rules: pages and their manifest are one transaction, or part of the one that is open on the shared connection (engine/unit.py).
A save takes away what was stored after its base, and collects what neither of the two newest manifests needs any more.
Nothing here suspends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from tailrace.connectors import tables_sqlite
from tailrace.engine.checkpoints import Manifest
from tailrace.engine.unit import unit
from tailrace.schemas.errors import StaleWriter, Unavailable

MANIFESTS = """CREATE TABLE IF NOT EXISTS checkpoint_manifest (
    topology TEXT, version INTEGER, position INTEGER, body BLOB NOT NULL, PRIMARY KEY (topology, version, position)
) WITHOUT ROWID"""
PAGES = """CREATE TABLE IF NOT EXISTS checkpoint_page (
    topology TEXT, version INTEGER, name TEXT, position INTEGER, body BLOB NOT NULL
)"""
PAGES_BY_NAME = """CREATE UNIQUE INDEX IF NOT EXISTS checkpoint_page_name
    ON checkpoint_page (topology, version, name, position)"""
PAGES_BY_POSITION = """CREATE INDEX IF NOT EXISTS checkpoint_page_position
    ON checkpoint_page (topology, version, position)"""
"""A table with rowids and indices, since pages are too large for the leaves of a table without."""

TABLES = {
    "checkpoint_manifest": MANIFESTS,
    "checkpoint_page": PAGES,
    "checkpoint_page_name": PAGES_BY_NAME,
    "checkpoint_page_position": PAGES_BY_POSITION,
}


OF = "topology = :topology AND version = :version"
POSITIONS = f"SELECT position FROM checkpoint_manifest WHERE {OF}"
BODIES = f"SELECT body FROM checkpoint_manifest WHERE {OF} ORDER BY position DESC"
NEWEST = "SELECT body FROM checkpoint_manifest ORDER BY position DESC LIMIT 1"
PAGE = f"SELECT body FROM checkpoint_page WHERE {OF} AND name = :name AND position <= :position ORDER BY position DESC LIMIT 1"
REWIND = [f"DELETE FROM checkpoint_{table} WHERE {OF} AND position > :base" for table in ("manifest", "page")]
ADD_PAGE = "INSERT INTO checkpoint_page VALUES (:topology, :version, :name, :position, :body)"
ADD_MANIFEST = "INSERT INTO checkpoint_manifest VALUES (:topology, :version, :position, :body)"
DROP_MANIFESTS = f"DELETE FROM checkpoint_manifest WHERE {OF} AND position < :older"
DROP_PAGES = f"""DELETE FROM checkpoint_page WHERE {OF} AND position < :older
    AND name IN (SELECT name FROM checkpoint_page WHERE {OF} AND position >= :oldest AND position <= :older)
    AND position < (
        SELECT max(position) FROM checkpoint_page AS other WHERE other.topology = :topology
        AND other.version = :version AND other.name = checkpoint_page.name AND other.position <= :older)"""
"""Only a name with a page since the oldest manifest can have one that holds no more at the older of the two that stay."""

_decode = msgspec.msgpack.Decoder(Manifest).decode


class SqliteCheckpoints:
    """State pages and manifests in two tables."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        try:
            tables_sqlite.make(connection, TABLES)
        except sqlite3.Error as error:
            raise Unavailable(f"checkpoints cannot be opened: {error}") from error

    async def save(self, manifest: Manifest, pages: Mapping[str, bytes]) -> None:
        of = {"topology": manifest.topology, "version": manifest.version}
        at = of | {"position": manifest.position}
        try:
            with unit(self._connection):
                positions = self._positions(of)
                if manifest.base:
                    self._require(of, manifest.base, positions)
                for statement in REWIND:
                    self._connection.execute(statement, of | {"base": manifest.base})
                self._connection.executemany(ADD_PAGE, [at | {"name": name, "body": pages[name]} for name in pages])
                self._connection.execute(ADD_MANIFEST, at | {"body": msgspec.msgpack.encode(manifest)})
                if manifest.base:
                    self._collect(of, manifest.base, min(positions))
        except sqlite3.Error as error:
            raise Unavailable(f"a checkpoint was not stored: {error}") from error

    async def manifests(self, topology: str, version: int) -> Sequence[Manifest]:
        rows = self._rows(BODIES, {"topology": topology, "version": version})
        return [_decode(body) for (body,) in rows]

    def page(self, topology: str, version: int, name: str, position: int) -> bytes | None:
        of = {"topology": topology, "version": version}
        self._require(of, position, self._positions(of))
        rows = self._rows(PAGE, of | {"name": name, "position": position})
        return bytes(rows[0][0]) if rows else None

    def newest(self) -> Manifest | None:
        """The checkpoint that is farthest in the log, of whatever topology."""
        rows = self._rows(NEWEST, {})
        return _decode(rows[0][0]) if rows else None

    def _collect(self, of: Mapping[str, object], older: int, oldest: int) -> None:
        """The manifest just saved and its base are the two newest: what is older than the base goes, and its pages."""
        values = dict(of) | {"older": older, "oldest": oldest}
        self._connection.execute(DROP_MANIFESTS, values)
        self._connection.execute(DROP_PAGES, values)

    def _require(self, of: Mapping[str, object], position: int, positions: Collection[int]) -> None:
        if position not in positions:
            raise StaleWriter(
                "checkpoints of {topology}@{version}: ".format_map(of)
                + f"expected one of the positions {sorted(positions)}, got {position}: restore from the newest"
            )

    def _positions(self, of: Mapping[str, object]) -> list[int]:
        return [position for (position,) in self._rows(POSITIONS, of)]

    def _rows(self, sql: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise Unavailable(f"checkpoints cannot be read: {error}") from error
