"""`tailrace worker`: folds the machines that its group gives it, from and to Kafka."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import click

from tailrace.app import cli_options as options
from tailrace.app import garbage, settings, worker_files
from tailrace.app.output import note
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.engine.topology import Topology
from tailrace.schemas.errors import InvalidSettings, Unavailable


class Runner(Protocol):
    """A worker, whoever hosts it. held: the partitions that are its own now, and how far each is folded."""

    held: dict[int, int]

    async def run(self) -> None: ...

    def stop(self) -> None: ...


Make = Callable[[KafkaSettings, Callable[[], Sequence[Topology]]], Runner]


@click.command("worker", short_help="Fold a log on Kafka, beside other workers.")
@click.argument("plant", type=click.Path(path_type=Path))
@click.option(
    "--dir", "directory", type=click.Path(path_type=Path),
    help="Folder where this worker says how it is, for `tailrace status` (default: data: of the plant file, else nowhere).",
)  # fmt: skip
@click.option(
    "--runner", type=click.Choice(["kafka", "faust"]), default="kafka", show_default=True,
    help="Who hosts the fold; for faust: pip install 'tailrace[faust]'.",
)  # fmt: skip
def worker_(plant: Path, directory: Path | None, runner: str) -> None:
    """Fold the log on Kafka of a plant file until SIGTERM or Ctrl-C.

    Workers of one group share the machines; start as many as there are partitions. Each may end or be killed at any time.
    """
    from tailrace.app.kafka_topologies import TOPOLOGIES  # noqa: PLC0415  aiokafka and River take a while to import

    make = _runner(runner)
    found = settings.load(plant)
    if found.log is None:
        raise InvalidSettings(
            f"{plant}: expected a log of kind: kafka, got none; `tailrace up` folds the log of a data folder by itself"
        )
    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("tailrace").setLevel(logging.INFO)
    log = found.log
    if runner == "faust" and (log.encrypted or log.username):
        raise InvalidSettings(
            f"{plant}: --runner faust: expected a log without tls and username, got one with; leave --runner out"
        )
    told = directory or (options.folder_of(found, plant) if found.data else None)

    async def run() -> None:
        worker = make(log, lambda: [each() for each in TOPOLOGIES])
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(each, worker.stop)
        note(f"a worker of group {log.group!r} on {log.where}; Ctrl-C ends it")
        telling = asyncio.create_task(_tell(told, log.group, runner, worker))
        try:
            garbage.settle()
            await worker.run()
        finally:
            telling.cancel()
            await asyncio.wait([telling])

    asyncio.run(run())


async def _tell(directory: Path | None, group: str, runner: str, worker: Runner) -> None:
    """Says how it is where somebody wants to know; a folder that cannot be written does not keep it from folding."""
    if directory is None:
        return
    try:
        await worker_files.tell(directory, group, runner, lambda: worker.held)
    except Unavailable as error:
        note(f"tailrace: {error}; the worker goes on and is not shown in `tailrace status`")


def _runner(name: str) -> Make:
    """What is run; raises InvalidSettings where a package is missing."""
    if name == "kafka":
        from tailrace.app.kafka_worker import KafkaWorker  # noqa: PLC0415

        return KafkaWorker
    if importlib.util.find_spec("faust") is None:
        raise InvalidSettings(
            "--runner faust: expected the package faust-streaming, which is not installed; "
            "python -m pip install 'tailrace[faust]', or leave --runner out"
        )
    from tailrace.app.faust_runner import FaustWorker  # noqa: PLC0415

    return FaustWorker
