"""The OEE of a machine in a window, exact for any window: the facts folded so far, tallied once, the policy applied last.

Rules: a window across two versions of a definition is split where the later one becomes valid; the accounts of the parts add
up. With an as-of time nothing stamped later counts, and the window ends there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from tailrace.projections.oee_result import Account, Measured, account, result
from tailrace.schemas.bucket import AT_TIME, COLUMNS
from tailrace.schemas.event import Policy
from tailrace.topologies.episode import Episodes, begun, episodes, microstop_time
from tailrace.topologies.machine import Machine
from tailrace.topologies.plan import OFF, UNKNOWN
from tailrace.topologies.tally import Ints, Pieces, pieces, tally

Sums = Callable[[int, int], Ints]
"""(a, b) -> the tallies of [a, b), one row of schemas.bucket.COLUMNS."""


class Found(msgspec.Struct, frozen=True):
    """What a window holds of a machine: its accounts, the definitions by time, and whether the window is not over yet."""

    accounts: list[Account]
    definitions: list[str]
    provisional: bool


def answer(
    machine: Machine,
    start: int,
    end: int,
    as_of: int | None = None,
    watermark: int | None = None,
    sums: Sums | None = None,
) -> dict[str, Any]:
    """The figures of docs/oee.md for [start, end) in ns; the arguments are those of `found`."""
    return shown(found(machine, start, end, as_of, watermark, sums))


def found(
    machine: Machine,
    start: int,
    end: int,
    as_of: int | None = None,
    watermark: int | None = None,
    sums: Sums | None = None,
) -> Found:
    """What [start, end) in ns holds.

    watermark: the latest observation (ns) that counts; without one, the machine's latest of all. sums: where the tallies of
    a stretch come from; without it, from the machine's facts.
    """
    stop = end if as_of is None else max(start, min(end, as_of))
    seen = machine.head.watermark if watermark is None else watermark
    parts = list(definitions(machine, start, stop))
    tallied = sums or (lambda a, b: totals(machine, a, b))
    down = episodes(machine, start, end, as_of)
    accounts = [_account(machine, a, b, seen, down, policy, tallied) for a, b, _, policy in parts]
    if as_of is not None and start <= as_of < end:
        accounts += [_instant(machine, as_of, policy) for _, _, _, policy in definitions(machine, as_of, as_of + 1)]
    names = list(dict.fromkeys(name for _, _, name, _ in parts if name))
    return Found(accounts, names, as_of is not None and as_of < end)


def shown(one: Found) -> dict[str, Any]:
    """The figures, and `definition`."""
    return result(one.accounts, provisional=one.provisional) | {"definition": one.definitions}


def totals(machine: Machine, a: int, b: int) -> Ints:
    """The tallies of [a, b), from the machine's facts."""
    if a >= b:
        return np.zeros(len(COLUMNS), np.int64)
    return np.asarray(tally(machine, np.array([a, b], np.int64)).tallies.sum(axis=0))


def _instant(machine: Machine, t: int, policy: Policy) -> Account:
    """What was counted at the very as-of time: it is not later, so it counts, though no time passes."""
    counted = totals(machine, t, t + 1)
    counted[AT_TIME] = 0
    return account(Measured(counted.tolist(), 0, 0, 0, policy))


def _account(machine: Machine, a: int, b: int, watermark: int, down: Episodes, policy: Policy, sums: Sums) -> Account:
    seen = min(max(watermark, a), b)
    piece = pieces(machine, np.unique(np.array([a, seen, b], np.int64)))
    short = microstop_time(down, piece, policy.microstop_s)
    measured = Measured(sums(a, b).tolist(), short, *begun(down, machine, a, b, policy.microstop_s), policy)
    return account(measured, observed=_observed(piece, seen))


def _observed(piece: Pieces, seen: int) -> int:
    """ns of scheduled time that lie before the watermark and are not unknown."""
    known = (piece.schedule != OFF) & (piece.category != UNKNOWN) & (piece.start < seen)
    return int((piece.end - piece.start)[known].sum())


def definitions(machine: Machine, start: int, stop: int) -> Iterator[tuple[int, int, str, Policy]]:
    """[a, b), name@version and policy of the definitions in force in [start, stop); before the first one the defaults hold."""
    in_use = [(BEFORE, "", Policy())]
    in_use += [
        (valid_from, f"{name}@{version}", policy) for valid_from, name, version, policy in machine.head.plan.in_use()
    ]
    for (valid_from, name, policy), until in zip(in_use, [*(u[0] for u in in_use[1:]), AFTER], strict=True):
        a, b = max(start, valid_from), min(stop, until)
        if a < b:
            yield a, b, name, policy


BEFORE, AFTER = -(2**63), 2**63 - 1
