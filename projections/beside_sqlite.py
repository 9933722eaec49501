"""The tables of one projection made again beside the live ones, in the same SQLite file, and put in their place.

Rules: they are `rebuilt_<table>`, laid out as the live ones are, and their place is kept beside the live one. `swap` exchanges,
in SQLite's own list of tables, the pages at which a live table and the rebuilt one begin, and those of their indices: it takes as
long for a million rows as for ten, and whoever reads has the one or the other. ALTER TABLE RENAME would read the layout of every
table again for each of them: 45 ms where this takes two. Tables that hold what was replaced or given up have no place; they are
emptied in small transactions, none of which keeps the writer of the live rows waiting.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import sqlalchemy as sa

from tailrace.engine.store import Place
from tailrace.engine.unit import unit
from tailrace.projections.models import TABLES
from tailrace.projections.store_sqlite import REBUILT, SqliteStore, name_beside, place_of, table_sql
from tailrace.projections.tables import metadata
from tailrace.schemas.errors import Conflict

EMPTIED_ROWS = 5_000
"""Rows that are taken out in one transaction."""


class Difference(msgspec.Struct, frozen=True):
    """Rows of a table that are not the same: only_live, only_rebuilt, changed say how many.

    key, columns: of the first that changed, or of one that only a side has, with no columns then.
    """

    table: str
    only_live: int
    only_rebuilt: int
    changed: int
    key: dict[str, Any]
    columns: list[str]


class Beside:
    """The rebuilt tables of a projection. The connection is in autocommit mode; maker: the release that makes them."""

    def __init__(self, connection: sqlite3.Connection, projection: str, maker: str) -> None:
        self._connection, self._projection, self._maker = connection, projection, maker
        self._tables = TABLES[projection]
        self.store = SqliteStore(connection, maker)

    def places(self) -> tuple[Place, Place]:
        """Where the live rows stand, and where the rebuilt ones do."""
        beside = name_beside(self._projection, self._maker)
        return place_of(self._connection, self._projection), place_of(self._connection, beside)

    def begin(self) -> int:
        """Makes what is missing; gives the position at which rows of before go on. Those of another release are given up.

        Raises Conflict where the live tables are laid out in another way than this release lays them out.
        """
        stands = self.places()[1].position
        if stands and not self._other():
            return stands
        self.drop()
        with unit(self._connection):
            for table in self._drafts():
                for statement in table_sql(table):
                    self._connection.execute(statement)
            if other := self._other():
                raise Conflict(
                    f"{other}: expected the columns and indices of this release, got those of another one; delete read.db: all "
                    "of it is made again from the log"
                )
        return 0

    def drop(self) -> bool:
        """Takes away all that was made or replaced; whether there was anything."""
        self._forget()
        there = [rebuilt for _, rebuilt in self._pairs() if _layout(self._connection, rebuilt) is not None]
        for table in there:
            self._empty(table)
        return bool(there)

    def differences(self) -> list[Difference]:
        """What is not the same in the live rows and the rebuilt ones, by table; both are to be at one place."""
        found = (_difference(self._connection, name) for name in self._tables)
        return [each for each in found if each is not None]

    def swap(self) -> None:
        """Puts the rebuilt rows and their place where the live ones are; part of the caller's transaction."""
        place, begins = self.places()[1], _begins(self._connection)
        exchanged = [(begins[its], mine) for a, b in self._stored(begins) for mine, its in ((a, b), (b, a))]
        (version,) = self._connection.execute("PRAGMA schema_version").fetchone()
        self._connection.execute("PRAGMA writable_schema = ON")
        try:
            self._connection.executemany("UPDATE sqlite_master SET rootpage = ? WHERE name = ?", exchanged)
            self._connection.execute(f"PRAGMA schema_version = {version + 1}")  # every connection reads the list again
        finally:
            self._connection.execute("PRAGMA writable_schema = RESET")
        put = "INSERT OR REPLACE INTO checkpoint (projection, position, marks) VALUES (?, ?, ?)"
        marks = msgspec.msgpack.encode(dict(place.marks))
        self._connection.execute(put, (self._projection, place.position, marks))
        self._forget()

    def _forget(self) -> None:
        like = name_beside(self._projection, "")
        self._connection.execute("DELETE FROM checkpoint WHERE substr(projection, 1, ?) = ?", (len(like), like))

    def _pairs(self) -> list[tuple[str, str]]:
        """Each table and the one that is made beside it."""
        return [(name, f"{REBUILT}_{name}") for name in self._tables]

    def _drafts(self) -> Sequence[sa.Table[Any]]:
        made: Sequence[sa.Table[Any]] = [
            metadata.tables[live].to_metadata(sa.MetaData(), name=rebuilt) for live, rebuilt in self._pairs()
        ]
        for table in made:
            for index in table.indexes:
                index.name = sa.sql.quoted_name(f"{REBUILT}_{index.name}", None)
        return made

    def _stored(self, begins: Mapping[str, int]) -> list[tuple[str, str]]:
        """The names of what has pages of its own: each table and each index, with the one beside it."""
        found = self._pairs()
        for live, rebuilt in self._pairs():
            found += [(str(index.name), f"{REBUILT}_{index.name}") for index in metadata.tables[live].indexes]
            keys = f"sqlite_autoindex_{live}_1", f"sqlite_autoindex_{rebuilt}_1"
            found += [keys] if keys[0] in begins else []
        return found

    def _other(self) -> str:
        """A table that is laid out in another way than the one beside it, '' where all are alike."""
        layouts = (
            (live, _layout(self._connection, live), _layout(self._connection, its)) for live, its in self._pairs()
        )
        return next((live for live, mine, its in layouts if mine != its), "")

    def _empty(self, table: str) -> None:
        keys = _names(column.name for column in metadata.tables[table.removeprefix(f"{REBUILT}_")].primary_key)
        some = f'DELETE FROM "{table}" WHERE ({keys}) IN (SELECT {keys} FROM "{table}" LIMIT {EMPTIED_ROWS})'
        while self._connection.execute(some).rowcount:
            pass
        self._connection.execute(f'DROP TABLE "{table}"')


@contextmanager
def one_picture(connection: sqlite3.Connection) -> Iterator[None]:
    """The rows as they are at one moment, while somebody goes on writing them."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


@contextmanager
def no_checkpoint(connection: sqlite3.Connection) -> Iterator[None]:
    """A commit inside does not carry the write-ahead log into the file, with its flushes: one of before or after does."""
    (pages,) = connection.execute("PRAGMA wal_autocheckpoint").fetchone()
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA wal_autocheckpoint = {pages}")


def _begins(connection: sqlite3.Connection) -> dict[str, int]:
    """By table and index, the page at which it begins."""
    return dict(connection.execute("SELECT name, rootpage FROM sqlite_master WHERE rootpage > 0"))


def _layout(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]] | None:
    """What a table's pages look like: columns in order, and the columns of each index; None where there is no such table."""
    columns = connection.execute('SELECT cid, name, type, "notnull", pk FROM pragma_table_info(?)', (table,)).fetchall()
    if not columns:
        return None
    indices = (
        "SELECT i.name, x.name FROM pragma_index_list(?) AS i, pragma_index_info(i.name) AS x ORDER BY i.name, x.seqno"
    )
    found = [(name.replace(f"{REBUILT}_", ""), column) for name, column in connection.execute(indices, (table,))]
    (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    return [*columns, *sorted(found), ("WITHOUT ROWID" in sql.upper(),)]


def _names(names: Iterable[str], prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{name}"' for name in names)


def _difference(connection: sqlite3.Connection, name: str) -> Difference | None:
    live, rebuilt = f'"{name}"', f'"{REBUILT}_{name}"'
    keys = [str(column.name) for column in metadata.tables[name].primary_key]
    values = [str(each.name) for each in metadata.tables[name].columns if each.name not in keys]
    alone = _alone(connection, live, rebuilt, keys), _alone(connection, rebuilt, live, keys)
    other = [f'a."{value}" IS NOT b."{value}"' for value in values]
    on = " AND ".join(f'a."{key}" = b."{key}"' for key in keys)
    joined = f"FROM {live} AS a JOIN {rebuilt} AS b ON {on} WHERE {' OR '.join(other) or 'FALSE'}"
    (changed,) = connection.execute(f"SELECT count(*) {joined}").fetchone()
    if not changed and not any(number for number, _ in alone):
        return None
    first, columns = next((key for _, key in alone if key), ()), []
    if changed:
        cells = connection.execute(f"SELECT {_names(keys, 'a.')}, {', '.join(other)} {joined} LIMIT 1").fetchone()
        first, columns = (
            cells[: len(keys)],
            [v for v, differs in zip(values, cells[len(keys) :], strict=True) if differs],
        )
    key = dict(zip(keys, first, strict=True))
    return Difference(name, alone[0][0], alone[1][0], changed, key, columns)


def _alone(connection: sqlite3.Connection, mine: str, its: str, keys: Sequence[str]) -> tuple[int, tuple[Any, ...]]:
    """How many rows only one side has, and the key of one."""
    on = " AND ".join(f'a."{key}" = b."{key}"' for key in keys)
    rows = f"FROM {mine} AS a WHERE NOT EXISTS (SELECT 1 FROM {its} AS b WHERE {on})"
    (number,) = connection.execute(f"SELECT count(*) {rows}").fetchone()
    first = connection.execute(f"SELECT {_names(keys, 'a.')} {rows} LIMIT 1").fetchone() if number else ()
    return number, tuple(first)
