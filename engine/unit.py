"""One transaction around what several adapters of one SQLite file do.

Rule: who finds a transaction open joins it; who opens it ends it. So an adapter commits alone, or as part of a larger step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Connection(Protocol):
    """What is needed of a DB-API connection in autocommit mode."""

    @property
    def in_transaction(self) -> bool: ...

    def execute(self, sql: str, /) -> Any: ...


@contextmanager
def unit(connection: Connection) -> Iterator[None]:
    """Everything inside is stored together, or not at all."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk or a failed write has ended it already
            connection.execute("ROLLBACK")
        raise
