"""Why a figure is what it is: the formula with its numbers, the stretches of time and the parts in them, and the raw events.

Rules: everything is worked out by the code that makes the figures (topologies/tally.py, projections/oee_result.py), piece by
piece, and has to add up to them exactly, to the nanosecond; if it does not, that is said instead. Raw events come a page at a
time, in the order of the log; a stretch names by position those of the page that have a part in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tailrace.app.oee_answer import definitions
from tailrace.app.oee_definition import judged_by
from tailrace.app.oee_query import asked, figures
from tailrace.app.oee_time import BUCKETS, buckets
from tailrace.app.raw_events import raw_events_of
from tailrace.projections.oee_result import Account, Measured, account
from tailrace.projections.pages import closed, opened, rows
from tailrace.projections.tables import oee_bucket, stop
from tailrace.schemas.bucket import AT_TIME, CATEGORIES, CLASSES
from tailrace.schemas.errors import Conflict, InvalidInput
from tailrace.schemas.event import Policy
from tailrace.schemas.instant import format_instant, parse_instant, seconds
from tailrace.topologies.episode import Episodes, episodes
from tailrace.topologies.machine import Machine
from tailrace.topologies.plan import NONE
from tailrace.topologies.tally import pieces, tally

PARTS = ("good", "reject", "rework", "total", "offplan_good", "offplan_reject")
STRETCHES_MAX = 20_000
RESTATED_MAX = 100

FORMULAS = (
    ("availability", "operating ÷ {base}", "operating", "base"),
    ("performance", "ideal cycle × parts ÷ operating", "standard", "operating"),
    ("quality", "ideal cycle × good parts ÷ ideal cycle × parts", "valuable", "standard"),
    ("oee", "ideal cycle × good parts ÷ {base}", "valuable", "base"),
)
"""Name, formula, and the lengths of time above and below the line; base: planned busy time, unless a definition judges all."""


class Stretch(msgspec.Struct, frozen=True):
    """A stretch of the window [start, end) in ns, in which nothing changes, and the bucket that it counts in."""

    start: int
    end: int
    bucket: str
    schedule: str
    category: str
    state: str
    reason: str
    by: str
    stop: str | None


EVENTS = 20
EVENTS_MAX = 1000


def explain_oee(
    directory: Path,
    machine: str,
    start: int,
    end: int,
    definition: str | None = None,
    *,
    events: int = EVENTS,
    cursor: str | None = None,
) -> dict[str, Any]:
    """The OEE of [start, end) taken apart, under the machine's own definitions or the one named.

    events: how many of the raw events behind it are given, after the `cursor` of the page before.

    Raises NotFound as `oee` does, InvalidInput for too long a window, Conflict where the parts do not add up to the figures.
    """
    if not 0 <= events <= EVENTS_MAX:
        raise InvalidInput(f"events: expected 0 to {EVENTS_MAX}, got {events}")
    after = 0 if cursor is None else opened(cursor, int)
    with asked(directory, machine) as (picture, own):
        connection = picture.connection
        raw, more = raw_events_of(picture.log, machine, (start, end), picture.until, cursor=after, limit=events)
        facts = own if definition is None else judged_by(own, definition)
        found = figures(connection, own, start, end, seen=facts)
        time = [stretch for part in _time(connection, facts, start, end) for stretch in part]
        products = _parts(facts, start, end)
        _require_sums(found, time, [counted for _, counted in products])
        spans = [(each.position, int(parse_instant(each.t)), int(parse_instant(each.until))) for each in raw]
        return {
            "figure": "oee", "value": found["oee"], "machine": machine, "from": found["from"], "to": found["to"],
            "known_until": format_instant(facts.head.watermark) if facts.head.watermark != NONE else None,
            "formulas": _formulas(found), "figures": found, "time": [_shown(stretch, spans) for stretch in time],
            "parts": [_part(facts, product, counted, start, end) for product, counted in products],
            "definitions": [_definition(*each) for each in definitions(facts, start, end)],
            "buckets": _buckets(connection, machine, start, end),
            "events": {"items": [msgspec.to_builtins(each) for each in raw], "next": None if more is None else closed(more)},
        }  # fmt: skip


# -- time ------------------------------------------------------------------------------------------------------------------


def _time(connection: sqlite3.Connection, facts: Machine, start: int, end: int) -> Iterator[Iterator[Stretch]]:
    found = episodes(facts, start, end, None)
    stops = _stops(connection, facts.name, start, end)
    for a, b, _, policy in definitions(facts, start, end):
        yield _joined(_pieces(facts, a, b, policy, found, stops))


def _pieces(
    facts: Machine, a: int, b: int, policy: Policy, found: Episodes, stops: Sequence[dict[str, Any]]
) -> Iterator[Stretch]:
    piece = pieces(facts, np.array([a, b], np.int64))
    if len(piece.start) > STRETCHES_MAX:
        raise InvalidInput(
            f"expected a window of at most {STRETCHES_MAX} stretches, got {len(piece.start)}; ask for a shorter one"
        )
    standing = facts.head.plan.standing()
    columns = (piece.start, piece.end, piece.schedule, piece.category, buckets(piece, found, policy))
    for begin, until, schedule, category, bucket in zip(*(column.tolist() for column in columns), strict=True):
        word = facts.word_at(begin)
        said = next((r for r in reversed(standing) if r.start <= begin < r.end), None)
        yield Stretch(
            begin, until, BUCKETS[bucket],
            CLASSES[schedule], "planned_stop" if CATEGORIES[category] == "planned" else CATEGORIES[category],
            "" if word == NONE else facts.head.words[word], said.reason if said else "", said.by if said else "",
            next((s["id"] for s in stops if s["start_ns"] <= begin and (s["end_ns"] is None or begin < s["end_ns"])), None),
        )  # fmt: skip


def _joined(found: Iterator[Stretch]) -> Iterator[Stretch]:
    for _, same in groupby(found, key=lambda s: msgspec.structs.astuple(s)[2:]):
        together = list(same)
        yield msgspec.structs.replace(together[0], end=together[-1].end)


def _stops(connection: sqlite3.Connection, machine: str, start: int, end: int) -> list[dict[str, Any]]:
    here = (stop.c.machine == machine, stop.c.start_ns < end)
    statement = stop.select().where(*here).where((stop.c.end_ns.is_(None)) | (stop.c.end_ns > start))
    return rows(connection, statement)


# -- parts -----------------------------------------------------------------------------------------------------------------


def _parts(facts: Machine, start: int, end: int) -> list[tuple[int, Account]]:
    """What was counted of each product (its code), by name."""
    found: dict[int, Account] = {}
    for a, b, _, policy in definitions(facts, start, end):
        rows_ = tally(facts, np.array([a, b], np.int64))
        for code, tallies in zip(rows_.product.tolist(), rows_.tallies, strict=True):
            counted = tallies.copy()
            counted[AT_TIME] = 0
            found[code] = found.get(code, Account()) + account(Measured(counted.tolist(), 0, 0, 0, policy))
    there = [(code, counted) for code, counted in found.items() if any(getattr(counted, name) for name in PARTS)]
    return sorted(there, key=lambda each: facts.head.products[each[0]])


def _part(facts: Machine, code: int, counted: Account, start: int, end: int) -> dict[str, Any]:
    ideal = facts.ideal_of(code)
    cycles = dict.fromkeys([ideal.at_one(start), *ideal.at(ideal.between(start, end)).tolist()])
    return {
        "product": facts.head.products[code], **{name: getattr(counted, name) for name in PARTS},
        "ideal_cycle_s": [seconds(cycle) for cycle in cycles if cycle != NONE],
        "standard_s": seconds(counted.standard_total), "standard_good_s": seconds(counted.standard_good),
        "without_ideal_cycle": counted.no_ideal,
    }  # fmt: skip


# -- the whole -------------------------------------------------------------------------------------------------------------


def _require_sums(found: dict[str, Any], time: Sequence[Stretch], products: Sequence[Account]) -> None:
    sums: dict[str, Any] = {
        name: seconds(sum(each.end - each.start for each in time if each.bucket == name)) for name in BUCKETS
    }
    sums |= {name: sum(getattr(each, name) for each in products) for name in PARTS}
    for name, value in sums.items():
        if value != found[name]:
            raise Conflict(
                f"{found['machine']}, {found['from']} .. {found['to']}: expected {name} of {found[name]}, got parts that add up "
                f"to {value}: the rows and the facts disagree; delete read.db, it is made again from the log"
            )


def _formulas(found: dict[str, Any]) -> list[dict[str, Any]]:
    valuable = found["valuable"]
    base = "planned busy time" if found["base"] == found["pbt"] else "base time"
    lengths = {name: found[name] for name in ("operating", "base")} | {
        "valuable": valuable, "standard": None if valuable is None else valuable + found["quality_loss"],
    }  # fmt: skip
    made = [
        {
            "name": name,
            "value": found[name],
            "formula": formula.format(base=base),
            "above_s": lengths[above],
            "below_s": lengths[below],
        }
        for name, formula, above, below in FORMULAS
    ]
    if valuable is None:
        parts = {
            "formula": "good ÷ parts, for an ideal cycle is missing",
            "above": found["good"],
            "below": found["total"],
        }
        made[2] = {"name": "quality", "value": found["quality"], **parts}
    return made


def _shown(each: Stretch, raw: Sequence[tuple[int, int, int]]) -> dict[str, Any]:
    """raw: position, first and last time (ns) of each raw event of the page."""
    span = {
        "from": format_instant(each.start),
        "to": format_instant(each.end),
        "seconds": seconds(each.end - each.start),
    }
    said = {name: getattr(each, name) for name in Stretch.__struct_fields__[2:]}
    return span | said | {"events": [position for position, a, b in raw if a < each.end and b >= each.start]}


def _definition(a: int, b: int, name: str, policy: Policy) -> dict[str, Any]:
    fields = {field: getattr(policy, field) for field in Policy.__struct_fields__}
    shown = {"name": name or None, "from": format_instant(a), "to": format_instant(b)}
    return shown | {"policy": fields | {"microstop_s": seconds(policy.microstop_s)}}


def _buckets(connection: sqlite3.Connection, machine: str, start: int, end: int) -> dict[str, Any]:
    """The minutes of the window that are closed, as rows: how many, from when to when, and which were restated."""
    table = oee_bucket.c
    here = oee_bucket.select().with_only_columns(table.start_ns, table.revision, table.known_from_ns)
    here = here.where(table.machine == machine, table.start_ns > start - 60_000_000_000, table.start_ns < end)
    found = rows(connection, here.order_by(table.start_ns, table.product))
    restated = [_restated(row) for row in found if row["revision"] > 1]
    return {
        "rows": len(found),
        "first": format_instant(found[0]["start_ns"]) if found else None,
        "last": format_instant(found[-1]["start_ns"]) if found else None,
        "restated": len(restated),
        "restatements": restated[:RESTATED_MAX],
    }


def _restated(row: dict[str, Any]) -> dict[str, Any]:
    times = {"minute": format_instant(row["start_ns"]), "known_from": format_instant(row["known_from_ns"])}
    return times | {"revision": row["revision"]}
