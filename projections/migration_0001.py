"""Where migrations begin: the tables as the first release with read models made them. They were made without a version."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """The tables are there."""
