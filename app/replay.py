"""The log folded once more: to prove that the rows are what the log says.

Rules: a replay reads the log and has rows of its own; nothing in it sends, acts or appends anywhere. `verify` folds the whole log
in steps of another size, in a new place, up to where the live rows stand; a row that hangs on anything but the log differs.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import msgspec

from tailrace.app import compose, sql_folder, sql_verify
from tailrace.app.pipeline import PLACE, Pipeline
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.projections import digest
from tailrace.projections.store_sqlite import place_of

BATCH = 640
"""Records in a step; not the number that live folding has (compose.BATCH)."""

Tell = Callable[[int, int], None]
"""Hears how many records are folded, of how many."""


class Digest(msgspec.Struct, frozen=True):
    """One read model: sha256 of its rows as they stand, and as they were made again."""

    live: str
    replayed: str


class Difference(msgspec.Struct, frozen=True):
    """The first row of a model that is not the same: its key, and the columns that differ; none where a side lacks it."""

    model: str
    key: dict[str, Any]
    columns: list[str]


class Database(msgspec.Struct, frozen=True):
    """The database that gets the read models too: its rows (`live`) and those made again, at a position of its own."""

    where: str
    position: int
    digests: dict[str, Digest]


class Verified(msgspec.Struct, frozen=True):
    """position: of the last record that the rows have; first_differences: one for each model that is not equal.

    database: the same of the database that the folder feeds, where it feeds one.
    """

    equal: bool
    position: int
    digests: dict[str, Digest]
    first_differences: list[Difference]
    database: Database | None = None


def verify(directory: Path, tell: Tell = lambda _done, _all: None, *, batch: int = BATCH) -> Verified:
    """Folds the log of a folder again, beside it, and compares."""
    compose.catch_up(directory)
    settings = sql_folder.read(directory)
    found = sql_verify.digests(directory, settings) if settings else None
    with (
        tempfile.TemporaryDirectory(prefix="tailrace-") as name,
        compose.read_store(directory) as live,
        compose.read_store(Path(name)) as again,
        compose.pipeline(directory, batch=batch, into=Path(name)) as pipeline,
    ):
        database = None
        if found is not None:
            _fold(pipeline, found.position, tell)
            database = _database(found, digest.digests(again))
        _fold(pipeline, place_of(live, PLACE).position, tell)
        with _snapshot(live):
            position = place_of(live, PLACE).position
            _fold(pipeline, position, tell)
            verified = _compare(live, again, position)
    same = database is None or all(each.live == each.replayed for each in database.digests.values())
    return msgspec.structs.replace(verified, database=database, equal=verified.equal and same)


def _database(found: sql_verify.Stands, again: dict[str, str]) -> Database:
    return Database(found.where, found.position, {model: Digest(found.digests[model], again[model]) for model in again})


def verify_against(directory: Path, log: KafkaSettings) -> Verified:
    """Compares with the rows that workers on Kafka made, in whose log the folder's was copied."""
    from tailrace.app import kafka_rows  # noqa: PLC0415  aiokafka takes a while to import

    compose.catch_up(directory)
    with tempfile.TemporaryDirectory(prefix="tailrace-") as name:
        asyncio.run(kafka_rows.make(log, Path(name)))
        with compose.read_store(directory) as live, compose.read_store(Path(name)) as its, _snapshot(live):
            return _compare(live, its, place_of(live, PLACE).position)


def _fold(pipeline: Pipeline, until: int, tell: Tell) -> None:
    while pipeline.step(until):
        tell(pipeline.reached, until)


def _compare(live: Connection, again: Connection, position: int) -> Verified:
    mine, its = digest.digests(live), digest.digests(again)
    different = [model for model in digest.MODELS if mine[model] != its[model]]
    return Verified(
        equal=not different,
        position=position,
        digests={model: Digest(mine[model], its[model]) for model in digest.MODELS},
        first_differences=[each for model in different for each in _first(live, again, model)],
    )


def _first(live: Connection, again: Connection, model: str) -> Iterator[Difference]:
    found = digest.first_difference(model, digest.rows(live, model), digest.rows(again, model))
    if found is not None:
        yield Difference(model, *found)


@contextmanager
def _snapshot(connection: Connection) -> Iterator[None]:
    """One picture of the rows, while somebody may go on writing them."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
