"""The embedded log: `events.db`, owned by one process (connectors/ownership.py), in one file with everything else beside it.

Rules: any number of tasks of one event loop append; they share commits, and each is answered after its own. What waits is
bounded in bytes, and who comes first is served first. Reads come from a connection of their own and see what is committed.
A follower is woken by the commit. The thread behind it is connectors/log_sqlite_writer.py, the file log_sqlite_file.py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from tailrace.connectors import identity
from tailrace.connectors.archive import Sealed
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.connectors.log_sqlite_reads import Reads
from tailrace.connectors.log_sqlite_writer import EVENT_BYTES, Outcome, Waiting, Writer
from tailrace.engine.log import Receipt
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.record import Record

WAITING_BYTES_MAX = 32 * 1024 * 1024


class SqliteLog(Reads):
    """An `events` log in a file, which is made when there is none. Raises Unavailable where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = Writer(path, self._settle)
        self._reader = LogReader(path)
        self._room = Room(WAITING_BYTES_MAX)
        self._under_way = 0
        self._closed = False
        self._stopping: asyncio.Future[None] | None = None
        self._changed = asyncio.Event()

    async def append(self, records: Sequence[Record]) -> Receipt:
        self._open()
        offers = [identity.offer(record) for record in records]
        size = sum(len(each.record.payload) + EVENT_BYTES * (1 + len(each.ids)) for each in offers)
        self._under_way += 1
        try:
            await self._room.take(size)
            answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
            self._writer.submit(Waiting(offers, size, answer))
        finally:
            self._under_way -= 1
            self._tell()
        return await answer

    async def seal(self, sealed: Sealed) -> None:
        """Enters a file of the archive, whose records are read from there then; raises InvalidEvent where they are others."""
        await self._chore(self._writer.seal, sealed)

    async def sweep(self) -> None:
        """Removes what is archived, a little at a time between appends."""
        while await self._chore(self._writer.sweep):
            pass

    async def follow(self, after: int, limit: int) -> AsyncIterator[Sequence[Record]]:
        while True:
            changed = self._changed
            batch = await self.read(after, limit)
            if batch:
                after = batch[-1].position
                yield batch
            else:
                await changed.wait()

    async def close(self) -> None:
        self._closed = True
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop())
        await asyncio.shield(self._stopping)

    async def _chore(self, ask: Callable[..., Future[Any]], *arguments: Any) -> Any:
        self._open()
        self._under_way += 1
        try:
            return await asyncio.wrap_future(ask(*arguments))
        finally:
            self._under_way -= 1
            self._tell()

    async def _stop(self) -> None:
        while self._under_way:
            await self._changed.wait()
        await asyncio.to_thread(self._writer.stop)
        self._reader.close()
        self._tell()

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        """Called by the writer's thread: takes the answers to the loops that wait for them."""
        loops: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
        for outcome in outcomes:
            loops.setdefault(outcome[0].token.get_loop(), []).append(outcome)
        for loop, some in loops.items():
            with suppress(RuntimeError):  # a loop that has ended has nobody who waits
                loop.call_soon_threadsafe(self._answer, some)

    def _answer(self, outcomes: Sequence[Outcome]) -> None:
        for waiting, outcome in outcomes:
            self._room.give(waiting.size)
            answer: asyncio.Future[Receipt] = waiting.token
            if answer.done():
                continue
            if isinstance(outcome, Receipt):
                answer.set_result(outcome)
            else:
                answer.set_exception(outcome)
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _open(self) -> None:
        if self._closed:
            raise Unavailable(f"{self.path}: the log is closed")


class Room:
    """Bytes that may wait for the writer. One append may be larger than the room: it then waits alone."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> None:
        """Returns when the bytes have room."""
        if not self._queue and self._fits(size):
            self._used += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give(size)
            raise

    def give(self, size: int) -> None:
        """Makes room again, and lets in those whose turn it is."""
        self._used -= size
        while self._queue:
            wanted, turn = self._queue[0]
            if not turn.cancelled():
                if not self._fits(wanted):
                    return
                self._used += wanted
                turn.set_result(None)
            self._queue.popleft()

    def _fits(self, size: int) -> bool:
        return not self._used or self._used + size <= self._size
