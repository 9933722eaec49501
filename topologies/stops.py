"""Topology `stops`: the stretches of each machine's states, and its stops with what people say of them.

Rules:
1. After every record the stretches that it touched are compared with what they were; what is new or different is said, what is
   gone is said to be empty (its end is its start).
2. A stop keeps its id while it grows; of stops that become one the earliest keeps its id, of a stop that is cut the first
   part. An id is a hash of the machine and the start that the stop had when it was first said.
3. What is said of a stop is the latest standing reason that overlaps it; without one it is `unplanned`.
4. An edit that names a revision gets a verdict, before what it changes is said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import msgspec

from tailrace.engine.topology import Load
from tailrace.schemas import codec
from tailrace.schemas.bucket import CATEGORIES
from tailrace.schemas.event import ReasonAssigned
from tailrace.schemas.instant import DAY
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
from tailrace.topologies import facts
from tailrace.topologies.cells import Cells, Output
from tailrace.topologies.interval import Stretch, begin_of, downs, end_of, stretches
from tailrace.topologies.machine import Machine, Touched
from tailrace.topologies.plan import NONE, UNKNOWN
from tailrace.topologies.steps import FOREVER

FOLDED = frozenset({"state.changed", "reason.assigned", "reason.retracted", "definition.set", "machine.registered"})

_WORDS = {name: "planned_stop" if name == "planned" else name for name in CATEGORIES}


class Stops:
    """The topology: name, version, and a state from its pages."""

    name = "stops"
    version = 1

    def restore(self, marks: Mapping[str, int], load: Load) -> StopsState:
        """The state whose pages `load` gives; marks: highest n by machine."""
        return Cells(self.name, self.version, FOLDED, _Cell, marks, load)


class _Cell:
    """A machine and the stops that were said of it."""

    def __init__(self, machine: Machine, load: Load) -> None:
        self.machine = machine
        self._known = _Known(load)
        self._out: list[Output] = []

    def take(self, record: Record) -> None:
        """A record of this machine, or of the site."""
        for said in codec.events_of(record):
            if record.type == "state.changed":
                self.machine.head.first = min(self.machine.head.first, int(said.t))
            if isinstance(said, ReasonAssigned) and said.expected_revision is not None:
                self._judge(said, said.expected_revision, record.position)
            _, change = facts.fact(self.machine, said, record.position)
            self._change(change, record.position)

    def flush(self) -> list[Output]:
        """What was decided since the last call."""
        out, self._out = self._out, []
        return out

    def pages(self) -> Mapping[str, bytes]:
        """The stops of the days that changed."""
        return self._known.pages()

    def _judge(self, said: ReasonAssigned, expected: int, cause: int) -> None:
        plan = self.machine.head.plan
        accepted = plan.accepts(said)
        verdict = Verdict(
            id=said.id, stop=said.stop, accepted=accepted, expected_revision=expected, revision=plan.revision(said.stop)
        )
        self._out.append(Output(ACCEPTED if accepted else REJECTED, 1, cause, encode(verdict)))

    def _change(self, change: Callable[[], Touched], cause: int) -> None:
        before = self.machine.view()
        start, end = change()
        if start >= end or self.machine.earliest() == FOREVER:
            return
        a = max(start, min(self.machine.earliest(), before.earliest()))
        lo = min(begin_of(before, a), begin_of(self.machine, a))
        hi = max(end_of(before, end), end_of(self.machine, end)) if end < FOREVER else FOREVER
        if lo >= hi:
            return
        was, now = stretches(before, lo, hi), stretches(self.machine, lo, hi)
        self._say_intervals(_kept(was), _kept(now), cause)
        self._say_stops(lo, hi, list(downs(now)), cause)

    def _say_intervals(self, was: Mapping[int, Stretch], now: Mapping[int, Stretch], cause: int) -> None:
        for start in sorted(was.keys() | now.keys()):
            old, new = was.get(start), now.get(start)
            if old == new:
                continue
            here = new or old
            assert here is not None
            end = None if new and new.end == FOREVER else new.end if new else start
            said = StateInterval(
                start=start, end=end, state=self._word(here.word), category=_WORDS[CATEGORIES[here.category]]
            )
            self._out.append(Output(INTERVAL, 1, cause, encode(said)))

    def _say_stops(self, lo: int, hi: int, found: Sequence[tuple[int, int, int]], cause: int) -> None:
        left = self._known.between(lo, hi)
        now: list[Stop] = []
        for start, end, word in found:
            mine = [stop for stop in left if stop.start < end and start < (FOREVER if stop.end is None else stop.end)]
            left = [stop for stop in left if stop not in mine]
            kept = mine[0] if mine else None
            left += mine[1:]
            now.append(self._stop(kept, start, None if end == FOREVER else end, word))
            self._say_stop(kept, now[-1], cause)
        for stop in left:
            gone = msgspec.structs.replace(stop, end=stop.start)
            self._out.append(Output(RESTATED, 1, cause, encode(gone)))
        self._known.replace(lo, hi, now)

    def _stop(self, kept: Stop | None, start: int, end: int | None, word: int) -> Stop:
        until = FOREVER if end is None else end
        said = [r for r in self.machine.head.plan.standing() if r.start < until and r.end > start]
        reason = said[-1] if said else None
        id_ = kept.id if kept else self._known.issue(self.machine.name, start)
        return Stop(
            id=id_,
            start=start,
            end=end,
            state=self._word(word),
            category=_WORDS[CATEGORIES[reason.category]] if reason else "unplanned",
            reason=reason.reason if reason else "",
            by=reason.by if reason else "",
            revision=self.machine.head.plan.revision(id_),
        )

    def _say_stop(self, kept: Stop | None, stop: Stop, cause: int) -> None:
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
    """Stops that begin on a day, and how many ids were made from each start of it."""

    stops: list[Stop] = []
    issued: dict[int, int] = {}


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

    def replace(self, lo: int, hi: int, stops: Sequence[Stop]) -> None:
        """Puts these in place of all that begin in [lo, hi)."""
        touched = {stop.start // DAY for stop in (*self.between(lo, hi), *stops)}
        for number in touched:
            mine = [stop for stop in stops if stop.start // DAY == number]
            kept = [stop for stop in self._day(number).stops if not lo <= stop.start < hi]
            self._day(number).stops = sorted([*kept, *mine], key=lambda stop: stop.start)
        self._touch(touched)

    def issue(self, machine: str, start: int) -> str:
        """An id that no stop of the machine had before."""
        day = self._day(start // DAY)
        nth = day.issued[start] = day.issued.get(start, 0) + 1
        self._touch({start // DAY})
        return hashlib.blake2b(f"{machine}\n{start}\n{nth}".encode(), digest_size=12).hexdigest()

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


_decode_numbers = msgspec.msgpack.Decoder(list[int]).decode
_decode_page = msgspec.msgpack.Decoder(_Page).decode
