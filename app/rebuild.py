"""Read models made again from the log beside the live ones, while those are written and asked; then put in their place.

Rules
1. Rows come from `derived`, or from `events` where they need no fold; nothing in it folds, sends, acts or appends.
2. It is done by the process that asks, whoever owns the folder: the rows beside are nobody else's, each of their transactions is
   short, and between them the owner has its turn.
3. Live rows and rebuilt ones are compared at one place of the log. The swap is one transaction, at one place too.
4. Whatever ends it, the rows beside and their place stay: the same again goes on, and `cancel` takes them away.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import msgspec

from tailrace.app import compose
from tailrace.app.pipeline import drive
from tailrace.engine.projector import Projector
from tailrace.engine.unit import unit
from tailrace.projections.beside_sqlite import Beside, Difference, no_checkpoint, one_picture
from tailrace.projections.models import TABLES, projection_of
from tailrace.schemas.errors import Owned, Unavailable

ALL = "all"
LOCK = "rebuild.lock"

STEP_S = 0.05
"""How long a transaction is to take: what is waiting to write waits no longer."""

STEP_FIRST, STEP_MAX = 16, 1000
"""Records of the log in a transaction, at first and at most."""

REST = 0.5
"""After a transaction nothing is written for so much of the time that it took, where somebody else writes too."""

MEET_TRIES = 200
"""How often rows that move are met at one place before it is given up."""

Tell = Callable[[int, int], None]
"""Hears how many records are in the rows beside, of how many."""

Paused = Callable[[], bool]


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one projection. position, end: in the log that it reads, of the rows; seconds, records: of this run.

    state: `paused`, `kept` (made and not put in place) or `swapped`; equal: whether the rows were those that were live, None
    before they were compared; swap_ms: how long the transaction took that put them in place.
    """

    projection: str
    tables: list[str]
    state: str = "paused"
    position: int = 0
    end: int = 0
    records: int = 0
    seconds: float = 0.0
    equal: bool | None = None
    differences: list[Difference] = []
    swap_ms: float | None = None


def projections(model: str) -> list[str]:
    """The projections that a name means, none for a name that is nobody's."""
    found = projection_of(model)
    return list(TABLES) if model == ALL else [found] if found else []


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Nobody else rebuilds in this folder meanwhile; raises Owned with the process that does."""
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(lock, 20).decode(errors="replace") or "another"
            raise Owned(f"{directory}: process {pid} is rebuilding here; wait for it, or end it with Ctrl-C") from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        yield
    finally:
        os.close(lock)


def rebuild(directory: Path, projection: str, tell: Tell, paused: Paused, *, differing: bool) -> Rebuilt:
    """Makes the rows of a projection again, and puts them in place where they are equal, or where they may be `differing`.

    Raises Conflict where the live rows are of another log, or laid out by another release.
    """
    compose.catch_up(directory)
    with compose.rebuilding(directory, projection) as (connection, beside, projector):
        return _Run(directory, connection, beside, projector, projection, tell, paused).all(differing)


def cancel(directory: Path, projection: str) -> bool:
    """Takes away what a rebuild left; whether there was anything."""
    with compose.rebuilding(directory, projection) as (_, beside, _projector):
        return beside.drop()


class _Run:
    """One run of one projection."""

    def __init__(
        self, directory: Path, connection: Connection, beside: Beside, projector: Projector[Any], name: str, tell: Tell,
        paused: Paused,
    ) -> None:  # fmt: skip
        self._directory, self._connection, self._beside, self._projector = directory, connection, beside, projector
        self._name, self._tell, self._paused = name, tell, paused
        self._size = STEP_FIRST
        self._began = time.monotonic()

    def all(self, differing: bool) -> Rebuilt:
        """From where it is to the swap, or to the pause."""
        first = self._beside.begin()
        done = Rebuilt(projection=self._name, tables=list(TABLES[self._name]))
        if not self._reach_live(self._paused):
            return self._now(done, first)
        differences = self._compare()
        done = msgspec.structs.replace(
            self._now(done, first), state="kept", equal=not differences, differences=differences
        )
        if differences and not differing:
            return done
        milliseconds = self._swap()
        self._beside.drop()
        return msgspec.structs.replace(done, state="swapped", swap_ms=milliseconds)

    def _now(self, done: Rebuilt, first: int) -> Rebuilt:
        live, rebuilt = (each.position for each in self._beside.places())
        seconds = time.monotonic() - self._began
        return msgspec.structs.replace(done, position=rebuilt, end=live, records=rebuilt - first, seconds=seconds)

    def _reach_live(self, paused: Paused = lambda: False) -> bool:
        """Makes rows up to where the live ones are; False where it was paused before."""
        drive(self._projector.restore())
        while (live := self._beside.places()[0].position) > self._projector.position:
            if paused():
                return False
            self._step(live)
            self._tell(self._projector.position, live)
        return True

    def _step(self, live: int) -> None:
        began = time.perf_counter()
        drive(self._projector.step(min(live, self._projector.position + self._size)))
        took = time.perf_counter() - began
        self._size = min(2 * self._size, STEP_MAX) if took < STEP_S / 2 else self._size
        self._size = max(self._size // 2, 1) if took > STEP_S else self._size
        if compose.owner_of(self._directory) is not None:
            time.sleep(REST * min(took, STEP_S))

    def _compare(self) -> list[Difference]:
        for _ in range(MEET_TRIES):
            self._reach_live()
            with one_picture(self._connection):
                if self._met():
                    return self._beside.differences()
        raise self._moving()

    def _swap(self) -> float:
        """Milliseconds in which nobody else could write."""
        for _ in range(MEET_TRIES):
            self._reach_live()
            with no_checkpoint(self._connection), unit(self._connection):
                began = time.perf_counter()
                met = self._met()
                if met:
                    self._beside.swap()
            if met:
                return (time.perf_counter() - began) * 1e3
        raise self._moving()

    def _met(self) -> bool:
        live, rebuilt = self._beside.places()
        return live.position == rebuilt.position

    def _moving(self) -> Unavailable:
        return Unavailable(
            f"{self._name}: its rows move on faster than they are made again; do it again at a quieter time"
        )
