"""The fold of bench/minutes.py in Bytewax: items lie ready as tuples in memory, a batch at a time; no snapshots are taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from bytewax import operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from minutes import Fold, Item, Minute, Reading, Totals, totals

BATCH = 1000
"""Items at once."""

Keyed = Sequence[tuple[str, Any]]


def contender(items: Keyed, *, batched: bool) -> Callable[[], Totals]:
    """What to time: through `stateful_map`, or through `stateful_batch`."""
    if batched:
        return _timed(items, lambda stream: op.stateful_batch("fold", stream, lambda _: _Logic()))
    return _timed(items, lambda stream: op.stateful_map("fold", stream, _mapper))


def from_messages(messages: list[tuple[str, bytes]]) -> Callable[[], Totals]:
    """What to time: through `stateful_map`, which decodes each message."""
    decode = msgspec.msgpack.Decoder(Reading).decode

    def mapper(fold: Fold | None, message: bytes) -> tuple[Fold, list[Minute] | None]:
        reading = decode(message)
        return _mapper(fold, (reading.t, reading.said))

    return _timed(messages, lambda stream: op.stateful_map("fold", stream, mapper))


def _timed(items: Keyed, step: Callable[[Any], Any]) -> Callable[[], Totals]:
    def run() -> Totals:
        out: list[Minute] = []
        flow = Dataflow("minutes")
        stream = step(op.input("in", flow, _Source(items)))
        op.output("out", stream, _Sink(out))
        run_main(flow)
        return totals(out)

    return run


class _Source(DynamicSource):
    def __init__(self, items: Keyed) -> None:
        self._items = items

    def build(self, *_: Any) -> _Part:
        return _Part(self._items)


class _Part(StatelessSourcePartition):
    def __init__(self, items: Keyed) -> None:
        self._items, self._at = items, 0

    def next_batch(self) -> Keyed:
        some = self._items[self._at : self._at + BATCH]
        if not some:
            raise StopIteration
        self._at += BATCH
        return some


class _Sink(DynamicSink):
    def __init__(self, out: list[Minute]) -> None:
        self._out = out

    def build(self, *_: Any) -> _SinkPart:
        return _SinkPart(self._out)


class _SinkPart(StatelessSinkPartition):
    def __init__(self, out: list[Minute]) -> None:
        self._out = out

    def write_batch(self, some: list[tuple[str, list[Minute] | None]]) -> None:
        for _, closed in some:
            if closed:
                self._out += closed


def _mapper(fold: Fold | None, item: Item) -> tuple[Fold, list[Minute] | None]:
    if fold is None:
        fold = Fold(item[0])
    return fold, fold.take(item[0], item[1])


class _Logic(op.StatefulBatchLogic):
    def __init__(self) -> None:
        self._fold: Fold | None = None

    def on_batch(self, some: list[Item]) -> tuple[list[list[Minute]], bool]:
        fold = self._fold = self._fold or Fold(some[0][0])
        found = [fold.take(t, said) for t, said in some]
        return [closed for closed in found if closed], False

    def snapshot(self) -> Fold | None:
        return self._fold
