"""Events into records: readings share frames, every other event is a record of its own. Pure.

Rules: the events of one machine keep their order; what concerns the whole site (no machine) keeps its place among all.
A frame holds readings of one machine, clock, ingest time and session, at most 1000, whose signals keep their type; where
ids are the source's own sequence it holds consecutive numbers, and then the envelope is their identity. A frame that would
be mostly holes is closed, since an empty cell costs as much as a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tailrace.schemas import codec, frame
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import AnyEvent, Telemetry
from tailrace.schemas.record import Record

HOLES_MAX = 4
"""How many cells a frame may have for each value in it."""

CELLS_FREE = 256
"""A frame this small may have any holes: a second header would cost more."""

TEXT_MAX = 1 << 20
"""Characters of text in a frame of more than one reading."""


class Arrival(NamedTuple):
    """An event on its way into the log, with the run of its sender and what it was made of."""

    event: AnyEvent
    session: str
    raw: bytes = b""
    where: str = ""


class Packed(NamedTuple):
    """A record and the arrivals inside, in its order."""

    record: Record
    arrivals: Sequence[Arrival]


class Refused(NamedTuple):
    """An arrival that no record can hold, and why."""

    arrival: Arrival
    reason: str


def pack(arrivals: Iterable[Arrival], *, source: str, site: str) -> tuple[list[Packed], list[Refused]]:
    """The arrivals as records of a source, and those that cannot be written down."""
    packed: list[Packed] = []
    refused: list[Refused] = []
    for group in _groups(arrivals, source):
        _encode(group, source, site, packed, refused)
    return packed, refused


def sequence(event_id: str, source: str, session: str) -> int:
    """n of an id `seq:<source>:<session>:<n>` of this very source and session, else 0."""
    stem = f"{codec.SEQUENCED}{source}:{session}:"
    digits = event_id[len(stem) :]
    if not event_id.startswith(stem) or not digits.isascii() or not digits.isdigit() or digits[0] == "0":
        return 0
    return int(digits) if len(digits) <= 18 else 0


class _Group:
    """Arrivals of one record. Only a group of readings is open for more."""

    __slots__ = ("_filled", "_kinds", "_next", "_text", "arrivals", "first_seq")

    def __init__(self, arrival: Arrival, first_seq: int) -> None:
        self.arrivals = [arrival]
        self.first_seq = first_seq
        self._next = first_seq + 1
        self._kinds: dict[tuple[str, bool], str] = {}
        self._filled = 0
        self._text = 0
        if isinstance(arrival.event, Telemetry):
            self._take(arrival.event)

    def join(self, arrival: Arrival, n: int) -> bool:
        """Takes one more reading, if this frame may hold it."""
        reading, first = arrival.event, self.arrivals[0]
        assert isinstance(reading, Telemetry)
        fits = (
            len(self.arrivals) < frame.MAX_READINGS
            and self._text < TEXT_MAX
            and reading.clock == first.event.clock
            and reading.ingested == first.event.ingested
            and arrival.session == first.session
            and (n == self._next if self.first_seq else n == 0)
            and self._kinds_agree(reading)
        )
        if fits:
            self.arrivals.append(arrival)
            self._next += 1
            self._take(reading)
        return fits

    def _kinds_agree(self, reading: Telemetry) -> bool:
        kinds = self._kinds
        fresh = 0
        for name, value in reading.values.items():
            known = kinds.get((name, False))
            if known is None:
                fresh += 1
            elif known and known != frame.kind_of(value):
                return False
        fresh += sum((name, True) not in kinds for name in reading.counters)
        filled = self._filled + len(reading.values) + len(reading.counters)
        cells = (len(kinds) + fresh) * (len(self.arrivals) + 1)
        return cells <= CELLS_FREE + HOLES_MAX * filled

    def _take(self, reading: Telemetry) -> None:
        for name in reading.quality:
            self._kinds.setdefault((name, name in reading.counters), "")
        for name, value in reading.values.items():
            self._kinds[name, False] = frame.kind_of(value)
            self._text += len(value) if isinstance(value, str) else 0
        for name in reading.counters:
            self._kinds[name, True] = "i8"
        self._filled += len(reading.values) + len(reading.counters)


def _groups(arrivals: Iterable[Arrival], source: str) -> list[_Group]:
    groups: list[_Group] = []
    open_: dict[str, _Group] = {}
    for arrival in arrivals:
        event = arrival.event
        if not event.machine:
            open_.clear()
        frames = isinstance(event, Telemetry)
        n = sequence(event.id, source, arrival.session) if frames else 0
        current = open_.pop(event.machine, None)
        if frames and current is not None and current.join(arrival, n):
            open_[event.machine] = current
            continue
        groups.append(_Group(arrival, n))
        if frames:
            open_[event.machine] = groups[-1]
    return groups


def _encode(group: _Group, source: str, site: str, packed: list[Packed], refused: list[Refused]) -> None:
    try:
        packed.append(Packed(_record(group.arrivals, group.first_seq, source, site), group.arrivals))
    except (InvalidEvent, ValueError, OverflowError) as error:
        if len(group.arrivals) == 1:
            refused.append(Refused(group.arrivals[0], f"it cannot be written down: {error}"))
            return
        for i, arrival in enumerate(group.arrivals):
            _encode(_Group(arrival, group.first_seq and group.first_seq + i), source, site, packed, refused)


def _record(arrivals: Sequence[Arrival], first_seq: int, source: str, site: str) -> Record:
    session = arrivals[0].session
    readings = [arrival.event for arrival in arrivals if isinstance(arrival.event, Telemetry)]
    if readings:
        return codec.readings_record(readings, source=source, session=session, first_seq=first_seq, site=site)
    return codec.record_of(arrivals[0].event, source=source, session=session, site=site)
