"""Port: an append-only log of records, in one order.

Order     positions rise by one from 1 in the order of appends; `read` and `follow` give that order without a hole.
Ack       `append` returns when every record it took is durable; its Receipt says what became of each event.
Identity  what was appended before is dropped as a duplicate, a partly known frame is trimmed; the same id with other content
          is reported in the Receipt and not appended.
Retry     after SendFailed nobody knows whether the records are stored; appending the same records again is always safe.
Close     `close` waits for appends under way; afterwards every call raises Unavailable.
Callers   any number of tasks may append; anyone may read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from tailrace.schemas.record import Derived, Record


class Conflict(msgspec.Struct, frozen=True):
    """An event that was refused: its id is in the log with other content. `row` counts inside the record."""

    record: int
    row: int
    id: str
    position: int


class Receipt(msgspec.Struct, frozen=True):
    """What became of one append, in events: offered = appended + duplicate + len(conflicts)."""

    last: int
    appended: int = 0
    duplicate: int = 0
    conflicts: tuple[Conflict, ...] = ()


class Log(Protocol):
    """The `events` log."""

    async def append(self, records: Sequence[Record]) -> Receipt: ...

    async def read(self, after: int, limit: int) -> Sequence[Record]: ...

    async def end(self) -> int: ...

    def follow(self, after: int, limit: int) -> AsyncIterator[Sequence[Record]]: ...

    async def close(self) -> None: ...


class DerivedLog(Protocol):
    """The `derived` log: no dedupe, for identity is the reader's mark (engine/reader.py). Same order, ack, retry, close.

    `append` gives the position of its last record. An append that fails may have stored a beginning of its records.
    """

    async def append(self, records: Sequence[Derived]) -> int: ...

    async def read(self, after: int, limit: int) -> Sequence[Derived]: ...

    async def end(self) -> int: ...
