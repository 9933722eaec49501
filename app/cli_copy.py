"""`tailrace copy`: the raw records of one log into another."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import msgspec

from tailrace.app import cli_options as options
from tailrace.app.output import console, note, progress, put_json, table

place = click.Path(path_type=Path)


@click.command("copy", short_help="Copy the records of one log into another.")
@click.argument("source", metavar="FROM", type=place)
@click.argument("target", metavar="TO", type=place)
@options.as_json
def copy_(source: Path, target: Path, as_json: bool) -> int:
    """Copy every record of the log FROM into the log TO, as it is: each a data folder, or a plant file with its log.

    A machine's records keep their order. What TO has already is not there twice, so a copy that was broken off is begun again.
    """
    from tailrace.app import kafka_copy  # noqa: PLC0415  aiokafka takes a while to import

    with progress() as bar:
        task = bar.add_task(f"{source} to {target}", total=None)
        done = asyncio.run(
            kafka_copy.copy(
                kafka_copy.place(source), kafka_copy.place(target), lambda count: bar.update(task, completed=count)
            )
        )
    if as_json:
        put_json(msgspec.structs.asdict(done))
    else:
        console().print(table(list(msgspec.structs.asdict(done)), [msgspec.structs.astuple(done)]))
    if done.conflicts:
        note(f"{done.conflicts} events are in {target} with other content; they were left as they are there")
    return 1 if done.conflicts else 0
