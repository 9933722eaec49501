"""Rows of a statement, and lists in pages whose cursors are opaque: each names the last row that was given."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from tailrace.schemas.answer import Page
from tailrace.schemas.errors import InvalidInput

LIMIT_MAX = 1000
T = TypeVar("T")
_DIALECT = sqlite.dialect(paramstyle="named")


def rows(connection: sqlite3.Connection, statement: sa.Select[Any]) -> list[dict[str, Any]]:
    """The rows of a statement, by column name."""
    compiled = statement.compile(dialect=_DIALECT)
    found = connection.execute(str(compiled), compiled.params)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found]


def page(
    connection: sqlite3.Connection,
    statement: sa.Select[Any],
    limit: int,
    item: Callable[[dict[str, Any]], T],
    place: Callable[[dict[str, Any]], Any],
) -> Page[T]:
    """The first `limit` rows of an ordered statement as items; `place` gives what a cursor says of a row."""
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidInput(f"limit: expected 1 to {LIMIT_MAX}, got {limit}")
    found = rows(connection, statement.limit(limit + 1))
    more = len(found) > limit
    return Page([item(row) for row in found[:limit]], closed(place(found[limit - 1])) if more else None)


def closed(place: Any) -> str:
    """The cursor of a place."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).decode().rstrip("=")


def opened(cursor: str, kind: type[T]) -> T:
    """The place of a cursor; raises InvalidInput where it is none."""
    try:
        return msgspec.msgpack.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=kind)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidInput(f"cursor: expected the `next` of an earlier answer, got {cursor[:80]!r}") from None
