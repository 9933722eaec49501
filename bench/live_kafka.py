"""From an append to what it decides, on Kafka: how long after an append stands the derived record of the minute that it closes.

The readings of bench/live.py, 2,000 a second, of ten machines: ten records every 20 to 25 ms, which one call appends. One broker
that flushes each append, one partition; a worker in a process of its own, with OEE alone and then with every fold as `tailrace
worker` has it. This process appends, and reads `derived` as a reader of rows does. Timed: the producer, the broker's flush, the
worker's fetch, its folds, its send, the flush of that, and the fetch of it here. CPU: of the worker, in cores.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from figure import show
from live import GIVE_UP_S, RUN_S, WARM_S, Minute, Producer, cpu_of
from tailrace.connectors import kafka_topics
from tailrace.connectors.kafka_records import derived_of
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import open_log
from tailrace.schemas import bucket

BENCH = Path(__file__).parent
sys.path.insert(0, str(BENCH.parent / "tests"))  # the broker of the tests

TARGET_MS = 150
MACHINES = 10
FETCH_MS = 20


class Watch(threading.Thread):
    """Follows the topic of derived records; `seen` is when each minute was there first."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(daemon=True)
        self._settings, self._end = settings, threading.Event()
        self.seen: dict[Minute, float] = {}

    def run(self) -> None:
        asyncio.run(self._follow())

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.servers, enable_auto_commit=False, fetch_max_wait_ms=FETCH_MS
        )
        await consumer.start()
        try:
            place = TopicPartition(self._settings.derived, 0)
            consumer.assign([place])
            consumer.seek(place, 0)
            while not self._end.is_set():
                for messages in (await consumer.getmany(timeout_ms=FETCH_MS)).values():
                    seen = time.perf_counter()
                    for output in map(derived_of, messages):
                        if output.kind == bucket.KIND:
                            for start in bucket.decode(output.body).start.tolist():
                                self.seen.setdefault((output.key, start), seen)
        finally:
            await consumer.stop()

    async def until(self, minutes: set[Minute]) -> None:
        """Returns when all of these are seen, or when it has taken too long."""
        deadline = time.monotonic() + GIVE_UP_S
        while not minutes <= self.seen.keys() and time.monotonic() < deadline:  # noqa: ASYNC110  another thread sees them
            await asyncio.sleep(0.05)

    def end(self) -> None:
        self._end.set()
        self.join()


async def measure(settings: KafkaSettings, pid: int) -> tuple[float, float, list[float]]:
    """Readings a second, cores of the worker, and ms from each append that closes a minute to its derived record, sorted."""
    log, watch = await open_log(settings), Watch(settings)
    producer = Producer(log, MACHINES)
    watch.start()
    await producer.begin()
    await producer.run(WARM_S)
    await watch.until(set(producer.closing))
    before, used = set(producer.closing), cpu_of(pid)
    rate = await producer.run(RUN_S)
    used = (cpu_of(pid) - used) / RUN_S
    expected = producer.closing.keys() - before
    await watch.until(set(expected))
    watch.end()
    await log.close()
    missing = expected - watch.seen.keys()
    if missing:
        raise SystemExit(f"live: {len(missing)} of {len(expected)} minutes were not derived within {GIVE_UP_S:g} s")
    return rate, used, sorted(1e3 * (watch.seen[each] - producer.closing[each]) for each in expected)


def run(name: str, settings: KafkaSettings, command: Sequence[str], folder: Path) -> bool:
    asyncio.run(kafka_topics.make(settings))
    with (folder / "said").open("wb") as said:
        worker = subprocess.Popen(command, stdout=said, stderr=said, cwd=folder)
    try:
        rate, cores, found = asyncio.run(measure(settings, worker.pid))
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(GIVE_UP_S)
    what = f"live on Kafka: {name}"
    show(f"{what}, appended", rate, "readings/s")
    show(f"{what}, append to derived, p50", found[len(found) // 2], "ms")
    reached = show(f"{what}, append to derived, p99", found[int(len(found) * 0.99)], "ms", at_most=TARGET_MS)
    show(f"{what}, CPU of the worker", cores, "cores")
    return reached


def main() -> int:
    from kafka_broker import KafkaBroker  # noqa: PLC0415  found by the path above

    folder = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    broker = KafkaBroker(folder)
    try:
        broker.start()
        alone, every = (
            KafkaSettings(servers=[broker.address], topics=topics, partitions=1, replication=1)
            for topics in ("live-oee", "live-every")
        )
        plant = folder / "plant.yaml"
        settings = {"site": {"name": "Bench"}, "log": msgspec.to_builtins(every), "sources": []}
        plant.write_bytes(msgspec.json.encode(settings))
        reached = run(
            "OEE", alone, (sys.executable, str(BENCH / "kafka_oee.py"), msgspec.json.encode(alone).decode()), folder
        )
        tailrace = (sys.executable, "-c", "from tailrace.app.cli import main; main()", "worker", str(plant))
        return 0 if run("every fold", every, tailrace, folder) and reached else 1
    finally:
        broker.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
