"""Reading the embedded log from its file and its archive, from any process, whether its owner runs or not.

Rules: each look into the file is one short read transaction, so that the writer can move its WAL into the file. A record whose
payload is not what was written is given as it is where all are asked for, for its machine is parked (engine/parking.py), and
left out where readings are. A record is built straight from its row: reading is the hot path of every fold. Archived records
(connectors/archive.py) come before those in the file, and records may leave the file for the archive between two looks; so where
the file's next record is not the next position, the archive has it.
The connection is opened at the first call; one thread at a time uses a reader.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tailrace.connectors import log_sqlite_file as file
from tailrace.connectors.archive import FOLDER, Archive, Entry
from tailrace.connectors.chain import START, Chain
from tailrace.connectors.identity import key_of, numbered
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.event import OBSERVED as OBSERVED_TYPES
from tailrace.schemas.event import OWN
from tailrace.schemas.frame import Frame
from tailrace.schemas.record import Record

SELECT = f"SELECT {', '.join(file.ENVELOPE)} FROM record "
AFTER = SELECT + "WHERE position > ? ORDER BY position LIMIT ?"
MACHINE = (
    SELECT
    + """WHERE position IN (
    SELECT position FROM (
        SELECT position FROM record WHERE machine = :machine AND position > :after ORDER BY position LIMIT :limit)
    UNION SELECT position FROM (
        SELECT position FROM record WHERE machine = '' AND position > :after ORDER BY position LIMIT :limit)
) ORDER BY position LIMIT :limit"""
)
MINE = f"machine IN (:machine, '') AND type IN ({', '.join(map(repr, sorted(OBSERVED_TYPES)))})"
HOT = "position > (SELECT ifnull(max(last), 0) FROM archive)"
OBSERVED = f"SELECT ifnull(max(t_max), 0) FROM record WHERE {MINE} AND t_max <= :t AND position <= :last"
ACROSS = SELECT + f"WHERE {MINE} AND t_min <= :t AND t_max > :t AND position <= :last"
TELEMETRY = (
    SELECT
    + f"WHERE machine = ? AND type = 'telemetry' AND t_max >= ? AND t_min < ? AND {HOT} ORDER BY position DESC LIMIT ?"
)
BETWEEN = (
    SELECT
    + f"WHERE machine IN (:machine, '') AND position > :after AND t_max >= :since AND t_min < :until AND {HOT} "
    + "ORDER BY position LIMIT :limit"
)
MACHINES = """
WITH RECURSIVE each (machine) AS (
    SELECT min(machine) FROM record WHERE machine > ''
    UNION ALL SELECT (SELECT min(machine) FROM record WHERE machine > each.machine) FROM each WHERE machine IS NOT NULL
) SELECT machine FROM each WHERE machine IS NOT NULL UNION SELECT machine FROM archived WHERE machine > '' ORDER BY machine
"""
"""Steps from one machine to the next in the index, since a scan of it grows with the log."""

END = "SELECT max(ifnull((SELECT max(position) FROM record), 0), ifnull((SELECT max(last) FROM archive), 0))"
NEXT_FILE = "SELECT first, last, file, bytes, sha256 FROM archive WHERE last > ? ORDER BY first LIMIT 1"
FILES = """
SELECT DISTINCT a.first, a.last, a.file, a.bytes, a.sha256 FROM archive AS a JOIN archived AS m ON m.first = a.first
WHERE m.machine IN (:machine, '') AND a.last > :after AND m.t_min <= :until AND m.t_max >= :since ORDER BY a.first
"""
SEEN = "SELECT position FROM seen WHERE key = ?"
FRAME = (
    SELECT + "WHERE source || ':' || session = ? AND first_seq > 0 AND first_seq <= ? ORDER BY first_seq DESC LIMIT 1"
)
SEALED = """
SELECT s.first, s.last, a.first, a.last, a.file, a.bytes, a.sha256 FROM sealed AS s
JOIN archive AS a ON s.first >= a.first AND s.last <= a.last WHERE s.stem = ? AND s.low <= ? AND s.high >= ?
"""
CHAIN = """
SELECT position, chain FROM record WHERE position = :position
UNION ALL SELECT * FROM (SELECT last, chain FROM archive WHERE last <= :position ORDER BY first DESC LIMIT 1)
ORDER BY 1 DESC LIMIT 1
"""
"""Of archived records, the chain of the last one in each file is stored."""

READ_RECORDS = 200

ALWAYS: dict[str, Any] = {"since": -(2**63), "until": 2**63 - 1, "after": 0}


class LogReader:
    """The records and counts of one log file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._archive = Archive(path.parent / FOLDER)

    def read(self, after: int, limit: int) -> list[Record]:
        """Records after a position, in order."""
        found = self._hot(after, limit)
        if limit > 0 and (not found or found[0].position > after + 1):
            return self._through(max(after, 0), limit)
        return found

    def read_machine(self, machine: str, after: int, limit: int) -> list[Record]:
        """Records of one machine and of the whole site, after a position."""
        with self._picture():
            files = self._files(machine, after=after)
            values = {"machine": machine, "after": max(after, self.archived()[0]), "limit": limit}
            rows = self._rows(MACHINE, values)
        found: list[Record] = []
        for entry in files:
            found += self._archive.machine(entry, machine, after, limit - len(found))
            if len(found) >= limit:
                return found
        return [*found, *(stored_of(row) for row in rows[: limit - len(found)])]

    def telemetry(self, machine: str, start: int, end: int, limit: int) -> list[Record]:
        """The newest frames of a machine with a part in [start, end) by their own times (ns), in order."""
        with self._picture():
            rows = self._rows(TELEMETRY, (machine, start, end, limit))
            files = self._files(machine, since=start, until=end) if len(rows) < limit else []
        found = [record for record in map(stored_of, rows) if record.intact()]
        for entry in reversed(files):
            found += self._archive.telemetry(entry, machine, start, end, limit - len(found))
            if len(found) >= limit:
                break
        return found[::-1]

    def between(self, machine: str, start: int, end: int, after: int, limit: int) -> list[Record]:
        """Records of a machine and of the whole site after a position with a part in [start, end) by their own times (ns)."""
        with self._picture():
            files = self._files(machine, after=after, since=start, until=end)
            values = {"machine": machine, "after": after, "since": start, "until": end, "limit": limit}
            rows = self._rows(BETWEEN, values)
        found: list[Record] = []
        for entry in files:
            found += self._archive.between(entry, machine, start, end, after, limit - len(found))
            if len(found) >= limit:
                return found
        return [*found, *(stored_of(row) for row in rows[: limit - len(found)])]

    def end(self) -> int:
        """The last position; 0 = empty."""
        return int(self._rows(END)[0][0])

    def archived(self) -> tuple[int, bytes]:
        """The last position that is archived (0: none), and the log's chain up to it."""
        rows = self._rows("SELECT last, chain FROM archive ORDER BY first DESC LIMIT 1")
        return (rows[0][0], rows[0][1]) if rows else (0, START)

    def known_chain(self, position: int) -> tuple[int, bytes]:
        """The newest position up to this one whose chain is stored, and the log's chain there."""
        rows = self._rows(CHAIN, {"position": position})
        return (rows[0][0], rows[0][1]) if rows else (0, START)

    def chain(self, position: int) -> bytes | None:
        """The log's chain up to a position, as its records there give it; None where they are damaged, or not there."""
        at, head = self.known_chain(position - 1)
        chain = Chain(head)
        while at < position:
            records = self.read(at, min(READ_RECORDS, position - at))
            if not records:
                return None
            for record in records:
                chain.add(record)
            at = records[-1].position
        stands, stored = self.known_chain(position)
        return None if stands == position and stored != chain.head else chain.head

    def files(self) -> list[str]:
        """The names of the archive's files, in order."""
        return [name for (name,) in self._rows("SELECT file FROM archive ORDER BY first")]

    def sources(self) -> dict[str, int]:
        """Events appended, by source."""
        return dict(self._rows("SELECT source, events FROM source"))

    def events_count(self) -> int:
        """Events appended by sources, without those that Tailrace writes itself."""
        return int(self._rows("SELECT ifnull(sum(events), 0) FROM source WHERE source <> ?", (OWN,))[0][0])

    def machines(self) -> list[str]:
        """Machines that have a record, in order."""
        return [machine for (machine,) in self._rows(MACHINES)]

    def observed(self, machine: str, t: int, last: int) -> int:
        """The latest observation of a machine not after t (ns), up to a position of the log; 0 = none."""
        values = {"machine": machine, "t": t, "last": last}
        with self._picture():
            latest = int(self._rows(OBSERVED, values)[0][0])
            rows, files = self._rows(ACROSS, values), self._files(machine, until=t, since=latest)
        for record in filter(Record.intact, map(stored_of, rows)):
            times = Frame(record.payload).t
            latest = max(latest, int(times[times <= t].max()))
        for entry in reversed(files):
            latest = self._archive.observed(entry, machine, t, latest, last)
        return latest

    def find(self, event_id: str) -> Record | None:
        """The record that brought an event, by the event's id."""
        rows = self._rows(SEEN, (key_of(event_id),))
        if rows:
            return next(iter(self.read(rows[0][0] - 1, 1)), None)
        stem, number = numbered(event_id) or ("", 0)
        if not number:
            return None
        found = [stored_of(row) for row in self._rows(FRAME, (stem, number))]
        for first, last, *entry in self._rows(SEALED, (stem, number, number)):
            found += self._archive.stem(Entry(*entry), first, last, stem)
        return next((record for record in found if record.first_seq <= number < record.first_seq + record.n), None)

    def version(self) -> int:
        """A number that changes when another connection has committed."""
        return int(self._rows("PRAGMA data_version")[0][0])

    def close(self) -> None:
        """Gives the files back; a later call opens them again."""
        self._archive.close()
        if self._connection is not None:
            file.close(self._connection)
            self._connection = None

    def _hot(self, after: int, limit: int) -> list[Record]:
        return [stored_of(row) for row in self._rows(AFTER, (after, limit))]

    def _through(self, after: int, limit: int) -> list[Record]:
        """Records after a position, from the archive and then from the file."""
        found: list[Record] = []
        while len(found) < limit:
            rows = self._rows(NEXT_FILE, (after,))
            some = self._archive.read(Entry(*rows[0]), after, limit - len(found)) if rows else []
            some = some or self._hot(after, limit - len(found))
            if not some:
                break
            if some[0].position > after + 1:
                if self.archived()[0] > after:  # archived between the two looks
                    continue
                raise Unavailable(
                    f"{self.path}: expected a record at position {after + 1}, got {some[0].position} as the next one; "
                    "`tailrace log verify` says more, restore the file from a backup"
                )
            found += some
            after = some[-1].position
        return found

    def _files(self, machine: str, **bounds: int) -> list[Entry]:
        """Files that have something of a machine or of the site, in order."""
        return [Entry(*row) for row in self._rows(FILES, ALWAYS | {"machine": machine} | bounds)]

    @contextmanager
    def _picture(self) -> Iterator[None]:
        """One picture of the file for several looks."""
        self._rows("BEGIN")
        try:
            yield
        finally:
            self._rows("ROLLBACK")

    def _rows(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = file.open_reader(self.path)
        with file.in_words(self.path):
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.OperationalError as error:
                if "decode" not in str(error):
                    raise
                self._connection.text_factory = (
                    _readable  # a bit of a text has changed: its record is parked, others go on
                )
                return self._connection.execute(sql, values).fetchall()


def _readable(text: bytes) -> str:
    """A text, whatever its bytes have become."""
    return text.decode("utf-8", "replace")


def record_of(row: tuple[Any, ...], path: Path) -> Record:
    """The record of a row of ENVELOPE; raises Unavailable where its payload is not the one that was written."""
    record = stored_of(row)
    if not record.intact():
        raise Unavailable(
            f"{path}: position {record.position}: the payload is damaged: expected crc32 {record.crc32:#010x}, got "
            f"{zlib.crc32(record.payload):#010x}; restore the file from a backup"
        )
    return record


def stored_of(row: tuple[Any, ...]) -> Record:
    """The record of a row of ENVELOPE, whatever its payload has become."""
    (
        position, kind, version, id_, site, machine, source, session, first_seq, n, clock, t_min, t_max, ingested, trace,
        crc32, payload,
    ) = row  # fmt: skip
    return Record(
        type=kind, payload=payload, version=version, id=id_, site=site, machine=machine, source=source, session=session,
        first_seq=first_seq, n=n, clock=clock, t_min=t_min, t_max=t_max, ingested=ingested, trace=trace, crc32=crc32,
        position=position,
    )  # fmt: skip
