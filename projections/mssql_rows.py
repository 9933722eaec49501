"""Rows as SQL Server takes them: the statements of a commit with their parameters, worked out before a transaction is open.

Rules
1. A batch has each key once, sorted by key: two writers take their locks in the same order.
2. What is no number is NULL. A row that JSON would escape, or with bytes, is parameters of its own.
3. A value that the column would cut, and a key that SQL Server would hold for another one (it ignores blanks at the end), is
   refused with its column; nothing is written then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from tailrace.engine.store import Change, Row
from tailrace.projections import mssql_statements as sql
from tailrace.projections.batch import by_columns, key_of, last, rounds, summed
from tailrace.projections.summaries import KEPT, kept_columns
from tailrace.projections.tables import metadata
from tailrace.schemas.errors import InvalidInput

ROWS_MAX = 5000
"""Rows of one JSON parameter: a few megabytes, whatever a batch of the log holds."""

PARAMETERS_MAX = 2000
"""Parameters of one statement beside the JSON; SQL Server takes 2,100."""

_encode = msgspec.json.Encoder().encode


class Statement(NamedTuple):
    """Text and its parameters; rows: how many it stages, None where it stages none."""

    sql: str
    values: tuple[Any, ...]
    rows: int | None = None


def statements(changes: Sequence[Change], schema: str | None) -> list[Statement]:
    """All that a commit says beside its fence, in order."""
    return [each for change in changes for each in _of(change, schema)]


def _of(change: Change, schema: str | None) -> Iterator[Statement]:
    table = change.table
    keys = [column.name for column in metadata.tables[table].primary_key]
    if change.keep:
        of = [column.name for column in metadata.tables[KEPT[table]].primary_key]
        for piece in rounds(change.keep, of):
            yield from _staged(partial(sql.keep, table, schema), table, kept_columns(table), piece, of)
    for columns, rows in by_columns(change.upsert).items():
        _require_columns(table, columns)
        text = partial(sql.upsert, table, columns, change.newest, schema)
        yield from _staged(text, table, columns, last(rows, keys, change.newest), keys)
    if change.delete:
        yield from _staged(partial(sql.delete, table, schema), table, keys, last(change.delete, keys), keys)
    if change.add:
        columns = tuple(metadata.tables[table].columns.keys())
        yield from _staged(partial(sql.add, table, schema), table, columns, summed(change.add, table), keys)
    for stretch in change.again:
        for bound in sql.again(table, schema):
            yield Statement(bound.sql, sql.bound_values(bound, dict(stretch)))


def _staged(
    text: Callable[[int], str], table: str, columns: Sequence[str], rows: Sequence[Row], keys: Sequence[str]
) -> Iterator[Statement]:
    makers = [(name, _maker(table, name)) for name in columns]
    odd_max = PARAMETERS_MAX // len(columns)
    plain: list[bytes] = []
    odd: list[Any] = []
    for row in sorted(rows, key=lambda row: key_of(row, keys)):
        cells = [make(row[name]) for name, make in makers]
        said = b"\\" if any(type(cell) is bytes for cell in cells) else _encode(cells)
        if b"\\" in said:
            odd.append(cells)
        else:
            plain.append(said)
        if len(plain) == ROWS_MAX or len(odd) == odd_max:
            yield _statement(text, plain, odd)
            plain, odd = [], []
    if plain or odd:
        yield _statement(text, plain, odd)


def _statement(text: Callable[[int], str], plain: Sequence[bytes], odd: Sequence[Sequence[Any]]) -> Statement:
    json = b"[" + b",".join(plain) + b"]"
    return Statement(text(len(odd)), (json.decode(), *(cell for row in odd for cell in row)), len(plain) + len(odd))


def _require_columns(table: str, columns: Sequence[str]) -> None:
    known = metadata.tables[table].columns.keys()
    if unknown := set(columns) - set(known):
        raise ValueError(f"{table}: expected columns {sorted(known)}, got also {sorted(unknown)}")


@cache
def _maker(table: str, name: str) -> Callable[[Any], Any]:
    """What makes a cell of JSON of a value."""
    column = metadata.tables[table].columns.get(name)
    if column is None or isinstance(column.type, sa.Integer):  # `until` is no column
        return _integer
    if isinstance(column.type, sa.Float):
        return _number
    if sql.is_binary(column):
        return _bytes
    limit = getattr(column.type.dialect_impl(sql.DIALECT), "length", None)
    return _text(f"{table}.{name}", limit, bool(column.primary_key)) if limit else _same


def _text(where: str, limit: int, key: bool) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        if value is None:
            return None
        if len(value) * 2 > limit and len(value.encode("utf-16-le")) > limit * 2:
            raise InvalidInput(
                f"{where}: expected a text of at most {limit} characters of UTF-16, got {len(value)}: {value[:80]!r}"
            )
        if key and value.endswith(" "):
            raise InvalidInput(
                f"{where}: expected a key without a blank at its end, got {value!r}; to SQL Server both are one"
            )
        return value

    return checked


def _integer(value: Any) -> Any:
    return None if value is None else int(value)


def _number(value: Any) -> Any:
    return float(value) if value is not None and math.isfinite(value) else None


def _bytes(value: Any) -> Any:
    return None if value is None else bytes(value)


def _same(value: Any) -> Any:
    return value
