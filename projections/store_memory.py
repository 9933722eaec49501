"""Store in memory: for tests, experiments and scoring without a database.

Rules: the port's rules, with the keys of projections/tables.py; a column that no row named is None. Nothing outlives the object.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tailrace.engine.store import Change, Place, Row
from tailrace.projections.batch import together
from tailrace.projections.summaries import KEPT, made, overlaps
from tailrace.projections.tables import metadata
from tailrace.schemas.errors import StaleWriter

Key = tuple[Any, ...]
Table = dict[Key, dict[str, Any]]


class MemoryStore:
    """The read models as dicts."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}
        self._places: dict[str, Place] = {}

    async def commit(self, projection: str, expected: Place, changes: Sequence[Change], reached: Place) -> None:
        stands = await self.place(projection)
        if stands != expected:
            raise StaleWriter(
                f"{projection}: expected its rows at position {expected.position}, got {stands.position}; another writer was here"
            )
        tables = {change.table: dict(self._tables.get(change.table, {})) for change in changes}
        for change in changes:
            _keep(tables[change.table], change, self._tables | tables)
            _apply(tables[change.table], change)
            _make_again(tables[change.table], change, self._tables | tables)
        self._tables |= tables
        self._places[projection] = Place(reached.position, dict(reached.marks))

    async def place(self, projection: str) -> Place:
        return self._places.get(projection, Place())

    def rows(self, table: str) -> list[Mapping[str, Any]]:
        """The rows of a table, by key."""
        found = self._tables.get(table, {})
        return [found[key] for key in sorted(found)]


def _apply(table: Table, change: Change) -> None:
    columns = metadata.tables[change.table].columns
    keys = [column.name for column in columns if column.primary_key]
    for row in change.upsert:
        if unknown := row.keys() - columns.keys():
            raise ValueError(f"{change.table}: expected columns {sorted(columns.keys())}, got also {sorted(unknown)}")
        key = _key(row, keys)
        if change.newest and key in table and _key(row, change.newest) < _key(table[key], change.newest):
            continue
        table[key] = {name: None for name in columns.keys()} | table.get(key, {}) | _numbers(row)  # noqa: SIM118
    for row in change.delete:
        table.pop(_key(row, keys), None)
    for row in change.add:
        key = _key(row, keys)
        table[key] = together(table[key], row, change.table) if key in table else dict(row)


def _numbers(row: Row) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }


def _keep(table: Table, change: Change, tables: Mapping[str, Table]) -> None:
    if not change.keep:
        return
    to, of = metadata.tables[change.table], metadata.tables[KEPT[change.table]]
    for row in change.keep:
        stands = tables.get(of.name, {}).get(_key(row, [column.name for column in of.primary_key]))
        if stands is not None and stands["revision"] < row["until"]:
            copy = {name: stands[name] if name in of.columns else row[name] for name in to.columns.keys()}  # noqa: SIM118
            table[_key(copy, [column.name for column in to.primary_key])] = copy


def _make_again(table: Table, change: Change, tables: Mapping[str, Table]) -> None:
    keys = [column.name for column in metadata.tables[change.table].primary_key]
    for stretch in change.again:
        for key in [key for key, row in table.items() if overlaps(row, stretch, change.table)]:
            del table[key]
        minutes, shifts = (tables.get(name, {}).values() for name in ("oee_bucket", "shift"))
        for row in made(change.table, stretch, minutes, shifts):
            table[_key(row, keys)] = row


def _key(row: Row, keys: Sequence[str]) -> Key:
    return tuple(row[name] for name in keys)
