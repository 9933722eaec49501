"""The archived part of a log: files `archive/events-<first>-<last>.parquet` beside `events.db`, and how they are read.

Rules: files hold the log from its first position on, without a hole, and never change; which they are stands in `events.db`
(`archive`, `archived`, `sealed`). A file is decoded only after its sha256 was found to be right, since what damage makes of
Parquet's own structure may read as other records. Reading keeps the file and the row group that were read last, so that memory
is bounded and reading on costs nothing twice. Parquet is imported when there is something to read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tailrace.connectors.identity import stem_of
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.event import OBSERVED
from tailrace.schemas.frame import Frame
from tailrace.schemas.record import Record

if TYPE_CHECKING:
    from tailrace.connectors.archive_file import ArchiveFile, Group

FOLDER = "archive"
NAME = "events-{:012}-{:012}.parquet"
FILES = "events-*.parquet"


class Run(msgspec.Struct, frozen=True, array_like=True):
    """Frames of a stem one after the other, numbers low..high, at positions first..last of one row group."""

    stem: str
    low: int
    high: int
    first: int
    last: int


class Times(msgspec.Struct, frozen=True, array_like=True):
    """A machine in a file, and from when to when its records are, ns."""

    machine: str
    t_min: int
    t_max: int


class Sealed(msgspec.Struct, frozen=True):
    """A file that was written, made durable and read back: the log's positions first..last, and its chain up to there."""

    file: str
    first: int
    last: int
    events: int
    size: int
    sha256: bytes
    chain: bytes
    runs: list[Run]
    machines: list[Times]


class Entry(NamedTuple):
    """A file of the archive."""

    first: int
    last: int
    file: str
    size: int
    sha256: bytes


class Archive:
    """Reads the files of a folder. One thread at a time uses it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: tuple[str, ArchiveFile] | None = None
        self._read: tuple[str, int, list[Record]] | None = None

    def read(self, entry: Entry, after: int, limit: int) -> list[Record]:
        """Records of a file after a position."""
        found: list[Record] = []
        for i, group in self._groups(entry):
            if group.last <= after:
                continue
            skipped = max(0, after + 1 - group.first)
            found += self._records(entry, i)[skipped : skipped + limit - len(found)]
            if len(found) >= limit:
                break
        return found

    def stem(self, entry: Entry, first: int, last: int, stem: str) -> list[Record]:
        """Frames of a stem at positions first..last."""
        records = self.read(entry, first - 1, last - first + 1)
        return [record for record in records if record.first_seq and stem_of(record) == stem]

    def machine(self, entry: Entry, machine: str, after: int, limit: int) -> list[Record]:
        """Records of a machine and of the whole site after a position."""
        found: list[Record] = []
        for i, group in self._groups(entry):
            if group.last <= after or not self._has(entry, i, (machine, "")):
                continue
            mine = (r for r in self._records(entry, i) if r.position > after and r.machine in (machine, ""))
            found += [record for record, _ in zip(mine, range(limit - len(found)), strict=False)]
            if len(found) >= limit:
                break
        return found

    def between(self, entry: Entry, machine: str, start: int, end: int, after: int, limit: int) -> list[Record]:
        """Records of a machine and of the whole site after a position with a part in [start, end)."""
        found: list[Record] = []
        for i, group in self._groups(entry):
            apart = group.last <= after or group.t_max < start or group.t_min >= end
            if apart or not self._has(entry, i, (machine, "")):
                continue
            mine = (r for r in self._records(entry, i) if r.position > after and r.machine in (machine, ""))
            found += [r for r in mine if r.t_max >= start and r.t_min < end]
            if len(found) >= limit:
                break
        return found[:limit]

    def telemetry(self, entry: Entry, machine: str, start: int, end: int, limit: int) -> list[Record]:
        """The newest frames of a machine with a part in [start, end), newest first."""
        found: list[Record] = []
        for i, group in reversed(list(self._groups(entry))):
            if group.t_max < start or group.t_min >= end or not self._has(entry, i, (machine,)):
                continue
            found += [
                r
                for r in reversed(self._records(entry, i))
                if r.machine == machine and r.type == "telemetry" and r.t_max >= start and r.t_min < end
            ]
            if len(found) >= limit:
                break
        return found[:limit]

    def observed(self, entry: Entry, machine: str, t: int, latest: int, last: int) -> int:
        """The latest observation of a machine not after t and position `last`, where it is later than `latest`, else `latest`."""
        for i, group in self._groups(entry):
            if group.first > last or group.t_min > t or group.t_max <= latest or not self._has(entry, i, (machine, "")):
                continue
            for record in self._records(entry, i):
                mine = record.machine in (machine, "") and record.position <= last
                if mine and record.type in OBSERVED and record.t_min <= t:
                    latest = max(latest, _latest(record, t))
        return latest

    def file(self, entry: Entry) -> ArchiveFile:
        """A file, open. Raises Unavailable where it cannot be read."""
        from tailrace.connectors.archive_file import ArchiveFile  # noqa: PLC0415 - Parquet takes 70 MB of memory

        if self._open is None or self._open[0] != entry.file:
            self.close()
            _require_written(self._folder / entry.file, entry)
            opened = ArchiveFile(self._folder / entry.file)
            self._open = entry.file, opened
            _require_whole(self._folder / entry.file, opened.groups, entry)
        return self._open[1]

    def close(self) -> None:
        """Gives up what is open."""
        if self._open is not None:
            self._open[1].close()
        self._open = self._read = None

    def _groups(self, entry: Entry) -> Iterator[tuple[int, Group]]:
        return enumerate(self.file(entry).groups)

    def _records(self, entry: Entry, group: int) -> list[Record]:
        if self._read is None or self._read[:2] != (entry.file, group):
            self._read = None  # the old group goes before the new one is made
            self._read = entry.file, group, self.file(entry).records(group)
        return self._read[2]

    def _has(self, entry: Entry, group: int, machines: Sequence[str]) -> bool:
        if self._read is not None and self._read[:2] == (entry.file, group):
            return True
        return not self.file(entry).machines(group).isdisjoint(machines)


def _require_written(path: Path, entry: Entry) -> None:
    try:
        found = size_and_digest(path)
    except FileNotFoundError:
        raise Unavailable(f"{path}: expected a file of the archive, got none; bring it back from a backup") from None
    except OSError as error:
        raise Unavailable(f"{path}: expected a file of the archive that can be read, got: {error.strerror}") from None
    if found != (entry.size, entry.sha256):
        raise Unavailable(
            f"{path}: expected the {entry.size} bytes that were written (sha256 {entry.sha256.hex()[:16]}…), got {found[0]} "
            f"bytes ({found[1].hex()[:16]}…): the file is damaged, restore it from a backup"
        )


def _require_whole(path: Path, groups: Sequence[Any], entry: Entry) -> None:
    if not groups or (groups[0].first, groups[-1].last) != entry[:2]:
        raise Unavailable(f"{path}: expected positions {entry.first} to {entry.last}, got a file of others; restore it")


def _latest(record: Record, t: int) -> int:
    if record.t_max <= t:
        return record.t_max
    times = Frame(record.payload).t
    return int(times[times <= t].max())


# -- what is entered of a file -------------------------------------------------------------------------------------------


def size_and_digest(path: Path, *, cold: bool = False) -> tuple[int, bytes]:
    """Size and sha256 of a file; cold: as the disk has it, not what is still in memory."""
    digest, size = sha256(), 0
    with path.open("rb") as file:
        if cold:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while piece := file.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return size, digest.digest()


def runs_of(records: Sequence[Record]) -> list[Run]:
    """The runs of sequences in the records of a row group."""
    runs: list[Run] = []
    open_: dict[str, Run] = {}
    for record in records:
        if not record.first_seq:
            continue
        stem, high = stem_of(record), record.first_seq + record.n - 1
        run = open_.get(stem)
        if run is not None and run.high + 1 == record.first_seq:
            open_[stem] = Run(stem, run.low, high, run.first, record.position)
            continue
        if run is not None:
            runs.append(run)
        open_[stem] = Run(stem, record.first_seq, high, record.position, record.position)
    return [*runs, *open_.values()]


def times_of(records: Sequence[Record]) -> list[Times]:
    """The machines of records, and from when to when theirs are."""
    return joined_times([Times(record.machine, record.t_min, record.t_max) for record in records])


def joined_times(times: Sequence[Times]) -> list[Times]:
    """One entry a machine, in order."""
    found: dict[str, Times] = {}
    for each in times:
        known = found.get(each.machine, each)
        found[each.machine] = Times(each.machine, min(known.t_min, each.t_min), max(known.t_max, each.t_max))
    return [found[machine] for machine in sorted(found)]
