"""A disk that forgets: what is written is recorded, and after any step the power may fail.

Rules
1. A file has what was synced, and what is pending since. After a power loss it holds what was synced and any part of the rest:
   nothing, all, a beginning that is torn, or sectors here and there; what was lost may leave zeros or noise where it was going.
2. A folder is the same: a file that was made, renamed or removed is that for good only once the folder was synced. Syncing
   the file does not do it, as POSIX has it, though many file systems are kinder. A name is a path inside one root, whose
   folders are there.
3. A write harms no byte outside itself (SQLite calls that powersafe overwrite, and expects it where it runs).
4. What is left depends on the recording, the step and the seed, on nothing else.

Nothing here knows SQLite: tests/power_sqlite.py records databases, tests/power_files.py plain files, both on one disk if need be.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple

SECTORS = (512, 4096)
NOISE_ODDS = 0.2
"""How often lost sectors of a file leave noise."""

Image = Mapping[str, bytes]
"""What a root holds, by name."""


class Step(NamedTuple):
    """Something that was done to the disk; a `note` does nothing and tells a fact, such as an acknowledgement."""

    kind: str
    name: str = ""
    offset: int = 0
    data: bytes = b""
    other: str = ""
    fact: int = 0


class Disk:
    """Records what is done to the files of one root, which begins with what is in an image. Any thread may record.

    facts: what holds before the first step, as if noted.
    """

    def __init__(self, image: Image | None = None, **facts: int) -> None:
        self.image: Image = dict(image or {})
        self._facts = facts
        self.steps: list[Step] = []
        self._names = set(self.image)
        self._one = threading.Lock()

    def create(self, name: str) -> bool:
        """Makes a file, unless it is there; whether it was made."""
        with self._one:
            if name in self._names:
                return False
            self._names.add(name)
            self.steps.append(Step("create", name))
            return True

    def write(self, name: str, offset: int, data: bytes) -> None:
        self._do(Step("write", name, offset, bytes(data)))

    def truncate(self, name: str, size: int) -> None:
        self._do(Step("truncate", name, size))

    def sync(self, name: str) -> None:
        """The file's content is safe; its name only with `sync_folder`."""
        self._do(Step("sync", name))

    def rename(self, name: str, other: str) -> None:
        self._names.discard(name)
        self._names.add(other)
        self._do(Step("rename", name, other=other))

    def remove(self, name: str) -> None:
        self._names.discard(name)
        self._do(Step("remove", name))

    def sync_folder(self, folder: str = "") -> None:
        """Which files there are in a folder, and under which names, is safe."""
        self._do(Step("sync folder", folder))

    def note(self, name: str, fact: int) -> None:
        """Records a fact at this moment, for those who judge what is left."""
        self._do(Step("note", name, fact=fact))

    def moments(self) -> Iterator[Moment]:
        """The disk before the first step and after each, in order. It is one object that goes on: use it, then take the next."""
        moment = Moment(self.image, self._facts)
        yield moment
        for step in self.steps:
            moment.take(step)
            yield moment

    def _do(self, step: Step) -> None:
        with self._one:
            self.steps.append(step)


class _File:
    """One file's content, whatever its name."""

    def __init__(self, synced: bytes = b"") -> None:
        self.synced = bytearray(synced)
        self.pending: list[Step] = []

    def sync(self) -> None:
        for step in self.pending:
            _apply(self.synced, step)
        self.pending.clear()

    def left(self, random: Random) -> bytes:
        content = bytearray(self.synced)
        if self.pending:
            _HOW[random.randrange(len(_HOW))](content, self.pending, random)
        return bytes(content)


class Moment:
    """The disk at one moment: what is safe, and what is not yet. `facts` are the notes so far, the latest of each name."""

    def __init__(self, image: Image, facts: Mapping[str, int]) -> None:
        self.number = 0
        self.last = Step("start")
        self.facts = dict(facts)
        self._names = {name: _File(content) for name, content in image.items()}
        self._safe = dict(self._names)
        self._changes: list[tuple[str, str, _File]] = []

    @property
    def unsafe(self) -> bool:
        """Whether a power loss could take anything."""
        return bool(self._changes) or any(file.pending for file in self._names.values())

    def take(self, step: Step) -> None:
        """Goes on by one step."""
        self.number += 1
        self.last = step
        if step.kind in ("write", "truncate"):
            self._names[step.name].pending.append(step)
        elif step.kind == "sync":
            self._names[step.name].sync()
        elif step.kind == "note":
            self.facts[step.name] = step.fact
        elif step.kind == "sync folder":
            self._sync_folder(step.name)
        else:
            self._rename(step)

    def left(self, seed: int) -> dict[str, bytes]:
        """What the root holds when the power fails now."""
        random = Random(f"{seed} {self.number}")
        names = dict(self._safe)
        for change in self._kept(random):
            _rename(names, *change)
        return {name: file.left(random) for name, file in sorted(names.items())}

    def _sync_folder(self, folder: str) -> None:
        for change in [each for each in self._changes if _folder(each[1] or each[0]) == folder]:
            _rename(self._safe, *change)
            self._changes.remove(change)

    def _rename(self, step: Step) -> None:
        file = _File() if step.kind == "create" else self._names[step.name]
        change = ("" if step.kind == "create" else step.name, step.other if step.other else step.name, file)
        if step.kind == "remove":
            change = (step.name, "", file)
        _rename(self._names, *change)
        self._changes.append(change)

    def _kept(self, random: Random) -> list[tuple[str, str, _File]]:
        how = random.randrange(4)
        if how == 0:
            return []
        if how == 1:
            return self._changes
        if how == 2:
            return self._changes[: random.randint(0, len(self._changes))]
        return [change for change in self._changes if random.random() < 0.5]


def put(image: Image, root: Path) -> None:
    """Makes the files of an image; no other file is there afterwards."""
    for path in root.rglob("*"):
        if not path.is_dir():
            path.unlink()
    for name, content in image.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _rename(names: dict[str, _File], old: str, new: str, file: _File) -> None:
    """No old name: the file is made. No new one: it is removed."""
    names.pop(old, None)
    if new:
        names[new] = file


def _apply(content: bytearray, step: Step) -> None:
    if step.kind == "truncate":
        _resize(content, step.offset)
    else:
        _overwrite(content, step.offset, step.data)


def _resize(content: bytearray, size: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


def _overwrite(content: bytearray, offset: int, data: bytes) -> None:
    if offset > len(content):
        _resize(content, offset)
    content[offset : offset + len(data)] = data


# -- how a power loss leaves what is pending ---------------------------------------------------------------------------------


def _nothing(content: bytearray, pending: list[Step], random: Random) -> None:
    return


def _all(content: bytearray, pending: list[Step], random: Random) -> None:
    for step in pending:
        _apply(content, step)


def _beginning(content: bytearray, pending: list[Step], random: Random) -> None:
    """In order up to some step, of which there is a part."""
    cut = random.randrange(len(pending))
    _all(content, pending[:cut], random)
    torn = pending[cut]
    if torn.kind == "write":
        sectors = _sectors(torn, random.choice(SECTORS))
        for offset, data in sectors[: random.randint(0, len(sectors))]:
            _overwrite(content, offset, data)


def _scattered(content: bytearray, pending: list[Step], random: Random) -> None:
    """Any sector of any step, or not; where not, the file may have grown all the same, and may hold noise."""
    odds, sector = random.choice((0.05, 0.5, 0.95)), random.choice(SECTORS)
    noise, grows = random.random() < NOISE_ODDS, random.random() < 0.5
    for step in pending:
        if step.kind == "truncate":
            if random.random() < odds:
                _apply(content, step)
            continue
        for offset, data in _sectors(step, sector):
            if random.random() < odds:
                _overwrite(content, offset, data)
            elif noise:
                _overwrite(content, offset, random.randbytes(len(data)))
            elif grows and offset + len(data) > len(content):
                _resize(content, offset + len(data))


_HOW = (_nothing, _all, _beginning, _scattered, _scattered)


def _sectors(step: Step, size: int) -> list[tuple[int, bytes]]:
    """The parts of a write that the disk takes as a whole, each with its offset."""
    end = step.offset + len(step.data)
    edges = [step.offset, *range(step.offset // size * size + size, end, size), end]
    return [(low, step.data[low - step.offset : high - step.offset]) for low, high in pairwise(edges)]
