"""Store on SQL Server: rows and place in one transaction, fenced by the place.

Rules
1. A commit is one transaction: the fence, then the rows (projections/mssql_statements.py), then COMMIT. What it will say is
   worked out before it begins.
2. The fence alone decides. It is an UPDATE of the projection's row where the place is the one that the writer believes in, so
   the second of two writers waits for the first and then finds another place. Locks that are ignored, and isolation that is
   weaker, cost a repeated transaction and nothing else.
3. After a deadlock, a lost race for a key or a cut connection the whole transaction is tried again, a few times with growing
   waits.
4. Where a COMMIT was cut off its outcome is unknown. The fence of the next try tells: either the place is the old one, and the
   try is the commit; or it is not, and where it is the one that was to be reached the rows are there, for they follow from the
   place.
5. An error that stays is one of schemas/errors.py, with the server's words. `Unavailable` is for waiting and trying again
   later.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tailrace.engine.store import Change, Place
from tailrace.projections import mssql_driver, mssql_schema
from tailrace.projections import mssql_statements as sql
from tailrace.projections.mssql_errors import Ladder, explained, transient
from tailrace.projections.mssql_rows import Statement, statements
from tailrace.schemas.errors import Conflict, StaleWriter

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Wait(Protocol):
    async def __call__(self, seconds: float, /) -> Any: ...


class MssqlStore:
    """The read models in a database of SQL Server. `schema`: where its tables are, None = the log-in's own."""

    def __init__(
        self,
        engine: AsyncEngine,
        schema: str | None = None,
        *,
        ladder: Ladder | None = None,
        dice: random.Random | None = None,
        wait: Wait = asyncio.sleep,
    ) -> None:
        self._engine, self._schema = engine, schema
        self._ladder, self._dice, self._wait = ladder or Ladder(), dice or random.Random(), wait
        self._where = mssql_driver.server_of(engine.url)

    @classmethod
    def open(cls, url: str, schema: str | None = None) -> MssqlStore:
        """A store for a URL; nothing is connected yet. Raises InvalidSettings for a URL that cannot be one."""
        return cls(mssql_driver.engine(url), schema)

    @property
    def engine(self) -> AsyncEngine:
        return self._engine

    async def prepare(self) -> None:
        """Makes the tables, or brings them to this release, and the role that reads them."""
        await self._tried(lambda connection: connection.run_sync(mssql_schema.prepare, self._schema))
        await self._tried(lambda connection: connection.run_sync(mssql_schema.make_reader, self._schema))

    async def commit(self, projection: str, expected: Place, changes: Sequence[Change], reached: Place) -> None:
        said = statements(changes, self._schema)

        async def once(connection: AsyncConnection) -> None:
            await self._move(connection, projection, expected, reached)
            for each in said:
                await _say(connection, each)

        unknown = False
        for attempt in range(self._ladder.tries):
            attempted = _Attempt(self._engine)
            try:
                await attempted.run(once)
                return
            except StaleWriter:
                if unknown and await self.place(projection) == reached:
                    return
                raise
            except DBAPIError as error:
                unknown |= attempted.committing
                why = transient(error)
                if why is None or attempt == self._ladder.tries - 1:
                    raise explained(error, self._where) from error
                _log.warning("%s: %s: %s; trying the transaction again", self._where, projection, why)
            await self._wait(self._ladder.wait_s(attempt, self._dice))

    async def place(self, projection: str) -> Place:
        return await self._tried(lambda connection: self._stands(connection, projection))

    async def read(self, statement: sa.Select[Any]) -> list[dict[str, Any]]:
        """The rows of a statement, by column name."""

        async def once(connection: AsyncConnection) -> list[dict[str, Any]]:
            mapped = {None: self._schema} if self._schema else {}
            found = await connection.execute(statement, execution_options={"schema_translate_map": mapped})
            return [dict(row) for row in found.mappings()]

        return await self._tried(once)

    async def close(self) -> None:
        await self._engine.dispose()

    async def _tried(self, once: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        for attempt in range(self._ladder.tries):
            try:
                return await _Attempt(self._engine).run(once)
            except DBAPIError as error:
                if transient(error) is None or attempt == self._ladder.tries - 1:
                    raise explained(error, self._where) from error
            await self._wait(self._ladder.wait_s(attempt, self._dice))
        raise AssertionError("the last try returns or raises")

    async def _move(self, connection: AsyncConnection, projection: str, expected: Place, reached: Place) -> None:
        to, of = (reached.position, _marks(reached)), (expected.position, _marks(expected))
        moved = await _number(connection, sql.move(self._schema), (*to, projection, *of))
        if not moved and expected == Place():
            moved = await _number(connection, sql.begin(self._schema), (projection, *to))
        if not moved:
            stands = await self._stands(connection, projection)
            raise StaleWriter(
                f"{projection}: expected its rows at position {expected.position}, got {stands.position}; another writer was here"
            )

    async def _stands(self, connection: AsyncConnection, projection: str) -> Place:
        found: Any = (await connection.exec_driver_sql(sql.place(self._schema), (projection,))).one_or_none()
        return Place(found[0], msgspec.msgpack.decode(found[1], type=dict[str, int])) if found else Place()


class _Attempt:
    """One transaction; committing: whether it had come to its COMMIT, whose outcome nobody knows after an error."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine, self.committing = engine, False

    async def run(self, once: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with self._engine.connect() as connection:
            found = await once(connection)
            self.committing = True
            try:
                await connection.commit()
            except DBAPIError:
                await connection.invalidate()  # nobody knows what is open on it
                raise
            return found


async def _say(connection: AsyncConnection, said: Statement) -> None:
    if said.rows is None:
        await connection.exec_driver_sql(said.sql, said.values)
        return
    staged = await _number(connection, said.sql, said.values)
    if staged != said.rows:
        raise Conflict(f"expected the server to stage {said.rows} rows, got {staged}: {said.sql[:200]}")


async def _number(connection: AsyncConnection, text: str, values: tuple[Any, ...]) -> int:
    return int((await connection.exec_driver_sql(text, values)).scalar_one())


def _marks(place: Place) -> bytes:
    """The marks as bytes that are the same for the same marks."""
    return msgspec.msgpack.encode(dict(sorted(place.marks.items())))
