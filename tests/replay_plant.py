"""A small plant for tests of replays: every kind of trouble at a few machines, as records of one log, from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import anomaly_random
import oee_harness as harness
import oee_random
import rollup_reference
from tailrace.app import compose
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.schemas.event import Event
from tailrace.schemas.record import Record


def events(rng: random.Random, size: int) -> list[Event]:
    """About `size` events in the order of a log: two machines with stops and counts, two with sensors, two with signals."""
    made: list[Event] = [
        *oee_random.timeline(rng, size // 4, machine="OEE1", silence=False),
        *oee_random.timeline(rng, size // 4, machine="OEE2", silence=False),
        *anomaly_random.timeline(rng, size // 4, ("ANO1", "ANO2")),
        *rollup_reference.timeline(rng, size // 4),
    ]
    return sorted(made, key=lambda event: int(event.ingested or event.t))


def records(rng: random.Random, size: int) -> list[Record]:
    """The same as records, in frames of random length."""
    return harness.records(events(rng, size), rng)


async def append(directory: Path, some: Sequence[Record]) -> None:
    """Records into the log of a folder, which nobody folds."""
    log = SqliteLog(directory / compose.EVENTS_FILE)
    try:
        await log.append(some)
    finally:
        await log.close()
