"""The same fold in other hands: run time and parts of each machine by minute, from readings in order, on one machine.

Turn by turn, in CPU seconds: the OEE fold from the hot log (bench/fold.py), which besides takes late and repeated readings,
quality, products and calendars; a loop over msgspec objects, decoded from msgpack a frame at a time; Bytewax `stateful_map`, an
item a reading, from messages that it decodes and from tuples that lie ready, and `stateful_batch`, which spares it a call per
reading; `eventsourcing`, an aggregate per machine, rebuilt from its events in SQLite, an event a frame and an event a reading.
What spares a peer work: messages and tuples lie ready in memory, of the eight values nothing is made, Bytewax takes no
snapshots; the Python of all is one function. All give the same minutes, which is checked.
Peers are the optional extra `bench` (bench/requirements.txt); one that is not installed is left out, which is said.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from figure import READINGS, cpu, show
from fold import STEP, records, write
from minutes import Fold, Minute, Reading, Totals, totals
from readings import messages, said_in
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.schemas import bucket
from tailrace.schemas.record import Record
from tailrace.topologies.oee import Oee

ROUNDS = 3
JUDGED = "Bytewax stateful_map, messages"
ALONE = 20
"""A part of the log, one in so many, for an event a reading: it takes long."""

# -- the contenders: each gives what to time, which gives its totals ------------------------------------------------------


def ours(log: SqliteLog) -> Totals:
    state, position, found = Oee().restore({}, lambda name: None), 0, Totals(0, 0, 0)
    run, good = bucket.COLUMNS.index("shift_run_ns"), bucket.COLUMNS.index("shift_good")

    async def fold() -> None:
        nonlocal position, found
        while step := await log.read(position, STEP):
            for output in state.fold(step):
                rows = bucket.decode(output.body)
                found = Totals(
                    found.minutes + len(rows), found.run_ns + int(rows.tallies[:, run].sum()),
                    found.parts + int(rows.tallies[:, good].sum()),
                )  # fmt: skip
            position = step[-1].position

    drive(fold())
    return found


def drive(coroutine: Any) -> None:
    """Runs what never waits, for a loop runs already."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("expected a read that answers at once")


def objects(log: Sequence[Record]) -> Callable[[], Totals]:
    encode, decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(list[Reading]).decode
    batches = [encode(some) for record in log if (some := messages(record))]

    def run() -> Totals:
        machines: dict[str, Fold] = {}
        out: list[Minute] = []
        for batch in batches:
            for each in decode(batch):
                fold = machines.get(each.machine)
                if fold is None:
                    fold = machines[each.machine] = Fold(each.t)
                closed = fold.take(each.t, each.said)
                if closed:
                    out += closed
        return totals(out)

    return run


class Contender(NamedTuple):
    """A name, how many readings it folds, and what to time."""

    name: str
    readings: int
    run: Callable[[], Totals]


def contenders(log: SqliteLog, folder: Path) -> list[Contender]:
    """Ours, and every peer that is installed."""
    whole = list(records())
    part = whole[: len(whole) // ALONE]
    found = [
        Contender("tailrace", _readings(whole), lambda: ours(log)),
        Contender("msgspec objects", _readings(whole), objects(whole)),
    ]
    for module, peers in (("peer_bytewax", _bytewax), ("peer_eventsourcing", _eventsourcing)):
        try:
            found += peers(importlib.import_module(module), whole, part, folder)
        except ImportError as error:
            print(f"peers: {module.removeprefix('peer_')} is left out: {error}; see bench/requirements.txt", flush=True)
    return found


def _bytewax(peer: Any, whole: list[Record], _part: list[Record], _folder: Path) -> list[Contender]:
    items = [(record.machine, item) for record in whole for item in said_in(record)]
    encode = msgspec.msgpack.encode
    said = [(record.machine, encode(each)) for record in whole for each in messages(record)]
    count = _readings(whole)
    return [
        Contender(JUDGED, count, peer.from_messages(said)),
        Contender("Bytewax stateful_map, ready tuples", count, peer.contender(items, batched=False)),
        Contender("Bytewax stateful_batch, ready tuples", count, peer.contender(items, batched=True)),
    ]


def _eventsourcing(peer: Any, whole: list[Record], part: list[Record], folder: Path) -> list[Contender]:
    framed, alone = folder / "framed.db", folder / "alone.db"
    return [
        Contender("eventsourcing, an event a frame", _readings(whole), peer.contender(whole, framed, framed=True)),
        Contender("eventsourcing, an event a reading", _readings(part), peer.contender(part, alone, framed=False)),
    ]


def _readings(log: Sequence[Record]) -> int:
    return READINGS * sum(record.type == "telemetry" for record in log)


async def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        log = SqliteLog(Path(name) / "events.db")
        await write(log)
        found = contenders(log, Path(name))
        gc.freeze()  # what lies ready is no work for anybody's collector
        seconds: dict[str, list[float]] = {each.name: [] for each in found}
        said: dict[str, Totals] = {}
        for _ in range(ROUNDS):
            for each in found:
                seconds[each.name].append(cpu(lambda each=each: said.update({each.name: each.run()})))  # type: ignore[misc]
        await log.close()
    rates = {each.name: each.readings / min(seconds[each.name]) for each in found}
    for each in found:
        if each.readings == found[0].readings and said[each.name] != said["tailrace"]:
            raise SystemExit(f"peers: {each.name}: expected {said['tailrace']}, got {said[each.name]}")
        show(f"peers: {each.name}", rates[each.name] / 1e6, "M readings per CPU second")
    reached = True
    for each in found[1:]:
        at_least = 20 if each.name == JUDGED else None
        reached &= show(f"peers: tailrace / {each.name}", rates["tailrace"] / rates[each.name], "x", at_least=at_least)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
