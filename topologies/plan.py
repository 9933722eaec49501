"""What people say about a machine: products, calendars, reasons, definitions. Few facts, kept whole, turned into steps.

Rules (docs/oee.md): of products and reasons at one instant the later one in (t, seq, position) stands; a calendar replaces the
earlier one from its valid_from, and the first one holds for all of its intervals; a machine's own calendars stand before the
site's; without any, all time is one shift.
A machine uses a definition by name from that one's valid_from on, before and without it the site's default; of several the
one with the largest valid_from not after an instant holds there. Of registrations the later one in (t, seq, position) stands.
An edit of a stop that names the revision it was made on is taken only if that is the one that stands, in the order of the log.
An edit that was retracted counts for nothing, whenever that was said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.bucket import CATEGORIES, CLASSES
from tailrace.schemas.event import (
    CalendarSet,
    Category,
    Counter,
    CounterName,
    DefinitionSet,
    MachineRegistered,
    Policy,
    ProductChanged,
    ReasonAssigned,
    ReasonRetracted,
    StopMerged,
    StopSplit,
)
from tailrace.topologies import marks
from tailrace.topologies.marks import Edit, Mark, Span
from tailrace.topologies.steps import FOREVER, Steps, painted, steps

OFF, PLANNED, SHIFT = range(len(CLASSES))
RUN, UNPLANNED, SETUP, PLANNED_STOP, UNKNOWN = range(len(CATEGORIES))
NONE = -1

STATE_MAP: dict[str, int] = {
    **dict.fromkeys(("running", "execute"), RUN),
    **dict.fromkeys(("stopped", "fault", "aborted", "held", "starved", "blocked", "suspended", "idle"), UNPLANNED),
    **dict.fromkeys(("setup", "changeover"), SETUP),
    **dict.fromkeys(("maintenance", "break", "no_demand"), PLANNED_STOP),
}
"""Plain and PackML state words; a word that is not here is unknown."""

_CATEGORY = {
    "run": RUN, "unplanned": UNPLANNED, "setup": SETUP, "planned_stop": PLANNED_STOP, "planned": PLANNED_STOP,
    "unknown": UNKNOWN,
}  # fmt: skip


class Product(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A product.changed: from t on `product` (a code) with an ideal cycle of `ideal` ns per part, or unknown (NONE)."""

    t: int
    seq: int
    position: int
    product: int
    ideal: int


class Reason(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A reason.assigned: recorded at t, it says that [start, end), but for its gaps, was of a category."""

    t: int
    seq: int
    position: int
    start: int
    end: int
    category: int
    id: str
    reason: str
    by: str
    gaps: tuple[Span, ...] = ()

    def parts(self) -> list[Span]:
        """What of [start, end) it speaks of."""
        return marks.without(self.start, self.end, self.gaps) if self.gaps else [(self.start, self.end)]


class Calendar(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A calendar.set: from valid_from on, these (start, end, planned stop?) intervals; as the first one, from `begins` on.

    names: what each interval is called, in their order.
    """

    valid_from: int
    t: int
    position: int
    own: bool
    begins: int
    intervals: list[tuple[int, int, bool]]
    names: list[str] = []


class Definition(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A definition.set: from valid_from on, this version of a named policy."""

    valid_from: int
    version: int
    t: int
    position: int
    name: str
    default: bool
    policy: Policy


class Registration(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A machine.registered: the definition it uses and how its counters behave."""

    t: int = NONE
    seq: int = NONE
    position: int = NONE
    definition: str = ""
    counters: dict[CounterName, Counter] = {}


class Plan(msgspec.Struct, frozen=True):
    """Everything said about one machine, each kind sorted; replaced as a whole when something new is said.

    ongoing: of reasons that hold until their stop is over, by position, since when; the end of such a one is that of the stop.
    """

    products: tuple[Product, ...] = ()
    reasons: tuple[Reason, ...] = ()
    ongoing: dict[int, int] = {}
    retracted: tuple[str, ...] = ()
    edits: dict[str, int] = {}
    calendars: tuple[Calendar, ...] = ()
    definitions: tuple[Definition, ...] = ()
    registered: Registration = Registration()
    marks: tuple[Mark, ...] = ()

    def with_product(self, event: ProductChanged, code: int, position: int) -> Plan:
        seq = -1 if event.seq is None else event.seq
        ideal = NONE if event.ideal_cycle is None else int(event.ideal_cycle)
        added = Product(int(event.t), seq, position, code, ideal)
        return msgspec.structs.replace(self, products=tuple(sorted((*self.products, added))))

    def revision(self, stop: str) -> int:
        """1, and one more for every edit of the stop that stands."""
        return 1 + self.edits.get(stop, 0)

    def outdated(self, event: Edit) -> tuple[str, int] | None:
        """The first stop that was changed since the edit was made, and the revision that the edit expected; None: none was."""
        made_on = [(stop, expected) for stop, expected in marks.made_on(event) if expected is not None]
        return next(((stop, expected) for stop, expected in made_on if expected != self.revision(stop)), None)

    def edited(self, event: Edit) -> dict[str, int]:
        """How many edits stand of each stop, with this one."""
        named = {stop: self.edits.get(stop, 0) + 1 for stop, _ in marks.made_on(event) if stop}
        return self.edits | named

    def with_reason(self, event: ReasonAssigned, position: int, end: int) -> Plan:
        """The plan with the reason up to `end`, or the very same plan where it is not accepted."""
        if self.outdated(event):
            return self
        seq = -1 if event.seq is None else event.seq
        added = Reason(
            int(event.t), seq, position, int(event.start), end, _CATEGORY[event.category], event.id,
            event.reason, event.by, tuple((int(gap.start), int(gap.end)) for gap in event.gaps),
        )  # fmt: skip
        ongoing = self.ongoing | ({position: since(event)} if event.end is None else {})
        return msgspec.structs.replace(
            self, reasons=tuple(sorted((*self.reasons, added))), edits=self.edited(event), ongoing=ongoing
        )

    def with_mark(self, event: StopSplit | StopMerged, mark: Mark | None) -> Plan:
        """The plan with a cut or a join, or the very same plan where it is not accepted."""
        if self.outdated(event):
            return self
        found = self.marks if mark is None else tuple(sorted((*self.marks, mark)))
        return msgspec.structs.replace(self, marks=found, edits=self.edited(event))

    def with_ends(self, ends: Mapping[int, int]) -> Plan:
        """The plan with other ends of reasons, by position."""
        reasons = (msgspec.structs.replace(r, end=ends.get(r.position, r.end)) for r in self.reasons)
        return msgspec.structs.replace(self, reasons=tuple(reasons))

    def without(self, event: ReasonRetracted) -> Plan:
        """The plan without an edit, or the very same plan where that is not accepted."""
        if self.outdated(event):
            return self
        return msgspec.structs.replace(self, retracted=(*self.retracted, event.reason_id), edits=self.edited(event))

    def with_registration(self, event: MachineRegistered, position: int) -> Plan:
        seq = -1 if event.seq is None else event.seq
        added = Registration(int(event.t), seq, position, event.definition, event.counters)
        later = max(self.registered, added, key=lambda r: (r.t, r.seq, r.position))
        return msgspec.structs.replace(self, registered=later)

    def with_calendar(self, event: CalendarSet, position: int) -> Plan:
        valid_from = int(event.t if event.valid_from is None else event.valid_from)
        some = [interval for interval in event.intervals if interval.end > interval.start]
        intervals = [(int(i.start), int(i.end), i.kind == "planned_stop") for i in some]
        begins = (
            valid_from if event.valid_from is not None else min([valid_from, *(start for start, _, _ in intervals)])
        )
        added = Calendar(
            valid_from, int(event.t), position, bool(event.machine), begins, intervals, [i.name for i in some]
        )
        return msgspec.structs.replace(self, calendars=tuple(sorted((*self.calendars, added))))

    def with_definition(self, event: DefinitionSet, position: int) -> Plan:
        valid_from = int(event.t if event.valid_from is None else event.valid_from)
        added = Definition(valid_from, event.version, int(event.t), position, event.name, event.default, event.policy)
        definitions = sorted((*self.definitions, added), key=lambda d: (d.valid_from, d.version, d.t, d.position))
        return msgspec.structs.replace(self, definitions=tuple(definitions))

    def in_use(self) -> list[tuple[int, str, int, Policy]]:
        """(valid from, name, version, policy) of the definitions this machine uses, by time; [] = the defaults."""
        own = [d for d in self.definitions if d.name == self.registered.definition]
        first_own = own[0].valid_from if own else FOREVER
        used = [d for d in self.definitions if d.default and d.valid_from < first_own] + own
        return [(d.valid_from, d.name, d.version, d.policy) for d in used]

    def standing(self) -> list[Reason]:
        """The reasons that nobody has taken back, in the order in which they stand over each other."""
        return [reason for reason in self.reasons if not (reason.id and reason.id in self.retracted)]

    def standing_marks(self) -> list[Mark]:
        """The cuts and joins that nobody has taken back, in the order in which they stand over each other."""
        return [mark for mark in self.marks if not (mark.id and mark.id in self.retracted)]

    def schedule(self) -> Steps:
        """OFF, PLANNED or SHIFT."""
        spans: list[tuple[int, int, int]] = []
        for begin, end, calendar in self.calendars_in_force():
            spans += _calendar_spans(calendar, begin, end)
        return painted(spans, SHIFT)

    def calendars_in_force(self) -> Iterator[tuple[int, int, Calendar]]:
        """(from, until, calendar): when each calendar holds; until may lie before from, and then it never does."""
        own, site = (_in_force([c for c in self.calendars if c.own is mine]) for mine in (True, False))
        first_own = own[0][0] if own else FOREVER
        for group, until in ((site, first_own), (own, FOREVER)):
            ends = [*(begin for begin, _ in group[1:]), FOREVER]
            for (begin, calendar), end in zip(group, ends, strict=False):
                yield begin, min(end, until), calendar

    def rescheduled(self, before: Plan) -> int:
        """From when on the schedule may be another one than before; FOREVER where it is the same."""
        for old, new in zip_longest(before._held(), self._held()):
            if old is None or new is None:
                return int((old or new)[0])
            if old != new:
                ends_alone = (old[0], old[2]) == (new[0], new[2])
                return min(old[1], new[1]) if ends_alone else min(old[0], new[0])
        return FOREVER

    def _held(self) -> list[tuple[int, int, Calendar]]:
        """When each calendar holds, by time, without those that never do."""
        return [held for held in self.calendars_in_force() if held[0] < held[1]]

    def product_at(self) -> Steps:
        """The code of the product that runs; 0 = none known."""
        return steps([(p.t, p.product) for p in self.products], 0)

    def ideal_of(self, code: int) -> Steps:
        """The ideal cycle of a product in ns, as known at an instant; NONE = unknown."""
        return steps([(p.t, p.ideal) for p in self.products if p.product == code], NONE)

    def overlay(self) -> Steps:
        """The category that people say, or NONE."""
        return painted([(a, b, r.category) for r in self.standing() for a, b in r.parts()], NONE)

    def maps(self, words: Iterable[str]) -> tuple[Steps, NDArray[np.int64]]:
        """Which row of the table holds at an instant; table[row, word code + 1] is a category, word NONE is unknown."""
        words = list(words)
        rows: list[dict[str, Category]] = [{}]
        points: list[tuple[int, int]] = []
        for valid_from, _, _, policy in self.in_use():
            if policy.state_map != rows[-1]:
                rows.append(policy.state_map)
                points.append((valid_from, len(rows) - 1))
        table = np.array([[UNKNOWN, *_categories(words, row)] for row in rows], np.int64)
        return steps(points, 0), table


def since(event: ReasonAssigned) -> int:
    """From when on a reason without an end looks for the end of its stop."""
    return max(int(event.t), int(event.start))


def _categories(words: Iterable[str], state_map: dict[str, Category]) -> list[int]:
    said = STATE_MAP | {word.lower(): _CATEGORY[category] for word, category in state_map.items()}
    return [said.get(word.lower(), UNKNOWN) for word in words]


def _in_force(calendars: list[Calendar]) -> list[tuple[int, Calendar]]:
    """(from when, calendar): a first calendar that does not say from when replaces nothing, so its intervals say it."""
    return [(calendar.valid_from if i else calendar.begins, calendar) for i, calendar in enumerate(calendars)]


def _calendar_spans(calendar: Calendar, begin: int, until: int) -> list[tuple[int, int, int]]:
    if begin >= until:
        return []
    shifts = _merged([(a, b) for a, b, planned in calendar.intervals if not planned])
    stops = _merged([(a, b) for a, b, planned in calendar.intervals if planned])
    spans = [(begin, until, OFF)] + [(a, b, SHIFT) for a, b in shifts]
    spans += [(max(a, c), min(b, d), PLANNED) for a, b in shifts for c, d in stops if max(a, c) < min(b, d)]
    return [(max(a, begin), min(b, until), v) for a, b, v in spans if max(a, begin) < min(b, until)]


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
