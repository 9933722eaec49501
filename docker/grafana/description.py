"""What a dashboard is, whichever database it asks: a name, and panels with a statement and the unit of every column.

Rules: a statement is one text that SQLite and SQL Server read alike: `start_ns` and its like are int64 in both, so time is
whole numbers, and what differs (LIMIT and TOP, text of times) is not used. Grafana puts in `$__from` and `$__to` (ms UTC) and the
machines before it sends a statement. A ratio is divided as float, so a column is never whole in one row and broken in the next.
A column of times is `time` in whole seconds, or in ms with the unit TIME.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

TIME = "dateTimeAsIso"
"""A unit of Grafana: ms since 1970, shown as date and time."""

RATIO = "percentunit"
"""A unit of Grafana: 0..1, shown as per cent."""

PARTS_PER_HOUR = "suffix: parts/h"

HOUR_NS = 3600.0 * 1e9
"""ns of an hour, as the float that parts per hour are divided by."""

MACHINES = "IN (${machineID:sqlstring})"
"""After a column: whether it names a machine that was chosen."""

Form = Literal["table", "stat", "bargauge", "timeseries", "bars"]
"""How a panel looks: rows, one number, a number by machine, lines or stacked bars over time."""


class Panel(NamedTuple):
    """units: by column, the unit in Grafana's words. size: columns of 24, and rows. threshold: a line at this value."""

    title: str
    form: Form
    sql: str
    units: Mapping[str, str]
    size: tuple[int, int]
    meaning: str = ""
    threshold: float | None = None


class Dashboard(NamedTuple):
    """since: how far back it looks when it is opened, like now-24h."""

    name: str
    title: str
    meaning: str
    since: str
    panels: Sequence[Panel]


def within(column: str) -> str:
    """Whether a column of ns lies in the time that the dashboard shows."""
    return f"{column} >= CAST($__from AS bigint) * 1000000 AND {column} < CAST($__to AS bigint) * 1000000"


def hour_of(column: str) -> str:
    """The hour in which an instant of ns lies, in s."""
    return f"{column} / 1000000000 / 3600 * 3600"


def share(above: str, below: str) -> str:
    """above / below, null where nothing is below."""
    return f"CAST({above} AS float) / NULLIF({below}, 0)"
