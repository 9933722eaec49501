"""One order of all partitions of an `events` log on Kafka: what a log of a single partition may hold.

Rules
1. A machine's records keep their order, and their order with those that concern the site: before a site-wide record, each other
   partition is read up to its copy of it, and nothing behind a copy comes before what it is a copy of.
2. Copies are not given.
3. Nobody waits for a copy where its partition has the copy of a later record already (two senders at once leave it so), nor at
   the end of a log that is read up to a fixed end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from tailrace.connectors.log_kafka import KafkaLog, partition_of
from tailrace.schemas.record import Record

BATCH = 500
"""Records of a partition that are read at once."""


class Order:
    """Reads every partition after a place of its own. ends: where each is to end; without them it goes on with what comes."""

    def __init__(
        self, logs: Sequence[KafkaLog], places: Sequence[int] = (), ends: Sequence[int | None] = ()
    ) -> None:  # fmt: skip
        count = len(logs)
        streams = [
            _Stream(log, place, end)
            for log, place, end in zip(logs, places or [0] * count, ends or [None] * count, strict=True)
        ]
        at_home = partition_of("", count)
        self._streams, self._home = streams, streams[at_home]
        self._others = [stream for stream in streams if stream is not self._home]

    @property
    def places(self) -> list[int]:
        """By partition, the position up to which everything was given."""
        return [stream.taken for stream in self._streams]

    @property
    def lasts(self) -> list[Record | None]:
        """By partition, the record there; None where nothing was taken yet."""
        return [stream.last for stream in self._streams]

    @property
    def lacking(self) -> bool:
        """Whether a site-wide record waits for a copy of it that no partition has yet."""
        head = self._home.head
        return head is not None and not head.machine and not self._complete(head.position)

    async def next(self) -> list[Record]:
        """The next records; [] where there is nothing that may be given now."""
        await self._fill()
        found: list[Record] = []
        while self._pass(found):
            pass
        return found

    async def _fill(self) -> None:
        done = await asyncio.gather(*(stream.fill() for stream in self._streams), return_exceptions=True)
        for error in done:
            if error is not None:
                raise error

    def _pass(self, found: list[Record]) -> bool:
        """Takes what may be taken of each partition, up to where it waits for another; False where nothing moved."""
        before = self.places
        for stream in self._others:
            while (head := stream.head) is not None and head.copy_of <= self._home.taken:
                stream.take()
                found += [] if head.copy_of else [head]
        while (head := self._home.head) is not None and (head.machine or self._complete(head.position)):
            found.append(self._home.take())
        return self.places != before

    def _complete(self, position: int) -> bool:
        """Whether each other partition stands at its copy of a home record, or no copy of it will come."""
        return all(stream.ended if stream.head is None else stream.head.copy_of >= position for stream in self._others)


class _Stream:
    """One partition: what was read of it, and how far it was taken."""

    def __init__(self, log: KafkaLog, place: int, end: int | None) -> None:
        self._log, self._end = log, end
        self._read = self.taken = place
        self._waiting: deque[Record] = deque()
        self.last: Record | None = None

    @property
    def head(self) -> Record | None:
        """The next record; None where none was read."""
        return self._waiting[0] if self._waiting else None

    @property
    def ended(self) -> bool:
        """Whether everything up to its end was taken."""
        return self._end is not None and self.taken >= self._end

    async def fill(self) -> None:
        """Reads on, where nothing is left of what was read."""
        limit = BATCH if self._end is None else min(BATCH, self._end - self._read)
        if self._waiting or limit <= 0:
            return
        self._waiting.extend(await self._log.read(self._read, limit))
        if self._waiting:
            self._read = self._waiting[-1].position

    def take(self) -> Record:
        """The head, which is gone then."""
        self.last = record = self._waiting.popleft()
        self.taken = record.position
        return record
