"""`tailrace stops`: when machines were down, for how long, and what people say it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.known import require_machine
from tailrace.app.output import console, length, note, put_json, table
from tailrace.projections import queries
from tailrace.schemas.answer import Page, StopItem
from tailrace.schemas.instant import format_instant

T = TypeVar("T")

ROWS_MAX = 100_000
ROWS = 1000


def window(command: Callable[..., None]) -> Callable[..., None]:
    """The options --machine, --from, --to, --limit and --cursor of a list."""
    for option in (
        click.option("--cursor", help="`next` of the answer before."),
        click.option(
            "--limit", default=ROWS, show_default=True, type=click.IntRange(1, ROWS_MAX), help="How many at most."
        ),
        click.option("--to", "end", type=options.Time(), help="End, exclusive."),
        click.option("--from", "start", type=options.Time(), help="Start: ISO 8601 with offset, or Unix seconds."),
        click.option("--machine", help="Only of this machine."),
    ):
        command = option(command)
    return command


def check_window(start: int | None, end: int | None) -> None:
    """Refuses a window that ends before it starts."""
    if start is not None and end is not None and start >= end:
        raise click.BadParameter(f"expected --from before --to, got {format_instant(start)} and {format_instant(end)}")


def walk(ask: Callable[[str | None, int], Page[T]], cursor: str | None, limit: int) -> Page[T]:
    """The pages of a list, up to a number of items, as one."""
    items: list[T] = []
    while True:
        page = ask(cursor, min(limit - len(items), queries.LIMIT_MAX))
        items += page.items
        cursor = page.next
        if cursor is None or len(items) == limit:
            return Page(items, cursor)


@click.command("stops", short_help="When machines were down, and why.")
@options.directory
@window
@options.as_json
def stops_(
    directory: Path | None, machine: str | None, start: int | None, end: int | None, limit: int, cursor: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """List stops that have a part in [from, to), newest first; `tailrace reason` says what one was.

    With --json: {"items": […], "next": cursor or null}.
    """
    check_window(start, end)
    target = options.folder(directory)
    compose.catch_up(target)
    require_machine(target, machine)
    now = time.time_ns()
    with compose.read_store(target) as connection:
        found = walk(
            lambda at, n: queries.stops(connection, now, machine=machine, start=start, end=end, cursor=at, limit=n),
            cursor, limit,
        )  # fmt: skip
    if as_json:
        put_json({"items": found.items, "next": found.next})
        return
    _show(found.items)
    if found.next:
        note(f"there are more: --cursor {found.next}")


def _show(items: Sequence[StopItem]) -> None:
    if not items:
        console().print("no stops")
        return
    rows = [
        (each.start, each.end or "still down", length(each.duration_s), each.machine, each.category, each.reason, each.by,
         each.revision, each.id)
        for each in items
    ]  # fmt: skip
    columns = ["start", "end", "h:min:s", "machine", "category", "reason", "by", "revision", "id"]
    console().print(table(columns, rows))
