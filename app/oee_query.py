"""`oee` of a data folder: the machine's state as of what the rows hold, and the rows themselves, in one picture of the store.

Rules: the state is the newest checkpoint with the machine's later records folded onto it, up to the place of the rows. Whole
hours and minutes that are closed are summed from the rows; the rest of a window is tallied from the state by the code that made
the rows (topologies/tally.py). A definition that is asked for by name is applied to the rows too, unless it gives a state another
category than the rows have; then the whole window is tallied from the state.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tailrace.app import compose
from tailrace.app.known import require_in
from tailrace.app.oee_answer import Found, Sums, found, shown, totals
from tailrace.app.oee_definition import judged_by, known, same_words
from tailrace.app.pipeline import PLACE, drive
from tailrace.connectors.checkpoints_sqlite import SqliteCheckpoints
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.engine.checkpoints import Manifest
from tailrace.engine.parking import PAGE, lot_of, wrong
from tailrace.projections.store_sqlite import place_of
from tailrace.schemas.bucket import COLUMNS
from tailrace.schemas.errors import NotFound
from tailrace.schemas.instant import HOUR, MINUTE, format_instant
from tailrace.topologies.machine import Machine, floor_minute
from tailrace.topologies.oee import Oee, OeeState, without
from tailrace.topologies.tally import Ints

BATCH = 500


def oee(
    directory: Path,
    machine: str,
    windows: Sequence[tuple[int, int]],
    as_of: int | None = None,
    definition: str | None = None,
) -> list[dict[str, Any]]:
    """The figures of docs/oee.md of each window [from, to) in ns, under the machine's own definitions or the one named.

    Raises NotFound for a machine without an event and for a definition that nobody has set.
    """
    with asked(directory, machine) as (log, connection, facts):
        watermark = None if as_of is None else log.observed(machine, as_of)
        seen = facts if definition is None else judged_by(facts, definition)
        return [figures(connection, facts, start, end, as_of, watermark, seen) for start, end in windows]


def compare(
    directory: Path, machine: str, start: int, end: int, definitions: Sequence[str], as_of: int | None = None
) -> list[dict[str, Any]]:
    """The figures of one window under each definition, from one picture of the rows; raises as `oee` does."""
    with asked(directory, machine) as (log, connection, facts):
        watermark = None if as_of is None else log.observed(machine, as_of)
        views = [judged_by(facts, definition) for definition in definitions]
        return [figures(connection, facts, start, end, as_of, watermark, seen) for seen in views]


def definitions_of(directory: Path, machine: str) -> list[str]:
    """name@version of every definition that a machine can be judged by; raises NotFound as `oee` does."""
    with asked(directory, machine) as (_, _, facts):
        return known(facts.head.plan)


@contextmanager
def asked(directory: Path, machine: str) -> Iterator[tuple[LogReader, sqlite3.Connection, Machine]]:
    """The log, one picture of the rows, and the machine's facts as of these rows; raises NotFound as `oee` does."""
    with pictured(directory) as (log, connection):
        yield log, connection, facts_in(log, connection, machine)


@contextmanager
def pictured(directory: Path) -> Iterator[tuple[LogReader, sqlite3.Connection]]:
    """The log and one picture of the rows, for several machines."""
    with compose.reading(directory) as log, compose.read_store(directory) as connection, _snapshot(connection):
        yield log, connection


def facts_in(log: LogReader, connection: sqlite3.Connection, machine: str) -> Machine:
    """The machine's facts as of the rows of a picture; raises NotFound as `oee` does."""
    require_in(log, machine)
    state = _state(connection, log, machine)
    if machine not in state.machines:
        raise NotFound(f"machine {machine!r} has events, but none of them is folded yet; ask again in a moment")
    return state.machine(machine)


def figures(
    connection: sqlite3.Connection,
    facts: Machine,
    start: int,
    end: int,
    as_of: int | None = None,
    watermark: int | None = None,
    seen: Machine | None = None,
) -> dict[str, Any]:
    """The figures of one window, from the rows and facts of `asked`; seen: the facts under another definition."""
    held = measured(connection, facts, start, end, as_of, watermark, seen)
    return figures_of(connection, facts.name, held, start, end, as_of)


def figures_of(
    connection: sqlite3.Connection, machine: str, held: Found, start: int, end: int, as_of: int | None
) -> dict[str, Any]:
    """What a window holds as figures, with its place and its revision."""
    stop = end if as_of is None else min(end, as_of)
    place = {"machine": machine, "from": format_instant(start), "to": format_instant(end)}
    return place | shown(held) | {"revision": _revision(connection, machine, start, stop)}


def measured(
    connection: sqlite3.Connection,
    facts: Machine,
    start: int,
    end: int,
    as_of: int | None = None,
    watermark: int | None = None,
    seen: Machine | None = None,
) -> Found:
    """What one window holds, before any ratio; rows count where state words mean in them what they mean in `seen`."""
    view = seen or facts
    rows = view is facts or same_words(facts, view, start, end)
    return found(view, start, end, as_of, watermark, _summed(connection, facts) if rows else None)


def _state(connection: sqlite3.Connection, log: LogReader, machine: str) -> OeeState:
    """The machine's state at the place of the rows.

    A worker makes a checkpoint when a stream is parked or goes on, so what is parked after the newest one was parked in it.
    """
    checkpoints = SqliteCheckpoints(connection)
    reached = place_of(connection, PLACE).position
    found = [m for m in drive(checkpoints.manifests(Oee.name, Oee.version)) if m.position <= reached]
    base = max(found, key=lambda manifest: manifest.position, default=None)
    state = Oee().restore(base.marks if base else {}, lambda page: _page(checkpoints, base, page))
    state.only(machine)
    parked = lot_of(_page(checkpoints, base, PAGE))
    after = base.position if base else 0
    while records := [r for r in log.read_machine(machine, after, BATCH) if r.position <= reached]:
        state.fold([record for record in records if record.machine not in parked and not wrong(record)])
        after = records[-1].position
    return state


def _page(checkpoints: SqliteCheckpoints, base: Manifest | None, name: str) -> bytes | None:
    return checkpoints.page(Oee.name, Oee.version, name, base.position) if base else None


def _summed(connection: sqlite3.Connection, facts: Machine) -> Sums:
    """Sums over [a, b): closed whole minutes from the rows, the rest from the facts."""

    def sums(a: int, b: int) -> Ints:
        lo, hi = -(-a // MINUTE) * MINUTE, min(b // MINUTE * MINUTE, facts.head.closed)
        lo = max(lo, facts.head.first // MINUTE * MINUTE)
        found = np.zeros(len(COLUMNS), np.int64)
        rest = a
        for start, stop in without(lo, hi, facts.head.skipped) if lo < hi else ():
            found += _rows(connection, facts.name, start, stop)
            found += totals(facts, rest, start)
            rest = stop
        return found + totals(facts, rest, b)

    return sums


def _rows(connection: sqlite3.Connection, machine: str, start: int, stop: int) -> Ints:
    found = np.zeros(len(COLUMNS), np.int64)
    for table, a, b in _tables(start, stop):
        row = connection.execute(_SUMS.format(table=table), (machine, a, b)).fetchone()
        found += np.array(row, np.int64)
    return found


def _revision(connection: sqlite3.Connection, machine: str, start: int, stop: int) -> int:
    """The largest revision of the buckets that have a part in [start, stop); 0 = there is none."""
    asked = [(_REVISION.format(table=table), (machine, a, b)) for table, a, b in _tables(floor_minute(start), stop)]
    return max((int(connection.execute(*each).fetchone()[0]) for each in asked), default=0)


def _tables(start: int, stop: int) -> Iterator[tuple[str, int, int]]:
    """Where the rows of [start, stop) are, start being that of a minute: whole hours together, the rest minute by minute."""
    first, last = -(-start // HOUR) * HOUR, stop // HOUR * HOUR
    parts = (
        [("oee_bucket", start, first), ("oee_hour", first, last), ("oee_bucket", last, stop)]
        if first < last
        else [("oee_bucket", start, stop)]
    )
    yield from ((table, a, b) for table, a, b in parts if a < b)


_SUMS = (
    "SELECT "
    + ", ".join(f"ifnull(sum({name}), 0)" for name in COLUMNS)
    + " FROM {table} WHERE machine = ? AND start_ns >= ? AND start_ns < ?"
)
_REVISION = "SELECT ifnull(max(revision), 0) FROM {table} WHERE machine = ? AND start_ns >= ? AND start_ns < ?"


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """One picture of the store for several questions."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
