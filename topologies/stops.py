"""Topology `stops`: the stretches of each machine's states, and its stops with what people say of them.

Rules:
1. After every record the stretches that it touched are compared with what they were; what is new or different is said, what is
   gone is said to be empty (its end is its start).
2. A stop keeps its id while it grows; of stops that become one the earliest keeps its id, of a stop that is cut the first
   part. An id is a hash of the machine and the start that the stop had when it was first said; a stop that comes back at the
   start at which it went has its id again.
3. What is said of a stop is the latest standing reason that overlaps it; without one it is `unplanned`.
4. An edit that names a revision gets a verdict, before what it changes is said.
5. Where people cut and join, stops end and begin (downs.py); no bucket is other for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from tailrace.engine.topology import Load
from tailrace.schemas import codec
from tailrace.schemas.bucket import CATEGORIES
from tailrace.schemas.event import StopMerged
from tailrace.schemas.instant import DAY, Instant
from tailrace.schemas.record import Record
from tailrace.schemas.stop import (
    ACCEPTED,
    CLOSED,
    INTERVAL,
    OPENED,
    REJECTED,
    RESTATED,
    StateInterval,
    Stop,
    Verdict,
    encode,
)
from tailrace.topologies import facts, marks
from tailrace.topologies.cells import Cells, Output
from tailrace.topologies.clocks import LOST
from tailrace.topologies.downs import Down, stops
from tailrace.topologies.interval import Stretch, begin_of, end_of, stretches
from tailrace.topologies.machine import Machine, Touched
from tailrace.topologies.marks import Edit, Mark, Span
from tailrace.topologies.plan import NONE, UNKNOWN, Reason
from tailrace.topologies.steps import FOREVER

FOLDED = frozenset({
    "state.changed", "reason.assigned", "reason.retracted", "stop.split", "stop.merged", "definition.set",
    "machine.registered", "connection.lost", "clock.ticked",
})  # fmt: skip

_WORDS = {name: "planned_stop" if name == "planned" else name for name in CATEGORIES}


class Stops:
    """The topology: name, version, and a state from its pages."""

    name = "stops"
    version = 3

    def restore(self, marks: Mapping[str, int], load: Load) -> StopsState:
        """The state whose pages `load` gives; marks: highest n by machine."""
        return Cells(self.name, self.version, FOLDED, _Cell, marks, load)


class _Cell:
    """A machine and the stops that were said of it."""

    def __init__(self, machine: Machine, load: Load) -> None:
        self.machine = machine
        self._known = _Known(load)
        self._said: set[str] = set()
        self._out: list[Output] = []

    def take(self, records: Sequence[Record]) -> None:
        """Records of this machine, or one of the site."""
        for record in records:
            self._one(record)

    def _one(self, record: Record) -> None:
        for event in codec.events_of(record):
            said = self._located(event) if isinstance(event, StopMerged) else event
            if record.type == "state.changed":
                self.machine.head.first = min(self.machine.head.first, int(said.t))
            if isinstance(said, Edit):
                self._judge(said, record.position)
            reach, change = facts.fact(self.machine, said, record.position)
            if reach == FOREVER and record.type == "clock.ticked":
                change()
            else:
                self._change(change, record.position)
            if isinstance(said, Edit):
                self._revise(said, record.position)

    def flush(self) -> list[Output]:
        """What was decided since the last call."""
        out, self._out = self._out, []
        return out

    def pages(self) -> Mapping[str, bytes]:
        """The stops of the days that changed."""
        return self._known.pages()

    def _located(self, said: StopMerged) -> StopMerged:
        """A join that does not say from where to where, between the stops that are known by its ids now."""
        if said.start is not None:
            return said
        starts = [stop.start for stop in self._known.all() if stop.id in said.stops]
        if len(starts) < len(set(said.stops)):
            return said
        return msgspec.structs.replace(said, start=Instant(min(starts)), end=Instant(max(starts)))

    def _judge(self, said: Edit, cause: int) -> None:
        plan = self.machine.head.plan
        made_on = [(stop, revision) for stop, revision in marks.made_on(said) if revision is not None]
        if not made_on:
            return
        outdated = plan.outdated(said)
        stop, expected = outdated or made_on[0]
        verdict = Verdict(
            id=said.id, stop=stop, accepted=not outdated, expected_revision=expected, revision=plan.revision(stop)
        )
        self._out.append(Output(REJECTED if outdated else ACCEPTED, 1, cause, encode(verdict)))

    def _revise(self, said: Edit, cause: int) -> None:
        """Says the stops that the edit names and that it changed in nothing but their revision."""
        named = {stop for stop, _ in marks.made_on(said)} - self._said
        for stop in self._known.all() if named else ():
            revision = self.machine.head.plan.revision(stop.id)
            if stop.id in named and stop.revision != revision:
                revised = msgspec.structs.replace(stop, revision=revision)
                self._known.replace(stop.start, stop.start + 1, [revised])
                self._out.append(Output(RESTATED, 1, cause, encode(revised)))

    def _change(self, change: Callable[[], Touched], cause: int) -> None:
        self._said.clear()
        before = self.machine.view()
        start, end = change()
        earliest = min(self.machine.earliest(), before.earliest())
        if start >= end or earliest == FOREVER:
            return
        a = max(start, earliest)
        lo = min(begin_of(before, a), begin_of(self.machine, a))
        hi = max(end_of(before, end), end_of(self.machine, end)) if end < FOREVER else FOREVER
        if lo >= hi:
            return
        was, now = stretches(before, lo, hi), stretches(self.machine, lo, hi)
        self._say_intervals(_kept(was), _kept(now), cause)
        if self.machine.head.plan.marks:
            lo, hi = self._known.around(lo, hi)
            now = stretches(self.machine, *self._known.around(lo, hi))
        found = stops(now, self.machine.head.plan.standing_marks())
        self._say_stops(lo, hi, [down for down in found if lo <= down.start < hi], cause)

    def _say_intervals(self, was: Mapping[int, Stretch], now: Mapping[int, Stretch], cause: int) -> None:
        for start in sorted(was.keys() | now.keys()):
            old, new = was.get(start), now.get(start)
            if old == new:
                continue
            here = new or old
            assert here is not None
            end = None if new and new.end == FOREVER else new.end if new else start
            word = self._word(here.word)
            state, why = ("unknown", LOST) if word == LOST else (word, "")
            category = _WORDS[CATEGORIES[here.category]]
            said = StateInterval(start=start, end=end, state=state, category=category, why=why)
            self._out.append(Output(INTERVAL, 1, cause, encode(said)))

    def _say_stops(self, lo: int, hi: int, found: Sequence[Down], cause: int) -> None:
        left = self._known.between(lo, hi)
        kept: list[Stop | None] = []
        for down in found:
            mine = [stop for stop in left if stop.start < down.end and down.start < _until(stop)]
            left = [stop for stop in left if stop not in mine] + mine[1:]
            kept.append(mine[0] if mine else None)
        for stop in left:
            self._said.add(stop.id)
            self._known.free(stop)
            gone = msgspec.structs.replace(stop, end=stop.start)
            self._out.append(Output(RESTATED, 1, cause, encode(gone)))
        now = [self._stop(stop, down) for stop, down in zip(kept, found, strict=True)]
        for old, new in zip(kept, now, strict=True):
            self._say_stop(old, new, cause)
        self._known.replace(lo, hi, now)

    def _stop(self, kept: Stop | None, down: Down) -> Stop:
        parts = down.parts()
        said = [r for r in self.machine.head.plan.standing() if _overlap(r.parts(), parts)]
        reason = said[-1] if said else None
        edits: list[Reason | Mark] = [*said[-1:], *down.marks]
        id_ = kept.id if kept else self._known.issue(self.machine.name, down.start)
        return Stop(
            id=id_,
            start=down.start,
            end=None if down.end == FOREVER else down.end,
            state=self._word(down.word),
            category=_WORDS[CATEGORIES[reason.category]] if reason else "unplanned",
            reason=reason.reason if reason else "",
            by=reason.by if reason else "",
            revision=self.machine.head.plan.revision(id_),
            gaps=list(down.gaps),
            edit=max(edits, key=lambda edit: (edit.t, edit.seq, edit.position)).id if edits else "",
        )

    def _say_stop(self, kept: Stop | None, stop: Stop, cause: int) -> None:
        self._said.add(stop.id)
        if kept == stop:
            return
        if kept is None and stop.end is None:
            kind = OPENED
        elif stop.end is not None and (kept is None or kept.end is None):
            kind = CLOSED
        else:
            kind = RESTATED
        self._out.append(Output(kind, 1, cause, encode(stop)))

    def _word(self, code: int) -> str:
        return "" if code == NONE else self.machine.head.words[code]


StopsState = Cells[_Cell]
"""Every machine's states and the stops that were said of them."""


class _Page(msgspec.Struct, array_like=True):
    """Stops that begin on a day, how many ids were made from each start of it, and ids of stops that went, by start."""

    stops: list[Stop] = []
    issued: dict[int, int] = {}
    free: dict[int, list[str]] = {}


class _Known:
    """The stops as they were last said, by the day in which they begin; `load` gives a page by name."""

    def __init__(self, load: Load) -> None:
        self._load = load
        page = load("stops")
        self._numbers: list[int] = _decode_numbers(page) if page else []
        self._days: dict[int, _Page] = {}
        self._dirty: set[int] = set()

    def between(self, lo: int, hi: int) -> list[Stop]:
        """Stops that begin in [lo, hi), in order."""
        days = [number for number in self._numbers if lo // DAY <= number <= hi // DAY]
        return [stop for number in days for stop in self._day(number).stops if lo <= stop.start < hi]

    def all(self) -> Iterator[Stop]:
        """Every stop, in order."""
        return (stop for number in tuple(self._numbers) for stop in tuple(self._day(number).stops))

    def around(self, lo: int, hi: int) -> tuple[int, int]:
        """[lo, hi), the stops before and after it, which a mark may join with what is in it, and those without a gap beside."""
        left, right = lo, max([hi, *map(_until, self.between(lo, hi))])
        for stop in self._backward(lo):
            if left < lo and _until(stop) < left:
                break
            left, right = stop.start, max(right, _until(stop))
        for nth, stop in enumerate(self._forward(hi)):
            if nth and right < stop.start:
                break
            right = max(right, _until(stop))
        return left, right

    def _backward(self, t: int) -> Iterator[Stop]:
        """Stops that begin before t, the last first."""
        days = [number for number in reversed(self._numbers) if number <= t // DAY]
        return (stop for number in days for stop in reversed(self._day(number).stops) if stop.start < t)

    def _forward(self, t: int) -> Iterator[Stop]:
        """Stops that begin at t or later, in order."""
        days = [number for number in self._numbers if number >= t // DAY]
        return (stop for number in days for stop in self._day(number).stops if stop.start >= t)

    def replace(self, lo: int, hi: int, stops: Sequence[Stop]) -> None:
        """Puts these in place of all that begin in [lo, hi)."""
        touched = {stop.start // DAY for stop in (*self.between(lo, hi), *stops)}
        for number in touched:
            mine = [stop for stop in stops if stop.start // DAY == number]
            kept = [stop for stop in self._day(number).stops if not lo <= stop.start < hi]
            self._day(number).stops = sorted([*kept, *mine], key=lambda stop: stop.start)
        self._touch(touched)

    def issue(self, machine: str, start: int) -> str:
        """The id of the stop that went at this start, else one that no stop of the machine had before."""
        day = self._day(start // DAY)
        if day.free.get(start):
            self._touch({start // DAY})
            return day.free[start].pop(0)
        nth = day.issued[start] = day.issued.get(start, 0) + 1
        self._touch({start // DAY})
        return hashlib.blake2b(f"{machine}\n{start}\n{nth}".encode(), digest_size=12).hexdigest()

    def free(self, stop: Stop) -> None:
        """The stop is gone; its id waits for it."""
        free = self._day(stop.start // DAY).free
        free[stop.start] = sorted([*free.get(stop.start, []), stop.id])
        self._touch({stop.start // DAY})

    def _touch(self, numbers: set[int]) -> None:
        self._numbers = sorted({*self._numbers, *numbers})
        self._dirty |= numbers

    def pages(self) -> dict[str, bytes]:
        if not self._dirty:
            return {}
        pages = {f"stops/{number}": encode(self._days[number]) for number in sorted(self._dirty)}
        newest = max(self._days)
        self._days = {number: day for number, day in self._days.items() if number == newest}
        self._dirty.clear()
        return pages | {"stops": encode(self._numbers)}

    def _day(self, number: int) -> _Page:
        if number not in self._days:
            page = self._load(f"stops/{number}") if number in self._numbers else None
            self._days[number] = _decode_page(page) if page else _Page()
        return self._days[number]


def _kept(found: Sequence[Stretch]) -> dict[int, Stretch]:
    """Stretches by start, without those of which nothing is known at all."""
    return {s.start: s for s in found if s.word != NONE or s.category != UNKNOWN}


def _until(stop: Stop) -> int:
    return FOREVER if stop.end is None else stop.end


def _overlap(some: Sequence[Span], others: Sequence[Span]) -> bool:
    return any(a < d and c < b for a, b in some for c, d in others)


_decode_numbers = msgspec.msgpack.Decoder(list[int]).decode
_decode_page = msgspec.msgpack.Decoder(_Page).decode
