"""`tailrace export` and `tailrace tail`: what is in the log, as events."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.cli_lists import check_window
from tailrace.app.export_file import FORMATS, JSONL, PARQUET, SUFFIXES, export, in_place
from tailrace.app.output import counting, note, put_json
from tailrace.app.wanted import Wanted
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import AnyEvent
from tailrace.schemas.instant import format_instant
from tailrace.schemas.record import Record

BATCH = 500
SHOWN_CHARACTERS = 160


@click.command("export", short_help="Write the events file, or Parquet or CSV.")
@options.directory
@click.option("--machine", default="", help="Only of this machine.")
@click.option("--from", "start", type=options.Time(), help="Start: ISO 8601 with offset, or Unix seconds.")
@click.option("--to", "end", type=options.Time(), help="End, exclusive.")
@click.option("--type", "types", multiple=True, help="Only events of this type; name it again for more.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: as --out ends, else jsonl.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write (default: standard output)."
)
@options.as_json
def export_(
    directory: Path | None, machine: str, start: int | None, end: int | None, types: Sequence[str], form: str | None,
    out: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Write events, each once, in the log's order: all of them, or those that are asked for.

    JSON lines are what `tailrace import` reads back. Parquet and CSV have a row an event, a column a signal (docs/analysts.md).
    With --json: {"out": …, "format": …, "events": …, "left_out": …}.
    """
    form = form or (SUFFIXES.get(out.suffix.lower()) if out else None) or JSONL
    check_window(start, end)
    if out is None and (as_json or form == PARQUET):
        raise click.UsageError(f"expected --out with {'--json' if as_json else '--format parquet'}, got none")
    wanted = Wanted(machine=machine, start=start, end=end, types=frozenset(types))
    with compose.reading(options.folder(directory)) as log, counting("exporting", hidden=as_json) as tell:
        if out is None:
            found = export(log, wanted, form, sys.stdout.buffer, tell)
            sys.stdout.buffer.flush()
        else:
            found = in_place(out, lambda file: export(log, wanted, form, file, tell))
    for reason in found.skipped[:3]:
        note(f"tailrace: {reason}")
    if found.skipped:
        note(f"tailrace: {len(found.skipped)} records that are damaged or of another release were left out")
    if as_json:
        put_json({"out": str(out), "format": form, "events": found.events, "left_out": len(found.skipped)})
    return 1 if found.skipped else 0


@click.command("tail", short_help="Show the newest events.")
@options.directory
@click.option("-n", "count", default=10, show_default=True, type=click.IntRange(0, 100_000), help="How many.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@click.option("--machine", default="", help="Only of this machine.")
@options.as_json
def tail_(directory: Path | None, count: int, follow: bool, machine: str, as_json: bool) -> None:
    """Show the newest events, one a line. With --json one object {"items": […]}; with -f as well, one event a line."""
    target = options.folder(directory)
    with compose.reading(target) as log:
        newest, end = _newest(log, count, machine), log.end()
    if as_json and not follow:
        put_json({"items": [msgspec.Raw(codec.to_line(event)) for event in newest]})
        return
    _print(newest, as_json)
    if follow:
        asyncio.run(_follow(target, end, machine, as_json))


def _newest(log: LogReader, count: int, machine: str) -> list[AnyEvent]:
    """The last events: records are read backwards until there are enough."""
    found: deque[AnyEvent] = deque()
    before = log.end()
    while before > 0 and len(found) < count:
        after = max(0, before - BATCH)
        found.extendleft(reversed(list(_events(log.read(after, before - after), machine))))
        before = after
    return list(found)[-count:] if count else []


def _events(records: Sequence[Record], machine: str) -> Iterator[AnyEvent]:
    for record in records:
        if machine and record.machine != machine:
            continue
        try:
            yield from codec.events_of(record)
        except InvalidEvent as error:
            note(f"tailrace: {error}")


async def _follow(directory: Path, after: int, machine: str, as_json: bool) -> None:
    log = compose.SocketLog(directory)
    try:
        async for records in log.follow(after, BATCH):
            _print(list(_events(records, machine)), as_json)
    finally:
        await log.close()


def _print(events: Sequence[AnyEvent], as_json: bool) -> None:
    for event in events:
        sys.stdout.write((codec.to_line(event).decode() if as_json else _line(event)) + "\n")
    sys.stdout.flush()


def _line(event: AnyEvent) -> str:
    """Time, machine, type and what it says, cut to a line."""
    said = msgspec.json.decode(codec.to_line(event), type=dict[str, msgspec.Raw])
    rest = {name: bytes(value).decode() for name, value in said.items() if name not in _HEAD}
    text = " ".join(f"{name}={value}" for name, value in rest.items())
    head = f"{format_instant(event.t):24} {event.machine or '-':16} {codec.type_of(event):18}"
    return f"{head} {text}"[:SHOWN_CHARACTERS].rstrip()


_HEAD = {"type", "machine", "t", "id", "clock", "seq", "ingested"}
