"""`tailrace reason`: a person says what a stop was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import msgspec

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.edit_log import edit_log
from tailrace.app.edits import EditConflict, assign_reason
from tailrace.app.output import console, note, put_json
from tailrace.schemas.answer import ReasonEdit, StopItem
from tailrace.schemas.stop import CATEGORIES

ALIASES = {"planned": "planned_stop"}
BAD = 1


@click.command("reason", short_help="Say what a stop was.")
@click.argument("stop_id")
@options.directory
@click.option(
    "--category", required=True, type=click.Choice(sorted({*CATEGORIES, *ALIASES})), help="What the machine was in."
)
@click.option("--reason", default="", help="Why, in your words.")
@click.option("--by", default="", help="Who says so.")
@click.option(
    "--expected-revision",
    type=int,
    help="The revision you looked at; if the stop was changed since, nothing is written.",
)
@options.as_json
def reason_(
    stop_id: str,
    directory: Path | None,
    category: str,
    reason: str,
    by: str,
    expected_revision: int | None,
    as_json: bool,
) -> int:
    """Say what the stop STOP_ID was (`tailrace stops` lists them); the figures of its time follow at once.

    While `tailrace up` runs on the folder, this goes through it. Exit code 1 when somebody else changed the stop first.
    """
    edit = ReasonEdit(
        category=ALIASES.get(category, category), reason=reason, by=by, expected_revision=expected_revision
    )
    target = options.folder(directory)
    compose.catch_up(target)
    try:
        stop = asyncio.run(_assign(target, stop_id, edit))
    except EditConflict as conflict:
        return _conflict(conflict, as_json)
    if as_json:
        put_json(msgspec.structs.asdict(stop))
    else:
        console().print(f"{_words(stop)}; revision {stop.revision}")
    return 0


async def _assign(directory: Path, stop_id: str, edit: ReasonEdit) -> StopItem:
    async with edit_log(directory) as log:
        return await assign_reason(directory, log, stop_id, edit)


def _conflict(conflict: EditConflict, as_json: bool) -> int:
    current, proposed = conflict.current, conflict.proposed
    note(f"tailrace: {conflict}")
    note(f"  it stands as revision {current.revision}: {_said(current.category, current.reason, current.by)}")
    note(f"  yours, on revision {proposed.expected_revision}: {_said(proposed.category, proposed.reason, proposed.by)}")
    if as_json:
        put_json({"error": str(conflict), "current": current, "proposed": proposed})
    return BAD


def _words(stop: StopItem) -> str:
    return f"{stop.machine}, {stop.start} .. {stop.end or 'still down'}: {_said(stop.category, stop.reason, stop.by)}"


def _said(category: str, reason: str, by: str) -> str:
    return " ".join([category, *([repr(reason)] if reason else []), *([f"by {by}"] if by else [])])
