"""Views: questions that are asked so often that they have a name, one description for every database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tailrace.projections.tables import machine, signal_now
from tailrace.schemas.frame import BAD

ASSET_VALUES = ("MachineTemp", "CO2Level", "EnergyConsumed", "EnvTemp", "Humidity", "PowerPeak")
"""The signals of `asset_data`, by name (°C, ppm, kWh, °C, %RH, kW)."""


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


VIEWS = {"asset_data": _asset_data()}
