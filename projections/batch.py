"""Rows of a batch as one row a key, for stores that write a batch at once: what stands after all were written one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tailrace.engine.store import Row
from tailrace.projections.tables import ADD, metadata

Key = tuple[Any, ...]


def key_of(row: Row, keys: Sequence[str]) -> Key:
    return tuple(row[name] for name in keys)


def by_columns(rows: Iterable[Row]) -> dict[tuple[str, ...], list[Row]]:
    """The rows by the columns that they name, in order."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row), []).append(row)
    return found


def last(rows: Iterable[Row], keys: Sequence[str], newest: Sequence[str] = ()) -> list[Row]:
    """Of rows with the same columns the one of each key that stands."""
    found: dict[Key, Row] = {}
    for row in rows:
        key = key_of(row, keys)
        stands = found.get(key)
        if stands is None or not newest or key_of(row, newest) >= key_of(stands, newest):
            found[key] = row
    return list(found.values())


def summed(rows: Iterable[Row], table: str) -> list[Row]:
    """Rows to add, put together by key."""
    keys = [column.name for column in metadata.tables[table].primary_key]
    found: dict[Key, Row] = {}
    for row in rows:
        key = key_of(row, keys)
        found[key] = together(found[key], row, table) if key in found else row
    return list(found.values())


def rounds(rows: Iterable[Row], keys: Sequence[str]) -> Iterator[list[Row]]:
    """The rows in pieces that have each key once, so that one piece after the other is one row after the other."""
    pieces: list[dict[Key, Row]] = []
    seen: dict[Key, int] = {}
    for row in rows:
        key = key_of(row, keys)
        turn = seen[key] = seen.get(key, -1) + 1
        if turn == len(pieces):
            pieces.append({})
        pieces[turn][key] = row
    return (list(piece.values()) for piece in pieces)


def together(old: Row, new: Row, table: str) -> dict[str, Any]:
    """Two rows of a key put together, each column as its table says."""
    rules = {column.name: column.info.get(ADD) for column in metadata.tables[table].columns}
    sums = {column: old[column] + new[column] for column, rule in rules.items() if rule == "sum"}
    return dict(old) | sums | {column: max(old[column], new[column]) for column, rule in rules.items() if rule == "max"}
