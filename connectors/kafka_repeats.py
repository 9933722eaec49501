"""The first stage of a fold on a log that repeats reach: what came before is dropped, as an embedded log drops it in its append.

Rules
1. An event is its id (connectors/identity.py): the first one with an id stays, whatever its content. A frame that overlaps what
   was seen is trimmed to what is new, at its own position. An event without an id is always new.
2. What was seen is part of the topology's state, in pages of its own beside the topology's: so the checkpoint that has the one
   has the other, and a batch may be cut anywhere.
3. Numbers of a sequence are kept as stretches, one entry however long; other ids as 16 bytes each, for ever, in memory too.
4. A record that this release cannot decode is taken or dropped whole.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from tailrace.connectors import identity
from tailrace.engine.topology import Load, State, Topology
from tailrace.schemas import codec
from tailrace.schemas.event import TYPES, Telemetry
from tailrace.schemas.record import Derived, Record

SEGMENT = 4096
"""Ids in a page: a full one never changes again."""

ID_BYTES = 16
PREFIX = "once:"
"""No topology's page begins with it."""


class Head(msgspec.Struct):
    """Which pages there are."""

    stems: list[str] = []
    ids: int = 0


class FirstOnly:
    """A topology that is given each event once."""

    def __init__(self, topology: Topology) -> None:
        self.name, self.version = topology.name, topology.version
        self._topology = topology

    def restore(self, marks: Mapping[str, int], load: Load) -> FirstOnlyState:
        """The state whose pages `load` gives."""
        return FirstOnlyState(self._topology.restore(marks, load), load)


class FirstOnlyState:
    """What was seen, and the topology's own state."""

    def __init__(self, state: State, load: Load) -> None:
        self._state = state
        self._seen = Seen(load)

    @property
    def marks(self) -> Mapping[str, int]:
        return self._state.marks

    def fold(self, records: Sequence[Record]) -> Sequence[Derived]:
        """The outputs that what is new in the records causes."""
        fresh = [new for record in records if (new := self._seen.fresh(record)) is not None]
        return self._state.fold(fresh) if fresh else ()

    def dirty(self) -> Mapping[str, bytes]:
        """Pages that changed since the last call."""
        return {**self._state.dirty(), **self._seen.dirty()}


class Seen:
    """The ids that came."""

    def __init__(self, load: Load) -> None:
        page = load(f"{PREFIX}head")
        self._head = msgspec.msgpack.decode(page, type=Head) if page else Head()
        self._stretches = {stem: Stretches(_ints(load(f"{PREFIX}seq:{stem}"))) for stem in self._head.stems}
        self._ids: set[bytes] = set()
        self._newest = bytearray()
        """The ids of the page that is not full."""
        for number in range(-(-self._head.ids // SEGMENT)):
            body = load(f"{PREFIX}ids:{number}") or b""
            self._ids.update(body[i : i + ID_BYTES] for i in range(0, len(body), ID_BYTES))
            self._newest = bytearray(body if len(body) < SEGMENT * ID_BYTES else b"")
        self._full: dict[str, bytes] = {}
        self._touched: set[str] = set()
        self._changed = False

    def fresh(self, record: Record) -> Record | None:
        """The record, or what of it is new, at the same position; None where nothing is. It counts as seen from now on."""
        if record.version != 1 or record.type not in TYPES:
            return record if self._whole(record) else None
        if record.first_seq:
            return self._sequenced(record)
        keep = [self._new(event_id) for event_id in codec.ids_of(record)]
        return _trimmed(record, keep)

    def dirty(self) -> dict[str, bytes]:
        """Pages that changed since the last call."""
        pages = {f"{PREFIX}{name}": body for name, body in self._full.items()}
        for stem in sorted(self._touched):
            pages[f"{PREFIX}seq:{stem}"] = msgspec.msgpack.encode(self._stretches[stem].bounds)
        if self._changed:
            if self._newest:
                pages[f"{PREFIX}ids:{self._head.ids // SEGMENT}"] = bytes(self._newest)
            pages[f"{PREFIX}head"] = msgspec.msgpack.encode(self._head)
        self._full, self._changed = {}, False
        self._touched.clear()
        return pages

    def _sequenced(self, record: Record) -> Record | None:
        stretches = self._of(identity.stem_of(record))
        low, high = record.first_seq, record.first_seq + record.n
        if stretches.add_above(low, high):
            return record
        keep = [number not in stretches for number in range(low, high)]
        stretches.add(low, high)
        return _trimmed(record, keep)

    def _whole(self, record: Record) -> bool:
        if not record.first_seq:
            return self._new(record.id)
        stretches = self._of(identity.stem_of(record))
        numbers = range(record.first_seq, record.first_seq + record.n)
        if any(number in stretches for number in numbers):
            return False
        stretches.add(numbers.start, numbers.stop)
        return True

    def _new(self, event_id: str) -> bool:
        if not event_id:
            return True
        numbered = identity.numbered(event_id)
        if numbered is not None:
            stem, number = numbered
            stretches = self._of(stem)
            known = number in stretches
            stretches.add(number, number + 1)
            return not known
        key = identity.key_of(event_id)
        if key in self._ids:
            return False
        self._remember(key)
        return True

    def _remember(self, key: bytes) -> None:
        self._ids.add(key)
        self._newest += key
        self._head.ids += 1
        self._changed = True
        if len(self._newest) == SEGMENT * ID_BYTES:
            self._full[f"ids:{self._head.ids // SEGMENT - 1}"] = bytes(self._newest)
            self._newest = bytearray()

    def _of(self, stem: str) -> Stretches:
        self._touched.add(stem)
        if stem not in self._stretches:
            self._stretches[stem] = Stretches([])
            self._head.stems.append(stem)
            self._changed = True
        return self._stretches[stem]


class Stretches:
    """Numbers as half-open stretches: [low, high, low, high, …], rising, never touching."""

    def __init__(self, bounds: list[int]) -> None:
        self.bounds = bounds

    def __contains__(self, number: int) -> bool:
        return bisect_right(self.bounds, number) % 2 == 1

    def add_above(self, low: int, high: int) -> bool:
        """Adds a stretch that is above all that is there; False where it is not."""
        if self.bounds and low < self.bounds[-1]:
            return False
        if self.bounds and low == self.bounds[-1]:
            self.bounds[-1] = high
        else:
            self.bounds += [low, high]
        return True

    def add(self, low: int, high: int) -> None:
        """Adds [low, high)."""
        first, last = bisect_left(self.bounds, low), bisect_right(self.bounds, high)
        inside = ([low] if first % 2 == 0 else []) + ([high] if last % 2 == 0 else [])
        self.bounds[first:last] = inside


def _trimmed(record: Record, keep: Sequence[bool]) -> Record | None:
    """The readings to keep as one frame that names their ids, at the position of the whole."""
    if all(keep):
        return record
    kept = list(_kept(record, keep))
    if not kept:
        return None
    trimmed = codec.readings_record(
        kept, source=record.source, session=record.session, site=record.site, trace=record.trace
    )
    return msgspec.structs.replace(trimmed, position=record.position, copy_of=record.copy_of)


def _kept(record: Record, keep: Sequence[bool]) -> Iterator[Telemetry]:
    if any(keep):
        for event, wanted in zip(codec.events_of(record), keep, strict=True):
            if wanted and isinstance(event, Telemetry):
                yield event


def _ints(page: bytes | None) -> list[int]:
    return msgspec.msgpack.decode(page, type=list[int]) if page else []
