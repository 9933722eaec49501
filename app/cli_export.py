"""`tailrace export` and `tailrace tail`: what is in the log, as events."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import click
import msgspec

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.output import note, put_json
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import AnyEvent
from tailrace.schemas.instant import format_instant
from tailrace.schemas.record import Record

BATCH = 500
SHOWN_CHARACTERS = 160


@click.command("export", short_help="Write the events file.")
@options.directory
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write (default: standard output)."
)
def export_(directory: Path | None, out: Path | None) -> int:
    """Write every event of the log once, a line each, in the log's order; `tailrace import` reads it back."""
    with compose.reading(options.folder(directory)) as log:
        if out is None:
            skipped = _write(log, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            skipped = _to_file(log, out)
    for reason in skipped[:3]:
        note(f"tailrace: {reason}")
    if skipped:
        note(f"tailrace: {len(skipped)} records of another release were left out")
    return 1 if skipped else 0


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


def _to_file(log: LogReader, out: Path) -> list[str]:
    """Writes beside the file and moves it into place, so that a file is whole or not there."""
    draft = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            skipped = _write(log, file)
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return skipped


def _write(log: LogReader, file: IO[bytes]) -> list[str]:
    skipped: list[str] = []
    after, end = 0, log.end()
    while after < end and (records := log.read(after, min(BATCH, end - after))):
        for record in records:
            try:
                file.writelines(codec.to_line(event) + b"\n" for event in codec.events_of(record))
            except InvalidEvent as error:
                skipped.append(str(error))
        after = records[-1].position
    return skipped


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
