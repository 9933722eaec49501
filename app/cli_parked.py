"""`tailrace parked`: what waits behind a record that cannot be folded, and what a person decides about it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
import msgspec

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.audit import Parked, parked
from tailrace.app.edit_log import edit_log
from tailrace.app.output import console, put_json, table
from tailrace.app.parked import Action, Released, release
from tailrace.schemas.errors import InvalidSettings

BAD = 1


@click.group("parked", short_help="What cannot be folded, and what to do with it.", invoke_without_command=True)
@options.directory
@options.as_json
@click.pass_context
def parked_(context: click.Context, directory: Path | None, as_json: bool) -> None:
    """List machines whose records wait behind one that cannot be folded: which record, since when, why, and how many wait.

    With --json: {"parked": [{"machine", "id", "position", "type", "reason", "topologies", "since", "waiting"}]}.
    """
    if context.invoked_subcommand is not None:
        return
    target = options.folder(directory)
    compose.catch_up(target)
    found = parked(target)
    if as_json:
        put_json({"parked": [msgspec.to_builtins(each) for each in found]})
    else:
        _show(found)


@parked_.command("release", short_help="Decide about a parked machine.")
@options.directory
@click.option("--machine", required=True, help="The machine; '' = the records of the whole site.")
@click.option("--event", default="", help="The id of one record, where folds are held up by several of the machine.")
@click.option("--retry", is_flag=True, help="Fold the record again.")
@click.option("--skip", is_flag=True, help="Leave the record out.")
@click.option(
    "--patch", type=click.Path(path_type=Path), help="JSON file: fields of the event, a whole event, or {\"events\": […]}."
)  # fmt: skip
@click.option("--by", required=True, help="Who decides.")
@options.as_json
def release_(
    directory: Path | None, machine: str, event: str, retry: bool, skip: bool, patch: Path | None, by: str, as_json: bool
) -> int:  # fmt: skip
    """Say what becomes of the record that parks a machine, with one of --retry, --skip and --patch.

    What waited behind it is folded now, with its own times. While `tailrace up` runs on the folder, this goes through it. Exit
    code 1 where something of the machine is parked again, or still.
    """
    action = _action(retry, skip, patch)
    fields = _fields(patch) if patch is not None else None
    target = options.folder(directory)
    compose.catch_up(target)

    async def decide() -> Released:
        async with edit_log(target) as log:
            return await release(target, log, machine, action, by=by, patch=fields, event=event)

    done = asyncio.run(decide())
    if as_json:
        put_json(msgspec.to_builtins(done))
    else:
        console().print(f"{done.action} by {by}: {', '.join(done.released)}", markup=False)
        _show(done.parked)
    return BAD if done.parked else 0


def _action(retry: bool, skip: bool, patch: Path | None) -> Action:
    if retry + skip + (patch is not None) != 1:
        raise click.UsageError("expected one of --retry, --skip and --patch FILE")
    return "retry" if retry else "skip" if skip else "patched"


def _fields(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path}: expected a JSON object, got: {error}") from None


def _show(found: list[Parked]) -> None:
    if not found:
        console().print("parked    nothing")
        return
    rows = [
        [each.machine or "the site", each.id, each.position, each.since, each.waiting, ", ".join(each.topologies), each.reason]
        for each in found
    ]  # fmt: skip
    console().print(table(["machine", "event", "position", "since", "events wait", "folds", "why"], rows))
