"""Errors of the REST API as problem+json (RFC 9457): what was expected, what came, and where, in the words of the error.

Rules: the kind of an error decides its status (`STATUS`); a parameter that no question has is refused as well as one that has a
wrong value, with the names that there are. What no rule foresees is a 500 without words of its inside.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import get
from litestar.connection import Request
from litestar.exceptions import HTTPException, ValidationException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsException, ProblemDetailsPlugin
from litestar.response import Response

from tailrace.app.checked import nearest
from tailrace.app.edits import EditConflict
from tailrace.schemas.answer import EditProblem, Problem
from tailrace.schemas.errors import Conflict, InvalidInput, NotFound, TailraceError, Unavailable

STATUS: list[tuple[type[TailraceError], int]] = [
    (NotFound, 404),
    (InvalidInput, 400),
    (Conflict, 409),
    (Unavailable, 503),
]
TITLES = {400: "Bad request", 404: "Not found", 409: "Conflict", 500: "Internal error", 503: "Unavailable"}

PLAIN = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "array": "a list"}
"""What msgspec calls its types, for people."""

_log = logging.getLogger("tailrace")

Asking = Request[Any, Any, Any]
Handler = Callable[..., Any]


def _said(kind: type[msgspec.Struct], words: str) -> ResponseSpec:
    return ResponseSpec(kind, generate_examples=False, description=words, media_type="application/problem+json")


ASKED = {
    400: _said(Problem, "a parameter, or the body, is wrong: what was expected and what came"),
    404: _said(Problem, "nobody has heard of the machine, definition or thing that was asked for"),
    409: _said(Problem, "the rows and the log do not fit each other; what to do"),
    503: _said(Problem, "something outside failed, or was too busy: ask again"),
}
"""What a question may be answered with, beside its answer."""

EDITED = ASKED | {409: _said(EditProblem, "somebody else was faster: what stands now, and what was proposed")}


def asked(path: str, *, opt: Mapping[str, Any] | None = None) -> Callable[[Handler], HTTPRouteHandler]:
    """A question: a function that is asked in a thread, and what it may be answered with."""
    return get(path, sync_to_thread=True, responses=ASKED, opt=opt)


def plugin() -> ProblemDetailsPlugin:
    """What makes problems of errors."""
    return ProblemDetailsPlugin(
        ProblemDetailsConfig(
            exception_to_problem_detail_map={HTTPException: _refused} | {kind: _problem for kind, _ in STATUS},
        )
    )


def invalid(request: Asking, error: ValidationException) -> Response[dict[str, Any]]:
    """A value that its type refuses, in the words of all other errors."""
    found = [_words(request, each) for each in error.extra or [] if isinstance(each, dict)]
    missing = re.match(r"Missing required query parameter '(\w+)'", error.detail)
    detail = "; ".join(found) or (f"{missing[1]}: expected a value, got none" if missing else error.detail)
    return ProblemDetailsException(detail=detail, status_code=400, title=TITLES[400]).to_response(request)


def unforeseen(request: Asking, error: Exception) -> Response[dict[str, Any]]:
    """A fault of ours: what it was stands in the log of the process."""
    _log.error("REST: %s %s failed", request.method, request.url.path, exc_info=error)
    words = "expected an answer, got a fault of this program; its log has more"
    return ProblemDetailsException(detail=words, status_code=500, title=TITLES[500]).to_response(request)


def require_known(request: Asking, names: Collection[str]) -> None:
    """Raises InvalidInput for a parameter that the question has not."""
    for name in request.query_params:
        if name not in names:
            raise InvalidInput(f"expected a parameter that is known here, got {name[:80]!r}; {nearest(name, names)}")


def _words(request: Asking, each: dict[str, Any]) -> str:
    name, message = _parameter(request, str(each.get("key", "the body"))), str(each.get("message", ""))
    if unknown := re.search(r"unknown field `(.*)`", message, re.DOTALL):
        return f"{name}: expected a field that is known here, got {unknown[1][:80]!r}"
    if missing := re.search(r"missing required field `(.*)`", message):
        return f"{name}: expected a field {missing[1]!r}, got none"
    came = request.query_params.getall(name, [])
    if came:
        message = f"{message.partition(', got')[0]}, got {', '.join(repr(value[:80]) for value in came)}"
    for word, plain in PLAIN.items():
        message = message.replace(f"`{word}`", plain)
    return f"{name}: {message.replace('Expected', 'expected').replace('`', '')}"


def _parameter(request: Asking, name: str) -> str:
    """What a parameter is called where it is asked, by its name in the code."""
    field = request.route_handler.parsed_fn_signature.parameters.get(name)
    said = field.kwarg_definition if field is not None else None
    return (said.name if isinstance(said, QueryParameter) else None) or name


def _refused(error: HTTPException) -> ProblemDetailsException:
    """What the framework refuses: a body that is no JSON, a path or a method that is not there."""
    title = TITLES.get(error.status_code) or HTTPStatus(error.status_code).phrase
    unread = error.status_code == 400 and "expected" not in error.detail
    words = f"expected a body of JSON, got one that cannot be read: {error.detail}" if unread else error.detail
    return ProblemDetailsException(detail=words, status_code=error.status_code, title=title, headers=error.headers)


def _problem(error: TailraceError) -> ProblemDetailsException:
    """The error in its own words; a conflict carries both versions."""
    code = next((code for kind, code in STATUS if isinstance(error, kind)), 500)
    extra = {"current": error.current, "proposed": error.proposed} if isinstance(error, EditConflict) else None
    return ProblemDetailsException(detail=str(error), status_code=code, title=TITLES[code], extra=extra)
