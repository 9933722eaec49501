"""From policy-free tallies to an OEE: a policy sorts them into buckets, and ratios follow from the buckets.

Formulas (docs/oee.md): availability = operating / base; performance = standard(total) / operating;
quality = standard(good) / standard(total); oee = standard(good) / base, where standard(x) is the sum of ideal cycle x parts and
base is the planned busy time, or all of the time where the policy says so. Everything up to the ratios is an integer of ns or
parts; a ratio of two integers is rounded once. Nothing is capped, and a ratio with a zero below the line is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec

from tailrace.schemas.bucket import (
    AT_FLAGS,
    AT_IDEAL,
    AT_NO_IDEAL,
    AT_PARTS,
    AT_TIME,
    CATEGORIES,
    CLASSES,
    COUNTER_FLAGS,
    GRADES,
    PLACES,
)
from tailrace.schemas.event import Policy
from tailrace.schemas.instant import HOUR, seconds

OFF, PLANNED, SHIFT = range(len(CLASSES))
RUN, UNPLANNED, SETUP, PLANNED_STOP, UNKNOWN = range(len(CATEGORIES))
GOOD, REJECT, REWORK = range(len(GRADES))


class Measured(msgspec.Struct, frozen=True):
    """What was measured in a stretch under one definition.

    tallies: one row of schemas.bucket.COLUMNS, in integers of Python, which do not wrap. microstop: ns of unplanned shift time in
    episodes shorter than the policy's threshold. breakdowns, microstops: episodes that begin in a shift of the stretch.
    """

    tallies: Sequence[int]
    microstop: int
    breakdowns: int
    microstops: int
    policy: Policy


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Buckets in ns and parts of a stretch; accounts of stretches side by side, or of several machines, add up, whatever their
    policies.

    base: what availability and OEE are judged on. scheduled: shifts with their planned stops; observed: the part of it that was
    seen, which only who knows the watermark can say.
    """

    calendar: int = 0
    base: int = 0
    scheduled: int = 0
    observed: int = 0
    not_scheduled: int = 0
    planned_stop: int = 0
    excluded: int = 0
    setup: int = 0
    breakdown: int = 0
    unknown: int = 0
    microstop: int = 0
    run: int = 0
    good: int = 0
    reject: int = 0
    rework: int = 0
    total: int = 0
    offplan_good: int = 0
    offplan_reject: int = 0
    standard_total: int = 0
    standard_good: int = 0
    no_ideal: int = 0
    breakdowns: int = 0
    microstops: int = 0
    rollover: int = 0
    reset: int = 0
    backstep: int = 0
    anomaly: int = 0

    def __add__(self, other: Account) -> Account:
        return Account(**{f: getattr(self, f) + getattr(other, f) for f in self.__struct_fields__})

    @property
    def operating(self) -> int:
        """Time in which the machine was meant to make parts, in ns."""
        return self.microstop + self.run

    @property
    def pbt(self) -> int:
        """Planned busy time (ISO 22400) in ns."""
        return self.setup + self.breakdown + self.unknown + self.microstop + self.run


def account(measured: Measured, observed: int = 0) -> Account:
    """The buckets of a stretch under its policy; observed: as in Account."""
    row, time = measured.tallies, _time(measured)
    total = measured.policy.base == "total"
    base = (
        time["calendar"] if total else sum(time[name] for name in ("setup", "breakdown", "unknown", "microstop", "run"))
    )
    flags = dict(zip(COUNTER_FLAGS, row[AT_FLAGS], strict=True))
    return Account(base=base, observed=observed, **time, **_parts(measured), **flags)


def result(accounts: Sequence[Account], *, provisional: bool) -> dict[str, Any]:
    """The figures of docs/oee.md: seconds and parts as numbers, ratios 0..1 or None, flags sorted."""
    a = accounts[0] if len(accounts) == 1 else sum(accounts, Account())
    complete = not a.no_ideal
    standard_good = a.standard_good if complete else None
    standard_total = a.standard_total if complete else None
    figures: dict[str, Any] = {name: seconds(ns) for name, ns in zip(_SECONDS, _times_of(a), strict=True)}
    figures |= dict(zip(_PARTS, _parts_of(a), strict=True))
    quality_count = _ratio(a.good, a.total)
    figures |= {
        "availability": _ratio(a.operating, a.base),
        "performance": _ratio(standard_total, a.operating),
        "quality": _ratio(standard_good, standard_total) if complete else quality_count,
        "quality_count": quality_count,
        "oee": _ratio(standard_good, a.base),
        "nee": _ratio(_times(a.operating + a.setup, standard_good), a.base * a.operating),
        "ooe": _ratio(standard_good, a.calendar - a.not_scheduled),
        "teep": _ratio(standard_good, a.calendar),
        "utilization": _ratio(a.pbt, a.calendar),
        "first_pass_yield": _ratio(a.total - a.reject - a.rework, a.total),
        "scrap_ratio": _ratio(a.reject, a.total),
        "rework_ratio": _ratio(a.rework, a.total),
        "throughput": _ratio(a.total * HOUR, a.pbt),
        "completeness": _ratio(a.observed, a.scheduled),
        "speed_loss": seconds(a.operating - a.microstop - a.standard_total) if complete else None,
        "quality_loss": seconds(a.standard_total - a.standard_good) if complete else None,
        "valuable": seconds(a.standard_good) if complete else None,
        "flags": _raised(a, provisional),
    }
    return figures


_SECONDS = (
    "calendar", "not_scheduled", "planned_stop", "excluded", "setup", "breakdown", "unknown", "microstop", "run", "pbt",
    "base", "operating",
)  # fmt: skip
_PARTS = (
    "total", "good", "reject", "rework", "offplan_good", "offplan_reject", "breakdowns", "microstops",
)  # fmt: skip
_times_of, _parts_of = attrgetter(*_SECONDS), attrgetter(*_PARTS)


def _time(measured: Measured) -> dict[str, int]:
    policy, row = measured.policy, measured.tallies
    off, planned, shift = row[_AT_CLASS[OFF]], row[_AT_CLASS[PLANNED]], row[_AT_CLASS[SHIFT]]
    through = policy.run_through == "include"
    ran_off, ran_planned = (ns[RUN] if through else 0 for ns in (off, planned))
    stopped = shift[PLANNED_STOP]
    as_loss = policy.planned == "loss"
    left_out = (shift[SETUP] if policy.setup == "exclude" else 0, shift[UNKNOWN] if policy.unknown == "exclude" else 0)
    in_planned, in_shift = sum(planned), sum(shift)
    return {
        "calendar": sum(off) + in_planned + in_shift,
        "scheduled": in_planned + in_shift,
        "not_scheduled": sum(off) - ran_off,
        "planned_stop": in_planned - ran_planned + (0 if as_loss else stopped),
        "excluded": sum(left_out),
        "setup": shift[SETUP] if policy.setup == "loss" else 0,
        "unknown": shift[UNKNOWN] if policy.unknown == "loss" else 0,
        "breakdown": shift[UNPLANNED] - measured.microstop + (stopped if as_loss else 0),
        "microstop": measured.microstop,
        "run": shift[RUN] + ran_off + ran_planned,
        "breakdowns": measured.breakdowns,
        "microstops": measured.microstops,
    }


_AT_CLASS = [
    slice(AT_TIME.start + i * len(CATEGORIES), AT_TIME.start + (i + 1) * len(CATEGORIES)) for i in range(len(CLASSES))
]


def _parts(measured: Measured) -> dict[str, int]:
    policy, row = measured.policy, measured.tallies
    on, off = _on_plan(policy.offplan_counts, policy.run_through)
    counted, aside, standards = _graded(row, AT_PARTS, on), _graded(row, AT_PARTS, off), _graded(row, AT_IDEAL, on)
    reworked = policy.rework == "good"
    return {
        "good": counted[GOOD] + (counted[REWORK] if reworked else 0),
        "reject": counted[REJECT],
        "rework": counted[REWORK],
        "total": sum(counted),
        "offplan_good": aside[GOOD],
        "offplan_reject": aside[REJECT] + aside[REWORK],
        "standard_total": sum(standards),
        "standard_good": standards[GOOD] + (standards[REWORK] if reworked else 0),
        "no_ideal": sum([row[AT_NO_IDEAL.start + place] for place in on]),
    }


def _graded(row: Sequence[int], at: slice, places: Sequence[int]) -> tuple[int, int, int]:
    """Sums over some places: good, reject, rework."""
    good = reject = rework = 0
    for place in places:
        first = at.start + place * len(GRADES)
        good += row[first + GOOD]
        reject += row[first + REJECT]
        rework += row[first + REWORK]
    return good, reject, rework


@cache
def _on_plan(offplan_counts: str, run_through: str) -> tuple[Sequence[int], Sequence[int]]:
    """The places whose parts count, and those whose parts are shown apart."""
    if offplan_counts == "include":
        return range(len(PLACES)), ()
    names = ("off_run", "planned_run", "shift") if run_through == "include" else ("shift",)
    on = [PLACES.index(name) for name in names]
    return on, [place for place in range(len(PLACES)) if place not in on]


def _raised(a: Account, provisional: bool) -> list[str]:
    raised = {
        "provisional": provisional,
        "offplan_counts": bool(a.offplan_good or a.offplan_reject),
        "ideal_cycle_missing": bool(a.no_ideal),
        "performance_over_100": not a.no_ideal and a.standard_total > a.operating > 0,
        "counts_without_runtime": a.total != 0 and a.operating == 0,
        "negative_counts": min(a.good, a.reject, a.rework) < 0,
    }
    raised |= {f"counter_{name}": getattr(a, name) > 0 for name in COUNTER_FLAGS}
    return sorted(name for name, flag in raised.items() if flag)


def _times(length: int, parts: int | None) -> int | None:
    return None if parts is None else length * parts


def _ratio(above: int | None, below: int | None) -> float | None:
    if above is None or not below:
        return None
    return above / below
