"""Topology `rollup`: what each signal of a machine was in a minute and in an hour, emitted when the minute or hour is over.

Rules:
1. A minute or hour is over once the machine's watermark (latest observation) has passed its end; it is then emitted with
   revision 1, caused by the record that moved the watermark there.
2. A reading that comes later for what was emitted emits it again, whole, as the next revision, at its record's end.
3. A minute that holds fewer than MINUTE_MIN readings is not emitted: a rollup is coarser than what it rolls up. If later
   readings fill it, it is emitted then. An hour is emitted from one reading on.
4. Records in order wait for each other and are added up together at the end of a step; since every sum goes on from what was
   there (topologies/rollup_values.py), that gives the rows that one record at a time would give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.engine.topology import Load
from tailrace.schemas import event, rollup
from tailrace.schemas.frame import Frame
from tailrace.schemas.instant import HOUR, MINUTE
from tailrace.schemas.record import Record
from tailrace.topologies.cells import Cells, Output
from tailrace.topologies.machine import Machine, floor_minute
from tailrace.topologies.rollup_hour import COUNT, FIRST_T, LAST_T, MINUTES, REFUSED, REVISION, Hour
from tailrace.topologies.rollup_values import Bad, Ints, Values, group, read, sums

MINUTE_MIN = 2
"""Readings that a minute must hold to be emitted."""

WAITING_MAX = 16_384
"""Readings of a machine that wait to be added up together."""

HOT = 2
"""Hours of a machine that stay unpacked when what waited is added up."""


class Rollup:
    """The topology: name, version, and a state from its pages."""

    name = rollup.TOPOLOGY
    version = 1

    def restore(self, marks: Mapping[str, int], load: Load) -> RollupState:
        """The state whose pages `load` gives; marks: highest n by machine."""
        return Cells(self.name, self.version, event.OBSERVED, _Cell, marks, load)


class _Passed(msgspec.Struct, frozen=True):
    """A record's end at which the watermark stood at t."""

    t: int
    ingested: int
    position: int


class _Rows(msgspec.Struct, frozen=True):
    """Rows to be emitted, in order; `ints` is short of the two lines that say who caused them."""

    ints: Ints
    floats: NDArray[np.float64]
    known_from: Ints
    cause: Ints


class _Cell:
    """A machine's hours and what waits to be emitted of them."""

    def __init__(self, machine: Machine, load: Load) -> None:
        self.machine = machine
        self._hours = _Hours(load)
        self._watermark = machine.head.watermark
        self._frames: list[Frame] = []
        self._waiting = 0
        self._passed: list[_Passed] = []
        self._out: list[_Rows] = []

    # -- records -------------------------------------------------------------------------------------------------------

    def take(self, records: Sequence[Record]) -> None:
        """Records of this machine, or one of the site."""
        for record in records:
            self._one(record)

    def _one(self, record: Record) -> None:
        if record.type == "telemetry":
            frame = Frame(record.payload)
            if record.t_min < floor_minute(self._watermark):
                self._restate(record, frame)
            else:
                self._frames.append(frame)
                self._waiting += len(frame)
        if record.t_max > self._watermark:
            self._watermark = record.t_max
            self._passed.append(_Passed(record.t_max, record.ingested, record.position))
        if self._waiting >= WAITING_MAX:
            self._close()

    def _restate(self, record: Record, frame: Frame) -> None:
        """A record with readings of minutes that are over: those are emitted again at once."""
        self._close()
        over = floor_minute(self._watermark)
        known, cause = (np.array([value]) for value in (record.ingested, record.position))
        for number, (code, minute) in self._fill([frame]):
            hour = self._hours.edit(number)
            late = minute * MINUTE < over
            touched = np.zeros(hour.readings().shape, np.bool_)
            touched[code[late], minute[late] % MINUTES] = True
            self._emit_minutes(number, hour, touched, known, cause)
            if (number + 1) * HOUR <= over:
                self._emit_hour(number, hour, np.flatnonzero(touched.any(axis=1)), known, cause)
        self._hours.cool()

    def _fill(self, frames: Sequence[Frame]) -> list[tuple[int, tuple[Ints, Ints]]]:
        """Adds up the readings of some frames; gives the hours, in order, with the (signals, minutes) that changed."""
        values, bad = read(frames, self._hours.code)
        filled = [self._add(values), self._refuse(bad)]
        code, minute = (np.concatenate(parts) for parts in zip(*filled, strict=True))
        changed = [(number, (code[at], minute[at])) for number, at in _by_hour(minute)]
        over = floor_minute(self.machine.head.watermark)
        self._hours.open.update(number for number, _ in changed if (number + 1) * HOUR > over)
        return changed

    def _add(self, values: Values) -> tuple[Ints, Ints]:
        if not len(values.t):
            return values.code, values.t
        found = group(values)
        state = np.empty(len(found.code))
        parts = list(_by_hour(found.minute))
        for number, at in parts:
            hour = self._hours.edit(number)
            state[at] = hour.floats[rollup.SUM][found.code[at], found.minute[at] % MINUTES]
        total = sums(state, found.which, values.value)
        for number, at in parts:
            self._hours.edit(number).merge(found, at, total)
        return found.code, found.minute

    def _refuse(self, bad: Bad) -> tuple[Ints, Ints]:
        minute = bad.t // MINUTE
        for number, at in _by_hour(minute):
            self._hours.edit(number).refuse(bad.code[at], minute[at])
        return bad.code, minute

    # -- emission ------------------------------------------------------------------------------------------------------

    def flush(self) -> Iterator[Output]:
        """Everything that is decided now."""
        self._close()
        rows, self._out = self._out, []
        for part in _split(rows, self._hours.names):
            yield Output(rollup.KIND, len(part), int(part.ints[rollup.CAUSE][-1]), rollup.encode(part))

    def _close(self) -> None:
        """Adds up what waits, and emits the minutes and hours that are over since the last time, in order of their ends."""
        frames, self._frames, self._waiting = self._frames, [], 0
        if frames:
            self._fill(frames)
        passed, self._passed = self._passed, []
        head = self.machine.head
        begin, end = floor_minute(head.watermark), floor_minute(self._watermark)
        head.watermark = self._watermark
        if begin < end:
            marks, known, cause = (np.array([getattr(p, field) for p in passed]) for field in _Passed.__struct_fields__)
            for number in sorted(self._hours.open):
                self._close_hour(number, begin, end, (marks, known, cause))
            self._hours.open = {number for number in self._hours.open if (number + 1) * HOUR > end}
        self._hours.cool()

    def _close_hour(self, number: int, begin: int, end: int, passed: tuple[Ints, Ints, Ints]) -> None:
        marks, known, cause = passed
        hour = self._hours.edit(number)
        start = number * HOUR + np.arange(MINUTES) * MINUTE
        which = np.searchsorted(marks, start + MINUTE)
        over = (start >= begin) & (start < end)
        which[~over] = 0
        mask = np.broadcast_to(over, hour.readings().shape)
        self._emit_minutes(number, hour, mask, known[which], cause[which])
        if begin < (number + 1) * HOUR <= end:
            filled = np.flatnonzero(hour.readings().any(axis=1))
            self._emit_hour(number, hour, filled, known[which[-1:]], cause[which[-1:]])

    def _emit_minutes(self, number: int, hour: Hour, mask: NDArray[np.bool_], known: Ints, cause: Ints) -> None:
        """Minutes in a mask (signals, 60) that hold enough; known and cause: one, or one for each minute."""
        minute, code = np.nonzero((mask & (hour.readings() >= MINUTE_MIN)).T)
        if not len(code):
            return
        hour.ints[REVISION][code, minute] += 1
        start = number * HOUR + minute * MINUTE
        causes = (np.broadcast_to(each, MINUTES)[minute] for each in (known, cause))
        self._emit(code, MINUTE, start, hour.ints[:, code, minute], hour.floats[:, code, minute], *causes)

    def _emit_hour(self, number: int, hour: Hour, code: Ints, known: Ints, cause: Ints) -> None:
        if not len(code):
            return
        hour.revisions[code] += 1
        ints, floats = hour.whole(code)
        start = np.full(len(code), number * HOUR)
        self._emit(code, HOUR, start, ints, floats, *(np.repeat(each, len(code)) for each in (known, cause)))

    def _emit(
        self,
        code: Ints,
        resolution: int,
        start: Ints,
        ints: Ints,
        floats: NDArray[np.float64],
        known: Ints,
        cause: Ints,
    ) -> None:
        some = ints[COUNT] > 0
        length = np.full(len(code), resolution)
        times = (np.where(some, ints[layer], 0) for layer in (FIRST_T, LAST_T))
        lines = np.stack([code, length, start, ints[COUNT], ints[REFUSED], *times, ints[REVISION]])
        self._out.append(_Rows(lines, np.where(some, floats, 0.0), known, cause))

    def pages(self) -> Mapping[str, bytes]:
        """The hours that changed, and what is known beside them."""
        return self._hours.pages()


RollupState = Cells[_Cell]
"""Every machine's hours."""


class _Known(msgspec.Struct):
    """Names of the signals, by code, and the hours that hold something and are not over."""

    names: list[str] = []
    open: list[int] = []


class _Hours:
    """A machine's hours: the newest unpacked, those that changed since the last checkpoint packed, the others in pages."""

    def __init__(self, load: Load) -> None:
        self._load = load
        page = load("signals")
        known = _decode_known(page) if page else _Known()
        self.names, self.open = known.names, set(known.open)
        self._codes = {name: code for code, name in enumerate(self.names)}
        self._hot: dict[int, Hour] = {}
        self._dirty: set[int] = set()
        self._packed: dict[int, bytes] = {}

    def code(self, name: str) -> int:
        """The code of a signal."""
        if name not in self._codes:
            self._codes[name] = len(self.names)
            self.names.append(name)
        return self._codes[name]

    def edit(self, number: int) -> Hour:
        """An hour that is about to change, wide enough for every signal."""
        self._dirty.add(number)
        hour = self._hot.get(number)
        if hour is None:
            data = self._packed.pop(number, None) or self._load(f"hour/{number}")
            hour = self._hot[number] = Hour.decode(data) if data else Hour()
        hour.widen(len(self.names))
        return hour

    def cool(self) -> None:
        """Packs all hours but the newest."""
        for number in sorted(self._hot)[:-HOT]:
            hour = self._hot.pop(number)
            if number in self._dirty:
                self._packed[number] = hour.encode()

    def pages(self) -> dict[str, bytes]:
        """What changed since the last call."""
        packed = self._packed | {number: self._hot[number].encode() for number in self._dirty & self._hot.keys()}
        self._packed, self._dirty = {}, set()
        return {"signals": _encode(_Known(self.names, sorted(self.open)))} | {
            f"hour/{number}": packed[number] for number in sorted(packed)
        }


def _by_hour(minute: Ints) -> Iterator[tuple[int, Ints]]:
    """(hour, places of its minutes), hours in order."""
    if not len(minute):
        return
    hours = minute // MINUTES
    if (hours == hours[0]).all():
        yield int(hours[0]), np.arange(len(hours))
        return
    order = np.argsort(hours, kind="stable")
    edges = np.flatnonzero(np.diff(hours[order])) + 1
    for part in np.split(order, edges):
        yield int(hours[part[0]]), part


def _split(rows: Sequence[_Rows], names: Sequence[str]) -> Iterator[rollup.Rolled]:
    """Rows one after the other, cut to what one derived record may hold; codes become names of their own."""
    if not rows:
        return
    ints = np.concatenate([np.vstack([r.ints, r.known_from, r.cause]) for r in rows], axis=1)
    floats = np.concatenate([r.floats for r in rows], axis=1)
    for lo in range(0, ints.shape[1], rollup.ROWS_MAX):
        part = ints[:, lo : lo + rollup.ROWS_MAX].copy()
        codes, part[rollup.SIGNAL] = np.unique(part[rollup.SIGNAL], return_inverse=True)
        yield rollup.Rolled(part, floats[:, lo : lo + rollup.ROWS_MAX], [names[code] for code in codes.tolist()])


_encode = msgspec.msgpack.Encoder().encode
_decode_known = msgspec.msgpack.Decoder(_Known).decode
