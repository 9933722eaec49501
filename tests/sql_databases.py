"""Databases that read models can be in: a SQLite file, and SQL Server where TAILRACE_TEST_MSSQL_URL names one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

import mssql_server
from tailrace.projections.store_settings import ReadModels

KINDS = ("sqlite", "mssql")
PASSWORD = "TAILRACE_TEST_MSSQL_PASSWORD"


@contextmanager
def database(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReadModels]:
    """An empty one, which is gone afterwards."""
    if kind == "sqlite":
        yield ReadModels(url=f"sqlite:///{folder / 'rows.db'}")
        return
    whole = mssql_server.require()
    url = sa.make_url(whole)
    monkeypatch.setenv(PASSWORD, url.password or "")
    with mssql_server.schema(whole) as schema:
        bare = url.set(password=None).render_as_string()
        yield ReadModels(url=bare, schema=schema, password_env=PASSWORD if url.password else "")


def execute(settings: ReadModels, table: str, statement: str) -> None:
    """A statement of somebody else about a table, whose name stands for {table}."""
    if settings.file is not None:
        with closing(sqlite3.connect(settings.file, isolation_level=None)) as connection:
            connection.execute(statement.format(table=table))
        return
    with mssql_server.connected(settings.whole()) as server, server.begin():
        server.exec_driver_sql(statement.format(table=f"[{settings.schema}].[{table}]"))
