"""The logs and checkpoints of one process, in memory: for tests, experiments and scoring without a data folder.

Rules: the ports' rules, except that nothing outlives the process. No call suspends, so a coroutine may be driven by hand;
only a follower at the end of the log waits.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec

from tailrace.connectors import identity
from tailrace.connectors.identity import Seen
from tailrace.engine.checkpoints import Manifest
from tailrace.engine.log import Receipt
from tailrace.schemas.errors import StaleWriter, Unavailable
from tailrace.schemas.event import OWN
from tailrace.schemas.record import Derived, Record

MANIFESTS_KEPT = 2


class MemoryLog:
    """An `events` log in a list."""

    def __init__(self) -> None:
        self._shelf = _Shelf()
        self._closed = False
        self._changed = asyncio.Event()

    async def append(self, records: Sequence[Record]) -> Receipt:
        self._open()
        offers = [identity.offer(record) for record in records]
        receipt = identity.take(self._shelf, offers)
        self._tell()
        return receipt

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        self._open()
        return self._shelf.records[after : after + limit]

    async def read_machine(self, machine: str, after: int, limit: int) -> Sequence[Record]:
        """Records of one machine and of the whole site, after a position."""
        self._open()
        found = (r for r in self._shelf.records[after:] if r.machine in (machine, ""))
        return [record for record, _ in zip(found, range(limit), strict=False)]

    async def end(self) -> int:
        self._open()
        return self._shelf.end

    async def sources(self) -> Mapping[str, int]:
        """Events appended, by source."""
        self._open()
        counts: dict[str, int] = defaultdict(int)
        for record in self._shelf.records:
            counts[record.source] += record.n
        return dict(counts)

    async def events_count(self) -> int:
        """Events appended by sources, without those that Tailrace writes itself."""
        return sum(n for source, n in (await self.sources()).items() if source != OWN)

    async def machines(self) -> Sequence[str]:
        """Machines that have a record, in order."""
        self._open()
        return sorted({record.machine for record in self._shelf.records} - {""})

    async def follow(self, after: int, limit: int) -> AsyncIterator[Sequence[Record]]:
        while True:
            changed = self._changed
            batch = await self.read(after, limit)
            if batch:
                after = batch[-1].position
                yield batch
            else:
                await changed.wait()

    async def close(self) -> None:
        self._closed = True
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _open(self) -> None:
        if self._closed:
            raise Unavailable("the log in memory is closed")


class _Shelf:
    """Everything that a log in memory knows; positions are list indices + 1."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._seen: dict[bytes, Seen] = {}
        self._highest: dict[str, int] = {}
        self._frames: dict[str, list[tuple[int, int]]] = defaultdict(list)

    @property
    def end(self) -> int:
        return len(self.records)

    def highest(self, stem: str) -> int:
        return self._highest.get(stem, 0)

    def overlapping(self, stem: str, low: int, high: int) -> Sequence[Record]:
        frames = self._frames[stem]
        start = max(0, bisect_right(frames, (low, 0)) - 1)
        stored = [self.records[position - 1] for _, position in frames[start : bisect_left(frames, (high + 1, 0))]]
        return [record for record in stored if record.first_seq + record.n > low]

    def numbered(self, stem: str, low: int, high: int) -> Mapping[int, Seen]:
        found = {number: self._seen.get(identity.number_key(stem, number)) for number in range(low, high + 1)}
        return {number: seen for number, seen in found.items() if seen is not None}

    def seen(self, key: bytes) -> Seen | None:
        return self._seen.get(key)

    def put(self, record: Record) -> int:
        position = len(self.records) + 1
        self.records.append(msgspec.structs.replace(record, position=position))
        if record.first_seq:
            frames = self._frames[identity.stem_of(record)]
            frames.insert(bisect_left(frames, (record.first_seq, 0)), (record.first_seq, position))
        return position

    def remember(self, key: bytes, seen: Seen) -> None:
        self._seen[key] = seen

    def reached(self, stem: str, number: int) -> None:
        self._highest[stem] = max(self.highest(stem), number)


class MemoryDerivedLog:
    """A `derived` log in a list."""

    def __init__(self) -> None:
        self._records: list[Derived] = []

    async def append(self, records: Sequence[Derived]) -> int:
        for record in records:
            self._records.append(msgspec.structs.replace(record, position=len(self._records) + 1))
        return len(self._records)

    async def read(self, after: int, limit: int) -> Sequence[Derived]:
        return self._records[after : after + limit]

    async def end(self) -> int:
        return len(self._records)


class MemoryCheckpoints:
    """State pages and manifests in dicts."""

    def __init__(self) -> None:
        self._manifests: dict[tuple[str, int], dict[int, Manifest]] = defaultdict(dict)
        self._pages: dict[tuple[str, int], dict[str, dict[int, bytes]]] = defaultdict(lambda: defaultdict(dict))

    async def save(self, manifest: Manifest, pages: Mapping[str, bytes]) -> None:
        stream = manifest.topology, manifest.version
        manifests, held = self._manifests[stream], self._pages[stream]
        if manifest.base and manifest.base not in manifests:
            raise StaleWriter(
                f"checkpoints of {stream[0]}@{stream[1]}: expected a base of {sorted(manifests)}, got {manifest.base}"
            )
        for position in [at for at in manifests if at > manifest.base]:
            del manifests[position]
        for positions in held.values():
            for position in [at for at in positions if at > manifest.base]:
                del positions[position]
        for name, body in pages.items():
            held[name][manifest.position] = bytes(body)
        manifests[manifest.position] = manifest
        for position in sorted(manifests, reverse=True)[MANIFESTS_KEPT:]:
            del manifests[position]
        for positions in held.values():
            holding = {_newest(positions, position) for position in manifests}
            for position in positions.keys() - holding:
                del positions[position]

    async def manifests(self, topology: str, version: int) -> Sequence[Manifest]:
        kept = self._manifests[topology, version]
        return [kept[position] for position in sorted(kept, reverse=True)]

    def page(self, topology: str, version: int, name: str, position: int) -> bytes | None:
        manifests = self._manifests[topology, version]
        if position not in manifests:
            raise StaleWriter(
                f"checkpoints of {topology}@{version}: expected one of {sorted(manifests)}, got {position}"
            )
        held = self._pages[topology, version][name]
        return held.get(_newest(held, position))


def _newest(held: Mapping[int, bytes], position: int) -> int:
    return max((at for at in held if at <= position), default=0)
