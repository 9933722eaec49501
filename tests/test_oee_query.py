"""The OEE of a data folder: rows and facts together say what the slow reference says, at any place of a checkpoint."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import oee_harness as harness
import oee_random
import oee_reference
from tailrace.app.oee_query import oee
from tailrace.schemas.errors import NotFound
from tailrace.schemas.event import Event
from tailrace.schemas.instant import DAY, HOUR
from tailrace.schemas.line import parse


@pytest.mark.parametrize("seed", range(8))
async def test_any_window_of_a_folder_agrees_with_the_reference(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    events = oee_random.timeline(rng, 60)
    await harness.fill(tmp_path, events, rng)
    for window in [*(oee_random.window(rng, events) for _ in range(6)), *_aligned(events)]:
        start, end, as_of = window
        (got,) = oee(tmp_path, oee_random.MACHINE, [(start, end)], as_of)
        wanted = oee_reference.summarise(events, *window)
        assert {k: (v, got[k]) for k, v in wanted.items() if not harness.agrees(v, got[k])} == {}


async def test_a_machine_nobody_has_heard_of(tmp_path: Path) -> None:
    await harness.fill(tmp_path, oee_random.timeline(random.Random(1), 5), random.Random(1))
    with pytest.raises(NotFound, match="expected a machine that has events, got 'M9'; known are: M1"):
        oee(tmp_path, "M9", [(0, DAY)])


async def test_the_revision_rises_when_a_late_count_comes(tmp_path: Path) -> None:
    text = '{{"type":"{}","machine":"M1","t":"2026-01-05T{}Z","id":"{}",{}}}'
    start = int(parse(text.format("state.changed", "06:00:00", "a", '"state":"running"').encode()).t)
    on_time = [("state.changed", "06:00:00", "a", '"state":"running"'), ("clock.ticked", "07:00:00", "b", '"since":{}')]
    events = [parse(text.format(*line).encode()) for line in on_time]
    await harness.fill(tmp_path, list(events), random.Random(1))
    (before,) = oee(tmp_path, "M1", [(start, start + HOUR)])
    late = parse(text.format("parts.counted", "06:30:00", "c", '"good":3').encode())
    await harness.fill(tmp_path, [late], random.Random(1))
    (after,) = oee(tmp_path, "M1", [(start, start + HOUR)])
    (elsewhere,) = oee(tmp_path, "M1", [(start, start + HOUR // 2)])
    (nothing,) = oee(tmp_path, "M1", [(start - HOUR, start)])
    assert (before["revision"], after["revision"], elsewhere["revision"], nothing["revision"]) == (1, 2, 1, 0)
    assert (before["total"], after["total"], before["completeness"], nothing["completeness"]) == (0, 3, 1, 0)


def _aligned(events: list[Event]) -> list[tuple[int, int, int | None]]:
    first, last = min(int(e.t) for e in events), max(int(e.t) for e in events)
    hour = first // HOUR * HOUR
    return [(hour, hour + 8 * HOUR, None), (first // DAY * DAY, last // DAY * DAY + DAY, None), (hour, last, None)]
