"""`tailrace status`: which machines and sources there are, and what became of what they sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from tailrace.app import cli_options as options
from tailrace.app import compose, declared, kafka_folder, sql_folder, worker_files
from tailrace.app.audit import parked
from tailrace.app.output import console, note, put_json, table
from tailrace.app.sql_feed import Fed
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.projections.audit import NOTED
from tailrace.schemas.errors import InvalidSettings, TailraceError, Unavailable
from tailrace.schemas.event import OWN
from tailrace.schemas.instant import SECOND, format_instant, parse_instant

NOTHING: dict[str, Any] = {
    "machines": [], "sources": [], "idle": [], "log": {"events": 0, "records": 0}, "parked": [], "up": None,
}  # fmt: skip
"""What a folder without events.db has to say."""


@click.command("status", short_help="Machines, sources and what became of what they sent.")
@options.directory
@options.as_json
def status_(directory: Path | None, as_json: bool) -> None:
    """Show machines, the account of each source, and how a running `tailrace up` is."""
    plant = None if directory else options.here()
    found = status(options.folder(directory, lambda: plant), plant.log if plant else None)
    if as_json:
        put_json(found)
        return
    _show(found)
    _show_read_models(found["read_models"])
    _show_kafka(found)


def status(directory: Path, log: KafkaSettings | None = None) -> dict[str, Any]:
    """The account of a folder, brought up to date; log: the one on Kafka where the folder does not say it itself.

    `up` is what a running owner says, or None; `kafka` is the log on Kafka (app/kafka_health.py), or None.
    """
    folder = kafka_folder.read(directory)
    log = folder.log if folder else log
    owner = compose.owner_of(directory)
    about = {
        "owner": owner.pid if owner else None,
        "workers": worker_files.workers(directory, time.time_ns()),
        "kafka": _health(log) if log else None,
        "read_models": None,
    }
    if (log or about["workers"]) and not (directory / compose.EVENTS_FILE).is_file():
        return NOTHING | about
    try:
        compose.catch_up(directory)
    except InvalidSettings:
        raise
    except TailraceError as error:
        note(f"tailrace: {error}")
    held = [msgspec.to_builtins(each) for each in parked(directory)]
    live = asyncio.run(_live(directory))
    return account(directory) | {"parked": held, "up": live} | about | {"read_models": _read_models(directory, live)}


def _read_models(directory: Path, live: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The database that gets the read models too, as `up` says it is; None where the folder feeds none."""
    if live is not None:
        return live.get("read_models")
    settings = sql_folder.read(directory)
    return msgspec.to_builtins(Fed(where=settings.where, state="not fed")) if settings else None


def _health(log: KafkaSettings) -> Mapping[str, Any]:
    from tailrace.app.kafka_health import health  # noqa: PLC0415  aiokafka takes a while to import

    found: Mapping[str, Any] = msgspec.to_builtins(asyncio.run(health(log)))
    return found


def account(directory: Path) -> dict[str, Any]:
    """What the rows and the log of a folder say: received = appended + duplicate + quarantined, in events, by source."""
    with compose.reading(directory) as log, compose.read_store(directory) as connection:
        appended = {source: events for source, events in log.sources().items() if source != OWN}
        noted = {source: counts for source, *counts in connection.execute(NOTED)}
        sources = []
        for source in sorted(appended | noted):
            new, (duplicate, quarantined) = appended.get(source, 0), noted.get(source, (0, 0))
            received = new + duplicate + quarantined
            counts = {"received": received, "appended": new, "duplicate": duplicate, "quarantined": quarantined}
            sources.append({"source": source, **counts})
        heard = {each["source"] for each in sources if each["received"]}
        return {
            "machines": log.machines(),
            "sources": [each for each in sources if each["source"] in heard],
            "idle": [name for name in declared.read(directory).sources if name not in heard],
            "log": {"events": log.events_count(), "records": log.end()},
        }


def _to_seconds(text: str) -> str:
    """A time without its fractions, for people; programs get all of it."""
    return format_instant(parse_instant(text) // SECOND * SECOND)


async def _live(directory: Path) -> Mapping[str, Any] | None:
    if compose.owner_of(directory) is None:
        return None
    log = compose.SocketLog(directory)
    try:
        return await log.status()
    except Unavailable:
        return None
    finally:
        await log.close()


def _show(found: Mapping[str, Any]) -> None:
    out = console()
    machines = found["machines"]
    shown = ", ".join(machines[:12]) + (f" … and {len(machines) - 12} more" if len(machines) > 12 else "")
    out.print(f"machines  {len(machines)}: {shown}" if machines else "machines  none yet")
    out.print(f"log       {found['log']['events']} events in {found['log']['records']} records")
    columns = ["source", "received", "appended", "duplicate", "quarantined"]
    if found["sources"]:
        out.print(table(columns, [[each[column] for column in columns] for each in found["sources"]]))
    for name in found["idle"]:
        out.print(f"idle      {name}: nothing came from it yet")
    for each in found["parked"]:
        machine = each["machine"] or "the site"
        out.print(
            f"parked    {machine}: {each['id']} at position {each['position']} holds up {each['waiting']} events in "
            f"{', '.join(each['topologies'])}: {each['reason']}"
        )
    live = found["up"]
    if live is None:
        out.print("up        not running")
        return
    out.print(f"up        process {live['pid']}")
    for each in live["sources"]:
        state = "connected" if each["connected"] else "not connected"
        out.print(f"          {each['source']}: {state} since {_to_seconds(each['since'])} {each['detail']}".rstrip())
        if each["at_least_once"]:
            out.print(
                f"          {each['source']}: its messages carry no identity, so a repeat counts again (at least once)"
            )
    if live.get("archive"):
        out.print(f"          {_archive(live['archive'])}")
    for what, trouble in live["troubles"].items():
        out.print(f"          {what}: {trouble}")
    if live.get("kafka"):
        out.print(
            f"          {live['kafka']['behind_records']} records of {live['kafka']['topic']} are not in this folder yet"
        )


def _archive(found: Mapping[str, Any]) -> str:
    done = (
        "nothing yet"
        if found["before"] is None
        else f"{found['archived_records']} records, from before {found['before']}"
    )
    return f"archive: what came in {found['after_days']} days ago; {done}{', at work' if found['running'] else ''}"


def _show_read_models(fed: Mapping[str, Any] | None) -> None:
    if fed is None:
        return
    behind = f", {fed['behind_records']} records behind" if fed["behind_records"] else ""
    at = f", position {fed['position']}{behind}" if fed["position"] is not None else ""
    words = "; ".join(each for each in (fed["error"], fed["note"]) if each)
    console().print(f"rows in   {fed['where']}: {fed['state']}{at}{f': {words}' if words else ''}", markup=False)


def _show_kafka(found: Mapping[str, Any]) -> None:
    """The log on Kafka and the workers that fold it."""
    out = console()
    for each in found["workers"]:
        state = "folds" if each["alive"] else f"said nothing for {each['silent_s']:.0f} s; it"
        held = ", ".join(f"{partition} up to {position}" for partition, position in each["partitions"].items())
        out.print(
            f"worker    process {each['pid']} on {each['host']} {state} {f'partitions {held}' if held else 'nothing'}"
        )
    kafka = found["kafka"]
    if kafka is None:
        return
    out.print(f"kafka     {', '.join(kafka['servers'])}: brokers {', '.join(kafka['brokers']) or 'none'}")
    for each in kafka["topics"]:
        kept = "for ever" if each["retention_ms"] == each["retention_bytes"] == -1 else f"{each['retention_ms']} ms"
        kept = "the newest of each key" if each["cleanup"] == "compact" else kept
        out.print(
            f"          {each['topic']}: {each['partitions']} partitions, {each['replicas']} replicas, keeps {kept}"
        )
    if kafka["topics"]:
        out.print(f"          {kafka['risk'] or 'power-safe: what is acknowledged outlives a power cut'}")
        behind = [
            f"{each['partition']}: {'?' if each['lag_records'] is None else each['lag_records']}"
            for each in kafka["lag"]
        ]
        out.print(
            f"          group {kafka['group']}: {kafka['workers']} workers; records not folded yet, by partition: "
            f"{', '.join(behind) or 'unknown'}"
        )
    if kafka["trouble"]:
        out.print(f"          {kafka['trouble']}")
