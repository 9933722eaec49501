"""Changes as they come: what the rows say now and did not say before, told to everyone who follows.

Rules: `notify` wakes the watcher after a step of the fold; several steps may be one look, and looks take at most a part of the
time, so that many machines cost followers freshness and the fold nothing. Each follower gets first what stands, then what
changes; one that does not keep up loses the oldest and is told `behind`, so that it asks again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tailrace.app import compose
from tailrace.app.pipeline import PLACE
from tailrace.projections import queries
from tailrace.projections.store_sqlite import place_of
from tailrace.schemas.answer import Page, StopItem

WAITING_MAX = 100
"""Looks that wait for a follower."""

PAUSE_S = 0.03
REST = 3.0
"""A look is followed by a pause of at least PAUSE_S, and REST times as long as it took."""

STOPS = ALARMS = 50
"""How many of the newest are looked at; of alarms also as many that are not over."""

Told = tuple[str, Any]
Standing = dict[tuple[str, str], Any]
T = TypeVar("T")


class Changes:
    """Looks at the rows of a folder when told to, and tells followers what is different."""

    def __init__(self, directory: Path, clock: Callable[[], int]) -> None:
        self._directory, self._clock = directory, clock
        self._standing: Standing = {}
        self._followers: set[asyncio.Queue[list[Told] | None]] = set()
        self._woken = asyncio.Event()
        self._one = asyncio.Lock()
        self._closed = False

    def notify(self) -> None:
        """Something may have changed."""
        self._woken.set()

    async def watch(self) -> None:
        """Looks after every notice, for ever."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            began = time.monotonic()
            if self._followers:
                await self._look()
            await asyncio.sleep(max(PAUSE_S, REST * (time.monotonic() - began)))

    def close(self) -> None:
        """Ends every follower, now and later."""
        self._closed = True
        for queue in self._followers:
            _put(queue, None)

    async def follow(self) -> AsyncGenerator[Told, None]:
        """(name, item) of what stands, then of what changes: `machine`, `signal`, `stop`, `anomaly`, `reached`, `behind`."""
        async with aclosing(self.batches()) as batches:
            async for batch in batches:
                for told in batch:
                    yield told

    async def batches(self) -> AsyncGenerator[list[Told], None]:
        """The same, as much at a time as was found in one look."""
        queue: asyncio.Queue[list[Told] | None] = asyncio.Queue(WAITING_MAX)
        await self._look()
        self._followers.add(queue)
        try:
            yield [(name, item) for (name, _), item in self._standing.items()]
            while not self._closed and (batch := await queue.get()) is not None:
                yield batch
        finally:
            self._followers.discard(queue)

    async def _look(self) -> None:
        """One at a time: of two that overlap, the older could come last and take a change back."""
        async with self._one:
            now = await asyncio.to_thread(_rows, self._directory, self._clock())
            changed = [
                (key[0], item) for key, item in now.items() if _timeless(self._standing.get(key)) != _timeless(item)
            ]
            self._standing = now
        for queue in self._followers if changed else ():
            _put(queue, changed)


def _timeless(item: Any) -> Any:
    """An open stop gets longer all the time, which is no change."""
    return msgspec.structs.replace(item, duration_s=0.0) if isinstance(item, StopItem) and item.end is None else item


def _put(queue: asyncio.Queue[list[Told] | None], batch: list[Told] | None) -> None:
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait([("behind", {"lost": WAITING_MAX})])
    queue.put_nowait(batch)


def _rows(directory: Path, now: int) -> Standing:
    with compose.read_store(directory) as connection:
        machines = list(_all(lambda cursor: queries.machines(connection, cursor=cursor, limit=queries.LIMIT_MAX)))
        signals = list(_all(lambda cursor: queries.signals(connection, cursor=cursor, limit=queries.LIMIT_MAX)))
        stops: list[StopItem] = queries.stops(connection, now, limit=STOPS).items
        alarms = queries.anomalies(connection, limit=ALARMS).items
        alarms += queries.anomalies(connection, open_only=True, limit=ALARMS).items
        reached = place_of(connection, PLACE).position
    found: Standing = {("machine", item.machine): item for item in machines}
    found |= {("signal", f"{item.machine}/{item.signal}"): item for item in signals}
    found |= {("stop", item.id): item for item in stops}
    found |= {("anomaly", item.record_id): item for item in alarms}
    return found | {("reached", ""): {"position": reached}}


def _all(page: Callable[[str | None], Page[T]]) -> Iterator[T]:
    found = page(None)
    yield from found.items
    while found.next is not None:
        found = page(found.next)
        yield from found.items
