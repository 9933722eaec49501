"""The six big losses of a window, from its accounts: where the planned busy time went that made no good part.

Rules: a failure is what the OEE calls breakdown, a minor stop what it calls microstop, whatever their reasons; setup, speed loss
and quality loss are those of the OEE. A reason with a loss of its own moves the setup or the breakdown of its stop there, and one
of reduced yield also the defects that were counted in it. So the six and what is unknown add up to pbt - valuable, for any
definition, any reasons and any window. Integers of ns; nothing is capped: a machine that is too fast has a negative speed loss.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tailrace.projections.oee_result import Account
from tailrace.schemas.answer import BigLoss
from tailrace.schemas.instant import seconds
from tailrace.schemas.reason import LOSSES, Loss

UNKNOWN = "unknown"
DEFAULTS: dict[str, Loss] = {
    "unplanned": "equipment_failure", "planned_stop": "equipment_failure", "setup": "setup_adjustments",
}  # fmt: skip
"""Category -> where the time of a stop stands that no reason moves; a planned stop only where it is a loss at all."""


class Reasoned(msgspec.Struct, frozen=True):
    """The part of a stop inside the window: its category, the loss that its reason names, and what the OEE holds of it."""

    category: str
    loss: Loss
    account: Account


def moves(category: str, loss: Loss | None) -> bool:
    """Whether a stop of this category with this loss stands elsewhere than without it."""
    return loss is not None and (loss == "reduced_yield" or DEFAULTS.get(category, loss) != loss)


def six(accounts: Sequence[Account], stops: Sequence[Reasoned]) -> list[BigLoss]:
    """The six losses in their order, then what is unknown, with shares of their sum; null where an ideal cycle is missing."""
    whole = sum(accounts, Account())
    known = not whole.no_ideal
    lost = {
        "equipment_failure": whole.breakdown,
        "setup_adjustments": whole.setup,
        "idling_minor_stops": whole.microstop,
        "reduced_speed": whole.run - whole.standard_total,
        "process_defects": whole.standard_total - whole.standard_good,
        "reduced_yield": 0,
        UNKNOWN: whole.unknown,
    }
    for each in stops:
        _move(lost, each)
    total = sum(lost.values()) if known else None
    return [_item(name, lost[name], known, total) for name in (*LOSSES, UNKNOWN)]


def lost_s(accounts: Sequence[Account]) -> float | None:
    """pbt - valuable in seconds; None where an ideal cycle is missing."""
    whole = sum(accounts, Account())
    return None if whole.no_ideal else seconds(whole.pbt - whole.standard_good)


def _move(lost: dict[str, int], stop: Reasoned) -> None:
    usual = DEFAULTS.get(stop.category)
    if usual is not None:
        down = stop.account.setup if usual == "setup_adjustments" else stop.account.breakdown
        lost[usual] -= down
        lost[stop.loss] += down
    if stop.loss == "reduced_yield":
        defects = stop.account.standard_total - stop.account.standard_good
        lost["process_defects"] -= defects
        lost["reduced_yield"] += defects


def _item(name: str, ns: int, known: bool, total: int | None) -> BigLoss:
    hidden = not known and name in ("reduced_speed", "process_defects", "reduced_yield")
    return BigLoss(loss=name, duration_s=None if hidden else seconds(ns), share=ns / total if total else None)
