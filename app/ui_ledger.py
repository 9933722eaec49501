"""What was known when: the figures of the page's window as they were known at a time, beside those of now, and what moved since.

Rules: it is `oee diff` (app/oee_diff.py) from the time that is asked to now: what moved adds up to the difference, and each of it
says who moved it and why. Below stand the latest lines of the window's ledger (app/oee_ledger.py), each with the figure before
and after it. A time is the plant's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup
from nicegui import ui

from tailrace.app.oee_diff import diff
from tailrace.app.oee_ledger import latest
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_figures import Shown
from tailrace.app.ui_page import empty, markup
from tailrace.app.ui_text import Zone, html, instant, joined, measure, no_value, number, percent
from tailrace.app.ui_waterfall import WORDS
from tailrace.schemas.errors import TailraceError
from tailrace.schemas.instant import HOUR, SECOND, format_instant

LINES = 10
"""Lines of the ledger that are shown."""

RATIOS = {
    "oee": "OEE", "availability": "Availability", "performance": "Performance", "quality": "Quality", "completeness": "Known",
}  # fmt: skip


class Ledger:
    """The card of one open page. shown: the window and the definition that the page shows."""

    def __init__(self, desk: Desk, machine: str, shown: Callable[[], tuple[Shown | None, str]]) -> None:
        self._desk, self._machine, self._shown = desk, machine, shown
        an_hour_ago = desk.zone.local(desk.now() - HOUR)
        with ui.element("div").classes("pager"):
            self._at = ui.input(f"Known at, {desk.zone.name}", value=f"{an_hour_ago:%Y-%m-%dT%H:%M:%S}")
            self._at.props("type=datetime-local step=1 outlined dense stack-label")
            ui.button("Compare with now", on_click=self._compare).props("flat no-caps")
        self._content = markup(Markup("")).props('role="status"')

    async def _compare(self) -> None:
        shown, definition = self._shown()
        try:
            local = datetime.fromisoformat(self._at.value or "").replace(tzinfo=self._desk.zone.zone)
        except ValueError:
            self._content.content = html('<p class="trouble">Expected a day and a time.</p>')
            return
        if shown is None:
            return
        known = (int(local.timestamp()) * SECOND, self._desk.now())
        asked = (self._desk.served.directory, self._machine, shown.start, shown.end, known, definition or None)
        try:
            found = await asyncio.to_thread(diff, *asked)
            lines = await asyncio.to_thread(latest, *asked[:4], definition or None, limit=LINES)
        except TailraceError as error:
            self._content.content = empty("It cannot be said", str(error))
            return
        self._content.content = ledger(found, known, self._desk.zone) + restated(lines, known[1], self._desk.zone)


def restated(lines: Sequence[Mapping[str, Any]], now: int, zone: Zone) -> Markup:
    """Who restated the window, when and why, and what the OEE was before and after; the newest first."""
    if not lines:
        return html('<p class="muted">Nothing restated this window.</p>')
    shown = joined([_line(each, now, zone) for each in reversed(lines)])
    return html('<h3>Restated by</h3><ul class="rows ledger">{}</ul>', shown)


def _line(each: Mapping[str, Any], now: int, zone: Zone) -> Markup:
    said = [each["reason"] or each["type"], f"by {each['by']}" if each["by"] else ""]
    return html(
        '<li data-restated="{}"><b class="num">{} → {}</b> {} <span class="muted small">{} minutes · {}</span></li>',
        each["cause"], _ratio(each["before"], "oee"), _ratio(each["after"], "oee"), " · ".join(part for part in said if part),
        each["minutes"], zone.time(instant(each["at"]), now, exact=True),
    )  # fmt: skip


def ledger(found: Mapping[str, Any], known: tuple[int, int], zone: Zone) -> Markup:
    """Before and after, and what moved."""
    before, after = found["before"], found["after"]
    rows = joined([_row(name, words, before, after) for name, words in RATIOS.items()])
    moved = joined([_moved(each, zone, known[1]) for each in found["moved"]])
    nothing = "" if found["moved"] else html('<p class="muted">No time of this window moved in between.</p>')
    return html(
        '<table class="list then" data-from="{}" data-to="{}" data-known="{} {}"><thead><tr><th>{}</th>'
        '<th class="r">Known then</th><th class="r">Now</th></tr></thead><tbody>{}</tbody></table>'
        '<ul class="rows moved">{}</ul>{}',
        after["from"], after["to"], format_instant(known[0]), format_instant(known[1]),
        zone.span(instant(after["from"]), instant(after["to"]), known[1]), rows, moved, nothing,
    )  # fmt: skip


def _row(name: str, words: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Markup:
    return html(
        '<tr data-ledger="{}"><td>{}</td><td class="r figure">{}</td><td class="r figure">{}</td></tr>',
        name, words, _ratio(before, name), _ratio(after, name),
    )  # fmt: skip


def _ratio(found: Mapping[str, Any], name: str) -> Markup:
    if found[name] is None:
        return html(
            '<span class="muted">{}</span>', "not scheduled" if name == "completeness" else no_value(found, name)
        )
    value: float = found[name]
    return measure(percent(min(value, 0.999) if name == "completeness" and value < 1 else value), "%")


def _moved(each: Mapping[str, Any], zone: Zone, now: int) -> Markup:
    one, other = (WORDS.get(each[name], each[name]) for name in ("from_category", "to_category"))
    said = [each["reason"], f"by {each['by']}" if each["by"] else "", each["type"]]
    if each["events"] > 1:
        said.append(f"{number(each['events'])} events")
    return html(
        '<li data-moved="{}"><b class="num">{}</b> {} → {} <span class="muted small">{} · {}</span></li>',
        each["seconds"], measure(number(each["seconds"] / 60, 1), "min"), one, other,
        " · ".join(part for part in said if part), zone.time(instant(each["at"]), now, exact=True),
    )  # fmt: skip
