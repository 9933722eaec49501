"""What a client has already: an ETag for each answer, and 304 where a question would be answered with the same again.

Rules
1. An answer is a function of the question, of the rows, and for some of the clock; the rows at a place are a function of the log
   up to there (app/pipeline.py). So a tag is a hash of the release, the question, the rows' place and the log's chain there, and
   no row is read for it.
2. A tag is made before its answer: the answer may be newer than the tag, and is asked for once more; it is never older.
3. An answer that runs with the clock, such as a window that ends now, has the time in its tag.
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import cache
from typing import Any

import msgspec
from litestar.connection import Request
from litestar.datastructures import MutableScopeHeaders
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import Response
from litestar.types import Message, Scope

from tailrace import __version__
from tailrace.app import compose
from tailrace.app.api_asked import Served, served
from tailrace.app.api_problem import require_known
from tailrace.app.pipeline import PLACE
from tailrace.connectors.origin_sqlite import SqliteOrigin
from tailrace.projections import queries
from tailrace.projections.store_sqlite import place_of

Asking = Request[Any, Any, Any]

RUNS = "runs"
"""The `opt` of a handler whose answer runs with the clock: where a window has no `to` (WINDOW), where a stop is open (STOPS)."""

WINDOW, STOPS = "window", "stops"
TAG = "etag"


async def before(request: Asking) -> Response[None] | None:
    """Refuses a parameter that the question has not; 304 for a client that has the answer already."""
    handler = request.route_handler
    assert isinstance(handler, HTTPRouteHandler)
    require_known(request, _parameters(handler))
    tag = await asyncio.to_thread(tag_of, served(request.app.state), request, handler.opt.get(RUNS, ()))
    request.state[TAG] = tag
    had = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    if tag in had or "*" in had:
        return Response(None, status_code=304, headers={TAG: tag})
    return None


async def without_parameters(request: Asking) -> None:
    """Refuses every parameter: an edit says what it wants in its body."""
    require_known(request, ())


async def put(message: Message, scope: Scope) -> None:
    """Puts the tag of a question on its answer, unless that is an error."""
    tag = scope.get("state", {}).get(TAG)
    if tag is not None and message["type"] == "http.response.start" and message["status"] == 200:
        MutableScopeHeaders.from_message(message)[TAG] = tag


def tag_of(here: Served, request: Asking, runs: tuple[str, ...]) -> str:
    """The tag of the answer to a question."""
    query = sorted(request.query_params.multi_items())
    with compose.read_store(here.directory) as connection:
        place, origin = place_of(connection, PLACE).position, SqliteOrigin(connection).get()
        by_clock = (WINDOW in runs and "to" not in request.query_params) or (
            STOPS in runs and "at" not in request.query_params and queries.open_stops(connection)
        )
    said = (__version__, request.url.path, query, place, origin, here.clock() if by_clock else None)
    return f'"{hashlib.sha256(msgspec.msgpack.encode(said)).hexdigest()[:32]}"'


@cache
def _parameters(handler: HTTPRouteHandler) -> frozenset[str]:
    """The names of the parameters that a question has."""
    fields = handler.parsed_fn_signature.parameters.items()
    return frozenset(
        field.kwarg_definition.name or name
        for name, field in fields
        if isinstance(field.kwarg_definition, QueryParameter)
    )
