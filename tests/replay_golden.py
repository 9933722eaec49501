"""The digest of every read model of a small fixed plant; run as a program it prints them.

A program of its own, since OPENBLAS_CORETYPE and NPY_DISABLE_CPU_FEATURES are read when numpy is loaded.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from pathlib import Path

import msgspec

import oee_harness as harness
import replay_plant
from tailrace.app import compose
from tailrace.projections import digest
from tailrace.schemas import codec, line
from tailrace.schemas.event import OWN, ReasonsSet, RelationSet, SourceAccounted
from tailrace.schemas.instant import Instant
from tailrace.schemas.reason import DEFAULT
from tailrace.schemas.record import Record

EVENTS = Path(__file__).with_suffix(".jsonl")
"""The events of the plant; never rewritten, since the digests are of them."""


def records() -> list[Record]:
    """The log of the plant: the file, who feeds whom, what people choose from, an account of a source, and what another release
    wrote, which parks."""
    events = [line.parse(text) for text in EVENTS.read_bytes().splitlines()]
    t = Instant(10**18)
    note = SourceAccounted(t=t, ingested=t, id="a1", source="floor", received=1, appended=0, duplicate=0, quarantined=1)
    way = RelationSet(machine="OEE1", t=t, ingested=t, id="w1", relation="feeds", other="OEE2")
    tree = ReasonsSet(t=t, ingested=t, id="r1", reasons=list(DEFAULT))
    last = codec.record_of(msgspec.structs.replace(events[-1], id="newer", machine="OEE2", ingested=t))
    return [
        *harness.records(events, random.Random(1)),
        codec.record_of(way),
        codec.record_of(note, source=OWN),
        codec.record_of(tree),
        msgspec.structs.replace(last, type="state.dreamt"),
    ]


def digests() -> dict[str, str]:
    """The digest of each read model, by name."""
    with tempfile.TemporaryDirectory(prefix="tailrace-") as name:
        asyncio.run(replay_plant.append(Path(name), records()))
        with compose.pipeline(Path(name)) as pipeline:
            pipeline.drain()
        with compose.read_store(Path(name)) as connection:
            return digest.digests(connection)


if __name__ == "__main__":
    print(json.dumps(digests()))
