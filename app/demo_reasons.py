"""What the people of the demo's plant choose from for a stop, as it stands in its plant file."""

from __future__ import annotations

from typing import Any

REASONS: list[dict[str, Any]] = [
    {
        "name": "Failure", "category": "unplanned", "loss": "equipment_failure",
        "reasons": [
            {"name": each} for each in ("Bearing overheated", "Hydraulic pressure lost", "Tool broken", "Drive tripped")
        ],
    },
    {
        "name": "Setup", "category": "setup", "loss": "setup_adjustments",
        "reasons": [{"name": "Change of product"}, {"name": "Adjustment"}, {"name": "Warm-up", "loss": "reduced_yield"}],
    },
    {
        "name": "Waiting", "category": "unplanned", "loss": "idling_minor_stops",
        "reasons": [{"name": each} for each in ("Waiting for material", "No operator", "Part jammed")],
    },
    {
        "name": "Planned", "category": "planned_stop",
        "reasons": [{"name": each} for each in ("Weekly maintenance", "Quality check", "Cleaning")],
    },
]  # fmt: skip
"""The words are those of the simulated machines' troubles (connectors/simulator_table.py) and of its shift leads."""
