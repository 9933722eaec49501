"""REST as of a time, as known at a time, and its tags: each answer is that of a folder to which nothing later ever came."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from httpx import ASGITransport, AsyncClient

import oee_harness as harness
import oee_random
from tailrace.app import compose
from tailrace.app.api import Served, api
from tailrace.app.live import Changes
from tailrace.app.oee_picture import pictured
from tailrace.app.stop_report import report
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.projections import queries
from tailrace.schemas import codec
from tailrace.schemas.event import Event, StateChanged, Telemetry
from tailrace.schemas.instant import HOUR, MINUTE, Instant, format_instant
from test_api import NOW, folded, served, timeline
from test_rollup_queries import alarm, put

EVERY = {"limit": "1000"}


async def items(client: AsyncClient, name: str, **asked: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/{name}", params=EVERY | asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def two_machines(seed: int) -> list[Event]:
    """Two timelines with late data, as they came in."""
    rng = random.Random(seed)
    events = [*oee_random.timeline(rng, 60, silence=False), *oee_random.timeline(rng, 40, machine="M2")]
    return sorted(events, key=lambda each: int(each.ingested or each.t))


async def until(directory: Path, events: Sequence[Event], position: int) -> Path:
    """A folder whose log ends where another one's was."""
    os.mkdir(directory)
    log = SqliteLog(directory / "events.db")
    await log.append(harness.records(events)[:position])
    await log.close()
    with compose.pipeline(directory) as pipeline:
        pipeline.drain()
    return directory


@pytest.mark.parametrize("seed", range(3))
async def test_what_was_known_is_what_a_shorter_log_says(tmp_path: Path, seed: int) -> None:
    events = two_machines(seed)
    rng = random.Random(seed)
    times = sorted(int(each.ingested or each.t) for each in events)
    live = tmp_path / "live"
    live.mkdir()
    async with served(live, events) as (client, _):
        for n in range(3):
            known = rng.choice(times[len(times) // 4 :])
            with pictured(live, known) as picture:
                position = picture.until
            then = await until(tmp_path / f"then{n}", events, position)
            asked = {"known_at": format_instant(known)}
            now = min(NOW, known)
            with compose.read_store(then) as rows:
                assert await items(client, "stops", **asked) == plain(queries.stops(rows, now, limit=1000).items)
                assert states(await items(client, "machines", **asked)) == states(plain(queries.machines(rows).items))
                assert await items(client, "signals", **asked) == plain(queries.signals(rows, limit=1000).items)
                at = min(NOW, known) - rng.randrange(4 * HOUR)
                held = states(plain(queries.machines(rows, at=at).items))
                assert states(await items(client, "machines", at=format_instant(at), **asked)) == held
                was = plain(queries.stops(rows, now, at=at, limit=1000).items)
                assert await items(client, "stops", at=format_instant(at), **asked) == was


def states(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Machines without where they stand, which is said as of now."""
    return [{name: each[name] for name in ("machine", "state", "category", "since", "why")} for each in found]


def plain(found: Sequence[msgspec.Struct]) -> list[Any]:
    return [msgspec.to_builtins(each) for each in found]


@pytest.mark.parametrize("seed", range(2))
async def test_a_report_of_stops_is_of_what_was_known(tmp_path: Path, seed: int) -> None:
    events = two_machines(seed)
    known = int(events[len(events) * 2 // 3].ingested or events[len(events) * 2 // 3].t)
    live = tmp_path / "live"
    live.mkdir()
    async with served(live, events) as (client, _):
        with pictured(live, known) as picture:
            then = await until(tmp_path / "then", events, picture.until)
        asked = {"from": format_instant(oee_random.EPOCH), "to": format_instant(NOW), "known_at": format_instant(known)}
        found = (await client.get("/v1/stops/pareto", params=asked)).json()
        wanted = msgspec.to_builtins(report(then, min(NOW, known), oee_random.EPOCH, NOW))
        assert found == wanted
        assert found["items"]
        today = (await client.get("/v1/stops/pareto", params=asked | {"known_at": format_instant(NOW * 2)})).json()
        assert today != found


async def test_the_floor_at_a_time_is_what_the_events_up_to_it_say(tmp_path: Path) -> None:
    """Of a log that came in order of time: as of a time, the floor says what it said then."""
    events = [each for each in timeline(4) if isinstance(each, (StateChanged, Telemetry))]
    events = [msgspec.structs.replace(each, ingested=each.t) for each in sorted(events, key=lambda each: int(each.t))]
    live = tmp_path / "live"
    live.mkdir()
    async with served(live, events) as (client, _):
        for n, index in enumerate((1, len(events) // 2, len(events) - 2)):
            at = int(events[index].t)
            if at > NOW:
                continue
            last = max(i for i, each in enumerate(events) if int(each.t) <= at)
            then = await until(tmp_path / f"then{n}", events[: last + 1], 10**9)
            asked = {"at": format_instant(at)}
            with compose.read_store(then) as rows:
                assert await items(client, "signals", **asked) == plain(queries.signals(rows, limit=1000).items)
                (machine,) = await items(client, "machines", **asked)
                (wanted,) = plain(queries.machines(rows).items)
                assert machine == wanted
                still = [each for each in plain(queries.stops(rows, at).items) if each["end"] is None]
                found = await items(client, "stops", **asked)
                assert [(each["id"], each["start"], each["end"], each["duration_s"]) for each in found] == [
                    (each["id"], each["start"], each["end"], each["duration_s"]) for each in still
                ]


async def test_an_alarm_at_a_time_has_no_end_yet(tmp_path: Path) -> None:
    async with served(tmp_path, timeline()) as (client, _):
        raised = NOW - HOUR
        rows = [alarm(1, "M1", raised, raised + MINUTE), alarm(2, "M1", raised + 2 * MINUTE, None)]
        with compose.read_store(tmp_path) as connection:
            put(connection, "anomaly", rows)
        (found,) = await items(client, "anomalies", at=format_instant(raised + MINUTE - 1))
        assert (found["RecordID"], found["cleared"], found["cleared_by"], found["peak"]) == (
            rows[0]["RecordID"], None, None, None,
        )  # fmt: skip
        assert await items(client, "anomalies", at=format_instant(raised + MINUTE)) == []
        assert await items(client, "anomalies", at=format_instant(raised - 1)) == []
        (found,) = await items(client, "anomalies", at=format_instant(raised + 3 * MINUTE))
        assert found["RecordID"] == rows[1]["RecordID"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("machines?at=2099-01-01T00:00:00Z", "at: expected a time of which something can be known, up to"),
        ("stops?at=2026-01-06T00:00:00Z&known_at=2026-01-05T00:00:00Z", "at: expected a time of which something"),
        ("signals?at=soon", "at: expected a time as ISO 8601 with offset"),
        ("stops?known_at=x", "known_at: expected a time"),
        ("stops?from=2026-01-06T00:00:00Z&to=2026-01-05T00:00:00Z", "expected from before to, got 2026-01-06"),
        ("stops?machin=M1", "expected a parameter that is known here, got 'machin'; did you mean 'machine'?"),
        ("stops?limit=x", "limit: expected a whole number, got 'x'"),
        ("stops?open=maybe", "open: expected true or false, got 'maybe'"),
        ("oee?from=²", "from: expected a time as ISO 8601 with offset"),
        ("oee/diff?machine=M1", "known_at: expected a value, got none"),
        ("explain/oee?machine=M1&events=x", "events: expected a whole number, got 'x'"),
        ("explain/oee?machine=M1&cursor=%25", "cursor: expected the `next` of an earlier answer, got '%'"),
        ("oee/history?machine=M1&limit=0", "limit: expected a whole number >= 1, got '0'"),
    ],
)
async def test_a_wrong_parameter_is_told_in_words(tmp_path: Path, path: str, words: str) -> None:
    async with served(tmp_path, timeline()[:10]) as (client, _):
        answer = await client.get(f"/v1/{path}")
        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert words in answer.json()["detail"]
        assert "etag" not in answer.headers


# -- tags --------------------------------------------------------------------------------------------------------------

WINDOW = {"from": format_instant(oee_random.EPOCH), "to": format_instant(NOW)}
QUESTIONS: list[tuple[str, dict[str, str]]] = [
    ("machines", {}),
    ("machines", {"at": format_instant(NOW - HOUR)}),
    ("signals", {}),
    ("stops", {}),
    ("stops", {"limit": "1"}),
    ("stops/pareto", WINDOW),
    ("oee", WINDOW | {"machine": "M1"}),
    ("oee", WINDOW | {"machine": "M1", "definition": "semi"}),
    ("oee/history", WINDOW | {"machine": "M1"}),
    ("explain/oee", WINDOW | {"machine": "M1"}),
]


def said(t: int, word: str) -> StateChanged:
    return StateChanged(machine="M1", t=Instant(t), ingested=Instant(t), id=f"{word}{t}", state=word)


async def test_a_tag_changes_when_the_answer_does_and_not_before(tmp_path: Path) -> None:
    events = [said(NOW - 5 * HOUR, "running"), said(NOW - 4 * HOUR, "fault"), said(NOW - 3 * HOUR, "running")]
    events.append(said(NOW - 2 * HOUR, "running"))
    async with served(tmp_path, events) as (client, log):
        before = [await client.get(f"/v1/{name}", params=asked) for name, asked in QUESTIONS]
        tags = [answer.headers["etag"] for answer in before]
        assert len(set(tags)) == len(QUESTIONS)
        for (name, asked), tag in zip(QUESTIONS, tags, strict=True):
            again = await client.get(f"/v1/{name}", params=asked, headers={"If-None-Match": f'"other", W/{tag}'})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        later = [
            said(NOW - HOUR - 2 * MINUTE, "fault"),
            said(NOW - HOUR // 2, "running"),
            said(NOW - MINUTE, "running"),
        ]
        receipt = await log.append([codec.record_of(each, source="line") for each in later])
        await folded(tmp_path, receipt.last)
        for (name, asked), tag, old in zip(QUESTIONS, tags, before, strict=True):
            again = await client.get(f"/v1/{name}", params=asked, headers={"If-None-Match": tag})
            assert again.status_code == 200
            assert again.headers["etag"] != tag
            if name not in ("signals", "oee/history"):
                assert again.content != old.content


async def test_an_answer_that_runs_with_the_clock_is_a_new_one_each_time(tmp_path: Path) -> None:

    async with served(tmp_path, [said(NOW - 2 * HOUR, "running"), said(NOW - HOUR, "fault")]) as (_, log):
        now = [NOW]
        app: Any = api(Served(tmp_path, log, dict, Changes(tmp_path, lambda: NOW), lambda: now[0]))
        async with AsyncClient(transport=ASGITransport(app), base_url="http://plant") as client:
            runs = [("stops", {}), ("oee", {}), ("stops/pareto", WINDOW)]
            stands = [("machines", {}), ("stops", {"at": WINDOW["to"]}), ("oee", WINDOW)]
            tags = [(await client.get(f"/v1/{name}", params=asked)).headers["etag"] for name, asked in (*runs, *stands)]
            now[0] += MINUTE
            for (name, asked), tag in zip((*runs, *stands), tags, strict=True):
                again = await client.get(f"/v1/{name}", params=asked, headers={"If-None-Match": tag})
                assert again.status_code == (200 if (name, asked) in runs else 304), name
