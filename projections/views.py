"""Views: questions that are asked so often that they have a name, one description for every database.

Rule of `signal_now`: of what the clocks of a signal said last, the one that came into the log last stands. Clocks differ by
little: what is stamped more than AHEAD_MAX before another clock's is old news, and does not stand.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tailrace.projections.tables import machine, signal_clock
from tailrace.schemas.frame import BAD
from tailrace.schemas.line import AHEAD_MAX

ASSET_VALUES = ("MachineTemp", "CO2Level", "EnergyConsumed", "EnvTemp", "Humidity", "PowerPeak")
"""The signals of `asset_data`, by name (°C, ppm, kWh, °C, %RH, kW)."""


NOW = ("machine", "signal", "clock", "t_ns", "t", "value", "text", "status")

signal_now = sa.Table("signal_now", sa.MetaData(), *(sa.Column(name, signal_clock.c[name].type) for name in NOW))


def _signal_now() -> sa.Select[Any]:
    """One row a signal that was ever read."""
    stands, other, any_ = signal_clock, signal_clock.alias("other"), signal_clock.alias("any_clock")
    latest = sa.select(sa.func.max(any_.c.t_ns)).where(_same(any_, other)).scalar_subquery()
    last = sa.select(sa.func.max(other.c.position)).where(_same(other, stands), other.c.t_ns >= latest - AHEAD_MAX)
    return sa.select(*(stands.c[name] for name in NOW)).where(stands.c.position == last.scalar_subquery())


def _same(one: sa.FromClause, other: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(one.c.machine == other.c.machine, one.c.signal == other.c.signal)


def _asset_data() -> sa.Select[Any]:
    """One row a machine; a signal that is not there, or whose latest reading is not usable, is null."""
    usable = signal_now.c.status < BAD
    values = [
        sa.func.max(sa.case((sa.and_(signal_now.c.signal == name, usable), signal_now.c.value))).label(name)
        for name in ASSET_VALUES
    ]
    return (
        sa.select(machine.c.machine.label("MachineID"), *values)
        .select_from(machine.outerjoin(signal_now, signal_now.c.machine == machine.c.machine))
        .group_by(machine.c.machine)
    )


VIEWS = {"signal_now": _signal_now(), "asset_data": _asset_data()}
"""By name, each after those that it is made of."""
