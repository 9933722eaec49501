"""The bar under the header while the fold is behind: figures are of what is folded so far, and this says how far that is."""

from __future__ import annotations

import asyncio

from markupsafe import Markup
from nicegui import ui

from tailrace.app.ui_desk import Desk
from tailrace.app.ui_text import html

LOOK_S = 0.5


def backlog(desk: Desk, into: ui.html) -> None:
    """Keeps an element up with the fold, as long as the page is open."""
    desk.while_open(_follow(desk, into))


async def _follow(desk: Desk, into: ui.html) -> None:
    while True:
        into.content = _bar(desk.served.status()["catching_up"])
        into.set_visibility(bool(into.content))
        await asyncio.sleep(LOOK_S)


def _bar(share: float | None) -> Markup:
    if share is None:
        return Markup("")
    percent = int(100 * share)
    return html(
        '<div class="backlog-in"><span>Working history out: <b class="num">{} %</b></span>'
        '<span class="backlog-track" role="progressbar" aria-label="History that is worked out" aria-valuenow="{}">'
        '<i style="width:{}%"></i></span><span class="muted">figures are of what is done so far</span></div>',
        percent, percent, percent,
    )  # fmt: skip
