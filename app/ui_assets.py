"""The plant's signals as a table: a row a machine, a column a signal, each cell the latest reading.

Rules: a machine that never reported a signal has "no data" there, never 0; a reading that is not good says so, one that is old
says how old. Counters are no column: they are on the machine's page, and as parts in every OEE. The signals that most machines
have come first; of those beyond COLUMNS_MAX the page says how many there are. The figures are those of REST `signals`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup
from nicegui import ui

from tailrace.app.live import Told
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_page import empty, frame, link, markup, no_machines
from tailrace.app.ui_text import Zone, age, html, instant, joined, number
from tailrace.projections import queries
from tailrace.schemas.answer import SignalItem
from tailrace.schemas.instant import MINUTE
from tailrace.schemas.unit import COUNTERS

COLUMNS_MAX = 16
OLD = 5 * MINUTE
"""From when on a cell says how old its reading is."""

Signals = Mapping[str, SignalItem]


class AssetsPage:
    """One open page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._said: dict[str, dict[str, SignalItem]] = {}
        self._columns: Mapping[str, str] = {}
        self._rows: dict[str, ui.html] = {}

    async def build(self) -> None:
        with frame(self._desk, "Signals", "Signals"):
            with ui.element("div").classes("head"):
                markup(html("<h1>Signals</h1>"))
                self._words = markup(Markup("")).classes("muted end")
            with ui.element("section").classes("card"):
                self._nothing = markup(Markup(""))
                with ui.element("div").classes("scroll"), ui.element("table").classes("list stacked assets"):
                    self._head = markup(Markup(""), "thead")
                    self._body = ui.element("tbody")
                self._more = markup(Markup("")).classes("muted small")
        for item in (await self._desk.ask(queries.machines, limit=queries.LIMIT_MAX)).items:
            self._said[item.machine] = {}
        for reading in (await self._desk.ask(queries.signals, limit=queries.LIMIT_MAX)).items:
            self._take(reading)
        self._lay()
        self._desk.live(self._changed)

    async def _changed(self, batch: list[Told]) -> None:
        touched: set[str] = set()
        known = len(self._said)
        for name, item in batch:
            if name == "machine":
                self._said.setdefault(item.machine, {})
            elif name == "signal":
                self._take(item)
                touched.add(item.machine)
        if len(self._said) != known or columns(self._said.values())[0] != self._columns:
            self._lay()
            return
        for machine in touched & self._rows.keys():
            self._rows[machine].content = self._row(machine)

    def _take(self, item: SignalItem) -> None:
        if item.signal not in COUNTERS:
            self._said.setdefault(item.machine, {})[item.signal] = item

    def _lay(self) -> None:
        """The whole table, as there is another column or row."""
        self._columns, more = columns(self._said.values())
        self._head.content = head(self._columns)
        self._body.clear()
        with self._body:
            self._rows = {machine: markup(self._row(machine), "tr") for machine in sorted(self._said)}
        self._more.content = _rest(more)
        self._words.content = (
            html("latest readings, times in {}", self._desk.zone.name) if self._columns else Markup("")
        )
        self._nothing.content = _nothing(bool(self._said)) if not self._columns else Markup("")

    def _row(self, machine: str) -> Markup:
        return row(machine, self._said[machine], self._columns, self._desk.zone, self._desk.now())


def columns(said: Iterable[Signals]) -> tuple[dict[str, str], list[str]]:
    """The signals that are shown, each with the unit that all its machines agree on or "", and the names of the others."""
    machines: Counter[str] = Counter()
    units: dict[str, set[str]] = {}
    for signals in said:
        for name, item in signals.items():
            machines[name] += 1
            units.setdefault(name, set()).add(item.unit)
    names = sorted(machines, key=lambda name: (-machines[name], name))
    shown = {name: "".join(units[name]) if len(units[name]) == 1 else "" for name in names[:COLUMNS_MAX]}
    return shown, names[COLUMNS_MAX:]


def head(shown: Mapping[str, str]) -> Markup:
    """The names of the columns, each with its unit."""
    if not shown:
        return Markup("")
    cells = joined([
        html('<th class="r">{}{}</th>', name, html(' <span class="unit">{}</span>', unit) if unit else "")
        for name, unit in shown.items()
    ])  # fmt: skip
    return html("<tr><th>Machine</th>{}</tr>", cells)


def row(machine: str, signals: Signals, shown: Mapping[str, str], zone: Zone, now: int) -> Markup:
    """The cells of a machine."""
    cells = [_cell(name, unit, signals.get(name), zone, now) for name, unit in shown.items()]
    return html('<td class="whole"><a href="{}"><b>{}</b></a></td>{}', link(machine), machine, joined(cells))


def _cell(name: str, unit: str, item: SignalItem | None, zone: Zone, now: int) -> Markup:
    if item is None:
        return html('<td class="r muted" data-label="{}" data-signal="{}">no data</td>', name, name)
    t = instant(item.t)
    good = item.quality == "good"
    return html(
        '<td class="r{}" data-label="{}" data-signal="{}" title="{} {}">{}{}{}</td>',
        "" if good else " bad", name, name, zone.full(t), zone.name, _value(item, unit),
        "" if good else html("<small>{}</small>", item.quality),
        html('<small class="muted">{} ago</small>', age(t, now)) if now - t > OLD else "",
    )  # fmt: skip


def _value(item: SignalItem, unit: str) -> Markup:
    """The reading; its unit is beside it, but where the head of the column has it."""
    if item.value is None:
        return html('<span class="muted">no value</span>')
    if isinstance(item.value, str):
        return html("{}", item.value)
    beside = html('<span class="unit{}">\N{NARROW NO-BREAK SPACE}{}</span>', " same" if unit else "", item.unit)
    return html('<span class="figure">{}</span>{}', number(item.value), beside if item.unit else "")


def _rest(more: Sequence[str]) -> Markup:
    if not more:
        return Markup("")
    some = ", ".join(more[:8]) + (" …" if len(more) > 8 else "")
    words = f"The {COLUMNS_MAX} signals that most machines have are shown; {len(more)} more are on the pages of their machines"
    return html("<p>{}: {}</p>", words, some)


def _nothing(machines: bool) -> Markup:
    if not machines:
        return no_machines()
    return empty("No signal yet", "The machines have sent states or counts only.")
