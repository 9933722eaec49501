"""What `append` does with each event: the identity rules of a log, the same for every adapter that keeps one.

Rules: an event is its id. A sequenced frame gives its readings the ids `seq:<source>:<session>:<n>` without writing them
down, so one id may come in either form and means the same event. What is known with the same content is a duplicate, with
other content (`codec.digest`) a conflict; the rest is new, in its order, so a partly known frame is trimmed to what is new.
A frame above everything that its sequence has brought so far is new without being decoded. An event without an id is always
new. A record that this release cannot decode is taken or refused whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from tailrace.engine.log import Conflict, Receipt
from tailrace.schemas import codec, frame
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import TYPES, Telemetry
from tailrace.schemas.record import Record

PAYLOAD_MAX = 16 * 1024 * 1024
"""Bytes in one record."""

INT64_MAX = 2**63 - 1

UNREADABLE = (InvalidEvent, ValueError, LookupError, TypeError, OverflowError)
"""What decoding raises where a payload is not what its envelope says."""

_NUMBERED = re.compile(rf"{codec.SEQUENCED}(.*:.*):([1-9][0-9]{{0,18}})", re.DOTALL)


class Seen(NamedTuple):
    """Where an event stands in the log, and the digest of its content."""

    position: int
    row: int
    content: bytes


class Offer(NamedTuple):
    """A record to append, with what decides about each event inside; nothing of it for a sequenced frame."""

    record: Record
    ids: Sequence[str] = ()
    keys: Sequence[bytes] = ()
    contents: Sequence[bytes] = ()


class Shelf(Protocol):
    """What an adapter knows of its log inside one append; what was put is seen at once.

    A stem is `<source>:<session>`; a numbered id is one of the form of a sequence, whatever record it came in.
    """

    @property
    def end(self) -> int: ...

    def highest(self, stem: str) -> int:
        """The largest number that a stem has brought, in frames or in numbered ids; 0 = none."""

    def overlapping(self, stem: str, low: int, high: int) -> Sequence[Record]:
        """Sequenced frames of a stem with a number in low..high."""

    def numbered(self, stem: str, low: int, high: int) -> Mapping[int, Seen]:
        """Numbered ids of a stem in low..high that were remembered."""

    def seen(self, key: bytes) -> Seen | None: ...

    def put(self, record: Record) -> int:
        """Appends the record at end + 1 and says where it stands."""

    def remember(self, key: bytes, seen: Seen) -> None: ...

    def reached(self, stem: str, number: int) -> None:
        """A stem has brought this number."""


# -- ids -----------------------------------------------------------------------------------------------------------------


def numbered(event_id: str) -> tuple[str, int] | None:
    """Stem and number of an id that a sequenced frame could give, else None."""
    match = _NUMBERED.fullmatch(event_id) if event_id.startswith(codec.SEQUENCED) else None
    if match is None or int(match[2]) > INT64_MAX:
        return None
    return match[1], int(match[2])


def key_of(event_id: str) -> bytes:
    """What an id is remembered by: 16 bytes of hash; for a numbered id 24, so that one stem's numbers lie in order."""
    parts = numbered(event_id)
    if parts is None:
        return hashlib.blake2b(event_id.encode(), digest_size=16).digest()
    return number_key(*parts)


def number_key(stem: str, number: int) -> bytes:
    """The key of a numbered id."""
    return _stem_key(stem) + number.to_bytes(8, "big")


def number_in(key: bytes) -> int:
    """The number in a numbered id's key."""
    return int.from_bytes(key[16:], "big")


def stem_of(record: Record) -> str:
    """The stem of a sequenced frame."""
    return f"{record.source}:{record.session}"


@lru_cache(maxsize=4096)
def _stem_key(stem: str) -> bytes:
    return hashlib.blake2b(stem.encode(), digest_size=16, person=b"stem").digest()


# -- offers ----------------------------------------------------------------------------------------------------------------


def offer(record: Record) -> Offer:
    """The record with identity and content of each event; raises InvalidEvent where no log could keep it."""
    check(record)
    if record.first_seq:
        return Offer(record)
    if not _decodable(record):
        return Offer(record, [record.id], [key_of(record.id)], [_opaque(record)])
    try:
        ids, digests = codec.ids_of(record), _digests(record)
    except UNREADABLE as error:
        raise InvalidEvent(f"{_name(record)}: expected a payload that decodes, got: {error}") from None
    if not len(ids) == len(digests) == record.n:
        raise InvalidEvent(f"{_name(record)}: expected an id for each of {record.n} readings, got {len(ids)}")
    return Offer(record, ids, [key_of(each) for each in ids], digests)


def contents(record: Record) -> list[bytes]:
    """The digest of each event's content, in order; of the whole payload where this release cannot decode it."""
    try:
        digests = _digests(record)
    except UNREADABLE:
        digests = []
    return digests if len(digests) == record.n else [_opaque(record)] * record.n


def check(record: Record) -> None:
    """Raises InvalidEvent where an envelope is not one that any log could keep."""
    if len(record.payload) > PAYLOAD_MAX:
        raise InvalidEvent(f"{_name(record)}: expected at most {PAYLOAD_MAX} bytes, got {len(record.payload)}")
    if not 1 <= record.n <= (frame.MAX_READINGS if record.type == "telemetry" else 1):
        raise InvalidEvent(f"{_name(record)}: expected 1..{frame.MAX_READINGS} readings or 1 event, got n={record.n}")
    if record.first_seq and record.type != "telemetry":
        raise InvalidEvent(f"{_name(record)}: expected a sequence only on telemetry, got {record.type}")
    numbers = (record.first_seq, record.first_seq + record.n, record.version, record.ingested, record.crc32)
    if min(numbers) < 0 or max(numbers) > INT64_MAX or max(abs(record.t_min), abs(record.t_max)) > INT64_MAX:
        raise InvalidEvent(f"{_name(record)}: expected numbers of 63 bits in the envelope, got one beyond")
    try:
        "".join((record.type, record.id, record.site, record.machine, record.source, record.session, record.clock,
                 record.trace)).encode()  # fmt: skip
    except UnicodeEncodeError as error:
        raise InvalidEvent(f"{_name(record)}: expected text that UTF-8 can carry, got {error.object[:80]!r}") from None
    if not record.intact():
        raise InvalidEvent(f"{_name(record)}: expected a payload that matches its crc32, got another")


def _digests(record: Record) -> list[bytes]:
    return [codec.digest(event) for event in codec.events_of(record)]


def _readings(record: Record) -> list[Telemetry]:
    """The readings of a frame; [] where this release cannot decode it."""
    try:
        readings = [each for each in codec.events_of(record) if isinstance(each, Telemetry)]
    except UNREADABLE:
        return []
    return readings if len(readings) == record.n else []


def _decodable(record: Record) -> bool:
    return record.version == 1 and record.type in TYPES


def _opaque(record: Record) -> bytes:
    return hashlib.blake2b(record.payload, digest_size=16).digest()


def _name(record: Record) -> str:
    return f"{record.type} {record.id[:80]!r} of machine {record.machine[:80]!r}"


# -- the append --------------------------------------------------------------------------------------------------------


def take(shelf: Shelf, offers: Sequence[Offer]) -> Receipt:
    """Puts what is new on the shelf, and says what became of each event."""
    taking = _Taking(shelf)
    for i, each in enumerate(offers):
        if each.record.first_seq:
            taking.sequenced(i, each.record)
        elif _decodable(each.record):
            taking.identified(i, each)
        else:
            taking.opaque(i, each)
    return Receipt(shelf.end, taking.appended, taking.duplicate, tuple(taking.conflicts))


class _Taking:
    """One append under way."""

    def __init__(self, shelf: Shelf) -> None:
        self.appended = 0
        self.duplicate = 0
        self.conflicts: list[Conflict] = []
        self._shelf = shelf

    def sequenced(self, i: int, record: Record) -> None:
        stem, low, high = stem_of(record), record.first_seq, record.first_seq + record.n - 1
        if low > self._shelf.highest(stem):
            self._put(record)
            self._shelf.reached(stem, high)
            return
        stored = self._shelf.overlapping(stem, low, high)
        if any(_same(record, other) for other in stored):
            self.duplicate += record.n
            return
        known = dict(self._shelf.numbered(stem, low, high)) | _frames(stored, low, high)
        if not known:
            self._put(record)
        elif readings := _readings(record):
            self._trim(i, record, readings, known)
        else:
            position = min(seen.position for seen in known.values())
            self.conflicts += [
                Conflict(i, row, f"{codec.SEQUENCED}{stem}:{low + row}", position) for row in range(record.n)
            ]
        self._shelf.reached(stem, high)

    def identified(self, i: int, each: Offer) -> None:
        record = each.record
        elsewhere = self._in_frames(each.ids)
        position = self._shelf.end + 1
        fresh: dict[bytes, Seen] = {}
        keep = []
        for row, (event_id, key, content) in enumerate(zip(each.ids, each.keys, each.contents, strict=True)):
            earlier = (fresh.get(key) or self._shelf.seen(key) or elsewhere.get(row)) if event_id else None
            keep.append(earlier is None)
            if earlier is not None:
                self._again(Conflict(i, row, event_id, earlier.position), earlier.content == content)
            elif event_id:
                fresh[key] = Seen(position, sum(keep) - 1, content)
        trimmed = codec.without(record, keep)
        if trimmed is not None:
            self._put(trimmed)
            self._remember(each.ids, fresh)

    def opaque(self, i: int, each: Offer) -> None:
        key, content, n = each.keys[0], each.contents[0], each.record.n
        earlier = (self._shelf.seen(key) or self._in_frames(each.ids).get(0)) if each.ids[0] else None
        if earlier is None:
            self._put(each.record)
            if each.ids[0]:
                self._remember(each.ids, {key: Seen(self._shelf.end, 0, content)})
            return
        for row in range(n):
            self._again(Conflict(i, row, each.ids[0], earlier.position), earlier.content == content)

    def _trim(self, i: int, record: Record, readings: Sequence[Telemetry], known: Mapping[int, Seen]) -> None:
        for row, reading in enumerate(readings):
            earlier = known.get(record.first_seq + row)
            if earlier is not None:
                self._again(Conflict(i, row, reading.id, earlier.position), earlier.content == codec.digest(reading))
        for start, stop in _runs([record.first_seq + row not in known for row in range(record.n)]):
            run = codec.readings_record(
                readings[start:stop], source=record.source, session=record.session,
                first_seq=record.first_seq + start, site=record.site, trace=record.trace,
            )  # fmt: skip
            self._put(run)

    def _in_frames(self, ids: Sequence[str]) -> dict[int, Seen]:
        """Rows whose id a sequenced frame has brought."""
        found: dict[int, Seen] = {}
        for first, stem, low, high in _stretches(ids):
            if low <= self._shelf.highest(stem):
                known = _frames(self._shelf.overlapping(stem, low, high), low, high)
                found.update((first + number - low, seen) for number, seen in known.items())
        return found

    def _put(self, record: Record) -> None:
        self._shelf.put(record)
        self.appended += record.n

    def _remember(self, ids: Sequence[str], fresh: Mapping[bytes, Seen]) -> None:
        for key, seen in fresh.items():
            self._shelf.remember(key, seen)
        for _, stem, _, high in _stretches(ids):
            self._shelf.reached(stem, high)

    def _again(self, conflict: Conflict, same: bool) -> None:
        if same:
            self.duplicate += 1
        else:
            self.conflicts.append(conflict)


def _same(record: Record, stored: Record) -> bool:
    """Whether a frame came again exactly as it was."""
    return (
        record.first_seq == stored.first_seq
        and record.payload == stored.payload
        and (record.type, record.version, record.machine, record.clock)
        == (stored.type, stored.version, stored.machine, stored.clock)
    )


def _frames(stored: Sequence[Record], low: int, high: int) -> dict[int, Seen]:
    known: dict[int, Seen] = {}
    for record in stored:
        for row, content in enumerate(contents(record)):
            if low <= record.first_seq + row <= high:
                known[record.first_seq + row] = Seen(record.position, row, content)
    return known


def _runs(wanted: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Half-open stretches of True."""
    start = None
    for i, each in enumerate([*wanted, False]):
        if each and start is None:
            start = i
        elif not each and start is not None:
            yield start, i
            start = None


def _stretches(ids: Sequence[str]) -> Iterator[tuple[int, str, int, int]]:
    """(first row, stem, low, high) for every run of rows whose ids are numbered one after the other."""
    row = 0
    while row < len(ids):
        parts = numbered(ids[row])
        first = row
        row += 1
        if parts is None:
            continue
        stem, low = parts
        high = low
        while row < len(ids) and numbered(ids[row]) == (stem, high + 1):
            high += 1
            row += 1
        yield first, stem, low, high
