"""What rows of oee_bucket were before they were restated: every revision, however the log and the rows were cut."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

import oee_harness as harness
import oee_random
from tailrace.app.pipeline import drive
from tailrace.connectors.memory import MemoryDerivedLog
from tailrace.engine.projector import Projector
from tailrace.projections.oee import OeeRows
from tailrace.projections.store_sqlite import SqliteStore
from tailrace.schemas import bucket
from tailrace.schemas.event import ReasonAssigned, StateChanged
from tailrace.schemas.instant import MINUTE, Instant
from tailrace.schemas.record import Derived

NAMES = ", ".join(("revision", "known_from_ns", "known_to_ns", *bucket.COLUMNS))


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def project(connection: sqlite3.Connection, outputs: Sequence[Derived], batch: int) -> None:
    log = MemoryDerivedLog()
    drive(log.append(outputs))
    drive(Projector(SqliteStore(connection), OeeRows(), log, batch=batch).drain())


def earlier(outputs: Sequence[Derived]) -> dict[tuple[str, int, str, int], tuple[int, ...]]:
    """Every row that was emitted and restated: revision, known from, known to, tallies."""
    stands: dict[tuple[str, int, str], harness.Row] = {}
    found = {}
    for key, _, start, product, row in harness.emitted(outputs):
        old = stands.get((key, start, product))
        if old is not None and any(old[3]):
            found[(key, start, product, old[0])] = (old[0], old[1], row[1], *old[3])
        stands[(key, start, product)] = row
    return found


@pytest.mark.parametrize("batch", [1, 3, 1000])
@pytest.mark.parametrize("seed", range(6))
def test_every_earlier_revision_is_kept(connection: sqlite3.Connection, seed: int, batch: int) -> None:
    rng = random.Random(seed)
    events = oee_random.timeline(rng, 60)
    rng.shuffle(events)
    _, outputs = harness.fold(harness.records(events), rng)
    project(connection, [*outputs, *outputs[-3:]], batch)
    rows = connection.execute(f"SELECT machine, start_ns, product, {NAMES} FROM oee_history")
    found = {row[:4]: row[3:] for row in rows}
    assert found == earlier(outputs)
    assert found


def said(kind: Any, id_: str, t: int, **fields: Any) -> Any:
    return kind(machine="M1", t=Instant(t * MINUTE), ingested=Instant(t * MINUTE), id=id_, **fields)


def test_a_row_says_who_restated_it_and_why(connection: sqlite3.Connection) -> None:
    reason = {
        "start": Instant(2 * MINUTE), "end": Instant(4 * MINUTE), "category": "planned_stop", "reason": "lubrication",
        "by": "ada",
    }  # fmt: skip
    events = [
        said(StateChanged, "s0", 0, state="running"),
        said(StateChanged, "s1", 2, state="fault"),
        said(StateChanged, "s2", 5, state="running"),
        said(StateChanged, "s3", 9, state="running"),
        said(ReasonAssigned, "r1", 30, **reason),
    ]
    _, outputs = harness.fold(harness.records(events))
    project(connection, outputs, 1000)
    names = 'start_ns, revision, known_to_ns, cause, cause_type, cause_events, "by", reason, shift_unplanned_ns'
    found = connection.execute(f"SELECT {names} FROM oee_history ORDER BY start_ns").fetchall()
    because = (1, 30 * MINUTE, "r1", "reason.assigned", 1, "ada", "lubrication", MINUTE)
    assert found == [(2 * MINUTE, *because), (3 * MINUTE, *because)]
    (row,) = [bucket.decode(o.body).said for o in outputs if bucket.decode(o.body).said]
    assert row == bucket.Cause("r1", "reason.assigned", 1, "ada", "lubrication")
