"""Topology `oee`: what happened at each machine, as policy-free buckets of a minute, emitted when the minute is over.

Rules:
1. A minute of a machine is emitted once the machine's watermark (latest observation) has passed its end, with revision 1.
2. A record that changes an emitted minute emits it again, as the next revision, at that record's end.
3. Facts at or after the watermark's own minute change nothing that was emitted; their closings are worked out together at
   the end of the step, which gives the same outputs in the same order as doing it at every record's end.
4. Where nothing is observed for more than QUIET days, only the first and the last of them become buckets.
5. What is restated says by whom and why: an output of restated minutes has one cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.engine.topology import Load
from tailrace.schemas import bucket, codec, event
from tailrace.schemas.bucket import ROWS_MAX, Buckets, Cause
from tailrace.schemas.instant import DAY, MINUTE
from tailrace.schemas.record import Record
from tailrace.schemas.stack import Stack, stacks
from tailrace.topologies import facts
from tailrace.topologies.cause import cause_of
from tailrace.topologies.cells import Cells, Output
from tailrace.topologies.machine import NOTHING, Machine, Touched, floor_minute, join
from tailrace.topologies.plan import NONE
from tailrace.topologies.steps import BEGINNING, FOREVER
from tailrace.topologies.tally import Tally, tally

Ints = NDArray[np.int64]

QUIET = 31
"""Days without an observation after which buckets pause."""

FOLDED = facts.KINDS | {"telemetry"}

BEGIN = event.OBSERVED - {"clock.ticked"}
"""Types with which a machine's buckets begin; a clock that ticks says nothing of the time before."""


class Oee:
    """The topology: name, version, and a state from its pages."""

    name = "oee"
    version = 3

    def restore(self, marks: Mapping[str, int], load: Load) -> OeeState:
        """The state whose pages `load` gives; marks: highest n by machine."""
        return OeeState(self.name, self.version, FOLDED, lambda machine, _: _Cell(machine), marks, load)


class _Rows(msgspec.Struct, frozen=True):
    """Emitted rows, in order: tallies of minutes, with revision, ingest time and position of their cause; said: what restated."""

    start: Ints
    product: Ints
    tallies: Ints
    revision: Ints
    known_from: Ints
    cause: Ints
    names: list[str]
    said: Cause | None = None


class _Cell:
    """A machine and what waits to be emitted of it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._closings: list[tuple[int, int, int]] = []
        self._stacks: list[Stack] = []
        self._watermark = machine.head.watermark
        self._out: list[_Rows] = []

    # -- records -------------------------------------------------------------------------------------------------------

    def take(self, records: Sequence[Record]) -> None:
        """Records of this machine, or one of the site."""
        for kind, some in groupby(records, attrgetter("type")):
            if kind == "telemetry":
                self._observe(some)
            else:
                for record in some:
                    self._learn(record)

    def _observe(self, records: Iterable[Record]) -> None:
        """Frames of readings; in order they wait for each other."""
        head, floor = self.machine.head, self._floor()
        ordered: list[Record] = []
        for record in records:
            if record.t_min < floor:
                self._wait(ordered)
                self._drain()
                self._change(record, partial(self._read, list(stacks([record]))))
                ordered = []
            else:
                ordered.append(record)
            if record.t_max > self._watermark and record.t_min >= head.first:
                self._watermark = record.t_max
                self._closings.append((record.t_max, record.ingested, record.position))
            else:
                self._pass(record)
            if record.t_max >= floor + MINUTE:
                floor = self._floor()
        self._wait(ordered)

    def _wait(self, records: Sequence[Record]) -> None:
        self._stacks += [stack for stack in stacks(records) if stack.header.counters]

    def _learn(self, record: Record) -> None:
        self._drain()
        for said in codec.events_of(record):
            reach, change = facts.fact(self.machine, said, record.position)
            if reach < self._floor() or (record.type in BEGIN and self._early(record)):
                self._change(record, change)
            else:
                change()
        if record.type in event.OBSERVED:
            self._pass(record)

    def _early(self, record: Record) -> bool:
        return record.t_min < self._floor()

    def _floor(self) -> int:
        return floor_minute(self._watermark) if self._watermark != NONE else BEGINNING

    def _pass(self, record: Record) -> None:
        """The record's end: the watermark moves, and minutes may be over."""
        head = self.machine.head
        begins = head.first == FOREVER and record.type in BEGIN
        if record.type in BEGIN:
            head.first = min(head.first, record.t_min)
        if record.t_max > self._watermark or begins:
            self._watermark = max(self._watermark, record.t_max)
            self._closings.append((self._watermark, record.ingested, record.position))

    def _drain(self) -> None:
        waiting, self._stacks = self._stacks, []
        if waiting:
            self._read(waiting)

    def _read(self, some: Sequence[Stack]) -> Touched:
        touched = NOTHING
        for kind, block in _readings(some):
            touched = join(touched, self.machine.read(kind, block))
        return touched

    # -- emission ------------------------------------------------------------------------------------------------------

    def flush(self) -> Iterator[Output]:
        """Everything that is decided now."""
        self._drain()
        self._close()
        rows, self._out = self._out, []
        for part in _split(rows):
            yield Output(bucket.KIND, len(part), int(part.cause[-1]), bucket.encode(part))

    def _close(self) -> None:
        head = self.machine.head
        closings, self._closings = self._closings, []
        before, head.watermark = head.watermark, self._watermark
        if not closings or head.first == FOREVER:
            return
        if head.closed == NONE:
            head.closed, before = floor_minute(head.first), head.first
        begin = head.closed
        end = floor_minute(self._watermark)
        marks, known, cause = (np.array(row, np.int64) for row in zip(*closings, strict=True))
        head.closed = max(begin, end)
        for a, b in self._kept(begin, end, [before, *marks.tolist()]):
            for rows in _minutes(self.machine, a, b):
                which = np.searchsorted(marks, rows.segment + MINUTE)
                ones = np.ones(len(which), np.int64)
                self._out.append(self._rows(rows, ones, known[which], cause[which]))

    def _kept(self, begin: int, end: int, seen: Sequence[int]) -> Iterator[tuple[int, int]]:
        """[begin, end) without the whole days inside long silences; seen: the instants that were observed, rising."""
        gaps = [
            (max((t // DAY + 2) * DAY, begin), min((later // DAY - 1) * DAY, end))
            for t, later in pairwise(seen)
            if later - t > QUIET * DAY
        ]
        skipped = [(a, b) for a, b in gaps if a < b]
        self.machine.head.skipped = [*self.machine.head.skipped, *skipped]
        return without(begin, end, skipped)

    def _change(self, record: Record, change: Callable[[], Touched]) -> None:
        """Facts that may alter what was emitted: the difference is emitted as the next revision."""
        self._close()
        head = self.machine.head
        before = self.machine.view()
        start, end = change()
        closed, first, begin = head.closed, floor_minute(before.head.first), floor_minute(record.t_min)
        if closed == NONE:
            return
        if record.type in BEGIN and begin < first:
            self._first_time(record, begin, min(first, closed))
        if start < end:
            self._restate(record, before, max(floor_minute(start), first), min(-(-end // MINUTE) * MINUTE, closed))

    def _first_time(self, record: Record, begin: int, end: int) -> None:
        self.machine.head.first = min(self.machine.head.first, begin)
        for a, b in self._kept(begin, end, [begin, end]):
            for rows in _minutes(self.machine, a, b):
                self._emit(record, rows, np.ones(len(rows.segment), np.int64))

    def _restate(self, record: Record, before: Machine, begin: int, end: int) -> None:
        for a, b in without(begin, end, self.machine.head.skipped):
            for lo in range(a, b, DAY):
                hi = min(lo + DAY, b)
                changed = _differences(before, self.machine, lo, hi)
                revisions = {minute: self.machine.revise(minute) for minute in dict.fromkeys(changed.segment.tolist())}
                revision = np.array([revisions[m] for m in changed.segment.tolist()], np.int64)
                self._emit(record, changed, revision, cause_of(record))

    def _emit(self, record: Record, rows: Tally, revision: Ints, said: Cause | None = None) -> None:
        known, cause = (np.full(len(revision), value, np.int64) for value in (record.ingested, record.position))
        self._out.append(self._rows(rows, revision, known, cause, said))

    def _rows(self, rows: Tally, revision: Ints, known: Ints, cause: Ints, said: Cause | None = None) -> _Rows:
        names = self.machine.head.products
        return _Rows(rows.segment, rows.product, rows.tallies, revision, known, cause, names, said)

    def pages(self) -> Mapping[str, bytes]:
        """Nothing but the machine's facts."""
        return {}


OeeState = Cells[_Cell]
"""Every machine's facts and what was emitted of them."""


def _readings(some: Sequence[Stack]) -> Iterator[tuple[Any, Ints]]:
    """Per counter, its readings in the stacks as a block (t, seq, position, value)."""
    for kind in sorted({kind for stack in some for kind in stack.header.counters}):
        found = [(stack, stack.header.counters[kind]) for stack in some if kind in stack.header.counters]
        lengths = np.repeat([stack.header.n for stack, _ in found], [len(stack.records) for stack, _ in found])
        total = int(lengths.sum())
        places = np.array([record.position for stack, _ in found for record in stack.records]) << facts.ROW_BITS
        block = np.empty((4, total), np.int64)
        np.concatenate([stack.t for stack, _ in found], out=block[0])
        block[1] = -1
        if any(stack.header.has_seq for stack, _ in found):
            np.concatenate([_order(stack) for stack, _ in found], out=block[1])
        np.add(np.repeat(places - np.cumsum(lengths) + lengths, lengths), np.arange(total), out=block[2])
        np.concatenate([stack.data(i) for stack, i in found], out=block[3])
        if not all(stack.header.columns[i].complete for stack, i in found):
            block = block[:, np.concatenate([_valid(stack, i) for stack, i in found])]
        if block.shape[1]:
            yield kind, block


def _order(stack: Stack) -> Ints:
    seq = stack.seq
    return np.full(len(stack), -1, np.int64) if seq is None else seq


def _valid(stack: Stack, i: int) -> NDArray[np.bool_]:
    valid = stack.valid(i)
    return np.ones(len(stack), np.bool_) if valid is None else valid


def _minutes(machine: Machine, begin: int, end: int) -> Iterator[Tally]:
    """Tallies of [begin, end) by minute, a day at a time; `segment` is the start of the minute in ns."""
    for lo in range(begin, end, DAY):
        edges = np.arange(lo, min(lo + DAY, end) + 1, MINUTE, dtype=np.int64)
        rows = tally(machine, edges)
        yield Tally(edges[rows.segment], rows.product, rows.tallies)


def _differences(before: Machine, after: Machine, begin: int, end: int) -> Tally:
    """The rows of `after` that are not in `before`, and rows of zeros for what is gone."""
    (old,), (new,) = _minutes(before, begin, end), _minutes(after, begin, end)
    ranks = after.ranks()
    codes = np.argsort(ranks)
    key_old, key_new = (t.segment // MINUTE * len(ranks) + ranks[t.product] for t in (old, new))
    keys = np.union1d(key_old, key_new)
    was, now = (np.zeros((len(keys), new.tallies.shape[1]), np.int64) for _ in range(2))
    was[np.searchsorted(keys, key_old)] = old.tallies
    now[np.searchsorted(keys, key_new)] = new.tallies
    changed = np.flatnonzero((was != now).any(axis=1))
    minute, rank = np.divmod(keys[changed], len(ranks))
    return Tally(minute * MINUTE, codes[rank], now[changed])


def without(begin: int, end: int, holes: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """[begin, end) without the holes."""
    for a, b in sorted(holes):
        if begin < min(a, end):
            yield begin, min(a, end)
        begin = max(begin, b)
    if begin < end:
        yield begin, end


def _split(rows: Sequence[_Rows]) -> Iterator[Buckets]:
    """Rows one after the other, cut where a cause of restated ones ends, and to what one derived record may hold."""
    for _, same in groupby((r for r in rows if len(r.start)), lambda r: (r.said and int(r.cause[0]), r.said)):
        yield from _cut(list(same))


def _cut(rows: Sequence[_Rows]) -> Iterator[Buckets]:
    """Rows of one `said`; product codes become names of their own."""
    start, product, tallies, revision, known, cause = (
        np.concatenate([getattr(r, field) for r in rows])
        for field in ("start", "product", "tallies", "revision", "known_from", "cause")
    )
    names = rows[-1].names
    for lo in range(0, len(start), ROWS_MAX):
        part = slice(lo, lo + ROWS_MAX)
        codes, local = np.unique(product[part], return_inverse=True)
        yield Buckets(
            start[part], local.astype(np.int64), revision[part], known[part], cause[part], tallies[part],
            [names[code] for code in codes.tolist()], rows[-1].said,
        )  # fmt: skip
