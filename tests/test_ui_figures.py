"""The figures that pages show, over a real folder: hours that are over change with an edit; half a history says nothing final."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from commands import DEADLINE_S
from tailrace.app import compose
from tailrace.app.edit_log import edit_log
from tailrace.app.edits import assign_reason
from tailrace.app.oee_query import oee
from tailrace.app.ui_figures import Figures, Shown, shown_of
from tailrace.app.ui_floor import figures
from tailrace.app.ui_text import Zone
from tailrace.projections import queries
from tailrace.schemas.answer import ReasonEdit
from tailrace.schemas.instant import HOUR, parse_instant
from ui_plant import records, write

NOW = int(parse_instant("2026-03-29T12:34:56Z"))
MACHINE = "MCH006"
UTC = Zone(ZoneInfo("UTC"), "UTC")


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A day of one machine, folded."""
    await write(tmp_path, [record for record in records(NOW) if record.machine in ("", MACHINE)])
    await asyncio.to_thread(compose.catch_up, tmp_path)
    return tmp_path


async def test_hours_that_are_over_are_worked_out_anew_after_an_edit(folder: Path) -> None:
    """The clock stands still, so nothing but the edit can be why."""
    told: asyncio.Queue[Shown] = asyncio.Queue()
    watched = Figures(folder, lambda: NOW, lambda: False)
    with watched.watching([MACHINE], told.put_nowait):
        before = await asyncio.wait_for(told.get(), DEADLINE_S)
        hours = dict(before.hours)
        with compose.read_store(folder) as connection:
            stops = queries.stops(connection, NOW, machine=MACHINE, end=NOW - 3 * HOUR).items
        late = [each for each in stops if each.category == "unplanned" and parse_instant(each.start) > min(hours)]
        stop = max(late, key=lambda each: each.duration_s)
        edit = ReasonEdit(category="planned_stop", reason="Cleaning", by="Ann", expected_revision=stop.revision)
        async with edit_log(folder) as log:
            await assign_reason(folder, log, stop.id, edit, lambda: NOW)
        watched.touch(MACHINE)
        async with asyncio.timeout(DEADLINE_S):
            while (after := await told.get()).hours == before.hours:
                pass
    hour = int(parse_instant(stop.start)) // HOUR * HOUR
    assert hour < NOW // HOUR * HOUR - HOUR
    assert dict(after.hours)[hour]["oee"] > hours[hour]["oee"]
    windows = [(start, min(start + HOUR, NOW // 10**9 * 10**9)) for start in hours]
    assert dict(after.hours) == dict(zip(hours, oee(folder, MACHINE, windows), strict=True))


async def test_while_the_fold_is_behind_nothing_is_said_to_be_so(folder: Path) -> None:
    """Nothing is scheduled; nothing is known; and what holds from long ago would give a figure of time nobody has seen."""
    later = NOW // HOUR * HOUR + 11 * HOUR
    for now, words in ((NOW + 100 * HOUR, "nothing scheduled"), (NOW - 100 * HOUR, "no data"), (later, "0.0 % known")):
        known = shown_of(folder, MACHINE, now)
        assert words in text(known)
        assert "not known yet" not in text(known)
        half = shown_of(folder, MACHINE, now, behind=True)
        assert "not known yet" in text(half)
        assert not re.search(r"scheduled|no data|\d %|<span class=.unit", text(half))
        again = shown_of(folder, MACHINE, now, half)
        assert (again.behind, text(again)) == (False, text(known))


async def test_hours_of_half_a_history_are_not_kept(folder: Path) -> None:
    half = shown_of(folder, MACHINE, NOW, behind=True)
    wrong = Shown(
        **{name: getattr(half, name) for name in Shown.__struct_fields__} | {"hours": [(h, {}) for h, _ in half.hours]}
    )
    assert shown_of(folder, MACHINE, NOW, wrong).hours == half.hours


def text(shown: Shown) -> str:
    return str(figures(shown, UTC))
