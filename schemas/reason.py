"""Reasons that a plant offers for its stops, as leaves of a tree, and the six big losses that they are counted under.

The six big losses are those of TPM (Nakajima 1988): two of availability, two of performance, two of quality.
Rules: a reason stands once in a tree. Its category comes with it when it is chosen; its loss is looked up when a report is made.
A reason without a loss counts by its category and its length (docs/stops.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Loss = Literal[
    "equipment_failure", "setup_adjustments", "idling_minor_stops", "reduced_speed", "process_defects", "reduced_yield"
]
StopCategory = Literal["run", "unplanned", "setup", "planned_stop", "unknown"]
LOSSES: tuple[Loss, ...] = (
    "equipment_failure", "setup_adjustments", "idling_minor_stops", "reduced_speed", "process_defects", "reduced_yield",
)  # fmt: skip
"""In their usual order."""


class StopReason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A leaf. path: the groups that it stands in, the outermost first.

    machines, lines: for which it is offered; both empty: for all of them.
    """

    reason: str
    category: StopCategory
    path: list[str] = []
    loss: Loss | None = None
    machines: list[str] = []
    lines: list[str] = []

    def offered(self, machine: str, line: str | None) -> bool:
        """Whether it can be the reason of a stop of this machine, which stands in this line."""
        return not (self.machines or self.lines) or machine in self.machines or line in self.lines


def repeated(tree: Sequence[StopReason]) -> str | None:
    """A reason that stands in a tree twice."""
    seen: set[str] = set()
    for each in tree:
        if each.reason in seen:
            return each.reason
        seen.add(each.reason)
    return None


def _group(name: str, category: StopCategory, loss: Loss | None, *reasons: str) -> list[StopReason]:
    return [StopReason(reason=each, category=category, path=[name], loss=loss) for each in reasons]


DEFAULT: tuple[StopReason, ...] = (
    *_group(
        "Failure", "unplanned", "equipment_failure", "Mechanical fault", "Electrical fault", "Control or sensor fault",
        "Tool breakage",
    ),
    *_group("Setup", "setup", "setup_adjustments", "Changeover", "Tool change", "Adjustment"),
    *_group("Start-up", "setup", "reduced_yield", "Warm-up", "First parts"),
    *_group(
        "Waiting", "unplanned", "idling_minor_stops", "No material", "Blocked downstream", "Material jam", "No operator"
    ),
    *_group("Quality", "unplanned", "process_defects", "Quality problem", "Waiting for release"),
    *_group("Planned", "planned_stop", None, "Break", "Meeting", "Planned maintenance", "Cleaning", "No order"),
)  # fmt: skip
"""The tree of a plant that says none."""
