"""`tailrace log …`: looking after the log itself."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click
import msgspec

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.archive import archive, sealed_hours
from tailrace.app.output import console, counting, note, put_json, table
from tailrace.connectors.log_sqlite_verify import verify
from tailrace.schemas.instant import Instant


@click.group("log", short_help="Check the log, archive what is old.")
def log_() -> None:
    """Look after the log of a data folder."""


@log_.command("verify", short_help="Check every stored byte.")
@options.directory
@options.as_json
def verify_(directory: Path | None, as_json: bool) -> int:
    """Check that the log is what was written: each record by crc32 and sha256 chain, and all that is kept beside them.

    Exit code 1 where something is not, with the file and, where there is one, the position. With --json:
    {"ok", "file", "position", "error", "records", "files", "chain"}.
    """
    path = compose.events_file(options.folder(directory))
    with counting("checking records") as heard:
        verdict = verify(path, heard)
    if as_json:
        put_json(msgspec.to_builtins(verdict))
    elif verdict.ok:
        console().print(
            f"as written: {verdict.records:,} records, {verdict.files} archive files, chain {verdict.chain[:16]}…"
        )
    else:
        at = "" if verdict.position is None else f", position {verdict.position}"
        console().print(f"damaged: {verdict.file}{at}: {verdict.error}", markup=False)
    return 0 if verdict.ok else 1


@log_.command("archive", short_help="Move old records into Parquet files.")
@options.directory
@click.option(
    "--before", type=options.Time(), help="What came in before this time (default: before the hour that is running)."
)
@options.as_json
def archive_(directory: Path | None, before: Instant | None, as_json: bool) -> None:
    """Move what came into the log before a time from events.db into Parquet files in archive/, up to the first that did not.

    Everything goes on reading it as before: every record, id and figure stays. It works while `tailrace up` runs. With --json:
    {"files": [{"file", "first", "last", "events", "size_bytes"}], "strange", "archived_records", "records"}.
    """
    target = options.folder(directory)
    compose.events_file(target)
    with counting("archiving records") as heard:
        done = asyncio.run(archive(target, sealed_hours(time.time_ns()) if before is None else int(before), heard))
    for name in done.strange:
        note(
            f"tailrace: {target / 'archive' / name}: this log does not know it and has other records; it was left alone"
        )
    shown = [
        {"file": f"archive/{each.file}", "first": each.first, "last": each.last, "events": each.events,
         "size_bytes": each.size}
        for each in done.files
    ]  # fmt: skip
    if as_json:
        counts = {"archived_records": done.archived, "records": done.records}
        put_json({"files": shown, "strange": [f"archive/{name}" for name in done.strange], **counts})
        return
    if shown:
        rows = [[each["file"], each["first"], each["last"], each["events"], each["size_bytes"]] for each in shown]
        console().print(table(["file", "first position", "last position", "events", "bytes"], rows))
    console().print(f"archived: {done.archived:,} of {done.records:,} records")
