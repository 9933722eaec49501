"""Hand-worked cases for what the shared vectors leave open: the rules of docs/oee.md, each with the numbers it gives.

Rules: a case is events as they stand in an events file (t in seconds from oee_vectors.EPOCH), a window in the same seconds,
and what must come out. Every case is a machine of its own, named after it, unless an event names another or none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from oee_vectors import EPOCH, SECOND
from tailrace.schemas import line
from tailrace.schemas.event import AnyEvent

TIMES = ("t", "from", "to", "valid_from")
HOUR = (0, 3600)
Line = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One machine's story and its figures."""

    id: str
    story: Sequence[Line]
    expect: Mapping[str, Any]
    window: tuple[int, int] = HOUR
    as_of: int | None = None

    @property
    def start(self) -> int:
        return EPOCH + self.window[0] * SECOND

    @property
    def end(self) -> int:
        return EPOCH + self.window[1] * SECOND

    @property
    def now(self) -> int | None:
        return None if self.as_of is None else EPOCH + self.as_of * SECOND

    @property
    def site_wide(self) -> bool:
        """Whether something in it concerns every machine of its site."""
        named = [row for row in self.story if row["type"] == "definition.set" and not row.get("default")]
        return any(row.get("machine") == "" for row in self.story if row not in named)

    def lines(self) -> bytes:
        """The story as an events file."""
        rows = [{"machine": self.id, "id": f"{self.id}:{i}"} | _timed(row) for i, row in enumerate(self.story)]
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)

    def events(self) -> list[AnyEvent]:
        return [line.parse(text) for text in self.lines().splitlines()]


def _timed(row: Line) -> Line:
    """The same line with its times counted from 1970, also those of its intervals."""
    shifted = {name: value + EPOCH // SECOND if name in TIMES else value for name, value in row.items()}
    if "intervals" in row:
        shifted["intervals"] = [_timed(interval) for interval in row["intervals"]]
    return shifted


def state(t: float, word: str, **more: Any) -> Line:
    return {"type": "state.changed", "t": t, "state": word} | more


def parts(t: float, good: int = 0, reject: int = 0, **more: Any) -> Line:
    return {"type": "parts.counted", "t": t, "good": good, "reject": reject} | more


def read(t: float, counter: str, value: int, **more: Any) -> Line:
    return {"type": "counter.read", "t": t, "counter": counter, "value": value} | more


def product(t: float, name: str, cycle: float | None = None) -> Line:
    known = {} if cycle is None else {"ideal_cycle_s": cycle}
    return {"type": "product.changed", "t": t, "product": name} | known


def reason(t: float, start: float, end: float, category: str, **more: Any) -> Line:
    return {"type": "reason.assigned", "t": t, "from": start, "to": end, "category": category} | more


def calendar(t: float, *intervals: tuple[str, float, float], **more: Any) -> Line:
    found = [{"kind": kind, "from": start, "to": end} for kind, start, end in intervals]
    return {"type": "calendar.set", "t": t, "intervals": found} | more


def definition(valid_from: float, name: str, version: int, **more: Any) -> Line:
    """A definition is known to the whole site; names differ from case to case."""
    return {
        "type": "definition.set", "machine": "", "t": -9000, "valid_from": valid_from, "name": name, "version": version,
    } | more  # fmt: skip


def registered(definition: str = "", **counters: dict[str, int]) -> Line:
    return {"type": "machine.registered", "t": -9000, "definition": definition, "counters": counters}


def tick(t: float, **more: Any) -> Line:
    return {"type": "clock.ticked", "t": t} | more


RUN = state(0, "running")
P6 = product(-1, "P", 6)
SHORT = {"microstop_s": 60}

COUNTERS = [
    Case(
        "total-and-good",
        [RUN, P6, read(0, "total", 0), read(0, "good", 0), read(900, "total", 100), read(900, "good", 90)],
        {"total": 100, "good": 90, "reject": 10, "quality": Fraction(9, 10)},
    ),
    Case("good-alone", [RUN, P6, read(0, "good", 5), read(9, "good", 25)], {"total": 20, "good": 20, "reject": 0}),
    Case("reject-alone", [RUN, P6, read(0, "reject", 5), read(9, "reject", 25)], {"total": 20, "good": 0, "reject": 20}),
    Case(
        "three-counters-ignore-total",
        [
            *(RUN, P6, read(0, "total", 500), read(0, "good", 0), read(0, "reject", 0)),
            *(read(900, "total", 3), read(900, "good", 90), read(900, "reject", 7)),
        ],
        {"total": 97, "good": 90, "reject": 7, "flags": frozenset()},
    ),
    Case(
        "a-counter-is-there-from-its-first-reading",
        [
            *(RUN, P6, read(0, "total", 0), read(600, "total", 10)),
            *(read(900, "good", 50), read(1200, "total", 30), read(1200, "good", 68)),
        ],
        {"total": 30, "good": 28, "reject": 2},
    ),
    Case(
        "counters-in-a-reading-of-the-machine",
        [
            *(RUN, P6, {"type": "telemetry", "t": 0, "counters": {"total": 9_990, "reject": 2}}),
            {"type": "telemetry", "t": 60, "values": {"MachineTemp": 70.5}, "counters": {"total": 6, "reject": 4}},
            registered(total={"modulus": 10_000}),
        ],
        {"total": 16, "good": 14, "reject": 2, "flags": frozenset({"counter_rollover"})},
    ),
    Case(
        "a-jump-that-stays-is-a-new-level",
        [RUN, P6, registered(total={"max_step": 500}), *(read(t, "total", v) for t, v in ((0, 10), (60, 900), (120, 905)))],
        {"total": 5, "flags": frozenset({"counter_anomaly"})},
    ),
    Case(
        "parts-of-a-counter-belong-to-the-product-at-the-reading",
        [RUN, product(0, "A", 2), product(600, "B", 10), read(0, "total", 0), read(599, "total", 100), read(600, "total", 130)],
        {"total": 130, "valuable": 500},
    ),
    Case(
        "a-reset-outside-the-window-raises-no-flag",
        [RUN, P6, read(0, "total", 100), read(60, "total", 5), read(3000, "total", 9)],
        {"total": 4, "flags": frozenset()},
        (100, 3600),
    ),
]  # fmt: skip

PRODUCTS = [
    Case(
        "a-product-without-a-cycle",
        [RUN, product(-1, "A", 3), product(1800, "B"), parts(60, 10), parts(2000, 10, 10)],
        {
            "performance": None, "oee": None, "valuable": None, "quality": Fraction(2, 3),
            "flags": frozenset({"ideal_cycle_missing"}),
        },
    ),
    Case(
        "a-change-without-a-cycle-takes-it-away",
        [RUN, product(-1, "A", 3), product(100, "A"), parts(50, 10), parts(200, 1)],
        {"oee": None, "flags": frozenset({"ideal_cycle_missing"})},
    ),
    Case(
        "no-parts-need-no-cycle",
        [RUN, parts(60), read(60, "total", 7), read(70, "total", 7)],
        {"performance": 0, "oee": 0, "quality": None, "flags": frozenset()},
    ),
    Case(
        "parts-taken-back-needed-a-cycle-all-the-same",
        [RUN, parts(70, 5), parts(80, -5)],
        {"total": 0, "performance": None, "oee": None, "flags": frozenset({"ideal_cycle_missing"})},
    ),
    Case(
        "a-named-product-has-its-latest-cycle-at-the-time",
        [
            *(RUN, product(-1, "A", 3), product(100, "B", 9), product(2000, "A", 5)),
            *(parts(1000, 10, product="A"), parts(2500, 10, product="A")),
        ],
        {"valuable": 80},
    ),
    Case(
        "a-late-product-change-holds-from-its-own-time",
        [RUN, product(-1, "A", 3), parts(1000, 10), parts(2000, 10), product(500, "B", 9)],
        {"valuable": 180},
    ),
    Case("a-named-product-nobody-introduced", [RUN, P6, parts(9, 1, product="X")], {"oee": None, "performance": None}),
    Case(
        "off-plan-parts-need-no-cycle",
        [RUN, calendar(-1), parts(9, 1)],
        {"offplan_good": 1, "flags": frozenset({"offplan_counts"})},
    ),
    Case("negative-parts", [RUN, P6, parts(9, -2)], {"total": -2, "flags": frozenset({"negative_counts"})}),
]  # fmt: skip

SCHEDULES = [
    Case("an-empty-calendar", [RUN, calendar(-1)], {"not_scheduled": 3600, "run": 0, "completeness": None}),
    Case(
        "a-later-calendar-replaces-from-its-valid-from",
        [RUN, calendar(-9, ("shift", 0, 3600)), calendar(-5, ("planned_stop", 0, 3600), ("shift", 2000, 3600), valid_from=1800)],
        {"run": 1800, "not_scheduled": 200, "planned_stop": 1600},
    ),
    Case("before-the-first-calendar-all-is-a-shift", [RUN, calendar(1800)], {"run": 1800, "not_scheduled": 1800}),
    Case(
        "shifts-may-overlap-and-empty-intervals-are-nothing",
        [RUN, calendar(-1, ("shift", 0, 2000), ("shift", 1000, 3000), ("planned_stop", 500, 500), ("shift", 3300, 3300))],
        {"run": 3000, "not_scheduled": 600, "planned_stop": 0},
    ),
    Case(
        "calendars-of-one-time-the-later-in-the-log",
        [RUN, calendar(-1), calendar(-1, ("shift", 0, 600))],
        {"run": 600},
    ),
    Case(
        "a-machines-own-calendar-stands-above-the-sites",
        [RUN, calendar(-9, ("shift", 0, 600)), calendar(-5, machine="")],
        {"run": 600, "not_scheduled": 3000},
    ),
    Case("the-sites-calendar-is-for-all", [RUN, calendar(-5, ("shift", 0, 600), machine="")], {"run": 600}),
    Case(
        "a-stop-that-begins-in-a-break-is-counted-nowhere",
        [RUN, calendar(-1, ("shift", 0, 3600), ("planned_stop", 600, 1200)), state(1000, "fault"), state(1900, "running")],
        {"planned_stop": 600, "breakdown": 700, "breakdowns": 0},
    ),
]  # fmt: skip

DEFINITIONS = [
    Case(
        "a-machine-uses-a-definition-by-name",
        [registered("x26"), definition(-99, "x26", 1, policy={"setup": "exclude"}), definition(-99, "y26", 1), state(0, "setup")],
        {"excluded": 3600, "definition": ["x26@1"]},
    ),
    Case(
        "a-definition-that-nobody-uses",
        [definition(-99, "x27", 1, policy={"setup": "exclude"}), state(0, "setup")],
        {"setup": 3600, "definition": []},
    ),
    Case(
        "the-default-is-the-sites",
        [definition(-99, "x28", 1, policy={"setup": "exclude"}, default=True), state(0, "setup")],
        {"excluded": 3600, "definition": ["x28@1"]},
    ),
    Case(
        "a-machines-own-definition-stands-above-the-default",
        [
            *(registered("x29"), state(0, "setup")),
            *(definition(1800, "x29", 1, policy={"setup": "exclude"}), definition(-99, "y29", 1, default=True)),
        ],
        {"setup": 1800, "excluded": 1800, "definition": ["y29@1", "x29@1"]},
    ),
    Case(
        "valid-from-decides-not-the-number",
        [
            *(registered("x30"), definition(-99, "x30", 2, policy={"setup": "exclude"}), definition(1800, "x30", 1)),
            state(0, "setup"),
        ],
        {"setup": 1800, "excluded": 1800, "definition": ["x30@2", "x30@1"]},
    ),
    Case(
        "a-window-across-two-versions-is-split",
        [
            *(registered("x31"), definition(-99, "x31", 1, policy=SHORT), definition(1800, "x31", 2, policy={"rework": "good"})),
            *(RUN, state(100, "idle"), state(200, "running"), state(1850, "idle"), state(1950, "running")),
            *(P6, parts(1000, 8, rework=2), parts(2000, 8, rework=2)),
        ],
        {
            "breakdown": 100, "breakdowns": 1, "microstop": 100, "microstops": 1, "good": 18, "total": 20, "rework": 4,
            "definition": ["x31@1", "x31@2"],
        },
    ),
    Case(
        "a-state-map-changes-a-state-that-goes-on",
        [definition(1800, "x32", 1, policy={"state_map": {"idle": "planned"}}, default=True), state(0, "idle")],
        {"breakdown": 1800, "planned_stop": 1800, "breakdowns": 1},
    ),
    Case("state-words-have-no-case", [state(0, "Execute"), state(600, "IDLE")], {"run": 600, "breakdown": 3000}),
]  # fmt: skip

STATES = [
    Case("equal-times-by-seq", [state(0, "running", seq=2), state(0, "idle", seq=1)], {"run": 3600}),
    Case("equal-times-by-the-log", [state(0, "idle"), state(0, "running")], {"run": 3600, "breakdowns": 0}),
    Case(
        "an-open-stop-holds-to-the-last-tick",
        [RUN, state(3500, "idle"), tick(3900)],
        {"breakdown": 100, "breakdowns": 1},
    ),
    Case(
        "an-open-stop-holds-exactly-to-the-as-of-time",
        [RUN, state(3500, "idle"), tick(3900), parts(3700, 1)],
        {"microstop": 100, "microstops": 1, "flags": frozenset()},
        as_of=3700,
    ),
    Case(
        "parts-and-reasons-do-not-lengthen-a-stop",
        [RUN, state(3500, "idle"), P6, parts(3950, 1), reason(4000, 3500, 4000, "unplanned")],
        {"microstop": 100, "microstops": 1},
    ),
    Case("a-count-at-the-as-of-time-is-there", [RUN, P6, parts(60, 1), parts(61, 1)], {"total": 1, "calendar": 60}, as_of=60),
    Case("a-site-ticks-for-all", [RUN, state(3500, "idle"), tick(3900, machine="")], {"breakdown": 100}),
    Case("nothing-heard-yet", [], {"unknown": 3600, "oee": 0, "performance": None, "completeness": 0}),
    Case(
        "as-of-before-the-window",
        [RUN],
        {"calendar": 0, "oee": None, "utilization": None, "flags": frozenset({"provisional"})},
        as_of=-5,
    ),
]  # fmt: skip

REASONS = [
    Case(
        "a-reason-taken-back",
        [RUN, state(1000, "fault"), state(2000, "running"), reason(3000, 1000, 2000, "setup", id="mine"),
         {"type": "reason.retracted", "t": 3100, "reason_id": "mine"}],
        {"setup": 0, "breakdown": 1000},
    ),
    Case(
        "overlapping-reasons-the-later-recorded-stands",
        [RUN, reason(3200, 1000, 2000, "setup"), reason(3100, 1500, 2500, "unplanned")],
        {"setup": 1000, "breakdown": 500, "breakdowns": 1},
    ),
    Case(
        "reasons-recorded-together-the-later-in-the-log",
        [RUN, reason(3100, 1000, 2000, "setup"), reason(3100, 1000, 2000, "unknown")],
        {"unknown": 1000, "setup": 0},
    ),
    Case(
        "a-reason-counts-whenever-it-was-recorded",
        [RUN, state(500, "fault"), state(1000, "running"), reason(9000, 500, 1000, "planned_stop")],
        {"planned_stop": 500, "run": 700},
        as_of=1200,
    ),
    Case(
        "a-reason-over-the-time-before-the-first-state",
        [state(1800, "running"), reason(1900, 0, 1800, "setup")],
        {"setup": 1800, "unknown": 0, "completeness": Fraction(1, 2)},
    ),
]  # fmt: skip

CASES = [*COUNTERS, *PRODUCTS, *SCHEDULES, *DEFINITIONS, *STATES, *REASONS]
