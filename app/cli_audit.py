"""`tailrace audit`: whether everything that came in is accounted for."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.audit import Audit, Source, audit, shown
from tailrace.app.output import console, note, put_json, table
from tailrace.schemas.errors import InvalidSettings, TailraceError

COLUMNS = tuple(name for name in Source.__struct_fields__ if name != "balanced")


@click.command("audit", short_help="Whether everything that came in is accounted for.")
@options.directory
@options.as_json
def audit_(directory: Path | None, as_json: bool) -> int:
    """Count the log and compare: received = appended + duplicate + quarantined, and appended = folded + parked, in events.

    Exit code 1 where an account does not balance; it says which and why.
    """
    target = options.folder(directory)
    try:
        compose.catch_up(target)
    except InvalidSettings:
        raise
    except TailraceError as error:
        note(f"tailrace: {error}")
    found = audit(target)
    if as_json:
        put_json(shown(found))
    else:
        _show(found)
    return 0 if found.balanced else 1


def _show(found: Audit) -> None:
    out = console()
    if found.sources:
        out.print(table(COLUMNS, [msgspec.structs.astuple(each)[: len(COLUMNS)] for each in found.sources]))
    folds = [
        (f"fold {each.topology}", each.appended, each.folded, each.parked, each.skipped)
        for each in found.stages.topologies
    ]
    out.print(table(["up to the rows, events", "appended", "folded", "parked", "of them skipped"], folds))
    stages = found.stages
    out.print(
        f"rows      {stages.projected} events are in the rows, up to position {stages.position}; {stages.behind} came since"
    )
    out.print(f"late      {stages.late} events came after their minute was over")
    out.print(f"gaps      {stages.gaps} jumps in sequences, {stages.missing} messages missing")
    for each in found.parked:
        machine = each.machine or "the site"
        out.print(
            f"parked    {machine}: {each.id} at position {each.position} holds up {each.waiting} events: {each.reason}"
        )
    for problem in found.problems:
        note(f"tailrace: {problem}")
    out.print("balanced" if found.balanced else "not balanced")
