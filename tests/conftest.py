"""Fixtures of several test files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from brokers import Broker, broker


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    """An MQTT broker that keeps what it holds in a folder of its own."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with broker(folder) as one:
        yield one
