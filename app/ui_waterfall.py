"""The waterfall: from calendar time to valuable time, loss by loss, in minutes that add up as they are shown.

Rules: what is shown of a loss is the difference of the rounded levels before and after it, so it is within a tenth of a minute of
the figure, and every sum on the page holds. Seconds stand where the pointer rests. A negative speed loss is a gain: the
ideal cycle is too slow. What has no value is not drawn; a sentence says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from tailrace.app.ui_text import MINUS, html, joined, measure, number


class Step(NamedTuple):
    """A line of the waterfall: a level, or a loss that leads to the next one. Tenths of minutes."""

    name: str
    words: str
    kind: str
    before: int
    after: int
    seconds: float

    @property
    def total(self) -> bool:
        """Whether it is a level."""
        return self.kind in ("total", "final")


_LINES = (
    ("calendar", "Calendar time", "total"),
    ("not_scheduled", "Not scheduled", "off"),
    ("planned_stop", "Planned stops", "off"),
    ("excluded", "Excluded", "off"),
    ("pbt", "Planned busy time", "total"),
    ("setup", "Setup", "is-setup"),
    ("breakdown", "Breakdowns", "is-unplanned"),
    ("unknown", "Unknown", "is-unknown fill"),
    ("operating", "Operating time", "total"),
    ("microstop", "Microstops", "perf"),
    ("speed_loss", "Speed loss", "perf"),
    ("quality_loss", "Quality loss", "is-unplanned"),
    ("valuable", "Valuable time", "final"),
)


WORDS = {name: words for name, words, _ in _LINES} | {"run": "Running"}
"""What a part of the time is called."""

WHY = "why:"
"""Stands before the name of a figure in what a click on it says."""


def steps(figures: Mapping[str, Any]) -> Iterator[Step]:
    """The lines that have a value, from the top."""
    exact: float = figures["calendar"]
    for name, words, kind in _LINES:
        value = figures[name]
        if value is None:
            return
        if kind in ("total", "final"):
            yield Step(name, words, kind, _tenths(exact), _tenths(exact), value)
            continue
        before, exact = exact, exact - value
        yield Step(name, words, kind, _tenths(before), _tenths(exact), value)


def waterfall(figures: Mapping[str, Any]) -> Markup:
    """The lines as bars beside each other."""
    found = list(steps(figures))
    widest = max([1, *(step.before for step in found), *(step.after for step in found)])
    lines = joined([_line(step, widest) for step in found])
    return html('<div class="fall">{}</div>{}', lines, _notes(figures))


def _line(step: Step, widest: int) -> Markup:
    lo, hi = (0, step.after) if step.total else sorted((step.before, step.after))
    gain = step.after > step.before
    amount = step.after if step.total else step.before - step.after
    shown = number(abs(amount) / 10, 1)
    sign = "" if step.total or not amount else "+" if gain else MINUS
    left, width = 100 * lo / widest, 100 * (hi - lo) / widest
    kind = "gain" if gain else step.kind
    drawn = html('<i class="{}" style="left:{:.2f}%;width:{:.2f}%"></i>', kind, left, width)
    lab = html(
        '<button class="plain lab{}" type="button" data-act="{}{}" title="What is it made of?">{}</button>',
        " sum" if step.total else "", WHY, step.name, "Speed gain" if gain else step.words,
    )  # fmt: skip
    return html(
        '{}<span class="lane" aria-hidden="true" data-act="{}{}">{}</span>'
        '<span class="val figure{}" data-minutes="{}" title="{} s">{}</span>',
        lab, WHY, step.name, drawn if hi > lo else "", " sum" if step.total else "", step.name, number(step.seconds),
        measure(sign + shown, "min"),
    )  # fmt: skip


def _notes(figures: Mapping[str, Any]) -> Markup:
    said = [words for flag, words in _FLAGS.items() if flag in figures["flags"]]
    return (
        html('<ul class="notes">{}</ul>', joined([html("<li>{}</li>", each) for each in said])) if said else Markup("")
    )


_FLAGS = {
    "ideal_cycle_missing": "A product without an ideal cycle was made: performance, OEE and what follows have no value.",
    "performance_over_100": "Parts came faster than the ideal cycle allows: it is set too slow.",
    "counts_without_runtime": "Parts were counted though the machine never ran.",
    "offplan_counts": "Parts were counted outside planned time; they are not in these figures.",
    "negative_counts": "Corrections outweigh what was counted.",
    "counter_reset": "A counter was reset.",
    "counter_rollover": "A counter began again at 0.",
    "counter_backstep": "A counter stepped back.",
    "counter_anomaly": "A counter jumped further than it may; the jump is not counted.",
}


def _tenths(seconds: float) -> int:
    return round(seconds / 6)
