"""How fast frames become durable: the embedded log against aiosqlite with a commit per frame, turn by turn.

Frames hold 200 readings of 8 float64 values and come from 64 producers, each with one append under way; the same records for
both. Wall time, for a flush is waited for; the median of the rounds. The disk is the checkout's own. What a group commit gains
over a commit per frame depends on how fast that disk flushes: one that flushes 5,000 times a second hardly makes anybody wait.
So the pair also runs with every flush slowed down to PLAIN_FLUSHES a second, what a plain disk does (bench/slow_flush.c, where
there is a C compiler), and the ratio is judged there.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from statistics import median

import aiosqlite

from figure import READINGS, payload, show
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_file import EVENTS_FILE
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas import codec
from tailrace.schemas.instant import SECOND
from tailrace.schemas.record import Record

ROOT = Path(__file__).parents[1]
PRODUCERS = 64
RUN_S, ROUNDS = 2.5, 3
PLAIN_FLUSHES = 225
BYTES_MAX = 90
NOW = 1_790_000_000 * SECOND

Append = Callable[[Record], Coroutine[None, None, None]]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as name:
        folder = Path(name)
        flushes = flush_rate(folder)
        plain = flushes < 2 * PLAIN_FLUSHES
        show("append: disk", flushes, "flushes/s")
        reached = pair(folder, "append", "on this disk", judged=plain)
        reached &= size(folder)
        shim = None if plain else slow_flush(folder)
        if shim:
            slow = {"LD_PRELOAD": str(shim), "FLUSH_US": str(10**6 // PLAIN_FLUSHES)}
            reached &= pair(folder, "append, plain disk", f"at {PLAIN_FLUSHES} flushes/s", slow, judged=True)
        elif not plain:
            print("append, plain disk: skipped, for there is no C compiler to slow the disk's flushes down with")
    return 0 if reached else 1


def pair(folder: Path, name: str, where: str, environment: dict[str, str] | None = None, *, judged: bool) -> bool:
    """Both contenders in turn, each in a process of its own; whether the targets are reached."""
    rates: dict[str, list[float]] = {"tailrace": [], "aiosqlite": []}
    for _ in range(ROUNDS):
        for contender, found in rates.items():
            shutil.rmtree(folder / contender, ignore_errors=True)
            (folder / contender).mkdir()
            command = [sys.executable, __file__, contender, str(folder / contender)]
            done = subprocess.run(command, env=os.environ | (environment or {}), stdout=subprocess.PIPE, check=True)
            found.append(float(done.stdout))
    ours, theirs = median(rates["tailrace"]), median(rates["aiosqlite"])
    reached = show(f"{name}: tailrace", ours, f"readings/s {where}", at_least=600_000)
    show(f"{name}: aiosqlite", theirs, f"readings/s {where}, a commit per frame")
    return show(f"{name}: ratio", ours / theirs, f"x {where}", at_least=20 if judged else None) and reached


def size(folder: Path) -> bool:
    """Bytes on disk, and how fast they are read back; whether the targets are reached."""
    path = folder / "tailrace" / EVENTS_FILE
    reader = LogReader(path)
    each = path.stat().st_size / reader.events_count()
    start, after, frames = time.process_time(), 0, 0
    while batch := reader.read(after, 500):
        after = batch[-1].position
        frames += len(batch)
    rate = frames / (time.process_time() - start)
    reader.close()
    print(f"append: size  {each:.1f} B per reading of 8 values on disk  (target ≤ {BYTES_MAX})", flush=True)
    fast = show("append: read back", rate, "frames per CPU second, checked", at_least=25_000)
    return fast and each <= BYTES_MAX


def flush_rate(folder: Path) -> float:
    """How often a second the disk takes 16 KiB for good."""
    count, start = 0, time.perf_counter()
    with open(folder / "flush", "wb", buffering=0) as file:
        while time.perf_counter() - start < 1:
            file.write(bytes(16384))
            os.fdatasync(file.fileno())
            count += 1
    return count / (time.perf_counter() - start)


def slow_flush(folder: Path) -> Path | None:
    """The shim, built."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    shim = folder / "slow_flush.so"
    source = Path(__file__).with_name("slow_flush.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(shim), str(source), "-ldl"], check=True)
    return shim


# -- the contenders ------------------------------------------------------------------------------------------------------


async def tailrace(folder: Path) -> float:
    log = SqliteLog(folder / EVENTS_FILE)

    async def append(record: Record) -> None:
        await log.append([record])

    rate = await produce(append)
    await log.close()
    return rate


async def commit_per_frame(folder: Path) -> float:
    columns = [field for field in Record.__struct_fields__ if field != "position"]
    sql = f"INSERT INTO record ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    async with aiosqlite.connect(folder / "record.db", isolation_level=None) as connection:
        await connection.execute("PRAGMA journal_mode=WAL")
        await connection.execute("PRAGMA synchronous=FULL")
        await connection.execute(f"CREATE TABLE record (position INTEGER PRIMARY KEY, {', '.join(columns)})")

        async def append(record: Record) -> None:
            await connection.execute(sql, [getattr(record, column) for column in columns])

        return await produce(append)


async def produce(append: Append) -> float:
    """Readings a second that were acknowledged."""
    payloads = [payload(seed) for seed in range(32)]
    start = time.perf_counter()
    frames = await asyncio.gather(*(producer(append, payloads, k, start + RUN_S) for k in range(PRODUCERS)))
    return sum(frames) * READINGS / (time.perf_counter() - start)


async def producer(append: Append, payloads: list[bytes], k: int, end: float) -> int:
    frames = 0
    for record in records(payloads, k):
        if time.perf_counter() > end:
            break
        await append(record)
        frames += 1
    return frames


def records(payloads: list[bytes], k: int) -> Iterator[Record]:
    """The frames of one producer, without end."""
    first = 1
    while True:
        body = payloads[first // READINGS % len(payloads)]
        yield codec.frame_record(
            body, machine=f"MCH{k:03}", ingested=NOW, source="line-1", session=f"session-{k}", first_seq=first
        )
        first += READINGS


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(main())
    measure = {"tailrace": tailrace, "aiosqlite": commit_per_frame}[sys.argv[1]]
    print(asyncio.run(measure(Path(sys.argv[2]))))
