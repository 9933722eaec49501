"""The read models in a database of the plant's choice, beside read.db: the same projections, from the same records.

Rules
1. It reads what is folded already and writes to that database alone; read.db stays what pages and commands ask. Nothing waits
   for it.
2. It goes no farther than read.db does, a round at a time: what both logs have at one moment, events before derived. Between
   rounds the rows of all projections stand together (app/sql_origin.py).
3. A database that is away is tried again with growing pauses. One that went back, as a restored backup does, is gone on with
   from where it stands. One whose rows are not of this log is refused, and looked at again now and then.
4. Places in `derived` mean nothing once read.db was made again: it is read from its beginning then, and what was taken is left
   out by its n (engine/reader.py).
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tailrace.app import compose
from tailrace.app.pipeline import PLACE
from tailrace.app.sql_origin import Of, Origin, SqlStore
from tailrace.connectors.derived_name import derived_name
from tailrace.connectors.derived_sqlite import SqliteDerivedLog
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.engine.projector import Projector
from tailrace.engine.store import Place
from tailrace.projections import models
from tailrace.projections.store_settings import ReadModels
from tailrace.projections.store_sqlite import place_of
from tailrace.schemas.errors import Conflict, InvalidSettings, StaleWriter, TailraceError

BATCH = 500
LOOK_S = 0.25
"""How long is waited for something new."""

STILL_LOOKS = 8
"""So many times nothing new, and it is looked whether the database is what it was."""

RETRY_FIRST_S, RETRY_LAST_S = 0.5, 30.0
END_S = 2.0


class Fed(msgspec.Struct, frozen=True, kw_only=True):
    """How a database is. state: connecting, catching up, up to date, waiting (it is away), refused; not fed: `up` does not run.

    position: in the log, up to which all its rows are there; behind_records: of the log that read.db has and it has not; error:
    why it waits or is refused; note: what was noticed of it.
    """

    where: str
    state: str = "connecting"
    position: int | None = None
    behind_records: int | None = None
    error: str = ""
    note: str = ""


Say = Callable[[str], None]
"""Hears what is wrong, '' once nothing is."""


class Feed:
    """Feeds one database from one data folder, in a thread of its own."""

    def __init__(self, directory: Path, settings: ReadModels, say: Say = lambda words: None) -> None:
        self._directory, self._settings, self._say = directory, settings, say
        self.status = Fed(where=settings.where)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read models", daemon=True)

    def start(self) -> None:
        """Begins; `stop` ends it."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it between two transactions; one that hangs in a connection ends with the process."""
        self._stopped.set()
        self._thread.join(END_S)

    def once(self) -> Fed:
        """Brings the database to where read.db is; raises what is wrong."""
        asyncio.run(self._follow(once=True))
        return self.status

    def _run(self) -> None:
        wait = RETRY_FIRST_S
        while not self._stopped.is_set():
            try:
                asyncio.run(self._follow())
            except StaleWriter:  # it went back, or another process feeds it: it is looked at again
                self._stopped.wait(LOOK_S)
            except Exception as error:  # nothing that is wrong with it ends anything else
                wait = RETRY_FIRST_S if self.status.state == "up to date" else min(2 * wait, RETRY_LAST_S)
                self._wrong(error)
                self._stopped.wait(wait)

    def _wrong(self, error: Exception) -> None:
        refused = isinstance(error, (Conflict, InvalidSettings))
        words = str(error) if isinstance(error, TailraceError) else f"{type(error).__name__}: {error}"
        self._now(state="refused" if refused else "waiting", error=words)
        self._say(words)

    async def _follow(self, *, once: bool = False) -> None:
        store = compose.sql_store(self._settings)
        try:
            await store.prepare()
            with (
                compose.read_store(self._directory) as rows,
                closing(LogReader(compose.events_file(self._directory))) as log,
            ):
                events = compose.SocketLog(self._directory)
                try:
                    feeding = _Feeding(store, rows, log, events, self.status.where)
                    self._noticed(await feeding.begin())
                    await self._rounds(feeding, once)
                finally:
                    await events.close()
        finally:
            with suppress(Exception):  # it may be gone already
                await store.close()

    async def _rounds(self, feeding: _Feeding, once: bool) -> None:
        idle = 0
        while not self._stopped.is_set():
            moves = feeding.look()
            behind = max(0, feeding.ends.reached - feeding.origin.whole)
            self._now(state="catching up" if moves else "up to date", error="", behind_records=behind)
            while moves and await feeding.step():
                if self._stopped.is_set():
                    return
            if moves:
                await feeding.done()
            self._say("")
            self._now(state="up to date", position=feeding.origin.whole, behind_records=0)
            if once:
                return
            if not moves:
                self._stopped.wait(LOOK_S)
                idle += 1
                if idle % STILL_LOOKS == 0:
                    await feeding.still()

    def _noticed(self, now: Origin) -> None:
        before = self.status.position
        if before is not None and now.whole < before:
            words = f"its rows went back from position {before} to {now.whole}, as a restored backup does; they are caught up"
            self._now(note=words)
        self._now(position=now.whole)

    def _now(self, **changes: Any) -> None:
        self.status = msgspec.structs.replace(self.status, **changes)


class Ends(NamedTuple):
    """What read.db had at one moment: up to where the log is folded, and where derived ended."""

    reached: int
    derived: int


class _Feeding:
    """One connection's work. After an error it is to be made anew."""

    def __init__(
        self, store: SqlStore, rows: sqlite3.Connection, log: LogReader, events: compose.SocketLog, where: str
    ) -> None:
        self._store, self._rows, self._where = store, rows, where
        self._of = Of(store, log, where)
        derived = SqliteDerivedLog(rows)
        self._events: Sequence[Projector[Any]] = [
            Projector(store, each, events, batch=BATCH) for each in models.of_events()
        ]
        self._derived: Sequence[Projector[Any]] = [
            Projector(store, each, derived, batch=BATCH) for each in models.of_derived()
        ]
        self._name = derived_name(rows)
        self.ends = Ends(0, 0)

    @property
    def origin(self) -> Origin:
        """Where the database is."""
        return self._of.now

    async def begin(self) -> Origin:
        """Learns where the database stands; raises Conflict where its rows are not of this log."""
        await self._of.require()
        if self.origin == Origin():
            for name in models.TABLES:
                if await self._store.place(name) != Place():
                    raise Conflict(
                        f"{self._where}: expected an empty database, or one that was fed here, got rows of others"
                    )
        self.look()
        for each in models.of_derived():
            place = await self._store.place(each.name)
            if place.position > self.ends.derived or (place.position and self.origin.derived != self._name):
                await self._store.commit(each.name, place, [], Place(0, place.marks))
        return self.origin

    def look(self) -> bool:
        """Whether there is something to do for what read.db has now."""
        self._rows.execute("BEGIN")
        try:
            (derived,) = self._rows.execute("SELECT ifnull(max(position), 0) FROM derived").fetchone()
            self.ends = Ends(place_of(self._rows, PLACE).position, derived)
        finally:
            self._rows.execute("ROLLBACK")
        return self.origin.whole < self.ends.reached or self.origin.derived != self._name

    async def step(self) -> bool:
        """A batch of the projection that has the most to do; False where all are there."""
        await self._of.begin(max(self.ends.reached, self.origin.reached), self._name)
        for until, projectors in ((self.ends.reached, self._events), (self.ends.derived, self._derived)):
            for each in projectors:
                if await each.step(until):
                    return True
        return False

    async def still(self) -> None:
        """Raises StaleWriter where the database is not as it was left."""
        await self._of.still()

    async def done(self) -> None:
        """All rows of this look are there."""
        await self._of.done(self.ends.reached)
