"""A collector that can be killed: `python mqtt_collector.py PORT FILE CUT` writes the ids of readings to FILE.

As in production, a delivery is written and synced first and acknowledged after. After CUT messages were received it kills
itself between the two, when everything of the last delivery is received and nothing of it is written.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import msgspec

from tailrace.connectors.source_mqtt import MqttSettings, MqttSource

SETTINGS: dict[str, Any] = {
    "kind": "mqtt",
    "name": "shop",
    "topic": "plant/{machine}/telemetry",
    "retry_max_s": 0.2,
    "payload": {"time": "$.ts", "sequence": "$.seq", "session": "$.boot", "values": {"Temp": "$.temp"}},
}


async def collect(port: int, path: str, cut: int) -> None:
    """Until it is killed."""
    source = MqttSource(msgspec.convert(SETTINGS | {"url": f"mqtt://127.0.0.1:{port}"}, MqttSettings))
    received = 0
    with open(path, "a") as file:  # noqa: ASYNC230
        async for delivery in source.deliveries():
            received += len(delivery.events)
            if received > cut:
                os.kill(os.getpid(), signal.SIGKILL)
            file.writelines(f"{event.id}\n" for event in delivery.events)
            file.flush()
            os.fsync(file.fileno())
            await delivery.acknowledge()


if __name__ == "__main__":
    asyncio.run(collect(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
