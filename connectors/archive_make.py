"""Making a file of the archive out of what a log has, in steps of which each may be the last.

Rules: one process at a time makes files of a folder. A file takes records from where the archive ends, up to FILE_BYTES of
payload and up to the first that was ingested too late. It is written beside its place, made durable and read back from the disk;
every record has to be equal to the one in the log; then it gets its name, durably, and only then it is entered in `events.db`
(log_sqlite_writer.py), whose writer compares the chain before any record leaves. So whatever ends it in between, each record is
in the log or in a file that is entered, and is read once. What such an end leaves behind is removed by the next run, a file that
has a name only where the log still has every record of it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tailrace.connectors.archive import FILES, FOLDER, NAME, Run, Sealed, runs_of, size_and_digest, times_of
from tailrace.connectors.archive_file import ArchiveFile, Group, write
from tailrace.connectors.chain import Chain
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas.errors import Owned, Unavailable
from tailrace.schemas.record import Record

FILE_BYTES = 128 * 1024 * 1024
"""Payload in one file; so much is in memory while it is made."""

READ_RECORDS = 200
LOCK = "archive.lock"
DRAFT = ".part"


@contextmanager
def making(directory: Path) -> Iterator[Path]:
    """The folder of the archive, which nobody else makes files in meanwhile; raises Owned where somebody does."""
    folder = directory / FOLDER
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not folder.exists():
            folder.mkdir()
            _sync(directory)
        yield folder
    except BlockingIOError:
        raise Owned(f"{directory}: another process is archiving this log; wait for it") from None
    finally:
        os.close(lock)


def make(folder: Path, log: LogReader, before: int) -> Sealed | None:
    """Makes the next file of what was ingested before an instant, ns; None where there is nothing.

    Raises Unavailable where the file that was read back is not what the log has, and leaves no file then; and where the next
    record of the log is damaged.
    """
    after, head = log.archived()
    records = _next(log, after, before)
    if not records:
        return None
    name = NAME.format(records[0].position, records[-1].position)
    draft = folder / f"{name}{DRAFT}"
    try:
        write(draft, records)
        sealed = _read_back(draft, name, records, head)
        draft.rename(folder / name)
    finally:
        draft.unlink(missing_ok=True)
    _sync(folder)
    return sealed


def clean(folder: Path, log: LogReader) -> list[str]:
    """Removes what a sudden end left; gives the names of files that the log does not know and that hold something else."""
    known, strange = set(log.files()), []
    for draft in folder.glob(f"{FILES}{DRAFT}"):
        draft.unlink()
    for path in sorted(folder.glob(FILES)):
        if path.name in known:
            continue
        if _is_copy(path, log):
            path.unlink()
        else:
            strange.append(path.name)
    return strange


# -- steps ---------------------------------------------------------------------------------------------------------------


def _next(log: LogReader, after: int, before: int) -> list[Record]:
    """Records from a position on, up to the first that came too late or is damaged, FILE_BYTES of them."""
    records: list[Record] = []
    size = 0
    while some := log.read(after, READ_RECORDS):
        for record in some:
            if record.ingested >= before:
                return records
            if not record.intact():
                return records or _refuse(log.path, record)
            records.append(record)
            size += len(record.payload)
            if size >= FILE_BYTES:
                return records
        after = some[-1].position
    return records


def _refuse(path: Path, record: Record) -> list[Record]:
    raise Unavailable(
        f"{path}: position {record.position}: expected a payload that matches its crc32, got a damaged one; nothing from there "
        "on is archived, restore the file from a backup"
    )


def _read_back(path: Path, name: str, records: Sequence[Record], head: bytes) -> Sealed:
    """What is entered of a file, from what the disk gives back."""
    size, digest = size_and_digest(path, cold=True)
    file, chain = ArchiveFile(path), Chain(head)
    runs: list[Run] = []
    at = 0
    try:
        for i, group in enumerate(file.groups):
            found = file.records(i)
            if found != list(records[at : at + len(found)]) or not _holds(group, found):
                raise Unavailable(
                    f"{path}: expected positions {group.first} to {group.last} as the log has them, got others"
                )
            runs += runs_of(found)
            at += len(found)
            for record in found:
                chain.add(record)
    finally:
        file.close()
    if at != len(records):
        raise Unavailable(f"{path}: expected {len(records)} records, got {at}")
    first, last, events = records[0].position, records[-1].position, sum(record.n for record in records)
    return Sealed(name, first, last, events, size, digest, chain.head, runs, times_of(records))


def _holds(group: Group, records: Sequence[Record]) -> bool:
    return group == Group(
        records[0].position, records[-1].position, min(r.t_min for r in records), max(r.t_max for r in records)
    )


def _is_copy(path: Path, log: LogReader) -> bool:
    """Whether the log has every record of a file."""
    try:
        file = ArchiveFile(path)
    except Unavailable:
        return False  # whoever damaged it, it is not ours to remove
    try:
        for i, group in enumerate(file.groups):
            found = file.records(i)
            if log.read(group.first - 1, len(found)) != found:
                return False
    except Unavailable:
        return False
    finally:
        file.close()
    return True


def _sync(folder: Path) -> None:
    """Makes the entries of a folder durable."""
    entries = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(entries)
    finally:
        os.close(entries)
