"""Which unit a number has where nobody gave one: counters count parts, and features made of counters have units of their own.

Rule: what the plant says of a signal stands before what its name says; a name that says nothing has no unit.
"""

from __future__ import annotations

from typing import NamedTuple

NARROW = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"

COUNTERS = frozenset({"total", "good", "reject", "rework"})
PARTS = "parts"


class Measure(NamedTuple):
    """A unit, and by what a number is multiplied to be in it."""

    unit: str
    factor: float = 1.0


NO_UNIT = Measure("")
FEATURES = {
    "cycle_time": Measure("s"),
    "defect_ratio": Measure("%", 100.0),
    "production_rate": Measure("parts/min"),
}
"""What topologies/anomaly_flow.py makes of counters; a signal of such a name stands in place of it."""


def unit_of(signal: str, said: str | None) -> str:
    """The unit of a signal; said: what the plant file or a registration says of it."""
    return said or (PARTS if signal in COUNTERS else "")


def measure_of(feature: str, said: str | None) -> Measure:
    """The unit of a feature of an anomaly model: a signal of the machine, or a feature made of its counters."""
    if said is None and feature in FEATURES:
        return FEATURES[feature]
    return Measure(unit_of(feature, said))


def figure(text: str, unit: str) -> str:
    """A number and its unit, which no line break parts."""
    return f"{text}{NARROW}{unit}" if unit else text
