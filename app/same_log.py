"""Whether rows were made of the log beside them: a log that lost its end, as an older backup has, gives other figures.

Rules: the newest checkpoint says which record it stands on, by position and hash, and the rows how far they reach. A log only
grows, and a record is durable before anybody can read it; so where that record is another one, or none, it is another log.
A record that was damaged since is still the one that the checkpoint stands on, as far as anybody knows.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tailrace.app.pipeline import PLACE
from tailrace.connectors.checkpoints_sqlite import SqliteCheckpoints
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.engine.restore import record_hash
from tailrace.projections.store_sqlite import place_of
from tailrace.schemas.errors import Conflict


def require_same_log(rows: Path, connection: sqlite3.Connection, log: LogReader) -> None:
    """Raises Conflict where the rows of a read store were made of another log; rows: its file."""
    reached, end = place_of(connection, PLACE).position, log.end()
    if reached > end:
        raise Conflict(
            f"{rows}: expected a log that reaches position {reached}, as these rows do, got {_other(log, end)}"
        )
    newest = SqliteCheckpoints(connection).newest()
    if newest is None:
        return
    found = log.read(newest.position - 1, 1)
    if not found:
        what = f"expected a log that reaches position {newest.position}, as a checkpoint does"
        raise Conflict(f"{rows}: {what}, got {_other(log, end)}")
    if found[0].intact() and record_hash(found[0]) != newest.record_hash:
        what = f"expected at position {newest.position} the record that a checkpoint stands on"
        raise Conflict(f"{rows}: {what}, got another one in {_other(log, end)}")


def _other(log: LogReader, end: int) -> str:
    return (
        f"{log.path.name} that ends at {end}. Was it restored from an older backup? Bring the newer one back; or, if that is "
        "lost, delete this file: it is made again from the log that is there"
    )
