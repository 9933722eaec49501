"""The tables on SQL Server: made and brought to this release by one worker at a time.

Rules
1. One transaction, under an application lock (sp_getapplock) that ends with it; where a server lacks that, under the lock of a
   row. Who waited finds everything done.
2. Comments of tables and columns are extended properties, where the server has them: SQLAlchemy asks it once a connection.
3. NOCOUNT stays off: said outside of a prepared statement it would last, and alembic counts the row of its version.
4. A role `tailrace_reader` may read the schema and nothing else; who may make no roles goes without.
"""

from __future__ import annotations

import logging

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from tailrace.projections.mssql_errors import numbers_of
from tailrace.projections.mssql_statements import q
from tailrace.projections.schema import bring
from tailrace.schemas.errors import Unavailable

_log = logging.getLogger(__name__)

LOCK = "tailrace.schema"
LOCK_TABLE = "tailrace_lock"
READER = "tailrace_reader"
WAIT_MS = 60_000
_NO_PROCEDURE, _THERE_ALREADY, _SAME_KEY = 2812, 2714, 2627

APP_LOCK = (
    "DECLARE @had INT; EXEC @had = sp_getapplock @Resource = N'{resource}', @LockMode = N'Exclusive', "
    f"@LockOwner = N'Transaction', @LockTimeout = {WAIT_MS}; SELECT @had"
)


def prepare(connection: sa.Connection, schema: str | None) -> None:
    """Makes the schema and what belongs in it, or brings it to this release; the caller commits."""
    take_lock(connection, schema)
    if schema is not None and not sa.inspect(connection).has_schema(schema):
        connection.exec_driver_sql(f"CREATE SCHEMA {q(schema)}")
    bring(connection, schema)


def take_lock(connection: sa.Connection, schema: str | None) -> None:
    """Waits until no other worker changes this schema; the lock ends with the transaction."""
    resource = f"{LOCK}:{schema or ''}"
    try:
        had = connection.exec_driver_sql(APP_LOCK.format(resource=resource.replace("'", "''"))).scalar_one()
    except DBAPIError as error:
        if _NO_PROCEDURE not in numbers_of(error):
            raise
        connection.rollback()
        lock_row(connection)
        return
    if had < 0:
        raise Unavailable(
            f"{resource}: expected the lock within {WAIT_MS // 1000} s, got {had}: another worker changes tables"
        )


def lock_row(connection: sa.Connection, table: str = LOCK_TABLE) -> None:
    """The same with the lock of a row, in a table that is made once."""
    _unless(_THERE_ALREADY, connection, f"CREATE TABLE {q(table)} (n INT PRIMARY KEY)")
    _unless(_SAME_KEY, connection, f"INSERT INTO {q(table)} (n) SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM {q(table)})")
    connection.exec_driver_sql(f"UPDATE {q(table)} SET n = 1 WHERE n = 1")


def make_reader(connection: sa.Connection, schema: str | None) -> bool:
    """A role that reads; False where this log-in may make none. The caller commits."""
    where = f"SCHEMA::{q(schema or 'dbo')}"
    there = connection.exec_driver_sql(
        "SELECT COUNT(*) FROM sys.database_principals WHERE name = ?", (READER,)
    ).scalar_one()
    try:
        if not there:
            connection.exec_driver_sql(f"CREATE ROLE {q(READER)}")
        connection.exec_driver_sql(f"GRANT SELECT ON {where} TO {q(READER)}")
    except DBAPIError as error:
        connection.rollback()
        _log.warning("no role %s for dashboards: %s", READER, str(error.orig).splitlines()[0])
        return False
    return True


def drop(connection: sa.Connection, schema: str) -> None:
    """Takes the schema away with all that is in it; the caller commits."""
    look = sa.inspect(connection)
    for kind, names in (("VIEW", look.get_view_names(schema)), ("TABLE", look.get_table_names(schema))):
        for name in names:
            connection.exec_driver_sql(f"DROP {kind} {q(schema)}.{q(name)}")
    connection.exec_driver_sql(f"DROP SCHEMA {q(schema)}")


def _unless(number: int, connection: sa.Connection, text: str) -> None:
    """A statement of its own transaction that may fail in one way: another worker was faster."""
    try:
        connection.exec_driver_sql(text)
        connection.commit()
    except DBAPIError as error:
        connection.rollback()
        if number not in numbers_of(error):
            raise
