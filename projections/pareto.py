"""What stops cost: by reason, most first, and how often and how long machines fail, each mean with its sum and its count.

Rules: only the part of a stop inside the window counts, an open one to now, and nothing of what ran inside a joined stop. A stop
that is shorter than the threshold of its machine's definition before any clipping is a minor stop, whatever its reason. A
failure is a stop of category `unplanned` that begins in the window and is not shorter than the threshold; its time to repair is
its whole length, known once it is over. Sums are int64 ns; a mean of nothing is null.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate

import msgspec
import sqlalchemy as sa

from tailrace.projections.losses import DEFAULTS
from tailrace.projections.pages import rows
from tailrace.projections.queries import gaps_of
from tailrace.projections.tables import state_interval, stop
from tailrace.schemas.answer import Mean, ParetoItem
from tailrace.schemas.instant import seconds
from tailrace.schemas.reason import Loss

MTBF = "Σ run time in the window / n failures that begin in it"
MTTR = "Σ length of those failures that are over / n of them"

Threshold = Callable[[str, int], int]
"""(machine, t) -> ns: a stop that begins at t and is shorter is no failure."""


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A stop that has a part in [start, end), in ns; gaps: what ran in it; until: where it ends so far."""

    machine: str
    start: int
    end: int | None
    until: int
    gaps: list[tuple[int, int]]
    category: str
    reason: str

    @property
    def length(self) -> int:
        """How long the machine was down in all of it, ns."""
        return self.until - self.start - sum(b - a for a, b in self.gaps)

    def within(self, a: int, b: int, until: int | None = None) -> list[tuple[int, int]]:
        """The parts of [a, b) in which the machine was down; until: where it is said to end, where it is open."""
        a, b = max(self.start, a), min(self.until if self.end is not None or until is None else until, b)
        edges = [a, *(min(max(edge, a), b) for gap in self.gaps for edge in gap), b]
        return [(begins, ends) for begins, ends in zip(edges[::2], edges[1::2], strict=True) if begins < ends]


def stretches(connection: sqlite3.Connection, now: int, start: int, end: int, machines: Sequence[str]) -> list[Stretch]:
    """The stops of some machines that have a part in [start, end), by machine and time."""
    statement = sa.select(stop).where(*_within(stop, start, end), _of(stop, machines))
    return [
        Stretch(
            machine=row["machine"], start=row["start_ns"], end=row["end_ns"], gaps=gaps_of(row),
            until=max(now, row["start_ns"]) if row["end_ns"] is None else row["end_ns"],
            category=row["category"], reason=row["reason"],
        )
        for row in rows(connection, statement.order_by(stop.c.machine, stop.c.start_ns))
    ]  # fmt: skip


def reasons_since(connection: sqlite3.Connection, t: int) -> list[str]:
    """Every reason that was given for a stop that was not over at t, by name."""
    statement = sa.select(stop.c.reason).where(*_within(stop, t, 2**63 - 1), stop.c.reason != "")
    return [row["reason"] for row in rows(connection, statement.distinct().order_by(stop.c.reason))]


def items(
    stops: Sequence[Stretch], start: int, end: int, short: Threshold, losses: Mapping[str, Loss | None]
) -> list[ParetoItem]:
    """What stops cost in [start, end) by category, reason and loss, most first. losses: those that reasons name."""
    summed: dict[tuple[str, str, str], list[int]] = {}
    for each in stops:
        key = (each.category, each.reason, _loss(each, short, losses) or "")
        of_it = summed.setdefault(key, [0, 0])
        of_it[0] += sum(b - a for a, b in each.within(start, end))
        of_it[1] += 1
    ordered = sorted(summed.items(), key=lambda each: (-each[1][0], each[0]))
    total = sum(ns for ns, _ in summed.values())
    so_far = accumulate(ns for _, (ns, _) in ordered)
    return [
        ParetoItem(
            category=category, reason=reason, loss=loss or None, duration_s=seconds(ns), stops=n,
            share=ns / total if total else None, cumulative=reached / total if total else None,
        )
        for ((category, reason, loss), (ns, n)), reached in zip(ordered, so_far, strict=True)
    ]  # fmt: skip


def means(
    connection: sqlite3.Connection, stops: Sequence[Stretch], now: int, start: int, end: int, *,
    machines: Sequence[str], short: Threshold,
) -> tuple[Mean, Mean]:  # fmt: skip
    """MTBF and MTTR of [start, end)."""
    failures = [
        each for each in stops
        if each.category == "unplanned" and start <= each.start < min(end, now)
        and each.length >= short(each.machine, each.start)
    ]  # fmt: skip
    over = [each.length for each in failures if each.end is not None]
    ran = _ran(connection, now, start, end, machines)
    return _mean(MTBF, ran, len(failures)), _mean(MTTR, sum(over), len(over))


def _loss(one: Stretch, short: Threshold, losses: Mapping[str, Loss | None]) -> str | None:
    """Which loss a stop is counted under; of a planned stop and of what is unknown, none unless its reason names one."""
    if one.category == "unplanned" and one.length < short(one.machine, one.start):
        return "idling_minor_stops"
    usual = None if one.category == "planned_stop" else DEFAULTS.get(one.category)
    return losses.get(one.reason) or usual


def _ran(connection: sqlite3.Connection, now: int, start: int, end: int, machines: Sequence[str]) -> int:
    mine = _of(state_interval, machines), state_interval.c.category == "run"
    statement = sa.select(_clipped(state_interval, now, start, end)).where(*mine)
    (row,) = rows(connection, statement.where(*_within(state_interval, start, end)))
    return int(row["ns"] or 0)


def _clipped(table: sa.Table, now: int, start: int, end: int) -> sa.Label[int]:
    """The sum of the parts of rows in [start, end), ns."""
    begins = sa.case((table.c.start_ns < start, start), else_=table.c.start_ns)
    until = sa.func.coalesce(table.c.end_ns, now)
    ends = sa.case((until > end, end), else_=until)
    return sa.func.sum(sa.case((ends > begins, ends - begins), else_=0)).label("ns")


def _within(table: sa.Table, start: int, end: int) -> Iterable[sa.ColumnElement[bool]]:
    return table.c.start_ns < end, sa.or_(table.c.end_ns.is_(None), table.c.end_ns > start)


def _of(table: sa.Table, machines: Sequence[str]) -> sa.ColumnElement[bool]:
    return table.c.machine.in_([sa.literal(name) for name in machines]) if machines else sa.false()


def _mean(formula: str, total: int, n: int) -> Mean:
    return Mean(formula=formula, sum_s=seconds(total), n=n, mean_s=total / n / 10**9 if n else None)
