"""State pages and manifests on Kafka: a compacted topic, the partition of the events that the state was folded from.

Rules
1. A save is its pages, then its manifest, under a name that no other save has; the manifest says how many pages there are. So
   half a save is none, and saves of two workers do not mix.
2. Everybody reads the topic in its order and comes to the same line: a manifest whose base is not kept there is not stored.
   A writer that finds others' messages among its own reads on to its manifest, and knows whether it was.
3. What the line needs no more is taken away with the next save. A manifest carries a sum over the pages that hold at it; where
   the sum is another, something was taken away too early, and the manifest is as good as lost.
4. Pages are kept in memory as well, so that `page` answers at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tailrace.connectors.kafka_partition import PartitionReader
from tailrace.connectors.kafka_records import Message
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.engine.checkpoints import Manifest
from tailrace.schemas.errors import StaleWriter, Unavailable

MANIFESTS_KEPT = 2
READ_MAX = 1000
ROOM_MAX = 500
"""Messages that take something away, in one save."""

Stream = tuple[str, int]
"""Topology and version."""


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """A manifest as it is in the topic. base: name of the save that it comes on top of, for positions come again on another
    line; count: pages of its save; index: see rule 3."""

    manifest: Manifest
    base: str
    count: int
    index: int


class Key(msgspec.Struct, frozen=True, array_like=True):
    """Of a message: a page, or with an empty name and `manifest` a manifest."""

    topology: str
    version: int
    save: str
    manifest: bool
    name: str
    position: int


class _Page(NamedTuple):
    save: str
    body: bytes


class _Kept(NamedTuple):
    save: str
    stored: Stored


_key = msgspec.msgpack.Decoder(Key).decode
_stored = msgspec.msgpack.Decoder(Stored).decode


class KafkaCheckpoints:
    """The checkpoints of one partition; the sender is its owner's, who closes it."""

    def __init__(self, settings: KafkaSettings, partition: int, sender: Sender) -> None:
        self._settings, self._partition, self._sender = settings, partition, sender
        self._reader = PartitionReader(settings, settings.checkpoints, partition)
        self._one = asyncio.Lock()
        self._lines: dict[Stream, Line] = {}
        self._position = 0

    async def save(self, manifest: Manifest, pages: Mapping[str, bytes]) -> None:
        async with self._one:
            line = self._line((manifest.topology, manifest.version))
            if manifest.base:
                line.require(manifest.base)
            save = secrets.token_hex(8)
            index = line.index_with(manifest.base, save, pages)
            stored = Stored(manifest, line.save_at(manifest.base), len(pages), index)
            await self._write(line, save, stored, pages)
            if not line.has(save):
                raise StaleWriter(f"{line.name}: expected to be the only one who saves, got another one before")

    async def manifests(self, topology: str, version: int) -> Sequence[Manifest]:
        async with self._one:
            await self._catch_up()
            return self._line((topology, version)).manifests()

    def page(self, topology: str, version: int, name: str, position: int) -> bytes | None:
        return self._line((topology, version)).page(name, position)

    async def close(self) -> None:
        """Leaves the brokers."""
        await self._reader.close()

    async def _write(self, line: Line, save: str, stored: Stored, pages: Mapping[str, bytes]) -> None:
        at = stored.manifest.position
        gone = line.garbage[:ROOM_MAX]
        new = [(line.key(save, name, at), bytes(body)) for name, body in pages.items()]
        new.append((line.key(save, "", at, manifest=True), msgspec.msgpack.encode(stored)))
        messages = [Message(self._partition, key, None) for key in gone]
        messages += [Message(self._partition, key, body) for key, body in new]
        try:
            positions = await self._sender.send(self._settings.checkpoints, messages)
        except Unavailable as error:
            raise Unavailable(f"a checkpoint was not stored: {error}") from error
        del line.garbage[: len(gone)]
        if positions[-1] == self._position + len(messages):
            self._position = positions[-1]
            for key, body in new:
                line.take(_key(key), body)
        else:
            await self._catch_up()

    async def _catch_up(self) -> None:
        end = await self._reader.end()
        while self._position < end:
            messages = await self._reader.read_some(self._position, READ_MAX, end)
            for message in messages:
                key = decoded(message)
                self._line((key.topology, key.version)).take(key, message.value)
            self._position = messages[-1].offset + 1 if messages else end

    def _line(self, stream: Stream) -> Line:
        if stream not in self._lines:
            self._lines[stream] = Line(stream)
        return self._lines[stream]


class Line:
    """What the messages of one stream come to."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.name = f"checkpoints of {stream[0]}@{stream[1]}"
        self.garbage: list[bytes] = []
        self._kept: dict[int, _Kept] = {}
        self._pages: dict[str, dict[int, _Page]] = defaultdict(dict)
        self._coming: dict[str, dict[str, tuple[int, bytes]]] = defaultdict(dict)

    def take(self, key: Key, body: bytes | None) -> None:
        """The next message of the topic."""
        if key.manifest:
            if body is None:
                self._kept = {at: kept for at, kept in self._kept.items() if kept.save != key.save}
            else:
                self._apply(key.save, _stored(body))
        elif body is not None:
            self._coming[key.save][key.name] = (key.position, body)
        else:
            self._coming.get(key.save, {}).pop(key.name, None)
            held = self._pages.get(key.name, {})
            if key.position in held and held[key.position].save == key.save:
                del held[key.position]

    def has(self, save: str) -> bool:
        """Whether a save is in the line."""
        return any(kept.save == save for kept in self._kept.values())

    def save_at(self, position: int) -> str:
        """The save whose checkpoint is kept at a position; "" where none is."""
        return self._kept[position].save if position in self._kept else ""

    def require(self, position: int) -> None:
        """Raises StaleWriter unless there is a checkpoint at the position."""
        if position not in self._kept:
            raise StaleWriter(
                f"{self.name}: expected one of the positions {sorted(self._kept)}, got {position}: restore from the newest"
            )

    def manifests(self) -> list[Manifest]:
        """Newest first; one that has lost a page is not there."""
        return [
            self._kept[at].stored.manifest
            for at in sorted(self._kept, reverse=True)
            if self._sum(at) == self._kept[at].stored.index
        ]

    def page(self, name: str, position: int) -> bytes | None:
        """The page that holds at a checkpoint."""
        self.require(position)
        page = self._held(name, position)
        return page.body if page else None

    def index_with(self, base: int, save: str, names: Iterable[str]) -> int:
        """The sum over the pages that hold once a save has come on top of its base."""
        index = self._kept[base].stored.index if base else 0
        for name in names:
            held = self._held(name, base) if base else None
            index ^= _token(name, save) ^ (_token(name, held.save) if held else 0)
        return index

    def key(self, save: str, name: str, position: int, *, manifest: bool = False) -> bytes:
        """Of a message."""
        return msgspec.msgpack.encode(Key(*self._stream, save, manifest, name, position))

    def _apply(self, save: str, stored: Stored) -> None:
        base, at = stored.manifest.base, stored.manifest.position
        coming = self._coming.pop(save, {})
        if base and self.save_at(base) != stored.base:
            if self._kept:
                return self._refuse(save, at, coming)
            self._adopt(base)
        if len(coming) != stored.count:
            if not self._kept:
                self._coming[save] = coming  # taken away in part; what is left of it may hold at the next one
                return None
            return self._refuse(save, at, coming)
        self._rewind(base)
        for name, (_, body) in coming.items():
            self._pages[name][at] = _Page(save, body)
        self._kept[at] = _Kept(save, stored)
        return self._collect()

    def _adopt(self, base: int) -> None:
        """The oldest manifest that the topic still has: pages up to its base hold, though their manifests are gone."""
        for save, pages in list(self._coming.items()):
            for name, (position, body) in list(pages.items()):
                if position <= base:
                    self._pages[name][position] = _Page(save, body)
                    del pages[name]

    def _refuse(self, save: str, at: int, coming: Iterable[str]) -> None:
        self.garbage += [self.key(save, name, at) for name in coming]
        self.garbage.append(self.key(save, "", at, manifest=True))

    def _rewind(self, base: int) -> None:
        self._drop_manifests([at for at in self._kept if at > base])
        for name, held in self._pages.items():
            self._drop_pages(name, held, [at for at in held if at > base])

    def _collect(self) -> None:
        self._drop_manifests(sorted(self._kept, reverse=True)[MANIFESTS_KEPT:])
        for name, held in self._pages.items():
            if len(held) > 1 or not self._kept:
                holding = {max((at for at in held if at <= kept), default=0) for kept in self._kept}
                self._drop_pages(name, held, [at for at in held if at not in holding])

    def _drop_manifests(self, positions: Iterable[int]) -> None:
        for at in positions:
            self.garbage.append(self.key(self._kept.pop(at).save, "", at, manifest=True))

    def _drop_pages(self, name: str, held: dict[int, _Page], positions: Iterable[int]) -> None:
        for at in positions:
            self.garbage.append(self.key(held.pop(at).save, name, at))

    def _held(self, name: str, position: int) -> _Page | None:
        held = self._pages.get(name, {})
        at = max((at for at in held if at <= position), default=0)
        return held.get(at)

    def _sum(self, position: int) -> int:
        index = 0
        for name in self._pages:
            page = self._held(name, position)
            index ^= _token(name, page.save) if page else 0
        return index


def _token(name: str, save: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{save}/{name}".encode(), digest_size=7).digest(), "big")


def decoded(message: Any) -> Key:
    """The key of a message; raises Unavailable where it is no checkpoint's."""
    try:
        return _key(message.key)
    except (msgspec.MsgspecError, TypeError) as error:
        raise Unavailable(
            f"topic {message.topic}, partition {message.partition}, position {message.offset + 1}: expected a checkpoint "
            f"that Tailrace wrote, got another message: {error}; delete the topic, `tailrace init` makes it anew"
        ) from None
