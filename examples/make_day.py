"""Writes examples/day.jsonl: one day of two machines as an events file. The same seed gives the same bytes.

    python examples/make_day.py > examples/day.jsonl

PRESS1 says increments of parts, PRESS2 cumulative counters beside its signals. Two shifts with a break each, a change of
product at 14:00, short and long stops, and one stop that a person explained.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

DAY = datetime(2026, 3, 3, tzinfo=UTC)
SHIFTS = ((6, 14, "early"), (14, 22, "late"))
PRODUCTS = ((6, "P1", 12.0), (14, "P2", 10.0))
STEP = timedelta(minutes=5)

Line = dict[str, Any]


def at(hour: float) -> datetime:
    """A time of the day."""
    return DAY + timedelta(hours=hour)


def text(t: datetime) -> str:
    """As it stands in an events file."""
    return t.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def said(machine: str) -> Iterator[Line]:
    """What is said of a machine: where it stands, its shifts, what it makes."""
    place = {"site": "Demo Plant", "area": "Pressing", "line": "Line 1"}
    yield {"type": "machine.registered", "machine": machine, "t": text(at(0)), **place}
    intervals = [
        {"kind": "shift", "from": text(at(start)), "to": text(at(end)), "name": f"2026-03-03/{name}"}
        for start, end, name in SHIFTS
    ]
    intervals += [
        {"kind": "planned_stop", "from": text(at(start + 4)), "to": text(at(start + 4.5))} for start, _, _ in SHIFTS
    ]
    yield {"type": "calendar.set", "machine": machine, "t": text(at(0)), "intervals": intervals}
    for hour, product, cycle in PRODUCTS:
        yield {
            "type": "product.changed", "machine": machine, "t": text(at(hour)), "product": product, "ideal_cycle_s": cycle,
        }  # fmt: skip


def states(machine: str, choice: random.Random) -> list[tuple[datetime, str]]:
    """Running with stops: mostly minutes, sometimes long, a setup at the change of product."""
    found = [(at(6), "running")]
    t = at(6)
    while True:
        t += timedelta(minutes=choice.uniform(8, 55))
        if t >= at(21.5):
            break
        word = choice.choices(["stopped", "starved", "fault"], [5, 3, 2])[0]
        found.append((t, word))
        t += timedelta(minutes=choice.expovariate(1 / 5) + 0.5)
        found.append((t, "running"))
    return [each for each in found if not at(13.9) <= each[0] < at(14.4)] + [(at(14), "setup"), (at(14.25), "running")]


def running(history: list[tuple[datetime, str]], start: datetime, end: datetime) -> float:
    """Seconds of [start, end) in which the machine ran."""
    history = sorted(history)
    total = 0.0
    for (t, word), (until, _) in zip(history, [*history[1:], (at(22), "")], strict=True):
        if word == "running":
            total += max(0.0, (min(until, end) - max(t, start)).total_seconds())
    return total


def parts(machine: str, history: list[tuple[datetime, str]], choice: random.Random) -> Iterator[Line]:
    """Parts every five minutes."""
    total, rejected, t = 1000, 12, at(6)
    while t < at(22):
        cycle = 12.0 if t < at(14) else 10.0
        made = int(running(history, t, t + STEP) / (cycle * choice.uniform(1.0, 1.25)))
        bad = sum(choice.random() < 0.02 for _ in range(made))
        total, rejected, t = total + made, rejected + bad, t + STEP
        head = {"machine": machine, "t": text(t - timedelta(seconds=1))}
        if machine == "PRESS1":
            if made:
                yield {"type": "parts.counted", **head, "good": made - bad, "reject": bad}
            continue
        values = {"MachineTemp": round(40 + choice.gauss(8, 1.5), 1), "EnergyConsumed": round(choice.uniform(2, 5), 2)}
        yield {"type": "telemetry", **head, "values": values, "counters": {"total": total, "reject": rejected}}


def reason(machine: str, history: list[tuple[datetime, str]]) -> Line:
    """A person says that the longest stop of the early shift was planned."""
    history = sorted(each for each in history if each[0] < at(13))
    stops = [(until - t, t, until) for (t, word), (until, _) in pairwise(history) if word != "running"]
    _, start, end = max(stops)
    span = {"from": text(start), "to": text(end)}
    said = {"category": "planned_stop", "reason": "tool inspection", "by": "shift lead"}
    return {"type": "reason.assigned", "machine": machine, "t": text(at(21.9)), **span, **said}


def day() -> Iterator[Line]:
    """The lines in the order of their times."""
    choice = random.Random(20260303)
    lines: list[Line] = []
    for machine in ("PRESS1", "PRESS2"):
        history = states(machine, choice)
        lines += said(machine)
        lines += [{"type": "state.changed", "machine": machine, "t": text(t), "state": word} for t, word in history]
        lines += parts(machine, history, choice)
        lines.append({"type": "clock.ticked", "machine": machine, "t": text(at(22))})
        if machine == "PRESS1":
            lines.append(reason(machine, history))
    yield from sorted(lines, key=lambda line: str(line["t"]))


if __name__ == "__main__":
    sys.stdout.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in day())
