"""Definitions that every plant has, each in the style of a published one: the policy, and what it is after (docs/oee.md).

Rules: a built-in is version 1 of its name and never changes; another meaning is another version. It says nothing of state words.
`iso`: ISO 22400-2. Every stop is delay, however short; a reworked part that became good is good (first pass yield tells them
apart). `vorne`: short stops cost speed, and only what was good at once is good. `semi`: SEMI E79. All of the time is judged, and
all that was made in it counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tailrace.schemas.event import Policy
from tailrace.schemas.instant import Span

VERSION = 1

BUILT_IN: Mapping[str, Policy] = MappingProxyType(
    {
        "iso": Policy(microstop_s=Span(0), rework="good"),
        "vorne": Policy(),
        "semi": Policy(base="total", run_through="include", offplan_counts="include", rework="good"),
    }
)
"""Name -> policy, in the order in which they are shown."""
