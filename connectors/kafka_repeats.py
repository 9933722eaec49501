"""The first stage of a fold on a log that repeats reach (engine/first.py): it knows what came, as an embedded log does.

Rules
1. An event is its id (connectors/identity.py): the first one with an id stays, whatever its content. Of a frame that overlaps
   what was seen the rest is new. An event without an id is always new.
2. What was seen is in pages: so the checkpoint that has the fold's state has it too, and a batch may be cut anywhere.
3. Numbers of a sequence are kept for ever, as stretches, one entry however long. Of other ids the newest are kept, at least
   (SEGMENTS - 1) * SEGMENT of them, counted in ids that were new, so that the window hangs on the log alone; what comes again
   after more than those is new. An embedded log keeps all of them, on disk.
4. A record of another release is taken or dropped whole. What is damaged goes by its envelope, which names no id of a frame of
   several readings without a sequence: such a frame is new, and a good copy of it is new as well.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import msgspec

from tailrace.connectors import identity
from tailrace.engine.topology import Load
from tailrace.schemas import codec
from tailrace.schemas.event import TYPES
from tailrace.schemas.record import Record

SEGMENT = 4096
"""Ids in a page: a full one never changes until it is the oldest."""

SEGMENTS = 64
"""Pages of ids that are kept: 262,144 ids, 4 MiB in checkpoints and about 25 MiB in memory for each topology of a partition."""

ID_BYTES = 16
PREFIX = "once:"
"""No topology's page begins with it."""


class Head(msgspec.Struct):
    """Which pages there are. ids: how many without a sequence came."""

    stems: list[str] = []
    ids: int = 0


class Seen:
    """The ids that came. segments: how many pages of ids without a sequence are kept."""

    def __init__(self, load: Load, segments: int = SEGMENTS) -> None:
        self._segments = segments
        page = load(f"{PREFIX}head")
        self._head = msgspec.msgpack.decode(page, type=Head) if page else Head()
        self._stretches = {stem: Stretches(_ints(load(f"{PREFIX}seq:{stem}"))) for stem in self._head.stems}
        self._ids: dict[bytes, None] = {}
        """In the order in which they came."""
        self._newest = bytearray()
        """The ids of the page that is not full."""
        pages = -(-self._head.ids // SEGMENT)
        for number in range(max(0, pages - segments), pages):
            body = load(self._name(number)) or b""
            self._ids.update(dict.fromkeys(body[i : i + ID_BYTES] for i in range(0, len(body), ID_BYTES)))
            self._newest = bytearray(body if len(body) < SEGMENT * ID_BYTES else b"")
        self._full: dict[str, bytes] = {}
        self._touched: set[str] = set()
        self._changed = False

    def keep(self, record: Record) -> Sequence[bool] | None:
        """Which events of a record are new; None: all of them. They count as seen from now on."""
        if record.version != 1 or record.type not in TYPES:
            return None if self._whole(record) else [False] * record.n
        if record.first_seq:
            return self._sequenced(record)
        keep = [self._new(event_id) for event_id in _ids(record)]
        return None if all(keep) else keep

    def dirty(self) -> dict[str, bytes]:
        """Pages that changed since the last call."""
        pages = dict(self._full)
        for stem in sorted(self._touched):
            pages[f"{PREFIX}seq:{stem}"] = msgspec.msgpack.encode(self._stretches[stem].bounds)
        if self._changed:
            if self._newest:
                pages[self._name(self._head.ids // SEGMENT)] = bytes(self._newest)
            pages[f"{PREFIX}head"] = msgspec.msgpack.encode(self._head)
        self._full, self._changed = {}, False
        self._touched.clear()
        return pages

    def _sequenced(self, record: Record) -> Sequence[bool] | None:
        stretches = self._of(identity.stem_of(record))
        low, high = record.first_seq, record.first_seq + record.n
        if stretches.add_above(low, high):
            return None
        keep = [number not in stretches for number in range(low, high)]
        stretches.add(low, high)
        return None if all(keep) else keep

    def _whole(self, record: Record) -> bool:
        """Whether all of a record is new. What is refused whole counts as not seen."""
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
        if not self._newest:
            self._forget()
        self._ids[key] = None
        self._newest += key
        self._head.ids += 1
        self._changed = True
        if len(self._newest) == SEGMENT * ID_BYTES:
            self._full[self._name(self._head.ids // SEGMENT - 1)] = bytes(self._newest)
            self._newest = bytearray()

    def _forget(self) -> None:
        """A page begins: the oldest one, whose name it gets, goes."""
        if self._head.ids >= self._segments * SEGMENT:
            for key in list(itertools.islice(self._ids, SEGMENT)):
                del self._ids[key]

    def _name(self, number: int) -> str:
        return f"{PREFIX}ids:{number % self._segments}"

    def _of(self, stem: str) -> Stretches:
        self._touched.add(stem)
        stretches = self._stretches.get(stem)
        if stretches is None:
            stretches = self._stretches[stem] = Stretches([])
            self._head.stems.append(stem)
            self._changed = True
        return stretches


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


def _ids(record: Record) -> Sequence[str]:
    """The id of each event; of those in a frame that does not decode nobody knows one."""
    try:
        ids = codec.ids_of(record) if record.intact() or record.n == 1 else []
    except identity.UNREADABLE:
        ids = []
    return ids if len(ids) == record.n else [record.id if record.n == 1 else ""] * record.n


def _ints(page: bytes | None) -> list[int]:
    return msgspec.msgpack.decode(page, type=list[int]) if page else []
