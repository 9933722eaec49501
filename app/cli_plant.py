"""`tailrace init`, `validate` and `up`: the plant file, and running it."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from contextlib import suppress
from pathlib import Path

import click

from tailrace.app import cli_options as options
from tailrace.app import declared, settings, web
from tailrace.app.output import console, put_json
from tailrace.app.template import TEMPLATE
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.schemas.errors import InvalidSettings, Unavailable

plant_file = click.argument("plant", type=click.Path(path_type=Path))


@click.command("init", short_help="Write a commented plant.yaml, or make the topics of one.")
@click.argument("directory", default=".", type=click.Path(path_type=Path))
def init_(directory: Path) -> None:
    """Write a commented plant.yaml into DIRECTORY (default: here), which is made when there is none.

    Where there is a plant file with a log on Kafka, its topics are made; DIRECTORY may name that file.
    """
    path = directory if directory.is_file() else directory / settings.FILE
    if path.is_file() and (log := settings.load(path).log):
        _make_topics(log)
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError:
        raise InvalidSettings(f"{path}: there is one already; it is left as it is") from None
    except OSError as error:
        raise InvalidSettings(f"{path}: expected a folder that can be written, got: {error.strerror}") from None
    console().print(f"{path} is written. Put your machines in, then: tailrace validate {path}; tailrace up {path}")


def _make_topics(log: KafkaSettings) -> None:
    from tailrace.connectors import kafka_topics  # noqa: PLC0415  aiokafka takes a while to import

    made = asyncio.run(kafka_topics.make(log))
    console().print(
        f"{log.where}: made {', '.join(made)}" if made else f"{log.where}: every topic is there, as it has to be"
    )


def _check_topics(log: KafkaSettings) -> None:
    """Refuses topics that are not as they have to be; brokers that are away are waited for later."""
    from tailrace.connectors import kafka_topics  # noqa: PLC0415  aiokafka takes a while to import

    with suppress(Unavailable):
        asyncio.run(kafka_topics.check(log))


@click.command("validate", short_help="Check a plant file.")
@click.argument("plant", required=False, type=click.Path(path_type=Path))
@click.option("--schema", is_flag=True, help="Print the JSON Schema of plant files, for editors.")
@options.as_json
def validate_(plant: Path | None, schema: bool, as_json: bool) -> None:
    """Check a plant file; an error names line, field, what was expected and what came."""
    if schema:
        put_json(settings.schema())
        return
    path = plant or Path(settings.FILE)
    found = settings.load(path)
    counts = {"machines": len(found.machines), "definitions": len(found.definitions), "sources": len(found.sources)}
    if as_json:
        put_json({"plant": str(path), "site": found.site.name, **counts})
    else:
        console().print(f"{path}: {', '.join(f'{what}: {count}' for what, count in counts.items())}; nothing is wrong")


@click.command("up", short_help="Carry every source into the log, and keep the figures up with it.")
@plant_file
@options.directory
@click.option(
    "--port", type=click.IntRange(0, 65535), help=f"Port of the page (default: {web.PORT}, or the next free one)."
)
@click.option(
    "--host", default=web.HOST, show_default=True, help="Address of the page; 0.0.0.0 = every address of this machine."
)
def up_(plant: Path, directory: Path | None, port: int | None, host: str) -> None:
    """Run a plant file until SIGTERM or Ctrl-C: its sources into the log, the log into figures, the figures on a page."""
    from tailrace.app.runner import up  # noqa: PLC0415  the connectors take a while to import, --help need not wait

    found = settings.load(plant)
    target = directory if directory is not None else options.folder_of(found, plant)
    declared.declare(found, declared.read(target), time.time_ns())
    if found.log is not None:
        _check_topics(found.log)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("tailrace").setLevel(logging.INFO)
    logging.getLogger("asyncua").setLevel(
        logging.CRITICAL
    )  # what it says of a connection stands in the source's health
    with web.listen(host, port) as listening:
        asyncio.run(up(found, target, web.Web(listening, found.site).run))
