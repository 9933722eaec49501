"""The fold of bench/minutes.py in a Faust agent: `peer_faust.py HOST:PORT FROM TO GROUP table|take`, until SIGTERM.

table: a Table in memory with its changelog topic, written once a message. take: 500 messages at a time and a dict for state,
which a crash loses, for a Table cannot be written inside `take`. Offsets are committed each second (at_least_once).
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from typing import Any

import faust
import msgspec

from minutes import Fold, Reading, kept, restored

TAKE = 500
_encode, _decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(list[Reading]).decode


class Agents:
    """The fold, with a table or a dict; it sends the minutes that are over."""

    def __init__(self, out: Any, table: Any) -> None:
        self._out, self._table = out, table
        self._folds: dict[str, Fold] = {}

    async def tabled(self, stream: Any) -> None:
        async for value in stream:
            readings = _decode(value)
            machine = readings[0].machine
            fold = restored(self._table.get(machine), readings[0].t)
            await self._take(fold, readings)
            self._table[machine] = kept(fold)

    async def batched(self, stream: Any) -> None:
        async for values in stream.take(TAKE, within=0.1):
            for value in values:
                readings = _decode(value)
                fold = self._folds.get(readings[0].machine)
                if fold is None:
                    fold = self._folds[readings[0].machine] = Fold(readings[0].t)
                await self._take(fold, readings)

    async def _take(self, fold: Fold, readings: list[Reading]) -> None:
        for reading in readings:
            for minute in fold.take(reading.t, reading.said) or ():
                await self._out.send(key=reading.machine, value=_encode((reading.machine, *minute)))


async def main(folder: str, address: str, source: str, out: str, group: str, how: str) -> None:
    app = faust.App(
        group, broker=f"kafka://{address}", store="memory://", datadir=folder, web_enabled=False, value_serializer="raw",
        topic_disable_leader=True, topic_partitions=1, topic_replication_factor=1, stream_wait_empty=False,
        processing_guarantee="at_least_once", broker_commit_interval=1.0, producer_linger=0.05,
    )  # fmt: skip
    into, sink = (app.topic(each, value_type=bytes, value_serializer="raw") for each in (source, out))
    agents = Agents(sink, app.Table("folds", partitions=1, value_type=list) if how == "table" else None)
    app.agent(into)(agents.tabled if how == "table" else agents.batched)
    app.finalize()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await app.start()
    await ended.wait()
    await app.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(name, *sys.argv[1:6]))
