"""What a state looks like: a word, a colour class and a shape for each category, so that colour alone says nothing.

Rules: shapes are 12 by 12 and take the colour of the text beside them; what is not known is hatched, never grey alone.
"""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from tailrace.app.ui_text import html


class Look(NamedTuple):
    """name: the class in the style sheet. word: how people say it. shape: SVG of 12 by 12."""

    name: str
    word: str
    shape: Markup


_RING = (
    '<circle cx="6" cy="6" r="4.6" fill="none" stroke="currentColor" stroke-width="1.8" stroke-dasharray="2.4 2.4"/>'
)
_PAUSE = '<rect x="2" y="1.5" width="3" height="9" rx="1"/><rect x="7" y="1.5" width="3" height="9" rx="1"/>'

CATEGORIES = {
    "run": Look("run", "Running", Markup('<path d="M2.5 1.2 11 6 2.5 10.8Z"/>')),
    "unplanned": Look("unplanned", "Down", Markup('<rect x="1.5" y="1.5" width="9" height="9" rx="1"/>')),
    "setup": Look("setup", "Setup", Markup('<path d="M6 .6 11.4 6 6 11.4.6 6Z"/>')),
    "planned_stop": Look("planned", "Planned stop", Markup(_PAUSE)),
    "unknown": Look("unknown", "Unknown", Markup(_RING)),
}
NO_DATA = Look("unknown", "No data", CATEGORIES["unknown"].shape)

ORDER = ("run", "unplanned", "setup", "planned_stop", "unknown")

BELL = Markup(
    '<path d="M6 1a3.4 3.4 0 0 0-3.4 3.4v2.4L1.4 9h9.2L9.4 6.8V4.4A3.4 3.4 0 0 0 6 1ZM4.7 9.8a1.3 1.3 0 0 0 2.6 0Z"/>'
)

FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0b5c7d"/>'
    '<path d="M4 12c4-5 8-5 12 0s8 5 12 0M4 21c4-5 8-5 12 0s8 5 12 0" fill="none" stroke="#fff" stroke-width="3.2" '
    'stroke-linecap="round"/></svg>'
)


def look(category: str | None) -> Look:
    """How a category looks; None: nothing was heard."""
    return NO_DATA if category is None else CATEGORIES.get(category, CATEGORIES["unknown"])


def glyph(shape: Markup, extra: str = "") -> Markup:
    """A shape, for the eye only."""
    return html('<svg class="glyph {}" viewBox="0 0 12 12" aria-hidden="true">{}</svg>', extra, shape)


def chip(category: str | None, word: str = "") -> Markup:
    """Shape and word of a category, in its colour."""
    found = look(category)
    return html('<span class="chip is-{}">{}{}</span>', found.name, glyph(found.shape), word or found.word)
