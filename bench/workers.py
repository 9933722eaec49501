"""Workers on Kafka beside each other: run time and parts of each machine by minute, exactly once or as near as each comes.

One broker that flushes each append, one partition, a process each, turn by turn, in two shapes: a reading a message, and frames
of 200. Ours is the worker as `tailrace worker` runs it, with OEE alone, and with every fold. One peer does the same fold: our
records and our OEE in a loop over confluent-kafka with a transaction per batch. The others fold bench/minutes.py from msgpack,
and so do less: none knows late or repeated readings, quality, products or calendars. Each is in its best form that we found with
state and places kept, which its file says, in an environment of its own; one that does not install is left out.

A turn lasts until all is folded, LIMIT_S at most; what came is compared with the truth, minute by minute. Medians, of rates by
the wall's clock from the first minute that is seen to the last, and by CPU time of the process.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
from aiokafka.admin import NewTopic

import environments
import kafka_input
from figure import show
from kafka_input import LARGE, Shape
from kafka_watch import Seen, Watch, of_ours, of_pathway, of_peer
from tailrace.connectors import kafka_topics
from tailrace.connectors.kafka_settings import KafkaSettings

BENCH = Path(__file__).parent
sys.path.insert(0, str(BENCH.parent / "tests"))  # the broker of the tests

ROUNDS = 3
LIMIT_S = 4.0
SILENCE_S = 20.0
END_S = 20.0
SHAPES = (Shape("one reading a record", 1, 30_000), Shape("frames of 200", 200, 200_000))
OURS, EVERY = "tailrace, OEE", "tailrace, every fold"
SAME, CONFLUENT = "confluent-kafka, our fold", "confluent-kafka, a dozen lines"
QUIX, TABLE, TAKE = "Quix Streams", "Faust, table", "Faust, take(500) and a dict"
STREAMS, PATHWAY = "Kafka Streams (Java)", "Pathway"
BATCH = {1: "5000", 200: "500"}
"""By frame: messages in a transaction of confluent-kafka, at most."""

TARGETS = {
    1: {"": 50_000, SAME: 0.5, QUIX: 2, TABLE: 25},
    200: {"": 250_000, SAME: 0.5, QUIX: 1},
}
"""By frame: readings/s of ours, and how many times as many as a peer."""


class Worker(NamedTuple):
    """A name, the beginning of its command, what comes after its topics, and the minutes in a message of it.

    records: it reads our records. ours: it is our worker, with topics of its own.
    """

    name: str
    command: Callable[[], Sequence[str]]
    more: Callable[[Shape], Sequence[str]] = lambda _: ()
    rows: Callable[[Any], Any] = of_peer
    records: bool = False
    ours: bool = False


def _venv(peer: str, file: str = "") -> Callable[[], Sequence[str]]:
    return lambda: (environments.python(peer), str(BENCH / f"peer_{file or peer}.py"))


PEERS = (
    Worker(
        SAME,
        _venv("confluent", "confluent_oee"),
        lambda shape: (BATCH[shape.frame],),
        rows=of_ours,
        records=True,
    ),
    Worker(CONFLUENT, _venv("confluent"), lambda shape: (BATCH[shape.frame],)),
    Worker(QUIX, _venv("quix")),
    Worker(TABLE, _venv("faust"), lambda _: ("table",)),
    Worker(TAKE, _venv("faust"), lambda _: ("take",)),
    Worker(STREAMS, environments.java),
    Worker(PATHWAY, _venv("pathway"), rows=of_pathway),
)
WORKERS = (
    Worker(OURS, lambda: (sys.executable, str(BENCH / "kafka_oee.py")), rows=of_ours, ours=True),
    Worker(
        EVERY,
        lambda: (sys.executable, "-c", "from tailrace.app.cli import main; main()", "worker"),
        rows=of_ours,
        ours=True,
    ),
    *PEERS,
)


class Turn:
    """One worker on one shape, on topics of its own but for the one that it reads."""

    def __init__(self, worker: Worker, shape: Shape, address: str, folder: Path) -> None:
        self._worker, self._shape, self._folder = worker, shape, folder
        self.log = folder / "worker.log"
        self._group = f"{shape.topics}-{uuid4().hex[:8]}"
        self._settings = KafkaSettings(
            servers=[address], topics=shape.topics, group=self._group, partitions=1, replication=1
        )
        self._ours = worker.ours
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> Seen:
        """Ends after LIMIT_S from the first minute on, or with the last one."""
        out = asyncio.run(self._topics())
        watch = Watch(self._settings.servers[0], out, self._worker.rows, kafka_input.truth(self._shape))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command(out), stdout=log, stderr=log, cwd=self._folder)
            try:
                return asyncio.run(watch.run(self._process.pid, SILENCE_S, lambda: self._over(watch)))
            finally:
                self._end()

    def _over(self, watch: Watch) -> bool:
        assert self._process is not None
        return watch.since_s > LIMIT_S or self._process.poll() is not None

    async def _topics(self) -> str:
        """The topic where its minutes will be."""
        async with kafka_topics.admin(self._settings) as admin:
            if not self._ours:
                compact = {**LARGE, "cleanup.policy": "compact"}
                await admin.create_topics([
                    NewTopic(self._group, 1, 1, topic_configs=LARGE),
                    NewTopic(f"{self._group}.state", 1, 1, topic_configs=compact),
                ])  # fmt: skip
                return self._group
            gone = set(kafka_topics.names(self._settings)) - {self._settings.events}
            await admin.delete_topics(sorted(gone & set(await admin.list_topics())))
            while gone & set(await admin.list_topics()):  # noqa: ASYNC110  the broker tells nobody
                await asyncio.sleep(0.05)
        await kafka_topics.make(self._settings)
        return self._settings.derived

    def _command(self, out: str) -> Sequence[str]:
        begin, address = self._worker.command(), self._settings.servers[0]
        if not self._ours:
            source = f"{self._shape.topics}.events" if self._worker.records else self._shape.messages
            return *begin, address, source, out, self._group, *self._worker.more(self._shape)
        if self._worker.name == OURS:
            return *begin, msgspec.json.encode(self._settings).decode()
        plant = self._folder / "plant.yaml"
        plant.write_bytes(
            msgspec.json.encode({"site": {"name": "Bench"}, "log": msgspec.to_builtins(self._settings), "sources": []})
        )
        return *begin, str(plant)

    def _end(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def turn(worker: Worker, shape: Shape, address: str) -> Seen:
    """One worker's figures; what it gets wrong is said as it comes."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        one = Turn(worker, shape, address, Path(name))
        seen = one.run()
        if seen.wrong or seen.repeated or seen.missing or not seen.wall_s:
            print(f"workers: {shape.name}: {worker.name}: {seen}: {one.log.read_text()[-2000:]}", flush=True)
    return seen


def installed(names: Sequence[str]) -> list[Worker]:
    """The workers of these names (all where there is none) whose environments are to be had."""
    found = []
    for worker in WORKERS:
        if names and not any(name in worker.name for name in names):
            continue
        try:
            worker.command()
            found.append(worker)
        except environments.Unmade as error:
            print(f"workers: {worker.name} is left out: {error}", flush=True)
    return found


def report(shape: Shape, seen: dict[str, list[Seen]]) -> bool:
    """Shows the medians; whether all targets are reached."""
    wall = {name: statistics.median(each.minutes * 60 / each.wall_s for each in some) for name, some in seen.items()}
    cpu = {name: statistics.median(each.minutes * 60 / each.cpu_s for each in some) for name, some in seen.items()}
    reached, targets = True, TARGETS[shape.frame]
    for name in seen:
        at_least = targets[""] if name == OURS else None
        reached &= show(f"workers: {name}", wall[name], f"readings/s, {shape.name}", at_least=at_least)
    for name in seen:
        show(f"workers: {name}", cpu[name], f"readings per CPU second, {shape.name}")
    for name in [name for name in seen if OURS in seen and name != OURS]:
        at_least = targets.get(name)
        reached &= show(f"workers: tailrace / {name}, {shape.name}", wall[OURS] / wall[name], "x", at_least=at_least)
        show(f"workers: tailrace / {name}, {shape.name}, CPU time", cpu[OURS] / cpu[name], "x")
    return reached


def main(names: Sequence[str], shapes: Sequence[Shape], rounds: int) -> int:
    from kafka_broker import KafkaBroker  # noqa: PLC0415  found by the path above

    workers, reached = installed(names), True
    folder = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    broker = KafkaBroker(folder)
    try:
        broker.start()
        for shape in shapes:
            settings = KafkaSettings(servers=[broker.address], topics=shape.topics, partitions=1, replication=1)
            asyncio.run(kafka_input.fill(shape, settings))
            seen: dict[str, list[Seen]] = {}
            for _ in range(rounds):
                for worker in workers:
                    found = turn(worker, shape, broker.address)
                    if found.wall_s:
                        seen.setdefault(worker.name, []).append(found)
            reached &= report(shape, seen)
    finally:
        broker.kill()
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if reached else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Workers on Kafka beside each other.")
    parser.add_argument("names", nargs="*", help="parts of the names of workers (default: all)")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--shape", type=int, choices=[each.frame for each in SHAPES], help="readings a message")
    parser.add_argument("--part", type=float, default=1.0, help="fold this part of the readings (default: %(default)s)")
    given = parser.parse_args()
    some = [
        each._replace(seconds=int(each.seconds * given.part) // each.frame * each.frame)
        for each in SHAPES if given.shape in (None, each.frame)
    ]  # fmt: skip
    sys.exit(main(given.names, some, given.rounds))
