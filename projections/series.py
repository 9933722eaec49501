"""What signals and scores were over time, as charts and programs ask for it.

Rules: a series has at most POINTS_MAX items, at the finest resolution that allows it: minutes, hours, or days made of hours.
Minutes are taken where they hold most of what was read: a signal that is read less than twice a minute has hours only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from tailrace.projections.pages import rows
from tailrace.projections.tables import score_rollup, signal_rollup, signal_unit
from tailrace.schemas.answer import RollupItem, Rollups, ScoreItem
from tailrace.schemas.errors import InvalidInput
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND, format_instant
from tailrace.schemas.unit import unit_of

POINTS_MAX = 2000
RESOLUTIONS = (MINUTE, HOUR, DAY)


def rollups(
    connection: sqlite3.Connection, machine: str, signal: str, start: int, end: int, *, resolution_s: int | None = None
) -> Rollups:
    """A signal in [start, end): whole minutes, hours or days with a part in it, by time.

    Raises InvalidInput for a resolution that there is not, and for a window with more than POINTS_MAX items.
    """
    if resolution_s is None:
        resolution = _finest(connection, machine, signal, start, end)
    elif resolution_s * SECOND in RESOLUTIONS:
        resolution = resolution_s * SECOND
    else:
        known = ", ".join(str(each // SECOND) for each in RESOLUTIONS)
        raise InvalidInput(f"resolution: expected one of {known} (seconds), got {resolution_s}")
    _bound(start, end, resolution)
    found = rows(connection, _select(machine, signal, start, end, resolution))
    unit = rows(
        connection,
        sa.select(signal_unit.c.unit).where(signal_unit.c.machine == machine, signal_unit.c.signal == signal),
    )
    items = list(_days(found)) if resolution == DAY else [_item([row]) for row in found]
    name = unit_of(signal, unit[0]["unit"] if unit else None)
    return Rollups(machine=machine, signal=signal, unit=name, resolution_s=resolution // SECOND, items=items)


def scores(connection: sqlite3.Connection, machine: str, start: int, end: int) -> list[ScoreItem]:
    """The anomaly scores of a machine in [start, end), by 5 minutes; raises InvalidInput where those are too many."""
    span = 5 * MINUTE
    _bound(start, end, span)
    table = score_rollup.c
    statement = sa.select(score_rollup).where(
        table.machine == machine, table.start_ns < end, table.start_ns > start - span
    )
    return [_score(row) for row in rows(connection, statement.order_by(table.start_ns))]


def _finest(connection: sqlite3.Connection, machine: str, signal: str, start: int, end: int) -> int:
    fits = [each for each in RESOLUTIONS if (end - start) // each < POINTS_MAX]
    if MINUTE in fits:
        minutes, hours = (_readings(connection, machine, signal, start, end, each) for each in (MINUTE, HOUR))
        if 2 * minutes < hours:
            fits.remove(MINUTE)
    return fits[0] if fits else DAY


def _readings(connection: sqlite3.Connection, machine: str, signal: str, start: int, end: int, resolution: int) -> int:
    part = _select(machine, signal, start, end, resolution).subquery()
    count = sa.func.coalesce(sa.func.sum(part.c.n + part.c.bad), 0).label("readings")
    return int(rows(connection, sa.select(count))[0]["readings"])


def _select(machine: str, signal: str, start: int, end: int, resolution: int) -> sa.Select[Any]:
    table = signal_rollup.c
    begin = start // resolution * resolution
    until = -(-end // resolution) * resolution
    return (
        sa.select(signal_rollup)
        .where(table.machine == machine, table.signal == signal)
        .where(table.resolution_s == min(resolution, HOUR) // SECOND)
        .where(table.start_ns >= begin, table.start_ns < until)
        .order_by(table.start_ns)
    )


def _bound(start: int, end: int, resolution: int) -> None:
    points = (end - start) // resolution + 1
    if points > POINTS_MAX:
        raise InvalidInput(
            f"expected a window of at most {POINTS_MAX} times {resolution // SECOND} s, got {points} times; ask for less"
        )


def _days(found: Sequence[dict[str, Any]]) -> Iterator[RollupItem]:
    for day, same in groupby(found, key=lambda row: row["start_ns"] // DAY * DAY):
        yield _item(list(same), day)


def _item(found: Sequence[dict[str, Any]], start: int | None = None) -> RollupItem:
    """The rows of one stretch, in order, as one item."""
    some = [row for row in found if row["n"]]
    n = sum(row["n"] for row in some)
    sums = [row["sum"] for row in some]
    return RollupItem(
        start=format_instant(found[0]["start_ns"] if start is None else start), n=n, bad=sum(row["bad"] for row in found),
        min=min((row["min"] for row in some), default=None), max=max((row["max"] for row in some), default=None),
        mean=sum(sums) / n if n and None not in sums else None,
        first=some[0]["first"] if some else None, last=some[-1]["last"] if some else None,
    )  # fmt: skip


def _score(row: dict[str, Any]) -> ScoreItem:
    mean = row["sum_e6"] / row["n"] / 1e6
    return ScoreItem(
        start=format_instant(row["start_ns"]), n=row["n"], unusual=row["unusual"], mean=mean, max=row["max"]
    )
