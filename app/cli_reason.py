"""`tailrace reason`: a person says what a stop was."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from tailrace.app import cli_edit, compose
from tailrace.app import cli_options as options
from tailrace.app.checked import nearest
from tailrace.app.edits import Editing, assign_reason
from tailrace.app.output import console, put_json, table
from tailrace.projections import stop_queries
from tailrace.projections.reasons import offered, tree
from tailrace.schemas.answer import ReasonEdit, StopItem
from tailrace.schemas.stop import CATEGORIES

ALIASES = {"planned": "planned_stop"}


@click.command("reason", short_help="Say what a stop was.")
@click.argument("stop_id", required=False)
@options.directory
@click.option(
    "--category",
    type=click.Choice(sorted({*CATEGORIES, *ALIASES})),
    help="What the machine was in; default: the reason's.",
)
@click.option("--reason", default="", help="Why: one of --list, or, with --category, in your words.")
@click.option("--list", "listed", is_flag=True, help="Show what people choose from.")
@cli_edit.by
@cli_edit.expected_revision
@options.as_json
def reason_(
    stop_id: str | None,
    directory: Path | None,
    category: str | None,
    reason: str,
    listed: bool,
    by: str,
    expected_revision: int | None,
    as_json: bool,
) -> int:
    """Say what the stop STOP_ID was (`tailrace stops` lists them); the figures of its time follow at once.

    The latest reason stands; `tailrace stops undo` takes it back. While `tailrace up` runs on the folder, this goes through it.
    Exit code 1 when somebody else changed the stop first.
    """
    target = options.folder(directory)
    if listed:
        _list(target, as_json)
        return 0
    if stop_id is None:
        raise click.UsageError("expected the id of a stop (`tailrace stops` lists them), or --list")
    if category is None:
        category = _category(target, stop_id, reason)
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

    return cli_edit.edit_stops(target, act, show, as_json)


def _category(directory: Path, stop_id: str, reason: str) -> str:
    """The category that the tree gives a reason. Raises UsageError for a reason that is not offered for the stop's machine."""
    compose.catch_up(directory)
    with compose.read_store(directory) as connection:
        stop = stop_queries.made(connection, stop_id)
        found = tree(connection) if stop is None else offered(connection, stop.machine)
    known = {each.reason: each.category for each in found}
    if reason not in known:
        what = repr(reason) if reason else "none"
        words = f"expected --reason as one of `tailrace reason --list`, or --category beside it, got {what}"
        raise click.UsageError(f"{words}; {nearest(reason, known)}")
    return known[reason]


def _list(directory: Path, as_json: bool) -> None:
    compose.catch_up(directory)
    with compose.read_store(directory) as connection:
        found = tree(connection)
    if as_json:
        put_json({"items": found, "next": None})
        return
    rows = [
        (" / ".join(each.path), each.reason, each.category, (each.loss or "").replace("_", " "),
         ", ".join([*each.machines, *each.lines]) or "all")
        for each in found
    ]  # fmt: skip
    console().print(table(["group", "reason", "category", "loss", "for"], rows))
