"""How an alarm looks: a badge on a tile, a row with its reason, a band of scores under the ribbon."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tailrace.app.ui_glyphs import BELL, glyph
from tailrace.app.ui_text import Zone, age, html, instant, joined, length, number
from tailrace.schemas.answer import AnomalyItem, ScoreItem
from tailrace.schemas.instant import MINUTE

SPAN = 5 * MINUTE
FULL = 4.0
"""The score that fills the band; higher ones fill it too."""

WORST = ("critical", "major", "warning")
CLEARED = {"calm": "calm again", "product": "another product", "learning": "learned anew"}


def badge(open_: Sequence[AnomalyItem]) -> Markup:
    """How many alarms a machine has, in the colour of the worst; nothing where there is none."""
    if not open_:
        return Markup("")
    worst = min((item.severity for item in open_), key=WORST.index)
    words = f"{len(open_)} open anomal{'y' if len(open_) == 1 else 'ies'}, worst: {worst}"
    return html(
        '<span class="badge {}" title="{}">{}{}<span class="sr"> {}</span></span>',
        worst,
        words,
        glyph(BELL),
        len(open_),
        words,
    )


def severity(item: AnomalyItem) -> Markup:
    """The severity in shape, colour and word."""
    return html('<span class="badge {}">{}{}</span>', item.severity, glyph(BELL), item.severity)


def lasts(item: AnomalyItem, now: int) -> Markup:
    """How long an alarm has lasted, or that it is over and why."""
    since = instant(item.detected)
    if item.cleared is None:
        return html("<b>open</b> for {}", age(since, now))
    why = CLEARED.get(item.cleared_by or "", item.cleared_by or "")
    return html('<span class="muted num">{}, {}</span>', length(instant(item.cleared) - since), why)


def why(item: AnomalyItem) -> Markup:
    """What stood out, feature by feature."""
    parts = item.explanation.split("; ") if item.explanation else ["no feature stands out by itself"]
    return joined([html("<div>{}</div>", part) for part in parts])


def alarm(item: AnomalyItem, zone: Zone, now: int) -> Markup:
    """A row of a machine's page."""
    below = html('<small class="muted num">score {} · {}</small>', number(item.score, 1), lasts(item, now))
    return html(
        '<li data-record="{}"><span>{}</span><span>{}</span><span class="why">{}{}</span></li>',
        item.record_id, zone.time(instant(item.detected), now), severity(item), why(item), below,
    )  # fmt: skip


def band(scores: Sequence[ScoreItem], start: int, end: int, zone: Zone) -> Markup:
    """The highest score of every five minutes, under the same time axis as the ribbon; the line is the threshold."""
    bars = []
    for score in scores:
        at = instant(score.start)
        left, right = max(at, start), min(at + SPAN, end)
        if left < right:
            words = (
                f"{zone.local(at):%H:%M}: highest score {number(score.max, 1)}, {score.unusual} of {score.n} unusual"
            )
            bars.append(html(
                '<i class="{}" style="left:{:.3f}%;width:{:.3f}%;height:{:.0f}%" title="{}"></i>',
                "over" if score.max >= 1 else "", 100 * (left - start) / (end - start), 100 * (right - left) / (end - start),
                max(3.0, 100 * min(score.max, FULL) / FULL), words,
            ))  # fmt: skip
    if not bars:
        return Markup("")
    return html(
        '<div class="band" role="img" aria-label="Anomaly scores"><u style="bottom:{:.0f}%"></u>{}</div>'
        '<p class="small muted">Anomaly score, the highest of 5 minutes; above the line a reading is unusual.</p>',
        100 / FULL, joined(bars),
    )  # fmt: skip
