"""Stops as people edit them on the command line and over REST: split, merge, undo, conflicts with both versions, refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from commands import tailrace, tailrace_json
from tailrace.app.edits import EditConflict, assign_reason
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.engine.log import Log, Receipt
from tailrace.schemas.answer import ReasonEdit
from tailrace.schemas.event import Event
from tailrace.schemas.line import parse
from tailrace.schemas.record import Record
from test_api import NOW, served
from test_cli_reads import items, store
from test_stop_edits import TWICE, state

__all__ = ["store"]

M1 = ("--machine", "M1")
SHIFT = ("--machine", "M1", "--from", "2026-11-20T06:00:00Z", "--to", "2026-11-20T08:00:00Z")
AT = "2026-11-20T06:44:00Z"


def stops(store: Path) -> list[dict[str, Any]]:
    """The stops of M1 by time."""
    return items("stops", "--dir", store, *M1)[::-1]


def edit(store: Path, command: str, *arguments: object, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = tailrace_json("stops", command, *arguments, "--dir", store, code=code)
    return found


# -- command line ------------------------------------------------------------------------------------------------------


def test_a_stop_is_split_and_each_part_has_a_reason_and_undo_goes_back_step_by_step(store: Path) -> None:
    before = tailrace_json("oee", "--dir", store, *SHIFT)
    whole = stops(store)[0]
    parts = edit(store, "split", whole["id"], "--at", AT, "--by", "ann", "--expected-revision", 1)["items"]
    assert [(each["duration_s"], each["revision"]) for each in parts] == [(240, 2), (360, 1)]
    assert stops(store)[:2] == parts
    assert tailrace_json("oee", "--dir", store, *SHIFT) == before
    for part, category in zip(parts, ("setup", "planned"), strict=True):
        tailrace("reason", part["id"], "--dir", store, "--category", category)
    assert [each["category"] for each in stops(store)[:2]] == ["setup", "planned_stop"]
    assert tailrace_json("oee", "--dir", store, *SHIFT)["setup"] == 240
    for n, length in ((2, 360), (1, 240), (1, 600)):
        last = stops(store)[n - 1]
        left = edit(store, "undo", last["id"], "--by", "bob")["items"]
        assert left[-1]["duration_s"] == length
    assert (stops(store)[0]["category"], stops(store)[0]["id"]) == ("unplanned", whole["id"])
    assert tailrace_json("oee", "--dir", store, *SHIFT) == before | {"revision": 3}
    nothing = tailrace("stops", "undo", whole["id"], "--dir", store, code=1)
    assert "there is nothing to undo" in nothing.stderr


def test_a_merged_stop_counts_only_time_in_which_the_machine_was_down(store: Path) -> None:
    before = tailrace_json("oee", "--dir", store, *SHIFT)
    one, other = stops(store)
    (merged,) = edit(store, "merge", other["id"], one["id"], "--expected-revision", 1, "--expected-revision", 1)[
        "items"
    ]
    assert (merged["id"], merged["start"], merged["end"]) == (one["id"], one["start"], other["end"])
    assert merged["duration_s"] == one["duration_s"] + other["duration_s"]
    assert tailrace_json("oee", "--dir", store, *SHIFT) == before
    tailrace("reason", merged["id"], "--dir", store, "--category", "setup", "--reason", "die")
    after = tailrace_json("oee", "--dir", store, *SHIFT)
    assert (after["setup"], after["run"]) == (660, before["run"])
    shown = tailrace("stops", "undo", merged["id"], "--dir", store).stdout
    assert "unplanned" in shown
    edit(store, "undo", merged["id"])
    assert [each["id"] for each in stops(store)] == [one["id"], other["id"]]


def test_a_split_on_an_old_revision_is_told_both_versions(store: Path) -> None:
    stop = stops(store)[0]
    tailrace("reason", stop["id"], "--dir", store, "--category", "setup", "--by", "ann")
    refused = edit(store, "split", stop["id"], "--at", AT, "--expected-revision", 1, code=1)
    assert (refused["current"]["category"], refused["current"]["revision"]) == ("setup", 2)
    assert refused["proposed"] == {"at": AT, "by": "", "expected_revision": 1}
    told = tailrace("stops", "split", stop["id"], "--dir", store, "--at", AT, "--expected-revision", 1, code=1)
    assert "yours, on revision 1: split at" in told.stderr
    assert len(stops(store)) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ("split", "{0}", "--at", "2026-11-20T06:40:00Z"),
            1,
            "at: expected a time inside the stop, after 2026-11-20T06:40",
        ),
        (("split", "{0}", "--at", "2026-11-20T06:50:00Z"), 1, "before 2026-11-20T06:50:00Z, got 2026-11-20T06:50:00Z"),
        (("split", "{0}", "--at", "soon"), 2, "soon"),
        (("split", "nothing", "--at", AT), 1, "expected the id of a stop (`tailrace stops` lists them), got 'nothing'"),
        (("merge", "{0}"), 1, "stops: expected the id of another stop, got none"),
        (("merge", "{0}", "{0}"), 1, "stops: expected the id of another stop, got none"),
        (("merge", "{0}", "{m2}"), 1, "stops: expected stops of one machine, got M1, M2"),
        (
            ("merge", "{0}", "{1}", "--expected-revision", 1),
            2,
            "expected --expected-revision for each of 2 stops, got 1",
        ),
        (("undo", "{0}"), 1, "expected an edit of it that stands, got none"),
    ],
)
def test_a_wrong_edit_is_refused_in_words(store: Path, arguments: tuple[Any, ...], code: int, words: str) -> None:
    ids = [each["id"] for each in stops(store)]
    (m2,) = items("stops", "--dir", store, "--machine", "M2")
    given = [str(each).format(*ids, m2=m2["id"]) for each in arguments]
    assert words in " ".join(tailrace("stops", *given, "--dir", store, code=code).stderr.split())
    assert [each["revision"] for each in stops(store)] == [1, 1]


# -- REST --------------------------------------------------------------------------------------------------------------


def day() -> list[Event]:
    """M1 down from 07:00 to 07:10 and from 07:40 to 08:00; M2 down for good."""
    other = parse(b'{"type":"state.changed","machine":"M2","t":"2026-01-05T07:00:00Z","id":"m2","state":"fault"}')
    return [*TWICE, other]


async def test_split_merge_and_undo_over_rest(tmp_path: Path) -> None:
    async with served(tmp_path, day()) as (client, _):
        first, second = (await client.get("/v1/stops?machine=M1")).json()["items"][::-1]
        cut = {"at": "2026-01-05T07:04:00Z", "by": "ann", "expected_revision": 1}
        answer = await client.post(f"/v1/stops/{first['id']}/split", json=cut)
        assert answer.status_code == 200
        assert [each["duration_s"] for each in answer.json()["items"]] == [240, 360]
        late = await client.post(f"/v1/stops/{first['id']}/split", json=cut | {"by": "bob"})
        assert late.status_code == 409
        assert late.json()["current"]["revision"] == 2
        assert late.json()["proposed"] == cut | {"by": "bob"}
        undone = await client.post(f"/v1/stops/{first['id']}/undo", json={"by": "ann", "expected_revision": 2})
        assert [each["duration_s"] for each in undone.json()["items"]] == [600]
        join = {"stops": [second["id"]], "expected_revision": 3, "expected_revisions": {second["id"]: 1}}
        (merged,) = (await client.post(f"/v1/stops/{first['id']}/merge", json=join)).json()["items"]
        assert (merged["id"], merged["duration_s"], merged["revision"]) == (first["id"], 1800, 4)
        gone = await client.post(f"/v1/stops/{second['id']}/reason", json={"category": "setup"})
        assert gone.status_code == 404


async def test_of_two_who_merge_and_name_the_second_sees_what_became_of_the_stop(tmp_path: Path) -> None:
    """The stop of one went into another one while both looked at it: the conflict shows the joined stop."""
    async with served(tmp_path, day()) as (client, _):
        first, second = (await client.get("/v1/stops?machine=M1")).json()["items"][::-1]
        named = await client.post(
            f"/v1/stops/{second['id']}/reason", json={"category": "setup", "expected_revision": 1}
        )
        assert named.json()["revision"] == 2
        join = {"stops": [second["id"]], "expected_revision": 1, "expected_revisions": {second["id"]: 1}}
        answer = await client.post(f"/v1/stops/{first['id']}/merge", json=join)
        assert answer.status_code == 409
        assert (answer.json()["current"]["id"], answer.json()["current"]["category"]) == (second["id"], "setup")


class Overtaken:
    """A log to which another person appends between an edit's look at the stop and its event."""

    def __init__(self, log: SqliteLog, before: Callable[[], Awaitable[object]]) -> None:
        self._log, self._before = log, before

    async def append(self, records: Sequence[Record]) -> Receipt:
        await self._before()
        return await self._log.append(records)


async def test_a_merge_that_swallows_a_stop_during_an_edit_is_a_conflict_with_both_versions(tmp_path: Path) -> None:
    """Ann gives the second stop a reason; between her look and her event Bob joins it with the first one."""
    async with served(tmp_path, day()) as (client, log):
        first, second = (await client.get("/v1/stops?machine=M1")).json()["items"][::-1]
        join = {"stops": [second["id"]], "by": "bob", "expected_revision": 1, "expected_revisions": {second["id"]: 1}}

        async def bob() -> None:
            assert (await client.post(f"/v1/stops/{first['id']}/merge", json=join)).status_code == 200

        mine = ReasonEdit(category="setup", reason="die", by="ann", expected_revision=1)
        with pytest.raises(EditConflict) as caught:
            await assign_reason(tmp_path, cast(Log, Overtaken(log, bob)), second["id"], mine, lambda: NOW)
        current = caught.value.current
        assert (current.id, current.end, current.duration_s) == (first["id"], second["end"], 1800)
        assert caught.value.proposed == mine
        (item,) = (await client.get("/v1/stops?machine=M1")).json()["items"]
        assert (item["category"], item["reason"], item["revision"]) == ("unplanned", "", 2)


async def test_of_a_merge_and_a_reason_at_once_one_stands(tmp_path: Path) -> None:
    """Whichever is folded first; the other one is told so, and nothing of it is left."""
    async with served(tmp_path, day()) as (client, _):
        first, second = (await client.get("/v1/stops?machine=M1")).json()["items"][::-1]
        join = {"stops": [second["id"]], "by": "bob", "expected_revision": 1, "expected_revisions": {second["id"]: 1}}
        named = {"category": "setup", "reason": "die", "by": "ann", "expected_revision": 1}
        merge, reason = await asyncio.gather(
            client.post(f"/v1/stops/{first['id']}/merge", json=join),
            client.post(f"/v1/stops/{second['id']}/reason", json=named),
        )
        found = (await client.get("/v1/stops?machine=M1")).json()["items"]
        if merge.status_code == 200:
            assert reason.status_code in (404, 409)
            assert [(each["id"], each["reason"]) for each in found] == [(first["id"], "")]
        else:
            assert (merge.status_code, reason.status_code) == (409, 200)
            assert [(each["id"], each["reason"]) for each in found] == [(second["id"], "die"), (first["id"], "")]


@pytest.mark.parametrize(
    ("path", "edit_", "code", "words"),
    [
        ("split", {"at": "2026-01-05T08:00:00Z"}, 400, "at: expected a time inside the stop"),
        ("split", {"at": "2026-01-05T07:45:00"}, 400, "at: "),
        ("split", {}, 400, ""),
        ("merge", {"stops": []}, 400, "stops: expected the id of another stop, got none"),
        ("merge", {"stops": ["nothing"]}, 404, "expected the id of a stop"),
        ("undo", {}, 400, "there is nothing to undo"),
        ("undo", {"colour": "red"}, 400, ""),
    ],
)
async def test_a_wrong_edit_over_rest_is_a_problem_in_words(
    tmp_path: Path, path: str, edit_: dict[str, Any], code: int, words: str
) -> None:
    async with served(tmp_path, day()) as (client, log):
        before = await log.end()
        stop = (await client.get("/v1/stops?machine=M1")).json()["items"][0]
        answer = await client.post(f"/v1/stops/{stop['id']}/{path}", json=edit_)
        assert answer.status_code == code
        assert words in answer.json()["detail"]
        assert await log.end() == before


async def test_a_merge_that_leaves_a_stop_in_between_out_is_refused(tmp_path: Path) -> None:
    third = [state("s6", "08:10", "fault"), state("s7", "08:20", "running")]
    async with served(tmp_path, [*TWICE, *third]) as (client, log):
        first, between, last = [each["id"] for each in (await client.get("/v1/stops")).json()["items"][::-1]]
        before = await log.end()
        answer = await client.post(f"/v1/stops/{first}/merge", json={"stops": [last]})
        assert answer.status_code == 400
        assert f"expected every stop from the first to the last, got none of {between}" in answer.json()["detail"]
        assert await log.end() == before
        (merged,) = (await client.post(f"/v1/stops/{last}/merge", json={"stops": [first, between]})).json()["items"]
        assert (merged["id"], merged["duration_s"]) == (first, 600 + 1200 + 600)


def test_wrong_edits_in_a_file_are_quarantined_with_the_field_and_the_rule(tmp_path: Path) -> None:
    head = '"machine":"M1","t":"2026-01-05T09:00:00Z"'
    wrong = {
        f'{{"type":"stop.split",{head},"stop":"","at":"2026-01-05T07:00:00Z"}}': "expected the id of a stop in stop",
        f'{{"type":"stop.split",{head},"stop":"s","at":"soon"}}': "$.at",
        f'{{"type":"stop.merged",{head},"stops":["s","s"]}}': "expected two stops or more in stops, got 1",
        f'{{"type":"stop.merged",{head},"stops":["s","u"],"from":"2026-01-05T07:00:00Z"}}': "both of from and to",
        f'{{"type":"stop.merged",{head},"stops":["s","u"],"from":2,"to":1}}': "expected from before to",
        f'{{"type":"stop.merged",{head},"stops":["s","u"],"expected_revisions":{{"x":1}}}}': "expected ids that stand in stops",
        f'{{"type":"reason.assigned",{head},"from":2,"to":1,"category":"setup"}}': "expected from before to",
        f'{{"type":"reason.assigned",{head},"from":1,"to":2,"category":"lunch"}}': "$.category",
        f'{{"type":"reason.assigned",{head},"from":1,"to":9,"category":"setup","gaps":[{{"from":3,"to":2}}]}}': "a gap",
    }
    path = tmp_path / "wrong.jsonl"
    path.write_text("\n".join(wrong) + "\n")
    tailrace("import", path, "--strict", "--dir", tmp_path / "data", code=1)
    lines = tailrace("export", "--dir", tmp_path / "data").stdout.splitlines()
    reasons = [event["reason"] for event in map(json.loads, lines) if event["type"] == "ingest.quarantined"]
    assert len(reasons) == len(wrong)
    for words, reason in zip(wrong.values(), reasons, strict=True):
        assert words in reason


def test_edits_go_out_and_come_in_again_as_they_were(store: Path, tmp_path: Path) -> None:
    one, other = stops(store)
    edit(store, "merge", one["id"], other["id"])
    tailrace("reason", one["id"], "--dir", store, "--category", "setup", "--reason", "die")
    edit(store, "split", one["id"], "--at", AT)
    out = tmp_path / "out.jsonl"
    out.write_text(tailrace("export", "--dir", store).stdout)
    tailrace("import", out, "--dir", tmp_path / "again")
    assert stops(tmp_path / "again") == stops(store)


# -- what stops cost ---------------------------------------------------------------------------------------------------


def test_the_pareto_is_worked_by_hand(store: Path) -> None:
    """M1 is down 600 s (tool) and 60 s, and runs 7,200 - 660 s of the shift; only the first lasts 300 s or longer."""
    tailrace("reason", stops(store)[0]["id"], "--dir", store, "--category", "unplanned", "--reason", "tool")
    found = edit(store, "pareto", *SHIFT)
    shares = [
        (each["reason"], each["duration_s"], each["stops"], each["share"], each["cumulative"])
        for each in found["items"]
    ]
    assert shares == [("tool", 600, 1, 600 / 660, 600 / 660), ("", 60, 1, 60 / 660, 1)]
    assert (found["down_s"], found["stops"]) == (660, 2)
    assert [(m["sum_s"], m["n"], m["mean_s"]) for m in (found["mtbf"], found["mttr"])] == [
        (6540, 1, 6540),
        (600, 1, 600),
    ]
    every = edit(store, "pareto", *SHIFT, "--microstop", "1s")
    assert [(m["sum_s"], m["n"], m["mean_s"]) for m in (every["mtbf"], every["mttr"])] == [
        (6540, 2, 3270),
        (660, 2, 330),
    ]
    none = edit(store, "pareto", *SHIFT, "--microstop", "1h")
    assert [(m["n"], m["mean_s"]) for m in (none["mtbf"], none["mttr"])] == [(0, None), (0, None)]
    assert edit(store, "pareto", "--line", "L1", *SHIFT[2:]) == found
    assert edit(store, "pareto", "--line", "L2", *SHIFT[2:])["items"] == []
    shown = tailrace("stops", "pareto", "--dir", store, *SHIFT).stdout
    assert "MTBF 6,540.0 s = 6,540.0 s / 1" in shown


def test_what_ran_in_a_merged_stop_is_no_cost(store: Path) -> None:
    one, other = stops(store)
    edit(store, "merge", one["id"], other["id"])
    (item,) = edit(store, "pareto", *SHIFT)["items"]
    assert (item["duration_s"], item["stops"]) == (660, 1)
    part = ("--machine", "M1", "--from", "2026-11-20T06:45:00Z", "--to", "2026-11-20T07:00:00Z")
    (item,) = edit(store, "pareto", *part)["items"]
    assert item["duration_s"] == 300
    mean = edit(store, "pareto", *SHIFT)["mttr"]
    assert (mean["sum_s"], mean["n"]) == (660, 1)


async def test_the_pareto_over_rest(tmp_path: Path) -> None:
    async with served(tmp_path, day()) as (client, _):
        window = {"from": "2026-01-05T06:30:00Z", "to": "2026-01-05T08:30:00Z", "machine": "M1"}
        found = (await client.get("/v1/stops/pareto", params=window)).json()
        assert [(each["duration_s"], each["stops"]) for each in found["items"]] == [(1800, 2)]
        assert (found["mtbf"]["sum_s"], found["mtbf"]["n"], found["mttr"]["mean_s"]) == (5400, 2, 900)
        assert (await client.get("/v1/stops/pareto", params=window | {"to": window["from"]})).status_code == 400
