"""From an append to what it decides: how long after an append is called stands the derived record of the minute that it closes.

`tailrace up` runs on a plant without sources, with every fold and every row; this process appends through its socket, as any
other program does, and follows `derived` in the read store's file, as any other program can. 2,000 readings a second of 8 values
and a counter, in live frames of 20 to 25 ms: ten machines that are read 200 times a second, and fifty that are read 40 times, one
reading a record. A machine's clock goes as many times as fast as ours, so a minute is closed 33 times a second. Timed:
the socket, the flush, the folds, the transaction of the rows, and up to 1 ms until it is seen here. CPU: of `up`, in cores.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from figure import SIGNALS, show
from tailrace.app import compose
from tailrace.schemas import bucket, codec, frame
from tailrace.schemas.event import ProductChanged, StateChanged
from tailrace.schemas.instant import MINUTE, SECOND, Instant, Span
from tailrace.schemas.record import Record

ROOT = Path(__file__).parents[1]
RATE = 2000
"""Readings a second, of all machines."""

WARM_S, RUN_S = 5.0, 15.0
TICK_S = 0.02
TARGET_MS = 60
GIVE_UP_S = 60.0
UP = [sys.executable, "-c", "from tailrace.app.cli import main; main()", "up"]
PLANT = "site: {name: Bench}\nsources: []\n"
Minute = tuple[str, int]


class Appends(Protocol):
    """What takes records."""

    async def append(self, records: Sequence[Record]) -> object: ...


class Producer:
    """Readings of all machines, and when the append of each that closes a minute was called."""

    def __init__(self, log: Appends, machines: int) -> None:
        self._log, self._machines = log, [f"M{i:02d}" for i in range(machines)]
        self._rng = np.random.default_rng(5)
        self._start = (time.time_ns() // MINUTE + 1) * MINUTE  # `up` ticks once at its start
        self._n = dict.fromkeys(self._machines, 0)
        self.closing: dict[Minute, float] = {}
        self.sent = 0

    async def begin(self) -> None:
        """What runs, and that it runs."""
        for machine in self._machines:
            base: dict[str, Any] = {"machine": machine, "t": Instant(self._start), "ingested": Instant(self._start)}
            product = ProductChanged(product="P1", ideal_cycle=Span(2 * SECOND), id=f"{machine}-p", **base)
            state = StateChanged(state="running", id=f"{machine}-s", **base)
            await self._log.append([codec.record_of(each, source="bench") for each in (product, state)])

    async def run(self, seconds: float) -> float:
        """Appends for so long; gives readings a second."""
        begun, waiting, sent = time.perf_counter(), set[asyncio.Task[Any]](), 0
        while (now := time.perf_counter() - begun) < seconds:
            due = int(now * RATE) - sent
            each = due // len(self._machines)
            if each:
                task = asyncio.create_task(self._log.append(list(self.records(each))))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
                sent += each * len(self._machines)
            await asyncio.sleep(TICK_S - (time.perf_counter() - begun) % TICK_S)
        await asyncio.gather(*waiting)
        self.sent += sent
        return sent / (time.perf_counter() - begun)

    def records(self, each: int) -> Iterator[Record]:
        """The next readings of every machine; whoever asks appends them at once."""
        called = time.perf_counter()
        for machine in self._machines:
            first = self._n[machine]
            self._n[machine] += each
            times = self._start + np.arange(first, first + each, dtype=np.int64) * SECOND
            for t in times.tolist():
                if t % MINUTE == 0:
                    self.closing[machine, t - MINUTE] = called
            yield self._record(machine, first, times)

    def _record(self, machine: str, first: int, times: np.ndarray[Any, np.dtype[np.int64]]) -> Record:
        columns: list[Any] = [(frame.Column(name, "f8"), self._rng.normal(70, 5, len(times)), None) for name in SIGNALS]
        total = np.arange(first, first + len(times), dtype=np.int64) // 2
        columns.append((frame.Column("total", "i8", counter=True), total, None))
        payload = frame.encode(times, columns)
        return codec.frame_record(
            payload,
            machine=machine,
            ingested=time.time_ns(),
            source="bench",
            session=f"b-{machine}",
            first_seq=first + 1,
        )


class Watch(threading.Thread):
    """Follows the derived buckets from their file; `seen` is when each minute was there first."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path, self._end = path, threading.Event()
        self.seen: dict[Minute, float] = {}

    def run(self) -> None:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, isolation_level=None)) as connection:
            position, version = 0, -1
            while not self._end.is_set():
                (now,) = connection.execute("PRAGMA data_version").fetchone()
                if now == version:
                    time.sleep(0.001)
                    continue
                version = now
                for at, kind, machine, body in connection.execute(
                    "SELECT position, kind, key, body FROM derived WHERE position > ? ORDER BY position", (position,)
                ).fetchall():
                    position = at
                    if kind == bucket.KIND:
                        seen = time.perf_counter()
                        for start in bucket.decode(body).start.tolist():
                            self.seen.setdefault((machine, start), seen)

    def until(self, minutes: set[Minute]) -> None:
        """Returns when all of these are seen, or when it has taken too long; ends it."""
        deadline = time.monotonic() + GIVE_UP_S
        while not minutes <= self.seen.keys() and time.monotonic() < deadline:
            time.sleep(0.05)
        self._end.set()
        self.join()


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


async def measure(directory: Path, machines: int, up: int) -> tuple[float, float, list[float]]:
    """Readings a second, cores that `up` used, and ms from each append that closes a minute to its derived record, sorted."""
    log, watch = compose.SocketLog(directory), Watch(directory / compose.READ_FILE)
    producer = Producer(log, machines)
    await producer.begin()
    watch.start()
    await producer.run(WARM_S)
    before = set(producer.closing)
    used = cpu_of(up)
    rate = await producer.run(RUN_S)
    used = (cpu_of(up) - used) / RUN_S
    expected = {each for each in producer.closing if each not in before}
    await asyncio.to_thread(watch.until, expected)
    await log.close()
    missing = expected - watch.seen.keys()
    if missing:
        raise SystemExit(f"live: {len(missing)} of {len(expected)} minutes were not derived within {GIVE_UP_S:g} s")
    return rate, used, sorted(1e3 * (watch.seen[each] - producer.closing[each]) for each in expected)


def run(machines: int, *, judged: bool) -> bool:
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as name:
        folder = Path(name)
        (folder / "plant.yaml").write_text(PLANT)
        directory = folder / "data"
        command = [*UP, str(folder / "plant.yaml"), "--dir", str(directory)]
        with (folder / "said").open("wb") as said:
            up = subprocess.Popen(command, stdout=said, stderr=said)
        try:
            until = time.monotonic() + GIVE_UP_S
            while not compose.listens(directory) or not (directory / compose.READ_FILE).exists():
                if up.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"live: `up` did not get ready: {(folder / 'said').read_text()[-1000:]}")
                time.sleep(0.05)
            rate, cores, found = asyncio.run(measure(directory, machines, up.pid))
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(30)
    what = f"live: {machines} machines"
    show(f"{what}, appended", rate, "readings/s")
    show(f"{what}, append to derived, p50", found[len(found) // 2], "ms")
    at_most = TARGET_MS if judged else None
    reached = show(f"{what}, append to derived, p99", found[int(len(found) * 0.99)], "ms", at_most=at_most)
    show(f"{what}, CPU of `up`", cores, "cores")
    return reached


def main() -> int:
    reached = run(10, judged=True)
    return 0 if run(50, judged=True) and reached else 1


if __name__ == "__main__":
    sys.exit(main())
