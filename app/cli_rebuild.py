"""`tailrace rebuild`: read models made again beside the live ones, and put in their place."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from tailrace.app import cli_options as options
from tailrace.app import compose, rebuild
from tailrace.app.output import console, counting, note, put_json
from tailrace.app.rebuild import Paused, Rebuilt
from tailrace.projections.models import TABLES


@click.command("rebuild", short_help="Make read models again beside the live ones, and swap.")
@click.argument("model")
@options.directory
@click.option("--yes", is_flag=True, help="Put rebuilt rows in place also where they differ from the live ones.")
@click.option("--cancel", is_flag=True, help="Take away what an interrupted rebuild left.")
@options.as_json
def rebuild_(model: str, directory: Path | None, yes: bool, cancel: bool, as_json: bool) -> int:
    """Make a read model again from the log, beside the live one, and put it in place in one transaction (docs/rebuild.md).

    MODEL is a projection, one of its tables, or all. Queries go on all the while, and so does `tailrace up`. Where rows differ,
    they are shown, and it asks; without a terminal the rebuilt rows stay beside and the exit code is 1. Ctrl-C pauses; the
    same command goes on.
    """
    found = rebuild.projections(model)
    if not found:
        there = "; ".join(f"{name} ({', '.join(tables)})" for name, tables in TABLES.items())
        raise click.UsageError(f"expected all, or a projection or one of its read models: {there}; got {model!r}")
    target = options.folder(directory)
    compose.events_file(target)
    with rebuild.alone(target):
        if cancel:
            return _cancel(target, found, as_json)
        return _rebuild(target, found, yes, as_json)


def _cancel(directory: Path, names: list[str], as_json: bool) -> int:
    gone = [name for name in names if rebuild.cancel(directory, name)]
    if as_json:
        put_json({"cancelled": gone})
    else:
        console().print(f"given up: {', '.join(gone)}" if gone else "nothing was being rebuilt")
    return 0


def _rebuild(directory: Path, names: list[str], yes: bool, as_json: bool) -> int:
    done: list[Rebuilt] = []
    asks = sys.stdin.isatty() and sys.stderr.isatty() and not as_json
    with _pausing() as paused:
        for name in names:
            found = _one(directory, name, yes, paused)
            _show_differences(found)
            if found.state == "kept" and asks and click.confirm("Put the rebuilt rows in place?", err=True):
                found = _one(directory, name, True, paused)
            done.append(found)
            if not as_json:
                console().print(_words(found))
            if found.state == "paused":
                break
    if as_json:
        put_json({"projections": msgspec.to_builtins(done)})
    return 1 if any(each.state == "kept" for each in done) else 0


def _one(directory: Path, name: str, differing: bool, paused: Paused) -> Rebuilt:
    with counting(f"rebuilding {name}") as tell:
        return rebuild.rebuild(directory, name, tell, paused, differing=differing)


@contextmanager
def _pausing() -> Iterator[Paused]:
    """Ctrl-C and SIGTERM end it after the transaction that is under way."""
    asked = threading.Event()
    before = {each: signal.signal(each, lambda *_: asked.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _words(found: Rebuilt) -> str:
    rate = f"{found.records:,} records in {found.seconds:.1f} s"
    if found.state == "paused":
        return (
            f"{found.projection}: paused at position {found.position} of {found.end}; the same command goes on, --cancel gives "
            "it up"
        )
    if found.state == "kept":
        return (
            f"{found.projection}: made again up to position {found.position} ({rate}) and kept beside the live rows, which "
            "differ; --yes puts the rebuilt ones in place, --cancel gives them up"
        )
    same = "equal to the live rows" if found.equal else "the live rows differed"
    return f"{found.projection}: {', '.join(found.tables)} made again up to position {found.position} ({rate}), {same}; swapped"


def _show_differences(found: Rebuilt) -> None:
    for each in found.differences:
        counts = {"rows are only live": each.only_live, "are only rebuilt": each.only_rebuilt, "differ": each.changed}
        said = ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)
        key = " ".join(f"{name}={value}" for name, value in each.key.items())
        where = f" in {', '.join(each.columns)}" if each.columns else ""
        note(f"{each.table}: {said}; the first is {key}{where}")
