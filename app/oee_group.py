"""The OEE of several machines: a group by its sums, a line at its bottleneck, from one picture of the rows.

Rules: every member is judged by its own definitions, or all by the one that is named; what they hold is added up before any
ratio is taken. The good parts of a line are those of its last station (`relation.set` feeds); where that is unknown, of the only
station that counted any; else every station is judged by its own. A station's ideal cycle for a part is the one it knows for the
part's product at that time, or, where it never heard of that product, the one of what it was making. Starved and blocked are what
the stations' own states say, inside shifts and outside of planned stops.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tailrace.app.known import SHOWN
from tailrace.app.oee_answer import Found, definitions
from tailrace.app.oee_definition import judged_by
from tailrace.app.oee_picture import Picture, pictured
from tailrace.app.oee_query import figures_of, measured
from tailrace.projections import lines
from tailrace.projections.oee_group import Station, bottleneck, summed
from tailrace.projections.oee_result import Account, Measured, account
from tailrace.schemas.errors import NotFound
from tailrace.schemas.instant import format_instant, seconds
from tailrace.topologies.machine import Machine
from tailrace.topologies.plan import NONE, SHIFT
from tailrace.topologies.tally import states, tally

WAITING = ("starved", "blocked")


class Asked(msgspec.Struct, frozen=True):
    """A window [start, end) in ns, and under what it is asked."""

    start: int
    end: int
    as_of: int | None = None
    definition: str | None = None

    @property
    def stop(self) -> int:
        """Where the time ends that is judged."""
        return self.end if self.as_of is None else max(self.start, min(self.end, self.as_of))

    @property
    def counted_until(self) -> int:
        """Where the parts end that count: one at the very as-of time does."""
        return self.stop + (self.as_of is not None and self.start <= self.as_of < self.end)


class Member(msgspec.Struct, frozen=True):
    """A machine of a group as it is judged, what the window holds of it, and its figures."""

    seen: Machine
    held: Found
    figures: dict[str, Any]


def of(
    directory: Path,
    windows: Sequence[Asked],
    *,
    line: str | None = None,
    sites: Collection[str] = (),
    machines: Sequence[str] = (),
    known_at: int | None = None,
) -> list[dict[str, Any]]:
    """The figures of some machines together, in each window: those that are named, or those of a line, of sites, or of both.

    A line has `bottleneck`, `oee` there, `output`, `sum` over the stations, and `members` in the way of the parts; another group
    has the figures of docs/oee.md of its sums, `mean_of_oee` and `members`. Raises NotFound as `oee` does, and for nobody.
    """
    with pictured(directory, known_at) as picture:
        connection = picture.connection
        names = list(dict.fromkeys(machines)) or lines.members(connection, line, sites)
        if not names:
            where = [*([f"line {line!r}"] if line is not None else []), *(f"site {site!r}" for site in sites)]
            raise NotFound(f"expected machines registered in {' or '.join(where)}, got none; {_places(connection)}")
        order, last = lines.flow(connection, names)
        facts = _known(picture, order)
        found = []
        for asked in windows:
            members = _members(picture, facts, asked)
            found.append(_group(members, asked) if line is None else {"line": line} | _line(members, last, asked))
        return found


def _places(connection: sqlite3.Connection) -> str:
    """The lines and sites that there are."""
    found = (lines.places(connection, "line"), lines.places(connection, "site"))
    shown = (", ".join([*names[:SHOWN], *(["…"] if names[SHOWN:] else [])]) or "none" for names in found)
    return "known lines: {}; known sites: {}".format(*shown)


def _known(picture: Picture, names: Sequence[str]) -> list[Machine]:
    """The machines of which something was known; raises NotFound where nothing was of any."""
    if picture.known_at is None:
        return [picture.facts(name) for name in names]
    found: list[Machine] = []
    for name in names:
        try:
            found.append(picture.facts(name))
        except NotFound:
            if name == names[-1] and not found:
                raise
    return found


def _members(picture: Picture, facts: Sequence[Machine], asked: Asked) -> list[Member]:
    found = []
    for each in facts:
        watermark = picture.observed(each.name, asked.as_of)
        seen = each if asked.definition is None else judged_by(each, asked.definition)
        held = measured(picture.rows, each, asked.start, asked.end, asked.as_of, watermark, seen)
        shown = figures_of(picture.rows, each, held, asked.start, asked.end, asked.as_of)
        found.append(Member(seen, held, shown))
    return found


def _group(members: Sequence[Member], asked: Asked) -> dict[str, Any]:
    provisional = asked.as_of is not None and asked.as_of < asked.end
    sums = summed([member.held.accounts for member in members], provisional=provisional)
    used = dict.fromkeys(name for member in members for name in member.held.definitions)
    place = {"from": format_instant(asked.start), "to": format_instant(asked.end)}
    said = {
        "definition": list(used),
        "revision": max(member.figures["revision"] for member in members),
        "members": [member.figures for member in members],
    }
    return place | sums | said


def _line(members: Sequence[Member], last: str | None, asked: Asked) -> dict[str, Any]:
    sums = _group(members, asked)
    output = last or _only_counting(members)
    stations = [_station(member, _named(members, output), asked) for member in members]
    slowest = bottleneck(stations)
    shown = [
        member.figures
        | {"ideal_cycle_s": None if station.pace is None else float(station.pace) / 10**9}
        | {word: seconds(waited) for word, waited in _waited(member.seen, asked).items()}
        for member, station in zip(members, stations, strict=True)
    ]
    return {
        "from": sums["from"], "to": sums["to"], "bottleneck": slowest.name if slowest else None,
        "oee": slowest.oee if slowest else None, "output": output, "good": slowest.good if slowest else None,
        "base": seconds(slowest.base) if slowest else None, "completeness": sums["completeness"], "flags": sums["flags"],
        "sum": {name: value for name, value in sums.items() if name not in ("from", "to", "members")}, "members": shown,
    }  # fmt: skip


def _only_counting(members: Sequence[Member]) -> str | None:
    counting = [member.seen.name for member in members if member.figures["total"]]
    return counting[0] if len(counting) == 1 else None


def _named(members: Sequence[Member], name: str | None) -> Machine | None:
    return next((member.seen for member in members if member.seen.name == name), None)


def _station(member: Member, output: Machine | None, asked: Asked) -> Station:
    held = sum(member.held.accounts, Account())
    cycle = _cycle(member.seen, None, max(asked.start, asked.stop - 1))
    if output is None:
        standard = None if held.no_ideal else held.standard_good
        return Station(member.seen.name, held.good, standard, cycle, held.base)
    good, standard = _needed(member.seen, output, asked)
    return Station(member.seen.name, good, standard, cycle, held.base)


def _needed(station: Machine, output: Machine, asked: Asked) -> tuple[int, int | None]:
    """The good parts that left the line, and the ns that a station needs for them at its ideal cycles, None = unknown."""
    changes = [p.t for p in station.head.plan.products if asked.start < p.t < asked.counted_until]
    total, standard, known = 0, 0, True
    for a, b, _, policy in definitions(output, asked.start, asked.counted_until):
        edges = np.unique(np.array([a, b, *(t for t in changes if a < t < b)], np.int64))
        rows = tally(output, edges)
        for segment, code, tallies in zip(
            rows.segment.tolist(), rows.product.tolist(), rows.tallies.tolist(), strict=True
        ):
            good = account(Measured(tallies, 0, 0, 0, policy)).good
            cycle = _cycle(station, output.head.products[code], int(edges[segment]))
            total += good
            standard += good * (cycle or 0)
            known &= not good or cycle is not None
    return total, standard if known else None


def _cycle(station: Machine, product: str | None, t: int) -> int | None:
    """The ideal cycle at t of a product that the station knows, else of what it makes at t; ns per part, None = unknown."""
    names = station.head.products
    code = names.index(product) if product and product in names else station.steps("product_at").at_one(t)
    cycle = station.ideal_of(code).at_one(t)
    return None if cycle == NONE else cycle


def _waited(machine: Machine, asked: Asked) -> dict[str, int]:
    """ns of shift time in each word of WAITING."""
    if asked.start >= asked.stop:
        return dict.fromkeys(WAITING, 0)
    times, words = states(machine, asked.start, asked.stop)
    schedule = machine.steps("schedule")
    start = np.unique(np.concatenate([times, schedule.between(asked.start, asked.stop)]))
    length = np.append(start[1:], asked.stop) - start
    word = words[np.searchsorted(times, start, side="right") - 1]
    in_shift = schedule.at(start) == SHIFT
    codes = {w: [i for i, name in enumerate(machine.head.words) if name.lower() == w] for w in WAITING}
    return {w: int(length[in_shift & np.isin(word, found)].sum()) for w, found in codes.items()}
