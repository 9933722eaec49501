"""Our own code on a recorded disk: `sqlite3` for a module that opens databases, through a VFS that tells what reaches a file.

Rules
1. What runs is the product: its statements, pragmas, threads and transactions. Only the name `sqlite3` in the modules that
   call `connect` is another one for a while, so nothing in them knows of tests. The library underneath is apsw's SQLite,
   since the standard one takes no VFS written in Python; what is left after a power loss is read with the standard one.
2. Every write, truncate, sync, create and delete of a database, its journal and its WAL is recorded in the order in which it
   is done. Shared memory is not: it does not outlive the power.
3. SQLite syncs the folder with the first sync of a journal or WAL that it made, and after a delete that it is told to make
   safe (os_unix.c: UNIXFILE_DIRSYNC in unixSync, dirSync in unixDelete); that happens below this VFS, so it is noted here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest

from power_disk import Disk
from tailrace.app import compose
from tailrace.connectors import log_sqlite_file

RECORDED = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL
SYNCS_FOLDER = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL

Rewrite = Callable[[str], Sequence[str]]
"""What is said to SQLite instead of a statement; the values belong to the first."""

_numbers = count(1)


@contextmanager
def recorded(disk: Disk, rewrite: Rewrite | None = None) -> Iterator[Driver]:
    """While this is open, databases that the product opens are recorded on a disk."""
    vfs = _Vfs(f"power-{next(_numbers)}", disk)
    driver = Driver(vfs.name, rewrite)
    with pytest.MonkeyPatch.context() as patch, closing(vfs):
        for module in (log_sqlite_file, compose):
            patch.setattr(module, "sqlite3", driver)
        yield driver


class Driver:
    """The module `sqlite3`, but for `connect`."""

    def __init__(self, vfs: str, rewrite: Rewrite | None = None) -> None:
        self._vfs, self._rewrite = vfs, rewrite

    def __getattr__(self, name: str) -> Any:
        return getattr(sqlite3, name)

    def connect(self, path: Path | str, timeout: float, *, uri: bool = False, **autocommit: Any) -> Connection:
        """A connection in autocommit mode that any thread may use."""
        assert autocommit == {"isolation_level": None, "check_same_thread": False}
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | (apsw.SQLITE_OPEN_URI if uri else 0)
        with _as_sqlite3():
            connection = apsw.Connection(str(path), flags, self._vfs)
            connection.set_busy_timeout(round(timeout * 1000))
        return Connection(connection, self._rewrite)


class Connection:
    """What our modules use of a connection of the module `sqlite3`."""

    def __init__(self, connection: apsw.Connection, rewrite: Rewrite | None) -> None:
        self._connection, self._rewrite = connection, rewrite

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, values: Any = ()) -> apsw.Cursor:
        first, *rest = self._rewrite(sql) if self._rewrite else (sql,)
        with _as_sqlite3():
            cursor = self._connection.execute(first, values)
            for each in rest:
                self._connection.execute(each)
            return cursor

    def executemany(self, sql: str, values: Sequence[Mapping[str, Any] | Sequence[Any]]) -> None:
        first, *rest = self._rewrite(sql) if self._rewrite else (sql,)
        with _as_sqlite3():
            self._connection.executemany(first, values)
            for each in rest:
                self._connection.execute(each)

    def executescript(self, script: str) -> None:
        """Statements without values; as in `sqlite3`, a transaction that is open is committed first."""
        if self.in_transaction:
            self.execute("COMMIT")
        with _as_sqlite3():
            self._connection.execute(script)

    def close(self) -> None:
        with _as_sqlite3():
            self._connection.close()


@contextmanager
def _as_sqlite3() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        said = sqlite3.OperationalError(str(error))
        said.sqlite_errorname = f"SQLITE_{type(error).__name__.removesuffix('Error').upper()}"
        raise said from error


class _Vfs(apsw.VFS):
    """The system's files, with a record of what is done to them."""

    def __init__(self, name: str, disk: Disk) -> None:
        self.name, self._disk = name, disk
        super().__init__(name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        if name is None or not flags[0] & RECORDED:
            return apsw.VFSFile("", name, flags)
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self._disk.remove(Path(filename).name)
        if syncdir:
            self._disk.sync_folder()

    def close(self) -> None:
        self.unregister()


class _File(apsw.VFSFile):
    """A file whose changes are recorded. It needs no sync of its own: what counts is the record."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name).name
        self._new = disk.create(self._name) and bool(flags[0] & SYNCS_FOLDER)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._disk.write(self._name, offset, data)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        self._disk.truncate(self._name, newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.sync(self._name)
        if self._new:
            self._disk.sync_folder()
            self._new = False
