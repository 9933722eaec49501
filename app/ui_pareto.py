"""What stops cost as a chart and as a list: bars most first and the running share, by reason, by category or by big loss.

Rules: the chart says nothing that the list does not, so that it can be read without seeing it. Colours are tokens of the style
sheet, so it turns dark with the page. The running share is of all time in the window, so the last line says 100 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from tailrace.app.ui_glyphs import ORDER, chip, glyph, look
from tailrace.app.ui_page import empty
from tailrace.app.ui_stop_list import WORDS
from tailrace.app.ui_text import NARROW, html, joined, length, measure, number
from tailrace.schemas.answer import Mean, ParetoItem, StopReport
from tailrace.schemas.instant import SECOND

GROUPS = {"reason": "By reason", "category": "By category", "loss": "By big loss"}
LOSS_WORDS = {
    "equipment_failure": "Equipment failure",
    "setup_adjustments": "Setup and adjustments",
    "idling_minor_stops": "Idling and minor stops",
    "reduced_speed": "Reduced speed",
    "process_defects": "Process defects",
    "reduced_yield": "Start-up losses",
    "unknown": "Unknown",
}
_LOOKS = {"equipment_failure": "unplanned", "idling_minor_stops": "unplanned", "setup_adjustments": "setup"}
LINES, BARS = 20, 8


class Bar(NamedTuple):
    """A line of the Pareto: its name as text and as shown, its category, seconds, and stops; of a big loss none are counted."""

    name: str
    shown: Markup
    category: str
    duration_s: float
    stops: int | None

    def measure(self, measured: str) -> float:
        """Minutes, or how many stops."""
        return self.duration_s / 60 if measured == "minutes" or self.stops is None else float(self.stops)


def bars(found: StopReport, group: str, measured: str) -> list[Bar]:
    """The lines, most first."""
    made = {"reason": _by_reason, "category": _by_category, "loss": _by_loss}[group](found)
    return sorted(made, key=lambda bar: -bar.measure(measured))


def listed(lines: Sequence[Bar], group: str, measured: str) -> Markup:
    """The lines with the share that they make up together."""
    if not lines:
        return empty("Nothing was down", "No machine had a stop in this window.")
    total = sum(line.measure(measured) for line in lines)
    most = lines[0].measure(measured)
    so_far, made = 0.0, []
    for line in lines[:LINES]:
        so_far += line.measure(measured)
        made.append(_line(line, line.measure(measured) / (most or 1), so_far / (total or 1)))
    left = len(lines) - LINES
    rest = (
        html('<p class="muted small" style="margin-top:10px">{} more reasons are not shown.</p>', left)
        if left > 0
        else ""
    )
    head = html(
        '<li class="pareto-head cap"><span>{}</span><span></span>{}</li>', GROUPS[group].removeprefix("By ").capitalize(),
        joined([html('<span class="r">{}</span>', each) for each in ("Time", "Stops", "Together")]),
    )  # fmt: skip
    return html('<ul class="pareto">{}{}</ul>{}', head, joined(made), rest)


def chart(lines: Sequence[Bar], measured: str) -> dict[str, Any]:
    """The first lines as options of ECharts: bars, and the running share as a line."""
    counted = measured != "minutes" and all(line.stops is not None for line in lines)
    unit = "stops" if counted else "min"
    total = sum(line.measure(measured) for line in lines) or 1.0
    so_far, shares = 0.0, []
    for line in lines[:BARS]:
        so_far += line.measure(measured)
        shares.append(round(100 * so_far / total, 1))
    data = [
        {"value": round(line.measure(measured), 1), "itemStyle": {"color": f"var(--{look(line.category).name})"}}
        for line in lines[:BARS]
    ]
    words = {"color": "var(--muted)", "fontFamily": "inherit", "fontSize": 12}
    axis = {"type": "value", "nameTextStyle": words, "axisLabel": words, "splitLine": {"show": False}}
    return {
        "animation": False,
        "grid": {"left": 20, "right": 8, "top": 32, "bottom": 4, "containLabel": True},
        "tooltip": {
            "trigger": "axis", "confine": True, "backgroundColor": "var(--surface)", "borderColor": "var(--line)",
            "textStyle": {"color": "var(--text)"}, "axisPointer": {"type": "none"},
        },
        "xAxis": {
            "type": "category", "data": [line.name for line in lines[:BARS]], "axisTick": {"show": False},
            "axisLine": {"lineStyle": {"color": "var(--line)"}},
            "axisLabel": words | {"interval": 0, "rotate": 28, "width": 88, "overflow": "truncate"},
        },
        "yAxis": [
            axis | {"name": unit, "splitLine": {"lineStyle": {"color": "var(--line)"}}},
            axis | {"name": "together, %", "min": 0, "max": 100},
        ],
        "series": [
            {"name": unit, "type": "bar", "barMaxWidth": 48, "data": data, "emphasis": {"disabled": True}},
            {
                "name": "together, %", "type": "line", "yAxisIndex": 1, "data": shares, "symbolSize": 6,
                "lineStyle": {"color": "var(--muted)", "width": 1.5}, "itemStyle": {"color": "var(--muted)"},
                "emphasis": {"disabled": True},
            },
        ],
    }  # fmt: skip


def means(found: StopReport) -> Markup:
    """MTBF and MTTR, each with what it is made of, and how much was lost in all."""
    lost = "an ideal cycle is missing" if found.lost_s is None else "planned busy time − valuable time"
    total = Markup("–") if found.lost_s is None else _long(found.lost_s)
    return joined([
        _mean("MTBF", "Mean time between failures", found.mtbf, "run"),
        _mean("MTTR", "Mean time to repair", found.mttr, "down"),
        html('<div><dt>Lost</dt><dd class="figure">{}</dd><dd class="muted small">{}</dd></div>', total, lost),
    ])  # fmt: skip


def _mean(name: str, words: str, mean: Mean, what: str) -> Markup:
    value = Markup("–") if mean.mean_s is None else _long(mean.mean_s)
    made = html("{} {} ÷ {} {}", _long(mean.sum_s), what, number(mean.n), "failure" if mean.n == 1 else "failures")
    return html(
        '<div><dt title="{}">{}</dt><dd class="figure">{}</dd><dd class="muted small">{}</dd></div>', words, name, value, made
    )  # fmt: skip


def _long(duration_s: float) -> Markup:
    return html("{}", length(round(duration_s * SECOND)))


def _by_reason(found: StopReport) -> list[Bar]:
    """A line a reason, whatever it counts under; stops without one are apart by what they are."""
    made: dict[tuple[str, str, bool], list[ParetoItem]] = {}
    for item in found.items:
        minor = not item.reason and item.category == "unplanned" and item.loss == "idling_minor_stops"
        made.setdefault((item.category, item.reason, minor), []).append(item)
    return [_reason(*key, items) for key, items in made.items()]


def _reason(category: str, reason: str, minor: bool, items: Sequence[ParetoItem]) -> Bar:
    seen, words = look(category), WORDS[category]
    unnamed = "minor stops" if minor else "no reason given"
    shape = html('<span class="is-{}" title="{}">{}</span>', seen.name, words, glyph(seen.shape))
    name = reason or html('<span class="muted">{}, {}</span>', words.lower(), unnamed)
    brief = unnamed.removesuffix(" given").capitalize() if category == "unplanned" else words
    return Bar(
        reason or brief, html("{} {}", shape, name), category, sum(each.duration_s for each in items),
        sum(each.stops for each in items),
    )  # fmt: skip


def _by_category(found: StopReport) -> list[Bar]:
    return [
        Bar(WORDS[each], chip(each, WORDS[each]), each, sum(i.duration_s for i in mine), sum(i.stops for i in mine))
        for each in ORDER
        if (mine := [item for item in found.items if item.category == each])
    ]


def _by_loss(found: StopReport) -> list[Bar]:
    return [
        Bar(
            LOSS_WORDS[each.loss], chip(_look(each.loss), LOSS_WORDS[each.loss]), _look(each.loss), each.duration_s, None
        )
        for each in found.losses
        if each.duration_s
    ]  # fmt: skip


def _look(loss: str) -> str:
    return _LOOKS.get(loss, "unknown" if loss == "unknown" else "planned_stop")


def _line(line: Bar, share: float, so_far: float) -> Markup:
    counted = number(line.stops) if line.stops is not None else Markup("–")
    return html(
        '<li><span class="lab">{}</span><span class="lane is-{}"><i style="width:{:.1f}%"></i></span>'
        '<span class="r figure">{}</span><span class="r figure">{}</span><span class="r figure muted">{}{}%</span></li>',
        line.shown, look(line.category).name, max(0.0, 100 * share), measure(number(line.duration_s / 60, 1), "min"),
        counted, number(100 * so_far, 1), NARROW,
    )  # fmt: skip
