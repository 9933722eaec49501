"""The latest reading of a signal has a row for each clock, in `signal_clock`, made of the log; `signal_now` is a view of it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    schema = op.get_context().opts["schema"]
    if sa.inspect(op.get_bind()).has_table("signal_now", schema):
        op.drop_table("signal_now", schema=schema)
