"""REST `/api/v1`: the same questions as CLI and dashboard, OpenAPI 3.1 at `/api/docs`, and changes as they come at `live`.

Rules: lists are {"items": […], "next": cursor|null}; times are ISO 8601 with offset or Unix seconds; ratios are 0..1; an error is
problem+json (RFC 9457) in the words of the error. Reading blocks a thread, never the loop.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Litestar, Router, get, post
from litestar.datastructures import State
from litestar.openapi.config import OpenAPIConfig
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsException, ProblemDetailsPlugin
from litestar.response import ServerSentEvent

from tailrace import __version__
from tailrace.app import compose
from tailrace.app.api_docs import ApiPage
from tailrace.app.edits import EditConflict, Editing, assign_reason, merge_stops, split_stop, undo_edit
from tailrace.app.live import Changes
from tailrace.app.oee_diff import diff
from tailrace.app.oee_group import Asked
from tailrace.app.oee_group import of as together
from tailrace.app.oee_query import oee as oee_of
from tailrace.app.shift_report import Asked as Shifts
from tailrace.app.shift_report import report as report_shifts
from tailrace.app.stop_report import report
from tailrace.engine.log import Log
from tailrace.projections import queries
from tailrace.projections.reasons import offered, tree
from tailrace.schemas.answer import (
    AnomalyItem,
    MachineItem,
    MergeEdit,
    OeeDiff,
    OeeItem,
    Page,
    ReasonEdit,
    SignalItem,
    SplitEdit,
    StopItem,
    StopReport,
    UndoEdit,
)
from tailrace.schemas.errors import Conflict, InvalidInput, NotFound, TailraceError, Unavailable
from tailrace.schemas.instant import HOUR, SECOND, parse_instant
from tailrace.schemas.reason import StopReason

WINDOW = 8 * HOUR
Cursor = Annotated[str | None, QueryParameter(description="`next` of the page before")]
Limit = Annotated[int, QueryParameter(ge=1, le=queries.LIMIT_MAX, description="rows in a page")]
Machine = Annotated[str | None, QueryParameter(description="only this machine")]
Line = Annotated[str | None, QueryParameter(description="the machines of this line (ISA-95), judged at its bottleneck")]
Site = Annotated[str | None, QueryParameter(description="the machines of this site together")]
Definitions = Annotated[
    list[str] | None, QueryParameter(name="definition", description="judge by iso, vorne, semi, plant-a or plant-a@3")
]
Definition = Annotated[str | None, QueryParameter(description="judge by iso, vorne, semi, plant-a or plant-a@3")]
Needed = Annotated[str, QueryParameter(name="machine", description="which machine")]
KnownAt = Annotated[str | None, QueryParameter(description="what was known then: nothing that came in later")]
KnownTwice = Annotated[list[str], QueryParameter(name="known_at", description="as known then; before and after")]
AsOf = Annotated[str | None, QueryParameter(description="count nothing that is stamped later")]
From = Annotated[str | None, QueryParameter(name="from", description="start, ISO 8601 with offset or Unix seconds")]
To = Annotated[str | None, QueryParameter(name="to", description="end, exclusive")]
OnLine = Annotated[str | None, QueryParameter(name="line", description="only machines of this line (ISA-95)")]
Microstop = Annotated[
    float | None,
    QueryParameter(
        ge=0, le=10**9, description="seconds; a shorter stop is no failure; without: the definition's microstop_s"
    ),
]
Open = Annotated[bool, QueryParameter(name="open", description="only those that are not over")]


class Served(msgspec.Struct, frozen=True):
    """What the handlers need: the folder, the log that takes edits, how `up` is, and who tells of changes."""

    directory: Path
    log: Log
    status: Callable[[], Mapping[str, Any]]
    changes: Changes
    clock: Callable[[], int] = time.time_ns


@get("/machines", sync_to_thread=True)
def machines(state: State, cursor: Cursor = None, limit: Limit = 100) -> Page[MachineItem]:
    """Every machine, where it stands and what it does now."""
    with compose.read_store(_served(state).directory) as connection:
        return queries.machines(connection, cursor=cursor, limit=limit)


@get("/oee", sync_to_thread=True)
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
    served = _served(state)
    since, until = _window(served, start, end)
    given, known = _instant("as_of", as_of), _instant("known_at", known_at)
    under: list[str | None] = [*definition] if definition else [None]
    if line is not None or site is not None:
        if machine is not None:
            raise InvalidInput("expected machine, or line and site, got both; ask for them one after the other")
        asked = [Asked(since, until, given, name) for name in under]
        sites = [site] if site is not None else []
        return Page(together(served.directory, asked, line=line, sites=sites, known_at=known))
    with compose.reading(served.directory) as log:
        names = [machine] if machine else log.machines()
    found = [oee_of(served.directory, name, [(since, until)], given, used, known) for name in names for used in under]
    return Page([item for (item,) in found])


@get("/oee/diff", sync_to_thread=True)
def oee_diff(
    state: State,
    machine: Needed,
    known_at: KnownTwice,
    start: From = None,
    end: To = None,
    definition: Definition = None,
) -> OeeDiff:
    """The figures of a machine as known at two times, and the seconds that moved in between, each with its cause."""
    served = _served(state)
    since, until = _window(served, start, end)
    times = [at for text in known_at if (at := _instant("known_at", text)) is not None]
    if len(times) != len(("before", "after")):
        raise InvalidInput(f"expected known_at twice, before and after, got it {len(times)} times")
    return diff(served.directory, machine, since, until, (times[0], times[1]), definition)


@get("/oee/shifts", sync_to_thread=True)
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
    served = _served(state)
    if machine is not None and (line is not None or site is not None):
        raise InvalidInput("expected machine, or line and site, got both; ask for them one after the other")
    asked = Shifts(*_window(served, start, end), _instant("as_of", as_of), definition)
    machines, sites = [machine] if machine is not None else [], [site] if site is not None else []
    known = _instant("known_at", known_at)
    return Page(report_shifts(served.directory, asked, machines=machines, line=line, sites=sites, known_at=known))


@get("/stops", sync_to_thread=True)
def stops(
    state: State, machine: Machine = None, start: From = None, end: To = None, cursor: Cursor = None, limit: Limit = 100
) -> Page[StopItem]:
    """Stops that have a part in [from, to), newest first."""
    served = _served(state)
    window = {"start": _instant("from", start), "end": _instant("to", end)}
    with compose.read_store(served.directory) as connection:
        return queries.stops(connection, served.clock(), machine=machine, **window, cursor=cursor, limit=limit)


@get("/stops/pareto", sync_to_thread=True)
def pareto(
    state: State,
    machine: Machine = None,
    line: OnLine = None,
    start: From = None,
    end: To = None,
    microstop_s: Microstop = None,
) -> StopReport:
    """What stops cost by reason, most first, MTBF and MTTR as sum / n, and the six big losses; by default of the last 8 hours."""
    served = _served(state)
    since, until = _window(served, start, end)
    microstop = None if microstop_s is None else round(microstop_s * SECOND)
    return report(served.directory, served.clock(), since, until, machine=machine, line=line, microstop=microstop)


@get("/reasons", sync_to_thread=True)
def reasons(state: State, machine: Machine = None) -> Page[StopReason]:
    """What people choose from for a stop, in the order of the tree; of a machine, what is offered for it."""
    with compose.read_store(_served(state).directory) as connection:
        return Page(tree(connection) if machine is None else offered(connection, machine))


@post("/stops/{stop_id:str}/reason", status_code=200)
async def give_reason(state: State, stop_id: FromPath[str], data: JSONBody[ReasonEdit]) -> StopItem:
    """Says what a stop was; 409 with both versions when somebody else was faster."""
    served = _served(state)
    return await assign_reason(served.directory, served.log, stop_id, data, served.clock)


@post("/stops/{stop_id:str}/split", status_code=200)
async def split(state: State, stop_id: FromPath[str], data: JSONBody[SplitEdit]) -> Page[StopItem]:
    """Cuts a stop in two; gives those that are there then, by time. 409 as for a reason."""
    return await split_stop(_editing(state), stop_id, data)


@post("/stops/{stop_id:str}/merge", status_code=200)
async def merge(state: State, stop_id: FromPath[str], data: JSONBody[MergeEdit]) -> Page[StopItem]:
    """Joins a stop with others of its machine; gives the one that is there then. 409 as for a reason, of any of them."""
    return await merge_stops(_editing(state), stop_id, data)


@post("/stops/{stop_id:str}/undo", status_code=200)
async def undo(state: State, stop_id: FromPath[str], data: JSONBody[UndoEdit]) -> Page[StopItem]:
    """Takes the last edit of a stop back, be it a reason, a split or a merge; gives what is there then. 409 as for a reason."""
    return await undo_edit(_editing(state), stop_id, data)


@get("/signals", sync_to_thread=True)
def signals(state: State, machine: Machine = None, cursor: Cursor = None, limit: Limit = 100) -> Page[SignalItem]:
    """The latest reading of each signal."""
    with compose.read_store(_served(state).directory) as connection:
        return queries.signals(connection, machine=machine, cursor=cursor, limit=limit)


@get("/anomalies", sync_to_thread=True)
def anomalies(
    state: State,
    machine: Machine = None,
    start: From = None,
    end: To = None,
    open_only: Open = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[AnomalyItem]:
    """Alarms of the anomaly models that have a part in [from, to), newest first."""
    window = {"start": _instant("from", start), "end": _instant("to", end)}
    with compose.read_store(_served(state).directory) as connection:
        return queries.anomalies(connection, machine=machine, **window, open_only=open_only, cursor=cursor, limit=limit)


@get("/status", sync_to_thread=True)
def status(state: State) -> dict[str, Any]:
    """Machines, the account of each source in events, and how `up` is."""
    from tailrace.app.cli_status import account  # noqa: PLC0415  the command and this handler show the same

    served = _served(state)
    return account(served.directory) | {"up": dict(served.status())}


@get("/live")
async def live(state: State) -> ServerSentEvent:
    """Server-sent events: `machine` and `stop` items as they change, and `reached`, the position in the log."""
    return ServerSentEvent(_events(_served(state)))


def api(served: Served) -> Litestar:
    """The application, to be mounted at /api."""
    handlers = [
        machines,
        oee,
        oee_diff,
        shifts,
        stops,
        pareto,
        reasons,
        give_reason,
        split,
        merge,
        undo,
        anomalies,
        signals,
        status,
        live,
    ]
    return Litestar(
        [Router("/v1", route_handlers=handlers)],
        state=State({"served": served}),
        logging_config=None,
        openapi_config=OpenAPIConfig(
            "Tailrace", __version__, path="/docs", use_handler_docstrings=True, render_plugins=[ApiPage(path="/")]
        ),
        plugins=[
            ProblemDetailsPlugin(
                ProblemDetailsConfig(
                    enable_for_all_http_exceptions=True,
                    exception_to_problem_detail_map={kind: _problem for kind, _ in _STATUS},
                )
            )
        ],
    )


def _served(state: State) -> Served:
    found = state.served
    assert isinstance(found, Served)
    return found


def _editing(state: State) -> Editing:
    served = _served(state)
    return Editing(served.directory, served.log, served.clock)


def _window(served: Served, start: str | None, end: str | None) -> tuple[int, int]:
    """[from, to) in ns; without them the last WINDOW."""
    until = _instant("to", end) or served.clock()
    since = _instant("from", start) or until - WINDOW
    if since >= until:
        raise InvalidInput(f"expected from before to, got {start} and {end}")
    return since, until


def _instant(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_instant(float(text) if text.replace(".", "", 1).isdigit() else text)
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error}") from None


async def _events(served: Served) -> AsyncIterator[dict[str, Any]]:
    async for name, item in served.changes.follow():
        yield {"event": name, "data": msgspec.json.encode(item).decode()}


def _problem(error: TailraceError) -> ProblemDetailsException:
    """The error in its own words; a conflict carries both versions."""
    code = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    extra = {"current": error.current, "proposed": error.proposed} if isinstance(error, EditConflict) else None
    return ProblemDetailsException(detail=str(error), status_code=code, title=_TITLES[code], extra=extra)


_STATUS: list[tuple[type[TailraceError], int]] = [
    (NotFound, 404),
    (InvalidInput, 400),
    (Conflict, 409),
    (Unavailable, 503),
]
_TITLES = {400: "Bad request", 404: "Not found", 409: "Conflict", 500: "Internal error", 503: "Unavailable"}
