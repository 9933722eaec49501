"""The embedded log under power loss: a script of appends, lives of the writer that end anywhere, and what is left after each.

Rules
1. The writer is connectors/log_sqlite_writer.py as it is, on a recorded disk; each answer is noted when the writer gives it, in
   its own thread, so that an acknowledgement stands where it was given between two steps of the disk. A group is submitted
   while the writer answers the one before: who shares a commit is known, and a run gives the same recording each time.
2. A life ends at some step; the next begins with what is left there, and sends again what was not acknowledged.
3. Whatever the crash, the log then holds a beginning of `truth` that ends with a group and has every acknowledged one, byte for
   byte and column for column, at positions 1, 2, 3 …; chains and tables beside them agree, and SQLite finds nothing broken.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from log_records import identified, large, sequenced, state
from power_disk import Disk, Image, Moment, put
from power_sqlite import Rewrite, recorded
from tailrace.app.pipeline import drive
from tailrace.connectors import identity, log_sqlite_writer
from tailrace.connectors import log_sqlite_file as file
from tailrace.connectors.chain import Chain
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.connectors.log_sqlite_verify import remembered, verify
from tailrace.connectors.log_sqlite_writer import Outcome, Waiting, Writer
from tailrace.connectors.memory import MemoryLog
from tailrace.engine.log import Receipt
from tailrace.schemas.record import Record

ENDS_S = 60
CHECKPOINT_BYTES = 3 * log_sqlite_writer.COMMIT_BYTES
WAL_KEPT_BYTES = 60_000
"""So small that the WAL begins again, and is cut, every few groups."""

READING_GROUPS = (3, 5)
"""Of each seven groups, a reader holds a transaction open while these are stored, so that checkpoints stop half-way."""

BESIDE = {
    "record": "SELECT position, link, chain FROM record",
    "seen": "SELECT key, position, row, content FROM seen",
    "source": "SELECT source, events FROM source",
    "session": "SELECT source, session, records, link FROM session",
}
"""What stands beside the records of the port, by table."""

Beside = Mapping[str, list[tuple[Any, ...]]]


class Script:
    """Groups of appends, and the log that they make, however often a group is sent again."""

    def __init__(self, seed: int, groups: int) -> None:
        self._random, self._number, self._reached = Random(f"script {seed}"), 0, [0, 0, 0]
        log = MemoryLog()
        self.groups: list[list[list[Record]]] = []
        self.ends = [0]
        for _ in range(groups):
            self.groups.append([self._append() for _ in range(self._random.randint(1, 4))])
            for append in self.groups[-1]:
                drive(log.append(append))
            self.ends.append(drive(log.end()))
        self.truth = list(drive(log.read(0, self.ends[-1])))
        self.beside = {end: beside(self.truth[:end]) for end in self.ends}

    def _append(self) -> list[Record]:
        kinds = (self._event, self._frame, self._frame, self._overlap, self._identified, self._again, self._large)
        return [self._random.choices(kinds, (5, 5, 5, 2, 3, 1, 1))[0]() for _ in range(self._random.randint(1, 3))]

    def _event(self) -> Record:
        self._number += 1
        return state(self._number, machine=f"M{self._number % 5}")

    def _again(self) -> Record:
        return state(max(1, self._number - 1), machine=f"M{max(1, self._number - 1) % 5}")

    def _frame(self, back: int = 0) -> Record:
        session, n = self._random.randrange(3), self._random.randint(1, 40)
        first = max(1, self._reached[session] + 1 - back)
        self._reached[session] = max(self._reached[session], first + n - 1)
        return sequenced(first, n, session=f"s{session}", machine=f"M{session}")

    def _overlap(self) -> Record:
        return self._frame(back=self._random.randint(1, 10))

    def _identified(self) -> Record:
        self._number += 3
        return identified([(self._number + i, f"i{self._number + i}") for i in range(self._random.randint(1, 3))])

    def _large(self) -> Record:
        self._number += 1
        return large(self._random.randint(5_000, 30_000), id=f"large-{self._number}")


class Way(NamedTuple):
    """How a life is led: with the product as it is, or with a mistake in it."""

    writer: type[Writer] = Writer
    rewrite: Rewrite | None = None
    disk: type[Disk] = Disk


def live(script: Script, folder: Path, image: Image, groups: range, way: Way = Way()) -> Disk:  # noqa: B008
    """One life of the writer, that takes some groups of the script and ends well; gives the recording of it."""
    put(image, folder)
    disk = way.disk(image, acked=groups.start)
    with recorded(disk, way.rewrite), pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_sqlite_writer, "CHECKPOINT_BYTES", CHECKPOINT_BYTES)
        patch.setattr(file, "WAL_KEPT_BYTES", WAL_KEPT_BYTES)
        _Life(script, folder / file.EVENTS_FILE, disk, groups).run(way.writer)
    return disk


class _Life:
    def __init__(self, script: Script, path: Path, disk: Disk, groups: range) -> None:
        self._script, self._path, self._disk = script, path, disk
        self._groups = iter(groups)
        self._now = groups.start - 1
        self._reader: sqlite3.Connection | None = None
        self._ended = threading.Event()
        self._error: BaseException | None = None

    def run(self, kind: type[Writer]) -> None:
        self._writer = kind(self._path, self._answer)
        self._writer.submit(
            Waiting([], 0, None)
        )  # nothing, so that the first group too comes from an answer, as a whole
        assert self._ended.wait(ENDS_S), "the writer does not answer"
        self._writer.stop()
        if self._reader is not None:
            self._reader.close()
        if self._error:
            raise self._error

    def _answer(self, outcomes: Sequence[Outcome]) -> None:
        try:
            for _, outcome in outcomes:
                assert isinstance(outcome, Receipt), outcome
                assert not outcome.conflicts
            self._disk.note("acked", self._now + 1)
            self._read()
            self._submit()
        except BaseException as error:
            self._error = error
            self._ended.set()

    def _submit(self) -> None:
        group = next(self._groups, None)
        if group is None:
            self._ended.set()
            return
        self._now = group
        for append in self._script.groups[group]:
            self._writer.submit(Waiting([identity.offer(record) for record in append], 1, None))

    def _read(self) -> None:
        turn = self._now % 7
        if turn == READING_GROUPS[0] and self._reader is None:
            self._reader = file.open_reader(self._path)
            self._reader.execute("BEGIN")
            self._reader.execute("SELECT max(position) FROM record").fetchone()
        elif self._reader is not None and turn == READING_GROUPS[1]:
            self._reader.close()
            self._reader = None


# -- what is left ------------------------------------------------------------------------------------------------------------


def fault(script: Script, folder: Path, moment: Moment, image: Image) -> tuple[str, int]:
    """What is wrong with what is left, in words, and where its log ends. The folder then has the files as they were left."""
    put(image, folder)
    path, acked = folder / file.EVENTS_FILE, script.ends[moment.facts["acked"]]
    found, why = stored(path)
    return _wrong(script, found, acked, why) or _unsound(path, script.beside[len(found)]), len(found)


def _wrong(script: Script, found: Sequence[Record], acked: int, why: str) -> str:
    if len(found) < acked:
        return f"lost: {acked} records acknowledged, {len(found)} there {why}"
    for position, (is_, right) in enumerate(zip_longest(found, script.truth[: len(found)]), 1):
        if is_ != right:
            return f"other bytes: at position {position} expected {right}, got {is_}"
    return "" if len(found) in script.ends else f"torn: {len(found)} records are no whole number of groups"


def _unsound(path: Path, expected: Beside) -> str:
    if not path.exists():
        return ""
    with closing(sqlite3.connect(path)) as connection:
        if said := broken(connection):
            return said
        if not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():  # not born
            return ""
        for table, rows in expected.items():
            if sorted(connection.execute(BESIDE[table])) != rows:
                return f"tables disagree: {table} is not what follows from {len(expected['record'])} records"
    return ""


def broken(connection: sqlite3.Connection) -> str:
    """What SQLite finds broken in a file."""
    try:
        said = connection.execute("PRAGMA integrity_check").fetchall()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # it quotes what it finds
        return f"unsound: {error}"
    return "" if said == [("ok",)] else f"unsound: {said}"


def beside(records: Sequence[Record]) -> Beside:
    """What has to stand beside some records."""
    chain = Chain()
    links = [(record.position, *chain.add(record)) for record in records]
    counts = Counter((record.source, record.session) for record in records)
    events = Counter[str]()
    for record in records:
        events[record.source] += record.n
    return {
        "record": links,
        "seen": sorted(row for record in records for row in remembered(record)),
        "source": sorted(events.items()),
        "session": sorted((*sender, n, chain.links[sender]) for sender, n in counts.items()),
    }


async def resumed(script: Script, folder: Path, first: int, last: int) -> str:
    """What is wrong with the log after it took up again at some group; nothing when each record is there once."""
    path = folder / file.EVENTS_FILE
    log = SqliteLog(path)
    try:
        for append in (append for group in script.groups[first:last] for append in group):
            await log.append(append)
        found = list(await log.read(0, len(script.truth) + 1))
    finally:
        await log.close()
    if found != script.truth[: script.ends[last]]:
        return f"resumed: {len(found)} records, expected the {script.ends[last]} of the script"
    verdict = verify(path)
    return "" if verdict.ok else f"resumed: {verdict}"


def stored(path: Path) -> tuple[list[Record], str]:
    """The records that a log gives, and why it gives none."""
    with closing(LogReader(path)) as reader:
        try:
            return reader.read(0, 1_000_000), ""
        except Exception as error:  # a file that fsync did not guard may hold anything
            return [], f"({error!r})"
