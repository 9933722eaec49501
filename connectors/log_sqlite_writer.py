"""The writing side of the embedded log: one thread, one connection, one commit for all who wait.

Rules: the thread takes what waits, up to GROUP_BYTES, judges it (connectors/identity.py) and stores it in one transaction;
positions are given inside it, so they have no hole. Nobody is answered before COMMIT has returned. When anything fails,
nothing of the group is stored, everyone in it gets SendFailed, and the next group begins with a new connection.
Every statement gives up the interpreter's lock and may wait 5 ms to get it back beside a busy fold, so rows are written many
to a statement, and what is looked up comes back as one row.
Records leave for the archive here too, in chores between the groups: first the file is entered, then rows go, few at a time.
Checkpoints run here too, after the answers: no other connection may move the WAL into the file while this one writes.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tailrace.connectors import identity
from tailrace.connectors import log_sqlite_file as file
from tailrace.connectors.archive import FOLDER, NAME, Archive, Entry, Sealed
from tailrace.connectors.chain import START, Chain
from tailrace.connectors.identity import Offer, Seen
from tailrace.connectors.log_sqlite_reader import END, SELECT, record_of
from tailrace.engine.log import Receipt
from tailrace.schemas.errors import InvalidEvent, SendFailed, Unavailable
from tailrace.schemas.record import Record

GROUP_BYTES = 8 * 1024 * 1024
CHECKPOINT_BYTES = 16 * 1024 * 1024
AGAIN_SHARE = 8
"""A checkpoint that a reader kept from starting the WAL over is tried again after CHECKPOINT_BYTES / AGAIN_SHARE."""

COMMIT_BYTES = 8 * file.PAGE_BYTES
"""What a commit adds to the WAL besides payloads: the ends of the tables and indices."""

EVENT_BYTES = 64
STEMS_MAX = 8192
RECORDS_A_STATEMENT = 64
KEYS_A_STATEMENT = 256

OVERLAPPING = SELECT + (
    "WHERE source || ':' || session = :stem AND first_seq > 0 AND first_seq <= :high AND first_seq >= ifnull((SELECT "
    "max(first_seq) FROM record WHERE source || ':' || session = :stem AND first_seq > 0 AND first_seq <= :low), :low) "
    "ORDER BY first_seq"
)
"""Frames of a stem never overlap, so of those that begin at or before `low` only the last can reach it."""

HIGHEST_FRAME = (
    "SELECT first_seq + n - 1 FROM record WHERE source || ':' || session = ? AND first_seq > 0 "
    "ORDER BY first_seq DESC LIMIT 1"
)
HIGHEST_SEALED = "SELECT max(high) FROM sealed WHERE stem = ?"
SEALED = """
SELECT s.first, s.last, a.first, a.last, a.file, a.bytes, a.sha256
FROM sealed AS s JOIN archive AS a ON s.first BETWEEN a.first AND a.last
WHERE s.stem = :stem AND s.low <= :high AND s.high >= :low ORDER BY s.low
"""
HIGHEST_ID = "SELECT max(key) FROM seen WHERE key BETWEEN ? AND ?"
NUMBERED = "SELECT key, position, row, content FROM seen WHERE key BETWEEN ? AND ?"
SEEN = "SELECT json_group_array(json_array(hex(key), position, row, hex(content))) FROM seen WHERE key IN"
COUNT = " ON CONFLICT (source) DO UPDATE SET events = events + excluded.events"
HEAD = "SELECT chain FROM record ORDER BY position DESC LIMIT 1"
HEAD_SEALED = "SELECT chain FROM archive ORDER BY first DESC LIMIT 1"
SWEPT_RECORDS = 256
SWEPT_PAGES = 2048
LINK = "SELECT link FROM session WHERE source = ? AND session = ?"
LINKED = " ON CONFLICT (source, session) DO UPDATE SET records = records + excluded.records, link = excluded.link"


class Waiting(NamedTuple):
    """An append that waits for its commit; `token` is whatever the caller knows it by."""

    offers: Sequence[Offer]
    size: int
    token: Any


class Chore(NamedTuple):
    """Something else to do on the connection, between two groups."""

    work: Callable[[_Shelf], Any]
    answer: Future[Any]


Outcome = tuple[Waiting, Receipt | Unavailable]


class Writer:
    """The thread. `answer` is called in it with the outcomes of a group, after the commit."""

    def __init__(self, path: Path, answer: Callable[[Sequence[Outcome]], None]) -> None:
        self._path = path
        self._answer = answer
        self._shelf: _Shelf | None = _Shelf(file.open_writer(path), path)
        self._queue: queue.SimpleQueue[Waiting | Chore | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"log {path}", daemon=True)
        self._thread.start()

    def submit(self, waiting: Waiting) -> None:
        """Queues an append; what is submitted first is stored first."""
        self._queue.put(waiting)

    def seal(self, sealed: Sealed) -> Future[Any]:
        """Enters a file of the archive; from then on its records are read from there."""
        return self._do(lambda shelf: shelf.seal(sealed))

    def sweep(self) -> Future[Any]:
        """Removes some of the records that are archived; whether there may be more."""
        return self._do(lambda shelf: shelf.sweep())

    def stop(self) -> None:
        """Stores what was submitted, closes the file and returns; call it once, from any other thread."""
        self._queue.put(None)
        self._thread.join()

    def _do(self, work: Callable[[_Shelf], Any]) -> Future[Any]:
        chore = Chore(work, Future())
        self._queue.put(chore)
        return chore.answer

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group, behind = self._group()
            if group:
                self._answer(self._store(group))
                self._checkpoint()
            if isinstance(behind, Chore):
                self._carry_out(behind)
                self._checkpoint()
            stopping = behind is True
        self._close()

    def _group(self) -> tuple[list[Waiting], Chore | bool]:
        """Waits for an append, and takes those behind it; then what ended the group: a chore, or True for the end."""
        group: list[Waiting] = []
        size = 0
        with suppress(queue.Empty):
            while size < GROUP_BYTES:
                waiting = self._queue.get(block=not group)
                if waiting is None:
                    return group, True
                if isinstance(waiting, Chore):
                    return group, waiting
                group.append(waiting)
                size += waiting.size
        return group, False

    def _ready(self) -> _Shelf:
        if self._shelf is None:
            self._shelf = _Shelf(file.open_writer(self._path), self._path)
        return self._shelf

    def _carry_out(self, chore: Chore) -> None:
        try:
            chore.answer.set_result(chore.work(self._ready()))
        except InvalidEvent as error:  # nothing was done
            chore.answer.set_exception(error)
        except Exception as error:  # as for an append
            self._close()
            chore.answer.set_exception(
                SendFailed(f"{self._reason(error)}; nothing was archived, it may be tried again")
            )

    def _store(self, group: Sequence[Waiting]) -> list[Outcome]:
        try:
            shelf = self._ready()
            shelf.begin([key for waiting in group for each in waiting.offers for key in each.keys])
            receipts = [identity.take(shelf, waiting.offers) for waiting in group]
            shelf.commit()
        except Exception as error:  # whatever it is, everyone in the group must hear of it
            self._close()
            failure = SendFailed(f"{self._reason(error)}; the append was not acknowledged, it may be sent again")
            return [(waiting, failure) for waiting in group]
        return list(zip(group, receipts, strict=True))

    def _reason(self, error: Exception) -> str:
        if isinstance(error, sqlite3.Error):
            return f"{self._path}: {file.words(error)}"
        return str(error) if isinstance(error, Unavailable) else f"{self._path}: {error!r}"

    def _checkpoint(self) -> None:
        if self._shelf is not None and self._shelf.wal_bytes >= CHECKPOINT_BYTES:
            with suppress(sqlite3.Error):  # a full disk: the next append says so, and the WAL keeps everything
                self._shelf.checkpoint()

    def _close(self) -> None:
        if self._shelf is not None:
            self._shelf.close()
            self._shelf = None


class _Shelf:
    """One connection's view of the log inside a transaction (identity.Shelf); what is put is written at the latest by commit."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._highest: dict[str, int] = {}
        self._known: dict[bytes, Seen] = {}
        self._records: list[tuple[Any, ...]] = []
        self._fresh: list[tuple[Any, ...]] = []
        self._counts: Counter[str] = Counter()
        self._senders: Counter[tuple[str, str]] = Counter()
        self._archive = Archive(path.parent / FOLDER)
        self._end: int = self._value(END)
        self._chain = Chain(self._value(HEAD) or self._value(HEAD_SEALED) or START)
        self.wal_bytes = 0

    # -- the transaction

    def begin(self, keys: Sequence[bytes]) -> None:
        """Opens a transaction in which these keys will be asked for."""
        self._connection.execute("BEGIN IMMEDIATE")
        for some in _chunks(keys, KEYS_A_STATEMENT):
            text = self._value(SEEN + _values(1, len(some)), some)
            for key, position, row, content in msgspec.json.decode(text):
                self._known[bytes.fromhex(key)] = Seen(position, row, bytes.fromhex(content))

    def commit(self) -> None:
        """Stores everything that was put and remembered; durable when it returns."""
        self._flush()
        self._insert("INSERT INTO source VALUES ", list(self._counts.items()), KEYS_A_STATEMENT, COUNT)
        links = [(*sender, n, self._chain.links[sender]) for sender, n in self._senders.items()]
        self._insert("INSERT INTO session VALUES ", links, KEYS_A_STATEMENT, LINKED)
        self._connection.execute("COMMIT")
        self.wal_bytes += COMMIT_BYTES
        self._known.clear()
        self._counts.clear()
        self._senders.clear()
        if len(self._chain.links) > STEMS_MAX:
            self._chain.links.clear()

    def checkpoint(self) -> None:
        """Moves what it can from the WAL into the file; the next append starts the WAL over if nobody reads it just then."""
        (_, frames, moved) = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        held = moved < frames or frames * file.PAGE_BYTES > 1.5 * CHECKPOINT_BYTES
        self.wal_bytes = CHECKPOINT_BYTES - CHECKPOINT_BYTES // AGAIN_SHARE if held else 0

    def close(self) -> None:
        """Gives the file up, with whatever is not committed."""
        self._archive.close()
        file.close(self._connection)

    # -- the archive

    def seal(self, sealed: Sealed) -> None:
        """Enters a file whose records follow the archive's; raises InvalidEvent where they are not those of this log."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._require_next(sealed)
            row = sealed.first, sealed.last, sealed.file, sealed.events, sealed.size, sealed.sha256, sealed.chain
            self._insert("INSERT INTO archive VALUES ", [row], 1)
            machines = [(each.machine, sealed.first, each.t_min, each.t_max) for each in sealed.machines]
            self._insert("INSERT INTO archived VALUES ", machines, KEYS_A_STATEMENT)
            runs = [(each.stem, each.low, each.high, each.first, each.last) for each in sealed.runs]
            self._insert("INSERT INTO sealed VALUES ", runs, KEYS_A_STATEMENT)
        except InvalidEvent:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _require_next(self, sealed: Sealed) -> None:
        path = self._path.parent / FOLDER / NAME.format(sealed.first, sealed.last)
        if sealed.file != path.name or not path.is_file() or path.stat().st_size != sealed.size:
            raise InvalidEvent(
                f"{path}: expected a file of {sealed.size} bytes here, to be archived as {sealed.file!r}"
            )
        end = self._value("SELECT ifnull(max(last), 0) FROM archive")
        if sealed.first != end + 1:
            raise InvalidEvent(f"{sealed.file}: expected a file that begins at position {end + 1}, got {sealed.first}")
        if self._value("SELECT chain FROM record WHERE position = ?", (sealed.last,)) != sealed.chain:
            raise InvalidEvent(
                f"{sealed.file}: expected the records of this log up to position {sealed.last}, got others"
            )

    def sweep(self) -> bool:
        """Removes the oldest records that are archived, and gives free pages back; whether there may be more."""
        first, end = self._value("SELECT min(position) FROM record"), self._value("SELECT max(last) FROM archive")
        if first is not None and end is not None and first <= end:
            self._connection.execute("DELETE FROM record WHERE position < ?", (min(first + SWEPT_RECORDS, end + 1),))
            self.wal_bytes += SWEPT_RECORDS * file.PAGE_BYTES
            return True
        free: int = self._value("PRAGMA freelist_count")
        self._connection.executescript(f"PRAGMA incremental_vacuum({SWEPT_PAGES})")  # execute() ends it after a page
        self.wal_bytes += SWEPT_PAGES * file.PAGE_BYTES
        return free > SWEPT_PAGES

    # -- what identity.take asks

    @property
    def end(self) -> int:
        return self._end

    def highest(self, stem: str) -> int:
        if stem not in self._highest:
            self._flush()
            if len(self._highest) >= STEMS_MAX:
                self._highest.clear()
            frames = self._value(HIGHEST_FRAME, (stem,)) or 0
            key = self._value(HIGHEST_ID, _span(stem, 0, identity.INT64_MAX))
            sealed = self._value(HIGHEST_SEALED, (stem,)) or 0
            self._highest[stem] = max(frames, sealed, identity.number_in(key) if key else 0)
        return self._highest[stem]

    def overlapping(self, stem: str, low: int, high: int) -> Sequence[Record]:
        self._flush()
        values = {"stem": stem, "low": low, "high": high}
        found = [record_of(row, self._path) for row in self._connection.execute(OVERLAPPING, values).fetchall()]
        for first, last, *entry in self._connection.execute(SEALED, values).fetchall():
            found += self._archive.stem(Entry(*entry), first, last, stem)
        return [record for record in found if record.first_seq <= high and record.first_seq + record.n > low]

    def numbered(self, stem: str, low: int, high: int) -> Mapping[int, Seen]:
        self._flush()
        rows = self._connection.execute(NUMBERED, _span(stem, low, high)).fetchall()
        return {identity.number_in(key): Seen(*seen) for key, *seen in rows}

    def seen(self, key: bytes) -> Seen | None:
        return self._known.get(key)

    def put(self, record: Record) -> int:
        self._end += 1
        sender = record.source, record.session
        if sender not in self._chain.links:
            self._chain.links[sender] = self._value(LINK, sender) or START
        link, chain = self._chain.add(record)
        self._records.append((
            self._end, record.type, record.version, record.id, record.site, record.machine, record.source,
            record.session, record.first_seq, record.n, record.clock, record.t_min, record.t_max, record.ingested,
            record.trace, record.crc32, link, chain, record.payload,
        ))  # fmt: skip
        self._senders[sender] += 1
        self._counts[record.source] += record.n
        self.wal_bytes += len(record.payload)
        return self._end

    def remember(self, key: bytes, seen: Seen) -> None:
        self._known[key] = seen
        self._fresh.append((key, *seen))
        self.wal_bytes += EVENT_BYTES

    def reached(self, stem: str, number: int) -> None:
        if number > self.highest(stem):
            self._highest[stem] = number

    # -- SQL

    def _flush(self) -> None:
        self._insert("INSERT INTO record VALUES ", self._records, RECORDS_A_STATEMENT)
        self._insert("INSERT INTO seen VALUES ", self._fresh, KEYS_A_STATEMENT)
        self._records.clear()
        self._fresh.clear()

    def _insert(self, head: str, rows: Sequence[tuple[Any, ...]], at_once: int, tail: str = "") -> None:
        for some in _chunks(rows, at_once):
            sql = head + _values(len(some), len(some[0])) + tail
            self._connection.execute(sql, [value for row in some for value in row])

    def _value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else row[0]


def _span(stem: str, low: int, high: int) -> tuple[bytes, bytes]:
    return identity.number_key(stem, low), identity.number_key(stem, high)


def _chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


@lru_cache(maxsize=1024)
def _values(rows: int, columns: int) -> str:
    return ",".join([f"({','.join('?' * columns)})"] * rows)
