"""What the commands that edit a stop share: the log they write to, and both versions when somebody else was faster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from tailrace.app import compose
from tailrace.app.edit_log import edit_log
from tailrace.app.edits import EditConflict, Editing
from tailrace.app.output import note, put_json
from tailrace.schemas.answer import MergeEdit, ReasonEdit, SplitEdit, StopEdit, StopItem

T = TypeVar("T")
BAD = 1

by = click.option("--by", default="", help="Who says so.")
expected_revision = click.option(
    "--expected-revision",
    type=int,
    help="The revision you looked at; if the stop was changed since, nothing is written.",
)


def edit_stops(
    directory: Path, act: Callable[[Editing], Awaitable[T]], show: Callable[[T], None], as_json: bool
) -> int:
    """Makes an edit and shows what came of it; gives the exit code, 1 when somebody else changed the stop first."""

    async def edited() -> T:
        async with edit_log(directory) as log:
            return await act(Editing(directory, log))

    compose.catch_up(directory)
    try:
        found = asyncio.run(edited())
    except EditConflict as conflict:
        return _conflict(conflict, as_json)
    show(found)
    return 0


def words(stop: StopItem) -> str:
    """A stop in a line."""
    return (
        f"{stop.machine}, {stop.start} .. {stop.end or 'still down'}: {said(stop.category, stop.reason, stop.by)}; "
        f"revision {stop.revision}"
    )


def said(category: str, reason: str, by: str) -> str:
    """What somebody says of a stop."""
    return " ".join([category, *([repr(reason)] if reason else []), *([f"by {by}"] if by else [])])


def meant(edit: StopEdit) -> str:
    """What an edit was to do, in words."""
    if isinstance(edit, ReasonEdit):
        return said(edit.category, edit.reason, edit.by)
    if isinstance(edit, SplitEdit):
        return f"split at {edit.at}"
    if isinstance(edit, MergeEdit):
        return f"merge with {', '.join(edit.stops)}"
    return "undo the last edit"


def _conflict(conflict: EditConflict, as_json: bool) -> int:
    current = conflict.current
    note(f"tailrace: {conflict}")
    note(f"  it stands as revision {current.revision}: {said(current.category, current.reason, current.by)}")
    note(f"  yours, on revision {conflict.expected}: {meant(conflict.proposed)}")
    if as_json:
        put_json({"error": str(conflict), "current": current, "proposed": conflict.proposed})
    return BAD
