"""`tailrace diff`: a data folder beside another one, as a what-if replay makes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.bar import Bar
from rich.table import Table

from tailrace.app import cli_options as options
from tailrace.app.output import console, note, percent, put_json, table

if TYPE_CHECKING:
    from tailrace.app.folder_diff import Found, Machines

RATIOS = ("availability", "performance", "quality", "oee")
BAR_CHARACTERS = 40


@click.command("diff", short_help="What differs between two data folders.")
@click.argument("live", type=click.Path(path_type=Path))
@click.argument("other", metavar="DIR", type=click.Path(path_type=Path))
@options.as_json
def diff_(live: Path, other: Path, as_json: bool) -> None:
    """Show which rows of the read models DIR has that LIVE has not, lacks, or has otherwise, and the OEE of each machine in both.

    The figures are of the hours of which either knows something.
    With --json: {"equal": …, "models": …, "left_out": …, "oee": […]}.
    """
    from tailrace.app.folder_diff import diff  # noqa: PLC0415  numpy takes a while to import, --help need not wait

    found = diff(live, other)
    if as_json:
        put_json(msgspec.to_builtins(found))
    else:
        _show(found)


def _show(found: Found) -> None:
    out = console()
    models = found.models.items()
    rows = [[name, each.before, each.after, each.added, each.removed, each.changed] for name, each in models]
    out.print(table(["read model", "rows before", "after", "added", "removed", "changed"], rows))
    if found.oee:
        window = next(each.before or each.after for each in found.oee) or {}
        out.print(f"\n{window['from']} .. {window['to']}")
        out.print(table(["machine", "", *RATIOS], [row for each in found.oee for row in _ratios(each)]))
        out.print()
        out.print(_plot(found.oee))
    if found.left_out:
        note(f"not compared, since it is not folded in both: {', '.join(found.left_out)}")
    if found.equal:
        note("nothing differs")


def _ratios(each: Machines) -> Iterator[list[str]]:
    for name, side, figures in (("before", each.machine, each.before), ("after", "", each.after)):
        yield [side, name, *(percent((figures or {}).get(ratio)) for ratio in RATIOS)]


def _plot(machines: list[Machines]) -> Table:
    """OEE from 0 to 100 %, before and after, under each other."""
    found = Table(title="OEE, 0 .. 100 %", title_justify="left", box=None, pad_edge=False, show_header=False)
    for each in machines:
        for name, side, figures in (("before", each.machine, each.before), ("after", "", each.after)):
            value: Any = (figures or {}).get("oee")
            bar = Bar(
                1.0, 0.0, min(max(value or 0.0, 0.0), 1.0), width=BAR_CHARACTERS, color="cyan" if side else "green"
            )
            found.add_row(side, name, bar, percent(value))
    return found
