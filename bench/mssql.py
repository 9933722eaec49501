"""Rows into SQL Server over TDS, durable: our commit against executemany, row by row and fast, on the same table, turn by turn.

Needs TAILRACE_TEST_MSSQL_URL; makes schemas of its own and drops them. Batches of 500 rows of 20 columns, half of them new and
half there already with other values; each is one transaction. Peers: pyodbc's executemany of the same upsert (UPDATE, and INSERT
where there was none), as it is and with fast_executemany, rows as tuples that lie ready. Ours: rows as projections give them, the
fence, the place in the same transaction. Wall time; the median of the turns.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import closing
from statistics import median
from typing import Any

import sqlalchemy as sa

from figure import EPOCH, show
from project import COLUMNS, TABLE, VALUES
from tailrace.engine.store import Change, Place
from tailrace.projections import mssql_driver, mssql_schema
from tailrace.projections.schema import tables_in
from tailrace.projections.store_mssql import MssqlStore
from tailrace.projections.tables import checkpoint
from tailrace.schemas.instant import MINUTE

URL = os.environ.get("TAILRACE_TEST_MSSQL_URL", "")
ROWS, TURNS = 500, 7

Rows = list[tuple[Any, ...]]


def batch(turn: int, salt: int) -> Rows:
    """Minutes of 50 machines; from the second turn on half of the keys were there in the one before."""
    return [
        (f"M{i % 50:02d}", EPOCH + (turn * 5 + i // 50) * MINUTE, "2026-01-05 00:00:00.000000",
         *range(salt + i, salt + i + len(VALUES)))
        for i in range(ROWS)
    ]  # fmt: skip


def upsert(schema: str) -> str:
    """UPDATE, and INSERT where there was none, for one row whose cells come twice in the order of COLUMNS."""
    keys, values = COLUMNS[:2], COLUMNS[2:]
    where = " AND ".join(f"[{name}] = ?" for name in keys)
    return (
        f"UPDATE [{schema}].[{TABLE.name}] SET {', '.join(f'[{name}] = ?' for name in values)} WHERE {where}; "
        f"IF @@ROWCOUNT = 0 INSERT INTO [{schema}].[{TABLE.name}] ({', '.join(f'[{name}]' for name in (*values, *keys))}) "
        f"VALUES ({', '.join('?' * len(COLUMNS))})"
    )


def peer(connection: Any, schema: str, *, fast: bool) -> Callable[[Rows], float]:
    text = upsert(schema)

    def write(rows: Rows) -> float:
        said = [(*row[2:], *row[:2]) * 2 for row in rows]
        cursor = connection.cursor()
        cursor.fast_executemany = fast
        begun = time.perf_counter()
        cursor.executemany(text, said)
        connection.commit()
        seconds = time.perf_counter() - begun
        cursor.close()
        return seconds

    return write


async def ours(store: MssqlStore, place: Place, rows: Rows) -> tuple[float, Place]:
    named = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    reached = Place(place.position + 1)
    begun = time.perf_counter()
    await store.commit("bench", place, [Change(TABLE.name, named)], reached)
    return time.perf_counter() - begun, reached


async def main() -> int:
    names = [f"tailrace_bench_{secrets.token_hex(4)}" for _ in range(3)]
    stores = [MssqlStore.open(URL, name) for name in names]
    engine = sa.create_engine(mssql_driver.complete_url(URL).set(drivername="mssql+pyodbc"))
    took: dict[str, list[float]] = {"ours": [], "row by row": [], "fast": []}
    try:
        with engine.begin() as connection:
            for name in names:
                connection.exec_driver_sql(f"CREATE SCHEMA [{name}]")
                made = tables_in(name)
                made.create_all(connection, [made.tables[f"{name}.{each}"] for each in (TABLE.name, checkpoint.name)])
        place = Place()
        with closing(engine.raw_connection()) as slow, closing(engine.raw_connection()) as quick:
            row_wise, fast = peer(slow, names[1], fast=False), peer(quick, names[2], fast=True)
            for turn in range(TURNS):
                rows = batch(turn, turn * 1000)
                seconds, place = await ours(stores[0], place, rows)
                took["ours"].append(seconds)
                took["row by row"].append(row_wise(rows))
                took["fast"].append(fast(rows))
        with engine.connect() as connection:
            same = [
                connection.exec_driver_sql(f"SELECT * FROM [{name}].[{TABLE.name}] ORDER BY 1, 2").fetchall()
                for name in names
            ]
            assert same[0] == same[1] == same[2]
    finally:
        for store in stores:
            await store.close()
        with engine.connect() as connection:
            for name in names:
                mssql_schema.drop(connection, name)
            connection.commit()
        engine.dispose()
    mine, *others = (median(took[name][1:]) for name in took)  # the first turn compiles statements
    show("mssql: ours", ROWS / mine, "rows/s")
    show("mssql: executemany, row by row", ROWS / others[0], "rows/s")
    show("mssql: executemany, fast", ROWS / others[1], "rows/s")
    reached = show("mssql: ours / row by row", others[0] / mine, "x", at_least=7.0)
    reached &= show("mssql: ours / fast", others[1] / mine, "x", at_least=1.2)
    return 0 if reached else 1


if __name__ == "__main__":
    if not URL:
        sys.exit("TAILRACE_TEST_MSSQL_URL is not set: it names the SQL Server to measure")
    sys.exit(asyncio.run(main()))
