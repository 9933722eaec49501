"""REST `/api/v1`: the same questions as CLI and dashboard, OpenAPI 3.1 at `/api/docs`, and changes as they come at `live`.

Rules: lists are {"items": […], "next": cursor|null}; times are ISO 8601 with offset or Unix seconds; ratios are 0..1; an error is
problem+json (RFC 9457) in the words of the error; an answer has an ETag. Reading blocks a thread, never the loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar import Litestar, Router, get
from litestar.datastructures import State
from litestar.exceptions import ValidationException
from litestar.openapi.config import OpenAPIConfig
from litestar.response import ServerSentEvent

from tailrace import __version__
from tailrace.app import api_edits, api_floor, api_oee, api_problem, api_tag
from tailrace.app.api_asked import Served, served
from tailrace.app.api_docs import ApiPage


@get("/status", sync_to_thread=True, responses=api_problem.ASKED)
def status(state: State) -> dict[str, Any]:
    """Machines, the account of each source in events, and how `up` is."""
    from tailrace.app.cli_status import account  # noqa: PLC0415  the command and this handler show the same

    here = served(state)
    return account(here.directory) | {"up": dict(here.status())}


@get("/live")
async def live(state: State) -> ServerSentEvent:
    """Server-sent events: `machine` and `stop` items as they change, and `reached`, the position in the log."""
    return ServerSentEvent(_events(served(state)))


def api(here: Served) -> Litestar:
    """The application, to be mounted at /api."""
    questions = [*api_floor.HANDLERS, *api_oee.HANDLERS]
    return Litestar(
        [
            Router("/v1", route_handlers=questions, before_request=api_tag.before),
            Router(
                "/v1", route_handlers=[*api_edits.HANDLERS, status, live], before_request=api_tag.without_parameters
            ),
        ],
        state=State({"served": here}),
        logging_config=None,
        before_send=[api_tag.put],
        exception_handlers={ValidationException: api_problem.invalid, Exception: api_problem.unforeseen},
        openapi_config=OpenAPIConfig(
            "Tailrace", __version__, path="/docs", use_handler_docstrings=True, render_plugins=[ApiPage(path="/")]
        ),
        plugins=[api_problem.plugin()],
    )


async def _events(here: Served) -> AsyncIterator[dict[str, Any]]:
    async for name, item in here.changes.follow():
        yield {"event": name, "data": msgspec.json.encode(item).decode()}


__all__ = ["Served", "api"]
