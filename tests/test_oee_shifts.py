"""The shift report: what the rows say of a shift that is over is what the facts say of it, to the last figure."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import oee_harness as harness
import oee_random
from commands import tailrace, tailrace_json
from tailrace.app import compose
from tailrace.app.oee_closed import closed
from tailrace.app.oee_definition import judged_by
from tailrace.app.oee_picture import pictured
from tailrace.app.oee_query import figures, oee, placed
from tailrace.app.shift_report import Asked, report
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.projections import shift_rows
from tailrace.schemas.errors import NotFound
from tailrace.schemas.event import (
    CalendarSet,
    ClockTicked,
    Event,
    Interval,
    MachineRegistered,
    PartsCounted,
    ProductChanged,
    StateChanged,
)
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND, Instant, Span, format_instant
from tailrace.topologies.oee import Oee
from tailrace.topologies.shifts import Shifts
from tailrace.topologies.stops import Stops
from test_api import served

SEEDS = range(8)
DAYS = 12
T0 = oee_random.EPOCH
MACHINES = {"M1": "L1", "M2": "L1", "M3": "L2"}


def calendar(rng: random.Random) -> Event:
    """Three shifts a day with a break each, one of them off the minute now and then; the last of a day overlaps the next."""
    spans: list[Interval] = []
    for i, at in enumerate(range(T0, T0 + DAYS * DAY, 8 * HOUR)):
        start, end = at + rng.choice((0, 0, 0, SECOND)), at + 8 * HOUR + (i % 3 == 2) * HOUR
        spans.append(Interval(kind="shift", start=Instant(start), end=Instant(end), name=f"S{i}"))
        stop = at + rng.randrange(7 * HOUR)
        spans.append(Interval(kind="planned_stop", start=Instant(stop), end=Instant(stop + 20 * MINUTE)))
    t = Instant(T0 - DAY)
    return CalendarSet(machine="M1", t=t, ingested=t, id="calendar", intervals=spans, valid_from=Instant(T0))


def timeline(seed: int) -> list[Event]:
    """Anything that may happen to a machine, of two clocks every other time, in shifts that stand."""
    rng = random.Random(seed)
    events = [e for e in oee_random.timeline(rng, 150, silence=seed % 4 == 0) if not isinstance(e, CalendarSet)]
    return [calendar(rng), *(oee_random.watched(rng, events) if seed % 2 else events)]


async def fill(directory: Path, events: Iterable[Event]) -> None:
    log = SqliteLog(directory / "events.db")
    await log.append(harness.records(events))
    await log.close()
    with compose.pipeline(directory, only=(Oee.name, Stops.name, Shifts.name)) as pipeline:
        pipeline.drain()
        pipeline.checkpoint()


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_shift_by_rows_is_the_shift_by_facts(tmp_path: Path, seed: int) -> None:
    await fill(tmp_path, timeline(seed))
    with pictured(tmp_path) as picture:
        facts = picture.facts("M1")
        spans = shift_rows.spans(picture.connection, "M1", T0, T0 + DAYS * DAY)
        for definition in (None, "vorne", "semi"):
            seen = facts if definition is None else judged_by(facts, definition)
            over = closed(picture.connection, facts, seen, spans)
            assert over, "else facts are compared with facts"
            for span, (held, revision) in over.items():
                wanted = figures(None, facts, span.start, span.end, seen=seen)
                assert placed("M1", span.start, span.end, held, revision) == wanted
            got = report(tmp_path, Asked(T0, T0 + DAYS * DAY, definition=definition), machines=["M1"])
            windows = [(span.start, span.end) for span in spans]
            assert [{k: v for k, v in each.items() if k != "shift"} for each in got] == oee(
                tmp_path, "M1", windows, definition=definition
            )


def plant() -> Iterator[Event]:
    """Two days of three machines in three shifts."""
    for n, (machine, line) in enumerate(MACHINES.items()):

        def base(name: str, t: int, machine: str = machine) -> dict[str, Any]:
            return {"machine": machine, "t": Instant(t), "ingested": Instant(t), "id": f"{machine}-{name}-{t}"}

        spans = [
            Interval(kind="shift", start=Instant(at), end=Instant(at + 8 * HOUR), name=f"S{i}")
            for i, at in enumerate(range(T0, T0 + 2 * DAY, 8 * HOUR))
        ]
        yield MachineRegistered(line=line, site="Nord", **base("registered", T0))
        yield CalendarSet(intervals=spans, **base("calendar", T0))
        yield ProductChanged(product="P", ideal_cycle=Span(20 * SECOND), **base("product", T0))
        for i, t in enumerate(range(T0, T0 + 2 * DAY - 2 * HOUR, 20 * MINUTE)):
            length = (2, 7, 11)[(i + n) % 3] * MINUTE
            yield StateChanged(state=("fault", "idle")[i % 2], **base("down", t))
            yield StateChanged(state="running", **base("up", t + length))
            yield PartsCounted(good=20 + i % 7, reject=i % 2, **base("parts", t + 19 * MINUTE))


def shown(found: Sequence[Any]) -> list[tuple[str, str]]:
    return [(each["machine"], each["shift"]) for each in found]


async def test_whose_shifts_are_asked_for(tmp_path: Path) -> None:
    await fill(tmp_path, plant())
    asked = Asked(T0, T0 + DAY)
    three = ["S0", "S1", "S2"]
    assert shown(report(tmp_path, asked)) == [(machine, name) for machine in MACHINES for name in three]
    assert shown(report(tmp_path, asked, machines=["M2"])) == [("M2", name) for name in three]
    assert shown(report(tmp_path, asked, line="L2")) == [("M3", name) for name in three]
    assert len(report(tmp_path, asked, sites=["Nord"])) == 9
    assert report(tmp_path, asked, sites=["Süd"]) == []
    with pytest.raises(NotFound, match="expected a machine that has events, got 'M9'"):
        report(tmp_path, asked, machines=["M9"])
    with pytest.raises(NotFound, match="expected a definition that somebody set, got 'x'"):
        report(tmp_path, Asked(T0, T0 + DAY, definition="x"))


async def test_a_shift_that_is_over_is_read_from_oee_shift(tmp_path: Path) -> None:
    await fill(tmp_path, plant())
    asked = Asked(T0, T0 + 2 * DAY)
    before = report(tmp_path, asked, machines=["M1"])
    with closing(sqlite3.connect(tmp_path / "read.db")) as connection, connection:
        connection.execute("UPDATE oee_shift SET shift_good = shift_good + 1000 WHERE machine = 'M1'")
    after = report(tmp_path, asked, machines=["M1"])
    assert [b["good"] - a["good"] for a, b in zip(before, after, strict=True)] == [1000] * 5 + [
        0
    ]  # the last is not over


@pytest.mark.parametrize(("seen", "kind"), [(3 * MINUTE, "microstop"), (10 * MINUTE, "breakdown")])
async def test_a_stop_that_goes_on_at_the_end_is_as_long_as_it_was_seen(tmp_path: Path, seen: int, kind: str) -> None:
    """The last state is a fault two minutes before the end of a shift; nobody looks any more some minutes later."""
    fault = T0 + 2 * DAY - 2 * MINUTE
    head: dict[str, Any] = {"machine": "M1", "ingested": Instant(fault + seen)}
    down = StateChanged(state="fault", t=Instant(fault), id="down", **head)
    await fill(tmp_path, [*plant(), down, ClockTicked(t=Instant(fault + seen), id="tick", **head)])
    with pictured(tmp_path) as picture:
        facts = picture.facts("M1")
        spans = shift_rows.spans(picture.connection, "M1", T0, T0 + 2 * DAY)
        (held, revision) = closed(picture.connection, facts, facts, spans)[spans[-1]]
        shown = placed("M1", *spans[-1][:2], held, revision)
        assert shown == figures(None, facts, *spans[-1][:2])
    (before,) = oee(tmp_path, "M1", [(spans[-1].start, fault)])
    assert shown[kind] - before[kind] == 2 * 60


async def test_an_episode_is_whole_where_a_report_begins_inside_it(tmp_path: Path) -> None:
    """Six minutes in one state and two in another, with the change of shifts between them: no microstop of two minutes."""
    t = Instant(T0 + 8 * HOUR - 6 * MINUTE)
    await fill(tmp_path, [*plant(), StateChanged(machine="M1", state="held", t=t, ingested=t, id="held")])
    with pictured(tmp_path) as picture:
        facts = picture.facts("M1")
        spans = shift_rows.spans(picture.connection, "M1", T0 + 8 * HOUR, T0 + 16 * HOUR)
        ((span, (held, revision)),) = closed(picture.connection, facts, facts, spans).items()
        wanted = figures(None, facts, span.start, span.end)
        assert placed("M1", span.start, span.end, held, revision) == wanted | {"revision": revision}


async def test_as_of_and_as_known_at_a_time(tmp_path: Path) -> None:
    await fill(tmp_path, plant())
    noon = T0 + 12 * HOUR
    windows = [(T0 + n * HOUR, T0 + (n + 8) * HOUR) for n in (0, 8, 16)]
    for as_of, known_at in ((noon, None), (None, noon), (noon, noon)):
        got = report(tmp_path, Asked(T0, T0 + DAY, as_of), machines=["M1"], known_at=known_at)
        wanted = oee(tmp_path, "M1", windows, as_of, known_at=known_at)
        assert got == [{"shift": f"S{n}"} | each for n, each in enumerate(wanted)]
    assert report(tmp_path, Asked(T0, T0 + DAY), known_at=T0 - HOUR) == []


async def test_rest_says_the_same(tmp_path: Path) -> None:
    async with served(tmp_path, list(plant())) as (client, _):
        window = {"from": format_instant(T0), "to": format_instant(T0 + DAY)}
        found = (await client.get("/v1/oee/shifts", params={**window, "line": "L1", "definition": "iso"})).json()
        assert found == {"items": report(tmp_path, Asked(T0, T0 + DAY, definition="iso"), line="L1"), "next": None}
        assert len(found["items"]) == 6
        one = (await client.get("/v1/oee/shifts", params={**window, "machine": "M3"})).json()["items"]
        assert one == report(tmp_path, Asked(T0, T0 + DAY), machines=["M3"])
        refused = await client.get("/v1/oee/shifts", params={"machine": "M3", "site": "Nord"})
        assert (refused.status_code, refused.json()["detail"][:21]) == (400, "expected machine, or ")


async def test_the_command_has_every_machine_line_and_site(tmp_path: Path) -> None:
    await fill(tmp_path, plant())
    window = ["--dir", tmp_path, "--from", format_instant(T0), "--to", format_instant(T0 + DAY), "--every", "shift"]
    got = tailrace_json("oee", *window)["items"]
    assert got == report(tmp_path, Asked(T0, T0 + DAY))
    assert shown(tailrace_json("oee", *window, "--machines", "M3,M1")["items"])[::3] == [("M3", "S0"), ("M1", "S0")]
    assert shown(tailrace_json("oee", *window, "--line", "L2")["items"])[::3] == [("M3", "S0")]
    said = tailrace("oee", *window, "--site", "Nord").stdout
    assert [word in said for word in ("M1", "M2", "M3", "S0", "S2")] == [True] * 5
