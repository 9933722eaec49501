"""Answers of the query functions as Polars frames: the columns of app/analyst_columns.py, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import polars as pl

from tailrace.app.analyst_columns import Column
from tailrace.schemas.instant import parse_instant

TYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "time": pl.Datetime("ns", "UTC"),
    "number": pl.Float64(),
    "integer": pl.Int64(),
    "texts": pl.List(pl.String()),
}


def frame(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows by column name as a frame; a time is ISO 8601 text or null, what a text column has of another type is JSON."""
    return pl.DataFrame([_series(column, [row[column.name] for row in rows]) for column in columns])


def _series(column: Column, cells: list[Any]) -> pl.Series:
    if column.kind == "time":
        ns = [None if cell is None else int(parse_instant(cell)) for cell in cells]
        return pl.Series(column.name, ns, pl.Int64).cast(TYPES["time"])
    if column.kind == "text":
        cells = [
            cell if cell is None or isinstance(cell, str) else msgspec.json.encode(cell).decode() for cell in cells
        ]
    if column.kind == "number":
        cells = [None if cell is None else float(cell) for cell in cells]
    return pl.Series(column.name, cells, TYPES[column.kind])
