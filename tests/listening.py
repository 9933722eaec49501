"""Listening to a source as ingest does: take a delivery, keep what is in it, then acknowledge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from tailrace.engine.source import Delivery, Rejected, Source
from tailrace.schemas.event import AnyEvent

E = TypeVar("E")


class Listener:
    """What a source brought so far. With `acknowledge` False nothing is ever acknowledged."""

    def __init__(self, source: Source, acknowledge: bool = True) -> None:
        self.source = source
        self.deliveries: list[Delivery] = []
        self.events: list[AnyEvent] = []
        self.rejected: list[Rejected] = []
        self.acknowledged = 0
        self._acknowledge = acknowledge
        self._changed = asyncio.Event()

    async def listen(self) -> None:
        """For ever."""
        async for delivery in self.source.deliveries():
            self.deliveries.append(delivery)
            self.events += delivery.events
            self.rejected += delivery.rejected
            if self._acknowledge:
                await delivery.acknowledge()
                self.acknowledged += len(delivery.events)
            self._changed.set()

    def of(self, kind: type[E]) -> list[E]:
        """The events of one type, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Returns when the condition holds; fails after so many seconds, showing how the source is."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (
                f"not within {seconds} s: {what}; {self.source.health}; {self.events[-3:]}"
            )
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 0.05)


@asynccontextmanager
async def listening(source: Source, acknowledge: bool = True) -> AsyncIterator[Listener]:
    """A listener at work, until the block ends."""
    listener = Listener(source, acknowledge)
    task = asyncio.ensure_future(listener.listen())
    try:
        yield listener
        assert not task.done(), "a source never ends by itself"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
