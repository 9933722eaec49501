"""Fixtures of several test files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import mssql_server
from brokers import Broker, broker


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    """An MQTT broker that keeps what it holds in a folder of its own."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with broker(folder) as one:
        yield one


@pytest.fixture(scope="session")
def mssql_schema() -> Iterator[str]:
    """A schema of this process's own on the SQL Server of the tests, with the tables in it."""
    with mssql_server.schema(mssql_server.require()) as name:
        yield name
