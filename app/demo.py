"""`tailrace demo`: a simulated plant on a data folder, heard and shown as `tailrace up` hears and shows any plant.

The order matters: the page's port and the folder are taken first, so that a second demo is refused before it disturbs the first;
then the machines are there; then their past goes into the log, and only then they begin to speak.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tailrace.app import compose, demo_plant, settings, web
from tailrace.app.runner import Carry, Runner
from tailrace.connectors.simulator import Simulator
from tailrace.connectors.simulator_plant import Plant
from tailrace.engine.source import Source
from tailrace.schemas.errors import Owned

WAIT_S = 5.0
Watch = Callable[["Shown"], Coroutine[Any, Any, None]]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks for; None: as the folder's demo was made, or the usual. speed: seconds of the plant in a real one."""

    seed: int | None = None
    machines: int | None = None
    days: int = demo_plant.DAYS
    zone: str | None = None
    speed: float = 1.0


class Shown(msgspec.Struct, frozen=True):
    """A running demo, for whoever tells people about it. told: where the past ends in the log, once it is all there."""

    directory: Path
    url: str
    plant: Plant
    simulator: Simulator
    runner: Runner
    told: asyncio.Future[int]

    @property
    def ready(self) -> bool:
        """The past is in the figures, and the machines speak."""
        return self.told.done() and self.runner.reached >= self.told.result()


async def run(directory: Path, wanted: Wanted, listening: socket.socket, watch: Watch) -> None:
    """Until SIGTERM or SIGINT; `watch` runs beside it. Raises InvalidSettings, Owned, Unavailable."""
    with await _own(directory) as ownership:
        demo = demo_plant.open_demo(
            directory, time.time_ns(), seed=wanted.seed, machines=wanted.machines, days=wanted.days, zone=wanted.zone
        )
        plant = demo_plant.plant_of(demo)
        clock = demo_plant.clock_of(directory, plant, wanted.speed)
        simulator = Simulator(
            plant, directory, clock, speed=wanted.speed, opcua_port=demo.opcua_port, mqtt_port=demo.mqtt_port,
            keep=demo_plant.keeper(directory, demo),
        )  # fmt: skip
        async with simulator:
            file = demo_plant.write_plant_file(
                directory, plant, simulator.server.url, simulator.broker.url, simulator.broker.version
            )
            found = settings.load(file)
            page = web.Web(listening, found.site)
            told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

            async def first(carry: Carry) -> Sequence[Source]:
                history, office = demo_plant.sources_of(directory, plant, clock)
                if not await carry(history):
                    return ()
                with compose.reading(directory) as log:
                    told.set_result(log.end())
                await simulator.begin(history.start_of_live)
                return (office,)

            runner = Runner(found, directory, clock, page.run, first)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, runner.stop)
            watching = asyncio.create_task(watch(Shown(directory, page.url, plant, simulator, runner, told)))
            try:
                await runner.run_on(ownership)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)


async def _own(directory: Path) -> compose.Ownership:
    """The folder; a command that holds it for a moment is waited for, another demo or `up` is not."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return compose.own(directory)
        except Owned:
            if compose.listens(directory) or time.monotonic() > deadline:
                raise
            await asyncio.sleep(WAIT_S / 20)
