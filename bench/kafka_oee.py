"""Our worker with the OEE fold alone: `kafka_oee.py SETTINGS`, as JSON, until SIGTERM; `tailrace worker` has every fold."""

from __future__ import annotations

import asyncio
import signal
import sys

import msgspec

from tailrace.app import garbage
from tailrace.app.kafka_worker import KafkaWorker
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.topologies.oee import Oee


async def main(settings: KafkaSettings) -> None:
    worker = KafkaWorker(settings, lambda: [Oee()])
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    garbage.settle()
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=KafkaSettings)))
