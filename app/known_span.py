"""From when to when something is known of a data folder: the hours of its rows."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from tailrace.app import compose
from tailrace.projections.pages import rows
from tailrace.projections.tables import oee_hour
from tailrace.schemas.instant import HOUR


def span(directory: Path) -> tuple[int, int] | None:
    """[start of the first hour, end of the last one) in ns UTC; None where there is none."""
    first, last = sa.func.min(oee_hour.c.start_ns), sa.func.max(oee_hour.c.start_ns)
    with compose.read_store(directory) as connection:
        (found,) = rows(connection, sa.select(first.label("first"), last.label("last")))
    return None if found["first"] is None else (found["first"], found["last"] + HOUR)
