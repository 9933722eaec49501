"""Sources: whether they hear their machines, what became of what they sent, and what could not be taken.

Rules: received = appended + duplicate + quarantined, in events, as `tailrace status` says it. A source that is declared and has
said nothing is shown as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from nicegui import ui

from tailrace.app.live import Told
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_glyphs import CATEGORIES, glyph
from tailrace.app.ui_page import empty, frame, markup, table
from tailrace.app.ui_text import Zone, age, html, instant, joined, number
from tailrace.projections import queries
from tailrace.schemas.answer import QuarantineItem

LOOK_S = 1.0
"""How often health is looked at; counts follow the log, no more often than this."""

COUNTS = ("received", "appended", "duplicate", "quarantined")


class SourcesPage:
    """One open page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._moved = True

    async def build(self) -> None:
        with frame(self._desk, "Sources", "Sources"):
            with ui.element("div").classes("head"):
                markup(html("<h1>Sources</h1>"))
                self._sum = markup(Markup("")).classes("end muted")
            with ui.element("div").classes("stack"):
                self._troubles = markup(Markup("")).classes("card")
                self._table = markup(Markup("")).classes("card")
                self._quarantine = markup(Markup("")).classes("card")
        await self._refresh()
        self._desk.live(self._changed)
        self._desk.while_open(self._look())

    async def _changed(self, batch: list[Told]) -> None:
        self._moved = True

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._refresh()

    async def _refresh(self) -> None:
        up, now, zone = self._desk.served.status(), self._desk.now(), self._desk.zone
        if self._moved:
            self._moved = False
            self._account = await asyncio.to_thread(_account, self._desk)
            quarantined = (await self._desk.ask(queries.quarantined, limit=50)).items
            self._quarantine.content = _quarantine(quarantined, zone, now)
        events, records = self._account["log"]["events"], self._account["log"]["records"]
        self._sum.content = html(
            "<span class=num>{} events in {} records</span>, sources counted in events", number(events), number(records)
        )
        self._table.content = _sources(self._account, up["sources"], now)
        self._troubles.content = _troubles(up["troubles"])
        self._troubles.set_visibility(bool(up["troubles"]))


def _account(desk: Desk) -> dict[str, Any]:
    from tailrace.app.cli_status import account  # noqa: PLC0415  the command and this page show the same

    return account(desk.served.directory)


def _sources(account: Mapping[str, Any], live: Sequence[Mapping[str, Any]], now: int) -> Markup:
    healths = {each["source"]: each for each in live}
    counted = {each["source"]: each for each in account["sources"]}
    names = sorted({*healths, *counted, *account["idle"]})
    if not names:
        words = "Name one in <code>plant.yaml</code>, or bring history in with <code>tailrace import FILE</code>."
        return empty("No source", Markup(words))
    lines = joined([_source(name, healths.get(name), counted.get(name), now) for name in names])
    return table(("Source", "Health", *(name.capitalize() for name in COUNTS)), lines, numbers=len(COUNTS))


def _source(name: str, health: Mapping[str, Any] | None, counts: Mapping[str, Any] | None, now: int) -> Markup:
    cells = joined([_count(each, counts) for each in COUNTS])
    return html(
        '<tr data-source="{}"><td class="whole"><b>{}</b></td><td class="whole">{}</td>{}</tr>',
        name, name, _health(health, now), cells,
    )  # fmt: skip


def _count(name: str, counts: Mapping[str, Any] | None) -> Markup:
    """A count of a source; one that has said nothing is idle, which is not 0."""
    text = number(counts[name]) if counts else "idle" if name == "received" else ""
    kind = " trouble" if name == "quarantined" and counts and counts[name] else ""
    return html('<td class="r figure{}" data-label="{}">{}</td>', kind, name.capitalize(), text)


def _health(health: Mapping[str, Any] | None, now: int) -> Markup:
    if health is None:
        return html('<span class="muted">not live: imported, or written by hand</span>')
    look = CATEGORIES["run" if health["connected"] else "unplanned"]
    words = "connected" if health["connected"] else "not connected"
    once = (
        html('<br><span class="muted small">no identity of its own: a repeat counts again</span>')
        if health["at_least_once"]
        else ""
    )
    detail = html('<br><span class="muted small">{}</span>', health["detail"]) if health["detail"] else ""
    return html(
        '<span class="chip is-{}">{}{}</span> <span class="muted">for {}</span>{}{}',
        look.name, glyph(look.shape), words, age(instant(health["since"]), now), detail, once,
    )  # fmt: skip


def _troubles(troubles: Mapping[str, str]) -> Markup:
    lines = joined([html("<li><b>{}</b>: {}</li>", what, words) for what, words in troubles.items()])
    return html(
        '<div class="card-head"><h2 class="trouble">Something is wrong; it is tried again</h2></div><ul>{}</ul>', lines
    )


def _quarantine(items: Sequence[QuarantineItem], zone: Zone, now: int) -> Markup:
    words = "what could not be taken, newest first; it is kept with its bytes"
    head = html('<div class="card-head"><h2>Quarantine</h2><span class="muted small">{}</span></div>', words)
    if not items:
        return html("{}{}", head, empty("Nothing is in quarantine", "Everything that came could be taken."))
    lines = joined([
        html(
            '<tr><td>{}</td><td>{}</td><td class="mono">{}</td><td class="whole">{}</td></tr>',
            zone.time(instant(item.t), now), item.source, item.where, item.reason,
        )
        for item in items
    ])  # fmt: skip
    return html("{}{}", head, table(("Time", "Source", "Where", "Why"), lines))
