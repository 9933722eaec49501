"""`tailrace oee history`: the restatement ledger of a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.cli_lists import ROWS_MAX, check_window, put_page, walk
from tailrace.app.output import console, length, percent, table

SHOWN = 20


@click.command("history", short_help="What restated a window: old figure, new figure, who, when, why.")
@options.directory
@click.option("--machine", required=True, help="Which machine.")
@click.option(
    "--from", "start", required=True, type=options.Time(), help="Start: ISO 8601 with offset, or Unix seconds."
)
@click.option("--to", "end", required=True, type=options.Time(), help="End, exclusive.")
@click.option("--definition", help="Judge by it instead of the machine's own.")
@click.option("--limit", type=click.IntRange(1, ROWS_MAX), default=SHOWN, show_default=True, help="How many at most.")
@click.option("--cursor", help="`next` of the answer before.")
@options.as_json
def history_(
    directory: Path | None, machine: str, start: int, end: int, definition: str | None, limit: int, cursor: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """List each event that restated the OEE of a machine in [from, to), oldest first: figures before and after, who, when, why.

    With --json: {"items": [{"cause", "type", "by", "reason", "at", "minutes", "before", "after", "moved"}], "next"}.
    """
    from tailrace.app.oee_ledger import history  # noqa: PLC0415  numpy takes a while to import, --help need not wait

    check_window(start, end)
    target = options.folder(directory)
    compose.catch_up(target)
    found = walk(lambda at, n: history(target, machine, start, end, definition, cursor=at, limit=n), cursor, limit)
    put_page(found, _show, as_json=as_json)


def _show(items: Sequence[Mapping[str, Any]]) -> None:
    out = console()
    if not items:
        out.print("nothing restated this window")
        return
    out.print(f"{items[0]['after']['machine']}  {items[0]['from']} .. {items[0]['to']}")
    rows = [
        (each["at"], percent(each["before"]["oee"]), percent(each["after"]["oee"]), each["by"] or "–",
         each["reason"] or each["type"], _moved(each["moved"]), each["minutes"], each["cause"])
        for each in items
    ]  # fmt: skip
    out.print(table(["recorded", "OEE before", "after", "by", "why", "moved", "minutes restated", "event"], rows))


def _moved(moved: Sequence[Mapping[str, Any]]) -> str:
    told = (f"{length(each['seconds'])} {each['from_category']} → {each['to_category']}" for each in moved)
    return ", ".join(told) or "no time"
