"""The ribbon: what a machine did in a window, as a band of time; hatched where nobody knows.

Rules: a stretch is cut at the window's edges in the picture and whole in its words. What no stretch covers is unknown. The sums
below the band are of the window and add up to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from tailrace.app.ui_glyphs import ORDER, chip, look
from tailrace.app.ui_text import Zone, html, instant, joined, length
from tailrace.schemas.answer import IntervalItem
from tailrace.schemas.instant import HOUR


class Stretch(NamedTuple):
    """[start, end) in ns, cut at the window."""

    start: int
    end: int
    category: str
    state: str
    whole: tuple[int, int | None]


def stretches(items: Sequence[IntervalItem], start: int, end: int) -> Iterator[Stretch]:
    """The window from edge to edge, in order; gaps are unknown."""
    at = start
    for item in items:
        a, b = instant(item.start), instant(item.end) if item.end else None
        begins, ends = max(a, at), end if b is None else min(b, end)
        if begins >= ends:
            continue
        if at < begins:
            yield Stretch(at, begins, "unknown", "", (at, begins))
        yield Stretch(begins, ends, item.category, item.why or item.state, (a, b))
        at = ends
    if at < end:
        yield Stretch(at, end, "unknown", "", (at, end))


def ribbon(items: Sequence[IntervalItem], start: int, end: int, zone: Zone) -> Markup:
    """Band, axis and sums."""
    found = list(stretches(items, start, end))
    totals = {category: sum(s.end - s.start for s in found if s.category == category) for category in ORDER}
    said = [f"{look(category).word.lower()} {length(ns)}" for category, ns in totals.items() if ns]
    sums = [
        html("<span>{} <b class=num>{}</b></span>", chip(category), length(ns)) for category, ns in totals.items() if ns
    ]
    return html(
        '<div class="ribbon" role="img" aria-label="{}">{}</div><div class="axis" aria-hidden="true">{}</div>'
        '<div class="legend">{}</div>',
        f"From {zone.short(start, end)} to {zone.short(end, end)}: {', '.join(said)}",
        joined([_band(stretch, start, end, zone) for stretch in found]), _axis(start, end, zone), joined(sums),
    )  # fmt: skip


def _band(stretch: Stretch, start: int, end: int, zone: Zone) -> Markup:
    found = look(stretch.category)
    a, b = stretch.whole
    until = f"{zone.short(b, end)}, {length(b - a)}" if b is not None else f"now, {length(end - a)}"
    words = " · ".join(part for part in (found.word, stretch.state, f"{zone.short(a, end)} to {until}") if part)
    return html(
        '<i class="fill is-{}" style="left:{:.3f}%;width:{:.3f}%" title="{}"></i>',
        found.name, 100 * (stretch.start - start) / (end - start), 100 * (stretch.end - stretch.start) / (end - start), words,
    )  # fmt: skip


def _axis(start: int, end: int, zone: Zone) -> Markup:
    """Whole hours of the plant's clock; every third one in a long window."""
    step = HOUR if end - start <= 10 * HOUR else 3 * HOUR
    first = -(-start // HOUR) * HOUR
    marks = [t for t in range(first, end, HOUR) if step == HOUR or zone.local(t).hour % 3 == 0]
    return joined([
        html('<span style="left:{:.2f}%">{}</span>', 100 * (t - start) / (end - start), f"{zone.local(t):%H:%M}")
        for t in marks
        if (end - start) * 0.02 < t - start < (end - start) * 0.98
    ])  # fmt: skip
