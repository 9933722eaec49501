"""Digests of the read models: 32 bytes that are equal where two stores hold the same rows, however they came by them.

Rules (the same on every database and every machine):
1. sha256 over a table's rows in the order of their business key, text by code points; each row is the msgpack array of its
   columns in the order of projections/tables.py.
2. A time (`TIMES`) is int64 microseconds since 1970 UTC, as a DATETIME2(6) holds it; an integer is an integer; a float is its
   IEEE bits, with -0 as 0 and what is no number as null.
3. Positions in a log, and the place of a projection in its own, say how things are stored and not what happened: they are in
   no digest.
"""

from __future__ import annotations

import hashlib
import math
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import zip_longest
from typing import Any

import msgspec
import sqlalchemy as sa

from tailrace.projections.tables import checkpoint, log_block, metadata

MODELS = tuple(sorted(metadata.tables.keys() - {checkpoint.name, log_block.name}))
"""The read models: every table but the places of projections, and of ingest times in the log."""

TIMES = frozenset({"start", "end", "t", "since", "cleared", "DetectionTime"})
"""Columns that hold an instant as text or as the database's own time."""

NOT_SAID = frozenset({"position"})
"""Columns that are in no digest."""

Row = tuple[Any, ...]
Read = Callable[[sa.Select[Any]], Awaitable[list[dict[str, Any]]]]
"""Reads the rows of a statement, by column name."""

_encode = msgspec.msgpack.Encoder().encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def digests(connection: sqlite3.Connection) -> dict[str, str]:
    """The digest of each read model, by name, in hex."""
    return {model: digest(rows(connection, model)) for model in MODELS}


def digest(found: Iterable[Row]) -> str:
    """The digest of canonical rows in order."""
    total = hashlib.sha256()
    for row in found:
        total.update(_encode(row))
    return total.hexdigest()


def rows(connection: sqlite3.Connection, model: str) -> Iterator[Row]:
    """The canonical rows of a read model, in the order of their keys."""
    names = ", ".join(f'"{name}"' for name in columns_of(model))
    keys = ", ".join(f'"{name}"' for name in keys_of(model))
    each = _canonical(model)
    for row in connection.execute(f'SELECT {names} FROM "{model}" ORDER BY {keys}'):
        yield tuple([make(value) for make, value in zip(each, row, strict=True)])


async def digests_of(read: Read) -> dict[str, str]:
    """The same of any database, by what reads a statement there."""
    return {model: digest([row async for row in rows_of(read, model)]) for model in MODELS}


async def rows_of(read: Read, model: str) -> AsyncIterator[Row]:
    """The canonical rows of a read model there. Sorted here: databases have orders of text of their own."""
    table, keys = metadata.tables[model], keys_of(model)
    select = sa.select(*(table.c[name] for name in columns_of(model)))
    if len(keys) == 1:
        selects = [select]
    else:  # not all at once: by machine, as a rule
        first = table.c[keys[0]]
        found = sorted(row[keys[0]] for row in await read(sa.select(first).distinct()))
        selects = [select.where(first == value) for value in found]
    each, places = _canonical(model), [columns_of(model).index(name) for name in keys]
    for one in selects:
        some = [tuple([make(v) for make, v in zip(each, row.values(), strict=True)]) for row in await read(one)]
        for row in sorted(some, key=lambda row: _key(row, places)):
            yield row


def columns_of(model: str) -> list[str]:
    """The columns of a model that are in its digest, in order."""
    return [str(column.name) for column in metadata.tables[model].columns if column.name not in NOT_SAID]


def keys_of(model: str) -> list[str]:
    """The columns of a model's business key."""
    return [str(column.name) for column in metadata.tables[model].primary_key]


def first_difference(model: str, here: Iterable[Row], there: Iterable[Row]) -> tuple[dict[str, Any], list[str]] | None:
    """The key of the first row that is not the same in both, and the columns that differ; [] where a side lacks the row."""
    columns = columns_of(model)
    keys = [columns.index(name) for name in keys_of(model)]
    for mine, its in zip_longest(here, there):
        if mine == its:
            continue
        row = mine if its is None or (mine is not None and _key(mine, keys) <= _key(its, keys)) else its
        alone = mine is None or its is None or _key(mine, keys) != _key(its, keys)
        names = [] if alone else [name for name, a, b in zip(columns, mine, its, strict=True) if a != b]
        return {columns[i]: row[i] for i in keys}, names
    return None


def micros(value: str | datetime) -> int:
    """Microseconds since 1970 of a time in UTC, as text or as the database's own."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return (at.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def _key(row: Row, keys: Sequence[int]) -> Row:
    return tuple(row[i] for i in keys)


@cache
def _canonical(model: str) -> tuple[Callable[[Any], Any], ...]:
    return tuple(_maker(column) for column in metadata.tables[model].columns if column.name not in NOT_SAID)


def _maker(column: sa.Column[Any]) -> Callable[[Any], Any]:
    if column.name in TIMES:
        return _time
    if isinstance(column.type, sa.Float):
        return _number
    return _same


def _time(value: Any) -> Any:
    return None if value is None else micros(value)


def _number(value: Any) -> Any:
    return float(value) + 0.0 if value is not None and math.isfinite(value) else None


def _same(value: Any) -> Any:
    return value
