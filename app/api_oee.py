"""REST: figures of the OEE, what was known of them when, and what they are made of, as `tailrace oee` and `explain` say it."""

from __future__ import annotations

from litestar.datastructures import State
from litestar.params import FromPath

from tailrace.app import compose
from tailrace.app.api_asked import (
    AsOf,
    Cursor,
    Definition,
    Definitions,
    Events,
    From,
    KnownAt,
    KnownTwice,
    Line,
    Machine,
    Needed,
    OnLine,
    Restated,
    Site,
    To,
    instant,
    served,
    window,
)
from tailrace.app.api_problem import asked
from tailrace.app.api_tag import RUNS, WINDOW
from tailrace.app.explain import explain_oee
from tailrace.app.explain_event import explain_event
from tailrace.app.oee_diff import diff
from tailrace.app.oee_group import Asked
from tailrace.app.oee_group import of as together
from tailrace.app.oee_ledger import history
from tailrace.app.oee_query import oee as oee_of
from tailrace.app.shift_report import Asked as Shifts
from tailrace.app.shift_report import report as report_shifts
from tailrace.schemas.answer import Explained, OeeDiff, OeeItem, OeeRestated, Page
from tailrace.schemas.errors import InvalidInput


@asked("/oee", opt={RUNS: (WINDOW,)})
def oee(
    state: State,
    machine: Machine = None,
    line: Line = None,
    site: Site = None,
    start: From = None,
    end: To = None,
    as_of: AsOf = None,
    definition: Definitions = None,
    known_at: KnownAt = None,
) -> Page[OeeItem]:
    """One item a machine, with the figures of docs/oee.md; without parameters all machines over the last 8 hours.

    Of a line, or of a site, one item for all of its machines together. Several definitions: an item under each.
    """
    here = served(state)
    since, until = window(here, start, end)
    given, known = instant("as_of", as_of), instant("known_at", known_at)
    under: list[str | None] = [*definition] if definition else [None]
    if line is not None or site is not None:
        if machine is not None:
            raise InvalidInput("expected machine, or line and site, got both; ask for them one after the other")
        wanted = [Asked(since, until, given, name) for name in under]
        sites = [site] if site is not None else []
        return Page(together(here.directory, wanted, line=line, sites=sites, known_at=known))
    with compose.reading(here.directory) as log:
        names = [machine] if machine else log.machines()
    found = [oee_of(here.directory, name, [(since, until)], given, used, known) for name in names for used in under]
    return Page([item for (item,) in found])


@asked("/oee/diff", opt={RUNS: (WINDOW,)})
def oee_diff(
    state: State,
    machine: Needed,
    known_at: KnownTwice,
    start: From = None,
    end: To = None,
    definition: Definition = None,
) -> OeeDiff:
    """The figures of a machine as known at two times, and the seconds that moved in between, each with its cause."""
    here = served(state)
    since, until = window(here, start, end)
    times = [at for text in known_at if (at := instant("known_at", text)) is not None]
    if len(times) != len(("before", "after")):
        raise InvalidInput(f"expected known_at twice, before and after, got it {len(times)} times")
    return diff(here.directory, machine, since, until, (times[0], times[1]), definition)


@asked("/oee/shifts", opt={RUNS: (WINDOW,)})
def shifts(
    state: State,
    machine: Machine = None,
    line: OnLine = None,
    site: Site = None,
    start: From = None,
    end: To = None,
    as_of: AsOf = None,
    definition: Definition = None,
    known_at: KnownAt = None,
) -> Page[OeeItem]:
    """The shift report: `shift` and the figures of each shift that begins in [from, to), of each machine by its own calendar."""
    here = served(state)
    if machine is not None and (line is not None or site is not None):
        raise InvalidInput("expected machine, or line and site, got both; ask for them one after the other")
    wanted = Shifts(*window(here, start, end), instant("as_of", as_of), definition)
    machines, sites = [machine] if machine is not None else [], [site] if site is not None else []
    known = instant("known_at", known_at)
    return Page(report_shifts(here.directory, wanted, machines=machines, line=line, sites=sites, known_at=known))


@asked("/oee/history", opt={RUNS: (WINDOW,)})
def oee_history(
    state: State,
    machine: Needed,
    start: From = None,
    end: To = None,
    definition: Definition = None,
    cursor: Cursor = None,
    limit: Restated = 20,
) -> Page[OeeRestated]:
    """The ledger of a window: each event that restated it, oldest first, with figures before and after it, who, when and why."""
    here = served(state)
    since, until = window(here, start, end)
    return history(here.directory, machine, since, until, definition, cursor=cursor, limit=limit)


@asked("/explain/oee", opt={RUNS: (WINDOW,)})
def oee_explained(
    state: State,
    machine: Needed,
    start: From = None,
    end: To = None,
    definition: Definition = None,
    events: Events = 20,
    cursor: Cursor = None,
) -> Explained:
    """The OEE of a machine taken apart: formulas, stretches of time, parts, rows, and a page of the raw events behind them."""
    here = served(state)
    since, until = window(here, start, end)
    return explain_oee(here.directory, machine, since, until, definition, events=events, cursor=cursor)


@asked("/explain/event/{event_id:path}")
def event_explained(state: State, event_id: FromPath[str]) -> Explained:
    """What an event changed: figures before and after it, stops and alarms."""
    return explain_event(served(state).directory, event_id.removeprefix("/"))


HANDLERS = [oee, oee_diff, shifts, oee_history, oee_explained, event_explained]
