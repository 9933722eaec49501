"""Whether a log is what was written: every column of every record, and that everything kept beside the records follows from them.

Rules: nothing is believed and nothing is changed. Records are taken in order and have to give their crc32, link and chain;
what stands in the other tables is worked out again from the records and has to be there and nothing else; then SQLite checks its
own pages and indices. A file of the archive has to have its sha256 before a byte of it is decoded, and then to give the records
that its chain says. What is found first is told with the file and, where there is one, the position. A read transaction ends
after PORTION_BYTES, so that a log can be checked while it is written and archived; only the last one is longer.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from tailrace.connectors import identity
from tailrace.connectors import log_sqlite_file as file
from tailrace.connectors.archive import (
    FOLDER,
    NAME,
    Archive,
    Entry,
    Run,
    Sealed,
    Times,
    joined_times,
    runs_of,
    size_and_digest,
    times_of,
)
from tailrace.connectors.chain import Chain
from tailrace.connectors.log_sqlite_reader import END
from tailrace.schemas.errors import InvalidEvent, NotFound, Unavailable
from tailrace.schemas.record import Record

PORTION_BYTES = 8 * 1024 * 1024
KEYS_A_STATEMENT = 256

COLUMNS = f"{', '.join(file.ENVELOPE)}, link, chain"
KINDS = [int, str, int, str, str, str, str, str, int, int, str, int, int, int, str, int, bytes, bytes, bytes]
"""The type of each of COLUMNS: SQLite keeps in a column whatever the bytes say."""

RECORDS = f"SELECT {COLUMNS} FROM record WHERE"
ARCHIVE = "SELECT first, last, file, events, bytes, sha256, chain FROM archive"
NOT_DAMAGE = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_NOMEM", "SQLITE_INTERRUPT")

Heard = Callable[[int, int], None]
"""Told how many records were checked, of how many."""


class Verdict(msgspec.Struct, frozen=True):
    """What `verify` found. ok: everything is as it was written. file: relative to the data folder; chain: its last value."""

    ok: bool
    file: str | None = None
    position: int | None = None
    error: str | None = None
    records: int = 0
    files: int = 0
    chain: str = ""


class Damage(Exception):
    """Something is not what was written; ends the check."""

    def __init__(self, error: str, position: int | None = None, file: str = file.EVENTS_FILE) -> None:
        super().__init__(error)
        self.verdict = Verdict(False, file, position, error)


def verify(path: Path, heard: Heard = lambda done, of: None) -> Verdict:
    """Checks a log. Raises NotFound where there is none, Unavailable where it cannot be opened for a reason outside it."""
    try:
        with closing(_opened(path)) as connection:
            return _Check(connection, path.parent / FOLDER, heard).run()
    except Damage as damage:
        return damage.verdict
    except sqlite3.Error as error:
        if str(getattr(error, "sqlite_errorname", "")).startswith(NOT_DAMAGE):
            raise Unavailable(f"{path}: {file.words(error)}") from error
        return Verdict(False, file.EVENTS_FILE, None, file.words(error))
    except UnicodeDecodeError as error:  # of a message that quotes the damage
        return Verdict(False, file.EVENTS_FILE, None, f"SQLite finds the file damaged: {error}")


def _opened(path: Path) -> sqlite3.Connection:
    try:
        connection = file.open_reader(path)
    except NotFound:
        raise
    except Unavailable as error:
        if isinstance(error.__cause__, sqlite3.Error):
            raise error.__cause__ from None
        raise Damage(str(error)) from None
    connection.text_factory = lambda text: text.decode(errors="surrogateescape")
    return connection


class _Check:
    """One check under way."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, heard: Heard) -> None:
        self._connection = connection
        self._folder = folder
        self._archive = Archive(folder)
        self._heard = heard
        self._files: list[Sealed] = []
        self._chain = Chain()
        self._reached = 0
        self._events: Counter[str] = Counter()
        self._records: Counter[tuple[str, str]] = Counter()
        self._seen = 0

    def run(self) -> Verdict:
        self._schema()
        while self._portion():
            self._heard(self._reached, self._end())
        self._connection.execute("BEGIN")
        while self._portion():
            pass
        self._tables()
        self._pages()
        self._connection.execute("COMMIT")
        return Verdict(True, records=self._reached, files=len(self._files), chain=self._chain.head.hex())

    def _schema(self) -> None:
        with closing(sqlite3.connect(":memory:")) as fresh:
            fresh.executescript(file.TABLES)
            expected = fresh.execute(SCHEMA).fetchall()
        _require(expected, self._connection.execute(SCHEMA).fetchall(), "tables and indices")

    def _end(self) -> int:
        return int(self._connection.execute(END).fetchone()[0])

    # -- records

    def _portion(self) -> bool:
        """Checks the next records, or the next file; whether there were any."""
        sealed = self._connection.execute(
            f"{ARCHIVE} WHERE first > ? ORDER BY first LIMIT 1", (self._reached,)
        ).fetchone()
        if sealed is not None:
            self._file(sealed)
            return True
        records, size = [], 0
        with closing(self._connection.execute(f"{RECORDS} position > ? ORDER BY position", (self._reached,))) as rows:
            for row in rows:
                records.append(self._record(row))
                size += len(records[-1].payload)
                if size > PORTION_BYTES:
                    break
        self._known(records)
        return bool(records)

    def _record(self, row: tuple[Any, ...]) -> Record:
        at = self._reached + 1
        record = _read(row, at)
        if record.position != at:
            raise Damage(f"expected a record at position {at}, got {record.position} as the next one", at)
        if not record.intact():
            raise Damage("the payload is damaged: expected one that matches its crc32", at)
        if row[-2:] != self._add(record):
            raise Damage("the record is not the one that was written: its chain does not follow from it", at)
        return record

    def _add(self, record: Record) -> tuple[bytes, bytes]:
        """Takes a record into account; gives the link and the chain that follow from it."""
        try:
            following = self._chain.add(record)
        except (UnicodeEncodeError, OverflowError) as error:
            raise Damage(f"expected text and numbers in the envelope, got: {error}", record.position) from None
        self._reached = record.position
        self._events[record.source] += record.n
        self._records[record.source, record.session] += 1
        return following

    # -- the archive

    def _file(self, row: tuple[Any, ...]) -> None:
        """Checks a file of the archive, and the records of it that have not left `record` yet."""
        first, last, name, _, size, digest, _ = row
        if [*map(type, row)] != [int, int, str, int, int, bytes, bytes] or first != self._reached + 1:
            raise Damage(f"`archive`: expected a file that begins at position {self._reached + 1}, got another row")
        if name != NAME.format(first, last):
            raise Damage(f"`archive`: expected {NAME.format(first, last)}, got {name!r}")
        where = f"{FOLDER}/{name}"
        try:
            found = size_and_digest(self._folder / name)
        except OSError as error:
            raise Damage(f"expected a file that can be read, got: {error.strerror}", None, where) from None
        if found != (size, digest):
            raise Damage(
                f"expected {size} bytes with sha256 {digest.hex()}, got {found[0]} with {found[1].hex()}", None, where
            )
        try:
            self._contents(Entry(first, last, name, size, digest), row)
        except Unavailable as error:
            raise Damage(str(error), None, where) from None

    def _contents(self, entry: Entry, row: tuple[Any, ...]) -> None:
        runs: list[Run] = []
        times: list[Times] = []
        events = 0
        for group in range(len(self._archive.file(entry).groups)):
            records = self._archive.file(entry).records(group)
            self._group(records, f"{FOLDER}/{entry.file}")
            runs += runs_of(records)
            times += times_of(records)
            events += sum(record.n for record in records)
            self._heard(self._reached, max(self._end(), self._reached))
        self._archive.close()
        if (self._reached, events, self._chain.head) != (entry.last, row[3], row[-1]):
            raise Damage(f"`archive`: expected the last position, events and chain of {entry.file}, got others")
        made = Sealed(entry.file, entry.first, entry.last, events, row[4], row[5], row[6], runs, joined_times(times))
        self._files.append(made)

    def _group(self, records: Sequence[Record], where: str) -> None:
        """Checks consecutive records of a file."""
        staying = {row[0]: row for row in self._connection.execute(
            f"{RECORDS} position BETWEEN ? AND ?", (records[0].position, records[-1].position)
        )}  # fmt: skip
        for record in records:
            if record.position != self._reached + 1:
                raise Damage(f"expected position {self._reached + 1}, got {record.position}", record.position, where)
            following = self._add(record)
            row = staying.get(record.position)
            if row is not None and (_read(row, record.position), row[-2:]) != (record, following):
                raise Damage("the record is not the one that is archived", record.position)
        self._known(records)

    # -- what follows from them

    def _known(self, records: Sequence[Record]) -> None:
        """That every event with an id of its own is in `seen`, as it is."""
        expected = [row for record in records for row in remembered(record)]
        self._seen += len(expected)
        for some in _chunks(expected, KEYS_A_STATEMENT):
            marks = ", ".join("?" * len(some))
            sql = f"SELECT key, position, row, content FROM seen WHERE key IN ({marks})"
            found = {row[0]: row for row in self._connection.execute(sql, [key for key, *_ in some])}
            for row in some:
                if not _same(found.get(row[0]), row):
                    raise Damage("what `seen` remembers of this record's ids does not follow from it", row[1])

    def _tables(self) -> None:
        links = self._chain.links
        senders = [(*sender, n, links[sender]) for sender, n in self._records.items()]
        _require(self._events.items(), self._connection.execute("SELECT * FROM source").fetchall(), "`source`")
        _require(senders, self._connection.execute("SELECT * FROM session").fetchall(), "`session`")
        machines = [
            (each.machine, file.first, each.t_min, each.t_max) for file in self._files for each in file.machines
        ]
        _require(machines, self._connection.execute("SELECT * FROM archived").fetchall(), "`archived`")
        runs = [(run.stem, run.low, run.high, run.first, run.last) for file in self._files for run in file.runs]
        _require(runs, self._connection.execute("SELECT * FROM sealed").fetchall(), "`sealed`")
        (seen,) = self._connection.execute("SELECT count(*) FROM seen").fetchone()
        if seen != self._seen:
            raise Damage(f"expected {self._seen} ids in `seen`, as the records have them, got {seen}")

    def _pages(self) -> None:
        (said,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        if said != "ok":
            raise Damage(f"SQLite finds the file damaged: {said}")


def _read(row: tuple[Any, ...], at: int) -> Record:
    """The record of a row of COLUMNS."""
    if [*map(type, row)] != KINDS:
        raise Damage("expected a record whose columns have their types, got others", at)
    return Record(**dict(zip(file.ENVELOPE, row[:-2], strict=True)))


SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"


def remembered(record: Record) -> list[tuple[bytes, int, int, bytes]]:
    """The rows of `seen` that follow from a record."""
    if record.first_seq:
        return []
    try:
        made = identity.offer(record)
    except InvalidEvent as error:
        raise Damage(
            f"expected a record that a log could take, got one it could not: {error}", record.position
        ) from None
    rows = zip(made.ids, made.keys, made.contents, strict=True)
    return [(key, record.position, row, content) for row, (id_, key, content) in enumerate(rows) if id_]


def _require(expected: Iterable[tuple[Any, ...]], found: Iterable[tuple[Any, ...]], what: str) -> None:
    """That a table holds these rows."""
    wanted, got = sorted(map(repr, expected)), sorted(map(repr, found))
    if wanted != got:
        raise Damage(f"{what}: expected what follows from the records, got other rows")


def _same(found: tuple[Any, ...] | None, expected: tuple[Any, ...]) -> bool:
    return found == expected and [*map(type, found or ())] == [*map(type, expected)]


def _chunks(items: Iterable[Any], size: int) -> Iterable[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
