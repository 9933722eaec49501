"""`tailrace rebuild all` of the simulated plant's month, 8 machines, on SQLite: how long it takes, what queries notice, the swap.

The folder is made first: the plant's past and its calendars as `up` takes them in. Then the command runs as a process of its
own, while two threads ask all the time for a count of each table. A query has failed where it raises, or where it finds another
count than there was. Wall time of the command without its start, as it says itself; the swap is the longest of the transactions
that put a projection's tables in place.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from figure import show
from tailrace.app import compose, declared, demo_plant, settings
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.engine.ingest import Ingest
from tailrace.projections.models import TABLES

COMMAND = [sys.executable, "-c", "from tailrace.app.cli import main; main()", "rebuild", "all", "--json", "--dir"]
ROOT = Path(__file__).parents[1]
THREADS = 2


async def _told(folder: Path) -> None:
    """The plant's month in the log of a folder."""
    now = time.time_ns()
    plant = demo_plant.plant_of(demo_plant.open_demo(folder, now, seed=1))
    file = demo_plant.write_plant_file(folder, plant, "opc.tcp://127.0.0.1:4840", "mqtt://127.0.0.1:1883")
    log = SqliteLog(folder / compose.EVENTS_FILE)
    try:
        records, _ = declared.declare(settings.load(file), declared.read(folder), now)
        await log.append(records)
        history, _ = demo_plant.sources_of(folder, plant, lambda: now)
        await Ingest(history, log, clock=lambda: now, token="bench").run()
    finally:
        await log.close()


class Asking:
    """Threads that ask for a count of each table, all the time."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / compose.READ_FILE
        with closing(sqlite3.connect(self._file)) as connection:
            self._counts = {
                table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()
                for tables in TABLES.values()
                for table in tables
            }
        self._ended = threading.Event()
        self.asked, self.failed = [0] * THREADS, [0] * THREADS
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(THREADS)]

    def __enter__(self) -> Asking:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for each in self._threads:
            each.join()

    def _ask(self, number: int) -> None:
        with closing(sqlite3.connect(self._file)) as connection:
            while not self._ended.is_set():
                for table, count in self._counts.items():
                    self.asked[number] += 1
                    try:
                        self.failed[number] += connection.execute(f'SELECT count(*) FROM "{table}"').fetchone() != count
                    except sqlite3.Error as error:
                        print(f"{table}: {error}", file=sys.stderr)
                        self.failed[number] += 1
                time.sleep(0.02)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as name:
        folder = Path(name)
        asyncio.run(_told(folder))
        with compose.own(folder), compose.pipeline(folder) as pipeline:
            pipeline.drain()
            pipeline.checkpoint()
        with Asking(folder) as asking:
            made = subprocess.run([*COMMAND, name], stdout=subprocess.PIPE, check=True, text=True)
        found = json.loads(made.stdout)["projections"]
    assert all(each["state"] == "swapped" and each["equal"] for each in found)
    reached = show(
        "rebuild: a month of 8 machines, every model", sum(each["seconds"] for each in found), "s", at_most=60
    )
    show("rebuild: records of derived and events", sum(each["records"] for each in found), "records")
    reached &= show("rebuild: the longest swap", max(each["swap_ms"] for each in found), "ms", at_most=10)
    show("rebuild: queries meanwhile", sum(asking.asked), "queries")
    reached &= show("rebuild: failed queries meanwhile", sum(asking.failed), "queries", at_most=0)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
