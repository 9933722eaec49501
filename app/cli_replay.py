"""`tailrace replay`: the log folded once more, to prove the rows, or into a folder of its own."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from tailrace.app import cli_options as options
from tailrace.app import compose, replay, replay_into, settings, what_if
from tailrace.app.output import console, counting, note, put_json, table
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.schemas.errors import InvalidSettings

SHOWN_DIGITS = 16


@click.command("replay", short_help="Fold the log once more: to prove the rows, or into another folder.")
@options.directory
@click.option("--verify", is_flag=True, help="Compare what it gives with the rows; exit with 1 where they differ.")
@click.option(
    "--against", type=click.Path(path_type=Path), help="With --verify: a plant file; compare with what workers on Kafka found."
)  # fmt: skip
@click.option("--into", type=click.Path(path_type=Path), help="A new folder for what is replayed.")
@click.option("--from", "start", type=options.Time(), help="From when on --speed holds; before, as fast as it goes.")
@click.option("--to", "end", type=options.Time(), help="Without what happened then or later.")
@click.option("--machine", default="", help="Only this machine, and what concerns the site.")
@click.option("--topology", "topologies", multiple=True, type=click.Choice(compose.TOPOLOGIES), help="Only this fold.")
@click.option("--speed", type=click.FloatRange(0, min_open=True), help="How many times as fast as it happened.")
@click.option("--until-event", default="", help="End after the event with this id.")
@click.option("--override", "overrides", multiple=True, help="What if: definition.microstop_s=120, model.z_limit=6.")
@options.as_json
def replay_(
    directory: Path | None, verify: bool, against: Path | None, into: Path | None, as_json: bool, **choices: Any
) -> int:
    """Fold the log once more, and act on nothing (docs/replay.md).

    With --verify the whole log, beside the data folder: each read model is compared by its digest. With --against, workers on
    Kafka have folded a copy of it already. With --into some of it, or all, into a folder of its own, which every other command
    takes as --dir. Ctrl-C pauses; the same command goes on.
    """
    source = options.folder(directory)
    choices |= {name: int(choices[name]) for name in ("start", "end") if choices[name] is not None}
    choices["topologies"] = sorted(choices["topologies"])
    choices["overrides"] = what_if.require(dict(map(what_if.parse, choices["overrides"])))
    asked = replay_into.Asked(source=str(source.resolve()), **choices)
    if verify == (into is not None):
        raise click.UsageError("expected either --verify, or --into with the folder for what is replayed")
    if into is None:
        if asked != replay_into.Asked(source=asked.source):
            raise click.UsageError("--verify: expected no other choice, since it is about all that the log holds")
        return _verify(source, against, as_json)
    if against is not None:
        raise click.UsageError("--against: expected --verify with it, since it is about rows that are there")
    if asked.start is not None and asked.end is not None and asked.start >= asked.end:
        raise click.UsageError("--to: expected a time after --from")
    return _replay(asked, into, as_json)


def _replay(asked: replay_into.Asked, into: Path, as_json: bool) -> int:
    began = time.monotonic()
    before = replay_into.begun(into)
    with counting("replaying") as tell:
        found = asyncio.run(_run(asked, into, tell))
    seconds = time.monotonic() - began
    if found.damaged:
        shown = ", ".join(map(str, found.damaged[:3])) + (" …" if len(found.damaged) > 3 else "")
        note(
            f"tailrace: {len(found.damaged)} damaged records were left out, at position {shown}; `tailrace log verify` says more"
        )
    records = found.kept - (before.kept if before else 0)
    if as_json:
        put_json({
            "done": found.done, "into": str(into), "records": found.kept, "events": found.events,
            "damaged": found.damaged, "position": found.read, "end": found.until, "seconds": seconds,
            "records_per_s": records / seconds,
        })  # fmt: skip
        return 0
    state = "replayed" if found.done else f"paused at position {found.read} of {found.until}; the same command goes on"
    console().print(
        f"{into}: {found.kept} records with {found.events} events {state}, {records / seconds:,.0f} records/s"
    )
    return 0


async def _run(asked: replay_into.Asked, into: Path, tell: replay.Tell) -> replay_into.Replay:
    paused = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, paused.set)
    return await replay_into.run(asked, into, tell, paused)


def _verify(directory: Path, against: Path | None, as_json: bool) -> int:
    if against is not None:
        found = replay.verify_against(directory, _on_kafka(against))
    else:
        with counting("folding again") as tell:
            found = replay.verify(directory, tell)
    if as_json:
        put_json(msgspec.to_builtins(found))
    else:
        _show(found)
    return 0 if found.equal else 1


def _on_kafka(plant: Path) -> KafkaSettings:
    log = settings.load(plant).log
    if log is None:
        raise InvalidSettings(
            f"{plant}: expected a log of kind: kafka, got none; --against is about what workers found"
        )
    return log


def _show_database(found: replay.Database) -> None:
    other = [model for model, each in found.digests.items() if each.live != each.replayed]
    words = f"differs in {', '.join(other)}" if other else "equal"
    console().print(f"{found.where}: {words}, up to position {found.position}", markup=False)


def _show(found: replay.Verified) -> None:
    rows = [
        (model, each.live[:SHOWN_DIGITS], each.replayed[:SHOWN_DIGITS], "" if each.live == each.replayed else "differs")
        for model, each in found.digests.items()
    ]
    console().print(table(["read model", "live", "replayed", ""], rows))
    for each in found.first_differences:
        key = " ".join(f"{name}={value}" for name, value in each.key.items())
        where = f"in {', '.join(each.columns)}" if each.columns else "only one side has that row"
        note(f"{each.model}: the first difference is at {key}: {where}")
    if found.database is not None:
        _show_database(found.database)
    console().print(f"{'equal' if found.equal else 'not equal'}, up to position {found.position}")
