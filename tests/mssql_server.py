"""The SQL Server that TAILRACE_TEST_MSSQL_URL names: a schema of this process's own, made for the tests and dropped."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import sqlalchemy as sa

from tailrace.projections import mssql_driver, mssql_schema
from tailrace.projections.schema import tables_in
from tailrace.projections.store_mssql import MssqlStore
from tailrace.projections.tables import metadata

VARIABLE = "TAILRACE_TEST_MSSQL_URL"
URL = os.environ.get(VARIABLE, "")


def require() -> str:
    """The URL; the test is skipped where there is none."""
    if not URL:
        pytest.skip(f"{VARIABLE} is not set: mssql+aioodbc://user:password@host:port/database?driver=...&Encrypt=no")
    return URL


def name() -> str:
    """A name for a schema that nobody else takes, in whatever process."""
    return f"tailrace_{os.getpid()}_{secrets.token_hex(4)}"


@contextmanager
def schema(url: str) -> Iterator[str]:
    """The name of a schema with the tables in it; gone afterwards."""
    name_ = name()
    try:
        with ThreadPoolExecutor(1) as beside:  # a fixture may be asked for inside of a loop
            beside.submit(asyncio.run, _prepare(url, name_)).result()
        yield name_
    finally:
        with connected(url) as connection:
            if sa.inspect(connection).has_schema(name_):
                mssql_schema.drop(connection, name_)
                connection.commit()


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """A connection outside of any event loop."""
    with _engine(url).connect() as connection:
        yield connection


@cache
def _engine(url: str) -> sa.Engine:
    made = mssql_driver.complete_url(url).set(drivername="mssql+pyodbc")
    return sa.create_engine(made, connect_args={"timeout": mssql_driver.LOGIN_S})


def rows(connection: sa.Connection, schema: str, table: str) -> list[Mapping[str, Any]]:
    """What a table holds, by key, as rows are given."""
    found = tables_in(schema).tables[f"{schema}.{table}"]
    with connection.begin():
        return [dict(row) for row in connection.execute(sa.select(found).order_by(*found.primary_key)).mappings()]


def empty(connection: sa.Connection, schema: str) -> None:
    """Takes every row out."""
    with connection.begin():
        connection.exec_driver_sql(";".join(f"DELETE FROM [{schema}].[{name}]" for name in metadata.tables))


async def _prepare(url: str, schema: str) -> None:
    store = MssqlStore.open(url, schema)
    try:
        await store.prepare()
    finally:
        await store.close()
