"""One window under every definition: the ratios side by side, where the time goes under each, and what each does differently.

Rules: the figures are those of `oee compare` (app/oee_query.py). A bar is all of the time of the window; with a gain, or without
an ideal cycle, running time is not taken apart. What a definition does is said against the built-in defaults, and in full where
it does nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tailrace.app.oee_definition import judged_by
from tailrace.app.oee_query import asked, compare
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_figures import Shown
from tailrace.app.ui_page import empty, markup
from tailrace.app.ui_text import Zone, html, joined, length, measure, no_value, number, percent
from tailrace.schemas.errors import TailraceError
from tailrace.schemas.event import Policy

RATIOS = {"oee": "OEE", "availability": "A", "performance": "P", "quality": "Q", "completeness": "Known"}

BUCKETS = {
    "valuable": "Valuable", "run": "Running", "quality_loss": "Quality loss", "speed_loss": "Speed loss",
    "microstop": "Microstops", "breakdown": "Breakdowns", "setup": "Setup", "unknown": "Unknown",
    "planned_stop": "Planned stops", "excluded": "Excluded", "not_scheduled": "Not scheduled",
}  # fmt: skip
"""Parts of a bar, in order."""

_SAYS: dict[tuple[str, Any], str] = {
    ("base", "total"): "all of the time is judged, not planned busy time alone",
    ("setup", "exclude"): "setup is left out instead of being a loss",
    ("planned", "loss"): "planned stops are a loss",
    ("unknown", "exclude"): "what nobody saw is left out instead of being a loss",
    ("run_through", "include"): "running outside of shifts and in planned stops counts",
    ("offplan_counts", "include"): "parts made outside of planned time count",
    ("rework", "good"): "a reworked part counts as good",
}
"""What a field of a policy means where it is not the default."""


class Compare:
    """The card of one open page. It is worked out when it is asked for, and then as often as there are new figures."""

    def __init__(self, desk: Desk, machine: str) -> None:
        self._desk, self._machine = desk, machine
        self._wanted = asyncio.Event()
        self._shown: Shown | None = None
        self._open = False
        self._content = markup(html('<button class="plain btn" type="button">Compare definitions</button>'))
        self._content.on("click", self._begin)

    def take(self, shown: Shown) -> None:
        """The window that the page shows now."""
        self._shown = shown
        if self._open:
            self._wanted.set()

    async def run(self) -> None:
        """As long as the page is open."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self._shown is not None:
                await self._work_out(self._shown)

    def _begin(self) -> None:
        if not self._open:
            self._open = True
            self._content.content = html('<p class="muted">Working it out…</p>')
            self._wanted.set()

    async def _work_out(self, shown: Shown) -> None:
        names = await self._desk.definitions(self._machine)
        directory = self._desk.served.directory
        try:
            found = await asyncio.to_thread(compare, directory, self._machine, shown.start, shown.end, names)
            said = await asyncio.to_thread(policies, directory, self._machine, names)
        except TailraceError as error:
            self._content.content = empty("It cannot be compared now", str(error))
            return
        self._content.content = compared(names, found, said, self._desk.zone, shown)


def policies(directory: Path, machine: str, definitions: Sequence[str]) -> list[Policy]:
    """What each definition says, as the machine is judged by it now."""
    with asked(directory, machine) as (*_, facts):
        return [judged_by(facts, each).head.plan.in_use()[-1][3] for each in definitions]


def words(policy: Policy) -> str:
    """What a definition does, in a sentence."""
    return "; ".join(_differences(policy)) + "."


def _differences(policy: Policy) -> Iterator[str]:
    short = int(policy.microstop_s)
    yield (
        f"a stop shorter than {length(short)} costs speed"
        if short
        else "every stop is lost availability, however short"
    )
    found = [text for (field, value), text in _SAYS.items() if getattr(policy, field) == value]
    yield from found or [
        "setup and what nobody saw are losses, planned stops are left out, reworked parts are not good"
    ]
    if policy.state_map:
        yield "state words mean: " + ", ".join(f"{word} is {category}" for word, category in policy.state_map.items())


def compared(
    names: Sequence[str], found: Sequence[Mapping[str, Any]], said: Sequence[Policy], zone: Zone, shown: Shown
) -> Markup:
    """The table."""
    head = joined([html('<span class="r">{}</span>', word) for word in RATIOS.values()])
    lines = joined([_line(*each) for each in zip(names, found, said, strict=True)])
    there = dict.fromkeys(name for each in found for name, _ in _parts(each))
    legend = joined([_swatch(name) for name in BUCKETS if name in there])
    return html(
        '<p class="muted small">{} {}</p><div class="compared" data-from="{}" data-to="{}"><div class="head-row">'
        '<span class="name">Definition</span>{}<span class="time">Where all of the time goes</span></div>{}</div>'
        '<div class="legend">{}</div>',
        zone.span(shown.start, shown.end, shown.end), zone.name, found[0]["from"], found[0]["to"], head, lines, legend,
    )  # fmt: skip


def _swatch(name: str) -> Markup:
    return html('<span><i class="swatch b-{}{}"></i>{}</span>', name, _fill(name), BUCKETS[name])


def _line(name: str, found: Mapping[str, Any], policy: Policy) -> Markup:
    ratios = joined([_ratio(found, each) for each in RATIOS])
    parts = list(_parts(found))
    told = ", ".join(f"{BUCKETS[part]} {_minutes(value)} min" for part, value in parts)
    bar = joined([
        html(
            '<i class="b-{}{}" style="width:{:.3f}%" data-part="{}" data-seconds="{}" title="{} {} min"></i>',
            part, _fill(part), 100 * value / found["calendar"], part, value, BUCKETS[part], _minutes(value),
        )
        for part, value in parts
    ])  # fmt: skip
    return html(
        '<div data-compared="{}"><b class="name">{}</b>{}<div class="bars" role="img" aria-label="{}">{}</div>'
        '<p class="words">{}</p></div>',
        name, name, ratios, told, bar, words(policy),
    )  # fmt: skip


def _ratio(found: Mapping[str, Any], name: str) -> Markup:
    main, value = " main" if name == "oee" else "", found[name]
    if value is None:
        why = "nothing scheduled" if name == "completeness" else no_value(found, name)
        return html('<span class="r muted" data-figure="{}" title="{}">–</span>', name, why)
    return html('<span class="r figure{}" data-figure="{}">{}</span>', main, name, measure(percent(value), "%"))


def _parts(found: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Parts of all of the time, in seconds, that add up to it."""
    apart = found["valuable"] is not None and min(found["speed_loss"], found["quality_loss"], found["valuable"]) >= 0
    left_out = ("run",) if apart else ("valuable", "quality_loss", "speed_loss")
    yield from ((name, found[name]) for name in BUCKETS if name not in left_out and found[name])


def _fill(name: str) -> str:
    return " is-unknown fill" if name == "unknown" else ""


def _minutes(seconds_: float) -> str:
    return number(seconds_ / 60, 1)
