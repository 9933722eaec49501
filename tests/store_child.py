"""Commits that are killed with SIGKILL, one before each of its steps: `store_child.py ADAPTER WHERE SCHEMA`.

A step is a statement that the database is told, BEGIN and COMMIT included, and last the moment after the COMMIT. Commit n is of
the projection `crash<n>` and is killed at step n; the last one has no such step and ends by itself. Prints how many there were.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from typing import Any

import sqlalchemy as sa

from tailrace.engine.store import Change, Place
from tailrace.projections.store_mssql import MssqlStore
from tailrace.projections.store_sqlite import SqliteStore

STEPS_MAX = 100


class Steps:
    """Counts, and ends the process at the step that it is told."""

    def __init__(self, last: int) -> None:
        self._left = last

    def __call__(self, *_: Any, **__: Any) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def changes(projection: str) -> list[Change]:
    names = [f"{projection}/{i}" for i in range(3)]
    return [
        Change("machine", [{"machine": name, "site": "old"} for name in names]),
        Change("machine", [{"machine": name, "line": "new"} for name in names]),
        Change("relation", [{"machine": name, "relation": "feeds", "other": "x"} for name in names]),
    ]


async def in_mssql(url: str, schema: str, projection: str, step: Steps) -> None:
    store = MssqlStore.open(url, schema)
    await store.place(projection)
    engine = store.engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", step)
    sa.event.listen(engine, "commit", step)
    await store.commit(projection, Place(), changes(projection), Place(1))
    step()
    await store.close()


async def in_sqlite(path: str, projection: str, step: Steps) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    store = SqliteStore(connection)
    connection.set_trace_callback(step)
    await store.commit(projection, Place(), changes(projection), Place(1))
    step()
    connection.close()


def main(adapter: str, where: str, schema: str) -> int:
    for last in range(1, STEPS_MAX):
        child = os.fork()
        if child == 0:
            projection, step = f"crash{last}", Steps(last)
            asyncio.run(
                in_mssql(where, schema, projection, step) if adapter == "mssql" else in_sqlite(where, projection, step)
            )
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            print(last)
            return os.waitstatus_to_exitcode(status)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
