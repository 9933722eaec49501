"""A state made of machines: which records reach which machine, its pages, and the numbers of its outputs.

Rules: a record with a machine reaches that one; one without reaches every machine, known or (but for PASSING) yet to come.
Outputs are numbered per machine from 1, in the order of their records. A cell is one machine's part of a topology and knows
nothing of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from tailrace.engine.topology import Load
from tailrace.schemas.errors import InvalidEvent, Unavailable
from tailrace.schemas.record import Derived, Record
from tailrace.topologies.head import Head
from tailrace.topologies.machine import Machine

PASSING = frozenset({"connection.lost"})
"""Types that say nothing of a machine that appears later."""

HOT_BYTES = 32 * 1024 * 1024
"""Day pages kept in memory once they are saved, over all machines: a day of a counter at 1 Hz is 2.7 MB."""


class Output(NamedTuple):
    """n outputs of one kind, the last of them caused by the record at a position."""

    kind: str
    n: int
    cause: int
    body: bytes


class Cell(Protocol):
    """One machine's part of a topology: facts go in, and `flush` gives what is decided; `pages` what is its own to keep.

    What is decided at a record's end is the same however records are handed to `take`, one by one or many at a time.
    """

    machine: Machine

    def take(self, records: Sequence[Record]) -> None: ...

    def flush(self) -> Iterable[Output]: ...

    def pages(self) -> Mapping[str, bytes]: ...


C = TypeVar("C", bound=Cell)

Make = Callable[[Machine, Load], C]
"""A cell from a machine's facts, and the pages of its own by name."""


class Site(msgspec.Struct):
    """What a machine that appears later must know: what was said to all, and how far time had come."""

    machines: list[str] = []
    records: list[bytes] = []
    tick: bytes = b""

    def keep(self, record: Record) -> None:
        if record.type != "clock.ticked":
            self.records.append(_encode(record))
        elif not self.tick or record.t_max > _decode_record(self.tick).t_max:
            self.tick = _encode(record)

    def said(self) -> Iterator[Record]:
        yield from map(_decode_record, self.records)
        if self.tick:
            yield _decode_record(self.tick)


class Cells(Generic[C]):
    """The state of a topology that folds the types `folded`, machine by machine."""

    def __init__(
        self, name: str, version: int, folded: frozenset[str], make: Make[C], marks: Mapping[str, int], load: Load
    ) -> None:
        self.marks: dict[str, int] = dict(marks)
        self._name, self._version, self._folded = name, version, folded
        self._make, self._load = make, load
        page = load("site")
        self._site = _decode_site(page) if page else Site()
        self._site_dirty = False
        self._cells: dict[str, C] = {}
        self._touched: set[str] = set()

    @property
    def machines(self) -> Sequence[str]:
        """Names of the machines that were seen."""
        return self._site.machines

    def machine(self, name: str) -> Machine:
        """A machine's facts, for queries."""
        return self._cell(name).machine

    def only(self, name: str) -> None:
        """Lets go of every other machine: what is asked about one needs no page of another. Such a state is never saved."""
        self._site.machines = [machine for machine in self._site.machines if machine == name]

    def fold(self, records: Sequence[Record]) -> list[Derived]:
        """The outputs that the records cause, in order per machine."""
        stepped: dict[str, None] = {}
        waiting: dict[str, list[Record]] = {}
        for record in records:
            if record.type not in self._folded:
                continue
            if record.version != 1:
                raise InvalidEvent(
                    f"position {record.position}: {record.type}@{record.version} is not known to {self._name}@{self._version}"
                )
            run = waiting.get(record.machine)
            if run is not None:
                run.append(record)
            elif record.machine:
                self._meet(record.machine)
                stepped[record.machine] = None
                waiting[record.machine] = [record]
            else:
                self._hand(waiting)
                waiting = {}
                stepped |= dict.fromkeys(self._to_all(record))
        self._hand(waiting)
        self._touched.update(stepped)
        return [derived for name in stepped for derived in self._numbered(name, self._cell(name).flush())]

    def dirty(self) -> dict[str, bytes]:
        """Pages that changed since the last call."""
        pages: dict[str, bytes] = {}
        if self._site_dirty:
            pages["site"] = _encode(self._site)
            self._site_dirty = False
        for name in sorted(self._touched):
            cell = self._cells[name]
            pages |= {f"{page}:{name}": body for page, body in cell.pages().items()}
            pages[f"machine:{name}"] = _encode(cell.machine.head)
            pages |= {f"day:{number}:{name}": body for number, body in cell.machine.pages()}
        self._touched.clear()
        self._cool()
        return pages

    def _hand(self, waiting: Mapping[str, Sequence[Record]]) -> None:
        """Gives each machine its records: they are in order, and machines know nothing of each other."""
        for name, records in waiting.items():
            self._cell(name).take(records)

    def _to_all(self, record: Record) -> Sequence[str]:
        """A record of the site; gives whom it reached."""
        if record.type not in PASSING:
            self._site.keep(record)
            self._site_dirty = True
        for name in self._site.machines:
            self._cell(name).take([record])
        return self._site.machines

    def _meet(self, name: str) -> None:
        if name in self._cells or name in self._site.machines:
            return
        self._site.machines.append(name)
        self._site_dirty = True
        cell = self._cells[name] = self._made(name, Head())
        for said in self._site.said():
            cell.take([said])

    def _cell(self, name: str) -> C:
        if name not in self._cells:
            page = self._load(f"machine:{name}")
            if page is None:
                raise Unavailable(f"machine {name!r} has no page; delete the read store, it is rebuilt from the log")
            self._cells[name] = self._made(name, _decode_head(page))
        return self._cells[name]

    def _made(self, name: str, head: Head) -> C:
        machine = Machine(name, head, lambda number: self._load(f"day:{number}:{name}"))
        return self._make(machine, lambda page: self._load(f"{page}:{name}"))

    def _numbered(self, key: str, outputs: Iterable[Output]) -> Iterator[Derived]:
        for kind, n, cause, body in outputs:
            first = self.marks.get(key, 0) + 1
            self.marks[key] = first + n - 1
            yield Derived(
                topology=self._name,
                version=self._version,
                key=key,
                first_n=first,
                n=n,
                kind=kind,
                cause=cause,
                body=body,
            )

    def _cool(self) -> None:
        kept = sum(day.size for cell in self._cells.values() for day in cell.machine.hot.values())
        for cell in self._cells.values():
            if kept <= HOT_BYTES:
                return
            kept -= cell.machine.cool()


_encode = msgspec.msgpack.Encoder(enc_hook=int).encode
_decode_head = msgspec.msgpack.Decoder(Head, dec_hook=lambda kind, value: kind(value)).decode
_decode_site = msgspec.msgpack.Decoder(Site).decode
_decode_record = msgspec.msgpack.Decoder(Record).decode
