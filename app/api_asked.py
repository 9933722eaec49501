"""What a request of the REST API asks: each parameter with its words, and what its text means.

Rules: a time is ISO 8601 with offset or Unix seconds, to the nanosecond; a window is [from, to), by default the last WINDOW. What
cannot be taken is InvalidInput that begins with the parameter's name, and says what was expected and what came.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar.datastructures import State
from litestar.params import QueryParameter

from tailrace.app.edits import Editing
from tailrace.app.live import Changes
from tailrace.engine.log import Log
from tailrace.projections import queries
from tailrace.schemas.errors import InvalidInput
from tailrace.schemas.instant import HOUR, SECOND, parse_instant

WINDOW = 8 * HOUR
JUDGE = "judge by iso, vorne, semi, plant-a or plant-a@3"

Cursor = Annotated[str | None, QueryParameter(description="`next` of the page before")]
Limit = Annotated[int, QueryParameter(ge=1, le=queries.LIMIT_MAX, description="rows in a page")]
Machine = Annotated[str | None, QueryParameter(description="only this machine")]
Needed = Annotated[str, QueryParameter(name="machine", description="which machine")]
Line = Annotated[str | None, QueryParameter(description="the machines of this line (ISA-95), judged at its bottleneck")]
OnLine = Annotated[str | None, QueryParameter(name="line", description="only machines of this line (ISA-95)")]
Site = Annotated[str | None, QueryParameter(description="the machines of this site together")]
OfSite = Annotated[str | None, QueryParameter(name="site", description="only machines of this site (ISA-95)")]
Definitions = Annotated[list[str] | None, QueryParameter(name="definition", description=JUDGE)]
Definition = Annotated[str | None, QueryParameter(description=JUDGE)]
At = Annotated[str | None, QueryParameter(description="as it was at this time, by the times of the events")]
KnownAt = Annotated[str | None, QueryParameter(description="what was known then: nothing that came in later")]
KnownTwice = Annotated[list[str], QueryParameter(name="known_at", description="as known then; before and after")]
AsOf = Annotated[str | None, QueryParameter(description="count nothing that is stamped later")]
From = Annotated[str | None, QueryParameter(name="from", description="start, ISO 8601 with offset or Unix seconds")]
To = Annotated[str | None, QueryParameter(name="to", description="end, exclusive")]
Open = Annotated[bool, QueryParameter(name="open", description="only those that are not over")]
Events = Annotated[int, QueryParameter(ge=0, le=1000, description="raw events in an answer")]
Restated = Annotated[int, QueryParameter(name="limit", ge=1, le=100, description="items in a page")]
Microstop = Annotated[
    float | None,
    QueryParameter(
        ge=0, le=10**9, description="seconds; a shorter stop is no failure; without: the definition's microstop_s"
    ),
]


class Served(msgspec.Struct, frozen=True):
    """What the handlers need: the folder, the log that takes edits, how `up` is, and who tells of changes."""

    directory: Path
    log: Log
    status: Callable[[], Mapping[str, Any]]
    changes: Changes
    clock: Callable[[], int] = time.time_ns


def served(state: State) -> Served:
    """What this application serves."""
    found = state.served
    assert isinstance(found, Served)
    return found


def editing(state: State) -> Editing:
    """What an edit needs of it."""
    here = served(state)
    return Editing(here.directory, here.log, here.clock)


def window(here: Served, start: str | None, end: str | None) -> tuple[int, int]:
    """[from, to) in ns; without them the last WINDOW."""
    until = instant("to", end)
    until = here.clock() if until is None else until
    since = instant("from", start)
    since = max(0, until - WINDOW) if since is None else since
    if since >= until:
        raise InvalidInput(
            f"from, to: expected from before to, got {start or since / SECOND} and {end or until / SECOND}"
        )
    return since, until


def bounds(start: str | None, end: str | None) -> dict[str, int | None]:
    """`start` and `end` in ns of a list, None where they are not said."""
    since, until = instant("from", start), instant("to", end)
    if since is not None and until is not None and since >= until:
        raise InvalidInput(f"from, to: expected from before to, got {start} and {end}")
    return {"start": since, "end": until}


def instant(name: str, text: str | None) -> int | None:
    """The time that a parameter names, in ns."""
    if text is None:
        return None
    try:
        return parse_instant(Decimal(text) if _NUMBER.fullmatch(text) else text)
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error}") from None


_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
