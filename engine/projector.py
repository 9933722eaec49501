"""The projector: makes rows of a log, each record once, whatever fails.

Rules
1. Rows and place go into the store together, fenced by the place that was there before; so a row is never there twice or not
   at all, and of two projectors one goes on.
2. A place in `derived` is a position and the marks (engine/reader.py), for a record may be there twice; a record of `events`
   is there once, so there a place is the position alone.
3. The store's place is the truth: after any failure it is read again.
4. A record of `events` that cannot be read gives no rows here; the workers park it, by name (engine/parking.py).
5. Only ports are awaited, and nothing here commits by itself: a step may be part of a caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from tailrace.engine.projection import Part, Projection
from tailrace.engine.reader import Reader, require_next
from tailrace.engine.store import Change, Place, Store
from tailrace.schemas.errors import Conflict, InvalidEvent, StaleWriter
from tailrace.schemas.record import Derived, Record

R = TypeVar("R", bound=Record | Derived)
R_co = TypeVar("R_co", bound=Record | Derived, covariant=True)


class Readable(Protocol[R_co]):
    """What a projector needs of either log."""

    async def read(self, after: int, limit: int) -> Sequence[R_co]: ...

    async def end(self) -> int: ...


class Projector(Generic[R]):
    """Moves one projection along its log."""

    def __init__(self, store: Store, projection: Projection[R], log: Readable[R], *, batch: int = 1000) -> None:
        self._store, self._projection, self._log, self._batch = store, projection, log, batch
        self._place: Place | None = None

    @property
    def position(self) -> int:
        """Where the rows stand in the log; 0 until the place is known."""
        return self._place.position if self._place else 0

    async def restore(self) -> int:
        """Learns the place from the store unless it is known; gives its position."""
        self._place = self._place or await self._stored()
        return self.position

    async def step(self, until: int | None = None) -> int:
        """Makes rows of the next batch, never beyond `until`; gives the number of records read, 0 at the log's end.

        Another projector may have been faster: then nothing is written, and the next step goes on from its place.
        """
        place, self._place = self._place or await self._stored(), None
        limit = self._batch if until is None else min(self._batch, until - place.position)
        records = await self._log.read(place.position, limit) if limit > 0 else ()
        if records:
            try:
                place = await self._commit(place, records)
            except StaleWriter:
                return len(records)
        self._place = place
        return len(records)

    async def drain(self, until: int | None = None) -> int:
        """Makes rows of everything that is there, or up to `until`; gives the position reached."""
        while await self.step(until):
            pass
        return self.position

    def abandon(self) -> None:
        """To be called when the transaction around a step was rolled back: the place is read again."""
        self._place = None

    async def _commit(self, place: Place, records: Sequence[R]) -> Place:
        require_next(records, place.position, self._projection.name)
        reader = self._reader(place)
        parts = [part for record in records if (part := self._part(reader, record))]
        reached = Place(position=records[-1].position, marks=reader.marks)
        await self._store.commit(self._projection.name, place, self._changes(parts), reached)
        return reached

    def _changes(self, parts: Sequence[Part[R]]) -> Sequence[Change]:
        try:
            return self._projection.changes(parts)
        except InvalidEvent:
            return self._projection.changes([part for part in parts if self._reads(part)])

    def _reads(self, part: Part[R]) -> bool:
        try:
            self._projection.changes([part])
        except InvalidEvent:
            return isinstance(part.record, Derived)
        return True

    def _reader(self, place: Place) -> Reader:
        return Reader(place.marks, self._projection.name)

    def _part(self, reader: Reader, record: R) -> Part[R] | None:
        if not self._projection.wants(record):
            return None
        if isinstance(record, Record):
            return Part(record) if record.intact() else None
        skip = reader.take(record)
        return Part(record, skip) if skip < record.n else None

    async def _stored(self) -> Place:
        place, end = await self._store.place(self._projection.name), await self._log.end()
        if place.position > end:
            raise Conflict(
                f"{self._projection.name}: expected a log that reaches position {place.position}, where its rows stand, got "
                f"one that ends at {end}; these rows were made of another log: bring that log back, or rebuild the rows"
            )
        return place
