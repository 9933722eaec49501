"""What stops cost: by reason, most first, and how often and how long machines fail, each mean with its sum and its count.

Rules: only the part of a stop inside the window counts, an open one to now, and nothing of what ran inside a joined stop. A
failure is a stop of category `unplanned` that begins in the window and lasts `microstop` or longer before any clipping; its time
to repair is its whole length, known once it is over. Sums are int64 ns; a mean of nothing is null.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import sqlalchemy as sa

from tailrace.projections.pages import rows
from tailrace.projections.queries import gaps_of
from tailrace.projections.tables import machine as machines
from tailrace.projections.tables import state_interval, stop
from tailrace.schemas.answer import LossItem, Mean, ParetoItem, StopReport
from tailrace.schemas.instant import seconds

MTBF = "Σ run time in the window / n failures that begin in it"
MTTR = "Σ length of those failures that are over / n of them"


def losses(
    connection: sqlite3.Connection,
    now: int,
    start: int,
    end: int,
    *,
    machine: str | None = None,
    line: str | None = None,
) -> list[LossItem]:
    """What machines were down for in [start, end), most time first: stops with a part in it, and how long those parts are."""
    summed = _summed(connection, now, start, end, machine, line)
    ordered = sorted(summed.items(), key=lambda each: (-each[1][0], each[0]))
    return [
        LossItem(category=category, reason=reason, duration_s=seconds(ns), stops=n)
        for (category, reason), (ns, n) in ordered
    ]


def report(
    connection: sqlite3.Connection, now: int, start: int, end: int, *, microstop: int,
    machine: str | None = None, line: str | None = None,
) -> StopReport:  # fmt: skip
    """The Pareto of [start, end) with shares of all down time, MTBF and MTTR; microstop in ns."""
    summed = _summed(connection, now, start, end, machine, line)
    ordered = sorted(summed.items(), key=lambda each: (-each[1][0], each[0]))
    total = sum(ns for ns, _ in summed.values())
    so_far = accumulate(ns for _, (ns, _) in ordered)
    items = [
        ParetoItem(
            category=category, reason=reason, duration_s=seconds(ns), stops=n, share=ns / total if total else None,
            cumulative=reached / total if total else None,
        )
        for ((category, reason), (ns, n)), reached in zip(ordered, so_far, strict=True)
    ]  # fmt: skip
    begun = rows(
        connection,
        _of(sa.select(stop), stop, machine, line).where(
            stop.c.category == "unplanned", stop.c.start_ns >= start, stop.c.start_ns < min(end, now)
        ),
    )
    failures = [(row["end_ns"], _length(row, now)) for row in begun if _length(row, now) >= microstop]
    over = [length for until, length in failures if until is not None]
    ran = _ran(connection, now, start, end, machine, line)
    return StopReport(
        items=items, down_s=seconds(total), stops=sum(n for _, n in summed.values()),
        mtbf=_mean(MTBF, ran, len(failures)), mttr=_mean(MTTR, sum(over), len(over)),
    )  # fmt: skip


def _summed(
    connection: sqlite3.Connection, now: int, start: int, end: int, machine: str | None, line: str | None
) -> dict[tuple[str, str], tuple[int, int]]:
    """(ns, stops) by category and reason."""
    statement = sa.select(stop.c.category, stop.c.reason, _clipped(stop, now, start, end), sa.func.count().label("n"))
    inside = _of(statement, stop, machine, line).where(*_within(stop, start, end))
    grouped = rows(connection, inside.group_by(stop.c.category, stop.c.reason))
    summed = {(row["category"], row["reason"]): (int(row["ns"]), int(row["n"])) for row in grouped}
    joined = _of(sa.select(stop), stop, machine, line).where(*_within(stop, start, end), stop.c.gaps != "")
    for row in rows(connection, joined):
        ns, n = summed[row["category"], row["reason"]]
        ran = sum(max(0, min(b, end) - max(a, start)) for a, b in gaps_of(row))
        summed[row["category"], row["reason"]] = ns - ran, n
    return summed


def _ran(connection: sqlite3.Connection, now: int, start: int, end: int, machine: str | None, line: str | None) -> int:
    statement = _of(sa.select(_clipped(state_interval, now, start, end)), state_interval, machine, line)
    (row,) = rows(connection, statement.where(*_within(state_interval, start, end), state_interval.c.category == "run"))
    return int(row["ns"] or 0)


def _clipped(table: sa.Table, now: int, start: int, end: int) -> sa.Label[int]:
    """The sum of the parts of rows in [start, end), ns."""
    begins = sa.case((table.c.start_ns < start, start), else_=table.c.start_ns)
    until = sa.func.coalesce(table.c.end_ns, now)
    ends = sa.case((until > end, end), else_=until)
    return sa.func.sum(sa.case((ends > begins, ends - begins), else_=0)).label("ns")


def _within(table: sa.Table, start: int, end: int) -> Iterable[sa.ColumnElement[bool]]:
    return table.c.start_ns < end, sa.or_(table.c.end_ns.is_(None), table.c.end_ns > start)


def _of(statement: sa.Select[Any], table: sa.Table, machine: str | None, line: str | None) -> sa.Select[Any]:
    if machine is not None:
        statement = statement.where(table.c.machine == machine)
    if line is not None:
        statement = statement.where(table.c.machine.in_(sa.select(machines.c.machine).where(machines.c.line == line)))
    return statement


def _length(row: dict[str, Any], now: int) -> int:
    """How long the machine was down in a stop, ns."""
    return int(
        (now if row["end_ns"] is None else row["end_ns"]) - row["start_ns"] - sum(b - a for a, b in gaps_of(row))
    )


def _mean(formula: str, total: int, n: int) -> Mean:
    return Mean(formula=formula, sum_s=seconds(total), n=n, mean_s=total / n / 10**9 if n else None)
