"""The fold of bench/minutes.py in Quix Streams: `peer_quix.py HOST:PORT FROM TO GROUP`, until SIGTERM.

A stateful `apply`: the state of a machine is in RocksDB with its changelog topic, read and written once a message. Exactly once,
by Quix's own transaction each COMMIT_S. A tumbling window with `reduce` would not do: run time crosses the ends of minutes,
so a reading has to know the one before it.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from typing import Any

import msgspec
from quixstreams import Application
from quixstreams.models.serializers import BytesDeserializer, BytesSerializer

from minutes import Reading, kept, restored

COMMIT_S = 1.0
_encode, _decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(list[Reading]).decode


def fold(value: bytes, state: Any) -> list[bytes]:
    """The minutes that a message ends."""
    readings = _decode(value)
    machine = readings[0].machine
    found = restored(state.get("fold"), readings[0].t)
    out = [
        _encode((machine, *minute))
        for reading in readings for minute in found.take(reading.t, reading.said) or ()
    ]  # fmt: skip
    state.set("fold", kept(found))
    return out


def main(folder: str, address: str, source: str, out: str, group: str) -> None:
    app = Application(
        broker_address=address, consumer_group=group, auto_offset_reset="earliest", processing_guarantee="exactly-once",
        commit_interval=COMMIT_S, state_dir=folder, loglevel="WARNING", auto_create_topics=True,
    )  # fmt: skip
    stream = app.dataframe(app.topic(source, value_deserializer=BytesDeserializer()))
    stream = stream.apply(fold, stateful=True, expand=True)
    stream.to_topic(app.topic(out, value_serializer=BytesSerializer()))
    signal.signal(signal.SIGTERM, lambda *_: app.stop())
    app.run()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(name, *sys.argv[1:5])
