"""Windows of a question: the shift instances of a machine, or lengths one after the other."""

from __future__ import annotations

from pathlib import Path

from tailrace.app import compose
from tailrace.app.known import require_in
from tailrace.projections import queries
from tailrace.schemas.instant import parse_instant


def shifts(directory: Path, machine: str, start: int, end: int) -> list[tuple[int, int, str]]:
    """(from, to, name) of the shifts that begin in [start, end), by time, each whole; raises NotFound for no such machine."""
    with compose.reading(directory) as log, compose.read_store(directory) as connection:
        require_in(log, machine)
        found = queries.shifts(connection, machine, start, end)
    spans = [(parse_instant(each.start), parse_instant(each.end), each.name) for each in found]
    return [each for each in spans if start <= each[0]]


def lengths(start: int, end: int, every: int | None) -> list[tuple[int, int]]:
    """[start, end) cut into lengths of `every` ns, the last one maybe shorter; None: not cut."""
    return [(at, min(at + every, end)) for at in range(start, end, every)] if every else [(start, end)]
