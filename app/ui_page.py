"""The frame of every page: title, navigation, the plant's clock, light and dark; and the pages that say what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import quote

from markupsafe import Markup
from nicegui import ui
from nicegui.context import context

from tailrace.app.ui_backlog import backlog
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_glyphs import FAVICON
from tailrace.app.ui_script import SCRIPT
from tailrace.app.ui_style import FRAME, TOKENS
from tailrace.app.ui_style_figures import FIGURES
from tailrace.app.ui_style_parts import LISTS, MACHINE, TILES
from tailrace.app.ui_text import html, joined

PAGES = {
    "Floor": "/", "Signals": "/signals", "Stops": "/stops", "Anomalies": "/anomalies", "Sources": "/sources", "Log": "/log",
}  # fmt: skip

DEFINITION = "by:"
"""Stands before a definition in what a click of its button says."""

_MOON = Markup(
    '<svg viewBox="0 0 24 24" aria-hidden="true">'
    '<path d="M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5Z" stroke-linejoin="round"/></svg>'
)


def dress() -> None:
    """Puts style and script into every page; once a process."""
    ui.add_head_html(f"<style>{TOKENS}{FRAME}{TILES}{MACHINE}{LISTS}{FIGURES}</style>", shared=True)
    ui.add_head_html(
        f"<script>{SCRIPT}</script>"
        "<script>(t => document.documentElement.classList.toggle('early-dark', t ? t === 'dark' : "
        "matchMedia('(prefers-color-scheme: dark)').matches))(localStorage.getItem('tailrace-theme'))</script>",
        shared=True,
    )


@contextmanager
def frame(desk: Desk, title: str, here: str = "") -> Iterator[None]:
    """A page; what is made inside is its content. `here`: the entry of the navigation it belongs to."""
    context.client.title = f"{title} · Tailrace"
    now = desk.now() // 1_000_000
    ui.add_head_html(
        f"<script>document.addEventListener('DOMContentLoaded', () => {{ tailrace.themed(); tailrace.started({now}); }})</script>"
    )
    markup(_bar(desk, here), "header").classes("bar")
    backlog(desk, markup(Markup("")).classes("backlog"))
    with ui.element("div").classes("page").props('id="main" tabindex="-1"'):
        yield


def markup(content: Markup, tag: str = "div") -> ui.html:
    """An element of HTML that is safe by construction (app/ui_text.py)."""
    return ui.html(content, sanitize=False, tag=tag)


def heading(title: str, beside: Markup | str = "") -> None:
    """The title of a page."""
    markup(html("<h1>{}</h1>{}", title, beside)).classes("head")


def link(machine: str, definition: str = "") -> str:
    """The address of a machine's page; definition: by which it is judged there, "" = its own."""
    return f"/machine/{quote(machine, safe='')}{judged(definition)}"


def judged(definition: str) -> str:
    """The end of an address that says by which definition figures are judged; "" = by its own each."""
    return f"?by={quote(definition, safe='')}" if definition else ""


def empty(title: str, words: Markup | str, links: Sequence[tuple[str, str]] = ()) -> Markup:
    """Says that there is nothing, why, and what to do."""
    buttons = joined([html('<a class="btn" href="{}">{}</a>', to, name) for name, to in links])
    below = html('<div class="links">{}</div>', buttons) if links else ""
    return html('<div class="empty"><h2>{}</h2><p>{}</p>{}</div>', title, words, below)


def segment(words: str, options: Mapping[str, str], chosen: str, prefix: str = "") -> Markup:
    """A choice of one, as buttons side by side; each acts as prefix and value (app/ui_script.py)."""
    buttons = [
        html(
            '<button class="plain" type="button" data-act="{}{}" aria-pressed="{}">{}</button>',
            prefix, value, "true" if value == chosen else "false", text,
        )
        for value, text in options.items()
    ]  # fmt: skip
    return html('<div class="seg" role="group" aria-label="{}">{}</div>', words, joined(buttons))


def table(names: Sequence[str], lines: Markup, numbers: int = 0) -> Markup:
    """A table whose last columns are numbers; on a phone each line is a block."""
    first = len(names) - numbers
    head = joined([html('<th class="{}">{}</th>', "r" if at >= first else "", name) for at, name in enumerate(names)])
    return html('<table class="list stacked"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', head, lines)


def no_machines() -> Markup:
    """A plant without data."""
    words = Markup(
        "Nothing has come in yet. Name a source in <code>plant.yaml</code> (<code>tailrace validate plant.yaml</code> "
        "checks it), or bring history in with <code>tailrace import FILE</code>. This page fills by itself."
    )
    return empty("No machine has said anything yet", words, [("How are the sources?", "/sources")])


def _bar(desk: Desk, here: str) -> Markup:
    entries = [
        html('<a href="{}"{}>{}</a>', path, Markup(' aria-current="page"') if name == here else "", name)
        for name, path in PAGES.items()
    ]
    clock = html('<b class="num" data-clock="{}">{}</b>', desk.zone.name, desk.zone.clock(desk.now()))
    theme = html(
        '<button class="plain icon" type="button" onclick="tailrace.theme()" aria-label="Light or dark" title="Light or dark">'
        "{}</button>", _MOON,
    )  # fmt: skip
    return html(
        '<a class="skip" href="#main">Skip to content</a><div class="bar-in">'
        '<a class="brand" href="/">{}Tailrace<span>{}</span></a><nav class="nav" aria-label="Pages">{}</nav>'
        '<div class="bar-end">{}<span class="zone">{}</span>{}</div></div>',
        Markup(FAVICON), desk.site.name, joined(entries), clock, desk.zone.name, theme,
    )  # fmt: skip
