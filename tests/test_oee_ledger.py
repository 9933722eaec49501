"""The ledger: every event that restated a window, with the figures before and after it, who, when, why, and what moved."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import oee_harness as harness
import oee_random
from commands import tailrace, tailrace_json
from tailrace.app import compose
from tailrace.app.explain_event import explain_event
from tailrace.app.oee_ledger import history
from tailrace.app.oee_query import oee
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.schemas.instant import HOUR, SECOND, parse_instant
from test_api import served
from test_cli_reads import SHIFT, give, items
from test_cli_reads import store as day

store = day
"""A data folder with a day of two machines."""

TIMES = ("run", "microstop", "breakdown", "setup", "unknown", "planned_stop", "excluded", "not_scheduled")
WINDOW = (oee_random.EPOCH, oee_random.EPOCH + 40 * HOUR)


async def folder(path: Path, seed: int) -> Path:
    log = SqliteLog(path / "events.db")
    await log.append(harness.records(oee_random.timeline(random.Random(seed), 100, silence=False)))
    await log.close()
    with compose.pipeline(path) as pipeline:
        pipeline.drain()
    return path


def walked(path: Path, limit: int, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = history(path, "M1", *WINDOW, cursor=cursor, limit=limit, **asked)
        assert len(page.items) <= limit
        found += page.items
        if page.next is None:
            return found
        cursor = page.next


@pytest.mark.parametrize("seed", range(3))
async def test_each_line_moves_what_lies_between_its_figures(tmp_path: Path, seed: int) -> None:
    path = await folder(tmp_path, seed)
    found = walked(path, 100)
    assert found
    assert walked(path, 3) == found
    for each in found:
        for name in TIMES:
            gained = sum(m["seconds"] for m in each["moved"] if m["to_category"] == name)
            lost = sum(m["seconds"] for m in each["moved"] if m["from_category"] == name)
            moved = round((gained - lost) * SECOND)
            assert moved == round((each["after"][name] - each["before"][name]) * SECOND), name
        assert each["minutes"] >= 1
        assert each["at"] and each["type"]


@pytest.mark.parametrize("seed", range(2))
async def test_lines_are_what_each_event_changed(tmp_path: Path, seed: int) -> None:
    """The figures that `explain event` folds for the event alone, in a window that it gives."""
    path = await folder(tmp_path, seed)
    looked_at = 0
    for each in walked(path, 100)[:4]:
        changed = explain_event(path, each["cause"])["figures"]
        for hour in changed[0]["hours"][:1]:
            (line,) = [line for line in _of_window(path, hour["before"]) if line["cause"] == each["cause"]]
            assert (line["before"], line["after"]) == (hour["before"], hour["after"])
            looked_at += 1
    assert looked_at


def _of_window(path: Path, figures: dict[str, Any]) -> list[dict[str, Any]]:
    return history(path, "M1", parse_instant(figures["from"]), parse_instant(figures["to"]), limit=100).items


async def test_the_last_line_ends_with_what_is_known_now_where_nothing_came_behind_it(tmp_path: Path) -> None:
    events = oee_random.timeline(random.Random(1), 60, silence=False)
    async with served(tmp_path, events) as (client, _):
        stop = (await client.get("/v1/stops", params={"limit": 1000})).json()["items"][-1]
        edit = {"category": "setup", "reason": "tool", "by": "ann", "expected_revision": stop["revision"]}
        assert (await client.post(f"/v1/stops/{stop['id']}/reason", json=edit)).status_code == 200
        asked = {"machine": "M1", "from": str(WINDOW[0] // SECOND), "to": str(WINDOW[1] // SECOND), "limit": "100"}
        found = (await client.get("/v1/oee/history", params=asked)).json()["items"]
        last = found[-1]
        assert (last["type"], last["by"], last["reason"]) == ("reason.assigned", "ann", "tool")
        (now,) = oee(tmp_path, "M1", [WINDOW])
        assert last["after"]["oee"] == now["oee"]
        assert {each["to_category"] for each in last["moved"]} == {"setup"}
        assert found == history(tmp_path, "M1", *WINDOW, limit=100).items


def test_the_command_says_who_moved_what_and_why(store: Path) -> None:
    assert "nothing restated this window" in tailrace("oee", "history", "--dir", store, *SHIFT).stdout
    before = tailrace_json("oee", "--dir", store, *SHIFT)
    stop_id = items("stops", "--dir", store, "--machine", "M1")[1]["id"]
    give(store, stop_id, "setup", "--reason", "tool change", "--by", "ann")
    after = tailrace_json("oee", "--dir", store, *SHIFT)
    (line,) = items("oee history", "--dir", store, *SHIFT)
    assert (line["by"], line["reason"], line["type"], line["minutes"]) == ("ann", "tool change", "reason.assigned", 10)
    assert line["moved"] == [{"from_category": "breakdown", "to_category": "setup", "seconds": 600}]
    for name in ("oee", "availability", "breakdown", "setup"):
        assert (line["before"][name], line["after"][name]) == (before[name], after[name])
    (semi,) = items("oee history", "--dir", store, *SHIFT, "--definition", "semi")
    assert semi["after"]["definition"] == ["semi@1"]
    shown = tailrace("oee", "history", "--dir", store, *SHIFT).stdout
    assert "tool change" in shown and "breakdown → setup" in shown
    done = tailrace("oee", "history", "--dir", store, "--machine", "M9", *SHIFT[2:], code=1)
    assert "expected a machine that has events, got 'M9'" in done.stderr
