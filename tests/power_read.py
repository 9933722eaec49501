"""The read store under power loss, beside its log: the whole pipeline on a recorded disk, and what is left after any step.

Rules
1. Log and read store lose their power together. The log is FULL; the read store is NORMAL, so it may fall back, but only to
   a moment that was: rows and their place, outputs and checkpoints agree, and none of them knows more than the log.
2. What is right is a function of the log: `Truth` folds it record by record in a store that never crashes, and remembers the
   rows, outputs and pages after each. Whatever is left has to equal it at the place that it names.
3. A store that was left takes up again and ends where one ends that never lost its power.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from power_disk import Disk, Image, Moment, put
from power_log import broken, stored
from power_sqlite import Rewrite, recorded
from tailrace.app import compose
from tailrace.app.pipeline import PLACE, drive
from tailrace.connectors.checkpoints_sqlite import SqliteCheckpoints
from tailrace.connectors.derived_sqlite import SqliteDerivedLog
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.engine.reader import Reader
from tailrace.engine.worker import Worker
from tailrace.projections.store_sqlite import place_of
from tailrace.schemas import codec
from tailrace.schemas.errors import SequenceGap
from tailrace.schemas.event import (
    ClockTicked,
    Event,
    MachineRegistered,
    ModelSet,
    PartsCounted,
    ProductChanged,
    ReasonAssigned,
    StateChanged,
    Telemetry,
)
from tailrace.schemas.instant import MINUTE, SECOND, Instant, Span
from tailrace.schemas.record import Record

START = 1_790_000_040 * SECOND
MACHINES = ("M1", "M2")
GROUP = 3
"""Records of an append."""

CHECKPOINT_EVERY = 6
"""Records between the checkpoints that a worker makes by itself."""

CHECKPOINT_GROUPS = 5
"""Groups between those that are asked for."""

BATCH = 2
WAL_PAGES = 80
"""A store this small moves its WAL into the file that early, instead of after 1,000 pages."""

ASIDE = frozenset({"alembic_version", "checkpoint", "checkpoint_manifest", "checkpoint_page", "derived"})
"""Tables that say how far a store is and of which release, not what happened."""


def records(minutes: int) -> list[Record]:
    """A log of two machines: states, parts, sensors with an outlier, a reason, something late, ticks."""
    found = [
        _record(ModelSet(t=Instant(START), name="anomaly", version=1, settings={"warmup": 40, "k": 1, "n": 3}, id="model"))
    ]  # fmt: skip
    for machine in MACHINES:
        found += [
            _record(MachineRegistered(machine=machine, t=Instant(START), site="S", id=f"r {machine}")),
            _record(
                ProductChanged(
                    machine=machine, t=Instant(START), product="P1", ideal_cycle=Span(2 * SECOND), id=f"p {machine}"
                )
            ),
        ]
    for minute in range(minutes):
        found += [record for machine in MACHINES for record in _minute(machine, minute)]
        found.append(_record(ClockTicked(t=Instant(START + (minute + 1) * MINUTE), clock="tick", id=f"t {minute}")))
    return found


def _minute(machine: str, minute: int) -> Iterator[Record]:
    t = START + minute * MINUTE
    if minute % 3 == 0:
        word = "running" if minute % 2 else "stopped"
        yield _record(StateChanged(machine=machine, t=Instant(t + 7 * SECOND), state=word, id=f"s {machine} {minute}"))
    yield _readings(machine, minute)
    yield _record(
        PartsCounted(machine=machine, t=Instant(t + 50 * SECOND), good=20, reject=1, id=f"c {machine} {minute}")
    )
    if minute % 5 == 4:
        late = Instant(t - 2 * MINUTE)
        yield _record(PartsCounted(machine=machine, t=late, good=1, id=f"late {machine} {minute}"))
        span = Instant(t - MINUTE), Instant(t)
        yield _record(
            ReasonAssigned(
                machine=machine, t=span[1], start=span[0], end=span[1], category="setup", id=f"w {machine} {minute}"
            )
        )


def _readings(machine: str, minute: int) -> Record:
    first = minute * 12
    readings = [
        Telemetry(
            machine=machine, t=Instant(START + (first + i) * 5 * SECOND), clock="plc", ingested=Instant(START + minute * MINUTE),
            values={"Temp": 40.0 + (first + i) % 7 + (60 if (first + i) % 50 == 49 else 0), "Power": 1.0 + (first + i) % 5},
        )
        for i in range(12)
    ]  # fmt: skip
    return codec.readings_record(readings, source="mqtt", session=machine, first_seq=first + 1)


def _record(event: Event) -> Record:
    return codec.record_of(msgspec.structs.replace(event, ingested=event.t), source="plc")


# -- what is right -----------------------------------------------------------------------------------------------------------


class State(NamedTuple):
    """A read store: how far it is, its rows, the highest n of each derived stream, and its checkpoints by position."""

    place: int
    rows: dict[str, str]
    marks: dict[str, int]
    checkpoints: dict[tuple[str, int], str]


class Truth:
    """A log, and what a read store has to be at each of its positions."""

    def __init__(self, folder: Path, minutes: int) -> None:
        self.records = records(minutes)
        self.groups = [self.records[i : i + GROUP] for i in range(0, len(self.records), GROUP)]
        self.ends = [min(i * GROUP, len(self.records)) for i in range(len(self.groups) + 1)]
        asyncio.run(_append(folder, self.groups))
        self.log = LogReader(folder / compose.EVENTS_FILE).read(0, len(self.records) + 1)
        assert [record.position for record in self.log] == list(range(1, len(self.records) + 1))
        self.states = {state.place: state for state in self._fold(folder)}
        self.checkpoints = {at: said for state in self.states.values() for at, said in state.checkpoints.items()}

    @property
    def last(self) -> State:
        return self.states[len(self.records)]

    def _fold(self, folder: Path) -> Iterator[State]:
        with (
            compose.pipeline(folder, batch=1) as pipeline,
            closing(sqlite3.connect(folder / compose.READ_FILE)) as seen,
        ):
            yield state_of(seen)
            while pipeline.step():
                pipeline.checkpoint()
                yield state_of(seen)


def state_of(connection: sqlite3.Connection) -> State:
    """What a read store holds; raises SequenceGap where an output is missing in `derived`."""
    tables = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'") if "sqlite" not in name
    ]  # fmt: skip
    rows = {name: _digest(connection.execute(f'SELECT * FROM "{name}"')) for name in tables if name not in ASIDE}
    place = place_of(connection, PLACE).position if "checkpoint" in tables else 0
    marks, checkpoints = {}, {}
    if "derived" in tables:
        reader = Reader({}, "left")
        for record in drive(SqliteDerivedLog(connection).read(0, 1_000_000)):
            if record.n:
                reader.take(record)
        marks = dict(reader.marks)
    if "checkpoint_manifest" in tables:
        checkpoints = dict(_checkpoints(connection))
    return State(place, {name: said for name, said in rows.items() if said != _EMPTY}, marks, checkpoints)


def _checkpoints(connection: sqlite3.Connection) -> Iterator[tuple[tuple[str, int], str]]:
    kept = SqliteCheckpoints(connection)
    found = connection.execute("SELECT DISTINCT topology, version FROM checkpoint_manifest").fetchall()
    for topology, version in found:
        of = "topology = ? AND version = ?"
        names = connection.execute(
            f"SELECT DISTINCT name FROM checkpoint_page WHERE {of} ORDER BY name", (topology, version)
        )
        pages = [name for (name,) in names]
        for manifest in drive(kept.manifests(topology, version)):
            at = manifest.position
            said = [(name, page) for name in pages if (page := kept.page(topology, version, name, at)) is not None]
            yield (topology, at), _digest([manifest.record_hash, sorted(manifest.marks.items()), said])


def _digest(values: Any) -> str:
    return hashlib.sha256("\n".join(sorted(map(repr, values))).encode()).hexdigest()


_EMPTY = _digest([])


# -- a life ------------------------------------------------------------------------------------------------------------------


class Way(NamedTuple):
    """How a life is led: with the product as it is, or with a mistake in it."""

    worker: type[Worker] = Worker
    rewrite: Rewrite | None = None
    disk: type[Disk] = Disk


def live(truth: Truth, folder: Path, image: Image, groups: range, way: Way = Way()) -> Disk:  # noqa: B008
    """Appends some groups and folds meanwhile, now and then to the end and with a checkpoint; gives the recording of it."""
    put(image, folder)
    disk = way.disk(image, acked=groups.start)
    with (
        recorded(disk, _both(way.rewrite)),
        asyncio.Runner() as runner,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(compose, "Worker", partial(way.worker, checkpoint_every=CHECKPOINT_EVERY))
        log = _in_loop(runner, folder)
        with compose.pipeline(folder, batch=BATCH) as pipeline:
            for group in groups:
                runner.run(_append_to(log, truth.groups[group]))
                disk.note("acked", group + 1)
                pipeline.step()
                if group % CHECKPOINT_GROUPS == CHECKPOINT_GROUPS - 1:
                    pipeline.drain()
                    pipeline.checkpoint()
        runner.run(log.close())
    return disk


def _both(rewrite: Rewrite | None) -> Rewrite:
    def said(sql: str) -> Sequence[str]:
        again = rewrite(sql) if rewrite else (sql,)
        return (*again, f"PRAGMA wal_autocheckpoint = {WAL_PAGES}") if sql == "PRAGMA synchronous = NORMAL" else again

    return said


def _in_loop(runner: asyncio.Runner, folder: Path) -> SqliteLog:
    async def made() -> SqliteLog:
        return SqliteLog(folder / compose.EVENTS_FILE)

    return runner.run(made())


async def _append_to(log: SqliteLog, some: Sequence[Record]) -> None:
    await log.append(some)


async def _append(folder: Path, groups: Sequence[Sequence[Record]]) -> None:
    log = SqliteLog(folder / compose.EVENTS_FILE)
    for group in groups:
        await log.append(group)
    await log.close()


# -- what is left ------------------------------------------------------------------------------------------------------------


def fault(truth: Truth, folder: Path, moment: Moment, image: Image) -> tuple[str, State | None]:
    """What is wrong with what is left, in words, and the state of the read store."""
    put(image, folder)
    end, wrong = _log(truth, folder / compose.EVENTS_FILE, moment.facts["acked"])
    path = folder / compose.READ_FILE
    if wrong or not path.exists():
        return wrong, None
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        if said := broken(connection):
            return said, None
        try:
            state = state_of(connection)
        except SequenceGap as error:
            return f"outputs: {error}", None
    return _disagrees(truth, state, end), state


def _log(truth: Truth, path: Path, acked: int) -> tuple[int, str]:
    found, _ = stored(path)
    wrong = "" if len(found) >= truth.ends[acked] else f"lost: {truth.ends[acked]} acknowledged, {len(found)} there"
    return len(found), wrong or ("" if found == truth.log[: len(found)] else "other bytes in the log")


def _disagrees(truth: Truth, state: State, end: int) -> str:
    if state.place > end:
        return f"ahead: rows at {state.place}, the log ends at {end}"
    right = truth.states[state.place]
    if state.rows != right.rows:
        tables = sorted(name for name, _ in state.rows.items() ^ right.rows.items())
        return f"rows: at place {state.place} these are not of the log up to there: {', '.join(dict.fromkeys(tables))}"
    if state.marks != right.marks:
        return f"outputs: at place {state.place} expected {right.marks}, got {state.marks}"
    for (topology, at), said in state.checkpoints.items():
        if at > state.place or said != truth.checkpoints.get((topology, at)):
            return f"checkpoint: {topology} at {at} is not the fold of the log up to there; rows at {state.place}"
    return ""


def resumed(truth: Truth, folder: Path, acked: int) -> str:
    """What is wrong after everything went on to the end of the log; nothing where it ends as without the power loss."""
    asyncio.run(_append(folder, truth.groups[acked:]))
    with compose.pipeline(folder) as pipeline:
        pipeline.drain()
    with closing(sqlite3.connect(folder / compose.READ_FILE, isolation_level=None)) as connection:
        state = state_of(connection)
    return "" if state[:3] == truth.last[:3] else f"resumed: ends otherwise: {_disagrees(truth, state, state.place)}"
