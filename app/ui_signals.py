"""The live signals of a machine: value with unit, quality, how old it is, and its course over the last hours.

Rules: a course is drawn from the same series as REST (app/signal_query.py), asked again every minute; a gap in it is a gap. The
scale is the signal's own, from the smallest to the largest of what is drawn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from markupsafe import Markup
from nicegui import ui

from tailrace.app.signal_query import signal_series
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_page import empty, markup
from tailrace.app.ui_text import age, html, instant, measure, number
from tailrace.schemas.answer import RollupItem, SignalItem
from tailrace.schemas.errors import TailraceError
from tailrace.schemas.instant import HOUR, MINUTE

HOURS = 8
TREND_S = 60.0
POINTS = 120
"""Points of a course; more cannot be told apart in its width."""


class Signals:
    """The signals of one open page; the element it is made in holds them."""

    def __init__(self, desk: Desk, machine: str) -> None:
        self._desk, self._machine = desk, machine
        self._nothing = markup(empty("No signal yet", "This machine has sent states or counts only."))
        self._grid = ui.element("div").classes("signals")
        self._shown: dict[str, tuple[ui.element, ui.html, ui.html]] = {}

    def show(self, item: SignalItem) -> None:
        """A signal as it is now."""
        if item.signal not in self._shown:
            self._add(item.signal)
        box, value, _ = self._shown[item.signal]
        box.classes(replace="signal" if item.quality == "good" else "signal bad")
        value.content = _signal(item, self._desk.now())

    async def trends(self) -> None:
        """Draws the courses, for ever."""
        while True:
            for name in list(self._shown):
                await self._draw(name)
            await asyncio.sleep(TREND_S)

    def _add(self, name: str) -> None:
        with self._grid, ui.element("div") as box:
            self._shown[name] = (box, markup(Markup("")), markup(Markup("")).classes("trend"))
        at = sorted(self._shown).index(name)
        if at < len(self._shown) - 1:
            box.move(target_index=at)
        self._nothing.set_visibility(False)

    async def _draw(self, name: str) -> None:
        end = self._desk.now()
        start = end - HOURS * HOUR
        try:
            found = await asyncio.to_thread(signal_series, self._desk.served.directory, self._machine, name, start, end)
        except TailraceError:
            return
        self._shown[name][2].content = trend(found.items, start, end, max(found.resolution_s * 10**9, 2 * MINUTE))


def trend(items: Sequence[RollupItem], start: int, end: int, step: int) -> Markup:
    """The means as a line of 100 by 24; where more than two steps are missing there is none."""
    points = [(instant(item.start), item.mean) for item in items if item.mean is not None]
    if len(points) < 2:
        return Markup("")
    every = -(-len(points) // POINTS)
    points = points[::-every][::-1]
    values = [value for _, value in points]
    low, high = min(values), max(values)
    path: list[str] = []
    before: int | None = None
    for t, value in points:
        x, y = 100 * (t - start) / (end - start), 22 - 20 * (value - low) / (high - low) if high > low else 12.0
        apart = before is None or t - before > 2 * step * every
        path.append(f"{'M' if apart else 'L'}{x:.2f} {y:.2f}")
        before = t
    return html(
        '<svg viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label="{}"><path d="{}"/></svg>',
        f"Last {HOURS} h: from {number(low)} to {number(high)}", " ".join(path),
    )  # fmt: skip


def _signal(item: SignalItem, now: int) -> Markup:
    if item.value is None:
        value = html('<div class="v none">no data</div>')
    elif isinstance(item.value, str):
        value = html('<div class="v">{}</div>', item.value)
    else:
        value = html('<div class="v figure">{}</div>', measure(number(item.value), item.unit))
    return html(
        '<h3 title="{}">{}</h3>{}<div class="meta"><span class="q">{}</span>{}</div>',
        item.signal, item.signal, value, item.quality, age(instant(item.t), now),
    )  # fmt: skip
