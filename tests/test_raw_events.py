"""Raw events of a stretch: those with a part in it and no others, page by page, with where they are from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.app import compose
from tailrace.app.raw_events import raw_events
from tailrace.schemas.instant import HOUR, MINUTE, format_instant, parse_instant
from ui_plant import records, write

NOW = int(parse_instant("2026-03-29T12:34:56Z"))
MACHINE = "MCH006"
START, END = NOW - 6 * HOUR, NOW - 4 * HOUR


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A day of two machines."""
    await write(tmp_path, [each for each in records(NOW) if each.machine in ("", MACHINE, "MCH007")])
    return tmp_path


async def test_they_are_what_the_log_has_of_the_stretch(folder: Path) -> None:
    found, after = raw_events(folder, MACHINE, START, END, limit=1000)
    with compose.reading(folder) as log:
        every = [each for each in log.read(0, 100_000) if each.machine == MACHINE]
    within = [each for each in every if each.t_min < END and each.t_max >= START]
    assert after is None
    assert [each.position for each in found] == [each.position for each in within]
    assert {"state.changed", "telemetry"} <= {each.type for each in found} and len(found) < len(every)
    for item, record in zip(found, within, strict=True):
        assert (item.source, item.session, item.seq, item.n) == (
            record.source,
            record.session,
            record.first_seq,
            record.n,
        )
        assert (item.t, item.ingested) == (format_instant(record.t_min), format_instant(record.ingested))
    (state, *_) = [each for each in found if each.type == "state.changed"]
    assert (list(state.said), state.quality) == (["state"], "good")
    (frame, *_) = [each for each in found if each.type == "telemetry"]
    assert (frame.said["readings"], frame.said["of"][-2:]) == (frame.n, ["total", "reject"])


@pytest.mark.parametrize("limit", [1, 3])
async def test_pages_neither_repeat_nor_lose_an_event(folder: Path, limit: int) -> None:
    whole, _ = raw_events(folder, MACHINE, START, END, limit=1000)
    pages, cursor = [], 0
    while True:
        found, after = raw_events(folder, MACHINE, START, END, cursor=cursor, limit=limit)
        pages += found
        assert 0 < len(found) <= limit
        if after is None:
            break
        cursor = after
    assert pages == whole


async def test_where_nothing_was_said_there_is_none(folder: Path) -> None:
    assert raw_events(folder, MACHINE, NOW + HOUR, NOW + HOUR + MINUTE) == ([], None)
