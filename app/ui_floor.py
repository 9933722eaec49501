"""The floor: a tile a machine, with what it does and since when, and the OEE of its shift.

Rules: a tile says its state in word, shape and colour. Figures stand with their window; a machine of which nothing is known has
no figure; while the fold is behind, what has no figure is not known yet, and no reason is given for it. Tiles are in order of
name, and stay where they are.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from markupsafe import Markup
from nicegui import events, ui

from tailrace.app.live import Told
from tailrace.app.ui_alarms import badge
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_figures import Shown
from tailrace.app.ui_glyphs import ORDER, chip, glyph, look
from tailrace.app.ui_groups import groups
from tailrace.app.ui_page import DEFINITION, frame, judged, link, markup, no_machines, segment
from tailrace.app.ui_script import ACT
from tailrace.app.ui_text import Zone, age, html, instant, joined, measure, no_value, percent
from tailrace.projections import queries
from tailrace.schemas.answer import AnomalyItem, MachineItem

NOT_YET = "not known yet"
GROUPS_S = 2.0
"""How often lines and plant are asked for; they are worked out anew when they may be (app/ui_groups.py)."""


class Floor:
    """One open page."""

    def __init__(self, desk: Desk, definition: str = "") -> None:
        self._desk, self._definition = desk, definition
        self._items: dict[str, MachineItem] = {}
        self._tiles: dict[str, Tile] = {}
        self._alarms: dict[str, AnomalyItem] = {}
        self._first = asyncio.Event()

    async def build(self) -> None:
        with frame(self._desk, "Floor", "Floor"):
            with ui.element("div").classes("head"):
                markup(html("<h1>Floor</h1>"))
                self._counts = markup(Markup("")).classes("counts muted end")
            self._choice = markup(Markup("")).classes("judged").on("click", self._judge_by, js_handler=ACT)
            self._groups = markup(Markup("")).classes("card")
            self._groups.set_visibility(False)
            self._nothing = markup(Markup("")).classes("card")
            self._grid = ui.element("div").classes("tiles")
        standing = await self._desk.ask(queries.machines, limit=queries.LIMIT_MAX)
        alarms = await self._desk.ask(queries.anomalies, open_only=True, limit=queries.LIMIT_MAX)
        self._take(standing.items)
        self._ring(alarms.items)
        self._desk.live(self._changed)
        self._desk.while_open(self._figures())

    async def _judge_by(self, event: events.GenericEventArguments) -> None:
        ui.navigate.to(f"/{judged(str(event.args).removeprefix(DEFINITION))}")

    async def _changed(self, batch: list[Told]) -> None:
        self._take([item for name, item in batch if name == "machine"])
        self._ring([item for name, item in batch if name == "anomaly"])
        for name, item in batch:
            if name in ("machine", "stop"):
                self._desk.figures.touch(item.machine)

    async def _figures(self) -> None:
        """Figures of tiles and groups, under the definition of the page; one that nobody has set is as if none were."""
        await self._first.wait()
        names = await self._desk.definitions(next(iter(self._tiles)))
        if self._definition not in names:
            self._definition = ""
        choice = segment("Judged by", {"": "own", **{name: name for name in names}}, self._definition, DEFINITION)
        self._choice.content = html('<span class="muted small">Judged by</span>{}', choice)
        for tile in self._tiles.values():
            tile.judged_by(self._definition)
        with self._desk.figures.watching(self._tiles, self._tell, self._definition):
            await self._together()

    def _tell(self, shown: Shown) -> None:
        self._tiles[shown.machine].figures(shown)

    async def _together(self) -> None:
        """OEE of lines and plant, as often as it may be worked out."""
        while True:
            found = await self._desk.groups.of(list(self._items.values()), self._definition)
            self._groups.content = groups(found, self._desk.zone)
            self._groups.set_visibility(bool(found))
            await asyncio.sleep(GROUPS_S)

    def _take(self, items: list[MachineItem]) -> None:
        for item in items:
            self._items[item.machine] = item
            if item.machine not in self._tiles:
                self._add(item.machine)
            self._tiles[item.machine].state(item)
        self._counts.content = _counts(Counter(item.category or "unknown" for item in self._items.values()))
        self._nothing.content = Markup("") if self._items else no_machines()
        self._nothing.set_visibility(not self._items)

    def _ring(self, items: list[AnomalyItem]) -> None:
        for item in items:
            self._alarms[item.record_id] = item
            if item.cleared is not None:
                del self._alarms[item.record_id]
        for machine in {item.machine for item in items} & self._tiles.keys():
            self._tiles[machine].alarms([item for item in self._alarms.values() if item.machine == machine])

    def _add(self, machine: str) -> None:
        with self._grid:
            tile = self._tiles[machine] = Tile(self._desk, machine, self._definition)
        at = sorted(self._tiles).index(machine)
        if at < len(self._tiles) - 1:
            tile.element.move(target_index=at)
        self._first.set()


class Tile:
    """One machine on the floor."""

    def __init__(self, desk: Desk, machine: str, definition: str) -> None:
        self._desk, self._machine = desk, machine
        self._item: MachineItem | None = None
        self._open: list[AnomalyItem] = []
        self.element = ui.element("a")
        self.judged_by(definition)
        with self.element:
            self._state = markup(Markup(""))
            known = desk.figures.known(machine, definition)
            self._figures = markup(figures(known, desk.zone) if known else _waiting())

    def judged_by(self, definition: str) -> None:
        """The tile leads to the machine's page under this definition."""
        self.element.props(f'href="{link(self._machine, definition)}"')

    def state(self, item: MachineItem) -> None:
        """What the machine does now."""
        self._item = item
        self.element.classes(replace=f"tile is-{look(item.category).name}")
        self._state.content = _state(item, self._open, self._desk.zone, self._desk.now())

    def alarms(self, items: list[AnomalyItem]) -> None:
        """What is unusual about it."""
        self._open = items
        if self._item is not None:
            self.state(self._item)

    def figures(self, shown: Shown) -> None:
        """How well it does."""
        self._figures.content = figures(shown, self._desk.zone)


def _state(item: MachineItem, alarms: list[AnomalyItem], zone: Zone, now: int) -> Markup:
    found = look(item.category)
    since = instant(item.since) if item.since else None
    title = ", ".join(part for part in (found.word, item.why or item.state) if part)
    place = " · ".join(part for part in (item.area, item.line) if part)
    said = spoken(item)
    when = (
        html('<span class="since">since {} · {}</span>', zone.time(since, now, brief=True), age(since, now))
        if since is not None
        else ""
    )
    return html(
        '<div class="tile-head" data-machine="{}"><h2>{}</h2>{}<span class="place">{}</span></div>'
        '<div class="tile-state" title="{}">{}<b>{}</b><span class="word">{}</span>{}</div>',
        item.machine, item.machine, badge(alarms), place, title, glyph(found.shape), found.word, said, when,
    )  # fmt: skip


def spoken(item: MachineItem) -> str:
    """What the machine says itself, or why nobody knows, where that is more than its category says."""
    said = item.why or item.state or ""
    return "" if said.lower() == look(item.category).word.lower() else said


def figures(shown: Shown, zone: Zone) -> Markup:
    """OEE, A, P, Q, how complete they are, and OEE by the hour."""
    found = shown.figures
    window = html('data-from="{}" data-to="{}"', found["from"], found["to"])
    known = found["completeness"]
    of = (
        f"Shift {zone.span(*shown.shift, shown.end)}"
        if shown.shift
        else f"Last 8 h, {zone.span(shown.start, shown.end, shown.end)}"
    )
    parts = joined(
        [
            _ratio(found, name, letter, shown.behind)
            for name, letter in (("availability", "A"), ("performance", "P"), ("quality", "Q"))
        ]
    )
    return html(
        '<div class="tile-oee" {}><div><div class="cap">OEE</div>{}</div>{}</div><dl class="apq">{}</dl>'
        '<div class="tile-foot"><span>{}</span><span>{}</span></div>',
        window, big(found, "oee", shown.behind), _spark(shown, zone), parts, of, complete(known, shown.behind),
    )  # fmt: skip


def big(found: dict[str, Any], name: str, behind: bool = False) -> Markup:
    """A ratio as a large figure, or why it has none."""
    if without(found, name, behind):
        return html('<div class="big none" data-figure="{}">{}</div>', name, why_none(found, name, behind))
    return html('<div class="big figure" data-figure="{}">{}</div>', name, measure(percent(found[name]), "%"))


def nothing_known(found: dict[str, Any]) -> bool:
    """Whether all the scheduled time of a window is unknown and nothing was counted in it."""
    return found["completeness"] == 0 and not found["total"] and not found["run"]


def without(found: dict[str, Any], name: str, behind: bool) -> bool:
    """Whether a ratio has no value that means anything: of a time that the fold has not reached, it has none yet."""
    return nothing_known(found) or found[name] is None or (behind and not found["completeness"])


def why_none(found: dict[str, Any], name: str, behind: bool) -> str:
    """Why a ratio has no value; while the fold is behind that cannot be said."""
    return NOT_YET if behind else "no data" if nothing_known(found) else no_value(found, name)


def bar(ratio: float | None, known: bool = True) -> Markup:
    """A ratio as a bar of 0..1; what is above 1 fills it."""
    if ratio is None or not known:
        return Markup('<span class="track hatched"></span>')
    return html('<span class="track"><i style="width:{:.1f}%"></i></span>', 100 * min(max(ratio, 0.0), 1.0))


def _ratio(found: dict[str, Any], name: str, letter: str, behind: bool) -> Markup:
    known = not nothing_known(found)
    value = None if without(found, name, behind) else found[name]
    why = f": {why_none(found, name, behind)}" if value is None else ""
    text = html('<span class="muted">–</span>') if value is None else measure(percent(value), "%")
    return html(
        '<div title="{}{}"><dt><span>{}</span><span class="figure" data-figure="{}">{}</span></dt><dd>{}</dd></div>',
        name.capitalize(), why, letter, name, text, bar(value, known),
    )  # fmt: skip


def complete(known: float | None, behind: bool) -> str:
    """How much of the scheduled time is known, in words."""
    if behind and not known:
        return NOT_YET
    if known is None:
        return "nothing scheduled"
    return "all known" if known == 1 else f"{min(99.9, 100 * known):.1f} % known" if known < 0.9995 else "99.9 % known"


def _spark(shown: Shown, zone: Zone) -> Markup:
    bars = []
    for start, found in shown.hours:
        value = None if without(found, "oee", shown.behind) else found["oee"]
        nothing = why_none(found, "oee", shown.behind)
        words = f"{zone.local(start):%H:%M}: " + (nothing if value is None else f"{percent(value)} %")
        cls, height = ("hatched", 1.0) if value is None else ("", min(max(value, 0.0), 1.0))
        bars.append(
            html('<i class="{}" style="height:{:.0f}%;min-height:1px" title="{}"></i>', cls, 100 * height, words)
        )
    return html('<div class="spark" role="img" aria-label="OEE of the last 8 hours">{}</div>', joined(bars))


def _waiting() -> Markup:
    return Markup('<div class="tile-oee"><div><div class="cap">OEE</div><div class="big none">…</div></div></div>')


def _counts(counts: Counter[str]) -> Markup:
    total = sum(counts.values())
    parts = [html("<span><b>{}</b> {}</span>", total, "machine" if total == 1 else "machines")] if total else []
    parts += [
        html("<span><b>{}</b> {}</span>", counts[each], chip(each, look(each).word.lower()))
        for each in ORDER
        if counts[each]
    ]
    return joined(parts)
