"""`tailrace reason`: a person says what a stop was."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from tailrace.app import cli_edit
from tailrace.app import cli_options as options
from tailrace.app.edits import Editing, assign_reason
from tailrace.app.output import console, put_json
from tailrace.schemas.answer import ReasonEdit, StopItem
from tailrace.schemas.stop import CATEGORIES

ALIASES = {"planned": "planned_stop"}


@click.command("reason", short_help="Say what a stop was.")
@click.argument("stop_id")
@options.directory
@click.option(
    "--category", required=True, type=click.Choice(sorted({*CATEGORIES, *ALIASES})), help="What the machine was in."
)
@click.option("--reason", default="", help="Why, in your words.")
@cli_edit.by
@cli_edit.expected_revision
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

    The latest reason stands; `tailrace stops undo` takes it back. While `tailrace up` runs on the folder, this goes through it.
    Exit code 1 when somebody else changed the stop first.
    """
    edit = ReasonEdit(
        category=ALIASES.get(category, category), reason=reason, by=by, expected_revision=expected_revision
    )

    async def act(editing: Editing) -> StopItem:
        return await assign_reason(editing.directory, editing.log, stop_id, edit)

    def show(stop: StopItem) -> None:
        if as_json:
            put_json(msgspec.structs.asdict(stop))
        else:
            console().print(cli_edit.words(stop))

    return cli_edit.edit_stops(options.folder(directory), act, show, as_json)
