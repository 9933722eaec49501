"""The stretches of a machine's timeline: where one state and category holds, and where the machine is down.

A machine is down where its states say unplanned, whatever a person made of it later, and where a person says unplanned. It is
up again where its states do not say unplanned; there ends a reason that was given while it was down.
"""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from tailrace.schemas.instant import HOUR
from tailrace.topologies.machine import Machine
from tailrace.topologies.plan import UNPLANNED
from tailrace.topologies.steps import FOREVER
from tailrace.topologies.tally import category, states


class Stretch(NamedTuple):
    """[start, end) in ns with one state word (its code), one category and one answer to whether the machine is down."""

    start: int
    end: int
    word: int
    category: int
    down: bool


def stretches(machine: Machine, a: int, b: int) -> list[Stretch]:
    """The stretches of [a, b), the first beginning at a, the last ending at b."""
    times, words = states(machine, a, b)
    overlay = machine.steps("overlay")
    maps, table = machine.maps()
    start = np.unique(np.concatenate([times, overlay.between(a, b), maps.between(a, b)]))
    word = words[np.searchsorted(times, start, side="right") - 1]
    own = table[maps.at(start), word + 1]
    said = category(machine, start, times, words)
    down = (own == UNPLANNED) | (said == UNPLANNED)
    ends = [*start[1:].tolist(), b]
    found = map(Stretch, start.tolist(), ends, word.tolist(), said.tolist(), down.tolist())
    return [_joined(list(same)) for _, same in groupby(found, key=lambda s: s[2:])]


def begin_of(machine: Machine, t: int) -> int:
    """The start of the stretch, or of the stop, that holds just before t."""
    earliest, reach = machine.earliest(), HOUR
    while True:
        a = max(t - reach, earliest)
        if a >= t:
            return t
        found = stretches(machine, a, t)
        begin = _last_begin(found)
        if begin > a or a == earliest:
            return begin
        reach *= 8


def end_of(machine: Machine, t: int) -> int:
    """The end of the stretch, or of the stop, that holds at t; FOREVER where it is open."""
    ends = (reason.end for reason in machine.head.plan.reasons if reason.end < FOREVER)
    latest = max([_latest(machine), *ends])
    reach = HOUR
    while t <= latest:
        b = min(t + reach, latest + 1)
        found = stretches(machine, t, b)
        changed = next((one.end for one, other in pairwise(found) if not (one.down and other.down)), b)
        if changed < b:
            return changed
        if b > latest:
            break
        reach *= 8
    return FOREVER


def up_at(machine: Machine, t: int) -> int:
    """The first instant from t on at which the machine's states do not say unplanned; FOREVER where they still do."""
    latest, reach = _latest(machine), HOUR
    while True:
        b = max(t + 1, min(t + reach, latest + 1))
        times, words = states(machine, t, b)
        maps, table = machine.maps()
        start = np.unique(np.concatenate([times, maps.between(t, b)]))
        own = table[maps.at(start), words[np.searchsorted(times, start, side="right") - 1] + 1]
        up = np.flatnonzero(own != UNPLANNED)
        if len(up):
            return int(start[up[0]])
        if b > latest:
            return FOREVER
        t, reach = b, reach * 8


def _latest(machine: Machine) -> int:
    """From then on the machine's states say the same."""
    return max([machine.head.last_point, *(start for start, *_ in machine.head.plan.in_use())])


def _last_begin(found: list[Stretch]) -> int:
    begin = len(found) - 1
    while begin and found[begin].down and found[begin - 1].down:
        begin -= 1
    return found[begin].start


def _joined(same: list[Stretch]) -> Stretch:
    return same[0]._replace(end=same[-1].end)
