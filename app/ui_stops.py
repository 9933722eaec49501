"""Stops over all machines: what they cost as a Pareto (ui_pareto.py), MTBF and MTTR beside it, and the newest of them.

Rules: only the part of a stop inside the window counts, and an open one lasts until now.
"""

from __future__ import annotations

import asyncio

from markupsafe import Markup
from nicegui import events, ui

from tailrace.app.live import Told
from tailrace.app.stop_report import report
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_page import empty, frame, markup, segment
from tailrace.app.ui_pareto import GROUPS, bars, chart, listed, means
from tailrace.app.ui_reason import ReasonDialog
from tailrace.app.ui_script import ACT
from tailrace.app.ui_stop_list import StopList
from tailrace.app.ui_text import html, joined
from tailrace.projections import queries
from tailrace.schemas.instant import HOUR, SECOND

WINDOWS = {"8": "8 h", "24": "24 h", "168": "7 days", "720": "30 days"}
MEASURES = {"minutes": "Minutes", "stops": "Count"}
STEP = 30


class StopsPage:
    """One open page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._chosen = {"window": "24", "group": "reason", "measure": "minutes"}
        self._limit = STEP

    async def build(self) -> None:
        with frame(self._desk, "Stops", "Stops"):
            with ui.element("div").classes("head"):
                markup(html("<h1>Stops</h1>"))
                self._choices = markup(Markup("")).classes("end choices").on("click", self._choose, js_handler=ACT)
            with ui.element("div").classes("stack"):
                with ui.element("section").classes("card"):
                    with ui.element("div").classes("pareto-top"):
                        self._chart = ui.echart({}, renderer="svg").classes("pareto-chart").props('aria-hidden="true"')
                        self._means = markup(Markup(""), "dl").classes("means")
                    self._pareto = markup(Markup(""))
                with ui.element("section").classes("card"):
                    markup(html('<div class="card-head"><h2>Newest</h2></div>'))
                    self._none = markup(empty("No stop in this window", "No machine was down."))
                    self._list = StopList(self._desk.zone, self._pick, machines=True)
                    self._more = markup(
                        html('<button class="plain btn" type="button" data-act="more">Show more</button>')
                    )
                    self._more.classes("more").on("click", self._show_more)
            self._dialog = ReasonDialog(self._desk, self._refresh)
        await self._refresh_list()
        self._desk.while_open(self._refresh_costs())
        self._desk.live(self._changed)

    async def _pick(self, stop_id: str) -> None:
        await self._dialog.open(stop_id)

    async def _choose(self, event: events.GenericEventArguments) -> None:
        name, _, value = str(event.args).partition("=")
        self._chosen[name] = value
        self._limit = STEP
        await self._refresh()

    async def _show_more(self) -> None:
        self._limit = min(self._limit + STEP, queries.LIMIT_MAX)
        await self._refresh()

    async def _changed(self, batch: list[Told]) -> None:
        if any(name == "stop" for name, _ in batch):
            await self._refresh()

    async def _refresh(self) -> None:
        await self._refresh_list()
        await self._refresh_costs()

    def _window(self) -> tuple[int, int]:
        now = self._desk.now()
        return now // SECOND * SECOND - int(self._chosen["window"]) * HOUR, now

    async def _refresh_list(self) -> None:
        start, now = self._window()
        page = await self._desk.ask(queries.stops, now, start=start, end=now, limit=self._limit)
        self._list.show(page.items, now)
        self._none.set_visibility(not page.items)
        self._more.set_visibility(page.next is not None and self._limit < queries.LIMIT_MAX)
        self._choices.content = _choices(self._chosen)

    async def _refresh_costs(self) -> None:
        """What stops cost takes every machine's facts, so no page waits for it."""
        start, now = self._window()
        found = await asyncio.to_thread(report, self._desk.served.directory, now, start, now)
        group, measured = self._chosen["group"], self._chosen["measure"]
        lines = bars(found, group, measured)
        self._pareto.content = listed(lines, group, measured)
        self._means.content = means(found)
        self._chart.options.clear()
        self._chart.options.update(chart(lines, measured))
        self._chart.update()
        self._chart.set_visibility(bool(lines))


def _choices(chosen: dict[str, str]) -> Markup:
    groups = (("window", "Window", WINDOWS), ("group", "Grouping", GROUPS), ("measure", "Measure", MEASURES))
    return joined([segment(words, options, chosen[name], f"{name}=") for name, words, options in groups])
