"""The page of a machine: what it did, where its time went, what its signals say, its stops and its anomalies."""

from __future__ import annotations

import asyncio
from typing import Any

from markupsafe import Markup
from nicegui import events, ui
from nicegui.context import context

from tailrace.app.live import Told
from tailrace.app.ui_alarms import alarm, band
from tailrace.app.ui_compare import Compare
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_explain import Explain
from tailrace.app.ui_figures import Shown
from tailrace.app.ui_floor import big, complete, spoken, without
from tailrace.app.ui_glyphs import glyph, look
from tailrace.app.ui_ledger import Ledger
from tailrace.app.ui_page import DEFINITION, empty, frame, link, markup, segment
from tailrace.app.ui_reason import ReasonDialog
from tailrace.app.ui_ribbon import ribbon
from tailrace.app.ui_script import ACT
from tailrace.app.ui_signals import Signals
from tailrace.app.ui_stop_list import StopList
from tailrace.app.ui_text import age, html, instant, joined
from tailrace.app.ui_waterfall import WHY, waterfall
from tailrace.projections import queries
from tailrace.projections.series import scores
from tailrace.schemas.answer import MachineItem
from tailrace.schemas.instant import HOUR, SECOND

STOPS, ALARMS = 12, 6
NO_ALARM = "It is as it usually is, or has not shown 400 readings yet."
RIBBON_S = 10.0
"""How often the ribbon moves on where nothing happens."""

RATIOS = {"oee": "OEE", "availability": "Availability", "performance": "Performance", "quality": "Quality"}


class MachinePage:
    """One open page."""

    def __init__(self, desk: Desk, machine: str, definition: str = "") -> None:
        self._desk, self._machine, self._definition = desk, machine, definition
        self._hours = 8
        self._names: list[str] = []
        self._shown: Shown | None = None
        self._chosen = asyncio.Event()

    async def build(self) -> None:
        machines = (await self._desk.ask(queries.machines, limit=queries.LIMIT_MAX)).items
        found = next((item for item in machines if item.machine == self._machine), None)
        if found is None:
            missing(self._desk, self._machine, [item.machine for item in machines])
            return
        with frame(self._desk, self._machine, "Floor"):
            self._head = markup(Markup("")).classes("head")
            with ui.element("div").classes("stack"):
                self._lay()
            self._dialog = ReasonDialog(self._desk, self._refresh)
            self._explain = Explain(self._desk, self._machine)
        self._state(found)
        for item in (await self._desk.ask(queries.signals, machine=self._machine, limit=queries.LIMIT_MAX)).items:
            self._signals.show(item)
        await self._refresh()
        await self._ring()
        self._desk.live(self._changed)
        self._desk.while_open(self._watch())
        self._desk.while_open(self._move())
        self._desk.while_open(self._compare.run())
        self._desk.while_open(self._signals.trends())

    def _lay(self) -> None:
        with ui.element("section").classes("card"):
            with ui.element("div").classes("card-head"):
                markup(html("<h2>What it did</h2>"))
                self._choice = markup(Markup("")).classes("end").on("click", self._choose, js_handler=ACT)
            self._ribbon = markup(Markup(""))
            self._band = markup(Markup(""))
        with ui.element("div").classes("grid2"):
            with ui.element("section").classes("card"):
                self._figures = markup(html('<div class="empty">Working it out…</div>'))
                self._figures.on("click", self._act, js_handler=ACT)
            with ui.element("section").classes("card"):
                markup(
                    html('<div class="card-head"><h2>Signals</h2><span class="muted small">line: last 8 h</span></div>')
                )
                self._signals = Signals(self._desk, self._machine)
        with ui.element("section").classes("card"):
            markup(html('<div class="card-head"><h2>By every definition</h2></div>'))
            self._compare = Compare(self._desk, self._machine)
        with ui.element("section").classes("card"):
            markup(html('<div class="card-head"><h2>What was known when</h2></div>'))
            Ledger(self._desk, self._machine, lambda: (self._shown, self._definition))
        with ui.element("section").classes("card"):
            markup(
                html(
                    '<div class="card-head"><h2>Anomalies</h2><a class="btn end" href="/anomalies">All anomalies</a></div>'
                )
            )
            self._alarms = markup(Markup(""))
        with ui.element("section").classes("card"):
            markup(html('<div class="card-head"><h2>Stops</h2><a class="btn end" href="/stops">All stops</a></div>'))
            self._no_stops = markup(empty("No stop yet", "It has not been down since its first state."))
            self._stops = StopList(self._desk.zone, self._pick)

    async def _pick(self, stop_id: str) -> None:
        await self._dialog.open(stop_id)

    async def _choose(self, event: events.GenericEventArguments) -> None:
        self._hours = int(event.args)
        await self._draw()

    async def _changed(self, batch: list[Told]) -> None:
        mine = [(name, item) for name, item in batch if getattr(item, "machine", "") == self._machine]
        for name, item in mine:
            if name == "machine":
                self._state(item)
            elif name == "signal":
                self._signals.show(item)
        if any(name == "anomaly" for name, _ in mine):
            await self._ring()
        if any(name in ("machine", "stop") for name, _ in mine):
            self._desk.figures.touch(self._machine)
            await self._refresh()

    async def _watch(self) -> None:
        """Figures under the definition that is chosen; one that nobody has set is as if none were."""
        while True:
            self._chosen.clear()
            self._names = await self._desk.definitions(self._machine)
            if self._definition not in self._names:
                self._definition = ""
            with self._desk.figures.watching({self._machine}, self._account, self._definition):
                await self._chosen.wait()

    async def _move(self) -> None:
        while True:
            await asyncio.sleep(RIBBON_S)
            await self._draw()

    async def _refresh(self) -> None:
        now = self._desk.now()
        stops = (await self._desk.ask(queries.stops, now, machine=self._machine, limit=STOPS)).items
        self._stops.show(stops, now)
        self._no_stops.set_visibility(not stops)
        await self._draw()

    async def _ring(self) -> None:
        now = self._desk.now()
        found = (await self._desk.ask(queries.anomalies, machine=self._machine, limit=ALARMS)).items
        rows = joined([alarm(item, self._desk.zone, now) for item in found])
        self._alarms.content = html('<ul class="rows alarms">{}</ul>', rows) if found else empty("No anomaly", NO_ALARM)

    async def _draw(self) -> None:
        end = self._desk.now() // SECOND * SECOND
        start = end - self._hours * HOUR
        found = await self._desk.ask(queries.intervals, self._machine, start, end)
        self._ribbon.content = ribbon(found, start, end, self._desk.zone)
        scored = await self._desk.ask(scores, self._machine, start, end)
        self._band.content = band(scored, start, end, self._desk.zone)
        self._choice.content = segment("Window", {"8": "8 h", "24": "24 h"}, str(self._hours))

    def _state(self, item: MachineItem) -> None:
        found, now, zone = look(item.category), self._desk.now(), self._desk.zone
        since = instant(item.since) if item.since else None
        when = html('<span class="muted">since {} · {}</span>', zone.time(since, now), age(since, now)) if since else ""
        said = spoken(item)
        word = html("<span>{}</span>", said) if said else ""
        place = " · ".join(part for part in (item.site, item.area, item.line) if part)
        self._head.content = html(
            '<h1>{}</h1><span class="chip is-{}">{}{}</span>{}{}<span class="muted small end">{}</span>',
            item.machine, found.name, glyph(found.shape), found.word, word, when, place,
        )  # fmt: skip

    def _account(self, shown: Shown) -> None:
        self._shown = shown
        self._compare.take(shown)
        self._tell(shown, shown.figures, self._definition)

    async def _act(self, event: events.GenericEventArguments) -> None:
        said = str(event.args)
        if said.startswith(DEFINITION):
            self._definition = said.removeprefix(DEFINITION)
            ui.navigate.history.replace(link(self._machine, self._definition))
            self._chosen.set()
        elif said.startswith(WHY) and self._shown is not None:
            await self._explain.open(said.removeprefix(WHY), self._shown, self._definition)

    def _tell(self, shown: Shown, found: dict[str, Any], definition: str) -> None:
        zone = self._desk.zone
        span = zone.span(*(shown.shift or (shown.start, shown.end)), shown.end)
        of = f"Shift {span} {zone.name}, so far" if shown.shift else f"Last 8 h, {span} {zone.name}"
        kpis = joined([
            html(
                '<div class="kpi" data-act="{}{}"><button class="plain cap" type="button" title="What is it made of?">'
                "{}</button>{}</div>",
                WHY, name, words, big(found, name, shown.behind),
            )
            for name, words in RATIOS.items()
        ])  # fmt: skip
        nothing = shown.behind and without(found, "oee", True)
        lines = empty("Not known yet", "History is being worked out.") if nothing else waterfall(found)
        choice = segment("Judged by", {"": "own", **{name: name for name in self._names}}, definition, DEFINITION)
        used = ", ".join(found["definition"]) or "the defaults"
        self._figures.content = html(
            '<div class="card-head" data-from="{}" data-to="{}"><h2>Where the time went</h2>'
            '<span class="muted small">{}</span></div><div class="card-head">{}'
            '<span class="muted small" data-definition="{}">by {} · {}</span></div><div class="kpis">{}</div>{}',
            found["from"], found["to"], of, choice, definition, used, complete(found["completeness"], shown.behind),
            kpis, lines,
        )  # fmt: skip


def missing(desk: Desk, machine: str, known: list[str]) -> None:
    """A machine that nobody has heard of."""
    context.client.status_code = 404
    words = "Known are:" if known else "No machine has said anything yet."
    with frame(desk, "Unknown machine"):
        markup(empty(f"No machine is called {machine}", words, [(name, link(name)) for name in known[:60]])).classes(
            "card"
        )
