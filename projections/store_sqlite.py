"""Store on SQLite: rows and place in one transaction of one connection.

Rules: the connection is in autocommit mode and shared with whoever else writes this file (engine/unit.py); statements are
compiled once from projections/tables.py; tables that are missing are made when the store is opened. Rows are bound by place, for
SQLite looks up a parameter's name for every cell of every row. A store may keep its rows beside the live ones, in tables of other
names (projections/beside_sqlite.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.compiler import SQLCompiler

from tailrace.engine.store import Change, Place, Row
from tailrace.engine.unit import unit
from tailrace.projections.schema import HEAD, VERSION_TABLE, bring, require_known, tables_in, view_text
from tailrace.projections.summaries import kept, summary
from tailrace.projections.tables import ADD, metadata, not_older
from tailrace.projections.views import VIEWS
from tailrace.schemas.errors import StaleWriter

_DIALECT = sqlite.dialect(paramstyle="named")
_BY_PLACE = sqlite.dialect(paramstyle="qmark")

REBUILT = "rebuilt"
"""Tables that are made beside the live ones are called rebuilt_oee_bucket and so on."""


class SqliteStore:
    """The read models in a SQLite file, through a connection that stays its owner's.

    beside: who makes them, where rows and places are to be beside the live ones; those of another maker are not gone on with.
    """

    def __init__(self, connection: sqlite3.Connection, beside: str = "") -> None:
        self._connection = connection
        self._beside = beside
        make_tables(connection)

    async def commit(self, projection: str, expected: Place, changes: Sequence[Change], reached: Place) -> None:
        with unit(self._connection):
            self._move(projection, expected, reached)
            for change in changes:
                self._write(change)

    async def place(self, projection: str) -> Place:
        return place_of(self._connection, self._name(projection))

    def _name(self, projection: str) -> str:
        return name_beside(projection, self._beside) if self._beside else projection

    def _move(self, projection: str, expected: Place, reached: Place) -> None:
        stands = place_of(self._connection, self._name(projection))
        if (stands.position, dict(stands.marks)) != (expected.position, dict(expected.marks)):
            raise StaleWriter(
                f"{projection}: expected its rows at position {expected.position}, got {stands.position}; another writer was here"
            )
        self._connection.execute(
            "INSERT INTO checkpoint (projection, position, marks) VALUES (?, ?, ?) "
            "ON CONFLICT (projection) DO UPDATE SET position = excluded.position, marks = excluded.marks",
            (self._name(projection), reached.position, msgspec.msgpack.encode(dict(reached.marks))),
        )

    def _write(self, change: Change) -> None:
        beside = bool(self._beside)
        if change.keep:
            self._many(_keep(change.table, beside), change.keep)
        by_columns: dict[tuple[str, ...], list[Row]] = {}
        for row in change.upsert:
            by_columns.setdefault(tuple(row), []).append(row)
        for columns, rows in by_columns.items():
            self._many(_upsert(change.table, columns, change.newest, beside), rows)
        if change.delete:
            self._many(_delete(change.table, beside), change.delete)
        if change.add:
            self._many(_add(change.table, beside), change.add)
        for stretch in change.again:
            for sql, values in _again(change.table, beside):
                self._connection.execute(sql, values | dict(stretch))

    def _many(self, statement: _Statement, rows: Sequence[Row]) -> None:
        self._connection.executemany(statement.sql, map(statement.cells, rows))


def make_tables(connection: sqlite3.Connection) -> None:
    """Makes the tables and views that are missing, and brings those of an earlier release to this one (projections/schema.py).

    Where nothing is to be done, nothing is written.
    """
    there = _names(connection)
    version = _version(connection) if VERSION_TABLE in there else None
    require_known(version, "read.db")
    if version == HEAD and metadata.tables.keys() | VIEWS.keys() <= there:
        return
    if version == HEAD or not there & metadata.tables.keys():
        with unit(connection):
            for statement in _schema():
                connection.execute(statement)
            if version is None and _version(connection) is None:  # nobody was faster
                connection.execute(f"INSERT INTO {VERSION_TABLE} VALUES (?)", (HEAD,))
        return
    _upgrade(connection)


def _upgrade(connection: sqlite3.Connection) -> None:
    engine = sa.create_engine("sqlite://", creator=lambda: connection, poolclass=sa.StaticPool)
    sa.event.listen(engine, "begin", lambda begun: begun.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as begun:
        bring(begun)


def _names(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}


def _version(connection: sqlite3.Connection) -> str | None:
    found = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
    return str(found[0]) if found else None


def name_beside(projection: str, maker: str) -> str:
    """The name under which the place of a projection is kept whose rows are beside the live ones."""
    return f"{REBUILT}_{projection}@{maker}"


def place_of(connection: sqlite3.Connection, projection: str) -> Place:
    """How far a projection has come, for those who only read."""
    found = connection.execute(_PLACE, (projection,)).fetchone()
    return Place(found[0], msgspec.msgpack.decode(found[1], type=dict[str, int])) if found else Place()


_PLACE = "SELECT position, marks FROM checkpoint WHERE projection = ?"


@cache
def _schema() -> list[str]:
    made = [statement for table in tables_in(None).sorted_tables for statement in table_sql(table)]
    return [*made, *(view_text(_DIALECT, name, exists="IF NOT EXISTS ") for name in VIEWS)]


def table_sql(table: sa.Table[Any]) -> list[str]:
    """What makes a table, and then its indices."""
    indices = [str(CreateIndex(each, if_not_exists=True).compile(dialect=_DIALECT)) for each in table.indexes]
    return [str(CreateTable(table, if_not_exists=True).compile(dialect=_DIALECT)), *indices]


class _Statement(NamedTuple):
    """A statement for many rows, and what takes a row's cells in the order of its parameters."""

    sql: str
    cells: Callable[[Row], tuple[Any, ...]]


def _compiled(statement: sa.Insert | sa.Delete, dialect: sa.Dialect, beside: bool) -> tuple[str, SQLCompiler]:
    """A statement for the live tables, or for those beside them: SQLAlchemy names another schema, which becomes a prefix."""
    schema: Any = {"schema_translate_map": {None: REBUILT}, "render_schema_translate": True} if beside else {}
    compiled = statement.compile(dialect=dialect, **schema)
    assert isinstance(compiled, SQLCompiler)
    return str(compiled).replace(f"{REBUILT}.", f"{REBUILT}_"), compiled


def _by_place(statement: sa.Insert | sa.Delete, beside: bool) -> _Statement:
    sql, compiled = _compiled(statement, _BY_PLACE, beside)
    assert compiled.positiontup is not None
    names = tuple(compiled.positiontup)
    if len(names) == 1:  # of one name an itemgetter gives the cell alone
        (name,) = names
        return _Statement(sql, lambda row: (row[name],))
    return _Statement(sql, itemgetter(*names))


@cache
def _upsert(name: str, columns: tuple[str, ...], newest: tuple[str, ...], beside: bool) -> _Statement:
    table = metadata.tables[name]
    keys = [column.name for column in table.primary_key]
    statement = insert(table).values({column: _cell(table.c[column]) for column in columns})
    values = {column: statement.excluded[column] for column in columns if column not in keys}
    if not values:
        return _by_place(statement.on_conflict_do_nothing(index_elements=keys), beside)
    stands = not_older(statement.excluded, table.c, newest) if newest else None
    return _by_place(statement.on_conflict_do_update(index_elements=keys, set_=values, where=stands), beside)


def _cell(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """A parameter; SQLite makes null of NaN by itself, and would keep what is infinite."""
    given: sa.ColumnElement[Any] = sa.bindparam(column.name)
    if not isinstance(column.type, sa.Float):
        return given
    return sa.func.nullif(sa.func.nullif(given, sa.literal_column("9e999")), sa.literal_column("-9e999"))


@cache
def _add(name: str, beside: bool) -> _Statement:
    table = metadata.tables[name]
    statement = insert(table).values({column: sa.bindparam(column) for column in table.columns.keys()})  # noqa: SIM118
    values: dict[str, sa.ColumnElement[Any]] = {}
    for column in table.columns:
        given = statement.excluded[column.name]
        if column.info.get(ADD) == "sum":
            values[column.name] = column + given
        elif column.info.get(ADD) == "max":
            values[column.name] = sa.case((given > column, given), else_=column)
    if not values:
        raise ValueError(f"{name}: expected a table whose columns can be added to, got one without")
    keys = [column.name for column in table.primary_key]
    return _by_place(statement.on_conflict_do_update(index_elements=keys, set_=values), beside)


@cache
def _keep(name: str, beside: bool) -> _Statement:
    columns, row = kept(name)
    return _by_place(sa.insert(metadata.tables[name]).prefix_with("OR REPLACE").from_select(columns, row), beside)


@cache
def _again(name: str, beside: bool) -> list[tuple[str, dict[str, Any]]]:
    """The statements that make a stretch of a table again, and the constants in them."""
    rule = summary(name)
    compiled = [_compiled(statement, _DIALECT, beside) for statement in (rule.delete, rule.insert)]
    return [(sql, {name: value for name, value in each.params.items() if value is not None}) for sql, each in compiled]


@cache
def _delete(name: str, beside: bool) -> _Statement:
    table = metadata.tables[name]
    keys = [column == sa.bindparam(column.name) for column in table.primary_key]
    return _by_place(sa.delete(table).where(*keys), beside)
