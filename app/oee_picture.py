"""One picture of a data folder for several questions: its log, its rows, and the facts of a machine as of a place of the log.

Rules: without a known-at time that place is the place of the rows. What was known at T is the prefix of the log in which the
running maximum of ingest times is not above T; then nothing is taken from rows. The facts are the newest checkpoint inside
the prefix with the machine's later records folded onto it. Where something of the machine was ever parked, the whole prefix is
folded again beside the folder, since what waited counts from its release on.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from tailrace.app import compose
from tailrace.app.known import require_in
from tailrace.app.pipeline import PLACE, drive
from tailrace.connectors.checkpoints_sqlite import SqliteCheckpoints
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.engine.checkpoints import Manifest
from tailrace.engine.parking import PAGE, lot_of, wrong
from tailrace.projections import ingested
from tailrace.projections.parked import ParkedRows
from tailrace.projections.store_sqlite import place_of
from tailrace.schemas.errors import NotFound
from tailrace.schemas.instant import format_instant
from tailrace.schemas.parking import KEY
from tailrace.schemas.record import Record
from tailrace.topologies.machine import Machine
from tailrace.topologies.oee import Oee, OeeState
from tailrace.topologies.stops import Stops

BATCH = 500


class Named(Protocol):
    """A topology, or its type."""

    name: str
    version: int


class Picture(msgspec.Struct, frozen=True):
    """A folder as it is, or as it was earlier. until: the last position of the log that counts; known_at: ns, None = now.

    stands: whether the rows are of that position.
    """

    directory: Path
    log: LogReader
    connection: sqlite3.Connection
    until: int
    known_at: int | None = None
    stands: bool = True

    @property
    def rows(self) -> sqlite3.Connection | None:
        """The rows, where they are of this place of the log."""
        return self.connection if self.stands else None

    def at(self, known_at: int) -> Picture:
        """The same folder as it was known earlier."""
        until = min(self.until, known_until(self.log, self.connection, known_at))
        return msgspec.structs.replace(self, until=until, known_at=known_at, stands=False)

    def after(self, position: int) -> Picture:
        """The same folder after an earlier position of the log."""
        return msgspec.structs.replace(self, until=min(self.until, position), stands=False)

    def facts(self, machine: str) -> Machine:
        """The machine's facts; raises NotFound where there are none."""
        return self.state(machine).machine(machine)

    def state(self, machine: str) -> OeeState:
        """The fold's state, of this machine alone; raises NotFound where it knows nothing of it."""
        require_in(self.log, machine)
        again = self.until < place_of(self.connection, PLACE).position and self.ever_parked(machine)
        state = self._folded_again(machine) if again else state_of(self.connection, self.log, machine, self.until)
        if machine in state.machines:
            return state
        if self.stands:
            raise NotFound(f"machine {machine!r} has events, but none of them is folded yet; ask again in a moment")
        when = f"position {self.until} of the log" if self.known_at is None else format_instant(self.known_at)
        raise NotFound(
            f"expected a machine of which something was known at {when}, got {machine!r}: its first event came later"
        )

    def records(self, machine: str, after: int) -> Iterator[Sequence[Record]]:
        """What came of a machine and of the site after a position, in order, a part at a time."""
        while records := [r for r in self.log.read_machine(machine, after, BATCH) if r.position <= self.until]:
            yield records
            after = records[-1].position

    def observed(self, machine: str, as_of: int | None) -> int | None:
        """The latest observation that counts with an as-of time; None without one."""
        return None if as_of is None else self.log.observed(machine, as_of, self.until)

    def ever_parked(self, machine: str, topology: Named = Oee) -> bool:
        """Whether something of the machine or of the site was ever parked by a topology."""
        marks = place_of(self.connection, ParkedRows.name).marks
        return any(f"{topology.name}@{topology.version}/{KEY}{name}" in marks for name in (machine, ""))

    def stops_of(self, machine: str) -> bool:
        """Whether the rows of states and stops are of the same records as the facts: parked apart they may be of others."""
        return not any(self.ever_parked(machine, topology) for topology in (Oee, Stops))

    def _folded_again(self, machine: str) -> OeeState:
        with tempfile.TemporaryDirectory(prefix="tailrace-") as name:
            into = Path(name)
            with compose.pipeline(self.directory, into=into, only=(Oee.name,)) as pipeline:
                pipeline.drain(self.until)
                pipeline.checkpoint()
            with compose.read_store(into) as connection:
                state = state_of(connection, self.log, machine, self.until)
                if machine in state.machines:
                    facts = state.machine(machine)
                    for number in facts.head.days:
                        facts.day(number)
                return state


@contextmanager
def pictured(directory: Path, known_at: int | None = None) -> Iterator[Picture]:
    """The log and one picture of the rows, for several machines; known_at: as they were known at a time (ns)."""
    with compose.reading(directory) as log, compose.read_store(directory) as connection, _snapshot(connection):
        now = Picture(directory, log, connection, place_of(connection, PLACE).position)
        yield now if known_at is None else now.at(known_at)


def known_until(log: LogReader, connection: sqlite3.Connection, t: int) -> int:
    """The last position before the first record that came in after t (ns)."""
    after = ingested.before(connection, t)
    while records := log.read(after, BATCH):
        for record in records:
            if record.ingested > t:
                return record.position - 1
        after = records[-1].position
    return after


def state_of(connection: sqlite3.Connection, log: LogReader, machine: str, until: int) -> OeeState:
    """The fold's state of a machine after a position, which the rows have reached.

    A worker makes a checkpoint when a stream is parked or goes on, so what is parked after the newest one was parked in it.
    """
    checkpoints = SqliteCheckpoints(connection)
    found = [m for m in drive(checkpoints.manifests(Oee.name, Oee.version)) if m.position <= until]
    base = max(found, key=lambda manifest: manifest.position, default=None)
    state = Oee().restore(base.marks if base else {}, lambda page: _page(checkpoints, base, page))
    state.only(machine)
    parked = lot_of(_page(checkpoints, base, PAGE))
    after = base.position if base else 0
    while records := [r for r in log.read_machine(machine, after, BATCH) if r.position <= until]:
        state.fold([record for record in records if record.machine not in parked and not wrong(record)])
        after = records[-1].position
    return state


def _page(checkpoints: SqliteCheckpoints, base: Manifest | None, name: str) -> bytes | None:
    return checkpoints.page(Oee.name, Oee.version, name, base.position) if base else None


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """One picture of the store for several questions."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
