"""All anomalies, newest first: what was unusual, where, since when, and why."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from nicegui import events, ui

from tailrace.app.live import Told
from tailrace.app.ui_alarms import lasts, severity, why
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_page import empty, frame, link, markup, segment, table
from tailrace.app.ui_script import ACT
from tailrace.app.ui_text import Zone, html, instant, joined, number
from tailrace.projections import queries
from tailrace.schemas.answer import AnomalyItem

STEP = 50
CHOICES = {"all": "All", "open": "Open"}
COLUMNS = ("DetectionTime", "Machine", "Severity", "Why", "State", "RecordID", "AnomalyScore")


class AnomaliesPage:
    """One open page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._chosen, self._limit = "all", STEP

    async def build(self) -> None:
        with frame(self._desk, "Anomalies", "Anomalies"):
            with ui.element("div").classes("head"):
                markup(html("<h1>Anomalies</h1>"))
                self._choice = markup(Markup("")).classes("end").on("click", self._choose, js_handler=ACT)
            with ui.element("section").classes("card"):
                self._table = markup(Markup(""))
                self._more = markup(html('<button class="plain btn" type="button">Show more</button>')).classes("more")
                self._more.on("click", self._show_more)
        await self._refresh()
        self._desk.live(self._changed)

    async def _choose(self, event: events.GenericEventArguments) -> None:
        self._chosen, self._limit = str(event.args), STEP
        await self._refresh()

    async def _show_more(self) -> None:
        self._limit = min(self._limit + STEP, queries.LIMIT_MAX)
        await self._refresh()

    async def _changed(self, batch: list[Told]) -> None:
        if any(name == "anomaly" for name, _ in batch):
            await self._refresh()

    async def _refresh(self) -> None:
        page = await self._desk.ask(queries.anomalies, open_only=self._chosen == "open", limit=self._limit)
        self._choice.content = segment("Which", CHOICES, self._chosen)
        self._table.content = anomalies(page.items, self._desk.zone, self._desk.now(), self._chosen)
        self._more.set_visibility(page.next is not None and self._limit < queries.LIMIT_MAX)


def anomalies(items: Sequence[AnomalyItem], zone: Zone, now: int, chosen: str) -> Markup:
    """The table; where there is nothing, why that may be."""
    if not items and chosen == "open":
        return empty("No open anomaly", "All machines are as they usually are.")
    if not items:
        return empty("No anomaly so far", "A machine is watched once 400 of its readings have shown what is usual.")
    return table(COLUMNS, joined([_row(item, zone, now) for item in items]), numbers=1)


def _row(item: AnomalyItem, zone: Zone, now: int) -> Markup:
    return html(
        '<tr data-record="{}"><td>{}</td><td><a href="{}"><b>{}</b></a></td><td>{}</td><td class="whole">{}</td><td>{}</td>'
        '<td class="mono id" data-label="RecordID">{}</td><td class="r figure" data-label="AnomalyScore">{}</td></tr>',
        item.record_id, zone.time(instant(item.detected), now, exact=True), link(item.machine), item.machine, severity(item),
        why(item), lasts(item, now), item.record_id, number(item.score, 2),
    )  # fmt: skip
