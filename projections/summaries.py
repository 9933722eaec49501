"""Tables that are made of others: sums of them and what they were, by which rule, for every database.

Rules: `oee_hour` and `oee_shift` are sums of `oee_bucket` by machine, product and hour or shift. A minute belongs to the hour and
to every shift in which it begins. What is made again is made from the rows as they are, so it does not matter how often or in
which steps, and what has no minute any more is gone. `oee_history` keeps the rows of `oee_bucket` that are restated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import groupby
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from tailrace.engine.store import Row
from tailrace.projections.column_types import INSTANT
from tailrace.projections.tables import metadata, oee_bucket, oee_history, oee_hour, oee_shift, shift
from tailrace.schemas import bucket
from tailrace.schemas.instant import HOUR

_START, _END = sa.bindparam("start_ns", type_=sa.BigInteger()), sa.bindparam("end_ns", type_=sa.BigInteger())
_MACHINE = sa.bindparam("machine", type_=sa.String())
HOUR_TEXT = len("2026-11-20 06")


class whole_hour(sa.sql.functions.GenericFunction[str]):  # noqa: N801  a function of SQL
    """The hour in which an instant is, as an instant."""

    type = INSTANT
    inherit_cache = True


@compiles(whole_hour)
def _whole_hour(element: whole_hour, compiler: SQLCompiler, **kw: Any) -> str:
    return f"substr({compiler.process(element.clauses, **kw)}, 1, {HOUR_TEXT}) || ':00:00.000000'"


@compiles(whole_hour, "mssql")
def _whole_hour_mssql(element: whole_hour, compiler: SQLCompiler, **kw: Any) -> str:
    epoch = "CAST('1970-01-01' AS DATETIME2(6))"
    return f"DATEADD(hour, DATEDIFF(hour, {epoch}, {compiler.process(element.clauses, **kw)}), {epoch})"


class ns_of_hour(sa.sql.functions.GenericFunction[int]):  # noqa: N801
    """The length of an hour. SQL Server would hold the number for a DECIMAL and compare no BIGINT by its index."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(ns_of_hour)
def _ns_of_hour(element: ns_of_hour, compiler: SQLCompiler, **kw: Any) -> str:
    return str(HOUR)


@compiles(ns_of_hour, "mssql")
def _ns_of_hour_mssql(element: ns_of_hour, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST({HOUR} AS BIGINT)"


_HOUR = ns_of_hour()


class Summary(msgspec.Struct, frozen=True):
    """How a table is made again: what goes, and the rows that come, as statements with machine, start_ns and end_ns."""

    delete: sa.Delete
    insert: sa.Insert


@cache
def summary(table: str) -> Summary:
    """The rule of a table; raises KeyError for one that has none."""
    return {"oee_hour": _hours, "oee_shift": _shifts}[table]()


KEPT = {oee_history.name: oee_bucket.name}
"""By table, the one whose rows it keeps."""


@cache
def kept_columns(table: str) -> tuple[str, ...]:
    """What a row to keep names: the key of the row that is there, from when on it is not kept, what a copy has beside."""
    to, of = metadata.tables[table], metadata.tables[KEPT[table]]
    return (
        *(column.name for column in of.primary_key),
        "until",
        *(column.name for column in to.columns if column.name not in of.c),
    )


@cache
def kept(table: str) -> tuple[list[str], sa.Select[Any]]:
    """The columns of a row that is kept, and the row of a key as it stands; raises KeyError for a table that keeps none."""
    to, of = metadata.tables[table], metadata.tables[KEPT[table]]
    cells = [of.c[name] if name in of.c else sa.bindparam(name, type_=to.c[name].type) for name in to.columns.keys()]  # noqa: SIM118
    same = [column == sa.bindparam(column.name) for column in of.primary_key]
    return list(to.columns.keys()), sa.select(*cells).where(*same, of.c.revision < sa.bindparam("until"))


def made(table: str, stretch: Row, minutes: Iterable[Row], shifts: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """The same for rows at hand: those of a stretch, from those of oee_bucket and shift."""
    mine = [row for row in minutes if row["machine"] == stretch["machine"]]
    for span in _spans(table, stretch, mine, shifts):
        inside = [row for row in mine if span["start_ns"] <= row["start_ns"] < span["end_ns"]]
        for product, same in groupby(
            sorted(inside, key=lambda row: str(row["product"])), key=lambda row: row["product"]
        ):
            rows = list(same)
            keys = {name: value for name, value in span.items() if name in _COLUMNS[table]}
            yield keys | {"product": product} | _sums(rows)


def overlaps(row: Row, stretch: Row, table: str) -> bool:
    """Whether a row of a table is one that the stretch makes again."""
    end = row["start_ns"] + HOUR if table == oee_hour.name else row["end_ns"]
    mine: bool = row["machine"] == stretch["machine"]
    return mine and bool(row["start_ns"] < stretch["end_ns"] and end > stretch["start_ns"])


_COLUMNS = {table.name: frozenset(table.columns.keys()) for table in (oee_hour, oee_shift)}


def _spans(table: str, stretch: Row, mine: Iterable[Row], shifts: Iterable[Row]) -> Iterator[dict[str, Any]]:
    if table == oee_shift.name:
        yield from (dict(row) for row in shifts if overlaps(row, stretch, table))
        return
    for start in sorted({row["start_ns"] // HOUR * HOUR for row in mine}):
        texts = [row["start"][:HOUR_TEXT] for row in mine if row["start_ns"] // HOUR * HOUR == start]
        span = {"machine": stretch["machine"], "start_ns": start, "start": f"{texts[0]}:00:00.000000"}
        if overlaps(span, stretch, table):
            yield span | {"end_ns": start + HOUR}


def _sums(rows: list[Row]) -> dict[str, Any]:
    largest = {name: max(row[name] for row in rows) for name in ("revision", "known_from_ns")}
    return {"minutes": len(rows)} | largest | {name: sum(row[name] for row in rows) for name in bucket.COLUMNS}


def _hours() -> Summary:
    of, table = oee_bucket.c, oee_hour.c
    start = of.start_ns - of.start_ns % _HOUR
    lo, hi = _START - _START % _HOUR, _END + _HOUR - 1 - (_END + _HOUR - 1) % _HOUR
    rows = {
        "machine": of.machine, "start_ns": start, "product": of.product,
        "start": whole_hour(sa.func.min(of.start)), **_aggregates(),
    }  # fmt: skip
    select = (
        sa.select(*(each.label(name) for name, each in rows.items()))
        .where(of.machine == _MACHINE, of.start_ns >= lo, of.start_ns < hi)
        .group_by(of.machine, start, of.product)
    )
    gone = sa.delete(oee_hour).where(table.machine == _MACHINE, table.start_ns >= lo, table.start_ns < hi)
    return Summary(gone, sa.insert(oee_hour).from_select(list(rows), select))


def _shifts() -> Summary:
    of, table = oee_bucket.c, oee_shift.c
    keys = [shift.c[name] for name in ("machine", "start_ns", "name", "end_ns", "start", "end")]
    rows: Mapping[str, Any] = {key.name: key for key in keys} | {"product": of.product, **_aggregates()}
    inside = sa.and_(of.machine == shift.c.machine, of.start_ns >= shift.c.start_ns, of.start_ns < shift.c.end_ns)
    select = (
        sa.select(*(each.label(name) for name, each in rows.items()))
        .select_from(shift.join(oee_bucket, inside))
        .where(shift.c.machine == _MACHINE, shift.c.start_ns < _END, shift.c.end_ns > _START)
        .group_by(*keys, of.product)
    )
    gone = sa.delete(oee_shift).where(table.machine == _MACHINE, table.start_ns < _END, table.end_ns > _START)
    return Summary(gone, sa.insert(oee_shift).from_select(list(rows), select))


def _aggregates() -> dict[str, sa.ColumnElement[Any]]:
    of = oee_bucket.c
    largest = {name: sa.func.max(of[name]) for name in ("revision", "known_from_ns")}
    return {"minutes": sa.func.count()} | largest | {name: sa.func.sum(of[name]) for name in bucket.COLUMNS}
