"""`tailrace oee diff`: what changed about a window between two times at which it was known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.cli_lists import check_window
from tailrace.app.output import console, length, note, percent, put_json, table
from tailrace.schemas.instant import format_instant

TIMES = ("not_scheduled", "planned_stop", "excluded", "setup", "breakdown", "unknown", "microstop", "run")
RATIOS = ("availability", "performance", "quality", "oee")
DIFF_TIMES = 2


@click.command("diff", short_help="What changed about a window since it was known once.")
@options.directory
@click.option("--machine", required=True, help="Which machine.")
@click.option(
    "--from", "start", required=True, type=options.Time(), help="Start: ISO 8601 with offset, or Unix seconds."
)
@click.option("--to", "end", required=True, type=options.Time(), help="End, exclusive.")
@click.option("--known-at", multiple=True, required=True, type=options.Time(), help="As known then; name it twice.")
@click.option("--definition", help="Judge by it instead of the machine's own.")
@options.as_json
def diff_(
    directory: Path | None, machine: str, start: int, end: int, known_at: Sequence[int], definition: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Show the OEE of a machine in [from, to) as it was known at two times, and which seconds moved in between, and why.

    With --json: {"before": …, "after": …, "moved": […]}; before and after have the figures of `tailrace oee`.
    """
    from tailrace.app.oee_diff import diff  # noqa: PLC0415  numpy takes a while to import, --help need not wait

    if len(known_at) != DIFF_TIMES:
        raise click.UsageError(f"expected --known-at twice, before and after, got it {len(known_at)} times")
    check_window(start, end)
    target = options.folder(directory)
    compose.catch_up(target)
    found = diff(target, machine, start, end, (known_at[0], known_at[1]), definition)
    if as_json:
        put_json(found)
    else:
        _show_diff(found, known_at)


def _show_diff(found: Mapping[str, Any], known_at: Sequence[int]) -> None:
    out = console()
    before, after = found["before"], found["after"]
    out.print(f"{after['machine']}  {after['from']} .. {after['to']}")
    rows = [[name, percent(before[name]), percent(after[name])] for name in (*RATIOS, "completeness")]
    rows += [[name, *(length(each[name]) for each in (before, after))] for name in TIMES if before[name] or after[name]]
    rows += [[name, *(str(each[name]) for each in (before, after))] for name in ("total", "good")]
    out.print(table(["", *(f"known at {format_instant(at)}" for at in known_at)], rows))
    moved = [
        [
            length(each["seconds"]),
            each["from_category"],
            each["to_category"],
            each["reason"] or each["type"],
            each["by"],
            each["at"],
        ]
        for each in found["moved"]
    ]
    if moved:
        out.print(table(["moved", "from", "to", "why", "by", "recorded"], moved))
    else:
        note("no second moved")
