"""`tailrace stops`: when machines were down, for how long, what people say it was; split, merged and undone."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import click
import msgspec

from tailrace.app import cli_edit, compose
from tailrace.app import cli_options as options
from tailrace.app.cli_lists import check_window, put_page, walk, window
from tailrace.app.edits import Editing, merge_stops, split_stop, undo_edit
from tailrace.app.known import require_machine
from tailrace.app.output import console, length, percent, put_json, table
from tailrace.app.stop_report import report
from tailrace.projections import queries
from tailrace.schemas.answer import MergeEdit, Page, SplitEdit, StopItem, UndoEdit
from tailrace.schemas.instant import Instant, format_instant


@click.group("stops", invoke_without_command=True, short_help="When machines were down, and why.")
@options.directory
@window
@options.as_json
@click.pass_context
def stops_(
    context: click.Context, directory: Path | None, machine: str | None, start: int | None, end: int | None, limit: int,
    cursor: str | None, as_json: bool,
) -> None:  # fmt: skip
    """List stops that have a part in [from, to), newest first; `tailrace reason` says what one was.

    With --json: {"items": […], "next": cursor or null}.
    """
    if context.invoked_subcommand:
        return
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
    put_page(found, _show, as_json=as_json)


@stops_.command("split", short_help="Make two stops of one.")
@click.argument("stop_id")
@options.directory
@click.option("--at", required=True, type=options.Time(), help="Where to cut: ISO 8601 with offset, or Unix seconds.")
@cli_edit.by
@cli_edit.expected_revision
@options.as_json
def split_(
    stop_id: str, directory: Path | None, at: Instant, by: str, expected_revision: int | None, as_json: bool
) -> int:
    """Cut the stop STOP_ID in two, each of which can have its own reason; no figure moves by it."""
    edit = SplitEdit(at=format_instant(at), by=by, expected_revision=expected_revision)
    return _edit(directory, lambda editing: split_stop(editing, stop_id, edit), as_json)


@stops_.command("merge", short_help="Make one stop of several.")
@click.argument("stop_ids", nargs=-1, required=True)
@options.directory
@cli_edit.by
@click.option(
    "--expected-revision", "revisions", multiple=True, type=int, help="The revision of each stop, in their order."
)
@options.as_json
def merge_(stop_ids: Sequence[str], directory: Path | None, by: str, revisions: Sequence[int], as_json: bool) -> int:
    """Join the stops STOP_IDS of one machine; what ran between them still ran, and no figure moves by it."""
    if revisions and len(revisions) != len(stop_ids):
        raise click.BadParameter(
            f"expected --expected-revision for each of {len(stop_ids)} stops, got {len(revisions)}"
        )
    known = dict(zip(stop_ids, revisions, strict=False))
    edit = MergeEdit(stops=list(stop_ids[1:]), by=by, expected_revisions=known)
    return _edit(directory, lambda editing: merge_stops(editing, stop_ids[0], edit), as_json)


@stops_.command("undo", short_help="Take the last edit of a stop back.")
@click.argument("stop_id")
@options.directory
@cli_edit.by
@cli_edit.expected_revision
@options.as_json
def undo_(stop_id: str, directory: Path | None, by: str, expected_revision: int | None, as_json: bool) -> int:
    """Take the last edit of the stop STOP_ID back, be it a reason, a split or a merge; what held before holds again."""
    edit = UndoEdit(by=by, expected_revision=expected_revision)
    return _edit(directory, lambda editing: undo_edit(editing, stop_id, edit), as_json)


@stops_.command("pareto", short_help="What stops cost, by reason.")
@options.directory
@click.option("--machine", help="Only of this machine.")
@click.option("--line", help="Only of machines of this line (ISA-95).")
@click.option(
    "--from", "start", required=True, type=options.Time(), help="Start: ISO 8601 with offset, or Unix seconds."
)
@click.option("--to", "end", required=True, type=options.Time(), help="End, exclusive.")
@click.option(
    "--microstop", type=options.Length(), help="A shorter stop is no failure; default: microstop_s of the definition."
)
@options.as_json
def pareto_(
    directory: Path | None,
    machine: str | None,
    line: str | None,
    start: int,
    end: int,
    microstop: int | None,
    as_json: bool,
) -> None:
    """Show what stops cost in [from, to) by reason, most first, with MTBF and MTTR as sum / n, and the six big losses
    (docs/stops.md)."""
    check_window(start, end)
    target = options.folder(directory)
    compose.catch_up(target)
    require_machine(target, machine)
    found = report(target, time.time_ns(), start, end, machine=machine, line=line, microstop=microstop)
    if as_json:
        put_json(msgspec.structs.asdict(found))
        return
    rows = [
        (each.category, each.reason, _words(each.loss), length(each.duration_s), each.stops, percent(each.share),
         percent(each.cumulative))
        for each in found.items
    ]  # fmt: skip
    console().print(table(["category", "reason", "loss", "h:min:s", "stops", "share", "together"], rows))
    for name, mean in (("MTBF", found.mtbf), ("MTTR", found.mttr)):
        value = "–" if mean.mean_s is None else f"{mean.mean_s:,.1f} s"
        console().print(f"{name} {value} = {mean.sum_s:,.1f} s / {mean.n} ({mean.formula})")
    lost = [
        (_words(each.loss), "–" if each.duration_s is None else f"{each.duration_s:,.1f} s", percent(each.share))
        for each in found.losses
    ]
    console().print(table(["big loss", "time", "share"], lost))
    together = "–: an ideal cycle is missing" if found.lost_s is None else f"{found.lost_s:,.1f} s"
    console().print(f"together {together} (planned busy time - valuable time)")


def _words(loss: str | None) -> str:
    return "" if loss is None else loss.replace("_", " ")


def _edit(directory: Path | None, act: Callable[[Editing], Awaitable[Page[StopItem]]], as_json: bool) -> int:
    def show(found: Page[StopItem]) -> None:
        put_page(found, _show, as_json=as_json)

    return cli_edit.edit_stops(options.folder(directory), act, show, as_json)


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
