"""The file of the embedded log: its tables, how it is opened, and what its errors mean in words.

Rules: one table holds the records, the envelope as columns and the payload last, so that a scan of envelopes does not touch
payloads, with the chains (connectors/chain.py) beside; `seen` remembers the events that carry an id, `source` how many events
each source brought, `session` how many records each sender brought and the last link of its chain. What is archived
(connectors/archive.py) is a beginning of the log: `archive` has its files, `archived` the machines in each and their times,
`sealed` the sequences in it; a record up to there that is still in `record` is only on its way out. WAL with
synchronous=FULL: a commit is on the disk when it returns. Only the writer's connection may write or checkpoint.
A record never changes, and the layout has a number (user_version): another one is refused, not guessed at.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tailrace.schemas.errors import NotFound, Unavailable

LAYOUT = 3
APPLICATION = 0x7461696C
"""`tail`, where the file command looks."""

EVENTS_FILE = "events.db"
"""The file's name in a data folder."""

PAGE_BYTES = 8192
CACHE_KIB = 16 * 1024
WAL_KEPT_BYTES = 64 * 1024 * 1024
BUSY_S = 5.0
BORN_S = 2.0

ENVELOPE = (
    "position", "type", "version", "id", "site", "machine", "source", "session", "first_seq", "n", "clock", "t_min",
    "t_max", "ingested", "trace", "crc32", "payload",
)  # fmt: skip
"""Columns of `record` that make a Record, in the order in which rows are read."""

TABLES = """
CREATE TABLE record (
    position INTEGER PRIMARY KEY, type TEXT NOT NULL, version INTEGER NOT NULL, id TEXT NOT NULL, site TEXT NOT NULL,
    machine TEXT NOT NULL, source TEXT NOT NULL, session TEXT NOT NULL, first_seq INTEGER NOT NULL, n INTEGER NOT NULL,
    clock TEXT NOT NULL, t_min INTEGER NOT NULL, t_max INTEGER NOT NULL, ingested INTEGER NOT NULL, trace TEXT NOT NULL,
    crc32 INTEGER NOT NULL, link BLOB NOT NULL, chain BLOB NOT NULL, payload BLOB NOT NULL
);
CREATE INDEX record_machine ON record (machine);
CREATE INDEX record_sequence ON record (source || ':' || session, first_seq) WHERE first_seq > 0;
CREATE TABLE seen (
    key BLOB PRIMARY KEY, position INTEGER NOT NULL, row INTEGER NOT NULL, content BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE source (source TEXT PRIMARY KEY, events INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE session (
    source TEXT NOT NULL, session TEXT NOT NULL, records INTEGER NOT NULL, link BLOB NOT NULL,
    PRIMARY KEY (source, session)
) WITHOUT ROWID;
CREATE TABLE archive (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, file TEXT NOT NULL, events INTEGER NOT NULL, bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL, chain BLOB NOT NULL
);
CREATE TABLE archived (
    machine TEXT NOT NULL, first INTEGER NOT NULL, t_min INTEGER NOT NULL, t_max INTEGER NOT NULL,
    PRIMARY KEY (machine, first)
) WITHOUT ROWID;
CREATE TABLE sealed (
    stem TEXT NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (stem, low)
) WITHOUT ROWID;
"""


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes; makes the file when there is none. It may move to another thread."""
    with in_words(path):
        connection = sqlite3.connect(path, BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read."""
    if not path.exists():
        raise NotFound(f"{path}: there is no log here; `tailrace up` or `tailrace import` makes one")
    with in_words(path):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, BUSY_S, isolation_level=None, check_same_thread=False, uri=True)
        try:
            _await_tables(connection)
            _check_layout(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def close(connection: sqlite3.Connection) -> None:
    """Closes a connection, even one whose file has gone bad."""
    with suppress(sqlite3.Error):
        connection.close()


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turns what SQLite raises into Unavailable with the file and the meaning."""
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(f"{path}: {words(error)}") from error
    except UnicodeDecodeError as error:  # what SQLite says of a damaged schema may quote the damage
        raise Unavailable(f"{path}: {_MEANING['SQLITE_CORRUPT']} ({error})") from error


def words(error: sqlite3.Error) -> str:
    """What an error of SQLite means for the person who reads it."""
    name = getattr(error, "sqlite_errorname", "") or ""
    for prefix, meaning in _MEANING.items():
        if name.startswith(prefix):
            return f"{meaning} ({error})"
    return f"{error} ({name})" if name else str(error)


_MEANING = {
    "SQLITE_FULL": "the disk is full; free some space, the log goes on by itself",
    "SQLITE_IOERR": "the disk does not take or give data; look at its health, space and quota",
    "SQLITE_READONLY": "the file cannot be written; look at its owner and mode",
    "SQLITE_CANTOPEN": "the file cannot be opened; look at the folder's owner and mode",
    "SQLITE_PERM": "the file cannot be opened; look at its owner and mode",
    "SQLITE_NOTADB": "expected a Tailrace log, got a file that is no SQLite database",
    "SQLITE_CORRUPT": "the file is damaged; restore it from a backup",
    "SQLITE_BUSY": "another program holds the file; only the owner of the folder may write it",
}


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute(f"PRAGMA journal_size_limit={WAL_KEPT_BYTES}")
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    connection.execute("BEGIN IMMEDIATE")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if not tables:
        for statement in TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={LAYOUT}")
        connection.execute(f"PRAGMA application_id={APPLICATION}")
    connection.execute("COMMIT")
    _check_layout(connection, path)


def _await_tables(connection: sqlite3.Connection) -> None:
    """Returns when the file has tables, or when whoever made the file a moment ago has had the time to make them."""
    deadline = time.monotonic() + BORN_S
    while not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] and time.monotonic() < deadline:
        time.sleep(0.01)


def _check_layout(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise Unavailable(f"{path}: expected a Tailrace log, got a database of another program")
    if layout != LAYOUT:
        raise Unavailable(
            f"{path}: expected layout {LAYOUT}, got {layout}: use the release that wrote it, whose `tailrace export` makes a "
            "file that `tailrace import` of this one reads"
        )
