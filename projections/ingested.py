"""Projection `ingested`: the latest ingest time in each stretch of BLOCK positions of the log, so that the first record that came
in after some time is found without a look at all of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Literal

from tailrace.engine.projection import Part
from tailrace.engine.store import Change
from tailrace.projections.store_sqlite import place_of
from tailrace.schemas.record import Record

BLOCK = 1000


class IngestedRows:
    """The mapping."""

    name = "ingested"
    reads: Literal["events", "derived"] = "events"

    def wants(self, record: Record) -> bool:
        return True

    def changes(self, parts: Sequence[Part[Record]]) -> list[Change]:
        latest: dict[int, int] = {}
        for part in parts:
            block = _block(part.record.position)
            latest[block] = max(latest.get(block, part.record.ingested), part.record.ingested)
        rows: list[dict[str, Any]] = [{"block": block, "ingested_ns": t} for block, t in latest.items()]
        return [Change("log_block", add=rows)]


def before(connection: sqlite3.Connection, t: int) -> int:
    """A position up to which nothing came in after t (ns), less than BLOCK before the first record that did, if rows have it."""
    (block,) = connection.execute("SELECT min(block) FROM log_block WHERE ingested_ns > ?", (t,)).fetchone()
    return place_of(connection, IngestedRows.name).position if block is None else int(block) * BLOCK


def _block(position: int) -> int:
    return (position - 1) // BLOCK
