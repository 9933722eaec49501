"""What people ask of a month, of 50 machines in three shifts: a machine's month, the shift report, and a reason that comes late.

Every machine says a state and counts parts about every quarter of an hour, for 30 days. A machine's month is asked of each of
them in turn. The shift report is every machine's own shifts: the SQL of docs/read-models.md over `oee_shift`, and the whole
figures as `tailrace oee --every shift` gives them. The reason is one on a stop of the first day: from the append to figures that
show it, with the fold and the rows in between.

Rules: CPU time where something is read, for the files are in memory and other work stretches the wall's; wall time where an
append is waited for. Of the reports the best of some rounds.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from figure import EPOCH, cpu, show
from tailrace.app import compose
from tailrace.app.oee_query import oee
from tailrace.app.shift_report import Asked, report
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.schemas import codec
from tailrace.schemas.event import (
    CalendarSet,
    Event,
    Interval,
    PartsCounted,
    ProductChanged,
    ReasonAssigned,
    StateChanged,
)
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND, Instant, Span, format_instant
from tailrace.schemas.record import Record
from tailrace.topologies.oee import Oee
from tailrace.topologies.shifts import Shifts
from tailrace.topologies.stops import Stops

ROOT = Path(__file__).parents[1]
MACHINES = [f"M{i:02d}" for i in range(1, 51)]
DAYS = 30
END = EPOCH + DAYS * DAY
SHIFTS = ("early", "late", "night")
FIRST_SHIFT = 6 * HOUR
ROUNDS = 5
WORDS = ("running", "running", "running", "idle", "fault", "setup")
FOLDS = (Oee.name, Stops.name, Shifts.name)
SQL = """SELECT machine, name, sum(shift_good) AS good, sum(shift_run_ns) / 1e9 AS run_s FROM oee_shift
GROUP BY machine, start_ns, name"""


def events(machine: str) -> Iterator[Event]:
    """A machine's month."""
    rng = random.Random(machine)

    def base(name: str, t: int) -> dict[str, Any]:
        return {"machine": machine, "t": Instant(t), "ingested": Instant(t), "id": f"{machine}-{name}-{t}"}

    spans = [
        Interval(kind="shift", start=Instant(at), end=Instant(at + 8 * HOUR), name=SHIFTS[i % len(SHIFTS)])
        for i, at in enumerate(range(EPOCH + FIRST_SHIFT, END, 8 * HOUR))
    ]
    yield CalendarSet(intervals=spans, **base("calendar", EPOCH - HOUR))
    yield ProductChanged(product="P1", ideal_cycle=Span(6 * SECOND), **base("product", EPOCH - HOUR))
    for at in range(EPOCH, END + FIRST_SHIFT + HOUR, 15 * MINUTE):
        t = at + rng.randrange(5 * MINUTE)
        yield StateChanged(state=rng.choice(WORDS), **base("state", t))
        yield PartsCounted(good=rng.randrange(120), reject=rng.randrange(3), **base("parts", t + SECOND))


def late_reason(directory: Path, n: int) -> Record:
    """A reason on a stop of the first day, from somebody who looks at it a month later."""
    with compose.read_store(directory) as connection:
        stop, start, end = connection.execute(
            "SELECT id, start_ns, end_ns FROM stop WHERE machine = ? AND start_ns > ? AND end_ns > start_ns + ? "
            "ORDER BY start_ns LIMIT 1 OFFSET ?", (MACHINES[n], EPOCH + FIRST_SHIFT, 2 * MINUTE, n),
        ).fetchone()  # fmt: skip
    said = Instant(END + DAY + n)
    return codec.record_of(
        ReasonAssigned(
            machine=MACHINES[n], t=said, ingested=said, id=f"reason{n}", start=Instant(start), end=Instant(end),
            category="planned_stop", reason="inspection", by="ada", stop=stop,
        ),
        source="bench",
    )  # fmt: skip


def timed(calls: Callable[[], object]) -> float:
    begun = time.perf_counter()
    calls()
    return time.perf_counter() - begun


async def fill(directory: Path) -> float:
    """The machines' months in the log and in the rows; gives the seconds that the rows took."""
    log = SqliteLog(directory / compose.EVENTS_FILE)
    for machine in MACHINES:
        await log.append([codec.record_of(event, source="bench") for event in events(machine)])
    await log.close()
    with compose.pipeline(directory, only=FOLDS) as pipeline:
        seconds = timed(pipeline.drain)
        pipeline.checkpoint()
    return seconds


def months(directory: Path) -> float:
    """The p95 of a machine's month, in ms."""
    window = [(EPOCH, END)]
    found = sorted(cpu(partial(oee, directory, machine, window)) for machine in MACHINES for _ in range(4))
    return 1000 * found[int(0.95 * len(found))]


def shift_sql(directory: Path) -> float:
    """The SQL of docs/read-models.md, in ms."""

    def asked() -> None:
        with closing(sqlite3.connect(directory / compose.READ_FILE)) as connection:
            rows = connection.execute(SQL).fetchall()
        _expect(len(rows), "rows of a shift")

    return _best(asked)


def shift_report(directory: Path) -> float:
    """All figures of every shift, in ms."""
    return _best(lambda: _expect(len(report(directory, Asked(EPOCH + FIRST_SHIFT, END))), "shifts in a report"))


def restated(directory: Path) -> float:
    """Seconds from the append of a late reason to figures that have it, the slowest of a few."""
    found = []
    with compose.pipeline(directory, only=FOLDS) as pipeline:
        pipeline.drain()
        for n in range(5):
            record = late_reason(directory, n)
            window = [(EPOCH, EPOCH + 2 * DAY)]
            (before,) = oee(directory, MACHINES[n], window)

            def said(record: Record = record) -> None:
                asyncio.run(_append(directory, record))
                pipeline.drain()

            seconds = timed(said)
            begun = time.perf_counter()
            (after,) = oee(directory, MACHINES[n], window)
            found.append(seconds + time.perf_counter() - begun)
            if after["planned_stop"] <= before["planned_stop"] or after["revision"] <= before["revision"]:
                raise SystemExit(f"reports: a reason at {format_instant(record.t_min)} restated nothing")
    return max(found)


async def _append(directory: Path, record: Record) -> None:
    log = SqliteLog(directory / compose.EVENTS_FILE)
    await log.append([record])
    await log.close()


def _best(calls: Callable[[], object]) -> float:
    return 1000 * min(cpu(calls) for _ in range(ROUNDS))


def _expect(found: int, what: str) -> None:
    least = len(MACHINES) * len(SHIFTS) * DAYS
    if found < least:
        raise SystemExit(f"reports: expected at least {least} {what}, got {found}")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as name:
        directory = Path(name)
        show("reports: 50 machines x 30 days into rows, for comparison", asyncio.run(fill(directory)), "s")
        reached = [
            show("reports: one machine's month, p95", months(directory), "ms", at_most=50),
            show("reports: SQL over oee_shift, 50 machines x 30 days", shift_sql(directory), "ms", at_most=300),
            show("reports: every figure of every shift of them", shift_report(directory), "ms", at_most=300),
            show("reports: a reason on a stop 30 days ago, restated", restated(directory), "s", at_most=2),
        ]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
