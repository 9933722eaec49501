"""Of which log the rows in a database are, and how far: kept there as a place of its own, by name ORIGIN.

Rules: it is written before any row of what it names, so rows are never of a log that it does not know; `whole` is written after
the last one, and is where the rows of every projection stand together. Asked of the log is its chain (connectors/chain.py) at
a position: a log that lost its end, also one that has grown since, and another plant's have another one there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa

from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.engine.store import Place, Store
from tailrace.schemas.errors import Conflict, StaleWriter

ORIGIN = "log"


class SqlStore(Store, Protocol):
    """A database that is named by a URL."""

    async def prepare(self) -> None: ...

    async def read(self, statement: sa.Select[Any]) -> list[dict[str, Any]]: ...

    async def close(self) -> None: ...


class Origin(msgspec.Struct, frozen=True):
    """What a database says of its rows. reached: they go no farther; whole: they are all there up to it.

    at, chain: a position in the log, and its chain there. derived: which derived log its places count in.
    """

    reached: int = 0
    whole: int = 0
    at: int = 0
    chain: str = ""
    derived: str = ""

    @classmethod
    def of(cls, place: Place) -> Origin:
        """As it was kept."""
        said = {name.partition("/"): value for name, value in place.marks.items()}
        named = {kind: (rest, value) for (kind, _, rest), value in said.items()}
        chain, at = named.get("chain", ("", 0))
        return cls(place.position, named.get("whole", ("", 0))[1], at, chain, named.get("derived", ("", 0))[0])

    @property
    def place(self) -> Place:
        """As it is kept: marks are numbers by name."""
        marks: Mapping[str, int] = {f"chain/{self.chain}": self.at, f"derived/{self.derived}": 1, "whole": self.whole}
        return Place(self.reached, marks)


class Of:
    """The origin of the rows in a database. After an error it is to be read again."""

    def __init__(self, store: SqlStore, log: LogReader, where: str) -> None:
        self._store, self._log, self._where = store, log, where
        self.now = Origin()
        self._kept = Place()

    async def require(self) -> None:
        """Reads it; raises Conflict where the rows are not of this log."""
        self._kept = await self._store.place(ORIGIN)
        self.now = now = Origin.of(self._kept)
        end = self._log.end()
        if now.reached > end:
            raise self._conflict(
                f"a log that reaches position {now.reached}, as its rows may", f"one that ends at {end}"
            )
        if now.at and self._log.chain(now.at) not in (bytes.fromhex(now.chain), None):
            raise self._conflict(
                f"up to position {now.at} the records that its rows were made of",
                f"others, in a log that ends at {end}",
            )

    async def still(self) -> None:
        """Raises StaleWriter where the database says something else by now."""
        if await self._store.place(ORIGIN) != self._kept:
            raise StaleWriter(f"{self._where}: expected its rows as they were left, got others")

    async def begin(self, reached: int, derived: str) -> None:
        """Rows up to a position follow."""
        at, chain = self._log.known_chain(reached)
        await self._put(Origin(reached, self.now.whole, at, chain.hex(), derived))

    async def done(self, position: int) -> None:
        """All rows up to a position are there."""
        await self._put(msgspec.structs.replace(self.now, whole=max(self.now.whole, position)))

    async def _put(self, origin: Origin) -> None:
        if origin != self.now:
            await self._store.commit(ORIGIN, self._kept, [], origin.place)
            self.now, self._kept = origin, origin.place

    def _conflict(self, expected: str, got: str) -> Conflict:
        return Conflict(
            f"{self._where}: expected {expected}, got {got}. Is it the database of another plant, or was the log restored from "
            "an older backup? Name another database in read_models, bring the log back, or empty the database: it is filled again"
        )
