"""What was known when: a prefix of the log by ingest time gives what a log that ends there gives, and what moved adds up."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

import oee_harness as harness
import oee_random
from commands import tailrace, tailrace_json
from tailrace.app.oee_diff import diff
from tailrace.app.oee_query import oee
from tailrace.app.oee_time import BUCKETS
from tailrace.schemas.errors import InvalidInput, NotFound
from tailrace.schemas.event import Event
from tailrace.schemas.instant import MINUTE, Instant

MACHINE = oee_random.MACHINE


def timeline(rng: random.Random, size: int) -> list[Event]:
    """Events in any order, that came in at times which mostly rise."""
    events = oee_random.timeline(rng, size, silence=False)
    if rng.random() < 0.5:
        rng.shuffle(events)
    at, found = max(int(each.t) for each in events), []
    for each in events:
        at += rng.choice((-2, 0, 1, 5)) * MINUTE
        found.append(msgspec.structs.replace(each, ingested=Instant(at)))
    return found


def prefix(events: Sequence[Event], t: int) -> list[Event]:
    """The events before the first one that came in after t."""
    later = [i for i, each in enumerate(events) if int(each.ingested or 0) > t]
    return list(events[: later[0]]) if later else list(events)


def instants(rng: random.Random, events: Sequence[Event], n: int) -> list[int]:
    """Known-at times at which something was known of the machine, rising."""
    first = next(i for i, each in enumerate(events) if each.machine == MACHINE)
    from_ = max(int(each.ingested or 0) for each in events[: first + 1])
    stamps = [int(each.ingested or 0) for each in events]
    return sorted(max(from_, rng.choice(stamps) + rng.choice((-1, 0, 1))) for _ in range(n))


@pytest.mark.parametrize("seed", range(4))
async def test_what_was_known_is_what_a_log_that_ends_there_says(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    events = timeline(rng, 50)
    (tmp_path / "whole").mkdir()
    await harness.fill(tmp_path / "whole", events, rng)
    for i, t in enumerate(instants(rng, events, 3)):
        (tmp_path / f"{i}").mkdir()
        await harness.fill(tmp_path / f"{i}", prefix(events, t), rng)
        for start, end, as_of in (oee_random.window(rng, events) for _ in range(4)):
            wanted = oee(tmp_path / f"{i}", MACHINE, [(start, end)], as_of)
            assert oee(tmp_path / "whole", MACHINE, [(start, end)], as_of, known_at=t) == wanted


@pytest.mark.parametrize("definition", [None, "semi"])
@pytest.mark.parametrize("seed", range(1, 5))
async def test_what_moved_is_the_difference_of_every_bucket(tmp_path: Path, seed: int, definition: str | None) -> None:
    rng = random.Random(seed)
    events = timeline(rng, 60)
    await harness.fill(tmp_path, events, rng)
    causes = {each.id for each in events}
    some = False
    whole = min(int(each.t) for each in events), max(int(each.t) for each in events) + MINUTE, None
    for start, end, _ in [whole, whole, *(oee_random.window(rng, events) for _ in range(3))]:
        first, second = instants(rng, events, 2)
        found = diff(tmp_path, MACHINE, start, end, (first, second), definition)
        assert found["before"] == oee(tmp_path, MACHINE, [(start, end)], None, definition, first)[0]
        assert found["after"] == oee(tmp_path, MACHINE, [(start, end)], None, definition, second)[0]
        for name in BUCKETS:
            gained = sum(round(each["seconds"] * 1e9) for each in found["moved"] if each["to_category"] == name)
            lost = sum(round(each["seconds"] * 1e9) for each in found["moved"] if each["from_category"] == name)
            difference = round((found["after"][name] - found["before"][name]) * 1e9)
            assert gained - lost == pytest.approx(difference, abs=2), name
        assert all(each["seconds"] > 0 and each["from_category"] != each["to_category"] for each in found["moved"])
        assert {each["cause"] for each in found["moved"]} <= causes | {"data", "late data"}
        some |= bool(found["moved"])
    assert some


async def test_nothing_was_known_before_the_first_event(tmp_path: Path) -> None:
    rng = random.Random(1)
    await harness.fill(tmp_path, timeline(rng, 10), rng)
    with pytest.raises(NotFound, match="expected a machine of which something was known at 1970-01-01"):
        oee(tmp_path, MACHINE, [(0, MINUTE)], known_at=0)
    with pytest.raises(InvalidInput, match="expected the earlier known-at time first"):
        diff(tmp_path, MACHINE, 0, MINUTE, (2, 1))


WINDOW = ("--machine", "MCH004", "--from", "2026-10-05T06:00:00Z", "--to", "2026-10-05T07:00:00Z")
TIMES = ("--known-at", "2026-10-06T00:00:00Z", "--known-at", "2026-10-27T00:00:00Z")


def block(kind: str) -> str:
    """A block of docs/oee.md, by the words behind its fence."""
    text = (Path(__file__).parents[1] / "docs" / "oee.md").read_text()
    return text.partition(f"```{kind}\n")[2].partition("```")[0]


def test_the_example_of_the_docs_is_what_the_commands_say(tmp_path: Path) -> None:
    (tmp_path / "days.jsonl").write_text(block("jsonl known"))
    here = ("--dir", tmp_path / "data")
    tailrace("import", tmp_path / "days.jsonl", *here)
    found = tailrace_json("oee", "diff", *WINDOW, *TIMES, *here)
    assert found["moved"] == msgspec.json.decode(block("json moved"))
    names = ("run", "breakdown", "planned_stop", "pbt", "oee", "revision")
    before, after = ([found[side][name] for name in names] for side in ("before", "after"))
    assert (before, after) == ([1800, 1800, 0, 3600, 0.45, 1], [1800, 0, 1800, 1800, 0.9, 2])
    assert tailrace_json("oee", *WINDOW, *TIMES[:2], *here) == found["before"]
    assert tailrace_json("oee", *WINDOW, *here) == found["after"]
    (hour,) = tailrace_json("explain", "event", "r1", *here)["figures"][0]["hours"]
    assert (hour["before"], hour["after"]) == (found["before"], found["after"])


def test_an_event_is_explained_by_what_it_changed(tmp_path: Path) -> None:
    (tmp_path / "days.jsonl").write_text(block("jsonl known"))
    here = ("--dir", tmp_path / "data")
    tailrace("import", tmp_path / "days.jsonl", *here)
    found = tailrace_json("explain", "event", "r1", *here)
    (figure,) = found["figures"]
    assert (found["type"], found["event"]["by"], figure["minutes_restated"]) == ("reason.assigned", "ada", 30)
    (stop,) = found["stops"]
    assert (stop["before"]["reason"], stop["after"]["reason"]) == ("", "gearbox inspection")
    closed = tailrace_json("explain", "event", "s4", *here)["figures"]
    assert [(each["minutes_restated"], each["minutes_closed"]) for each in closed] == [(0, 31)]
    assert tailrace("explain", "event", "r9", *here, code=1).stderr.startswith(
        "tailrace: expected the id of an event in the log, got 'r9'"
    )
    assert "--known-at twice" in tailrace("oee", "diff", *WINDOW, *TIMES[:2], *here, code=2).stderr
