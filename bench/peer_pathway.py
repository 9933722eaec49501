"""The fold of bench/minutes.py in Pathway: `peer_pathway.py HOST:PORT FROM TO GROUP`, until SIGTERM.

A stateful reducer per machine gives the minutes that a batch ended; its state is kept by Pathway's persistence in a folder, each
second. Readings of a batch come to a reducer in no order, so they are sorted there by time.
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import msgspec
import pathway as pw

from minutes import Reading, kept, restored

BACKLOG = 1000
"""Messages in a batch: it took all of a topic into its first one, and gave nothing until that was done."""

_encode, _decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(list[Reading]).decode
State = tuple[bytes, tuple[bytes, ...]]
"""The fold, and the minutes that the latest batch ended."""


def fold(state: State | None, rows: list[tuple[list[bytes], int]]) -> State:
    """The state after a batch of messages of one machine."""
    readings = sorted((each for (value,), count in rows if count > 0 for each in _decode(value)), key=_order)
    found = restored(msgspec.msgpack.decode(state[0]) if state else None, readings[0].t)
    out = tuple(
        _encode((reading.machine, *minute))
        for reading in readings for minute in found.take(reading.t, reading.said) or ()
    )  # fmt: skip
    return _encode(kept(found)), out


def _order(reading: Reading) -> tuple[int, bool]:
    return reading.t, not isinstance(reading.said, str)


@pw.udf
def machine_of(key: bytes) -> str:
    return key.decode()


@pw.udf
def ended(state: Any) -> tuple[bytes, ...]:
    return tuple(state[1])


def main(folder: str, address: str, source: str, out: str, group: str) -> None:
    settings = {"bootstrap.servers": address, "group.id": group, "auto.offset.reset": "earliest"}
    messages = pw.io.kafka.read(
        settings, topic=source, format="raw", autocommit_duration_ms=100, max_backlog_size=BACKLOG
    )
    keyed = messages.select(messages.data, machine=machine_of(messages.key))
    folded = keyed.groupby(keyed.machine).reduce(state=pw.reducers.stateful_many(fold)(keyed.data))
    minutes = folded.select(minute=ended(folded.state)).flatten(pw.this.minute)
    pw.io.kafka.write(minutes, settings, out, format="raw", value=minutes.minute)
    pw.run(
        monitoring_level=pw.MonitoringLevel.NONE,
        persistence_config=pw.persistence.Config(pw.persistence.Backend.filesystem(folder), snapshot_interval_ms=1000),
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(name, *sys.argv[1:5])
