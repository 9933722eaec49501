"""Alembic over the revisions of the read models, which are files of this flat package: migration_0001.py and on.

Rules
1. A new database is made from projections/tables.py at once and marked with the newest revision; a revision changes what a
   database of an earlier release has. A table that is new needs none: what is missing is made.
2. A revision says what it does by itself, and never looks at projections/tables.py, which goes on.
3. This file imports alembic, which takes a while: it is for a database that is behind alone (projections/schema.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory

from tailrace.projections import migration_0001, migration_0002, migration_0003

REVISIONS: tuple[ModuleType, ...] = (migration_0001, migration_0002, migration_0003)


class _Flat(ScriptDirectory):
    """Revisions that are modules of a package, where alembic would look through a folder of its own."""

    def _load_revisions(self) -> Iterator[Script]:
        for module in REVISIONS:
            yield Script(module, module.revision, str(module.__file__))


def upgrade(connection: sa.Connection, schema: str | None) -> None:
    """Brings the tables of a database to the newest revision, in the transaction that is open."""
    script = _Flat(str(Path(__file__).parent))

    def steps(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("head", revision or migration_0001.revision)

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=connection, version_table_schema=schema, schema=schema, transactional_ddl=True)
        with environment.begin_transaction():
            environment.run_migrations()
