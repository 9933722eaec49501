"""The tables and views of a database as this release has them, whichever database it is.

Rules
1. Everything in one transaction: somebody else sees the tables of one release or of another. The caller holds whatever lock
   keeps others from doing the same.
2. A database whose tables have no version is of revision 0001. One with a version that nobody here knows is of a newer release:
   it is refused, not changed.
3. Views are made again whenever tables change.
"""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.schema import SchemaConst

from tailrace.projections.tables import metadata
from tailrace.projections.views import VIEWS
from tailrace.schemas.errors import InvalidSettings

REVISIONS = ("0001", "0002", "0003")
"""The revisions of projections/migrations.py, the newest last."""

HEAD = REVISIONS[-1]

VERSION_TABLE = "alembic_version"


@cache
def tables_in(schema: str | None) -> sa.MetaData:
    """The tables of projections/tables.py in a schema, with the table of the version."""
    made = sa.MetaData()
    for table in metadata.sorted_tables:
        table.to_metadata(made, schema=schema or SchemaConst.RETAIN_SCHEMA)
    sa.Table(VERSION_TABLE, made, sa.Column("version_num", sa.String(32), primary_key=True), schema=schema)
    return made


def bring(connection: sa.Connection, schema: str | None = None) -> None:
    """Makes what is missing, and brings what is there to this release. Raises InvalidSettings where a newer one was here."""
    look = sa.inspect(connection)
    there, views = set(look.get_table_names(schema)), set(look.get_view_names(schema))
    version = _version(connection, there, schema)
    if version == HEAD and metadata.tables.keys() <= there and VIEWS.keys() <= views:
        return
    old = bool(there & metadata.tables.keys())
    if old and version != HEAD:
        from tailrace.projections import migrations  # noqa: PLC0415  alembic takes a while to import

        migrations.upgrade(connection, schema)
    made = tables_in(schema)
    made.create_all(connection)
    if not old and version is None:
        connection.execute(made.tables[_key(schema)].insert().values(version_num=HEAD))
    for name in reversed(VIEWS):
        if name in views:
            connection.exec_driver_sql(f"DROP VIEW {_quoted(connection.dialect, name, schema)}")
    for name in VIEWS:
        connection.exec_driver_sql(view_text(connection.dialect, name, schema))


def view_text(dialect: Dialect, name: str, schema: str | None = None, *, exists: str = "") -> str:
    """The statement that makes a view."""
    select = VIEWS[name].compile(
        dialect=dialect,
        compile_kwargs={"literal_binds": True},
        schema_translate_map={None: schema} if schema else None,
        render_schema_translate=schema is not None,
    )
    return f"CREATE VIEW {exists}{_quoted(dialect, name, schema)} AS {select}"


def require_known(version: str | None, where: str) -> None:
    """Raises InvalidSettings for tables of a release that is newer than this one."""
    if version not in (None, *REVISIONS):
        raise InvalidSettings(
            f"{where}: expected tables of revision {HEAD} or before, got {version}: a newer Tailrace made them; take that "
            "one, or rows of their own for this one"
        )


def _version(connection: sa.Connection, there: set[str], schema: str | None) -> str | None:
    if VERSION_TABLE not in there:
        return None
    found = connection.execute(sa.select(tables_in(schema).tables[_key(schema)].c.version_num)).scalar_one_or_none()
    require_known(found, str(connection.engine.url.database))
    return found


def _key(schema: str | None) -> str:
    return VERSION_TABLE if schema is None else f"{schema}.{VERSION_TABLE}"


def _quoted(dialect: Dialect, name: str, schema: str | None) -> str:
    quote = dialect.identifier_preparer.quote_identifier
    return quote(name) if schema is None else f"{quote(schema)}.{quote(name)}"
