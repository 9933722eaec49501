"""The vectors of ../shared/oee as events, as lines of an events file, and as what must come out.

Timeline, counter and summary vectors are stories of one machine, aggregate and line vectors of several; calendar vectors are
plant files (calendar_vectors.py).

Rules: a vector's zero is EPOCH; plans (machine, definition, calendar) are stamped PLANNED, long before any event of any vector.
Every vector is a machine of its own named after it, with ids of its own, so all of them fit into one store. Ideal cycles
become whole nanoseconds, which is why comparison is 1e-9 relative (absolute below 1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from components import SHARED
from tailrace.schemas import codec
from tailrace.schemas.event import (
    CalendarSet,
    ClockTicked,
    Counter,
    CounterName,
    CounterRead,
    DefinitionSet,
    Event,
    Interval,
    MachineRegistered,
    PartsCounted,
    Policy,
    ProductChanged,
    ReasonAssigned,
    RelationSet,
    StateChanged,
)
from tailrace.schemas.instant import DAY, Instant, Span, parse_instant

FILES = ("vectors_dev.json", "random_dev.json")
EPOCH = int(parse_instant("2026-01-05T00:00:00Z"))
PLANNED = Instant(EPOCH - 5 * DAY)
SECOND = 10**9
FIGURES = {
    "machine", "from", "to", "calendar", "not_scheduled", "planned_stop", "excluded", "setup", "breakdown", "unknown",
    "microstop", "run", "pbt", "base", "operating", "total", "good", "reject", "rework", "offplan_good", "offplan_reject",
    "availability", "performance", "quality", "quality_count", "oee", "nee", "ooe", "teep", "utilization",
    "first_pass_yield", "scrap_ratio", "rework_ratio", "throughput", "speed_loss", "quality_loss", "valuable", "breakdowns",
    "microstops", "flags", "completeness", "definition", "revision",
}  # fmt: skip
"""The keys of an answer of `tailrace oee`."""

Vector = dict[str, Any]


def load(*kinds: str) -> list[Vector]:
    """The vectors of these kinds (of all, without any), in the files' order; none where the folder is absent."""
    paths = [SHARED / "oee" / name for name in FILES]
    found = [vector for path in paths if path.exists() for vector in json.loads(path.read_text())["vectors"]]
    return [vector for vector in found if not kinds or vector["kind"] in kinds]


def params(*kinds: str) -> list[Any]:
    """One pytest parameter a vector, by id; a skipped one where the folder is absent."""
    absent = pytest.param(None, id="none", marks=pytest.mark.skip(reason="../shared is not here"))
    return [pytest.param(vector, id=vector["id"]) for vector in load(*kinds)] or [absent]


def exact(number: object) -> Fraction:
    """An int, a decimal or an `a/b` as it stands in a vector."""
    return Fraction(str(number))


def ns(seconds: object) -> int:
    """Seconds of a vector as the nearest nanosecond."""
    return round(exact(seconds) * SECOND)


def instant(seconds: object) -> Instant:
    """A vector's time as an instant."""
    return Instant(EPOCH + ns(seconds))


def machine(vector: Vector) -> str:
    """The machine that a vector plays on."""
    return str(vector["id"])


def window(vector: Vector) -> tuple[int, int, int | None]:
    """(from, to, as-of) in ns; a counter vector's holds all of its readings, a summary's its calendar time or one second."""
    as_of = vector.get("as_of")
    if vector["kind"] == "summary":
        given = vector["input"]
        return EPOCH, int(instant(given.get("calendar_s", given["planned_s"]) or 1)), None
    if vector["kind"] in ("aggregate", "line"):
        parts = vector["input"].get("members") or [vector["input"]]
        return EPOCH, max(int(instant(part["planned_s"] or 1)) for part in parts), None
    if vector["kind"] == "counter":
        times = [instant(reading["t"]) for reading in vector["input"]["readings"]]
        return min(times), max(times) + 1, None
    start, end = vector["window"]
    return instant(start), instant(end), None if as_of is None else instant(as_of)


def policy(vector: Vector) -> Policy:
    """The vector's policy over the defaults, its state map included."""
    given = {"state_map": vector["state_map"]} if "state_map" in vector else {}
    given |= vector.get("policy", {})
    if "microstop_s" in given:
        given["microstop_s"] = Span(ns(given["microstop_s"]))
    return Policy(**given)


def events(vector: Vector) -> list[Event]:
    """A vector as events, in the order in which it lists them."""
    found = list(_STORIES[vector["kind"]](vector))
    return [e if e.id else msgspec.structs.replace(e, id=f"{machine(vector)}:{i}") for i, e in enumerate(found)]


def lines(vector: Vector) -> bytes:
    """The same events as an events file."""
    return b"".join(codec.to_line(event) + b"\n" for event in events(vector))


def expected(vector: Vector) -> dict[str, Any]:
    """What the vector says, as fractions, words, None and sets of flags; of a counter vector only the sum of its deltas."""
    if vector["kind"] == "counter":
        return {"total": exact(vector["expect"]["total"])}
    return {name: frozenset(v) if name == "flags" else _expected(v) for name, v in vector["expect"].items()}


def differences(wanted: Mapping[str, Any], got: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """{key: (wanted, got)} where a result is not what the vector says; sets compare whole, numbers to 1e-9."""
    missing = object()
    found = {name: got.get(name, missing) for name in wanted}
    return {
        name: (wanted[name], value)
        for name, value in found.items()
        if value is missing or not _agree(wanted[name], value)
    }


def _agree(wanted: Any, got: Any) -> bool:
    if wanted is None or got is None:
        return wanted is got
    if isinstance(wanted, (set, frozenset)):
        return wanted == set(got)
    if isinstance(wanted, list):
        return len(wanted) == len(got) and all(map(_agree, wanted, got))
    if isinstance(wanted, str):
        return bool(wanted == got)
    return bool(abs(wanted - Fraction(got)) <= max(Fraction(1), abs(wanted)) / 10**9)


def _expected(value: Any) -> Any:
    if isinstance(value, list):
        return [_expected(each) for each in value]
    if value is None or (isinstance(value, str) and not re.fullmatch(r"-?[\d.]+(/\d+)?", value)):
        return value
    return exact(value)


def _counter_vector(vector: Vector) -> Iterator[Event]:
    given = vector["input"]
    yield _registered(vector, {"total": given["config"]} if "config" in given else {})
    for reading in given["readings"]:
        yield CounterRead(counter="total", value=reading["value"], **_base(vector, reading))


def _summary_vector(vector: Vector) -> Iterator[Event]:
    """Totals as the shortest day that has them: run, then set-up, then a breakdown to the shift's end."""
    given = vector["input"]
    policy = Policy(microstop_s=Span(0))
    yield _registered(vector, {})
    yield DefinitionSet(t=PLANNED, name=machine(vector), version=1, policy=policy, valid_from=PLANNED)
    shift = Interval(kind="shift", start=instant(0), end=instant(given["planned_s"]))
    yield CalendarSet(machine=machine(vector), t=PLANNED, intervals=[shift])
    yield ProductChanged(product="A", ideal_cycle=Span(ns(given["ideal_cycle_s"])), **_base(vector, {"t": 0}))
    ran, set_up = given["run_s"], given.get("setup_s", 0)
    for i, (t, state) in enumerate(((0, "running"), (ran, "setup"), (ran + set_up, "fault"))):
        yield StateChanged(state=state, **_base(vector, {"t": t, "seq": i}))
    good, reject = given["good"], given["total"] - given["good"]
    yield PartsCounted(good=good, reject=reject, **_base(vector, {"t": 0}))


def _aggregate_vector(vector: Vector) -> Iterator[Event]:
    """Every member as a day of its own machine."""
    for name, member in zip(members(vector), vector["input"]["members"], strict=True):
        yield from _summary_vector({"id": name, "kind": "summary", "input": member})


def _line_vector(vector: Vector) -> Iterator[Event]:
    """Stations that run all the time, each feeding the next one; only the last one counts."""
    given = vector["input"]
    names = members(vector)
    for name, station in zip(names, given["stations"], strict=True):
        base: dict[str, Any] = {"machine": name, "t": PLANNED}
        yield MachineRegistered(**base, line=machine(vector))
        shift = Interval(kind="shift", start=instant(0), end=instant(given["planned_s"]))
        yield CalendarSet(**base, intervals=[shift])
        yield ProductChanged(**base, product="A", ideal_cycle=Span(ns(station["ideal_cycle_s"])))
        yield StateChanged(machine=name, t=instant(0), state="running")
    for one, other in pairwise(names):
        yield RelationSet(machine=one, t=PLANNED, relation="feeds", other=other)
    yield PartsCounted(machine=names[-1], t=instant(0), good=given["good_out"])


def members(vector: Vector) -> list[str]:
    """The machines of an aggregate or a line, in the vector's order."""
    if vector["kind"] == "line":
        return [station["name"] for station in vector["input"]["stations"]]
    return [f"{machine(vector)}-{i}" for i, _ in enumerate(vector["input"]["members"])]


def _timeline_vector(vector: Vector) -> Iterator[Event]:
    yield _registered(vector, vector.get("counter_config", {}))
    yield DefinitionSet(t=PLANNED, name=machine(vector), version=1, policy=policy(vector), valid_from=PLANNED)
    if vector.get("schedule") is not None:
        intervals = [
            Interval(kind=i["kind"], start=instant(i["from"]), end=instant(i["to"])) for i in vector["schedule"]
        ]
        yield CalendarSet(machine=machine(vector), t=PLANNED, valid_from=PLANNED, intervals=intervals)
    for given in vector.get("products", ()):
        cycle = given.get("ideal_cycle_s")
        ideal = None if cycle is None else Span(ns(cycle))
        yield ProductChanged(product=given["product"], ideal_cycle=ideal, **_base(vector, given))
    for given in vector.get("states", ()):
        yield StateChanged(state=given["state"], **_base(vector, given))
    for given in vector.get("counts", ()):
        parts = {name: given.get(name, 0) for name in ("good", "reject", "rework")}
        yield PartsCounted(**parts, product=given.get("product", ""), **_base(vector, given))
    for given in vector.get("counters", ()):
        yield CounterRead(counter=given["counter"], value=given["value"], **_base(vector, given))
    for given in vector.get("corrections", ()):
        stretch: dict[str, Any] = {"start": instant(given["from"]), "end": instant(given["to"])}
        base = _base(vector, {"t": given["recorded"], "id": given.get("id")})
        yield ReasonAssigned(category=given["category"], **stretch, **base)
    if vector.get("horizon") is not None:
        yield ClockTicked(machine=machine(vector), t=instant(vector["horizon"]))


_STORIES = {
    "timeline": _timeline_vector,
    "counter": _counter_vector,
    "summary": _summary_vector,
    "aggregate": _aggregate_vector,
    "line": _line_vector,
}


def _registered(vector: Vector, counters: dict[CounterName, dict[str, int]]) -> MachineRegistered:
    configs = {name: Counter(**config) for name, config in counters.items()}
    name = "" if vector["kind"] == "counter" else machine(vector)
    return MachineRegistered(machine=machine(vector), t=PLANNED, definition=name, counters=configs)


def _base(vector: Vector, given: Mapping[str, Any]) -> dict[str, Any]:
    own = given.get("id")
    return {
        "machine": machine(vector),
        "t": instant(given["t"]),
        "seq": given.get("seq"),
        "id": f"{machine(vector)}:{own}" if own else "",
    }
