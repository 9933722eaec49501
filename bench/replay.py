"""A replay of many readings from the hot log: how fast each way of it goes, and how much memory it takes.

The log: four machines, 8 values and a total counter once a second in frames of 200, a state every half hour, a product a day
(bench/fold.py). Ways, each in a process of its own:
  fold      reading the log and the OEE fold, nothing written: what a replay cannot be faster than
  oee       that and its rows in a new read store, hours and shifts made again, checkpoints: a part of `tailrace replay --verify`
  all       every fold with every row: `tailrace replay --verify`
  into oee  `tailrace replay --into --topology oee`: records copied, each a durable append, and that fold's rows
  into      `tailrace replay --into`: records copied, and every fold with every row
Wall time, since that is what somebody waits for, and beside it CPU time, which a busy machine does not stretch; the target of
100 M readings in 60 s is one of 1.67 M readings a second. `all` and `into` take the first part of the log only. Memory is what is
resident; growth is counted from the end of the first 10 M readings on, where a way takes more. `fold` keeps all days.
  replay.py [--readings 100e6] [--ways fold,oee]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from figure import READINGS, show
from fold import MACHINES, records
from tailrace.app import compose, replay_into
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_file import EVENTS_FILE
from tailrace.topologies.oee import Oee

ROOT = Path(__file__).parents[1]
DEFAULT = 16e6
SHORT = 1e6
"""Readings of the ways that take a part only."""

FIRST = 10e6
TARGET_S = 60.0
HUNDRED_M = 100e6
RESIDENT_MB, GROWTH_MB = 384, 32
BATCH = 100


class Look(msgspec.Struct, frozen=True, array_like=True):
    """Where a way is: records taken, seconds of the wall and of CPU, MB resident."""

    records: int
    seconds: float
    cpu: float
    resident: float


class Looks:
    """Takes a look at most every 50 ms."""

    def __init__(self) -> None:
        self.begun, self.cpu = time.perf_counter(), time.process_time()
        self.all: list[Look] = []

    def tell(self, done: int, total: int) -> None:
        seconds = time.perf_counter() - self.begun
        if done >= total or not self.all or seconds - self.all[-1].seconds > 0.05:
            self.all.append(Look(done, seconds, time.process_time() - self.cpu, resident()))


def resident() -> float:
    """MB resident of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


# -- the ways ------------------------------------------------------------------------------------------------------------


def fold(source: Path, _into: Path, until: int, looks: Looks) -> None:
    state, position = Oee().restore({}, lambda name: None), 0
    with compose.reading(source) as log:
        while position < until and (step := log.read(position, compose.BATCH)):
            state.fold(step)
            position = step[-1].position
            looks.tell(position, until)


def rows(*only: str) -> Callable[[Path, Path, int, Looks], None]:
    def way(source: Path, into: Path, until: int, looks: Looks) -> None:
        with compose.pipeline(source, into=into, only=only or compose.TOPOLOGIES) as pipeline:
            while pipeline.step(until):
                looks.tell(pipeline.reached, until)
            pipeline.checkpoint()
            looks.tell(until, until)

    return way


def into_folder(*only: str) -> Callable[[Path, Path, int, Looks], None]:
    def way(source: Path, into: Path, until: int, looks: Looks) -> None:
        paused = asyncio.Event()

        def tell(done: int, _end: int) -> None:
            looks.tell(done, until)
            if done >= until:
                paused.set()

        asked = replay_into.Asked(source=str(source), topologies=list(only))
        asyncio.run(replay_into.run(asked, into, tell, paused))
        looks.tell(until, until)

    return way


CHILDREN = {
    "fold": fold, "oee": rows("oee"), "all": rows(), "into oee": into_folder("oee"), "into": into_folder(),
}  # fmt: skip


def child(way: str, source: Path, until: int) -> None:
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as into:
        looks = Looks()
        CHILDREN[way](source, Path(into), until, looks)
    sys.stdout.buffer.write(msgspec.json.encode(looks.all))


# -- the parent ----------------------------------------------------------------------------------------------------------


async def write(path: Path, readings: int) -> int:
    """The log; gives its last position."""
    log = SqliteLog(path)
    batch = []
    for record in records(MACHINES, readings // READINGS // MACHINES):
        batch.append(record)
        if len(batch) == BATCH:
            await log.append(batch)
            batch = []
    if batch:
        await log.append(batch)
    end = await log.end()
    await log.close()
    return end


def measured(way: str, source: Path, until: int, readings: float) -> bool:
    """Shows what a way reaches; whether its targets are."""
    command = [sys.executable, __file__, "--child", way, str(source), str(until)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    looks = msgspec.json.decode(done.stdout, type=list[Look])
    rate = readings / looks[-1].seconds
    early = [look.resident for look in looks if look.records <= until * FIRST / readings]
    most = max(look.resident for look in looks)
    target = TARGET_S if way in ("oee", "into oee") else None
    bounds = (RESIDENT_MB, GROWTH_MB) if way != "fold" else (None, None)
    show(f"replay {way}: {readings / 1e6:g} M readings", rate / 1e6, "M readings/s")
    show(f"replay {way}: CPU", readings / looks[-1].cpu / 1e6, "M readings per CPU second")
    reached = show(f"replay {way}: 100 M readings at this rate", HUNDRED_M / rate, "s", at_most=target)
    reached &= show(f"replay {way}: resident", most, "MB", at_most=bounds[0])
    if readings <= FIRST:
        return reached
    return show(f"replay {way}: growth after the first 10 M", most - max(early), "MB", at_most=bounds[1]) and reached


def main(readings: float, ways: list[str]) -> int:
    reached = True
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as name:
        source = Path(name)
        if shutil.disk_usage(source).free < 250 * readings:
            print(f"replay: skipped, for {readings / 1e6:g} M readings need {readings * 250 / 1e9:.3g} GB here")
            return 0
        begun = time.perf_counter()
        end = asyncio.run(write(source / EVENTS_FILE, int(readings)))
        show("replay: the log written", readings / (time.perf_counter() - begun) / 1e6, "M readings/s")
        for way in ways:
            part = min(1.0, SHORT / readings) if way in ("all", "into") else 1.0
            reached &= measured(way, source, int(end * part), readings * part)
    return 0 if reached else 1


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--readings", type=float, default=DEFAULT)
    parser.add_argument("--ways", default=",".join(CHILDREN))
    parser.add_argument("--child", nargs=3)
    return parser.parse_args()


if __name__ == "__main__":
    arguments = asked()
    if arguments.child:
        wanted, folder, last = arguments.child
        child(wanted, Path(folder), int(last))
    else:
        sys.exit(main(arguments.readings, arguments.ways.split(",")))
