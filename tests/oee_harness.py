"""Events through the column fold, the way a worker does it: in batches, with pages saved and state restored in between."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tailrace.app import compose
from tailrace.app.pipeline import Pipeline
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.engine.topology import State, Topology
from tailrace.schemas import bucket, codec
from tailrace.schemas.event import Event, Telemetry
from tailrace.schemas.instant import Instant
from tailrace.schemas.record import Derived, Record
from tailrace.topologies.oee import Oee

OEE = Oee()

Row = tuple[int, int, int, tuple[int, ...]]
"""(revision, known_from, cause, tallies) of a bucket."""


def records(events: Iterable[Event], rng: random.Random | None = None) -> list[Record]:
    """Events as log records with positions; repeats of an id are dropped, as ingest does. rng: frames of random length."""
    found: list[Record] = []
    readings: list[Telemetry] = []
    seen: set[str] = set()

    def put(record: Record) -> None:
        found.append(msgspec.structs.replace(record, position=len(found) + 1))

    def close() -> None:
        if readings:
            put(codec.readings_record(readings))
            readings.clear()

    for event in events:
        if event.id in seen:
            continue
        seen.add(event.id)
        stamped = event if event.ingested is not None else msgspec.structs.replace(event, ingested=Instant(event.t))
        if isinstance(stamped, Telemetry):
            if readings and _apart(readings[-1], stamped):
                close()
            readings.append(stamped)
            if rng is None or rng.random() < 0.5:
                close()
        else:
            close()
            put(codec.record_of(stamped))
    close()
    return found


class Pages:
    """Saved pages, in memory."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.marks: Mapping[str, int] = {}

    def save(self, state: State) -> None:
        self.pages |= state.dirty()
        self.marks = dict(state.marks)


def fold(
    log: Sequence[Record], rng: random.Random | None = None, topology: Topology = OEE
) -> tuple[Any, list[Derived]]:
    """State and outputs of a log; with an rng in random batches, restored from its pages now and then."""
    pages = Pages()
    state = topology.restore(pages.marks, pages.pages.get)
    out: list[Derived] = []
    at = 0
    while at < len(log):
        size = len(log) if rng is None else rng.choice((1, 1, 2, 3, 7, 50))
        out += state.fold(log[at : at + size])
        at += size
        if rng is not None and rng.random() < 0.3:
            pages.save(state)
            if rng.random() < 0.5:
                state = topology.restore(pages.marks, pages.pages.get)
    return state, out


def rows_of(output: Derived) -> list[Any]:
    """What each of an output's n events says; a body that is not columns says one thing."""
    if output.kind != bucket.KIND:
        return [(output.cause, output.body)] * output.n
    return [row for _, _, *row in emitted([output])]


def emitted(outputs: Sequence[Derived]) -> list[tuple[str, int, int, str, Row]]:
    """Every emitted row in order: key, n, start, product, row."""
    found = []
    for output in outputs:
        rows = bucket.decode(output.body)
        assert len(rows) == output.n
        for i in range(len(rows)):
            row = (int(rows.revision[i]), int(rows.known_from[i]), int(rows.cause[i]), tuple(rows.tallies[i].tolist()))
            n = output.first_n + i
            found.append((output.key, n, int(rows.start[i]), rows.products[int(rows.product[i])], row))
    return found


def table(outputs: Sequence[Derived]) -> dict[tuple[str, int, str], Row]:
    """What a projection holds at the end: the last row of each key that is not all zero."""
    rows: dict[tuple[str, int, str], Row] = {}
    for key, _, start, product, row in emitted(outputs):
        rows[(key, start, product)] = row
    return {key: row for key, row in rows.items() if any(row[3])}


def tallies(segment: np.ndarray[Any, Any], product: Any, matrix: Any, names: Sequence[str]) -> dict[Any, Any]:
    """Tally rows by (segment, product name)."""
    return {
        (int(s), names[int(p)]): tuple(row.tolist())
        for s, p, row in zip(segment, product, matrix, strict=True)
        if row.any()
    }


def agrees(wanted: Any, got: Any) -> bool:
    """Whether a figure is the reference's: sets and lists whole, numbers to 1e-9 relative (absolute below 1)."""
    if isinstance(wanted, (set, frozenset)):
        return wanted == set(got)
    if wanted is None or got is None or isinstance(wanted, list):
        return bool(wanted == got)
    return bool(abs(wanted - Fraction(got)) <= max(Fraction(1), abs(wanted)) / 10**9)


async def fill(directory: Path, events: Sequence[Event], rng: random.Random) -> None:
    """The events in the log of a folder, folded in steps with checkpoints somewhere in between."""
    log = SqliteLog(directory / "events.db")
    try:
        found = records(events, rng)
        while found:
            size = rng.choice((1, 5, 20))
            await log.append(found[:size])
            found = found[size:]
            with compose.pipeline(directory, batch=rng.choice((1, 3, 500))) as pipeline:
                _drain(pipeline, rng)
    finally:
        await log.close()


def _drain(pipeline: Pipeline, rng: random.Random) -> None:
    pipeline.drain()
    if rng.random() < 0.3:
        pipeline.checkpoint()


def _apart(one: Telemetry, other: Telemetry) -> bool:
    return (one.machine, one.clock, one.ingested) != (other.machine, other.clock, other.ingested)
