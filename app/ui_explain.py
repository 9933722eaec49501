"""What a figure is made of: its formula with the numbers, the stretches of time behind it, and the raw events behind a stretch.

Rules: what is listed is what `explain oee` says (app/explain.py), which adds up to the figures or says that it does not; a part
of the waterfall lists its own stretches. Lists come in pages, newest last, and fit a phone.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from markupsafe import Markup
from nicegui import events, ui

from tailrace.app.explain import explain_oee
from tailrace.app.raw_events import RawItem, raw_events
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_figures import Shown
from tailrace.app.ui_page import empty, markup
from tailrace.app.ui_script import ACT
from tailrace.app.ui_text import Zone, html, instant, joined, length, measure, number, percent
from tailrace.app.ui_waterfall import WORDS
from tailrace.schemas.errors import TailraceError
from tailrace.schemas.instant import SECOND

PAGE = 12
EVENTS = 12

_BUSY = ("setup", "breakdown", "unknown", "microstop", "run")
MADE_OF = {
    "availability": _BUSY, "performance": ("microstop", "run"), "quality": (), "oee": _BUSY, "pbt": _BUSY,
    "operating": ("microstop", "run"), "speed_loss": ("run",), "quality_loss": (), "valuable": ("run",),
    "calendar": ("run", "microstop", "breakdown", "setup", "unknown", "planned_stop", "excluded", "not_scheduled"),
}  # fmt: skip
"""The buckets whose stretches a figure is made of; another name is a bucket itself."""

COUNTED = ("performance", "quality", "oee", "speed_loss", "quality_loss", "valuable")
"""Figures that parts have a say in."""

NEXT, BACK, WHOLE = "next", "back", "whole"


class Explain:
    """The dialog of one open page."""

    def __init__(self, desk: Desk, machine: str) -> None:
        self._desk, self._machine = desk, machine
        self._found: dict[str, Any] = {}
        self._time: list[dict[str, Any]] = []
        self._name, self._page = "", 0
        self._cursors: list[int] = [0]
        self._stretch: dict[str, Any] | None = None
        with ui.dialog() as self._dialog, ui.card().classes("dialog wide"):
            self._content = markup(Markup("")).on("click", self._act, js_handler=ACT)
            with ui.row().style("justify-content: flex-end"):
                ui.button("Close", on_click=self._dialog.close).props("flat no-caps")

    async def open(self, name: str, shown: Shown, definition: str) -> None:
        """Opens on a figure, or a part of the waterfall, of a window, under a definition or the machine's own."""
        self._name, self._page, self._stretch = name, 0, None
        self._content.content = html('<p class="muted">Working it out…</p>')
        self._dialog.open()
        try:
            self._found = await asyncio.to_thread(
                explain_oee, self._desk.served.directory, self._machine, shown.start, shown.end, definition or None
            )
        except TailraceError as error:
            self._content.content = empty("It cannot be explained now", str(error))
            return
        wanted = MADE_OF.get(name, (name,))
        self._time = [each for each in self._found["time"] if each["bucket"] in wanted]
        self._draw()

    async def _act(self, event: events.GenericEventArguments) -> None:
        what, _, value = str(event.args).partition(":")
        if what == "stretch":
            self._stretch, self._cursors = self._time[int(value)], [0]
        elif what == WHOLE:
            self._stretch = None
        elif self._stretch is None:
            self._page += 1 if what == NEXT else -1
        elif what == NEXT:
            self._cursors.append(int(value))
        else:
            self._cursors.pop()
        if self._stretch is None:
            self._draw()
        else:
            await self._raw(self._stretch)

    def _draw(self) -> None:
        zone, now = self._desk.zone, instant(self._found["to"])
        total = sum(each["seconds"] for each in self._time)
        lo = self._page * PAGE
        rows = [_stretch(at, each, zone, now) for at, each in enumerate(self._time[lo : lo + PAGE], lo)]
        head = html(
            '<h2 style="font-size:18px">{} of {}</h2><p class="muted num">{} {}</p>{}',
            TITLES.get(self._name) or WORDS.get(self._name, self._name), self._machine,
            zone.span(instant(self._found["from"]), now, now), zone.name, _formula(self._found, self._name),
        )  # fmt: skip
        time = html(
            '<h3 class="muted" style="margin:12px 0 6px" data-stretches="{}">{} {} of time, {} together</h3>'
            '<ul class="rows made-of">{}</ul>{}',
            total, len(self._time), "stretch" if len(self._time) == 1 else "stretches",
            measure(number(total / 60, 1), "min"), joined(rows),
            pager(lo, len(rows), len(self._time), str(self._page + 1)),
        ) if MADE_OF.get(self._name, (self._name,)) else ""  # fmt: skip
        parts = _parts(self._found["parts"]) if self._name in COUNTED else ""
        self._content.content = html("{}{}{}", head, parts, time)

    async def _raw(self, stretch: dict[str, Any]) -> None:
        start, end = instant(stretch["from"]), instant(stretch["to"])
        try:
            found, after = await asyncio.to_thread(
                raw_events,
                self._desk.served.directory,
                self._machine,
                start,
                end,
                cursor=self._cursors[-1],
                limit=EVENTS,
            )
        except TailraceError as error:
            self._content.content = empty("The events cannot be read now", str(error))
            return
        zone = self._desk.zone
        rows = joined([_event(each, zone, end) for each in found])
        nothing = (
            "" if found else html('<p class="muted">No event of the machine lies in it: what it said before holds.</p>')
        )
        back = (
            html('<button class="plain btn" data-act="{}" type="button">Earlier</button>', BACK)
            if len(self._cursors) > 1
            else ""
        )
        more = (
            html('<button class="plain btn" data-act="{}:{}" type="button">Later</button>', NEXT, after)
            if after is not None
            else ""
        )
        self._content.content = html(
            '<div class="pager"><button class="plain btn" data-act="{}" type="button">Back to the stretches</button></div>'
            '<h2 style="font-size:18px;margin-top:12px">Events of {}</h2><p class="muted num">{} to {} {} · {} · {}</p>'
            '<ul class="rows raw" style="margin-top:10px">{}</ul>{}<div class="pager">{}{}</div>',
            WHOLE, self._machine, zone.short(start, end, exact=True), zone.short(end, end, exact=True), zone.name,
            length(end - start), stretch["state"] or "no state", rows, nothing, back, more,
        )  # fmt: skip


TITLES = {"oee": "OEE", "availability": "Availability", "performance": "Performance", "quality": "Quality"}


def pager(first: int, shown: int, total: int, page: str) -> Markup:
    """Earlier and later, and which are on the page; nothing where all are."""
    if shown == total:
        return Markup("")
    back = html('<button class="plain btn" data-act="{}:" type="button">Earlier</button>', BACK) if first else ""
    more = (
        html('<button class="plain btn" data-act="{}:{}" type="button">Later</button>', NEXT, page)
        if first + shown < total
        else ""
    )
    said = html('<span class="muted small">{} to {} of {}</span>', first + 1, first + shown, total)
    return html('<div class="pager">{}{}{}</div>', back, more, said)


def _formula(found: dict[str, Any], name: str) -> Markup:
    """The formula of a ratio with its numbers; of a part of the waterfall how much it is."""
    each = next((one for one in found["formulas"] if one["name"] == name), None)
    if each is None:
        value = found["figures"].get(name)
        amount = measure(number(value / 60, 1), "min") if value is not None else "no ideal cycle"
        return html('<p class="formula" data-explained="{}">{}</p>', "" if value is None else value, amount)
    unit, scale = ("min", 60.0) if "above_s" in each else ("parts", 1.0)
    above, below = (each.get(f"{part}_s", each.get(part)) for part in ("above", "below"))
    numbers = [
        ("–" if one is None else measure(number(one / scale, 1 if unit == "min" else None), unit))
        for one in (above, below)
    ]
    value = each["value"]
    result = "no value" if value is None else measure(percent(value), "%")
    return html(
        '<p class="formula" data-explained="{}">{} = {} ÷ {} = <b>{}</b></p>', "" if value is None else value, each["formula"],
        *numbers, result,
    )  # fmt: skip


def _parts(parts: list[dict[str, Any]]) -> Markup:
    return html(
        '<h3 class="muted" style="margin:12px 0 6px">Parts</h3><ul>{}</ul>', joined([_part(each) for each in parts])
    )


def _part(each: dict[str, Any]) -> Markup:
    cycles = ", ".join(f"{number(cycle)} s" for cycle in each["ideal_cycle_s"])
    return html(
        '<li><b>{}</b> <span class="num">{} good, {} reject, {} rework</span> <span class="muted small">{}</span></li>',
        each["product"] or "no product", *(number(each[name]) for name in ("good", "reject", "rework")),
        f"ideal cycle {cycles}" if cycles else "no ideal cycle",
    )  # fmt: skip


def _stretch(at: int, each: dict[str, Any], zone: Zone, now: int) -> Markup:
    start = instant(each["from"])
    name = WORDS.get(each["bucket"], each["bucket"])
    state = "" if each["state"].lower() == name.lower() else each["state"]
    said = (state, each["reason"], each["by"], _SCHEDULE[each["schedule"]])
    begins = zone.short(start, now, exact=True)
    return html(
        '<li><span class="num">{}</span><span class="num">{}</span><span class="why">{} '
        '<span class="muted small">{}</span></span><button class="plain btn act" type="button" data-act="stretch:{}" '
        'aria-label="Events of the stretch at {}">Events</button></li>',
        begins, length(instant(each["to"]) - start), name,
        " · ".join(part for part in said if part), at, begins,
    )  # fmt: skip


_SCHEDULE = {"shift": "", "planned": "planned stop of the calendar", "off": "outside of every shift"}


def _event(each: RawItem, zone: Zone, now: int) -> Markup:
    said = _said(each)
    late = instant(each.ingested) - instant(each.t)
    came = f"came in {length(late)} later" if late >= SECOND else "came in at once"
    return html(
        '<li data-position="{}"><span class="num">{}</span><b>{}</b><span class="why">{}'
        "<small>{} · session {} · seq {} · position {} · {} · {}</small></span></li>",
        each.position, zone.short(instant(each.t), now, exact=True), each.type, said, each.source or "no source",
        each.session or "–", each.seq, each.position, came, each.quality,
    )  # fmt: skip


def _said(each: RawItem) -> str:
    """What a record says; of readings, of what they are."""
    if each.type == "telemetry":
        return f"{each.n} {'reading' if each.n == 1 else 'readings'} of {', '.join(each.said['of'])}"
    return " ".join(f"{name}={msgspec.json.encode(value).decode()}" for name, value in each.said.items())
