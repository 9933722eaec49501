"""Whether rows were made of the log beside them: a log that lost its end, as an older backup has, gives other figures.

Rules: the rows say how far they reach and with which chain of the log (connectors/chain.py), and the newest checkpoint which
record it stands on, by position and hash. A log only grows, and a record is durable before anybody can read it; so where a chain
or a record is another one, or none, it is another log, also where it has grown beyond the rows since.
A record that was damaged since is still the one that was there, as far as anybody knows.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tailrace.app.pipeline import PLACE
from tailrace.connectors.checkpoints_sqlite import SqliteCheckpoints
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.connectors.origin_sqlite import SqliteOrigin
from tailrace.engine.restore import record_hash
from tailrace.projections.store_sqlite import place_of
from tailrace.schemas.errors import Conflict


class SameLog:
    """The log that the rows of a read store are made of. rows: the store's file, for words."""

    def __init__(self, rows: Path, connection: sqlite3.Connection, log: LogReader) -> None:
        self._rows, self._connection, self._log = rows, connection, log
        self._origin = SqliteOrigin(connection)

    def require(self) -> None:
        """Raises Conflict where the rows were made of another log."""
        reached, end = place_of(self._connection, PLACE).position, self._log.end()
        if reached > end:
            raise self._conflict(f"a log that reaches position {reached}, as these rows do", end)
        self._require_record(end)
        self._require_chain(end)

    def keep(self, position: int) -> None:
        """The rows reach a position from now on; part of the transaction that moves them."""
        self._origin.put(*self._log.known_chain(position))

    def _require_record(self, end: int) -> None:
        newest = SqliteCheckpoints(self._connection).newest()
        if newest is None:
            return
        found = self._log.read(newest.position - 1, 1)
        if not found:
            raise self._conflict(f"a log that reaches position {newest.position}, as a checkpoint does", end)
        if found[0].intact() and record_hash(found[0]) != newest.record_hash:
            raise self._conflict(
                f"at position {newest.position} the record that a checkpoint stands on", end, "another one in "
            )

    def _require_chain(self, end: int) -> None:
        made_of = self._origin.get()
        if made_of is None:
            return
        position, chain = made_of
        if self._log.chain(position) not in (chain, None):
            raise self._conflict(
                f"up to position {position} the records that these rows were made of", end, "others in "
            )

    def _conflict(self, expected: str, end: int, got: str = "") -> Conflict:
        return Conflict(
            f"{self._rows}: expected {expected}, got {got}{self._log.path.name} that ends at {end}. Was it restored from an "
            "older backup? Bring the newer one back; or, if that is lost, delete this file: it is made again from the log that "
            "is there"
        )
