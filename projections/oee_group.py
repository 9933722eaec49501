"""The figures of several machines: the sum of a group, and a serial line at its bottleneck.

Rules: a group is judged on its sums, sum of ideal x good over sum of base, so that a member weighs what its planned time weighs.
The mean of the members' OEEs is no figure of the group; it is shown as `mean_of_oee` for those who were used to it. The
bottleneck of a line is the station with the longest ideal cycle for what the line makes, the earliest of equal ones; the line is
judged there: that cycle x the good parts over the station's base.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import msgspec

from tailrace.projections.oee_result import Account, result


class Station(msgspec.Struct, frozen=True):
    """A station of a line. good: parts it is judged by; standard: ns that these take at its ideal cycle, None = unknown.

    cycle: its ideal cycle in ns per part at the end of the window, None = unknown; it speaks where there are no parts.
    base: ns that it is judged on.
    """

    name: str
    good: int
    standard: int | None
    cycle: int | None
    base: int

    @property
    def pace(self) -> Fraction | None:
        """ns per part that the station needs at its ideal cycle, over what was made; None = unknown."""
        if self.good > 0:
            return None if self.standard is None else Fraction(self.standard, self.good)
        return None if self.cycle is None else Fraction(self.cycle)

    @property
    def oee(self) -> float | None:
        """The OEE of a line whose bottleneck this station is."""
        return None if self.standard is None or not self.base else self.standard / self.base


def summed(members: Sequence[Sequence[Account]], *, provisional: bool) -> dict[str, Any]:
    """The figures of a group, and `mean_of_oee` of the members that have one."""
    whole = result([account for member in members for account in member], provisional=provisional)
    ratios = [result(member, provisional=provisional)["oee"] for member in members]
    known = [ratio for ratio in ratios if ratio is not None]
    return whole | {"mean_of_oee": sum(known) / len(known) if known else None}


def bottleneck(stations: Sequence[Station]) -> Station | None:
    """The slowest station of a line, in the order of its flow; None where the pace of a station is unknown."""
    paces = [station.pace for station in stations]
    known = [pace for pace in paces if pace is not None]
    if not known or len(known) < len(paces):
        return None
    return stations[paces.index(max(known))]
