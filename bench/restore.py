"""A restart with 1,000 machines: how long until every worker stands at its checkpoint, and a record of each machine is in rows.

Each machine has a product, four states and 20 minutes of readings (8 values and a total counter, 1 Hz, frames of 200), so every
fold has pages of it. The folds are brought to the end and checkpointed; then every machine sends one more frame. The restart is
a process of its own, which does what `tailrace up` does: every worker from its checkpoint, and all rows.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figure import EPOCH, READINGS, payload, show
from tailrace.app import compose
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.schemas import codec
from tailrace.schemas.event import ProductChanged, StateChanged
from tailrace.schemas.instant import SECOND, Instant, Span
from tailrace.schemas.record import Record

ROOT = Path(__file__).parents[1]
MACHINES = [f"M{i:04d}" for i in range(1000)]
FRAMES = 6
TARGET_S = 10


def frames(number: int) -> Iterator[Record]:
    """The frame of a number, of every machine; before it a product and states where there are any."""
    body = payload(number, counter=True)
    start = Instant(EPOCH + number * READINGS * SECOND)
    for machine in MACHINES:
        base: dict[str, Any] = {"machine": machine, "t": start, "ingested": start}
        if number == 0:
            product = ProductChanged(product="P1", ideal_cycle=Span(2 * SECOND), id=f"{machine}-p", **base)
            yield codec.record_of(product, source="bench")
        if number < 4:
            word = ("running", "idle", "running", "setup")[number]
            yield codec.record_of(StateChanged(state=word, id=f"{machine}-s{number}", **base), source="bench")
        yield codec.frame_record(
            body, machine=machine, ingested=int(start) + READINGS * SECOND, source="bench", session=machine,
            first_seq=1 + number * READINGS,
        )  # fmt: skip


async def append(directory: Path, numbers: range) -> None:
    log = SqliteLog(directory / compose.EVENTS_FILE)
    for number in numbers:
        await log.append(list(frames(number)))
    await log.close()


def fold(directory: Path) -> None:
    with compose.pipeline(directory) as pipeline:
        pipeline.drain()
        pipeline.checkpoint()


def restart(directory: Path) -> tuple[float, float]:
    """Seconds until the first step is done, which every restore comes before, and until the end of the log."""
    begun = time.perf_counter()
    with compose.pipeline(directory) as pipeline:
        pipeline.step()
        first = time.perf_counter() - begun
        end = pipeline.drain()
        seconds = time.perf_counter() - begun
    expected = len(MACHINES) * (FRAMES + 1 + 1 + 4)
    if end != expected:
        raise SystemExit(f"restore: expected the rows at position {expected}, got {end}")
    return first, seconds


def main() -> int:
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as name:
        directory = Path(name)
        asyncio.run(append(directory, range(FRAMES)))
        begun = time.perf_counter()
        fold(directory)
        show("restore: 1,000 machines folded from the beginning, for comparison", time.perf_counter() - begun, "s")
        show("restore: the read store", (directory / compose.READ_FILE).stat().st_size / 1e6, "MB")
        asyncio.run(append(directory, range(FRAMES, FRAMES + 1)))
        done = subprocess.run([sys.executable, __file__, name], stdout=subprocess.PIPE, check=True, text=True)
        first, seconds = map(float, done.stdout.split())
        show("restore: every worker restored, and 500 records taken", first, "s")
        reached = show("restore: a record of each machine in the rows", seconds, "s", at_most=TARGET_S)
    return 0 if reached else 1


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(main())
    print(*restart(Path(sys.argv[1])))
