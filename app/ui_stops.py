"""Stops over all machines: what they cost by reason or category, most first, and the newest of them.

Rules: only the part of a stop inside the window counts, and an open one lasts until now. The running share is of all stop time in
the window, so the last line says 100 %.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from nicegui import events, ui

from tailrace.app.live import Told
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_glyphs import ORDER, chip, glyph, look
from tailrace.app.ui_page import empty, frame, markup, segment
from tailrace.app.ui_reason import ReasonDialog
from tailrace.app.ui_script import ACT
from tailrace.app.ui_stop_list import WORDS, StopList
from tailrace.app.ui_text import NARROW, html, joined, measure, number
from tailrace.projections import queries
from tailrace.projections.pareto import losses
from tailrace.schemas.answer import LossItem
from tailrace.schemas.instant import HOUR, SECOND

WINDOWS = {"8": "8 h", "24": "24 h", "168": "7 days", "720": "30 days"}
GROUPS = {"reason": "By reason", "category": "By category"}
MEASURES = {"minutes": "Minutes", "stops": "Count"}
LINES = 20
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
        await self._refresh()
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
        now = self._desk.now()
        start = now // SECOND * SECOND - int(self._chosen["window"]) * HOUR
        found = await self._desk.ask(losses, now, start, now)
        page = await self._desk.ask(queries.stops, now, start=start, end=now, limit=self._limit)
        self._pareto.content = pareto(found, self._chosen["group"], self._chosen["measure"])
        self._list.show(page.items, now)
        self._none.set_visibility(not page.items)
        self._more.set_visibility(page.next is not None and self._limit < queries.LIMIT_MAX)
        self._choices.content = _choices(self._chosen)


def pareto(lost: Sequence[LossItem], group: str, measured: str) -> Markup:
    """The losses as bars, most first, with the share that they make up together."""
    grouped = sorted(_grouped(lost, group), key=lambda loss: -_measure(loss, measured))
    if not grouped:
        return empty("Nothing was down", "No machine had a stop in this window.")
    total = sum(_measure(loss, measured) for loss in grouped)
    most = _measure(grouped[0], measured)
    so_far, lines = 0.0, []
    for loss in grouped[:LINES]:
        so_far += _measure(loss, measured)
        lines.append(_line(loss, group, _measure(loss, measured) / (most or 1), so_far / (total or 1)))
    left = len(grouped) - LINES
    rest = (
        html('<p class="muted small" style="margin-top:10px">{} more reasons are not shown.</p>', left)
        if left > 0
        else ""
    )
    head = html(
        '<li class="pareto-head cap"><span>{}</span><span></span>{}</li>', GROUPS[group].removeprefix("By "),
        joined([html('<span class="r">{}</span>', each) for each in ("Time", "Stops", "Together")]),
    )  # fmt: skip
    return html('<ul class="pareto">{}{}</ul>{}', head, joined(lines), rest)


def _grouped(lost: Sequence[LossItem], group: str) -> list[LossItem]:
    if group == "reason":
        return list(lost)
    return [
        LossItem(
            category=each, reason="", duration_s=sum(loss.duration_s for loss in found), stops=sum(loss.stops for loss in found)
        )
        for each in ORDER
        if (found := [loss for loss in lost if loss.category == each])
    ]  # fmt: skip


def _measure(loss: LossItem, measured: str) -> float:
    return loss.duration_s if measured == "minutes" else float(loss.stops)


def _line(loss: LossItem, group: str, share: float, so_far: float) -> Markup:
    found = look(loss.category)
    if group == "category":
        name = chip(loss.category, WORDS[loss.category])
    else:
        shape = html('<span class="is-{}" title="{}">{}</span>', found.name, WORDS[loss.category], glyph(found.shape))
        name = html("{} {}", shape, loss.reason or _unnamed(loss))
    return html(
        '<li><span class="lab">{}</span><span class="lane is-{}"><i style="width:{:.1f}%"></i></span>'
        '<span class="r figure">{}</span><span class="r figure">{}</span><span class="r figure muted">{}{}%</span></li>',
        name, found.name, 100 * share, measure(number(loss.duration_s / 60, 1), "min"), number(loss.stops),
        number(100 * so_far, 1), NARROW,
    )  # fmt: skip


def _unnamed(loss: LossItem) -> Markup:
    return html('<span class="muted">{}, no reason given</span>', WORDS[loss.category].lower())


def _choices(chosen: dict[str, str]) -> Markup:
    groups = (("window", "Window", WINDOWS), ("group", "Grouping", GROUPS), ("measure", "Measure", MEASURES))
    return joined([segment(words, options, chosen[name], f"{name}=") for name, words, options in groups])
