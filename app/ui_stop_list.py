"""A list of stops, newest first, each with what it was and a way to say so.

Rules: a row is an element of its own, so that one that changes does not disturb another under the pointer or the cursor.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from markupsafe import Markup
from nicegui import events, ui

from tailrace.app.ui_glyphs import chip
from tailrace.app.ui_page import link, markup
from tailrace.app.ui_script import ACT
from tailrace.app.ui_text import Zone, age, html, instant, length
from tailrace.schemas.answer import StopItem
from tailrace.schemas.instant import SECOND

WORDS = {
    "unplanned": "Unplanned",
    "setup": "Setup",
    "planned_stop": "Planned stop",
    "run": "It ran",
    "unknown": "Unknown",
}
"""What a person may say that a stop was."""


class StopList:
    """The rows of one open page. machines: name the machine of each. picked: called with the id of one to be explained."""

    def __init__(self, zone: Zone, picked: Callable[[str], Awaitable[None]], *, machines: bool = False) -> None:
        self._zone, self._machines, self._picked = zone, machines, picked
        self._list = ui.element("ul").classes("rows stops wide" if machines else "rows stops")
        self._list.on("click", self._act, js_handler=ACT)
        self._shown: dict[str, ui.html] = {}

    def show(self, items: list[StopItem], now: int) -> None:
        """These stops and no others."""
        if list(self._shown) != [item.id for item in items]:
            self._list.clear()
            with self._list:
                self._shown = {item.id: markup(Markup(""), "li").props(f'data-stop="{item.id}"') for item in items}
        for item in items:
            self._shown[item.id].content = _row(item, self._zone, now, self._machines)

    async def _act(self, event: events.GenericEventArguments) -> None:
        await self._picked(str(event.args))


def spent(item: StopItem, now: int) -> Markup:
    """How long a stop lasts, counted on while it is open."""
    if item.end is None:
        return age(instant(item.start), now)
    return html('<span class="num">{}</span>', length(round(item.duration_s * SECOND)))


def said(category: str, reason: str, by: str) -> Markup:
    """What a stop was, why, and who says so."""
    who = html("<small>{}</small>", by) if by else ""
    return html('<span class="said">{} {}{}</span>', chip(category, WORDS.get(category, category)), reason, who)


def _row(item: StopItem, zone: Zone, now: int, machines: bool) -> Markup:
    start = instant(item.start)
    given = bool(item.reason or item.by or item.revision > 1)
    machine = html('<a class="name" href="{}"><b>{}</b></a>', link(item.machine), item.machine) if machines else ""
    still = html(' <small class="trouble">still down</small>') if item.end is None else ""
    return html(
        '{}<span>{}</span><span>{}</span><span class="why">{}{}</span>'
        '<button class="plain btn act" type="button" data-act="{}" aria-label="{} of the stop of {} at {}">{}</button>',
        machine, zone.time(start, now), spent(item, now), said(item.category, item.reason, item.by), still,
        item.id, "Change the reason" if given else "Give the reason", item.machine, zone.short(start, now),
        "Change" if given else "Give a reason",
    )  # fmt: skip
