"""Rows into the read store, durable: our commit against a bare executemany on the same table, turn by turn.

Batches of 1,000 rows of 20 columns, each one transaction with a flush (synchronous=FULL), two files on one disk;
first new rows, then the same keys with other values. Bare: tuples that lie ready, BEGIN, one upsert, COMMIT. Ours:
rows as projections give them, the fence, the place in the same transaction. Wall time, for a flush is waited for; the median of
the batches. Last, without a peer: the whole way of derived minutes to rows of `oee_bucket`, with the hours made again.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import sqlalchemy as sa

from figure import EPOCH, show
from tailrace.connectors.derived_sqlite import SqliteDerivedLog
from tailrace.engine.projector import Projector
from tailrace.engine.store import Change, Place
from tailrace.projections.column_types import KEY
from tailrace.projections.oee import OeeRows
from tailrace.projections.store_sqlite import SqliteStore
from tailrace.projections.tables import metadata
from tailrace.schemas import bucket
from tailrace.schemas.instant import MINUTE
from tailrace.schemas.record import Derived

ROOT = Path(__file__).parents[1]
ROWS, BATCHES = 1000, 150
MACHINES = 50

VALUES = [f"value_{i:02d}" for i in range(17)]
TABLE = sa.Table(
    "bench_row",
    metadata,
    sa.Column("machine", KEY, primary_key=True, nullable=False),
    sa.Column("start_ns", sa.BigInteger(), primary_key=True, nullable=False, autoincrement=False),
    sa.Column("start", sa.Text(), nullable=False),
    *(sa.Column(name, sa.BigInteger(), nullable=False) for name in VALUES),
)
COLUMNS = [column.name for column in TABLE.columns]
BARE = (
    f"INSERT INTO bench_row ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "
    f"ON CONFLICT (machine, start_ns) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in COLUMNS[2:])}"
)

Rows = list[tuple[object, ...]]


def batch(number: int, salt: int) -> Rows:
    """Minutes of every machine, as tuples in the order of COLUMNS."""
    each = ROWS // MACHINES
    return [
        (f"M{i % MACHINES:02d}", EPOCH + (number * each + i // MACHINES) * MINUTE, "2026-01-05 00:00:00.000000",
         *range(salt + i, salt + i + len(VALUES)))
        for i in range(ROWS)
    ]  # fmt: skip


def opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


async def turns(folder: Path, salt: int, at: int) -> tuple[float, float]:
    """Seconds of a batch, ours and bare, in turns; at: how many commits there were before."""
    ours, theirs = opened(folder / "ours.db"), opened(folder / "bare.db")
    store, place = SqliteStore(ours), Place(at)
    SqliteStore(theirs)
    mine, bare = [], []
    for number in range(BATCHES):
        rows = batch(number, salt)
        named = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        begun = time.perf_counter()
        await store.commit("bench", place, [Change("bench_row", named)], Place(place.position + 1))
        between = time.perf_counter()
        theirs.execute("BEGIN IMMEDIATE")
        theirs.executemany(BARE, rows)
        theirs.execute("COMMIT")
        bare.append(time.perf_counter() - between)
        mine.append(between - begun)
        place = Place(place.position + 1)
    mine_rows, bare_rows = (c.execute("SELECT * FROM bench_row ORDER BY 1, 2").fetchall() for c in (ours, theirs))
    assert mine_rows == bare_rows
    ours.close()
    theirs.close()
    return median(mine), median(bare)


async def minutes(folder: Path) -> float:
    """Rows a second from derived minutes to `oee_bucket`, hours and shifts."""
    connection = opened(folder / "minutes.db")
    store, derived = SqliteStore(connection), SqliteDerivedLog(connection)
    tallies = np.zeros((bucket.ROWS_MAX, len(bucket.COLUMNS)), np.int64)
    tallies[:, :4] = 15 * 10**9
    zeros, ones = np.zeros(bucket.ROWS_MAX, np.int64), np.ones(bucket.ROWS_MAX, np.int64)
    count = 40
    for n in range(count):
        start = EPOCH + (np.arange(bucket.ROWS_MAX) + n // 2 * bucket.ROWS_MAX) * MINUTE
        found = bucket.Buckets(start, zeros, ones, start, ones, tallies, ["P1"])
        await derived.append([
            Derived(topology="oee", version=1, key=f"M{n % 2}", first_n=n // 2 * bucket.ROWS_MAX + 1, n=bucket.ROWS_MAX,
                    kind=bucket.KIND, cause=n + 1, body=bucket.encode(found))
        ])  # fmt: skip
    projector = Projector(store, OeeRows(), derived, batch=2)
    begun = time.perf_counter()
    await projector.drain()
    seconds = time.perf_counter() - begun
    assert connection.execute("SELECT count(*) FROM oee_bucket").fetchone()[0] == count * bucket.ROWS_MAX
    connection.close()
    return count * bucket.ROWS_MAX / seconds


async def main() -> int:
    reached = True
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as name:
        folder = Path(name)
        for what, salt, at in (("new rows", 0, 0), ("rows that are there", 1, BATCHES)):
            mine, bare = await turns(folder, salt, at)
            show(f"project: {what}, ours", ROWS / mine, "rows/s")
            show(f"project: {what}, bare executemany", ROWS / bare, "rows/s")
            reached &= show(f"project: {what}, ours / bare", bare / mine, "x", at_least=0.5)
        show("project: derived minutes to rows of 60 columns, with hours and shifts", await minutes(folder), "rows/s")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
