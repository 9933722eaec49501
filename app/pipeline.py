"""From the log to the rows, a step at a time: fold, derived events, checkpoint, rows and place in one transaction.

Rules: a step is all or nothing, so a crash anywhere leaves the read store at the end of a step. `reached` is how far in the
log everything is folded and in the rows; it is stored with them, and no row says anything of what comes after it: who is
behind catches up first, and then all take the same records. So the rows at a place are a function of the log up to there.
Steps may be asked for from any thread, and run one after the other; nothing in a step suspends.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from tailrace.connectors.log_sqlite_file import words
from tailrace.engine.projector import Projector
from tailrace.engine.store import Place, Store
from tailrace.engine.unit import unit
from tailrace.engine.worker import Worker
from tailrace.schemas.errors import Unavailable

T = TypeVar("T")

PLACE = "pipeline"
"""The name under which `reached` is kept among the places of the store."""


class Origin(Protocol):
    """The log that the rows are made of (app/same_log.py)."""

    def require(self) -> None:
        """Raises where the rows were made of another one."""

    def keep(self, position: int) -> None:
        """The rows reach a position, in the transaction that is open."""


class Pipeline:
    """The workers and projectors of one read store. Before the first step, the log has to be the one that its rows are of."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        store: Store,
        workers: Sequence[Worker],
        derived: Sequence[Projector[Any]],
        events: Sequence[Projector[Any]],
        origin: Origin,
    ) -> None:
        self._connection, self._store = connection, store
        self._workers, self._derived, self._events = workers, derived, events
        self._origin = origin
        self._place: Place | None = None
        self._one = threading.Lock()

    @property
    def reached(self) -> int:
        """The position in the log up to which everything is in the rows; 0 until the first step."""
        return self._place.position if self._place else 0

    def step(self, until: int | None = None) -> bool:
        """Takes the next batch, never beyond `until`; False when there was nothing left to do.

        After an error the next step starts anew.
        """
        with self._one:
            try:
                with unit(self._connection):
                    return drive(self._step(until))
            except sqlite3.Error as error:
                self._abandon()
                raise Unavailable(f"rows were not stored: {words(error)}") from error
            except BaseException:
                self._abandon()
                raise

    def drain(self, until: int | None = None) -> int:
        """Steps until nothing is left; gives `reached`."""
        while self.step(until):
            pass
        return self.reached

    def checkpoint(self) -> None:
        """Saves the state of every worker, so that the next start has little to fold."""
        with self._one, unit(self._connection):
            for worker in self._workers:
                drive(worker.checkpoint())

    def _abandon(self) -> None:
        self._place = None
        for worker in self._workers:
            worker.abandon()
        for projector in (*self._derived, *self._events):
            projector.abandon()

    async def _step(self, until: int | None) -> bool:
        if self._place is None:
            self._origin.require()
        self._place = place = self._place or await self._store.place(PLACE)
        followers: list[Worker | Projector[Any]] = [*self._workers, *self._events]
        stands = [await each.restore() for each in followers]
        if min(stands) < place.position:
            for each in followers:
                await each.step(place.position)
            await self._project()
            return True
        lead = followers[0]
        await lead.step(until)
        for each in followers[1:]:
            await each.drain(lead.position)
        await self._project()
        if lead.position <= place.position:
            return False
        self._place = Place(lead.position)
        await self._store.commit(PLACE, place, [], self._place)
        self._origin.keep(lead.position)
        return True

    async def _project(self) -> None:
        for projector in self._derived:
            await projector.drain()


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("a step has to finish without waiting: its adapters answer at once")
