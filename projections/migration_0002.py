"""Indexes by time for what is looked for across machines: stops, shifts, what was quarantined, what sources sent."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INDEXES = {
    "stop_start": ("stop", ["start_ns"]),
    "oee_shift_start": ("oee_shift", ["start_ns"]),
    "quarantine_time": ("quarantine", ["t_ns"]),
    "source_audit_time": ("source_audit", ["t_ns"]),
}


def upgrade() -> None:
    schema = op.get_context().opts["schema"]
    there = sa.inspect(op.get_bind()).get_table_names(schema)
    for name, (table, columns) in INDEXES.items():
        if table in there:  # one that is missing is made with its indexes
            op.create_index(name, table, columns, schema=schema)
