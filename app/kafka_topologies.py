"""What a worker on Kafka folds: the same topologies as a data folder's pipeline (app/compose.py)."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.engine.topology import Topology
from tailrace.topologies.anomaly import Anomaly
from tailrace.topologies.oee import Oee
from tailrace.topologies.rollup import Rollup
from tailrace.topologies.shifts import Shifts
from tailrace.topologies.stops import Stops

TOPOLOGIES: tuple[Callable[[], Topology], ...] = (Oee, Stops, Shifts, Rollup, Anomaly)
