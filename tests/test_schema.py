"""The tables of every earlier release become those of this one, with their rows, on SQLite and on SQL Server.

`read_models.REVISION.DATABASE.sql` are the tables as a release made them; they are never rewritten.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa

import mssql_server
from tailrace.projections import migrations, mssql_schema, schema, schema_page
from tailrace.projections.store_mssql import MssqlStore
from tailrace.projections.store_sqlite import make_tables
from tailrace.projections.tables import metadata
from tailrace.projections.views import VIEWS
from tailrace.schemas.errors import InvalidSettings

HERE = Path(__file__).parent
OLD = [path.name.split(".")[1] for path in sorted(HERE.glob("read_models.*.sqlite.sql"))]


def old_tables(revision: str, database: str) -> list[str]:
    text = (HERE / f"read_models.{revision}.{database}.sql").read_text()
    return [each for each in text.split(";\n") if each.strip()]


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, 60, isolation_level=None)


def shape_of(path: Path) -> dict[str, Any]:
    """Columns and indexes of each table, and the names of views."""
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        look = sa.inspect(connection)
        found: dict[str, Any] = {"views": sorted(look.get_view_names())}
        for table in look.get_table_names():
            columns = [(each["name"], str(each["type"]), each["nullable"]) for each in look.get_columns(table)]
            indexes = sorted((each["name"], tuple(each["column_names"])) for each in look.get_indexes(table))
            found[table] = (columns, look.get_pk_constraint(table)["constrained_columns"], indexes)
    return found


COLUMNS = """SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, IS_NULLABLE FROM INFORMATION_SCHEMA.COLUMNS
WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME, ORDINAL_POSITION"""
INDEXES = """SELECT t.name, i.name, i.is_unique FROM sys.indexes AS i JOIN sys.tables AS t ON t.object_id = i.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id WHERE s.name = ? AND i.is_primary_key = 0 AND i.name IS NOT NULL
ORDER BY t.name, i.name"""


def shape_in(connection: sa.Connection, name: str) -> tuple[list[Any], list[Any]]:
    """The same of a schema of SQL Server: columns of tables and views, and indexes."""
    return (
        [tuple(row) for row in connection.exec_driver_sql(COLUMNS, (name,))],
        [tuple(row) for row in connection.exec_driver_sql(INDEXES, (name,))],
    )


def test_the_revisions_are_known_and_the_newest_has_no_file_of_its_tables_yet() -> None:
    assert tuple(each.revision for each in migrations.REVISIONS) == schema.REVISIONS
    assert [each.down_revision for each in migrations.REVISIONS] == [None, *schema.REVISIONS[:-1]]
    assert set(OLD) <= set(schema.REVISIONS)
    assert schema.REVISIONS[0] in OLD


@pytest.mark.parametrize("revision", OLD)
def test_a_file_of_an_earlier_release_becomes_one_of_this(tmp_path: Path, revision: str) -> None:
    with closing(connect(tmp_path / "new.db")) as new, closing(connect(tmp_path / "old.db")) as old:
        make_tables(new)
        for statement in old_tables(revision, "sqlite"):
            old.execute(statement)
        old.execute("INSERT INTO machine (machine, site) VALUES ('M1', 'S')")
        assert shape_of(tmp_path / "old.db") != shape_of(tmp_path / "new.db")
        make_tables(old)
        assert shape_of(tmp_path / "old.db") == shape_of(tmp_path / "new.db")
        assert old.execute("SELECT machine, site FROM machine").fetchall() == [("M1", "S")]
        assert old.execute("SELECT version_num FROM alembic_version").fetchall() == [(schema.HEAD,)]
        assert old.execute("SELECT count(*) FROM asset_data").fetchone() == (1,)
        make_tables(old)


def test_a_table_that_an_earlier_release_had_not_is_made(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "old.db")) as old, closing(connect(tmp_path / "new.db")) as new:
        make_tables(new)
        for statement in old_tables("0001", "sqlite"):
            if "quarantine" not in statement and "asset_data" not in statement:
                old.execute(statement)
        make_tables(old)
        assert shape_of(tmp_path / "old.db") == shape_of(tmp_path / "new.db")


def test_two_workers_bring_one_file_along(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "old.db")) as old:
        for statement in old_tables("0001", "sqlite"):
            old.execute(statement)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with closing(connect(tmp_path / "old.db")) as connection:
                make_tables(connection)
        except BaseException as error:
            failures.append(error)

    workers = [Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    with closing(connect(tmp_path / "old.db")) as old:
        assert old.execute("SELECT version_num FROM alembic_version").fetchall() == [(schema.HEAD,)]


def test_tables_of_a_newer_release_are_refused(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "new.db")) as new:
        make_tables(new)
        new.execute("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(InvalidSettings, match="revision 0003 or before, got 9999: a newer Tailrace"):
            make_tables(new)


def test_the_page_of_the_tables_is_current_and_every_column_says_what_it_holds() -> None:
    assert schema_page.page() == (HERE.parent / "docs" / "schema.md").read_text(), "run make schema"
    assert [str(column) for table in metadata.tables.values() for column in table.columns if not column.comment] == []


def test_alembic_is_not_imported_where_nothing_is_behind() -> None:
    code = (
        "import sqlite3, sys; from tailrace.projections.store_sqlite import make_tables; "
        "make_tables(sqlite3.connect(':memory:', isolation_level=None)); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


# -- SQL Server ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mssql() -> Iterator[str]:
    """The name of a schema that is not there yet; gone afterwards."""
    url = mssql_server.require()
    name = mssql_server.name()
    yield name
    with mssql_server.connected(url) as connection:
        if sa.inspect(connection).has_schema(name):
            mssql_schema.drop(connection, name)
            connection.commit()


async def prepare(*schemas: str) -> None:
    stores = [MssqlStore.open(mssql_server.URL, each) for each in schemas]
    try:
        await asyncio.gather(*(store.prepare() for store in stores))
    finally:
        for store in stores:
            await store.close()


async def test_mssql_workers_make_the_tables_once(mssql: str) -> None:
    await prepare(mssql, mssql, mssql)
    with mssql_server.connected(mssql_server.URL) as connection:
        columns, indexes = shape_in(connection, mssql)
        assert {row[0] for row in columns} == {*metadata.tables, *VIEWS, "alembic_version"}
        assert len(indexes) == sum(len(table.indexes) for table in metadata.tables.values())
        assert connection.exec_driver_sql(f"SELECT version_num FROM [{mssql}].alembic_version").fetchall() == [
            (schema.HEAD,)
        ]


async def test_mssql_tables_of_an_earlier_release_become_those_of_this(mssql: str) -> None:
    new = mssql_server.name()
    with mssql_server.connected(mssql_server.URL) as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA [{mssql}]")
        for statement in old_tables("0001", "mssql"):
            connection.exec_driver_sql(statement.replace("plant.", f"{mssql}."))
        connection.exec_driver_sql(f"INSERT INTO [{mssql}].machine (machine, site) VALUES (N'M1', N'S')")
        connection.commit()
    try:
        await prepare(mssql, mssql, new)
        with mssql_server.connected(mssql_server.URL) as connection:
            assert shape_in(connection, mssql) == shape_in(connection, new)
            assert connection.exec_driver_sql(f"SELECT machine, site FROM [{mssql}].machine").fetchall() == [
                ("M1", "S")
            ]
    finally:
        with mssql_server.connected(mssql_server.URL) as connection:
            mssql_schema.drop(connection, new)
            connection.commit()


async def test_mssql_tables_of_a_newer_release_are_refused(mssql: str) -> None:
    await prepare(mssql)
    with mssql_server.connected(mssql_server.URL) as connection:
        connection.exec_driver_sql(f"UPDATE [{mssql}].alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(InvalidSettings, match="revision 0003 or before, got 9999"):
        await prepare(mssql)


async def test_mssql_has_the_lock_of_a_row_too(mssql: str) -> None:
    """For a server without sp_getapplock: two transactions take it one after the other."""
    order: list[str] = []

    def work(who: str) -> None:
        with mssql_server.connected(mssql_server.URL) as connection:
            mssql_schema.lock_row(connection, f"{mssql}_lock")
            order.append(f"{who} in")
            order.append(f"{who} out")
            connection.rollback()

    await asyncio.gather(*(asyncio.to_thread(work, who) for who in ("a", "b", "c")))
    assert [each.split()[0] for each in order[::2]] == [each.split()[0] for each in order[1::2]]
    with mssql_server.connected(mssql_server.URL) as connection:
        connection.exec_driver_sql(f"DROP TABLE [{mssql}_lock]")
        connection.commit()


async def test_mssql_columns_say_what_they_hold(mssql: str) -> None:
    await prepare(mssql)
    with mssql_server.connected(mssql_server.URL) as connection:
        if not connection.dialect.supports_comments:
            return  # declared by the server itself: it has no extended properties
        said = {each["name"]: each["comment"] for each in sa.inspect(connection).get_columns("oee_bucket", mssql)}
    assert said == {column.name: column.comment for column in metadata.tables["oee_bucket"].columns}
