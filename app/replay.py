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

from tailrace.app import compose
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


class Verified(msgspec.Struct, frozen=True):
    """position: of the last record that the rows have; first_differences: one for each model that is not equal."""

    equal: bool
    position: int
    digests: dict[str, Digest]
    first_differences: list[Difference]


def verify(directory: Path, tell: Tell = lambda _done, _all: None, *, batch: int = BATCH) -> Verified:
    """Folds the log of a folder again, beside it, and compares."""
    compose.catch_up(directory)
    with (
        tempfile.TemporaryDirectory(prefix="tailrace-") as name,
        compose.read_store(directory) as live,
        compose.read_store(Path(name)) as again,
        compose.pipeline(directory, batch=batch, into=Path(name)) as pipeline,
    ):
        _fold(pipeline, place_of(live, PLACE).position, tell)
        with _snapshot(live):
            position = place_of(live, PLACE).position
            _fold(pipeline, position, tell)
            return _compare(live, again, position)


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
