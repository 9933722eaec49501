"""A machine's shifts as the rows have them: where they lie, their sums, and when the machine was down and nobody had planned it.

Rules: sums are over products, in the order of schemas.bucket.COLUMNS, int64. Unplanned stretches of `state_interval` that touch
each other are one episode; it comes whole, also where it begins before the window or ends after it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tailrace.schemas.bucket import COLUMNS

FOREVER = 2**63 - 1


class Span(NamedTuple):
    """A shift [start, end) in ns and what its calendar calls it."""

    start: int
    end: int
    name: str


class Sum(NamedTuple):
    """What the rows of a shift add up to, and the largest revision of its minutes."""

    revision: int
    tallies: Sequence[int]


def spans(connection: sqlite3.Connection, machine: str, start: int, end: int) -> list[Span]:
    """The shifts of a machine that begin in [start, end), by time, each whole."""
    return [Span(*row) for row in connection.execute(_SPANS, (machine, start, end))]


def sums(connection: sqlite3.Connection, machine: str, start: int, end: int) -> Mapping[Span, Sum]:
    """The sums of the shifts that begin in [start, end)."""
    found: dict[Span, Sum] = {}
    for first, last, name, revision, *cells in connection.execute(_SUMS, (machine, start, end)):
        at = Span(first, last, name)
        of_product = Sum(revision, cells)
        found[at] = _added(found[at], of_product) if at in found else of_product
    return found


def _added(one: Sum, other: Sum) -> Sum:
    return Sum(max(one.revision, other.revision), [a + b for a, b in zip(one.tallies, other.tallies, strict=True)])


def unplanned(connection: sqlite3.Connection, machine: str, start: int, end: int) -> list[tuple[int, int]]:
    """The episodes that have a part in [start, end), each [from, to) in ns; to: FOREVER where the machine is still down."""
    found: list[tuple[int, int]] = []
    rows = [
        (first, FOREVER if last is None else last) for first, last in connection.execute(_DOWN, (machine, start, end))
    ]
    while rows and (row := connection.execute(_BEFORE, (machine, rows[0][0])).fetchone()):
        rows.insert(0, row)
    while rows and (row := connection.execute(_AFTER, (machine, rows[-1][1])).fetchone()):
        rows.append((row[0], FOREVER if row[1] is None else row[1]))
    for first, last in rows:
        if found and found[-1][1] == first:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found


_SPANS = """SELECT start_ns, end_ns, name FROM shift WHERE machine = ? AND start_ns >= ? AND start_ns < ?
ORDER BY start_ns, name"""
_SUMS = f"""SELECT start_ns, end_ns, name, revision, {", ".join(COLUMNS)} FROM oee_shift
WHERE machine = ? AND start_ns >= ? AND start_ns < ?"""
_DOWN = """SELECT start_ns, end_ns FROM state_interval
WHERE machine = ? AND category = 'unplanned' AND (end_ns IS NULL OR end_ns > ?) AND start_ns < ? ORDER BY start_ns"""
_BEFORE = """SELECT start_ns, end_ns FROM (SELECT * FROM state_interval WHERE machine = ?1 AND start_ns < ?2
ORDER BY start_ns DESC LIMIT 1) WHERE category = 'unplanned' AND end_ns = ?2"""
_AFTER = "SELECT start_ns, end_ns FROM state_interval WHERE machine = ? AND start_ns = ? AND category = 'unplanned'"
