"""The OEE fold on the embedded log: reading records and folding them, in steps of 500 frames, as on a replay.

Each of a few machines is read once a second: 8 values and a total counter, in frames of 200; a state every half hour and a
product a day. The yardstick, turn by turn: nothing but reading the payloads of the same file through the same driver.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from figure import EPOCH, READINGS, payload, show
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.schemas import codec
from tailrace.schemas.event import ProductChanged, StateChanged
from tailrace.schemas.instant import SECOND, Instant, Span
from tailrace.schemas.record import Record
from tailrace.topologies.oee import Oee

MACHINES = 4
FRAMES = 1000
STEP = 500
BATCH = 100
ROUNDS = 9
RAW = "SELECT position, payload FROM record WHERE position > ? ORDER BY position LIMIT ?"


def records(machines: int = MACHINES, frames: int = FRAMES) -> Iterator[Record]:
    """What the machines bring, frame by frame in turns."""
    for number in range(frames):
        data = payload(number, counter=True)
        for machine in (f"M{i}" for i in range(1, machines + 1)):
            start = Instant(EPOCH + number * READINGS * SECOND)
            base: dict[str, Any] = {"machine": machine, "t": start, "ingested": start}
            if number % 432 == 0:
                product = ProductChanged(product="P1", ideal_cycle=Span(2 * SECOND), id=f"{machine}-p{number}", **base)
                yield codec.record_of(product, source="bench")
            if number % 9 == 0:
                word = ("running", "idle", "running", "setup")[number // 9 % 4]
                yield codec.record_of(StateChanged(state=word, id=f"{machine}-s{number}", **base), source="bench")
            yield codec.frame_record(
                data, machine=machine, ingested=int(start) + READINGS * SECOND, source="bench", session=machine,
                first_seq=1 + number * READINGS,
            )  # fmt: skip


async def write(log: SqliteLog) -> None:
    batch: list[Record] = []
    for record in records():
        batch.append(record)
        if len(batch) == BATCH:
            await log.append(batch)
            batch = []
    await log.append(batch)


async def fold(log: SqliteLog) -> tuple[float, int]:
    """CPU seconds to read and fold the whole log, and how many buckets came out."""
    begun = time.process_time()
    state = Oee().restore({}, lambda name: None)
    position = found = 0
    while step := await log.read(position, STEP):
        found += sum(output.n for output in state.fold(step))
        position = step[-1].position
    return time.process_time() - begun, found


def raw(path: Path) -> float:
    """CPU seconds to read every payload, with its position to go on from."""
    begun = time.process_time()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        position = 0
        while rows := connection.execute(RAW, (position, STEP)).fetchall():
            position = rows[-1][0]
    return time.process_time() - begun


async def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        log = SqliteLog(Path(folder) / "events.db")
        await write(log)
        turns = [(*(await fold(log)), raw(log.path)) for _ in range(ROUNDS)]
        await log.close()
    seconds, found, bare = (min(each) for each in zip(*turns, strict=True))
    readings = MACHINES * FRAMES * READINGS
    show("fold: buckets and stops emitted", found, "rows")
    reached = show("fold: OEE from the hot log", readings / seconds / 1e6, "M readings per CPU second", at_least=5)
    show("fold: payloads read raw", readings / bare / 1e6, "M readings per CPU second")
    reached &= show("fold: OEE / payloads read raw", bare / seconds, "x", at_least=0.2)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
