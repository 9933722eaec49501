"""Parts of pages by themselves: sums that hold as they are shown, zero that is zero, and names that cannot break a page."""

from __future__ import annotations

import itertools
import random
import re
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oee_random
import oee_reference
from tailrace.app.ui_assets import COLUMNS_MAX, columns, row
from tailrace.app.ui_floor import big, nothing_known
from tailrace.app.ui_pareto import bars, chart, listed, means
from tailrace.app.ui_ribbon import ribbon, stretches
from tailrace.app.ui_signals import trend
from tailrace.app.ui_text import MINUS, NARROW, Zone, html, length, measure, no_value, number, percent
from tailrace.app.ui_waterfall import steps, waterfall
from tailrace.schemas.answer import BigLoss, IntervalItem, Mean, ParetoItem, RollupItem, SignalItem, StopReport
from tailrace.schemas.instant import HOUR, MINUTE, SECOND, format_instant, parse_instant

NOW = int(parse_instant("2026-03-29T12:00:00Z"))
BERLIN = Zone(ZoneInfo("Europe/Berlin"), "Europe/Berlin")


def figures(seed: int) -> dict[str, Any]:
    """Figures of a nasty timeline, from the reference."""
    rng = random.Random(seed)
    events = oee_random.timeline(rng, 60)
    found = oee_reference.summarise(events, *oee_random.window(rng, events))
    return {name: float(value) if isinstance(value, Fraction) else value for name, value in found.items()}


@pytest.mark.parametrize("seed", range(60))
def test_every_sum_of_the_waterfall_holds_as_it_is_shown(seed: int) -> None:
    found = figures(seed)
    level = None
    for step in steps(found):
        if step.total:
            assert level in (None, step.after)
            level = step.after
        else:
            assert level == step.before
            assert abs((step.before - step.after) - step.seconds / 6) <= 1
            level = step.after
        if step.total:
            assert abs(step.after - found[step.name] / 6) <= 0.5 + 1e-6, step
    assert "None" not in waterfall(found)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (-0.0, "0"), (0.5, "0.5"), (73.8, "73.8"), (73.123456, "73.12"), (1234567, "1{0}234{0}567"), (-12.5, "{1}12.5"),
        (0.00012345, "0.0001234"), (-0.0000001, "{1}1e{1}07"), (1e-300, "1e{1}300"), (480.0, "480"), (1e20, "1e+20"),
        (0.999999, "1"),
    ],
)  # fmt: skip
def test_numbers_are_short_and_never_minus_nothing(value: float, text: str) -> None:
    assert number(value) == text.format(NARROW, MINUS)


def test_a_ratio_is_rounded_once() -> None:
    assert (percent(0), percent(1), percent(0.78249), percent(1.2346)) == ("0.0", "100.0", "78.2", "123.5")
    assert measure("3", "") == "3"


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 s"),
        (59 * SECOND, "59 s"),
        (61 * SECOND, "1 min 01 s"),
        (3 * HOUR + MINUTE, "3 h 01 min"),
        (49 * HOUR, "2 d 1 h"),
        (-5, "0 s"),
    ],
)
def test_lengths_have_two_units(ns: int, text: str) -> None:
    assert length(ns).replace(NARROW, " ") == text


def test_times_are_those_of_the_plant_with_their_offset() -> None:
    """The clocks of Berlin went forward at 01:00 UTC that day."""
    before, after = NOW - 11 * HOUR - SECOND, NOW - 11 * HOUR
    assert BERLIN.full(before) == "2026-03-29 01:59:59+01:00"
    assert BERLIN.full(after) == "2026-03-29 03:00:00+02:00"
    assert BERLIN.short(NOW, NOW) == "14:00"
    assert BERLIN.short(NOW - 24 * HOUR, NOW) == "28 Mar 13:00"
    assert 'title="2026-03-29 14:00:00+02:00 Europe/Berlin"' in BERLIN.time(NOW, NOW)


@given(st.text())
@settings(max_examples=200)
def test_no_name_breaks_out(name: str) -> None:
    made = html('<b title="{}">{}</b>', name, name)
    assert made.count("<") == 2
    assert made.count(">") == 2
    assert made.count('"') == 2


def interval(start: int, end: int | None, category: str, state: str = "x") -> IntervalItem:
    return IntervalItem(
        machine="M1",
        start=format_instant(start),
        end=None if end is None else format_instant(end),
        state=state,
        category=category,
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_ribbon_covers_its_window_once(seed: int) -> None:
    rng = random.Random(seed)
    start, end = NOW - 8 * HOUR, NOW
    edges = sorted(start + rng.randrange(-2 * HOUR, 9 * HOUR) for _ in range(2 * rng.randrange(1, 9)))
    items = [
        interval(a, b, rng.choice(("run", "unplanned", "setup", "unknown")))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
        if b > start and a < end
    ]
    found = list(stretches(items, start, end))
    assert found[0].start == start
    assert found[-1].end == end
    assert all(one.end == other.start for one, other in itertools.pairwise(found))
    known = sum(
        min(end, b) - max(start, a) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > start and a < end
    )
    gaps = sum(each.end - each.start for each in found if each.whole == (each.start, each.end) and not each.state)
    assert known + gaps == end - start


def test_the_ribbon_of_nothing_is_hatched() -> None:
    made = ribbon([], NOW - 8 * HOUR, NOW, BERLIN)
    assert re.findall(r'class="fill (is-\w+)" style="left:([\d.]+)%;width:([\d.]+)%"', made) == [
        ("is-unknown", "0.000", "100.000")
    ]
    assert made.count("<i ") == 1


def test_no_data_is_not_zero() -> None:
    nothing: dict[str, Any] = {
        "completeness": 0.0,
        "total": 0,
        "run": 0,
        "oee": 0.0,
        "pbt": 28800,
        "flags": [],
        "operating": 0,
    }
    assert nothing_known(nothing)
    assert "no data" in big(nothing, "oee")
    idle = nothing | {"completeness": 1.0}
    assert "0.0" in big(idle, "oee")
    assert no_value(nothing | {"pbt": 0}, "oee") == "not scheduled"
    assert no_value(nothing | {"flags": ["ideal_cycle_missing"]}, "oee") == "no ideal cycle"
    assert no_value(nothing, "performance") == "did not run"
    assert no_value(nothing, "quality") == "no parts"


def signal(machine: str, name: str, value: float | str | None = 1.0, unit: str = "", **more: Any) -> SignalItem:
    return SignalItem(
        machine=machine, signal=name, value=value, unit=unit, **{"t": format_instant(NOW), "quality": "good"} | more
    )


def test_columns_are_the_signals_that_most_machines_have() -> None:
    said = [
        {name: signal("M1", name, unit="°C") for name in ("b", "a", "c")},
        {name: signal("M2", name, unit="°C" if name == "c" else "K") for name in ("c", "b")},
        {},
    ]
    assert columns(said) == ({"b": "", "c": "°C", "a": "°C"}, [])
    many = [{f"s{n:02}": signal("M1", f"s{n:02}") for n in range(COLUMNS_MAX + 3)}, {"s18": signal("M2", "s18")}]
    shown, more = columns(many)
    assert list(shown) == ["s18", *(f"s{n:02}" for n in range(COLUMNS_MAX - 1))]
    assert more == ["s15", "s16", "s17"]


def test_a_cell_says_what_it_is() -> None:
    """Zero, nothing, text, an old reading, one that is not good, and a unit that only this machine has."""
    shown = {"zero": "°C", "none": "", "word": "", "old": "", "bad": "", "lost": "", "own": ""}
    said = {
        "zero": signal("M1", "zero", 0.0, "°C"),
        "word": signal("M1", "word", "<auto>"),
        "old": signal("M1", "old", 2.0, t=format_instant(NOW - HOUR)),
        "bad": signal("M1", "bad", 3.0, quality="uncertain"),
        "lost": signal("M1", "lost", None, quality="bad"),
        "own": signal("M1", "own", 4.0, "K"),
    }
    made = row("M1", said, shown, BERLIN, NOW)
    found = re.findall(r'data-signal="(\w+)"[^>]*>(.*?)</td>', made)
    text = {name: re.sub(r"<[^>]*>", " ", cell).split() for name, cell in found}
    assert text == {
        "zero": ["0", "°C"], "none": ["no", "data"], "word": ["&lt;auto&gt;"], "old": ["2", "1", "h", "00", "min", "ago"],
        "bad": ["3", "uncertain"], "lost": ["no", "value", "bad"], "own": ["4", "K"],
    }  # fmt: skip


def cost(category: str, reason: str, duration_s: float, stops: int, loss: str | None = None) -> ParetoItem:
    return ParetoItem(
        category=category, reason=reason, loss=loss, duration_s=duration_s, stops=stops, share=None, cumulative=None
    )


def costs(*items: ParetoItem) -> StopReport:
    lost = {"equipment_failure": 900.0, "setup_adjustments": 300.0, "reduced_speed": -60.0, "reduced_yield": 0.0}
    return StopReport(
        items=list(items), down_s=960.0, stops=8, lost_s=1140.0,
        losses=[BigLoss(loss=name, duration_s=each, share=None) for name, each in lost.items()],
        mtbf=Mean(formula="f", sum_s=7200.0, n=2, mean_s=3600.0), mttr=Mean(formula="f", sum_s=0.0, n=0, mean_s=None),
    )  # fmt: skip


COSTS = costs(
    cost("unplanned", "Jam <i>", 600.0, 1), cost("setup", "", 300.0, 5), cost("unplanned", "", 60.0, 2, "idling_minor_stops")
)  # fmt: skip


def test_the_pareto_is_sorted_by_what_is_asked_and_ends_at_100() -> None:
    made = listed(bars(COSTS, "reason", "minutes"), "reason", "minutes")
    words = ["Jam &lt;i&gt;", "setup, no reason", "unplanned, minor stops"]
    assert [made.index(each) for each in words] == sorted(made.index(each) for each in words)
    assert re.findall(rf"([\d.]+){NARROW}%", made) == ["62.5", "93.8", "100.0"]
    counted = listed(bars(COSTS, "category", "stops"), "category", "stops")
    assert re.findall(rf"([\d.]+){NARROW}%", counted) == ["62.5", "100.0"]
    assert counted.index("Setup") < counted.index("Unplanned")
    assert "Nothing was down" in listed(bars(costs(), "reason", "minutes"), "reason", "minutes")


def test_the_chart_says_what_the_list_says() -> None:
    made = chart(bars(COSTS, "category", "stops"), "stops")
    assert made["xAxis"]["data"] == ["Setup", "Unplanned"]
    bar, line = made["series"]
    assert ([each["value"] for each in bar["data"]], line["data"]) == ([5.0, 3.0], [62.5, 100.0])
    assert (bar["name"], line["name"]) == ("stops", "together, %")
    lost = chart(bars(COSTS, "loss", "stops"), "stops")
    assert lost["xAxis"]["data"] == ["Equipment failure", "Setup and adjustments", "Reduced speed"]
    assert [each["value"] for each in lost["series"][0]["data"]] == [15.0, 5.0, -1.0]
    assert lost["series"][0]["name"] == "min"


def test_the_means_say_what_they_are_made_of() -> None:
    made = re.sub(r"<[^>]*>", " ", means(COSTS)).replace(NARROW, " ")
    assert "1 h 00 min" in made and "2 h 00 min run ÷ 2 failures" in made
    assert "MTTR –" in " ".join(made.split()) and "0 s down ÷ 0 failures" in made
    assert "19 min 00 s" in made


def test_a_course_has_gaps_where_nothing_was_read() -> None:
    def item(t: int, mean: float | None) -> RollupItem:
        return RollupItem(start=format_instant(t), n=1, bad=0, min=mean, max=mean, mean=mean, first=mean, last=mean)

    times = [NOW - 8 * HOUR + n * MINUTE for n in (*range(10), *range(100, 110))]
    made = trend([item(t, float(n % 3)) for n, t in enumerate(times)], NOW - 8 * HOUR, NOW, 2 * MINUTE)
    assert made.count("M") == 2
    assert made.count("L") == 19
    whole = [NOW - 8 * HOUR + n * MINUTE for n in range(480)]
    assert 'd="M' in trend([item(t, float(n % 3)) for n, t in enumerate(whole)], NOW - 8 * HOUR, NOW, 2 * MINUTE)
    assert trend([item(NOW, 1.0)], NOW - HOUR, NOW, MINUTE) == ""
    assert "nan" not in trend([item(t, 5.0) for t in times], NOW - 8 * HOUR, NOW, MINUTE)
