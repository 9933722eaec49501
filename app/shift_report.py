"""The shift report: every shift of some machines with its figures, each machine by its own calendar.

Rules: a shift that is over is a sum of rows (oee_closed.py), any other is worked out as any window is; both say the same. What is
asked as of a time, as known at a time, or by a definition that gives a state word another category is worked out as well. Where a
machine's shifts lie is what is known now.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tailrace.app.known import require_in
from tailrace.app.oee_answer import AFTER, BEFORE, Found
from tailrace.app.oee_closed import closed
from tailrace.app.oee_definition import judged_by, same_words
from tailrace.app.oee_picture import Picture, pictured
from tailrace.app.oee_query import figures, placed
from tailrace.projections import lines, shift_rows
from tailrace.projections.shift_rows import Span
from tailrace.schemas.errors import InvalidInput, NotFound

SHIFTS_MAX = 10_000


class Asked(msgspec.Struct, frozen=True):
    """The shifts that begin in [start, end) in ns, and under what they are asked."""

    start: int
    end: int
    as_of: int | None = None
    definition: str | None = None


def report(
    directory: Path,
    asked: Asked,
    *,
    machines: Sequence[str] = (),
    line: str | None = None,
    sites: Collection[str] = (),
    known_at: int | None = None,
) -> list[dict[str, Any]]:
    """`shift` and the figures of docs/oee.md of each shift, by machine and time.

    machines: those that are named; without any, those of a line, of sites, of both, or all. Raises NotFound for a machine without
    an event and a definition that nobody has set, InvalidInput for more than SHIFTS_MAX shifts.
    """
    with pictured(directory, known_at) as picture:
        for name in machines:
            require_in(picture.log, name)
        names = list(dict.fromkeys(machines)) or lines.members(picture.connection, line, sites)
        spans = {name: shift_rows.spans(picture.connection, name, asked.start, asked.end) for name in names}
        n = sum(map(len, spans.values()))
        if n > SHIFTS_MAX:
            raise InvalidInput(
                f"expected at most {SHIFTS_MAX} shifts, got {n}; take a shorter window, or fewer machines"
            )
        return [each for name in names if spans[name] for each in _machine(picture, name, spans[name], asked)]


def _machine(picture: Picture, name: str, spans: Sequence[Span], asked: Asked) -> list[dict[str, Any]]:
    try:
        facts = picture.facts(name)
    except NotFound:
        return []
    seen = facts if asked.definition is None else judged_by(facts, asked.definition)
    rows, as_of = picture.rows, asked.as_of
    watermark = picture.observed(name, as_of)
    over: Mapping[Span, tuple[Found, int]] = {}
    if rows and as_of is None and picture.stops_of(name) and (seen is facts or same_words(facts, seen, BEFORE, AFTER)):
        over = closed(rows, facts, seen, spans)
    found = []
    for span in spans:
        if span in over:
            held, revision = over[span]
            shown = placed(name, span.start, span.end, held, revision)
        else:
            shown = figures(rows, facts, span.start, span.end, as_of, watermark, seen)
        found.append({"shift": span.name} | shown)
    return found
