"""A TCP proxy that cuts its connections when it is told to: before what the client says next, or after the answer to it."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Literal

Cut = Literal["", "before", "after"]


class Proxy:
    """Listens on a free port of 127.0.0.1. `cut` is taken once: the connection on which the next bytes come is reset."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self.cut: Cut = ""
        self.cuts = 0
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._server.close()
        self.reset()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def reset(self) -> None:
        """Cuts every connection now."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._to)
        pair = (writer, back)
        self._open |= set(pair)
        answered = asyncio.Event()
        tasks = [
            asyncio.create_task(self._asked(reader, back, pair, answered)),
            asyncio.create_task(self._answered(there, writer, pair, answered)),
        ]
        self._tasks |= set(tasks)
        await asyncio.wait(tasks)
        for each in pair:
            each.transport.abort()
        self._open -= set(pair)

    async def _asked(
        self,
        reader: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        last: asyncio.Event,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while said := await reader.read(1 << 16):
                cut, self.cut = self.cut, ""
                if cut == "before":
                    self._end(pair)
                    return
                if cut == "after":
                    last.set()
                back.write(said)
                await back.drain()
        back.transport.abort()

    async def _answered(
        self,
        there: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        last: asyncio.Event,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while said := await there.read(1 << 16):
                if last.is_set():
                    self._end(pair)
                    return
                writer.write(said)
                await writer.drain()
        writer.transport.abort()

    def _end(self, pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self.cuts += 1
        for each in pair:
            each.transport.abort()
