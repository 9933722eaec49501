"""The archive: bytes a reading, what making it costs, and replaying through it beside replaying the hot log.

Machines are read once a second: 8 values with one decimal, as sensors give them (normal noise of 5 around 70, so 7.7 bits each
and nothing to predict), and a total counter, in frames of 200. The same log stands twice, hot and archived; each is replayed by
the OEE fold in steps of 500 records, in a process of its own, turn by turn: CPU time, best of the rounds. The memory is that of
reading: what a fold keeps comes on top, hot or archived.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from figure import EPOCH, READINGS, payload, show
from tailrace.connectors.archive import FOLDER
from tailrace.connectors.archive_make import make, making
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_file import EVENTS_FILE
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas import codec
from tailrace.schemas.event import ProductChanged, StateChanged
from tailrace.schemas.instant import SECOND, Instant, Span
from tailrace.schemas.record import Record
from tailrace.topologies.oee import Oee

ROOT = Path(__file__).parents[1]
MACHINES = 4
FRAMES = 10_000
STEP = 500
BATCH = 100
ROUNDS = 2
SAMPLE = 1500
"""Frames of a machine for the figure with two decimals."""

BYTES_MAX, RATIO_MAX, MEMORY_MAX_MB, GROWTH_MAX_MB = 12, 2, 384, 32
FOREVER = 2**62


def records(frames: int, decimals: int) -> Iterator[Record]:
    """What the machines bring, frame by frame in turns; no two have the same values."""
    for number in range(frames):
        start = Instant(EPOCH + number * READINGS * SECOND)
        for k in range(MACHINES):
            machine = f"M{k + 1}"
            base: dict[str, Any] = {"machine": machine, "t": start, "ingested": start}
            if number % 432 == 0:
                product = ProductChanged(product="P1", ideal_cycle=Span(2 * SECOND), id=f"{machine}-p{number}", **base)
                yield codec.record_of(product, source="bench")
            if number % 9 == 0:
                word = ("running", "idle", "running", "setup")[number // 9 % 4]
                yield codec.record_of(StateChanged(state=word, id=f"{machine}-s{number}", **base), source="bench")
            data = payload(number, counter=True, decimals=decimals, seed=number * MACHINES + k)
            yield codec.frame_record(
                data, machine=machine, ingested=int(start) + READINGS * SECOND, source="bench", session=machine,
                first_seq=1 + number * READINGS,
            )  # fmt: skip


async def write(folder: Path, frames: int, decimals: int) -> None:
    log = SqliteLog(folder / EVENTS_FILE)
    batch: list[Record] = []
    for record in records(frames, decimals):
        batch.append(record)
        if len(batch) == BATCH:
            await log.append(batch)
            batch = []
    await log.append(batch)
    await log.close()


async def archive(folder: Path) -> tuple[float, int]:
    """CPU seconds to archive a log, and the bytes of its files."""
    begun, size = time.process_time(), 0
    log = SqliteLog(folder / EVENTS_FILE)
    with making(folder) as files, closing(LogReader(folder / EVENTS_FILE)) as reader:
        while sealed := make(files, reader, FOREVER):
            await log.seal(sealed)
            await log.sweep()
            size += sealed.size
    await log.close()
    return time.process_time() - begun, size


def replay(folder: Path) -> dict[str, float]:
    """Reads and folds a log: CPU seconds for both and for reading alone, and the outputs."""
    state, found = Oee().restore({}, lambda name: None), 0
    reading, begun = 0.0, time.process_time()
    for step, seconds in steps(folder):
        found += sum(output.n for output in state.fold(step))
        reading += seconds
    return {"reading": reading, "replay": time.process_time() - begun, "found": found}


def read(folder: Path) -> dict[str, float]:
    """Reads a log: resident MB after a third of it and at most."""
    third = most = 0.0
    for step, _ in steps(folder):
        most = max(most, resident_mb())
        third = most if step[-1].position <= MACHINES * FRAMES / 3 else third
    return {"third": third, "most": most}


def steps(folder: Path) -> Iterator[tuple[Sequence[Record], float]]:
    """The records in steps, with the CPU seconds that reading each took."""
    position = 0
    with closing(LogReader(folder / EVENTS_FILE)) as reader:
        while True:
            begun = time.process_time()
            step = reader.read(position, STEP)
            if not step:
                return
            position = step[-1].position
            yield step, time.process_time() - begun


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def main() -> int:
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as name:
        hot, cold, fine = (Path(name) / each for each in ("hot", "cold", "fine"))
        for folder in (hot, fine):
            folder.mkdir()
        asyncio.run(write(hot, FRAMES, 1))
        shutil.copytree(hot, cold)
        seconds, size = asyncio.run(archive(cold))
        asyncio.run(write(fine, SAMPLE, 2))
        _, fine_size = asyncio.run(archive(fine))
        readings = MACHINES * FRAMES * READINGS
        assert sum(path.stat().st_size for path in (cold / FOLDER).iterdir()) == size
        reached = at_most("archive: size", size / readings, "B per reading of 8 values of one decimal", BYTES_MAX)
        show("archive: size, two decimals", fine_size / (MACHINES * SAMPLE * READINGS), "B per reading of 8 values")
        show("archive: made", readings / seconds / 1e6, "M readings per CPU second, read back and compared")
        turns = [(child("replay", hot), child("replay", cold)) for _ in range(ROUNDS)]
        assert all(a["found"] == b["found"] for a, b in turns), "another fold's outputs"
        for what in ("reading", "replay"):
            a, b = (min(turn[i][what] for turn in turns) for i in (0, 1))
            show(f"archive: {what}, hot", readings / a / 1e6, "M readings per CPU second")
            show(f"archive: {what}, Parquet", readings / b / 1e6, "M readings per CPU second")
            reached &= at_most(f"archive: {what}, Parquet / hot", b / a, "x", RATIO_MAX if what == "replay" else None)
        memory = child("read", cold)
        reached &= at_most("archive: reading, resident", memory["most"], "MB", MEMORY_MAX_MB)
        growth = memory["most"] - memory["third"]
        reached &= at_most("archive: reading, growth after a third", growth, "MB", GROWTH_MAX_MB)
    return 0 if reached else 1


def child(what: str, folder: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, what, str(folder)], stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def at_most(name: str, value: float, unit: str, limit: float | None) -> bool:
    """Prints a figure that is to be small; whether it is."""
    target = "" if limit is None else f"  (target ≤ {limit:g})"
    print(f"{name}  {value:.3g} {unit}{target}", flush=True)
    return limit is None or value <= limit


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(main())
    measure = {"replay": replay, "read": read}[sys.argv[1]]
    print(json.dumps(measure(Path(sys.argv[2]))))
