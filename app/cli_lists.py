"""Commands that list: the options of a window, pages walked as one, and what is printed of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from tailrace.app import cli_options as options
from tailrace.app.output import note, put_json
from tailrace.projections import queries
from tailrace.schemas.answer import Page
from tailrace.schemas.instant import format_instant

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., object])

ROWS_MAX = 100_000
ROWS = 1000


def window(command: C) -> C:
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


def put_page(found: Page[T], show: Callable[[Sequence[T]], None], *, as_json: bool) -> None:
    """A page as one JSON object, or as `show` shows it, and how to get what is left."""
    if as_json:
        put_json({"items": found.items, "next": found.next})
        return
    show(found.items)
    if found.next:
        note(f"there are more: --cursor {found.next}")
