"""When an alarm is raised and cleared, what it says, and what a product, settings and the counters of a machine do to it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest
from river.drift import PageHinkley

import anomaly_harness as harness
from anomaly_random import EPOCH, normal
from tailrace.schemas import anomaly
from tailrace.schemas.anomaly import Settings
from tailrace.schemas.event import Event, ModelSet, ProductChanged, Scalar, Telemetry
from tailrace.schemas.instant import SECOND, Instant
from tailrace.topologies.anomaly_alarm import DRIFT_DELTA, DRIFT_ROWS, WATCHED_MAX, Alarm, Watch
from tailrace.topologies.anomaly_flow import CYCLE, RATE
from tailrace.topologies.anomaly_said import Said

WARMUP = 60
IDS = count()
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"windw": 3}, "windw"), ({"k": "a"}, "int"), ({"k": 6}, "k=6, n=5"), ({"z_limit": 0}, "> 0"),
    ({"ignore": ["x" * 64] * 6}, "320 characters in all, got 384"),
]  # fmt: skip


def readings(seed: int, start: int, n: int, off: float = 0.0, quality: str = "good") -> Iterator[Event]:
    """A reading a second from `start` s on; off: how much too hot it is."""
    rng = random.Random(seed)
    for i in range(start, start + n):
        values: dict[str, Scalar] = {"Temperature": 70.0 + normal(rng) + off, "Load": 10.0 + normal(rng)}
        yield Telemetry(
            machine="M1",
            t=_at(i),
            id=f"r{i}-{next(IDS)}",
            values=values,
            quality={"Temperature": quality},
            ingested=_at(0),
        )


def product(name: str, second: int) -> Event:
    return ProductChanged(machine="M1", t=_at(second), product=name, id=f"p{next(IDS)}")


def model(second: int = 0, machine: str = "", **settings: Any) -> Event:
    return ModelSet(
        name="anomaly",
        version=1,
        machine=machine,
        t=_at(second),
        settings={"warmup": WARMUP, **settings},
        id=f"m{next(IDS)}",
    )


def fold(*events: Sequence[Event] | Iterator[Event] | Event) -> Any:
    log = [event for some in events for event in ([some] if isinstance(some, Event) else some)]
    return harness.fold(harness.records(log))


def _at(second: float) -> Instant:
    return Instant(EPOCH + int(second * SECOND))


def _alarm(*scores: float, settings: Settings) -> list[tuple[int, str]]:
    """(second, what) of scores that come once a second."""
    alarm = Alarm()
    found: list[tuple[int, str]] = []
    for second, score in enumerate(scores):
        due = alarm.step(second * SECOND, score, settings)
        if due == "raise":
            alarm.stand("id", second * SECOND, score)
        elif due == "clear":
            alarm.clear(second * SECOND)
        if due:
            found.append((second, due))
    return found


def test_k_of_the_last_n_raise_an_alarm() -> None:
    settings = Settings(k=2, n=3, hold_s=1e6)
    assert _alarm(1, 0, 0, 1, 0, 0, settings=settings) == []
    assert _alarm(0, 1, 0, 1, 0, settings=settings) == [(3, "raise")]
    assert _alarm(0.999, 0.999, 0.999, settings=settings) == []


def test_an_alarm_is_cleared_when_it_was_calm_for_long_enough() -> None:
    settings = Settings(k=1, n=1, hold_s=3, cooldown_s=0)
    assert _alarm(1, 0, 0, 1, 0, 0, 0, 0, settings=settings) == [(0, "raise"), (7, "clear")]


def test_none_is_raised_in_the_cooldown() -> None:
    settings = Settings(k=1, n=1, hold_s=0, cooldown_s=3)
    assert _alarm(1, 0, 1, 1, 1, 1, settings=settings) == [(0, "raise"), (1, "clear"), (4, "raise")]


def test_a_usual_reading_never_raises_an_alarm() -> None:
    settings = Settings(k=1, n=3, hold_s=0, cooldown_s=3)
    assert _alarm(1, 0, 0, 0, 1, 0, 0, 1, settings=settings) == [(0, "raise"), (3, "clear"), (7, "raise")]


def test_an_earlier_reading_does_not_clear_and_does_not_lengthen_a_cooldown() -> None:
    settings = Settings(k=1, n=1, hold_s=10, cooldown_s=10)
    alarm = Alarm()
    assert alarm.step(100 * SECOND, 2.0, settings) == "raise"
    alarm.stand("id", 100 * SECOND, 2.0)
    assert [alarm.step(t * SECOND, 0.0, settings) for t in (200, 101, 110, 111)] == [None, None, None, "clear"]
    alarm.clear(111 * SECOND)
    assert alarm.step(50 * SECOND, 2.0, settings) == "raise"


def test_an_alarm_says_what_happened_and_ends_with_its_peak() -> None:
    outputs = fold(
        model(hold_s=5),
        readings(1, 0, 100),
        readings(2, 100, 10, off=20.0),
        readings(3, 110, 10, off=40.0),
        readings(4, 120, 30),
    )
    (raised,), (cleared,) = harness.said(outputs, anomaly.RAISED), harness.said(outputs, anomaly.CLEARED)
    assert (raised.t, raised.since) == (_at(102), _at(100))
    assert raised.event.startswith("r102-")
    assert (raised.product, raised.model, raised.missing) == ("", 1, [])
    assert raised.severity == anomaly.severity_of(raised.score) != "warning"
    reason = raised.reasons[0]
    assert (reason.name, reason.how) == ("Temperature", "level")
    assert reason.expected == pytest.approx(70, abs=1)
    assert reason.value == pytest.approx(90, abs=4)
    assert reason.z == pytest.approx((reason.value - reason.expected), rel=0.4)
    assert "Temperature is" in anomaly.sentence(reason)
    assert (cleared.id, cleared.raised, cleared.why) == (raised.id, raised.t, "calm")
    assert cleared.peak == max(harness.scores(outputs).values()) > raised.score
    # three of the last five stay unusual up to second 121, and calm lasts five seconds from 122 on
    assert cleared.t == _at(127)


def test_a_fault_that_lasts_stays_an_alarm_and_is_told_as_drift() -> None:
    outputs = fold(model(), readings(1, 0, 100), readings(2, 100, 3000, off=8.0))
    assert len(harness.said(outputs, anomaly.RAISED)) == 1
    assert harness.said(outputs, anomaly.CLEARED) == []
    assert min(list(harness.scores(outputs).values())[-1000:]) > 0.8
    (drifted,) = harness.said(outputs, anomaly.DRIFTED)
    assert _at(100) < drifted.t < _at(700)


def test_usual_scores_are_no_drift_and_one_wild_one_is_none() -> None:
    rng, watch = random.Random(1), Watch()
    usual = [0.5 + 0.15 * normal(rng) for _ in range(5000)]
    usual[3000] = 1e9
    assert watch.take(usual, 100.0) == []
    (first, *_) = watch.take([score + 0.4 for score in usual[:1000]], 100.0)
    assert 100 < first.place < 600
    assert 0.5 < first.mean < 0.9


@pytest.mark.parametrize("seed", range(20))
def test_the_drift_test_is_that_of_river_to_the_bit_however_scores_are_cut(seed: int) -> None:
    rng = random.Random(seed)
    river: Any = PageHinkley(DRIFT_ROWS, DRIFT_DELTA, mode="up")
    watch, level, drifts = Watch(), 0.5, 0
    for _ in range(60):
        scores = [max(level + rng.gauss(0.0, 0.3), 0.0) for _ in range(rng.choice((0, 1, 2, 50)))]
        limit = river.threshold = rng.choice((5.0, 20.0))
        expected = []
        for place, score in enumerate(scores):
            river.update(min(score, WATCHED_MAX))
            if river.drift_detected:
                expected.append((place, river._x_mean.get()))
        assert watch.take(scores, limit) == expected
        numbers = [river._x_mean.n, river._x_mean.get(), river._sum_increase, river._min_increase, river.drift_detected]
        assert watch.numbers() == (numbers if river._x_mean.n else [])
        watch, drifts = Watch(watch.numbers()), drifts + len(expected)
        level = rng.choice((level, 0.2, 0.5, 1.2, 3.0))
    assert drifts


@pytest.mark.parametrize("seed", range(20))
def test_scores_taken_together_raise_and_clear_what_they_would_one_by_one(seed: int) -> None:
    rng = random.Random(seed)
    one, many, found = Alarm(), Alarm(), 0
    for _ in range(200):
        k = rng.randint(1, 4)
        settings = Settings(k=k, n=rng.randint(k, 6), hold_s=rng.choice((0, 2)), cooldown_s=rng.choice((0, 3)))
        t = [rng.randrange(100) * SECOND for _ in range(rng.choice((0, 1, 2, 9, 30)))]
        t = sorted(t) if rng.random() < 0.8 else t
        scores = [rng.choice((0.0, 0.5, 1.0, 2.0 + rng.random()) if rng.random() < 0.5 else (0.0,)) for _ in t]
        expected: list[tuple[int, str]] = []
        together: list[tuple[int, str]] = []
        for place in range(len(t)):
            if due := one.step(t[place], scores[place], settings):
                expected.append((place, due))
                _judge(one, due, t[place], scores[place])
        for place, due in many.steps(t, scores, settings):
            together.append((place, due))
            _judge(many, due, t[place], scores[place])
        assert (together, many) == (expected, one)
        found += len(expected)
    assert found


def _judge(alarm: Alarm, due: str, t: int, score: float) -> None:
    if due == "raise":
        alarm.stand("id", t, score)
    else:
        alarm.clear(t)


def test_a_new_product_ends_the_alarm_and_is_learned_and_a_known_one_is_not_learned_again() -> None:
    outputs = fold(
        model(), product("P1", 0), readings(1, 0, 100), readings(2, 100, 10, off=30.0),
        product("P2", 110), readings(3, 110, 100, off=30.0),
        product("P1", 210), readings(4, 210, 20), readings(5, 230, 10, off=30.0),
    )  # fmt: skip
    learned = harness.said(outputs, anomaly.LEARNED)
    assert [(each.product, each.model, each.t, each.rows) for each in learned] == [
        ("P1", 1, _at(59), WARMUP), ("P2", 2, _at(169), WARMUP)
    ]  # fmt: skip
    assert [each.why for each in harness.said(outputs, anomaly.CLEARED)] == ["product"]
    assert [(each.product, each.model) for each in harness.said(outputs, anomaly.RAISED)] == [("P1", 1), ("P1", 1)]
    scored = harness.scores(outputs)
    assert _at(210) in scored
    assert not any(_at(110) <= t < _at(170) for t in scored)


def test_the_model_that_was_used_longest_ago_is_let_go_first() -> None:
    def wide(start: int, n: int) -> Iterator[Event]:
        for i in range(start, start + n):
            values: dict[str, Scalar] = {f"signal-{k:02d}": float((i * (k + 3)) % 17) for k in range(30)}
            yield Telemetry(machine="M1", t=_at(i), id=f"w{i}", values=values)

    events: list[Event] = [model(warmup=40)]
    for number, name in enumerate(("P1", "P2", "P1", "P3", "P1", "P2")):
        events += [product(name, 100 * number), *wide(100 * number, 50)]
    assert [each.product for each in harness.said(fold(events), anomaly.LEARNED)] == ["P1", "P2", "P3", "P2"]


def test_a_warm_up_that_was_left_goes_on_when_the_product_comes_back() -> None:
    outputs = fold(
        model(),
        product("P1", 0),
        readings(1, 0, 40),
        product("P2", 40),
        readings(2, 40, 10),
        product("P1", 50),
        readings(3, 50, 30),
    )
    (learned,) = harness.said(outputs, anomaly.LEARNED)
    assert (learned.product, learned.t) == ("P1", _at(69))


def test_a_late_reading_of_a_former_product_is_scored_by_its_model_and_is_no_alarm() -> None:
    late = list(readings(4, 80, 10, off=30.0))
    outputs = fold(model(), product("P1", 0), readings(1, 0, 100), product("P2", 100), readings(3, 100, 80), late)
    scored = [row for row in harness.rows(outputs) if row[2] == anomaly.SCORED][-10:]
    assert [row[3][2] for row in scored] == [1] * 10
    assert all(float.fromhex(row[3][1]) > 1 for row in scored)
    assert harness.said(outputs, anomaly.RAISED) == []


def test_a_reading_from_before_the_changes_that_are_kept_belongs_to_the_last_one_let_go() -> None:
    said = Said()
    for number in range(10):
        said.change(ProductChanged(machine="M1", t=_at(10 * number), product=f"P{number}"), 1)
    names, (which,) = said.products(np.array([_at(5), _at(35), _at(45), _at(999)], np.int64))
    assert [names[i] for i in which] == ["P3", "P3", "P4", "P9"]


def test_a_change_of_product_that_comes_early_waits_for_its_time() -> None:
    outputs = fold(model(), product("P1", 0), product("P2", 200), readings(1, 0, 210))
    assert [each.product for each in harness.said(outputs, anomaly.LEARNED)] == ["P1"]
    assert max(harness.scores(outputs)) == _at(199)


def test_a_bad_value_is_no_value() -> None:
    outputs = fold(model(), readings(1, 0, 100), readings(2, 100, 10, off=1000.0, quality="bad"), readings(3, 110, 10))
    assert harness.said(outputs, anomaly.RAISED) == []
    assert len(harness.scores(outputs)) == 60
    uncertain = fold(model(), readings(1, 0, 100), readings(2, 100, 10, off=1000.0, quality="uncertain"))
    assert len(harness.said(uncertain, anomaly.RAISED)) == 1


def test_bad_values_in_a_warm_up_are_not_learned() -> None:
    clean = fold(model(), readings(1, 0, 50), readings(3, 50, 10), readings(2, 60, 10, off=5.0))
    events = [*readings(1, 0, 50), *readings(3, 50, 10)]
    for number, value in ((5, float("nan")), (20, float("inf")), (30, 1e200)):
        events.insert(number, Telemetry(machine="M1", t=_at(number), id=f"x{number}", values={"Temperature": value}))
    poisoned = fold(model(), events, readings(2, 60, 10, off=5.0))
    assert harness.scores(poisoned) == harness.scores(clean)


def test_settings_of_a_machine_stand_before_those_of_the_site_from_when_they_are_valid() -> None:
    events = [
        model(),
        model(0, "M1", k=1, n=1),
        *readings(1, 0, 100),
        *readings(2, 100, 1, off=30.0),
        *readings(3, 101, 9),
    ]
    assert len(harness.said(fold(*events), anomaly.RAISED)) == 1
    assert harness.said(fold(events[0], events[2:]), anomaly.RAISED) == []
    later = ModelSet(
        name="anomaly",
        version=2,
        machine="M1",
        t=_at(0),
        valid_from=_at(101),
        settings={"warmup": WARMUP, "k": 1, "n": 1},
        id="l",
    )
    assert harness.said(fold(model(), later, events[2:]), anomaly.RAISED) == []


def test_settings_that_are_wrong_are_refused_in_words_and_change_nothing() -> None:
    for wrong, words in WRONG:
        event = ModelSet(name="anomaly", version=7, machine="M1", t=_at(0), settings=wrong, id="wrong")
        outputs = fold(model(), event, readings(1, 0, 100))
        accepted, refused = harness.said(outputs, anomaly.CONFIGURED)
        assert (accepted.refused, refused.event, refused.version) == ("", "wrong", 7)
        assert words in refused.refused
        assert len(harness.scores(outputs)) == 40


def test_everything_is_learned_again_when_the_settings_ask_for_it() -> None:
    outputs = fold(model(), readings(1, 0, 100), readings(2, 100, 100, off=30.0), model(200, learning=1),
                   readings(3, 200, 100, off=30.0))  # fmt: skip
    assert [(each.model, each.t) for each in harness.said(outputs, anomaly.LEARNED)] == [(1, _at(59)), (2, _at(259))]
    assert [(each.why, each.t) for each in harness.said(outputs, anomaly.CLEARED)] == [("learning", _at(200))]
    assert max(score for t, score in harness.scores(outputs).items() if t >= _at(260)) < 1.2


def test_ignored_signals_are_not_in_the_model() -> None:
    outputs = fold(model(ignore=["Temperature"]), readings(1, 0, 100), readings(2, 100, 10, off=1000.0))
    (learned,) = harness.said(outputs, anomaly.LEARNED)
    assert [feature.name for feature in learned.features] == ["Load"]
    assert harness.said(outputs, anomaly.RAISED) == []


def test_a_signal_with_the_name_of_a_derived_feature_is_taken_as_it_is() -> None:
    rng = random.Random(1)
    events = [
        Telemetry(machine="M1", t=_at(i), id=f"c{i}", values={CYCLE: 7.0 + normal(rng)}, counters={"total": i})
        for i in range(100)
    ]
    (learned,) = harness.said(fold(model(), events), anomaly.LEARNED)
    assert {feature.name: round(feature.mean) for feature in learned.features} == {CYCLE: 7, RATE: 60}
