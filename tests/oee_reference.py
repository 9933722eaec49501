"""The judge of OEE: slow and plain, one look-up per instant, whole ints and exact fractions.

Rules (docs/oee.md says them to users):
* Events are one machine's and its site's, in log order. The same id twice is one event. Order among equal t is seq (none
  counts as -1), then the log. An as-of time cuts observations, never plans and reasons.
* What the machine's states say where several clocks, losses and ticks speak is asked of oee_clocks.
* Time is cut wherever anything can change; between two cuts everything is constant and is looked up at the first instant.
* Nothing here is shared with the product: not the state words, not the bucket order, not one formula.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any, Generic, TypeVar

import oee_clocks
from tailrace.schemas.event import (
    CalendarSet,
    ClockTicked,
    Counter,
    CounterRead,
    DefinitionSet,
    Event,
    MachineRegistered,
    PartsCounted,
    Policy,
    ProductChanged,
    ReasonAssigned,
    ReasonRetracted,
    StateChanged,
    Telemetry,
)

SECOND = 10**9
FOREVER = 2**63 - 1
OBSERVATIONS = (Telemetry, StateChanged, PartsCounted, CounterRead, ProductChanged, ClockTicked)
CATEGORY = {
    "running": "run", "execute": "run",
    "stopped": "unplanned", "fault": "unplanned", "aborted": "unplanned", "held": "unplanned", "starved": "unplanned",
    "blocked": "unplanned", "suspended": "unplanned", "idle": "unplanned",
    "setup": "setup", "changeover": "setup",
    "maintenance": "planned_stop", "break": "planned_stop", "no_demand": "planned_stop",
}  # fmt: skip
BUCKETS = ("not_scheduled", "planned_stop", "excluded", "setup", "breakdown", "unknown", "microstop", "run")

T = TypeVar("T")
E = TypeVar("E", bound=Event)


class Steps(Generic[T]):
    """A value that holds from its time on until the next one; of several at one time the last stands."""

    def __init__(self, before: T, points: Iterable[tuple[int, T]]) -> None:
        self._points = list(points)
        self._times = [t for t, _ in self._points]
        self._before = before

    def at(self, t: int) -> T:
        i = bisect_right(self._times, t)
        return self._points[i - 1][1] if i else self._before


@dataclass(frozen=True)
class Count:
    """Increments of parts at an instant, of one product."""

    t: int
    product: str
    good: int
    reject: int
    rework: int


# -- counters ----------------------------------------------------------------------------------------------------------


def deltas(values: Sequence[int], config: Counter) -> list[tuple[int, str | None]]:
    """What each reading of a cumulative counter adds, and the flag it raises; values in time order."""
    found: list[tuple[int, str | None]] = []
    level: int | None = None
    rejected: int | None = None
    for value in values:
        delta, flag = _delta(level, rejected, value, config)
        found.append((delta, flag))
        if flag == "counter_anomaly":
            rejected = value
        else:
            level, rejected = value, None
    return found


def _delta(level: int | None, rejected: int | None, value: int, config: Counter) -> tuple[int, str | None]:
    if level is None:
        return 0, None
    if rejected is not None and config.max_step is not None and 0 <= value - rejected <= config.max_step:
        return value - rejected, None
    delta, flag = _step(level, value, config)
    if config.max_step is not None and delta > config.max_step:
        return 0, "counter_anomaly"
    return delta, flag


def _step(level: int, value: int, config: Counter) -> tuple[int, str | None]:
    if value >= level:
        return value - level, None
    if level - value <= config.backstep_max:
        return value - level, "counter_backstep"
    if config.modulus is not None:
        round_trip = value + config.modulus - level
        longest = Fraction(config.modulus, 2) if config.max_step is None else config.max_step
        if 0 <= round_trip <= longest:
            return round_trip, "counter_rollover"
    return value, "counter_reset"


# -- what the events say, by time --------------------------------------------------------------------------------------


class Timeline:
    """One machine's facts, each to be asked for at an instant."""

    def __init__(self, events: Sequence[Event], as_of: int | None, policy: Policy | None) -> None:
        log = list(_once(events))
        seen = [e for e in log if as_of is None or not isinstance(e, OBSERVATIONS) or e.t <= as_of]
        self.as_of = as_of
        self.policy = policy
        self.states = _of(StateChanged, seen)
        self.ticks = _of(ClockTicked, seen)
        self.products = _of(ProductChanged, seen)
        self.parts = _of(PartsCounted, seen)
        self.calendars = _of(CalendarSet, log)
        self.definitions = _of(DefinitionSet, log)
        registered = _of(MachineRegistered, log)
        self.definition_name = registered[-1].definition if registered else ""
        self.counter_config = {str(n): c for n, c in registered[-1].counters.items()} if registered else {}
        self.readings = _readings(seen)
        self.watermark = max((int(e.t) for e in seen if isinstance(e, OBSERVATIONS)), default=None)
        points = oee_clocks.points(log)
        self._points = [p for p in points if as_of is None or p.begin <= as_of]
        self._word = Steps(
            "unknown", [(t, oee_clocks.word(self._points, t)) for t in sorted({p.begin for p in self._points})]
        )
        self._product = Steps("", [(e.t, e.product) for e in self.products])
        self.reasons = [(int(r.start), self._end(r), r.category) for r in _standing(log)]
        self.cuts = self._cuts()
        self.category_at = _remembered(self._category, self.cuts)
        self.class_at = _remembered(self._class, self.cuts)

    def _cuts(self) -> list[int]:
        """Every time at which a look-up may give something else."""
        cuts = {p.begin for p in self._points} | {int(e.t) for e in self.products}
        cuts |= {t for start, end, _ in self.reasons for t in (start, end) if t < FOREVER}
        cuts |= {_valid_from(e) for e in self.definitions}
        for own in (True, False):
            cuts |= {begin for _, begin in _begins([c for c in self.calendars if bool(c.machine) is own])}
        cuts |= {int(t) for c in self.calendars for i in c.intervals for t in (i.start, i.end)}
        return sorted(cuts)

    def definition_at(self, t: int) -> DefinitionSet | None:
        """The machine's own definition if it is in force, else the site's."""
        own = [d for d in self.definitions if d.name == self.definition_name != ""]
        sites = [d for d in self.definitions if d.default]
        for known in (own, sites):
            in_force = [d for d in known if _valid_from(d) <= t]
            if in_force:
                return sorted(in_force, key=lambda d: (_valid_from(d), d.version))[-1]
        return None

    def policy_at(self, t: int) -> Policy:
        if self.policy is not None:
            return self.policy
        definition = self.definition_at(t)
        return Policy() if definition is None else definition.policy

    def _category(self, t: int) -> str:
        said = [category for start, end, category in self.reasons if start <= t < end]
        return _category_word(said[-1]) if said else self._own(t)

    def _end(self, reason: ReasonAssigned) -> int:
        """A reason without an end ends where the machine's states, from when it was said, say something else."""
        if reason.end is not None:
            return int(reason.end)
        said = max(reason.t, reason.start)
        changes = {p.begin for p in self._points} | {_valid_from(e) for e in self.definitions}
        later = [int(said), *sorted(t for t in changes if t > said)]
        return next((t for t in later if self._own(t) != "unplanned"), FOREVER)

    def _own(self, t: int) -> str:
        """The category of the machine's own state."""
        word = self._word.at(t).lower()
        mapped = {state.lower(): category for state, category in self.policy_at(t).state_map.items()}
        return _category_word(mapped.get(word) or CATEGORY.get(word, "unknown"))

    def _class(self, t: int) -> str:
        """`off`, `planned` or `shift`."""
        own = [c for c in self.calendars if c.machine]
        sites = [c for c in self.calendars if not c.machine]
        for known in (own, sites):
            in_force = [c for c, begin in _begins(known) if begin <= t]
            if in_force:
                calendar = in_force[-1]
                kinds = {i.kind for i in calendar.intervals if i.start <= t < i.end}
                return "off" if "shift" not in kinds else "planned" if "planned_stop" in kinds else "shift"
        return "shift"

    def product_at(self, t: int) -> str:
        return self._product.at(t)

    def cycle_at(self, product: str, t: int) -> int | None:
        """The ideal cycle in ns that the product's latest change up to t names, if it names one."""
        changes = [p for p in self.products if p.product == product and p.t <= t]
        return None if not changes or changes[-1].ideal_cycle is None else int(changes[-1].ideal_cycle)

    def horizon(self, end: int) -> int:
        """How far the last state holds."""
        if self.as_of is not None:
            return self.as_of
        return max([end, *(int(e.t) for e in (*self.states[-1:], *self.ticks[-1:]))])

    def episodes(self, end: int) -> list[tuple[int, int]]:
        """Maximal stretches of category unplanned, not clipped by any window or shift."""
        horizon = self.horizon(end)
        found: list[tuple[int, int]] = []
        for a, b in pairwise([*(t for t in self.cuts if t < horizon), horizon]):
            if self.category_at(a) == "unplanned":
                begun = found.pop()[0] if found and found[-1][1] == a else a
                found.append((begun, b))
        return found

    def flags(self, start: int, end: int) -> set[str]:
        """What the counters did in [start, end)."""
        return {flag for t, _, _, flag in self.counter_steps() if flag and start <= t < end}

    def counter_steps(self) -> Iterator[tuple[int, str, int, str | None]]:
        """(t, counter, delta, flag) of each reading that is listened to."""
        first = {name: readings[0][0] for name, readings in self.readings.items()}
        for name, readings in self.readings.items():
            found = deltas([value for _, value in readings], self.counter_config.get(name, Counter()))
            for (t, _), (delta, flag) in zip(readings, found, strict=True):
                known = {other for other, since in first.items() if since <= t}
                if name == "total" and {"good", "reject"} <= known:
                    continue
                yield t, name, delta, flag

    def counts(self) -> Iterator[Count]:
        """All increments, those of counters too. A counter is there from its first reading on."""
        for e in self.parts:
            yield Count(e.t, e.product or self.product_at(e.t), e.good, e.reject, e.rework)
        first = {name: readings[0][0] for name, readings in self.readings.items()}
        for t, name, delta, _ in self.counter_steps():
            known = {other for other, since in first.items() if since <= t}
            good, reject = _shares(name, delta, known)
            yield Count(t, self.product_at(t), good, reject, 0)


def _shares(name: str, delta: int, known: set[str]) -> tuple[int, int]:
    """(good, reject) of a counter's delta beside the other counters there are."""
    match name:
        case "total":
            return (0, delta) if "good" in known else (delta, 0)
        case "good":
            return (delta, -delta) if known == {"total", "good"} else (delta, 0)
        case _:
            return (-delta, delta) if known == {"total", "reject"} else (0, delta)


def _once(events: Sequence[Event]) -> Iterator[Event]:
    ids: set[str] = set()
    for event in events:
        if event.id and event.id in ids:
            continue
        ids.add(event.id)
        yield event


def _of(kind: type[E], events: Sequence[Event]) -> list[E]:
    """Events of a type by (t, seq, place in the log); sorting keeps the log's order of equals."""
    return sorted((e for e in events if isinstance(e, kind)), key=_rank)


def _rank(event: Event) -> tuple[int, int]:
    return int(event.t), -1 if event.seq is None else event.seq


def _standing(log: Sequence[Event]) -> list[ReasonAssigned]:
    retracted = {e.reason_id for e in log if isinstance(e, ReasonRetracted)}
    return [r for r in _of(ReasonAssigned, log) if not (r.id and r.id in retracted)]


def _readings(seen: Sequence[Event]) -> dict[str, list[tuple[int, int]]]:
    """(t, value) of every counter in time order, wherever it was read."""
    found: dict[str, list[tuple[int, int]]] = {}
    for event in sorted((e for e in seen if isinstance(e, (CounterRead, Telemetry))), key=_rank):
        read = {event.counter: event.value} if isinstance(event, CounterRead) else event.counters
        for name, value in read.items():
            found.setdefault(name, []).append((event.t, value))
    return found


def _begins(calendars: list[CalendarSet]) -> list[tuple[CalendarSet, int]]:
    """Calendars by the time from which they hold; the first one, where it names none, also for its earlier intervals."""
    ordered = sorted(calendars, key=_valid_from)
    begins = [_valid_from(c) for c in ordered]
    if ordered and ordered[0].valid_from is None:
        begins[0] = min([begins[0], *(int(i.start) for i in ordered[0].intervals if i.end > i.start)])
    return list(zip(ordered, begins, strict=True))


def _valid_from(event: CalendarSet | DefinitionSet) -> int:
    return int(event.t if event.valid_from is None else event.valid_from)


def _category_word(word: str) -> str:
    return "planned_stop" if word == "planned" else word


def _remembered(look_up: Callable[[int], str], cuts: list[int]) -> Callable[[int], str]:
    """The same look-up, asked once per stretch between two cuts."""
    before = look_up(cuts[0] - 1 if cuts else 0)
    return Steps(before, [(t, look_up(t)) for t in cuts]).at


# -- an OEE ------------------------------------------------------------------------------------------------------------


@dataclass
class _Sums:
    """What adds up over parts of a window, in ns, parts and ns of ideal time."""

    time: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BUCKETS, 0))
    base: int = 0
    good: int = 0
    reject: int = 0
    rework: int = 0
    offplan_good: int = 0
    offplan_reject: int = 0
    total: int = 0
    ideal_total: int = 0
    ideal_good: int = 0
    cycle_missing: bool = False
    breakdowns: int = 0
    microstops: int = 0


def summarise(
    events: Sequence[Event], start: int, end: int, as_of: int | None = None, policy: Policy | None = None
) -> dict[str, Any]:
    """The OEE of [start, end) in exact seconds, parts and ratios; a policy given here stands above every definition."""
    timeline = Timeline(events, as_of, policy)
    stop = end if as_of is None else max(start, min(end, as_of))
    sums = _Sums()
    episodes = timeline.episodes(end)
    _add_time(sums, timeline, episodes, start, stop)
    _add_episodes(sums, timeline, episodes, start, stop)
    for count in timeline.counts():
        if start <= count.t < end:
            _add_count(sums, timeline, count)
    result = _ratios(sums, stop - start)
    result["flags"] |= timeline.flags(start, end) | ({"provisional"} if as_of is not None and as_of < end else set())
    result["completeness"] = _completeness(timeline, start, stop)
    result["definition"] = _definitions(timeline, start, stop)
    return result


def _pieces(cuts: Iterable[int], start: int, stop: int) -> Iterator[tuple[int, int]]:
    """[start, stop) cut at every cut inside."""
    yield from pairwise(sorted({t for t in cuts if start < t < stop} | {start, stop}))


def _add_time(sums: _Sums, timeline: Timeline, episodes: list[tuple[int, int]], start: int, stop: int) -> None:
    for a, b in _pieces(timeline.cuts, start, stop):
        bucket = _bucket(timeline, episodes, a)
        sums.time[bucket] += b - a
        if timeline.policy_at(a).base == "total" or bucket not in ("not_scheduled", "planned_stop", "excluded"):
            sums.base += b - a


def _bucket(timeline: Timeline, episodes: list[tuple[int, int]], t: int) -> str:
    policy, category, scheduled = timeline.policy_at(t), timeline.category_at(t), timeline.class_at(t)
    if category == "run" and (scheduled == "shift" or policy.run_through == "include"):
        return "run"
    if scheduled != "shift":
        return "not_scheduled" if scheduled == "off" else "planned_stop"
    match category:
        case "planned_stop":
            return "planned_stop" if policy.planned == "exclude" else "breakdown"
        case "setup":
            return "setup" if policy.setup == "loss" else "excluded"
        case "unplanned":
            return "microstop" if _is_short(episodes, t, policy) else "breakdown"
        case _:
            return "unknown" if policy.unknown == "loss" else "excluded"


def _is_short(episodes: list[tuple[int, int]], t: int, policy: Policy) -> bool:
    a, b = next((a, b) for a, b in episodes if a <= t < b)
    return b - a < policy.microstop_s


def _add_episodes(sums: _Sums, timeline: Timeline, episodes: list[tuple[int, int]], start: int, stop: int) -> None:
    for a, b in episodes:
        if start <= a < stop and timeline.class_at(a) == "shift":
            if b - a < timeline.policy_at(a).microstop_s:
                sums.microstops += 1
            else:
                sums.breakdowns += 1


def _add_count(sums: _Sums, timeline: Timeline, count: Count) -> None:
    policy = timeline.policy_at(count.t)
    ran_through = policy.run_through == "include" and timeline.category_at(count.t) == "run"
    if timeline.class_at(count.t) != "shift" and not ran_through and policy.offplan_counts == "exclude":
        sums.offplan_good += count.good
        sums.offplan_reject += count.reject + count.rework
        return
    good = count.good + (count.rework if policy.rework == "good" else 0)
    total = count.good + count.reject + count.rework
    sums.good += good
    sums.reject += count.reject
    sums.rework += count.rework
    sums.total += total
    cycle = timeline.cycle_at(count.product, count.t)
    if cycle is None:
        sums.cycle_missing |= any((count.good, count.reject, count.rework))
    else:
        sums.ideal_good += cycle * good
        sums.ideal_total += cycle * total


def _ratios(sums: _Sums, calendar: int) -> dict[str, Any]:
    time = sums.time
    operating = time["microstop"] + time["run"]
    pbt = operating + time["setup"] + time["breakdown"] + time["unknown"]
    missing = sums.cycle_missing
    count_ratio = _over(sums.good, sums.total)
    result: dict[str, Any] = {name: _seconds(ns) for name, ns in time.items()}
    result |= {
        "calendar": _seconds(calendar), "pbt": _seconds(pbt), "base": _seconds(sums.base),
        "operating": _seconds(operating),
        "total": sums.total, "good": sums.good, "reject": sums.reject, "rework": sums.rework,
        "offplan_good": sums.offplan_good, "offplan_reject": sums.offplan_reject,
        "availability": _over(operating, sums.base),
        "performance": None if missing else _over(sums.ideal_total, operating),
        "quality": count_ratio if missing else _over(sums.ideal_good, sums.ideal_total),
        "quality_count": count_ratio,
        "oee": None if missing else _over(sums.ideal_good, sums.base),
        "nee": _nee(sums, operating),
        "ooe": None if missing else _over(sums.ideal_good, calendar - time["not_scheduled"]),
        "teep": None if missing else _over(sums.ideal_good, calendar),
        "utilization": _over(pbt, calendar),
        "first_pass_yield": _over(sums.total - sums.reject - sums.rework, sums.total),
        "scrap_ratio": _over(sums.reject, sums.total), "rework_ratio": _over(sums.rework, sums.total),
        "throughput": _over(3600 * SECOND * sums.total, pbt),
        "speed_loss": None if missing else _seconds(time["run"] - sums.ideal_total),
        "quality_loss": None if missing else _seconds(sums.ideal_total - sums.ideal_good),
        "valuable": None if missing else _seconds(sums.ideal_good),
        "breakdowns": sums.breakdowns, "microstops": sums.microstops,
    }  # fmt: skip
    result["flags"] = {
        flag
        for flag, raised in (
            ("offplan_counts", sums.offplan_good != 0 or sums.offplan_reject != 0),
            ("ideal_cycle_missing", missing),
            ("performance_over_100", (result["performance"] or 0) > 1),
            ("counts_without_runtime", sums.total != 0 and operating == 0),
            ("negative_counts", min(sums.good, sums.reject, sums.rework) < 0),
        )
        if raised
    }
    return result


def _nee(sums: _Sums, operating: int) -> Fraction | None:
    """OEE of which set-up is no loss: (operating + set-up) ÷ base, times performance, times quality."""
    if sums.cycle_missing or not sums.base or not operating:
        return None
    return Fraction(operating + sums.time["setup"], sums.base) * Fraction(sums.ideal_good, operating)


def _completeness(timeline: Timeline, start: int, stop: int) -> Fraction | None:
    scheduled = covered = 0
    for a, b in _pieces((*timeline.cuts, timeline.watermark or start), start, stop):
        if timeline.class_at(a) == "off":
            continue
        scheduled += b - a
        if timeline.watermark is not None and a < timeline.watermark and timeline.category_at(a) != "unknown":
            covered += b - a
    return _over(covered, scheduled)


def _definitions(timeline: Timeline, start: int, stop: int) -> list[str]:
    """name@version of the definitions in force in [start, stop), by time."""
    found: dict[str, None] = {}
    for a, _ in _pieces(timeline.cuts, start, stop):
        definition = timeline.definition_at(a)
        if definition is not None:
            found[f"{definition.name}@{definition.version}"] = None
    return list(found)


def _over(above: int, below: int) -> Fraction | None:
    return Fraction(above, below) if below else None


def _seconds(ns: int) -> Fraction:
    return Fraction(ns, SECOND)


# -- without a policy --------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What one segment holds of one product, before any policy but the state map.

    time[schedule class, category] in ns; parts[schedule class, ran] = [good, reject, rework], of which uncosted had no ideal
    cycle; ideal[schedule class, ran] = the others times their cycle, in ns. Only entries that are not zero are there.
    """

    time: dict[tuple[str, str], int] = field(default_factory=dict)
    parts: dict[tuple[str, bool], list[int]] = field(default_factory=dict)
    uncosted: dict[tuple[str, bool], list[int]] = field(default_factory=dict)
    ideal: dict[tuple[str, bool], list[int]] = field(default_factory=dict)

    def strip(self) -> Tally:
        return Tally(
            {k: v for k, v in self.time.items() if v},
            *({k: v for k, v in kind.items() if any(v)} for kind in (self.parts, self.uncosted, self.ideal)),
        )


def tallies(
    events: Sequence[Event], edges: Sequence[int], as_of: int | None = None, policy: Policy | None = None
) -> dict[tuple[int, str], Tally]:
    """Tallies by (number of the segment between two edges, product); segments and products with nothing are left out."""
    timeline = Timeline(events, as_of, policy)
    stop = edges[-1] if as_of is None else max(edges[0], min(edges[-1], as_of))
    found: dict[tuple[int, str], Tally] = {}
    for a, b in _pieces((*timeline.cuts, *edges), edges[0], stop):
        time = found.setdefault((bisect_right(edges, a) - 1, timeline.product_at(a)), Tally()).time
        key = timeline.class_at(a), timeline.category_at(a)
        time[key] = time.get(key, 0) + b - a
    for count in timeline.counts():
        if edges[0] <= count.t < edges[-1]:
            _tally(found.setdefault((bisect_right(edges, count.t) - 1, count.product), Tally()), timeline, count)
    return {key: tally for key, full in found.items() if (tally := full.strip()) != Tally()}


def _tally(tally: Tally, timeline: Timeline, count: Count) -> None:
    key = timeline.class_at(count.t), timeline.category_at(count.t) == "run"
    parts = [count.good, count.reject, count.rework]
    cycle = timeline.cycle_at(count.product, count.t)
    _plus(tally.parts, key, parts)
    if cycle is None:
        _plus(tally.uncosted, key, parts)
    else:
        _plus(tally.ideal, key, [cycle * n for n in parts])


def _plus(sums: dict[tuple[str, bool], list[int]], key: tuple[str, bool], more: list[int]) -> None:
    sums[key] = [a + b for a, b in zip(sums.get(key, [0, 0, 0]), more, strict=True)]
