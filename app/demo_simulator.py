"""The simulated plant as a process of its own: `python -m tailrace.app.demo_simulator --dir DIR`, for load and for tests.

Rules: it writes DIR/plant.yaml for `tailrace up`, says in one line of JSON that it is ready, and speaks until SIGTERM, SIGINT or,
where its standard input is a pipe, the end of that: so it does not outlive the one who started it. It makes no history.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tailrace.app import demo_plant
from tailrace.connectors import simulator_commands as commands
from tailrace.connectors.simulator import Clock, Simulator
from tailrace.schemas.errors import InvalidSettings, TailraceError


async def run(directory: Path, options: argparse.Namespace) -> None:
    """Until it is ended."""
    script = commands.load(Path(options.script)) if options.script else commands.SCRIPT if options.faults else ()
    clock = Clock(time.time_ns(), options.speed)
    demo = demo_plant.open_demo(directory, clock(), seed=options.seed, machines=options.machines, days=options.days)
    plant = demo_plant.plant_of(demo)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        loop.add_reader(0, lambda: None if os.read(0, 4096) else _over(loop, over))
    async with Simulator(
        plant, directory, clock, speed=options.speed, opcua_port=demo.opcua_port, mqtt_port=demo.mqtt_port,
        keep=demo_plant.keeper(directory, demo),
    ) as simulator:  # fmt: skip
        file = demo_plant.write_plant_file(
            directory, plant, simulator.server.url, simulator.broker.url, simulator.broker.version
        )
        await simulator.begin()
        await simulator.play(script)
        print(json.dumps({"plant": str(file), **simulator.status()}), flush=True)
        await over.wait()


def _over(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    loop.remove_reader(0)
    over.set()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it; gives its exit code."""
    options = argparse.ArgumentParser(prog="demo_simulator", description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--dir", required=True, type=Path, help="data folder; made when there is none")
    options.add_argument("--machines", type=int, default=None, help="how many, 8 to 200")
    options.add_argument("--seed", type=int, default=None)
    options.add_argument("--days", type=int, default=1, help="how long ago the plant began")
    options.add_argument("--speed", type=float, default=1.0, help="seconds of the plant in a real one")
    options.add_argument("--faults", action="store_true", help="play the script of faults that is built in")
    options.add_argument("--script", default="", help="play the faults in this file")
    given = options.parse_args(arguments)
    try:
        asyncio.run(run(given.dir, given))
    except TailraceError as error:
        print(f"tailrace: {error}", file=sys.stderr)
        return 2 if isinstance(error, InvalidSettings) else 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
