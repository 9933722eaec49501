"""The log's tail: the newest events, as they are appended.

Rules: what `tailrace tail` says, newest first, without Tailrace's own clock; a burst shows its last LINES. Holding still keeps
what is on the screen.
"""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

import msgspec
from markupsafe import Markup
from nicegui import ui

from tailrace.app import compose
from tailrace.app.live import Told
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_page import empty, frame, link, markup
from tailrace.app.ui_text import Zone, html, joined
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import OWN, AnyEvent
from tailrace.schemas.record import Record

LINES = 80
RECORDS = 400
"""Records that are looked through for them."""

SAID_MAX = 400
"""Characters of an event that are shown."""

_HEAD = {"type", "machine", "t", "id", "clock", "seq", "ingested"}


class LogPage:
    """One open page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._reached = 0
        self._held = False
        self._events: deque[AnyEvent] = deque(maxlen=LINES)

    async def build(self) -> None:
        with frame(self._desk, "Log", "Log"):
            with ui.element("div").classes("head"):
                markup(
                    html(
                        "<h1>Log</h1><span class=muted>the newest {} events, times in {}</span>",
                        LINES,
                        self._desk.zone.name,
                    )
                )
                hold = html('<button class="plain btn" type="button">Hold still</button>')
                self._hold = markup(hold).classes("end").on("click", self._toggle)
            self._tail = markup(Markup("")).classes("card log")
        await self._refresh()
        self._desk.live(self._changed)

    async def _toggle(self) -> None:
        self._held = not self._held
        self._hold.content = html(
            '<button class="plain btn" type="button">{}</button>', "Go on" if self._held else "Hold still"
        )
        await self._refresh()

    async def _changed(self, batch: list[Told]) -> None:
        await self._refresh()

    async def _refresh(self) -> None:
        if self._held:
            return
        self._reached, found = await asyncio.to_thread(_newer, self._desk.served.directory, self._reached)
        self._events.extend(found)
        if not self._events:
            self._tail.content = empty(
                "Nothing is in the log yet", "What sources and people say shows up here as it is stored."
            )
        elif found or not self._tail.content:
            self._tail.content = joined(
                [_line(event, self._desk.zone, self._desk.now()) for event in reversed(self._events)]
            )


def _newer(directory: Path, after: int) -> tuple[int, list[AnyEvent]]:
    """The last position, and the newest events after `after`."""
    with compose.reading(directory) as log:
        end = log.end()
        found: deque[AnyEvent] = deque(maxlen=LINES)
        for record in log.read(max(after, end - RECORDS), RECORDS):
            if record.type != "clock.ticked" or record.source != OWN:
                found.extend(_said(record))
        return end, list(found)


def _said(record: Record) -> list[AnyEvent]:
    """The events of a record; none where it is of a newer release."""
    try:
        return list(codec.events_of(record))[-LINES:]
    except InvalidEvent:
        return []


def _line(event: AnyEvent, zone: Zone, now: int) -> Markup:
    said = msgspec.json.decode(codec.to_line(event), type=dict[str, msgspec.Raw])
    text = " ".join(_words(name, bytes(value)) for name, value in said.items() if name not in _HEAD)
    machine = html('<a href="{}">{}</a>', link(event.machine), event.machine) if event.machine else "–"
    local = zone.local(event.t)
    shown = f"{local:%H:%M:%S}" if local.date() == zone.local(now).date() else f"{local:%d %b %H:%M}"
    return html(
        '<p><time title="{} {}">{}</time><b>{}</b><span>{}</span><span class="said">{}</span></p>',
        zone.full(event.t), zone.name, shown, machine, codec.type_of(event), text[:SAID_MAX],
    )  # fmt: skip


def _words(name: str, value: bytes) -> str:
    """A field as name=value; of a mapping, each of its entries."""
    if not value.startswith(b"{"):
        return f"{name}={value.decode()}"
    return " ".join(
        _words(key, bytes(each)) for key, each in msgspec.json.decode(value, type=dict[str, msgspec.Raw]).items()
    )
