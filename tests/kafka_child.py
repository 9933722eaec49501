"""A worker on Kafka in a process of its own: `python kafka_child.py SETTINGS_JSON`. The tests end, stop and wake it as they like.

On standard output it says `held [generation, [partitions]]` each time that changes. {"stall_s": …, "stall_at": n} blocks its
loop once, inside the fold of the n-th record; {"every": n} makes a checkpoint every n records. RUNNER=faust has Faust host it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tailrace.app.kafka_worker import KafkaWorker
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.engine.topology import Load, State
from tailrace.schemas.record import Derived, Record
from tailrace.topologies.oee import Oee

LOOK_S = 0.02


class Stalling:
    """OEE, by a fold that once takes very long."""

    name, version = Oee.name, Oee.version

    def __init__(self, stall_s: float, stall_at: int) -> None:
        self.stall_s, self.left = stall_s, stall_at

    def restore(self, marks: Mapping[str, int], load: Load) -> State:
        return StallingState(self, Oee().restore(marks, load))


class StallingState:
    def __init__(self, topology: Stalling, state: State) -> None:
        self._topology, self._state = topology, state

    @property
    def marks(self) -> Mapping[str, int]:
        return self._state.marks

    def fold(self, records: Sequence[Record]) -> Sequence[Derived]:
        if 0 < self._topology.left <= len(records):
            print("stalls", flush=True)
            time.sleep(self._topology.stall_s)
        self._topology.left -= len(records)
        return self._state.fold(records)

    def dirty(self) -> Mapping[str, bytes]:
        return self._state.dirty()


async def main(settings: KafkaSettings, options: dict[str, Any]) -> None:
    topology = Stalling(options["stall_s"], options["stall_at"]) if "stall_s" in options else Oee()
    every = options.get("every", 40)
    if os.environ.get("RUNNER") == "faust":
        from tailrace.app.faust_runner import FaustWorker  # noqa: PLC0415  an optional extra

        worker: Any = FaustWorker(settings, lambda: [topology], checkpoint_every=every)
    else:
        worker = KafkaWorker(settings, lambda: [topology], batch=20, checkpoint_every=every)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    telling = asyncio.create_task(tell(worker))
    try:
        await worker.run()
    finally:
        telling.cancel()


async def tell(worker: Any) -> None:
    said: list[Any] = []
    while True:
        now = [worker._generation, sorted(worker.held)]
        if now != said:
            print("held", json.dumps(now), flush=True)
            said = now
        await asyncio.sleep(LOOK_S)


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=KafkaSettings), json.loads(sys.argv[2])))
