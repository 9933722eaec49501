"""The simulated plant: one timeline whoever asks when, plausible figures through the real fold, history through real ingest."""

from __future__ import annotations

import hashlib
import itertools
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from oee_harness import fold, table
from tailrace.app.oee_answer import answer
from tailrace.connectors import simulator_calendar as calendar
from tailrace.connectors.memory import MemoryLog
from tailrace.connectors.simulator_feed import Feed, Sample
from tailrace.connectors.simulator_history import History, Office
from tailrace.connectors.simulator_machine import Machine, Turn
from tailrace.connectors.simulator_noise import gauss, key, uniform, wander
from tailrace.connectors.simulator_plant import Caused, Identity, Plant
from tailrace.connectors.simulator_table import CYCLE, RUNNING, SIGNALS, WORDS
from tailrace.engine.ingest import Account, Ingest
from tailrace.schemas import codec, event, line
from tailrace.schemas.errors import NotFound
from tailrace.schemas.frame import Frame
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND
from tailrace.schemas.record import Record
from tailrace.topologies.plan import STATE_MAP

BEGAN = 20_000 * DAY
NOW = BEGAN + 2 * DAY + 7 * HOUR + 1234 * SECOND + 567_000_000


def plant(seed: int = 1, machines: int = 8, caused: Sequence[Caused] = ()) -> Plant:
    return Plant(Identity(seed=seed, began=BEGAN, machines=machines), caused)


async def told(one: Plant, now: int = NOW, since: dict[str, int] | None = None) -> list[Record]:
    """What history gives, in order, at positions from 1."""
    given = [record async for each in History(one, lambda: now, since).deliveries() for record in each.records]
    return [msgspec.structs.replace(record, position=i) for i, record in enumerate(given, 1)]


def of(records: Sequence[Record], machine: str, *kinds: str) -> list[Record]:
    return [record for record in records if record.machine == machine and (not kinds or record.type in kinds)]


def events(records: Sequence[Record], machine: str, kind: type[Any]) -> list[Any]:
    return [e for record in of(records, machine) for e in codec.events_of(record) if isinstance(e, kind)]


def times(start: int, end: int, step: int = MINUTE) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(start, end, step, dtype=np.int64)


# -- chance ------------------------------------------------------------------------------------------------------------


def test_chance_depends_on_seed_name_and_index_alone() -> None:
    at = np.arange(100_000)
    drawn = uniform(key(1, "M"), at)
    assert drawn.min() >= 0 and drawn.max() < 1 and abs(drawn.mean() - 0.5) < 0.005
    shuffled = np.random.default_rng(1).permutation(at)
    assert (uniform(key(1, "M"), shuffled) == drawn[shuffled]).all()
    assert not (uniform(key(2, "M"), at[:100]) == drawn[:100]).any()
    normal = gauss(key(1, "M"), at)
    assert abs(normal.mean()) < 0.02 and abs(normal.std() - 1) < 0.02 and abs(normal).max() < 3.5
    curve = wander(key(1, "M"), at, 1000)
    assert abs(curve).max() <= 1 and abs(np.diff(curve)).max() < 0.004 and curve.std() > 0.3


async def test_a_seed_is_the_same_plant_on_every_machine_and_in_every_release() -> None:
    records = await told(plant(), BEGAN + DAY)
    seen = hashlib.sha256(
        b"".join(record.id.encode() + record.payload for record in of(records, "MCH005", "telemetry"))
    )
    assert seen.hexdigest()[:16] == "dce789e2acf30b4d"
    other = await told(plant(seed=2), BEGAN + 2 * HOUR)
    assert [r.payload for r in of(other, "MCH005", "telemetry")] != [
        r.payload for r in of(records, "MCH005", "telemetry")
    ][:9]


# -- one timeline ------------------------------------------------------------------------------------------------------


def test_a_moment_is_the_same_whoever_asked_what_before() -> None:
    asked = times(BEGAN, BEGAN + 3 * DAY, 17 * MINUTE + 13 * SECOND)
    known = {name: machine.moments(asked) for name, machine in plant().machines.items()}
    other = plant()
    chance = random.Random(4)
    for _ in range(200):
        name, i = chance.choice(list(known)), chance.randrange(len(asked))
        assert other.machine(name).at(int(asked[i])) == known[name][i]


def test_turns_do_not_depend_on_how_time_is_cut() -> None:
    chance = random.Random(5)
    for name in ("MCH003", "MCH010"):
        whole = list(plant().machine(name).turns(BEGAN, NOW))
        assert whole[0].product is not None and whole[1].state is not None and whole[0].t == whole[1].t == BEGAN
        for _ in range(5):
            cuts = sorted(chance.choices(range(BEGAN, NOW), k=12) + [chance.choice(whole).t for _ in range(5)])
            machine = plant().machine(name)
            parts = [list(machine.turns(a, b)) for a, b in zip([BEGAN, *cuts], [*cuts, NOW], strict=True)]
            assert [turn for part in parts for turn in part] == whole
        states = [turn.state for turn in whole if turn.state]
        assert all(a != b for a, b in itertools.pairwise(states)), "a turn is a change"
        assert set(states) <= set(WORDS) <= set(STATE_MAP), "the fold knows every word"


def test_a_moment_is_what_the_last_turn_said() -> None:
    machine = plant().machine("MCH006")
    turns = list(machine.turns(BEGAN, NOW))
    for i, turn in enumerate(turns):
        here = [each for each in turns if each.t == turn.t]
        moment = machine.at(turn.t)
        for each in here:
            assert (each.state or moment.state) == moment.state and (each.product or moment.product) == moment.product
        if turn.state and i and turns[i - 1].t < turn.t - 1:
            assert machine.at(turn.t - 1).state != turn.state


def test_counters_rise_while_the_machine_runs_and_only_then() -> None:
    machine = plant().machine("MCH008")
    turns = [turn for turn in machine.turns(BEGAN, NOW) if turn.state]
    before = machine.at(BEGAN)
    assert before.total == before.reject == 0
    made: Counter[str] = Counter()
    for turn, until in zip(turns, [*turns[1:], Turn(NOW, None, None)], strict=True):
        # A part that is ready as a stop begins belongs to the run before it.
        a, b = machine.at(turn.t), machine.at(until.t - 1)
        assert 0 <= b.reject - a.reject <= b.total - a.total
        assert b.total == machine.at(until.t).total, "no part at a turn: nobody could say to which state it belongs"
        made[turn.state or ""] += b.total - a.total
    assert set(+made) == {"running"} and made["running"] > 5000


async def test_history_and_live_are_one_timeline() -> None:
    one, later = plant(), NOW + 2 * HOUR
    records = await told(one)
    for name, machine in one.machines.items():
        feed = Feed([machine], NOW)
        live = feed.until(later)
        states = [(int(e.t), str(e.state)) for e in events(records, name, event.StateChanged)]
        last = states[-1][1]
        for sample in live:
            if sample.moment.state != last:
                last = sample.moment.state
                states.append((sample.moment.t, last))
        assert states == [(turn.t, turn.state) for turn in machine.turns(BEGAN, later) if turn.state]
        totals = [e.counters["total"] for e in events(records, name, event.Telemetry)]
        totals += [sample.moment.total for sample in live]
        assert totals == sorted(totals) and max(np.diff(totals)) <= 10
        readings = [e for r in of(records, name, "telemetry")[-20:] for e in codec.events_of(r)]
        for reading in readings:
            assert isinstance(reading, event.Telemetry)
            moment = machine.at(int(reading.t))
            assert reading.values == moment.values
            assert reading.counters == {"total": moment.total, "reject": moment.reject}


# -- the feed ----------------------------------------------------------------------------------------------------------


def test_a_feed_gives_each_sample_once_however_it_is_asked() -> None:
    machines = list(plant().machines.values())[:3]
    whole = Feed(machines, NOW).until(NOW + HOUR)
    chance = random.Random(6)
    for _ in range(3):
        feed, cut = Feed(machines, NOW), list[Sample]()
        for t in [*sorted(chance.choices(range(NOW, NOW + HOUR), k=40)), NOW + HOUR]:
            cut += feed.until(t)
        assert cut == whole
    assert [sample.moment.t for sample in whole] == sorted(sample.moment.t for sample in whole)
    for machine in machines:
        mine = [sample for sample in whole if sample.machine == machine.profile.name]
        assert [sample.n for sample in mine] == list(range(len(mine)))
        stamps = {sample.moment.t for sample in mine}
        assert {NOW, *range(-(-NOW // SECOND) * SECOND, NOW + HOUR, SECOND)} <= stamps, (
            "one to begin with, one a second"
        )
        assert {turn.t for turn in machine.turns(NOW, NOW + HOUR)} <= stamps, "and one at every turn"


def test_the_last_part_before_a_stop_is_said_before_the_stop() -> None:
    machine = plant().machine("MCH004")
    samples = Feed([machine], NOW).until(NOW + 8 * HOUR)
    stops = 0
    for before, after in itertools.pairwise(samples):
        if before.moment.state == "running" != after.moment.state:
            stops += 1
            assert after.moment.t - before.moment.t == 1_000_000 and after.moment.total == before.moment.total
    assert stops > 5


# -- what people cause -------------------------------------------------------------------------------------------------


def test_what_is_caused_changes_nothing_before_it() -> None:
    one, other = plant(), plant()
    start, end = NOW // MINUTE * MINUTE, NOW // MINUTE * MINUTE + 20 * MINUTE
    asked = times(BEGAN, NOW + DAY, 7 * MINUTE + 1)
    before = one.machine("MCH006").moments(asked)
    one.stop("MCH006", start, end)
    after = one.machine("MCH006").moments(asked)
    assert [m for m in after if m.t < start] == [m for m in before if m.t < start]
    assert {m.state for m in after if start <= m.t < end} == {"fault"}
    assert len({m.total for m in after if start <= m.t < end}) == 1, "no part while it stands"
    lost = before[-1].total - after[-1].total
    assert 0 < lost < 20 * MINUTE / one.machine("MCH006").profile.products[0].ideal * 2
    for name in set(one.machines) - {"MCH006"}:
        assert one.machine(name).moments(asked[-50:]) == other.machine(name).moments(asked[-50:])
    again = plant(caused=one.caused)
    assert again.machine("MCH006").moments(asked) == after, "a restart gives the same plant"
    one.stop("MCH006", end, end + HOUR)
    later = plant(caused=one.caused).machine("MCH006")
    assert one.machine("MCH006").at(NOW + DAY) == later.at(NOW + DAY) != after[-1], "also when tomorrow is asked first"


def test_a_feed_shows_what_is_caused_at_once_and_takes_nothing_back() -> None:
    one = plant()
    feed = Feed([one.machine("MCH009")], NOW)
    given = feed.until(NOW + 10 * SECOND)
    start = NOW // 1_000_000 * 1_000_000 + 10_000 * 1_000_000
    one.stop("MCH009", start, start + 5 * MINUTE)
    more = feed.until(start + MINUTE)
    assert [sample.n for sample in [*given, *more]] == list(range(len(given) + len(more)))
    assert more[0].moment.t == start - 1_000_000 or more[0].moment.t == start
    assert {sample.moment.state for sample in more if sample.moment.t >= start} == {"fault"}
    assert one.repair("MCH009", start + 2 * MINUTE) and not one.repair("MCH009", start + 3 * MINUTE)
    rest = feed.until(start + 4 * MINUTE)
    turned = next(sample.moment.t for sample in rest if sample.moment.state != "fault")
    assert turned == start + 2 * MINUTE
    with pytest.raises(NotFound, match=r"MCH003 … MCH010.*'MCH999'"):
        one.stop("MCH999", start, start + MINUTE)


def test_what_is_caused_may_go_past_midnight() -> None:
    one = plant()
    midnight = BEGAN + 3 * DAY
    one.stop("MCH007", midnight - 10 * MINUTE, midnight + 10 * MINUTE)
    machine = one.machine("MCH007")
    moments = machine.moments(times(midnight - 10 * MINUTE, midnight + 10 * MINUTE, 30 * SECOND))
    assert {m.state for m in moments} == {"fault"} and len({m.total for m in moments}) == 1
    assert midnight not in [turn.t for turn in machine.turns(midnight - MINUTE, midnight + MINUTE)]


# -- sensors -----------------------------------------------------------------------------------------------------------

LEVELS = {
    "MCH010": (73.8, 480, 18.5, 28.1, 51.7, 2.28),
    "MCH009": (72.7, 825, 19.7, 27.3, 45.5, 2.88),
    "MCH008": (73.4, 707, 14.9, 23.8, 54.7, 4.23),
    "MCH007": (75.0, 638, 12.4, 27.3, 44.4, 4.05),
    "MCH006": (72.0, 1148, 16.3, 32.8, 67.8, 4.29),
    "MCH005": (72.9, 817, 13.8, 27.1, 63.1, 4.13),
    "MCH004": (76.5, 475, 11.5, 32, 48.6, 4.14),
    "MCH003": (71.0,),
}
ASSET = ("MachineTemp", "CO2Level", "EnergyConsumed", "EnvTemp", "Humidity", "PowerPeak")


def _ran(machine: Machine, t: int, long: int) -> bool:
    return all(m.state == "running" for m in machine.moments(times(t - long, t + 1)))


def test_sensors_read_their_levels_while_the_machine_runs() -> None:
    one = plant()
    assert list(one.machines) == sorted(LEVELS)
    for name, levels in LEVELS.items():
        machine = one.machine(name)
        moments = [
            m
            for m in machine.moments(times(BEGAN, BEGAN + 7 * HOUR))
            if _ran(machine, max(m.t, BEGAN + HOUR), HOUR // 3)
        ]
        assert len(moments) > 30
        for signal, level in zip(ASSET, levels, strict=False):
            read = np.median([m.values[signal] for m in moments])
            assert abs(read - level) < 0.1 * level, (name, signal, read, level)


async def test_a_machine_without_a_sensor_says_nothing_of_it() -> None:
    one = plant()
    assert set(one.machine("MCH003").at(NOW).values) <= {"MachineTemp", CYCLE}
    records = await told(one, BEGAN + 4 * HOUR)
    names = {
        machine: {column.name for r in of(records, machine, "telemetry") for column in Frame(r.payload).header.columns}
        for machine in one.machines
    }
    assert names["MCH003"] == {"MachineTemp", CYCLE, "total", "reject"}
    assert all(names[name] == {*ASSET, CYCLE, "total", "reject"} for name in names if name != "MCH003")


def test_sensors_follow_the_state() -> None:
    one = plant()
    machine = one.machine("MCH005")
    start = next(t for t in range(BEGAN + HOUR, NOW, MINUTE) if _ran(machine, t, 40 * MINUTE))
    one.stop("MCH005", start, start + HOUR)
    before, at, after = machine.at(start - 1), machine.at(start), machine.at(start + 50 * MINUTE)
    assert at.values["PowerPeak"] < 0.3 * before.values["PowerPeak"], "power falls at once"
    assert abs(at.values["MachineTemp"] - before.values["MachineTemp"]) < 1.5, "heat does not"
    assert after.values["MachineTemp"] < before.values["MachineTemp"] - 20
    assert after.values["CO2Level"] < before.values["CO2Level"] * 0.9
    assert CYCLE in before.values and CYCLE not in at.values, "no part is made, so it has no cycle time"


def test_some_breakdowns_announce_themselves() -> None:
    rises: dict[str, list[float]] = defaultdict(list)
    for machine in plant(seed=3, machines=16).machines.values():
        for number in range(BEGAN // DAY + 1, BEGAN // DAY + 6):
            for coming in machine.day(number).script.coming:
                if coming.end // DAY == number and coming.trouble.why in ("Bearing overheated", "Tool broken"):
                    rises[coming.trouble.why] += _rise(machine, coming.start, coming.end)
    assert len(rises["Bearing overheated"]) > 5 and np.median(rises["Bearing overheated"]) > 1.08
    assert len(rises["Tool broken"]) > 5 and np.median(rises["Tool broken"]) > 1.04


def _rise(machine: Machine, start: int, end: int) -> list[float]:
    """Power shortly before a breakdown as a share of what it was before, running the same product."""

    def power(a: int, b: int) -> list[float]:
        product = machine.product(end)
        found = machine.moments(times(max(a, BEGAN), b))
        return [
            m.values["PowerPeak"]
            for m in found
            if m.state == "running" and m.product == product and "PowerPeak" in m.values
        ]

    before, at = power(start - 3 * HOUR, start), power(end - 8 * MINUTE, end)
    return [float(np.median(at) / np.median(before))] if len(before) > 20 and len(at) > 2 else []


def test_machines_beyond_the_eight_have_eight_signals_and_half_of_them_each_protocol() -> None:
    one = plant(machines=200)
    assert len(one.machines) == 200 and {len(each) for each in one.machines} == {6}
    assert len(one.spoken_by("opcua")) == len(one.spoken_by("mqtt")) == 100
    values = one.machine("MCH202").at(BEGAN + HOUR + 1).values
    assert set(values) | {CYCLE} == {*SIGNALS, CYCLE} and len(SIGNALS) + 1 == 8
    assert one.machine("MCH004").at(NOW) != plant().machine("MCH005").at(NOW)


# -- calendars ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")])
def test_shifts_cover_every_instant_of_seven_days_also_when_clocks_change(zone: tzinfo) -> None:
    start, end = BEGAN, BEGAN + 365 * DAY
    shifts = list(calendar.shifts_in(start, end, zone))
    assert all(a.end == b.start for a, b in itertools.pairwise(shifts))
    assert shifts[0].start <= start and shifts[-1].end >= end
    lengths = Counter((shift.end - shift.start) // HOUR for shift in shifts)
    assert set(lengths) == ({8} if zone is UTC else {7, 8, 9})
    assert len({shift.name for shift in shifts}) == len(shifts)
    assert all(
        len(shift.stops) == 2 and shift.start <= a < b <= shift.end for shift in shifts for a, b, _ in shift.stops
    )


async def test_the_calendar_that_is_known_holds_today_and_tomorrow() -> None:
    zone = ZoneInfo("Europe/Berlin")
    one = Plant(Identity(seed=1, began=BEGAN, zone="Europe/Berlin"))
    now = BEGAN + 24 * DAY
    said = [e for r in await told(one, now) for e in codec.events_of(r) if isinstance(e, event.CalendarSet)]
    for t in range(BEGAN, now, 5 * HOUR):
        held = [each for each in said if each.t <= t and (each.valid_from or 0) <= t][-1]
        for at in (t, t + DAY):
            coming = [each for each in said if each.t <= t and (each.valid_from or 0) <= at][-1]
            assert any(i.start <= at < i.end for i in (coming if at > t else held).intervals if i.kind == "shift")
    stood = {
        m.state
        for b in calendar.breaks_in(BEGAN + DAY, BEGAN + 2 * DAY, zone)
        for m in one.machine("MCH004").moments(times(*b))
    }
    assert "break" in stood and "running" not in stood


# -- history -----------------------------------------------------------------------------------------------------------


async def test_history_never_comes_late_and_every_event_could_have_come_from_outside() -> None:
    records = await told(plant())
    watermark: dict[str, int] = defaultdict(int)
    for record in records:
        for each in codec.events_of(record):
            line.check(each)
            line.check_time(each, NOW)
        if record.type in event.OBSERVED:
            assert record.t_min >= watermark[record.machine] // MINUTE * MINUTE, "late, so its minutes are folded twice"
            watermark[record.machine] = max(watermark[record.machine], record.t_max)
    frames = [record for record in records if record.type == "telemetry"]
    assert sum(record.n for record in frames) == 8 * ((NOW - BEGAN) // MINUTE)
    assert max(record.n for record in frames) > 40 and all(
        r.ingested == NOW and r.site == "Demo Plant" for r in records
    )
    kinds = Counter(record.type for record in records)
    assert kinds["machine.registered"] == 8 and kinds["definition.set"] == 1 and kinds["calendar.set"] >= 1
    assert kinds["workorder.started"] >= 24 and kinds["workorder.completed"] >= 16 and kinds["reason.assigned"] > 16


async def test_history_given_again_is_the_same_history() -> None:
    log = MemoryLog()
    first = Ingest(History(plant(), lambda: NOW), log, clock=lambda: NOW, token="a", site="Demo Plant")
    await first.run()
    count = first.account.received
    assert first.account == Account(count, count)
    later = NOW + HOUR
    again = Ingest(History(plant(), lambda: later), log, clock=lambda: later, token="b", site="Demo Plant")
    await again.run()
    assert again.account.duplicate == count and again.account.quarantined == 0
    fresh = MemoryLog()
    whole = Ingest(History(plant(), lambda: later), fresh, clock=lambda: later, token="a", site="Demo Plant")
    await whole.run()
    assert await _contents(log) == await _contents(fresh)


async def _contents(log: MemoryLog) -> dict[str, bytes]:
    records = [record for record in await log.read(0, 1_000_000) if record.source == "history"]
    return {each.id: codec.digest(each) for record in records for each in codec.events_of(record)}


async def test_history_goes_on_where_a_machine_was_last_heard() -> None:
    whole = await told(plant())
    since = {name: BEGAN + DAY + i * 777 * SECOND for i, name in enumerate(LEVELS)}
    rest = await told(plant(), since=since)
    for name, start in since.items():
        for kind in ("telemetry", "state.changed", "product.changed"):
            known = [e for r in of(whole, name, kind) for e in codec.events_of(r) if e.t >= start]
            assert [e for r in of(rest, name, kind) for e in codec.events_of(r)] == known


async def test_history_runs_until_it_has_caught_up_with_a_clock_that_goes_on() -> None:
    clock = iter(range(BEGAN + DAY, BEGAN + 2 * DAY, SECOND))
    history = History(plant(), lambda: next(clock))
    seen = []
    async for delivery in history.deliveries():
        seen.append(history.progress)
        assert delivery.records
    assert seen[0] == 0.0 and seen[-1] > 0.99 and all(b - a > -0.001 for a, b in itertools.pairwise(seen))
    assert 0 < next(clock) - history.start_of_live < MINUTE


class Over(Exception):
    """The clock has no more to say."""


def _next(clock: Iterator[int]) -> int:
    for t in clock:
        return t
    raise Over


async def test_the_office_goes_on_saying_what_history_would_say() -> None:
    one, until = plant(), NOW + 5 * DAY
    clock = iter(range(NOW, until, 47 * MINUTE))
    live: list[event.AnyEvent] = []
    with suppress(Over):
        async for delivery in Office(one, lambda: _next(clock), NOW - HOUR, poll_s=0.0).deliveries():
            live += delivery.events
    kinds = {"calendar.set", "workorder.released", "workorder.started", "workorder.completed", "reason.assigned"}
    known = [e for r in await told(plant(), until) if r.type in kinds for e in codec.events_of(r) if e.t >= NOW - HOUR]
    known = [e for e in known if e.t < until - HOUR]
    said = {e.id: codec.digest(e) for e in live}
    assert len(known) > 60 and all(said.get(e.id) == codec.digest(e) for e in known)
    assert len(said) == len(live), "each once"


async def test_orders_add_up() -> None:
    one = plant()
    events = [e for r in of(await told(one), "MCH010") for e in codec.events_of(r)]
    started = [e for e in events if isinstance(e, event.WorkOrderStarted)]
    completed = [e for e in events if isinstance(e, event.WorkOrderCompleted)]
    assert [e.order for e in completed] == [e.order for e in started[:-1]] and len(completed) >= 5
    good = [one.machine("MCH010").at(int(e.t)) for e in started]
    made = [(b.total - b.reject) - (a.total - a.reject) for a, b in itertools.pairwise(good)]
    assert [e.quantity for e in completed] == made
    assert [e.product for e in completed] == [m.product.name for m in good[:-1]]


# -- figures -----------------------------------------------------------------------------------------------------------


async def test_oee_is_plausible_through_the_real_fold() -> None:
    one = plant()
    records = await told(one)
    state, outputs = fold(records)
    end = NOW // MINUTE * MINUTE
    shifts = [(end - (k + 1) * 8 * HOUR, end - k * 8 * HOUR) for k in range(6)]
    for name, machine in one.machines.items():
        facts = state.machine(name)
        whole = answer(facts, BEGAN, end)
        assert 0.55 < whole["oee"] < 0.88, (name, whole)
        assert (
            0.80 < whole["availability"] < 0.98
            and 0.70 < whole["performance"] < 0.95
            and 0.93 < whole["quality"] < 0.995
        )
        assert whole["flags"] == [] and whole["completeness"] > 0.999999 and whole["unknown"] == 0
        assert whole["breakdowns"] > 3 and whole["microstops"] > 20 and whole["definition"] == ["standard@1"]
        last = machine.at(end - 1)
        assert (whole["total"], whole["reject"]) == pytest.approx((last.total, last.reject), abs=60)
        for window in shifts:
            figures = answer(facts, *window)
            assert figures["pbt"] > 6 * 3600 and 0.25 < figures["oee"] < 0.95, (name, window, figures["oee"])
    means = [answer(state.machine(name), BEGAN, end)["oee"] for name in one.machines]
    assert 0.60 < float(np.mean(means)) < 0.85 and max(means) - min(means) > 0.05
    revised = {(key[0], key[1]) for key, row in table(outputs).items() if row[0] > 1}
    said = [e for r in records for e in codec.events_of(r) if isinstance(e, event.ReasonAssigned)]
    spans = [(e.machine, e.start // MINUTE * MINUTE, e.end) for e in said if e.end is not None]
    assert all(any(m == machine and a <= t < b for m, a, b in spans) for machine, t in revised), (
        "only people restate history"
    )


async def test_the_states_that_are_counted_are_those_of_the_timeline() -> None:
    one = plant()
    machine = one.machine("MCH003")
    state, _ = fold(of(await told(one), "MCH003"))
    figures = answer(state.machine("MCH003"), BEGAN, BEGAN + DAY)
    turns = [turn for turn in machine.turns(BEGAN, BEGAN + DAY) if turn.state]
    ran = sum(
        b.t - a.t
        for a, b in zip(turns, [*turns[1:], Turn(BEGAN + DAY, None, None)], strict=True)
        if a.state == WORDS[RUNNING]
    )
    assert figures["run"] == pytest.approx(ran / SECOND, abs=1e-6)


async def test_history_is_made_fast_enough_for_a_demo(record_property: Callable[[str, object], None]) -> None:
    log = MemoryLog()
    began = time.process_time()
    ingest = Ingest(History(plant(), lambda: NOW), log, clock=lambda: NOW, token="a", site="Demo Plant")
    await ingest.run()
    rate = 8 * (NOW - BEGAN) / MINUTE / (time.process_time() - began)
    record_property("history_readings_per_cpu_second", round(rate))
    assert rate > 15_000, "30 days of 8 machines in less than 23 s of one processor, the fold beside it"
