"""`oee` of a data folder: the machine's facts as of what the rows hold, and the rows themselves, in one picture of the store.

Rules: whole hours and minutes that are closed are summed from the rows; the rest of a window is tallied from the facts by the
code that made the rows (topologies/tally.py). A definition that is asked for by name is applied to the rows too, unless it gives
a state another category than the rows have; then the whole window is tallied from the facts, and so it is for what was known at
a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tailrace.app.oee_answer import Found, Sums, found, shown, totals
from tailrace.app.oee_definition import judged_by, known, same_words
from tailrace.app.oee_picture import Picture, pictured
from tailrace.schemas.bucket import COLUMNS
from tailrace.schemas.instant import HOUR, MINUTE, format_instant
from tailrace.topologies.machine import Machine, floor_minute
from tailrace.topologies.oee import without
from tailrace.topologies.tally import Ints


def oee(
    directory: Path,
    machine: str,
    windows: Sequence[tuple[int, int]],
    as_of: int | None = None,
    definition: str | None = None,
    known_at: int | None = None,
) -> list[dict[str, Any]]:
    """The figures of docs/oee.md of each window [from, to) in ns, under the machine's own definitions or the one named.

    known_at: as they were known at a time (ns).

    Raises NotFound for a machine without an event and for a definition that nobody has set.
    """
    with asked(directory, machine, known_at) as (picture, facts):
        watermark = picture.observed(machine, as_of)
        seen = facts if definition is None else judged_by(facts, definition)
        return [figures(picture.rows, facts, start, end, as_of, watermark, seen) for start, end in windows]


def compare(
    directory: Path,
    machine: str,
    start: int,
    end: int,
    definitions: Sequence[str],
    as_of: int | None = None,
    known_at: int | None = None,
) -> list[dict[str, Any]]:
    """The figures of one window under each definition, from one picture of the rows; raises as `oee` does."""
    with asked(directory, machine, known_at) as (picture, facts):
        watermark = picture.observed(machine, as_of)
        views = [judged_by(facts, definition) for definition in definitions]
        return [figures(picture.rows, facts, start, end, as_of, watermark, seen) for seen in views]


def definitions_of(directory: Path, machine: str) -> list[str]:
    """name@version of every definition that a machine can be judged by; raises NotFound as `oee` does."""
    with asked(directory, machine) as (_, facts):
        return known(facts.head.plan)


@contextmanager
def asked(directory: Path, machine: str, known_at: int | None = None) -> Iterator[tuple[Picture, Machine]]:
    """One picture of a folder, and the machine's facts in it; raises NotFound as `oee` does."""
    with pictured(directory, known_at) as picture:
        yield picture, picture.facts(machine)


def figures(
    connection: sqlite3.Connection | None,
    facts: Machine,
    start: int,
    end: int,
    as_of: int | None = None,
    watermark: int | None = None,
    seen: Machine | None = None,
) -> dict[str, Any]:
    """The figures of one window, from facts and rows, or facts alone; seen: the facts under another definition."""
    held = measured(connection, facts, start, end, as_of, watermark, seen)
    return figures_of(connection, facts, held, start, end, as_of)


def figures_of(
    connection: sqlite3.Connection | None, facts: Machine, held: Found, start: int, end: int, as_of: int | None
) -> dict[str, Any]:
    """What a window holds as figures, with its place and its revision."""
    stop = end if as_of is None else min(end, as_of)
    revision = _revision(connection, facts.name, start, stop) if connection else revision_in(facts, start, stop)
    return placed(facts.name, start, end, held, revision)


def placed(machine: str, start: int, end: int, held: Found, revision: int) -> dict[str, Any]:
    """The figures of what a machine's window holds."""
    place = {"machine": machine, "from": format_instant(start), "to": format_instant(end)}
    return place | shown(held) | {"revision": revision}


def measured(
    connection: sqlite3.Connection | None,
    facts: Machine,
    start: int,
    end: int,
    as_of: int | None = None,
    watermark: int | None = None,
    seen: Machine | None = None,
) -> Found:
    """What one window holds, before any ratio; rows count where state words mean in them what they mean in `seen`."""
    view = seen or facts
    rows = connection if view is facts or same_words(facts, view, start, end) else None
    return found(view, start, end, as_of, watermark, _summed(rows, facts) if rows else None)


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


def revision_in(facts: Machine, start: int, stop: int) -> int:
    """The same from the facts."""
    first, last = max(floor_minute(start), floor_minute(facts.head.first)), min(stop, facts.head.closed)
    kept = list(without(first, last, facts.head.skipped)) if first < last else []
    restated = (
        revision
        for a, b in kept
        for day in facts.days_in(a, b)
        for minute, revision in day.revisions.items()
        if a <= minute < b
    )
    return max(restated, default=1) if kept else 0


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
