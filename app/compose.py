"""Which adapter is behind which port: the only place that knows. A data folder holds `events.db` and `read.db`.

Rules: one process owns a folder and appends; every other one appends through it and reads the files. `events.db` is the
truth; `read.db` (derived events, checkpoints, read models) can be deleted and is made again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Container, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tailrace import __version__
from tailrace.app import kafka_folder
from tailrace.app.pipeline import PLACE, Pipeline, drive
from tailrace.app.same_log import SameLog
from tailrace.app.sql_origin import SqlStore
from tailrace.connectors.checkpoints_sqlite import SqliteCheckpoints
from tailrace.connectors.derived_sqlite import SqliteDerivedLog
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_socket import LogServer, OwnedLog, SocketLog, serve
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_file import EVENTS_FILE, words
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.connectors.mqtt_settings import MqttSettings
from tailrace.connectors.opcua_settings import OpcUaSettings
from tailrace.connectors.origin_sqlite import SqliteOrigin
from tailrace.connectors.ownership import Owner, Ownership, own, owner_of
from tailrace.engine.log import Log
from tailrace.engine.projector import Projector
from tailrace.engine.source import Source
from tailrace.engine.worker import Worker
from tailrace.projections import models
from tailrace.projections.beside_sqlite import Beside
from tailrace.projections.store_file import FileStore
from tailrace.projections.store_settings import ReadModels
from tailrace.projections.store_sqlite import SqliteStore, make_tables, place_of
from tailrace.schemas.errors import InvalidSettings, Owned, Unavailable
from tailrace.topologies.anomaly import Anomaly
from tailrace.topologies.oee import Oee
from tailrace.topologies.rollup import Rollup
from tailrace.topologies.shifts import Shifts
from tailrace.topologies.stops import Stops

if TYPE_CHECKING:
    from tailrace.app.following import Following

READ_FILE = "read.db"
TOPOLOGIES = (Oee.name, Stops.name, Shifts.name, Rollup.name, Anomaly.name)
BATCH = 500
BUSY_S = 5.0


def source_of(settings: OpcUaSettings | MqttSettings) -> Source:
    """The source that a plant file describes."""
    # Drivers take up to a second to import, and most commands need none.
    if isinstance(settings, MqttSettings):
        from tailrace.connectors.source_mqtt import MqttSource  # noqa: PLC0415

        return MqttSource(settings)
    from tailrace.connectors.source_opcua import OpcUaSource  # noqa: PLC0415

    return OpcUaSource(settings)


class PlantLog(NamedTuple):
    """What `up` appends to and reads. here: events.db; sources: where sources append; people: where all others do.

    following: brings into events.db what is in a log on Kafka; None where events.db is the log.
    """

    here: SqliteLog
    sources: Log
    people: OwnedLog
    following: Following | None = None


@asynccontextmanager
async def plant_log(directory: Path, kafka: KafkaSettings | None) -> AsyncIterator[PlantLog]:
    """The log of a plant, whose folder is this process's. Raises InvalidSettings where the folder is another log's."""
    if kafka is None:
        kafka_folder.require_none(directory)
    folder = kafka_folder.enter(directory, kafka, "follows") if kafka else None
    here = SqliteLog(directory / EVENTS_FILE)
    try:
        if folder is None:
            yield PlantLog(here, here, here)
            return
        from tailrace.app.following import Following, ThroughKafka  # noqa: PLC0415  aiokafka takes a while to import

        following = Following(folder, directory, here)
        try:
            yield PlantLog(here, following.log, ThroughKafka(following, here), following)
        finally:
            await following.close()
    finally:
        await here.close()


def events_file(directory: Path) -> Path:
    """The log of a data folder; raises InvalidSettings where there is none."""
    path = directory / EVENTS_FILE
    if not path.is_file():
        kafka = kafka_folder.read(directory)
        if kafka is not None and kafka.has == "rows":
            raise InvalidSettings(
                f"{directory}: expected a folder with {EVENTS_FILE}, got one with rows of topics {kafka.log.topics} alone, for "
                "SQL; ask a folder of `tailrace up`, which follows the log"
            )
        what = "no such folder" if not directory.is_dir() else f"a folder without {EVENTS_FILE}"
        raise InvalidSettings(
            f"{directory}: expected a data folder, got {what}; name it with --dir, or make one with "
            "`tailrace import` or `tailrace up`"
        )
    return path


@contextmanager
def reading(directory: Path) -> Iterator[LogReader]:
    """The log of a data folder, whoever owns it."""
    with closing(LogReader(events_file(directory))) as reader:
        yield reader


@contextmanager
def read_store(directory: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the read models, made when missing."""
    path = directory / READ_FILE
    try:
        connection = sqlite3.connect(path, BUSY_S, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise Unavailable(f"{path}: {_hint(error)}") from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        make_tables(connection)
        SqliteCheckpoints(connection)  # its tables too: in the picture of a reader, another's commit would forbid it
        SqliteOrigin(connection)
        yield connection
    except sqlite3.Error as error:
        raise Unavailable(f"{path}: {_hint(error)}") from error
    finally:
        connection.close()


@contextmanager
def pipeline(
    directory: Path, *, batch: int = BATCH, into: Path | None = None, only: Container[str] = TOPOLOGIES
) -> Iterator[Pipeline]:
    """Everything that is made of the log of a data folder; into: the folder of the rows, where it is another one."""
    events = SocketLog(directory)
    with read_store(into or directory) as connection, closing(LogReader(directory / EVENTS_FILE)) as log:
        try:
            store, derived = SqliteStore(connection), SqliteDerivedLog(connection)
            checkpoints = SqliteCheckpoints(connection)
            found = [each for each in (Oee(), Stops(), Shifts(), Rollup(), Anomaly()) if each.name in only]
            yield Pipeline(
                connection,
                store,
                [Worker(each, events, derived, checkpoints, batch=batch) for each in found],
                [Projector(store, rows, derived, batch=batch) for rows in models.of_derived()],
                [Projector(store, rows, events, batch=batch) for rows in models.of_events()],
                SameLog((into or directory) / READ_FILE, connection, log),
            )
        finally:
            drive(events.close())


def sql_store(settings: ReadModels) -> SqlStore:
    """The database that a plant file names. Raises InvalidSettings where its password or its driver is not to be had."""
    file = settings.file
    if file is not None:
        return FileStore(file)
    from tailrace.projections.store_mssql import MssqlStore  # noqa: PLC0415  its drivers are an extra

    return MssqlStore.open(settings.whole(), settings.schema or None)


@contextmanager
def rebuilding(directory: Path, projection: str) -> Iterator[tuple[sqlite3.Connection, Beside, Projector[Any]]]:
    """The tables of a projection beside the live ones of a folder, and what makes their rows of the log that it reads."""
    events = SocketLog(directory)
    with read_store(directory) as connection:
        try:
            beside = Beside(connection, projection, __version__)
            made: Projector[Any]
            for facts in (each for each in models.of_events() if each.name == projection):
                made = Projector(beside.store, facts, events)
            for found in (each for each in models.of_derived() if each.name == projection):
                made = Projector(beside.store, found, SqliteDerivedLog(connection))
            yield connection, beside, made
        finally:
            drive(events.close())


def listens(directory: Path) -> bool:
    """Whether the owner of a folder takes appends from others: `up` does, a command that owns it for a moment does not."""
    owner = owner_of(directory)
    return owner is not None and (directory / owner.socket).exists()


def catch_up(directory: Path) -> None:
    """Folds what the log has and the rows have not, unless somebody owns the folder and does it."""
    with reading(directory) as log, read_store(directory) as connection:
        SameLog(directory / READ_FILE, connection, log).require()
        behind = place_of(connection, PLACE).position < log.end()
    if behind:
        with suppress(Owned), own(directory), pipeline(directory) as folding:
            folding.drain()
            folding.checkpoint()


def _hint(error: sqlite3.Error) -> str:
    return f"{words(error)}; this file can be deleted, it is made again from {EVENTS_FILE}"


__all__ = ["EVENTS_FILE", "LogServer", "Owner", "Ownership", "SocketLog", "SqliteLog", "own", "owner_of", "serve"]
