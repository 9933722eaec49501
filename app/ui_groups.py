"""OEE of the lines and of the plant, as the floor shows it: a line at its bottleneck, the plant by the sum of planned time.

Rules: the figures are those of `oee --line` and of `oee` of several machines (app/oee_group.py). The window is the running shift
where all members share one, else the last 8 hours, and it is named. What was worked out is believed for REST times as long as it
took, by everyone who looks; while the fold is behind, nothing is worked out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup

from tailrace.app.oee_group import Asked
from tailrace.app.oee_group import of as together
from tailrace.app.ui_figures import HOURS, REST, ROUND_S, shift_at
from tailrace.app.ui_text import Zone, html, joined, measure, percent
from tailrace.schemas.answer import MachineItem
from tailrace.schemas.errors import TailraceError
from tailrace.schemas.instant import HOUR, SECOND, format_instant


class Group(msgspec.Struct, frozen=True):
    """A line, or without one the plant, over [start, end) in ns; sums: its figures added up. oee: None = it has none."""

    line: str | None
    machines: list[str]
    start: int
    end: int
    shift: bool
    oee: float | None
    bottleneck: str | None
    sums: dict[str, Any]


class Groups:
    """The newest figures of groups by definition; "" = each machine by its own."""

    def __init__(self, directory: Path, clock: Callable[[], int], behind: Callable[[], bool]) -> None:
        self._directory, self._clock, self._behind = directory, clock, behind
        self._found: dict[str, list[Group]] = {}
        self._until: dict[str, float] = {}
        self._one = asyncio.Lock()

    async def of(self, items: Sequence[MachineItem], definition: str) -> list[Group]:
        """The lines of these machines, by name, and the plant where it is more than one machine."""
        async with self._one:
            began = time.monotonic()
            if not self._behind() and began >= self._until.get(definition, began):
                try:
                    found = await asyncio.to_thread(groups_of, self._directory, items, self._clock(), definition)
                except TailraceError:
                    return self._found.get(definition, [])
                took = time.monotonic() - began
                self._found[definition] = found
                self._until[definition] = began + took + max(ROUND_S, REST * took)
            return self._found.get(definition, [])


def groups_of(directory: Path, items: Sequence[MachineItem], now: int, definition: str = "") -> list[Group]:
    """The plant, then its lines by name; nothing of a plant of one machine without a line."""
    end = now // SECOND * SECOND
    shifts = {item.machine: shift_at(directory, item.machine, now) for item in items}
    lines: dict[str, list[str]] = {}
    for item in sorted(items, key=lambda item: (item.line or "", item.machine)):
        if item.line:
            lines.setdefault(item.line, []).append(item.machine)
    wanted: list[tuple[str | None, list[str]]] = [(None, sorted(shifts))] if len(shifts) > 1 else []
    found = []
    for line, machines in wanted + list(lines.items()):
        running = {shifts[machine] for machine in machines}
        shift = running.pop() if len(running) == 1 else None
        start = shift[0] if shift and shift[0] < end else end - HOURS * HOUR
        asked = [Asked(start, end, None, definition or None)]
        (figures,) = together(directory, asked, line=line, machines=() if line else machines)
        sums = figures["sum"] if line else figures
        slowest = figures["bottleneck"] if line else None
        found.append(Group(line, machines, start, end, shift is not None, figures["oee"], slowest, sums))
    return found


def groups(found: Sequence[Group], zone: Zone) -> Markup:
    """A line each, with how complete it is."""
    lines = joined([_line(each, zone) for each in found])
    return html('<ul class="groups" aria-label="Lines and plant">{}</ul>', lines)


def _line(each: Group, zone: Zone) -> Markup:
    n = len(each.machines)
    name, by = ("Plant", f"{n} machines, by planned time") if each.line is None else (_named(each.line), _slowest(each))
    span = f"{'Shift' if each.shift else 'Last 8 h'}, {zone.span(each.start, each.end, each.end)}"
    known = each.sums["completeness"]
    complete = html("nothing scheduled")
    if known is not None:
        shown = measure(percent(known if known == 1 else min(known, 0.999)), "%")
        complete = html('<span class="figure" data-figure="completeness">{}</span> known', shown)
    width = 100 * min(max(each.oee or 0.0, 0.0), 1.0)
    return html(
        '<li data-group="{}" data-from="{}" data-to="{}"><b>{}</b><span class="cap">OEE</span>{}'
        '<span class="track" aria-hidden="true"><i style="width:{:.1f}%"></i></span><span class="known">{}</span>'
        '<small class="muted">{} · {}</small></li>',
        each.line or "", format_instant(each.start), format_instant(each.end), name, _oee(each), width, complete, by, span,
    )  # fmt: skip


def _oee(each: Group) -> Markup:
    unseen = each.sums["completeness"] == 0 and not each.sums["total"] and not each.sums["run"]
    if each.oee is None or unseen:
        return html('<span class="val muted" data-figure="oee">{}</span>', "no data" if unseen else _why_none(each))
    return html('<span class="val figure" data-figure="oee">{}</span>', measure(percent(each.oee), "%"))


def _why_none(each: Group) -> str:
    if not each.sums["pbt"]:
        return "not scheduled"
    return "no ideal cycle" if "ideal_cycle_missing" in each.sums["flags"] or each.line else "no parts"


def _slowest(each: Group) -> str:
    return (
        f"at its bottleneck {each.bottleneck}"
        if each.bottleneck
        else "bottleneck unknown: a station has no ideal cycle"
    )


def _named(line: str) -> str:
    return line if line.lower().startswith("line") else f"Line {line}"
