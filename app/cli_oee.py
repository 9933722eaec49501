"""`tailrace oee`: the figures of a machine in a window, or in every hour of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.output import console, length, note, percent, put_json, table
from tailrace.schemas.instant import format_instant

WINDOWS_MAX = 10_000

TIMES = ("not_scheduled", "planned_stop", "excluded", "setup", "breakdown", "unknown", "microstop", "run")
RATIOS = ("availability", "performance", "quality", "oee")


@click.command("oee", short_help="OEE of a machine in a window.")
@options.directory
@click.option("--machine", required=True, help="Which machine.")
@click.option(
    "--from", "start", required=True, type=options.Time(), help="Start: ISO 8601 with offset, or Unix seconds."
)
@click.option("--to", "end", required=True, type=options.Time(), help="End, exclusive.")
@click.option("--as-of", type=options.Time(), help="Count nothing that is stamped later.")
@click.option("--every", type=options.Length(), help="A row for each such length: 15min, 1h, 1d.")
@options.as_json
def oee_(
    directory: Path | None, machine: str, start: int, end: int, as_of: int | None, every: int | None, as_json: bool
) -> None:
    """Show the OEE of a machine in [from, to), exact for any window; seconds, parts and ratios 0..1 with --json."""
    from tailrace.app.oee_query import oee  # noqa: PLC0415  numpy takes a while to import, --help need not wait

    windows = _windows(start, end, every)
    target = options.folder(directory)
    compose.catch_up(target)
    found = oee(target, machine, windows, as_of)
    if as_json:
        put_json({"items": found} if every else found[0])
    elif every:
        console().print(_rows(found))
    else:
        _show(found[0])


def _windows(start: int, end: int, every: int | None) -> list[tuple[int, int]]:
    if start >= end:
        raise click.BadParameter(f"expected --from before --to, got {format_instant(start)} and {format_instant(end)}")
    if not every:
        return [(start, end)]
    if (end - start) // every >= WINDOWS_MAX:
        raise click.BadParameter(
            f"expected at most {WINDOWS_MAX} windows, got {-(-(end - start) // every)}; take a longer --every"
        )
    return [(at, min(at + every, end)) for at in range(start, end, every)]


def _rows(found: Sequence[Mapping[str, Any]]) -> Any:
    rows = [
        [each["from"], *(percent(each[name]) for name in RATIOS), each["good"], each["reject"], length(each["run"]),
         length(each["breakdown"]), " ".join(each["flags"])]
        for each in found
    ]  # fmt: skip
    columns = ["from", *RATIOS, "good", "reject", "run", "breakdown", "flags"]
    return table(columns, rows, title=f"{found[0]['machine']}, OEE")


def _show(found: Mapping[str, Any]) -> None:
    out = console()
    out.print(f"{found['machine']}  {found['from']} .. {found['to']}")
    out.print(table(RATIOS, [[percent(found[name]) for name in RATIOS]]))
    out.print(table(["time", "h:min:s"], [[name, length(found[name])] for name in TIMES if found[name]]))
    out.print(f"parts: {found['total']} = {found['good']} good + {found['reject']} reject + {found['rework']} rework")
    if found["flags"]:
        out.print(f"flags: {', '.join(found['flags'])}")
    known = found["completeness"]
    used = ", ".join(found["definition"]) or "the defaults"
    out.print(f"definition: {used}; known: {percent(known)} of the scheduled time; revision {found['revision']}")
    if not found["calendar"]:
        note("the window lies after everything that is known of this machine")
