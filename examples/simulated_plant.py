"""A data folder with some days of the simulated plant, to try questions on: the past of `tailrace demo`, without its machines.

Rules: the same days and seed give the same folder, since nothing in it is of today. A folder that is there is taken as it is.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tailrace.app import compose
from tailrace.connectors.simulator_history import History
from tailrace.connectors.simulator_plant import Identity, Plant
from tailrace.connectors.simulator_table import MACHINES_MIN
from tailrace.schemas.instant import DAY, format_instant, parse_instant

BEGAN = int(parse_instant("2026-09-01T00:00:00Z"))


def make(directory: Path, *, days: int = 30, seed: int = 1) -> tuple[str, str]:
    """Makes the folder; gives the time from when and to when it has data."""
    end = BEGAN + days * DAY
    if not (directory / compose.EVENTS_FILE).exists():
        directory.mkdir(parents=True, exist_ok=True)
        plant = Plant(Identity(seed=seed, began=BEGAN, machines=MACHINES_MIN, zone="UTC"))
        with ThreadPoolExecutor(1) as thread:  # in a notebook this one has an event loop already
            thread.submit(lambda: asyncio.run(_write(directory, History(plant, lambda: end)))).result()
    return format_instant(BEGAN), format_instant(end)


async def _write(directory: Path, history: History) -> None:
    log = compose.SqliteLog(directory / compose.EVENTS_FILE)
    try:
        async for delivery in history.deliveries():
            await log.append(delivery.records)
    finally:
        await log.close()
