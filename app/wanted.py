"""What of a log somebody asks for: by machine, time and type.

Rules: [start, end) is by the events' own times, readings inside a frame included; nothing asked for is everything. A machine is
that machine alone: what concerns the whole site is its own stream. A read ends where the log ended when it began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.app.known import require_in
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas.errors import InvalidInput
from tailrace.schemas.event import TYPES
from tailrace.schemas.instant import format_instant
from tailrace.schemas.record import Record

BATCH = 500
READINGS = "telemetry"

Tell = Callable[[int, int], None]
"""Hears how many records are done, of how many."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """start, end: ns UTC, None = open; machine, types: '' and nothing = all."""

    machine: str = ""
    start: int | None = None
    end: int | None = None
    types: frozenset[str] = frozenset()

    def require(self, log: LogReader) -> None:
        """Raises InvalidInput for a window or a type that cannot be, NotFound for a machine without an event."""
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise InvalidInput(
                f"expected a start before the end, got {format_instant(self.start)} and {format_instant(self.end)}"
            )
        unknown = sorted(self.types - TYPES.keys())
        if unknown:
            raise InvalidInput(f"expected types of events, got {unknown[0]!r}; known are: {', '.join(TYPES)}")
        if self.machine:
            require_in(log, self.machine)

    def has(self, record: Record) -> bool:
        """Whether something of a record may be asked for."""
        return (
            (not self.machine or record.machine == self.machine)
            and (not self.types or record.type in self.types)
            and (self.start is None or record.t_max >= self.start)
            and (self.end is None or record.t_min < self.end)
        )

    def keeps(self, t: int) -> bool:
        """Whether an instant lies in the window."""
        return (self.start is None or t >= self.start) and (self.end is None or t < self.end)

    def rows(self, record: Record, t: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Which readings of a frame lie in the window, shape (n,); None = all."""
        early = self.start is not None and record.t_min < self.start
        late = self.end is not None and record.t_max >= self.end
        if not early and not late:
            return None
        keep = np.ones(len(t), np.bool_)
        if self.start is not None:
            keep &= t >= self.start
        if self.end is not None:
            keep &= t < self.end
        return keep

    def records(self, log: LogReader, until: int, tell: Tell = lambda _done, _all: None) -> Iterator[Record]:
        """The records up to a position of the log that may have something, in order."""
        after = 0
        while after < until:
            some = self._read(log, after, min(BATCH, until - after))
            if not some:
                return
            yield from (record for record in some if record.position <= until and self.has(record))
            after = some[-1].position
            tell(min(after, until), until)

    def _read(self, log: LogReader, after: int, limit: int) -> list[Record]:
        return log.read_machine(self.machine, after, limit) if self.machine else log.read(after, limit)
