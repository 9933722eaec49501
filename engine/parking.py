"""Parking: a record that a fold cannot take holds up its own machine and nobody else, until a person decides.

Rules
1. A record is parked where it is damaged (its crc32), of an unknown type or version, does not decode, or makes the fold raise.
   Later records of its machine wait; those of other machines, and of the whole site, go on. A site's own records are a stream
   like a machine's.
2. `parking.released` names the parked event, and says `retry`, `skip` or `patched`. An event is named by its id, or by machine
   and position. Every partition of a log counts its own: a position alone is one in the home partition. The backlog
   is folded at the release's place in the log: facts keep their times and their order, and are known from it on.
3. Where a released record, or one that waited behind it, cannot be taken, the stream is parked again, there.
4. A repeat (engine/first.py) parks nothing and does not wait. What of a record was new is decided where it came, and kept with
   the stream: by the time of the release more is known.
5. All of this hangs on the log alone; what it has come to is a page of the worker's checkpoint. Being parked and released are
   outputs of their own, with a key of their own per machine, so that rows of it are made like all others.
6. What is outside (a disk, memory, another writer) never parks anything.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from tailrace.engine.topology import Topology
from tailrace.schemas import codec, line
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import TYPES, ParkingReleased, Telemetry
from tailrace.schemas.instant import Instant
from tailrace.schemas.parking import KEY, PARKED, RELEASED, Parked
from tailrace.schemas.record import UNREADABLE, Derived, Record

PAGE = "\tparking"
"""Name of the page; no page of a topology begins with a tab."""

RELEASE = "parking.released"
REASON_MAX = 500
"""Characters of a reason that are kept."""


class Known(msgspec.Struct, array_like=True):
    """Which records of a stream that waits are repeats, wholly or in part.

    newest: position of the last record that waits. stretches: (first position, last position, a bit for each event that
    was new); repeats that come one after the other are one stretch.
    """

    newest: int = 0
    stretches: list[tuple[int, int, bytes]] = []

    def waits(self, position: int, keep: Sequence[bool] | None) -> None:
        """A record waits, or what `keep` leaves of it."""
        self.newest = position
        if keep is not None and not all(keep):
            self.stretches.append((position, position, np.packbits(keep).tobytes()))

    def repeat(self, position: int) -> None:
        """A record does not wait."""
        if self.stretches and self.stretches[-1][1] > self.newest:
            position, last = self.stretches.pop()[0], position
        else:
            last = position
        self.stretches.append((position, last, b""))

    def keep(self, record: Record) -> Sequence[bool] | None:
        """Which events of a record were new where it came; None: all of them."""
        at = bisect_right(self.stretches, record.position, key=lambda each: each[0]) - 1
        if at < 0 or self.stretches[at][1] < record.position:
            return None
        bits = self.stretches[at][2]
        if not bits:
            return [False] * record.n
        return np.unpackbits(np.frombuffer(bits, np.uint8), count=record.n).astype(bool).tolist()


class _Page(msgspec.Struct):
    """parked: by machine. n: outputs given out, by machine. folded: events taken, skipped ones included. known: by machine."""

    parked: dict[str, Parked] = {}
    n: dict[str, int] = {}
    folded: int = 0
    skipped: int = 0
    known: dict[str, Known] = {}


class Lot:
    """The parked streams of one topology, as of a position."""

    def __init__(self, topology: Topology, page: bytes | None) -> None:
        self._topology = topology
        self._page = _decode(page) if page else _Page()
        self.changed = False

    @property
    def parked(self) -> Mapping[str, Parked]:
        """What is parked, by machine."""
        return self._page.parked

    @property
    def folded(self) -> int:
        """Events that the fold has taken, and those that a person skipped."""
        return self._page.folded

    @property
    def skipped(self) -> int:
        """Events that a person skipped."""
        return self._page.skipped

    @property
    def waiting(self) -> int:
        """Events that are parked, and that wait behind one."""
        return sum(each.waiting for each in self._page.parked.values())

    def marks(self) -> dict[str, int]:
        """Highest n given out, by key."""
        return {KEY + machine: n for machine, n in self._page.n.items()}

    def encode(self) -> bytes:
        """The page."""
        return _encode(self._page)

    def take(self, records: Sequence[Record]) -> None:
        """Records go into the fold."""
        self._page.folded += sum([record.n for record in records])

    def skip(self, record: Record) -> None:
        """A person wants it to be left out."""
        self._page.folded += record.n
        self._page.skipped += record.n

    def hold(self, record: Record, why: str, cause: int, keep: Sequence[bool] | None = None) -> list[Derived]:
        """A record waits; the first of its machine is what parks it. keep: which events of what is in the log it has."""
        self._page.known.setdefault(record.machine, Known()).waits(record.position, keep)
        stands = self._page.parked.get(record.machine)
        if stands is not None:
            self._page.parked[record.machine] = msgspec.structs.replace(stands, waiting=stands.waiting + record.n)
            return []
        parked = Parked(
            machine=record.machine, position=record.position, id=record.id or str(record.position), type=record.type,
            reason=why[:REASON_MAX], waiting=record.n, copy_of=record.copy_of,
        )  # fmt: skip
        self._page.parked[record.machine] = parked
        return [self._output(record.machine, PARKED, cause, parked)]

    def repeat(self, record: Record) -> None:
        """Nothing of a record is new."""
        if record.machine in self._page.parked:
            self._page.known.setdefault(record.machine, Known()).repeat(record.position)

    def named(self, release: ParkingReleased, copied: bool) -> Parked | None:
        """The parked record that a release is about; copied: the release is a copy of one in the home partition."""
        for machine, parked in self._page.parked.items():
            place = str(parked.copy_of or parked.position)
            if release.parked == place and (release.machine == machine or not (release.machine or copied)):
                return parked
            if release.parked == parked.id != place and release.machine in ("", machine):
                return parked
        return None

    def known(self, parked: Parked) -> Known:
        """What of a parked stream is not new; to be asked before it is opened."""
        return self._page.known.get(parked.machine, Known())

    def open(self, parked: Parked, cause: int) -> list[Derived]:
        """The stream goes on."""
        del self._page.parked[parked.machine]
        self._page.known.pop(parked.machine, None)
        return [self._output(parked.machine, RELEASED, cause, parked)]

    def _output(self, machine: str, kind: str, cause: int, parked: Parked) -> Derived:
        self.changed = True
        n = self._page.n[machine] = self._page.n.get(machine, 0) + 1
        return Derived(
            topology=self._topology.name, version=self._topology.version, key=KEY + machine, first_n=n, kind=kind,
            cause=cause, body=_encode(parked),
        )  # fmt: skip


def lot_of(page: bytes | None) -> Mapping[str, Parked]:
    """What is parked according to a page, by machine, for those who only read."""
    return _decode(page).parked if page else {}


def counts_of(page: bytes | None) -> tuple[int, int, int]:
    """Events folded (skipped ones included), skipped, and parked or waiting, according to a page."""
    found = _decode(page) if page else _Page()
    return found.folded, found.skipped, sum(each.waiting for each in found.parked.values())


def wrong(record: Record) -> str:
    """Why no fold of this release can take a record; empty where that is for the fold to say."""
    if not record.intact():
        return f"damaged: expected a payload with crc32 {record.crc32:#010x}, got another; restore it from a backup"
    if record.version == UNREADABLE:
        return "expected the envelope of a record that Tailrace wrote, got one that cannot be read"
    if record.version != 1 or record.type not in TYPES:
        return f"expected a type and version that this release knows, got {record.type}@{record.version}"
    if record.type == "telemetry":
        return ""
    try:
        for _ in codec.events_of(record):
            pass
    except InvalidEvent as error:
        return str(error)
    return ""


def release_of(record: Record) -> ParkingReleased:
    """The event of an intact `parking.released` record."""
    (event,) = codec.events_of(record)
    assert isinstance(event, ParkingReleased)
    return event


def patched(record: Record, patch: Mapping[str, Any]) -> list[Record]:
    """What stands in place of a record: its event with other fields, or the whole events that `events` lists.

    Raises InvalidEvent where that is no event, or of another machine.
    """
    given = patch.get("events")
    lines = given if isinstance(given, list) else [_fields(record) | dict(patch)]
    return list(_records(record, [_event(record, i, each) for i, each in enumerate(lines)]))


def _event(record: Record, i: int, fields: Any) -> Any:
    event = line.parse(msgspec.json.encode(fields))
    if event.machine != record.machine:
        raise InvalidEvent(f"patch: expected an event of machine {record.machine!r}, got one of {event.machine!r}")
    named = event.id or (f"{record.id}+{i}" if i else record.id)
    return msgspec.structs.replace(event, id=named, ingested=Instant(record.ingested))


def _records(record: Record, events: list[Any]) -> Iterator[Record]:
    envelope = {"source": record.source, "session": record.session, "site": record.site}
    readings = [event for event in events if isinstance(event, Telemetry)]
    made = [codec.readings_record(readings, **envelope)] if readings else []
    made += [codec.record_of(event, **envelope) for event in events if not isinstance(event, Telemetry)]
    for each in made:
        yield msgspec.structs.replace(each, position=record.position)


def _fields(record: Record) -> dict[str, Any]:
    """The fields of a record's only event by name, as in an events file; none where it cannot be read."""
    if wrong(record):
        return {}
    events = list(codec.events_of(record))
    if len(events) != 1:
        raise InvalidEvent(f"patch: expected `events` in place of {len(events)} readings, got fields of one event")
    return msgspec.json.decode(codec.to_line(events[0]), type=dict[str, Any])


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Page).decode
