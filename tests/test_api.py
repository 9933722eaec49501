"""REST over a real data folder: the figures are the CLI's, errors are problems in words, and edits are judged by the fold."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient

import oee_harness as harness
import oee_random
from commands import DEADLINE_S
from tailrace.app import compose
from tailrace.app.api import Served, api
from tailrace.app.live import Changes
from tailrace.app.oee_group import Asked, of
from tailrace.app.oee_query import compare, oee
from tailrace.app.pipeline import PLACE
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.projections.store_sqlite import place_of
from tailrace.schemas import codec
from tailrace.schemas.event import Event, MachineRegistered, StateChanged
from tailrace.schemas.instant import HOUR, Instant, format_instant
from test_rollup_queries import alarm, put

NOW = oee_random.EPOCH + 30 * HOUR


@asynccontextmanager
async def served(directory: Path, events: Sequence[Event]) -> AsyncIterator[tuple[AsyncClient, SqliteLog]]:
    """A client of the API of a folder that holds these events, with a fold that runs beside it."""
    log = SqliteLog(directory / "events.db")
    changes = Changes(directory, lambda: NOW)
    try:
        await log.append(harness.records(events))
        with compose.pipeline(directory) as pipeline:
            pipeline.drain()

            async def fold() -> None:
                async for _ in log.follow(await log.end(), 1):
                    drained = asyncio.create_task(asyncio.to_thread(pipeline.drain))
                    try:
                        await asyncio.shield(drained)
                    finally:
                        await drained  # a thread cannot be cancelled, and the store is closed after this
                    changes.notify()

            tasks = [asyncio.create_task(fold()), asyncio.create_task(changes.watch())]
            try:
                app: Any = api(Served(directory, log, lambda: {"pid": 1}, changes, lambda: NOW))
                async with AsyncClient(transport=ASGITransport(app), base_url="http://plant") as client:
                    yield client, log
            finally:
                for task in tasks:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
    finally:
        await log.close()


async def folded(directory: Path, position: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            with compose.read_store(directory) as connection:
                if place_of(connection, PLACE).position >= position:
                    return
            await asyncio.sleep(0.01)


def timeline(seed: int = 1) -> list[Event]:
    return oee_random.timeline(random.Random(seed), 80, silence=False)


async def test_figures_are_those_of_the_query(tmp_path: Path) -> None:
    async with served(tmp_path, timeline()) as (client, _):
        found = (await client.get("/v1/oee")).json()
        window = (NOW - 8 * HOUR, NOW)
        assert found == {"items": oee(tmp_path, "M1", [window]), "next": None}
        asked = {
            "from": format_instant(window[0]),
            "to": format_instant(window[1]),
            "as_of": format_instant(NOW - HOUR),
        }
        found = (await client.get("/v1/oee", params={"machine": "M1", **asked})).json()
        assert found["items"] == oee(tmp_path, "M1", [window], NOW - HOUR)


async def test_what_was_known_and_what_moved(tmp_path: Path) -> None:
    events = timeline()
    first = next(int(each.ingested or each.t) for each in events if each.machine == "M1")
    last = max(int(each.ingested or each.t) for each in events)
    async with served(tmp_path, events) as (client, _):
        start, end = min(int(each.t) for each in events), last + HOUR
        window = {"machine": "M1", "from": format_instant(start), "to": format_instant(end)}
        known = [format_instant(at) for at in (max(first, (first + last) // 2), last)]
        found = (await client.get("/v1/oee/diff", params={**window, "known_at": known})).json()
        for side, at in zip(("before", "after"), known, strict=True):
            (item,) = (await client.get("/v1/oee", params={**window, "known_at": at})).json()["items"]
            assert item == found[side]
        assert found["moved"]
        refused = await client.get("/v1/oee/diff", params={**window, "known_at": known[:1]})
        assert (refused.status_code, refused.json()["detail"]) == (
            400, "expected known_at twice, before and after, got it 1 times",
        )  # fmt: skip


async def test_figures_under_definitions_and_of_lines_and_sites(tmp_path: Path) -> None:
    t = Instant(NOW - HOUR)
    registered = MachineRegistered(id="m2", machine="M2", t=t, ingested=t, site="Nord", line="Line 1")
    async with served(tmp_path, [*timeline(), registered]) as (client, _):
        window = (NOW - 8 * HOUR, NOW)
        both = {"machine": "M1", "definition": ["iso", "semi@1"]}
        found = (await client.get("/v1/oee", params=both)).json()["items"]
        assert found == compare(tmp_path, "M1", *window, ["iso", "semi"])
        assert [item["definition"] for item in found] == [["iso@1"], ["semi@1"]]
        asked = [Asked(*window, None, "vorne")]
        for where in ({"line": "Line 1"}, {"site": "Nord"}, {"line": "Line 1", "site": "Nord"}):
            found = (await client.get("/v1/oee", params={**where, "definition": "vorne"})).json()["items"]
            sites = [where["site"]] if "site" in where else []
            assert found == of(tmp_path, asked, line=where.get("line"), sites=sites)
            assert [member["machine"] for member in found[0]["members"]] == ["M2"]


async def test_lists_have_items_and_next(tmp_path: Path) -> None:
    async with served(tmp_path, timeline()) as (client, _):
        for name in ("machines", "stops", "signals"):
            found = (await client.get(f"/v1/{name}", params={"limit": 1})).json()
            assert set(found) == {"items", "next"}
            assert len(found["items"]) == 1
        stops = (await client.get("/v1/stops", params={"limit": 1000})).json()["items"]
        assert set(stops[0]) == {
            "id", "machine", "start", "end", "duration_s", "category", "reason", "by", "revision",
        }  # fmt: skip


async def test_a_reason_changes_the_stop_and_the_second_edit_of_one_revision_conflicts(tmp_path: Path) -> None:
    async with served(tmp_path, timeline()) as (client, _):
        stop = (await client.get("/v1/stops")).json()["items"][-1]
        edit = {"category": "setup", "reason": "tool change", "by": "ann", "expected_revision": stop["revision"]}
        answer = await client.post(f"/v1/stops/{stop['id']}/reason", json=edit)
        assert answer.status_code == 200, answer.text
        given = answer.json()
        assert (given["category"], given["reason"], given["by"]) == ("setup", "tool change", "ann")
        assert given["revision"] == stop["revision"] + 1
        answer = await client.post(f"/v1/stops/{stop['id']}/reason", json=edit | {"by": "bob", "category": "unplanned"})
        problem = answer.json()
        assert answer.status_code == 409
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert problem["current"] == given
        assert problem["proposed"]["by"] == "bob"
        assert "changed meanwhile to 'setup'" in problem["detail"]


async def test_a_reason_of_an_open_stop_holds_until_the_stop_is_over(tmp_path: Path) -> None:
    """It is given at NOW, half an hour after the machine broke; nothing more comes in for an hour, and then the machine runs."""

    def state(t: int, word: str) -> StateChanged:
        return StateChanged(machine="M1", t=Instant(t), ingested=Instant(t), id=f"{word}{t}", state=word)

    broken, up = NOW - HOUR // 2, NOW + HOUR
    async with served(tmp_path, [state(NOW - HOUR, "running"), state(broken, "fault")]) as (client, log):
        (stop,) = (await client.get("/v1/stops")).json()["items"]
        assert stop["end"] is None
        edit = {"category": "setup", "reason": "tool", "by": "ann", "expected_revision": stop["revision"]}
        assert (await client.post(f"/v1/stops/{stop['id']}/reason", json=edit)).json()["category"] == "setup"
        (figures,) = oee(tmp_path, "M1", [(broken, up)])
        assert (figures["setup"], figures["breakdown"]) == (5400, 0)
        later = [(up, "running"), (up + HOUR, "fault"), (up + 2 * HOUR, "running")]
        receipt = await log.append([codec.record_of(state(t, word), source="line") for t, word in later])
        await folded(tmp_path, receipt.last)
        (figures,) = oee(tmp_path, "M1", [(broken, up + 2 * HOUR)])
        assert (figures["setup"], figures["run"], figures["breakdown"]) == (5400, 3600, 3600)
        stops = (await client.get("/v1/stops")).json()["items"]
        assert [(each["end"], each["category"]) for each in stops] == [
            (format_instant(up + 2 * HOUR), "unplanned"), (format_instant(up), "setup"),
        ]  # fmt: skip


async def test_anomalies_are_those_of_the_query(tmp_path: Path) -> None:
    async with served(tmp_path, timeline()) as (client, _):
        assert (await client.get("/v1/anomalies")).json() == {"items": [], "next": None}
        ends = [(1, 2), (3, None), (5, 6)]
        rows = [alarm(i, f"M{i % 2}", NOW + a, None if b is None else NOW + b) for i, (a, b) in enumerate(ends)]
        with compose.read_store(tmp_path) as connection:
            put(connection, "anomaly", rows)
        found = (await client.get("/v1/anomalies", params={"limit": 2})).json()
        assert [item["RecordID"] for item in found["items"]] == [rows[2]["RecordID"], rows[1]["RecordID"]]
        assert {"RecordID", "AnomalyScore", "DetectionTime", "machine", "severity", "explanation"} <= set(
            found["items"][0]
        )
        rest = (await client.get("/v1/anomalies", params={"cursor": found["next"]})).json()
        assert [item["RecordID"] for item in rest["items"]] == [rows[0]["RecordID"]]
        asked = {"open": "true", "machine": "M1", "from": format_instant(NOW)}
        assert len((await client.get("/v1/anomalies", params=asked)).json()["items"]) == 1
        assert (await client.get("/v1/anomalies", params={"to": "soon"})).status_code == 400


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("oee?machine=M9", 404, "expected a machine that has events, got 'M9'"),
        ("oee?from=2026-01-05", 400, "from: expected a time as ISO 8601 with offset"),
        ("oee?from=2026-01-06T00:00:00Z&to=2026-01-05T00:00:00Z", 400, "expected from before to"),
        ("oee?machine=M1&definition=x", 404, "expected a definition that somebody set, got 'x'; known are: iso@1"),
        ("oee?line=x", 404, "expected machines registered in line 'x', got none"),
        ("oee?line=x&machine=M1", 400, "expected machine, or line and site, got both"),
        ("stops?cursor=%25", 400, "cursor: expected the `next` of an earlier answer"),
        ("stops?limit=0", 400, ""),
        ("nothing", 404, ""),
    ],
)
async def test_errors_are_problems_in_words(tmp_path: Path, path: str, code: int, words: str) -> None:
    async with served(tmp_path, timeline()) as (client, _):
        answer = await client.get(f"/v1/{path}")
        assert answer.status_code == code
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        ({"category": "lunch"}, 400),
        ({"category": "setup", "colour": "red"}, 400),
        ({}, 400),
        ({"category": "setup", "expected_revision": "x"}, 400),
    ],
)
async def test_a_wrong_edit_is_refused(tmp_path: Path, edit: dict[str, Any], code: int) -> None:
    async with served(tmp_path, timeline()) as (client, log):
        before = await log.end()
        stop = (await client.get("/v1/stops")).json()["items"][0]["id"]
        answer = await client.post(f"/v1/stops/{stop}/reason", json=edit)
        assert answer.status_code == code
        assert "detail" in answer.json()
        assert (await client.post("/v1/stops/nothing/reason", json={"category": "setup"})).status_code == 404
        assert await log.end() == before


async def test_the_description_is_openapi_3_1(tmp_path: Path) -> None:
    async with served(tmp_path, timeline()) as (client, _):
        described = (await client.get("/docs/openapi.json")).json()
        assert described["openapi"].startswith("3.1")
        assert "/v1/stops/{stop_id}/reason" in described["paths"]


async def test_the_description_is_a_page_that_needs_no_network(tmp_path: Path) -> None:
    async with served(tmp_path, timeline()) as (client, _):
        answer = await client.get("/docs")
        assert answer.headers["content-type"].startswith("text/html")
        described = (await client.get("/docs/openapi.json")).json()
        for path in described["paths"]:
            assert f"/api{path}" in answer.text
        assert "https://" not in answer.text
        assert "http://" not in answer.text
