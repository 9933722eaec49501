"""What SQL Server is told, as text: every statement of a commit, generated from projections/tables.py.

Rules
1. A batch of rows is one JSON parameter, an array of arrays in the order of the columns. OPENJSON lays it out in #staging, from
   where UPDATE ... JOIN and INSERT ... WHERE NOT EXISTS take it: no MERGE, whose races are many.
2. Rows that JSON would have to escape, and rows with bytes, are parameters cell by cell beside it: what a server makes of an
   escaped text and of base64 is its own matter (Babelfish 4.3 leaves both as they are).
3. NOCOUNT is on and the last statement gives one number, the rows staged: its one result is all that there is to read, so an
   error of any statement before it arrives with it, and no result is left behind (aioodbc 468).
4. UPDLOCK and HOLDLOCK spare most races and are not relied on: where they are ignored, one of two who insert a key gets 2627.
5. No SERIALIZABLE, no rowversion, no columnstore: isolation is READ COMMITTED, and a lost race is seen at the fence.
6. What the text depends on is its arguments alone; tests hold every one against a golden copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import mssql
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from tailrace.projections.column_types import COLLATION
from tailrace.projections.summaries import KEPT, kept_columns, summary
from tailrace.projections.tables import ADD, checkpoint, metadata

DIALECT: Dialect = mssql.dialect(paramstyle="qmark", deprecate_large_types=True)  # type: ignore[no-untyped-call]
_STAGING = "#staging"


class Bound(NamedTuple):
    """A statement with `?`, and the names of what is bound there, in order; constants: those that never change."""

    sql: str
    names: tuple[str, ...]
    constants: tuple[tuple[str, Any], ...]


def q(name: str) -> str:
    """A name as T-SQL quotes it."""
    return "[" + name.replace("]", "]]") + "]"


def at(table: str, schema: str | None) -> str:
    """Where a table is."""
    return q(table) if schema is None else f"{q(schema)}.{q(table)}"


def type_of(column: sa.Column[Any]) -> str:
    """The type of a column, without its collation."""
    return str(column.type.compile(dialect=DIALECT)).partition(" COLLATE")[0]


def is_binary(column: sa.Column[Any]) -> bool:
    return isinstance(column.type, sa.LargeBinary)


@cache
def move(schema: str | None) -> str:
    """The fence: moves a place from where the writer believes it is. Gives 1, or 0 where it is elsewhere."""
    return (
        f"SET NOCOUNT ON; UPDATE {at(checkpoint.name, schema)} SET [position] = ?, [marks] = CAST(? AS VARBINARY(MAX)) "
        "WHERE [projection] = ? AND [position] = ? AND [marks] = CAST(? AS VARBINARY(MAX)); SELECT @@ROWCOUNT"
    )


@cache
def begin(schema: str | None) -> str:
    """The fence of a projection's first commit. Gives 1, or 0 where it has a place already."""
    return (
        f"SET NOCOUNT ON; INSERT INTO {at(checkpoint.name, schema)} ([projection], [position], [marks]) "
        "SELECT s.[projection], s.[position], s.[marks] FROM (SELECT CAST(? AS NVARCHAR(256)) AS [projection], "
        "CAST(? AS BIGINT) AS [position], CAST(? AS VARBINARY(MAX)) AS [marks]) AS s WHERE NOT EXISTS (SELECT 1 FROM "
        f"{at(checkpoint.name, schema)} AS t WITH (UPDLOCK, HOLDLOCK) WHERE t.[projection] = s.[projection] "
        f"COLLATE {COLLATION}); SELECT @@ROWCOUNT"
    )


@cache
def place(schema: str | None) -> str:
    return f"SELECT [position], [marks] FROM {at(checkpoint.name, schema)} WHERE [projection] = ?"


@cache
def upsert(table: str, columns: tuple[str, ...], newest: tuple[str, ...], schema: str | None, odd: int = 0) -> str:
    """Absolute values by key; newest: a row stands unless the one that is there is larger in these columns."""
    values = [name for name in columns if name not in _keys(table)]
    where = f" WHERE {_not_older(newest)}" if newest else ""
    update = [f"UPDATE t SET {_each(values, 't.{0} = s.{0}')} FROM {_joined(table, schema)}{where}"] if values else []
    return _batch(table, columns, [*update, _insert(table, columns, schema)], odd)


def _not_older(names: tuple[str, ...]) -> str:
    name = q(names[0])
    if len(names) == 1:
        return f"s.{name} >= t.{name}"
    return f"(s.{name} > t.{name} OR s.{name} = t.{name} AND {_not_older(names[1:])})"


@cache
def delete(table: str, schema: str | None, odd: int = 0) -> str:
    """Takes rows out by key."""
    return _batch(table, _keys(table), [f"DELETE t FROM {_joined(table, schema)}"], odd)


@cache
def add(table: str, schema: str | None, odd: int = 0) -> str:
    """Puts numbers together with those that are there, each column as its table says."""
    rules = {"sum": "t.{0} = t.{0} + s.{0}", "max": "t.{0} = CASE WHEN s.{0} > t.{0} THEN s.{0} ELSE t.{0} END"}
    columns = metadata.tables[table].columns
    values = [rules[each.info[ADD]].format(q(each.name)) for each in columns if ADD in each.info]
    if not values:
        raise ValueError(f"{table}: expected a table whose columns can be added to, got one without")
    names = tuple(columns.keys())
    return _batch(
        table,
        names,
        [f"UPDATE t SET {', '.join(values)} FROM {_joined(table, schema)}", _insert(table, names, schema)],
        odd,
    )


@cache
def keep(table: str, schema: str | None, odd: int = 0) -> str:
    """Copies rows of the table that this one keeps, with the columns that a copy has beside."""
    to, of = metadata.tables[table], metadata.tables[KEPT[table]]
    cells = {name: f"b.{q(name)}" if name in of.columns else f"s.{q(name)}" for name in to.columns.keys()}  # noqa: SIM118
    stands = f"{at(of.name, schema)} AS b JOIN {_STAGING} AS s ON {_same(of.name, 's', 'b')}"
    again = " AND ".join(f"t.{q(name)} = {cells[name]}" for name in _keys(table))
    return _batch(
        KEPT[table],
        kept_columns(table),
        [
            f"DELETE t FROM {at(table, schema)} AS t JOIN ({stands}) ON {again} WHERE b.[revision] < s.[until]",
            f"INSERT INTO {at(table, schema)} ({_each(cells)}) SELECT {', '.join(cells.values())} FROM {stands} "
            "WHERE b.[revision] < s.[until]",
        ],
        odd,
        beside=to,
    )


@cache
def again(table: str, schema: str | None) -> tuple[Bound, Bound]:
    """Makes a stretch of a table again: what takes its rows out, and what makes them."""
    rule = summary(table)
    return _bound(rule.delete, schema), _bound(rule.insert, schema)


def bound_values(statement: Bound, values: dict[str, Any]) -> tuple[Any, ...]:
    """The parameters of a statement, in its order."""
    known = dict(statement.constants) | values
    return tuple(known[name] for name in statement.names)


def text_of(element: sa.ClauseElement, schema: str | None) -> SQLCompiler:
    """What SQLAlchemy makes of a statement for SQL Server."""
    compiled = element.compile(
        dialect=DIALECT,
        schema_translate_map={None: schema} if schema else None,
        render_schema_translate=schema is not None,
    )
    assert isinstance(compiled, SQLCompiler)
    return compiled


def _bound(statement: sa.Delete | sa.Insert, schema: str | None) -> Bound:
    compiled = text_of(statement, schema)
    constants = tuple((name, value) for name, value in compiled.params.items() if value is not None)
    return Bound(str(compiled), tuple(compiled.positiontup or ()), constants)


def _batch(table: str, columns: Sequence[str], then: Sequence[str], odd: int, beside: sa.Table | None = None) -> str:
    known = dict(metadata.tables[table].columns)
    if beside is not None:
        known = dict(beside.columns) | {"until": sa.Column("until", sa.BigInteger())} | known
    staged = [known[name] for name in columns]
    laid = ", ".join(f"{q(each.name)} {type_of(each)} '$[{i}]'" for i, each in enumerate(staged) if not is_binary(each))
    cells = ", ".join(_cell(each) for each in staged)
    row = ", ".join(f"CAST(? AS {type_of(each)})" for each in staged)
    statements = [
        "SET NOCOUNT ON",
        f"SELECT {cells} INTO {_STAGING} FROM OPENJSON(CAST(? AS NVARCHAR(MAX))) WITH ({laid}) AS j",
        f"DECLARE @rows INT = @@ROWCOUNT + {odd}",
        *[f"INSERT INTO {_STAGING} ({_each(columns)}) VALUES ({row})"] * odd,
        *then,
        f"DROP TABLE {_STAGING}",
        "SELECT @rows",
    ]
    return ";\n".join(statements)


def _cell(column: sa.Column[Any]) -> str:
    if is_binary(column):
        return f"CAST(0x AS VARBINARY(MAX)) AS {q(column.name)}"
    collation = f" COLLATE {COLLATION}" if "COLLATE" in str(column.type.compile(dialect=DIALECT)) else ""
    return f"j.{q(column.name)}{collation} AS {q(column.name)}"


def _insert(table: str, columns: Sequence[str], schema: str | None) -> str:
    return (
        f"INSERT INTO {at(table, schema)} ({_each(columns)}) SELECT {_each(columns, 's.{0}')} FROM {_STAGING} AS s "
        f"WHERE NOT EXISTS (SELECT 1 FROM {at(table, schema)} AS t WITH (UPDLOCK, HOLDLOCK) WHERE {_same(table)})"
    )


def _joined(table: str, schema: str | None) -> str:
    return f"{at(table, schema)} AS t JOIN {_STAGING} AS s ON {_same(table)}"


def _same(table: str, one: str = "s", other: str = "t") -> str:
    return " AND ".join(f"{one}.{q(name)} = {other}.{q(name)}" for name in _keys(table))


def _each(names: Iterable[str], form: str = "{0}") -> str:
    return ", ".join(form.format(q(name)) for name in names)


def _keys(table: str) -> tuple[str, ...]:
    return tuple(column.name for column in metadata.tables[table].primary_key)
