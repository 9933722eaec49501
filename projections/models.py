"""Which projections there are, and which read models each of them makes: tables that are moved together, under one place.

Rule: a table is one projection's alone; so a projection can be made again beside the others.
"""

from __future__ import annotations

from tailrace.engine.projection import Projection
from tailrace.projections.anomaly import AnomalyRows
from tailrace.projections.audit import AuditRows
from tailrace.projections.facts import FactRows
from tailrace.projections.ingested import IngestedRows
from tailrace.projections.now import NowRows
from tailrace.projections.oee import OeeRows
from tailrace.projections.parked import ParkedRows
from tailrace.projections.rollup import RollupRows
from tailrace.projections.stops import StopRows
from tailrace.schemas.record import Derived, Record

TABLES = {
    "facts": ("machine", "signal_unit", "relation", "reason", "quarantine"),
    "audit": ("source_audit",),
    "readings": ("signal_clock",),
    "ingested": ("log_block",),
    "oee": ("shift", "oee_bucket", "oee_history", "oee_hour", "oee_shift"),
    "stops": ("machine_now", "state_interval", "stop", "command"),
    "rollup": ("signal_rollup",),
    "anomaly": ("anomaly", "score_rollup"),
    "parked": ("parked",),
}
"""By projection, its tables."""


def of_events() -> list[Projection[Record]]:
    """The projections that read `events`."""
    return [FactRows(), AuditRows(), NowRows(), IngestedRows()]


def of_derived() -> list[Projection[Derived]]:
    """The projections that read `derived`."""
    return [OeeRows(), StopRows(), RollupRows(), AnomalyRows(), ParkedRows()]


def projection_of(model: str) -> str | None:
    """The projection that a name means: its own, or that of one of its tables; None for a name that is neither's."""
    return next((name for name, tables in TABLES.items() if model == name or model in tables), None)
