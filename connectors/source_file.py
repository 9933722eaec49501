"""Source: a file, line by line: the events file (JSON lines) or an MTConnect SHDR log.

Rules: a line becomes events or is rejected with its number; reading goes on. Memory does not grow with the file. Ids come
from content, so reading a file again brings the same events. Empty lines are nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import msgspec

from tailrace.connectors.shdr import Shdr
from tailrace.engine.source import Delivery, Health, Origin, Rejected
from tailrace.schemas import line
from tailrace.schemas.errors import InvalidEvent, InvalidSettings
from tailrace.schemas.event import AnyEvent

LINE_MAX = 1 << 20
"""Bytes of a line; of a longer one KEPT_MAX are kept."""

KEPT_MAX = 1 << 16
LINES = 512
"""Lines in a delivery."""

REMEMBERED = 1 << 19
"""Contents counted in memory; more are counted in a temporary file."""

Parse = Callable[[bytes], Sequence[AnyEvent]]


class FileSource:
    """The lines of one file, once. `done` is how many of its `size` bytes were read."""

    def __init__(self, path: Path, parse: Parse) -> None:
        self.name = f"file:{path.name}"
        self.size = path.stat().st_size
        self.done = 0
        self._path = path
        self._parse = parse
        self._counts = Counts()
        self._numbered = line.Numbered(self._counts.add)

    @property
    def health(self) -> Health:
        return Health(connected=True, since=0)

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """The file in pieces; raises OSError where it cannot be read."""
        with self._path.open("rb") as file, closing(self._counts):
            lines = _lines(file)
            while delivery := self._next(lines):
                yield delivery
                self.done = file.tell()

    def _next(self, lines: Iterator[tuple[int, bytes, str]]) -> Delivery | None:
        events: list[AnyEvent] = []
        origins: list[Origin] = []
        rejected: list[Rejected] = []
        number = 0
        for _, (number, raw, wrong) in zip(range(LINES), lines, strict=False):
            where = f"{self._path.name} line {number}"
            try:
                if wrong:
                    raise InvalidEvent(wrong)
                found = self._parse(raw) if raw.strip() else ()
            except InvalidEvent as error:
                rejected.append(Rejected(str(error), raw, where))
                continue
            events += [msgspec.structs.replace(each, id=self._numbered.identify(each)) for each in found]
            origins += [Origin(raw, where)] * len(found)
        return Delivery(events, rejected, origins=origins) if number else None


def open_file(path: Path, machine: str = "") -> FileSource:
    """The source for a file by its ending; machine: whose log an SHDR file is (default: the file's stem)."""
    ending = path.suffix.lower()
    if ending == ".csv":
        raise InvalidSettings(
            f"{path}: expected an events file (JSON lines) or an MTConnect log (.shdr), got .csv: MQTT recordings are not "
            "read yet; write one JSON event a line (docs/events.md)"
        )
    if ending == ".shdr":
        name = machine or path.stem
        if not 0 < len(name) <= line.KEY_MAX or not name.isprintable():
            raise InvalidSettings(
                f"{path}: expected a machine name of 1 to {line.KEY_MAX} printable characters, got {name[:80]!r}; "
                "name the machine with --machine"
            )
        return FileSource(path, Shdr(name).events)
    return FileSource(path, lambda raw: (line.parse(raw),))


class Counts:
    """How often a content was seen: content -> count, in bounded memory."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._near: dict[bytes, int] = {}
        self._far: sqlite3.Connection | None = None
        self._remembered = remembered

    def add(self, content: bytes) -> int:
        """Counts one more, and says how many there are now."""
        if content in self._near or len(self._near) < self._remembered:
            count = self._near[content] = self._near.get(content, 0) + 1
            return count
        if self._far is None:
            self._far = sqlite3.connect("", isolation_level=None)
            self._far.execute("PRAGMA journal_mode = OFF")
            self._far.execute("CREATE TABLE seen (content BLOB PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID")
            self._far.execute("BEGIN")
        (far,) = self._far.execute(
            "INSERT INTO seen VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count", (content,)
        ).fetchone()
        return int(far)

    def close(self) -> None:
        """Forgets what was counted on disk."""
        if self._far is not None:
            self._far.close()


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes, str]]:
    """(number, bytes, what is wrong with its length)."""
    number = 0
    while raw := file.readline(LINE_MAX + 1):
        number += 1
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if len(raw) <= LINE_MAX:
            yield number, raw.rstrip(b"\r\n"), ""
            continue
        kept, length = raw[:KEPT_MAX], len(raw)
        while raw and not raw.endswith(b"\n"):
            raw = file.readline(LINE_MAX)
            length += len(raw)
        yield number, kept, f"expected a line of at most {LINE_MAX} bytes, got {length} (the first {KEPT_MAX} are kept)"
