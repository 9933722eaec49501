"""The reading side of a log in a file: who owns it and who does not, both read the file themselves.

Rule: folds and rows read the log in step, each asking for the batch that another had a moment ago. A batch that is full never
changes, so the last one is kept, unless it is large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas.record import Record

KEPT_BYTES = 8 * 1024 * 1024
"""Payload of a batch that is kept."""


class Reads:
    """Answers from `_reader`, as long as `_open` raises nothing."""

    _reader: LogReader
    _kept: tuple[int, int, Sequence[Record]] = (-1, -1, ())
    """after, limit, and the records."""

    def _open(self) -> None:
        """Raises Unavailable once the log is closed."""
        raise NotImplementedError

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        self._open()
        if self._kept[:2] != (after, limit):
            found = self._reader.read(after, limit)
            if not found or len(found) < limit or sum(len(record.payload) for record in found) > KEPT_BYTES:
                return found
            self._kept = (after, limit, found)
        return self._kept[2]

    async def read_machine(self, machine: str, after: int, limit: int) -> Sequence[Record]:
        """Records of one machine and of the whole site, after a position."""
        self._open()
        return self._reader.read_machine(machine, after, limit)

    async def end(self) -> int:
        self._open()
        return self._reader.end()

    async def sources(self) -> Mapping[str, int]:
        """Events appended, by source."""
        self._open()
        return self._reader.sources()

    async def events_count(self) -> int:
        """Events appended by sources, without those that Tailrace writes itself."""
        self._open()
        return self._reader.events_count()

    async def machines(self) -> Sequence[str]:
        """Machines that have a record, in order."""
        self._open()
        return self._reader.machines()
