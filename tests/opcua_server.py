"""A real OPC UA server for a test: in the test's own loop, or as a process that can be killed, and a line that can be cut.

As a program (`python opcua_server.py PORT FIRST`) it counts `ns=2;s=M1.Total` up from FIRST, every 10 ms, until it is killed.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager

from brokers import free_port

for _name in ("asyncua", "asyncua.server"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
BEGIN_NS = int(BEGIN.timestamp()) * 10**9


class Plant:
    """A server with nodes `ns=2;s=<machine>.<name>`; times are given in ms after BEGIN, so that a test says them."""

    def __init__(self, port: int = 0, users: UserManager | None = None) -> None:
        self.port = port or free_port()
        self.server = Server(user_manager=users)
        self._nodes: dict[str, Node] = {}

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        """Serves no nodes yet."""
        await self.server.init()
        self.server.set_endpoint(self.url)
        assert await self.server.register_namespace("urn:plant") == 2
        await self.server.start()

    async def add(self, machine: str, **nodes: Any) -> None:
        """New nodes of a machine, with values at BEGIN."""
        for name, value in nodes.items():
            node = ua.NodeId(ua.String(f"{machine}.{name}"), ua.Int16(2))
            made = await self.server.nodes.objects.add_variable(node, f"{machine}.{name}", value)
            self._nodes[f"{machine}.{name}"] = made
            await self.write(f"{machine}.{name}", value, 0)

    async def write(self, name: str, value: Any, ms: float | None, status: int = 0) -> None:
        """Writes a value with its source time (None: none, and the server stamps it with its own)."""
        data = ua.DataValue(
            value if isinstance(value, ua.Variant) else ua.Variant(value),
            StatusCode=ua.StatusCode(ua.UInt32(status)),
            SourceTimestamp=_stamp(ms),
        )
        await self._nodes[name].write_value(data)

    def subscriptions(self) -> list[Any]:
        """What clients subscribed to, as the server keeps it."""
        return list(self.server.iserver.subscription_service.subscriptions.values())


class Line:
    """A TCP line to a port; `cut` drops every connection, and while `open` is False new ones are dropped too."""

    def __init__(self, to: int) -> None:
        self.open = True
        self.url = ""
        self._to = to
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """As a cable that is pulled."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def end(self) -> None:
        """Cut, and nothing is left of it."""
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes a connection on."""
        if not self.open:
            writer.transport.abort()
            return
        self._writers.append(writer)
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers.append(back)
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.ensure_future(_pass_on(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def line_to(plant: Plant) -> AsyncIterator[Line]:
    """A line that works."""
    line = Line(plant.port)
    server = await asyncio.start_server(line.take, "127.0.0.1", 0)
    line.url = f"opc.tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield line
    finally:
        server.close()
        await line.end()


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()


def _stamp(ms: float | None) -> ua.DateTime | None:
    moment: Any = None if ms is None else BEGIN + timedelta(milliseconds=ms)
    return moment  # type: ignore[no-any-return]


async def count(port: int, first: int) -> None:
    """Until it is killed."""
    one = Plant(port)
    await one.start()
    await one.add("M1", Total=first, State=1)
    n = first
    while True:
        await asyncio.sleep(0.01)
        n += 1
        await one.write("M1.Total", n, n)


if __name__ == "__main__":
    asyncio.run(count(int(sys.argv[1]), int(sys.argv[2])))
