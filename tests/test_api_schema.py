"""REST against its own description: whatever is asked, an answer is one that the OpenAPI document describes, and never a 500.

Schemathesis makes the requests, from the document; the application is the real one over a real data folder, with its fold beside
it. Examples are the same in every run. Most values that a plant would have to know (a machine, a stop, times) are put in from it,
for random words find nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tailrace.app import compose
from tailrace.projections import queries
from tailrace.schemas.instant import HOUR, format_instant
from test_api import NOW, served, timeline

EXAMPLES = 12
"""Requests for each question."""

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = "/v1/live"
GOOD = [format_instant(NOW - hours * HOUR) for hours in (0, 1, 3, 8, 20, 30)]
TIMES = [*GOOD, *GOOD, "1767600000.5", "0", "soon", "²"]


def values(directory: Path) -> dict[str, list[str]]:
    """What parameters may be, by name."""
    with compose.read_store(directory) as connection:
        stops = [stop.id for stop in queries.stops(connection, NOW, limit=3).items]
    with compose.reading(directory) as log:
        event = log.read(5, 1)[0].id
    times = dict.fromkeys(("from", "to", "at", "known_at", "as_of"), TIMES)
    definitions = ["iso", "semi@1", "vorne", "nothing"]
    return times | {
        "machine": ["M1"] * 5 + ["M9"], "stop_id": [*stops, "nothing"], "event_id": [event, event, "a/b"],
        "definition": definitions, "limit": ["1", "2", "7", "20", "0", "x"], "events": ["0", "3", "5", "-1"],
        "open": ["true", "false", "true", "maybe"], "microstop_s": ["0", "60", "1.5", "-1"],
    }  # fmt: skip


def test_every_answer_is_as_described(tmp_path: Path) -> None:
    found: Counter[int] = Counter()
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            client, _ = runner.run(stack.enter_async_context(served(tmp_path, timeline())))
            document = runner.run(client.get("/docs/openapi.json")).json()
            known = values(tmp_path)
            described: Any = schemathesis.openapi.from_dict(document)
            operations = [each.ok() for each in described.get_all_operations()]
            assert len(operations) > 15
            for operation in operations:
                if operation.path != ENDLESS:
                    _ask(operation, known, lambda **request: runner.run(client.request(**request)), found)
        finally:
            runner.run(stack.aclose())
    assert found[200] > 50
    assert found.keys() >= {200, 400, 404}


def _ask(operation: Any, known: dict[str, list[str]], request: Any, found: Counter[int]) -> None:
    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(), data=st.data())
    def ask(case: Any, data: st.DataObject) -> None:
        rng = random.Random(data.draw(st.integers(0, 2**32)))
        for given_, names in ((case.query, [each.name for each in operation.query]), (case.path_parameters, known)):
            for name in names:
                if name in known and (name in given_ or given_ is case.query) and rng.random() < 0.7:
                    given_[name] = rng.choice(known[name])
                elif given_ is case.query and rng.random() < 0.8:
                    given_.pop(name, None)
        sent = {
            name: value
            for name, value in case.as_transport_kwargs().items()
            if name in ("method", "url", "params", "json")
        }
        answer = request(**sent)
        found[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code == 400:
            assert "expected" in answer.json()["detail"], answer.text

    ask()
