"""`tailrace rows`: what the workers on Kafka found, as rows that SQL reads."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

import click

from tailrace.app import cli_options as options
from tailrace.app import settings
from tailrace.app.output import note
from tailrace.schemas.errors import InvalidSettings


@click.command("rows", short_help="Keep the rows of a log on Kafka up to date.")
@click.argument("plant", type=click.Path(path_type=Path))
@options.directory
@click.option("--once", is_flag=True, help="End where the log and its workers are now.")
def rows_(plant: Path, directory: Path | None, once: bool) -> None:
    """Make read.db in a folder of what the workers of a plant file's log on Kafka found, until SIGTERM or Ctrl-C.

    One process a folder. It can be ended or killed at any time and goes on where it was; the folder can be deleted.
    """
    from tailrace.app import kafka_rows  # noqa: PLC0415  aiokafka takes a while to import

    found = settings.load(plant)
    if found.log is None:
        raise InvalidSettings(
            f"{plant}: expected a log of kind: kafka, got none; `tailrace up` keeps the rows of a data folder by itself"
        )
    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("tailrace").setLevel(logging.INFO)
    log, into = found.log, directory or options.folder_of(found, plant)

    async def run() -> None:
        if once:
            await kafka_rows.make(log, into)
            return
        stopped = asyncio.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(each, stopped.set)
        note(f"rows of {log.where} in {into / 'read.db'}; Ctrl-C ends it")
        await kafka_rows.follow(log, into, stopped)

    asyncio.run(run())
