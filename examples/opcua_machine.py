"""A machine on an OPC UA server: it runs, stops, counts. For the demo and the tests.

    python examples/opcua_machine.py [--port 48400] [--parts N] [--seed 1]

Nodes (namespace 2): MCH003.State (0 stopped, 1 running, 2 setup), .Total, .Reject (cumulative), .Product, .Temp.
It writes a line of JSON for each change to standard output: what a direct count has to give. With --parts it ends its work
after so many parts, and serves the last values until it is ended; with --hold it begins when a line comes on standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import random
import signal
import sys
from datetime import UTC

from asyncua import ua
from asyncua.server.server import Server

MACHINE = "MCH003"
CYCLE_S = 0.5
STOPPED, RUNNING = 0, 1


class Machine:
    """The nodes of one machine, and what it does."""

    def __init__(self, server: Server, seed: int) -> None:
        self._server = server
        self._choice = random.Random(seed)
        self._total = self._reject = 0

    async def build(self) -> None:
        """Puts the nodes into the server."""
        space = await self._server.register_namespace("urn:tailrace:example")
        folder = await self._server.nodes.objects.add_folder(self._id(space, MACHINE), f"{space}:{MACHINE}")
        start = {
            "State": (STOPPED, ua.VariantType.Int32),
            "Total": (0, ua.VariantType.UInt32),
            "Reject": (0, ua.VariantType.UInt32),
            "Product": ("P1", ua.VariantType.String),
            "Temp": (20.0, ua.VariantType.Double),
        }
        self._nodes = {
            name: await folder.add_variable(self._id(space, f"{MACHINE}.{name}"), f"{space}:{name}", value, kind)
            for name, (value, kind) in start.items()
        }
        self._kinds = {name: kind for name, (_, kind) in start.items()}

    @staticmethod
    def _id(space: int, name: str) -> ua.NodeId:
        return ua.NodeId.from_string(f"ns={space};s={name}")

    async def work(self, parts: int | None, cycle_s: float) -> None:
        """Makes parts, and stops now and then."""
        await self._put("State", RUNNING)
        while parts is None or self._total < parts:
            await asyncio.sleep(cycle_s)
            self._total += 1
            if self._choice.random() < 0.05:
                self._reject += 1
                await self._put("Reject", self._reject)
            await self._put("Total", self._total)
            await self._put("Temp", round(40 + self._choice.gauss(5, 1), 2))
            if self._choice.random() < 0.04:
                await self._put("State", STOPPED)
                await asyncio.sleep(cycle_s * self._choice.uniform(4, 12))
                await self._put("State", RUNNING)
        await self._put("State", STOPPED)

    async def _put(self, name: str, value: float) -> None:
        now = ua.DateTime.now(UTC)
        stamped = ua.DataValue(ua.Variant(value, self._kinds[name]), SourceTimestamp=now)
        await self._nodes[name].write_value(stamped)
        print(json.dumps({"t": now.isoformat(), name: value}), flush=True)


async def serve(port: int, parts: int | None, seed: int, cycle_s: float, hold: bool) -> None:
    """Until SIGTERM or SIGINT."""
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    machine = Machine(server, seed)
    await machine.build()
    async with server:
        if hold:
            await asyncio.to_thread(sys.stdin.readline)
        working = asyncio.create_task(machine.work(parts, cycle_s))
        await over.wait()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--port", type=int, default=48400)
    options.add_argument("--parts", type=int, default=None, help="how many; default: for ever")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--cycle", type=float, default=CYCLE_S, help="seconds per part")
    options.add_argument("--hold", action="store_true", help="begin when a line comes on standard input")
    given = options.parse_args()
    try:
        asyncio.run(serve(given.port, given.parts, given.seed, given.cycle, given.hold))
    except OSError as error:
        sys.exit(f"port {given.port}: {error.strerror}; end whatever uses it, or name another with --port")
