"""An output that is missing in `derived` on Kafka stops what reads there: what comes after it is in no row."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from kafka_broker import topics, unique
from log_records import state
from tailrace.app import kafka_rows
from tailrace.connectors.derived_kafka import KafkaDerivedLog
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.log_kafka import open_log
from tailrace.schemas.errors import SequenceGap
from tailrace.schemas.parking import KEY, PARKED, RELEASED, Parked
from tailrace.schemas.record import Derived


def said(kind: str, n: int) -> Derived:
    """The n-th that a fold says of M1's stream."""
    parked = Parked(machine="M1", position=1, id="e1", type="state.changed", reason="why", waiting=1)
    body = msgspec.msgpack.encode(parked)
    return Derived(topology="oee", version=2, key=f"{KEY}M1", first_n=n, kind=kind, cause=1, body=body)


async def test_rows_stop_at_an_output_that_is_missing(tmp_path: Path) -> None:
    settings = topics(unique("gap"))
    log, sender = await open_log(settings), Sender(settings)
    derived = KafkaDerivedLog(settings, 0, sender)
    await log.append([state(1)])
    await derived.append([said(PARKED, 1)])
    await kafka_rows.make(settings, tmp_path)
    await derived.append([said(RELEASED, 3)])
    with pytest.raises(SequenceGap, match=r"oee@2/parking.*M1': expected n=2, got n=3; stopping, nothing is skipped"):
        await kafka_rows.make(settings, tmp_path)
    for each in (derived, sender, log):
        await each.close()
    with closing(sqlite3.connect(tmp_path / "read.db")) as connection:
        assert connection.execute("SELECT machine, id FROM parked").fetchall() == [("M1", "e1")]
