"""REST: what the floor does and did: machines, signals, stops, alarms, and the reasons that are offered for stops.

Rules: `at` is a time of events: what held then, by what is known today; with `known_at`, by what was known then. `at` lies not in
the future, and not after `known_at`: nobody knows what holds then.
"""

from __future__ import annotations

from litestar.datastructures import State

from tailrace.app.api_asked import (
    At,
    Cursor,
    From,
    KnownAt,
    Limit,
    Machine,
    Microstop,
    OfSite,
    OnLine,
    Open,
    Served,
    To,
    bounds,
    instant,
    served,
    window,
)
from tailrace.app.api_problem import asked
from tailrace.app.api_tag import RUNS, STOPS, WINDOW
from tailrace.app.known_rows import known_rows
from tailrace.app.oee_picture import pictured
from tailrace.app.signals_at import signals_at
from tailrace.app.stop_report import report
from tailrace.projections import queries
from tailrace.projections.reasons import offered, tree
from tailrace.schemas.answer import AnomalyItem, MachineItem, Page, SignalItem, StopItem, StopReport
from tailrace.schemas.errors import InvalidInput
from tailrace.schemas.instant import SECOND, format_instant
from tailrace.schemas.reason import StopReason


@asked("/machines")
def machines(
    state: State,
    line: OnLine = None,
    site: OfSite = None,
    at: At = None,
    known_at: KnownAt = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[MachineItem]:
    """Every machine, where it stands and what it does, or did at a time; a state of null: nothing was heard of it yet."""
    here = served(state)
    then, known = _times(here, at, known_at)
    with known_rows(here.directory, known) as connection:
        return queries.machines(connection, line=line, site=site, at=then, cursor=cursor, limit=limit)


@asked("/signals")
def signals(
    state: State,
    machine: Machine = None,
    at: At = None,
    known_at: KnownAt = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[SignalItem]:
    """The latest reading of each signal, or the latest at a time; a signal that was not read by then is not there."""
    here = served(state)
    then, known = _times(here, at, known_at)
    with pictured(here.directory, known) as picture:
        if picture.rows is not None and then is None:
            return queries.signals(picture.rows, machine=machine, cursor=cursor, limit=limit)
        return signals_at(picture, then, machine=machine, cursor=cursor, limit=limit)


@asked("/stops", opt={RUNS: (STOPS,)})
def stops(
    state: State,
    machine: Machine = None,
    start: From = None,
    end: To = None,
    open_only: Open = False,
    at: At = None,
    known_at: KnownAt = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[StopItem]:
    """Stops that have a part in [from, to), newest first; with `at` those that were open then, as they stood then."""
    here = served(state)
    then, known = _times(here, at, known_at)
    now = here.clock() if known is None else min(here.clock(), known)
    with known_rows(here.directory, known) as connection:
        return queries.stops(
            connection,
            now,
            machine=machine,
            **bounds(start, end),
            open_only=open_only,
            at=then,
            cursor=cursor,
            limit=limit,
        )


@asked("/stops/pareto", opt={RUNS: (WINDOW, STOPS)})
def pareto(
    state: State,
    machine: Machine = None,
    line: OnLine = None,
    start: From = None,
    end: To = None,
    microstop_s: Microstop = None,
    known_at: KnownAt = None,
) -> StopReport:
    """What stops cost by reason, most first, MTBF and MTTR as sum / n, and the six big losses; by default of the last 8 hours."""
    here = served(state)
    since, until = window(here, start, end)
    short = None if microstop_s is None else round(microstop_s * SECOND)
    known = instant("known_at", known_at)
    return report(
        here.directory, here.clock(), since, until, machine=machine, line=line, microstop=short, known_at=known
    )


@asked("/reasons")
def reasons(state: State, machine: Machine = None, known_at: KnownAt = None) -> Page[StopReason]:
    """What people choose from for a stop, in the order of the tree; of a machine, what is offered for it."""
    with known_rows(served(state).directory, instant("known_at", known_at)) as connection:
        return Page(tree(connection) if machine is None else offered(connection, machine))


@asked("/anomalies")
def anomalies(
    state: State,
    machine: Machine = None,
    start: From = None,
    end: To = None,
    open_only: Open = False,
    at: At = None,
    known_at: KnownAt = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[AnomalyItem]:
    """Alarms of the anomaly models that have a part in [from, to), newest first; with `at` those that stood then."""
    here = served(state)
    then, known = _times(here, at, known_at)
    with known_rows(here.directory, known) as connection:
        return queries.anomalies(
            connection, machine=machine, **bounds(start, end), open_only=open_only, at=then, cursor=cursor, limit=limit
        )


def _times(here: Served, at: str | None, known_at: str | None) -> tuple[int | None, int | None]:
    """`at` and `known_at` in ns."""
    then, known = instant("at", at), instant("known_at", known_at)
    now = here.clock()
    latest = now if known is None else min(now, known)
    if then is not None and then > latest:
        raise InvalidInput(
            f"at: expected a time of which something can be known, up to {format_instant(latest)}, got {at}"
        )
    return then, known


HANDLERS = [machines, signals, stops, pareto, reasons, anomalies]
