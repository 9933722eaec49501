"""How a log is read so that nothing is taken twice and nothing is missed.

Rules
1. A derived event is known by (topology, version, key, n), never by a position: positions repeat after a crash, n does not.
2. A reader keeps one mark per (topology, version, key), the highest n it took. At or below the mark: known. The next: taken,
   also where the record began earlier. Beyond the next: SequenceGap; stop and report, for skipping would hide a loss.
3. Positions only say where to go on reading, and they come without a hole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailrace.schemas.errors import SequenceGap, Unavailable
from tailrace.schemas.record import Derived, Record


def stream(record: Derived) -> str:
    """The name of the sequence that a record belongs to, as marks are kept by."""
    return f"{record.topology}@{record.version}/{record.key}"


class Reader:
    """The marks of one reader of `derived`."""

    def __init__(self, marks: Mapping[str, int], where: str) -> None:
        self.marks = dict(marks)
        self._where = where

    def take(self, record: Derived) -> int:
        """How many leading events of the record are known; the others count as taken from now on."""
        name = stream(record)
        mark = self.marks.get(name, 0)
        if record.first_n > mark + 1:
            raise SequenceGap(name, mark + 1, record.first_n, f"{self._where}: derived position {record.position}")
        if record.last_n > mark:
            self.marks[name] = record.last_n
        return min(mark + 1 - record.first_n, record.n)


def require_next(records: Sequence[Record | Derived], after: int, where: str) -> None:
    """Raises SequenceGap unless the records are those right after a position, without a hole, and at least one."""
    if not records:
        raise Unavailable(f"{where}: expected a record at position {after + 1}, got none: the log lost its end")
    first, last = records[0].position, records[-1].position
    if first != after + 1:
        raise SequenceGap("position", after + 1, first, where)
    if last != after + len(records):
        raise SequenceGap("position", after + len(records), last, where)
