"""Whether everything that came in is accounted for: by source, and by stage on the way to the rows.

Rules
1. received = appended + duplicate + quarantined, in events, per source. appended is counted in the log, record by record, and has
   to be what the log counted when it took them in; duplicate and quarantined are what `source.accounted` notes say, each of
   which has to add up by itself. Notes that an events file brought are history and not counted again.
2. Up to the position that the rows have: appended = folded + parked = projected. What a fold says that it took, in its
   checkpoint, has to be what the log has up to there. What came since is `behind`.
3. late: events of a minute that was over for their machine when they came. gaps: jumps in a source's sequence, and missing: the
   messages that are not there.
An account that does not balance says why in `problems`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import msgspec

from tailrace.app import compose
from tailrace.app.kafka_topologies import TOPOLOGIES
from tailrace.app.pipeline import PLACE, drive
from tailrace.connectors.checkpoints_sqlite import SqliteCheckpoints
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.engine.parking import PAGE, RELEASE, counts_of, wrong
from tailrace.projections.store_sqlite import place_of
from tailrace.schemas import codec
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.event import OBSERVED, OWN, GapDetected, SourceAccounted
from tailrace.schemas.frame import Frame
from tailrace.schemas.instant import MINUTE, Instant, format_instant
from tailrace.schemas.record import Record

BATCH = 500
TRIES = 100


class Parked(msgspec.Struct, kw_only=True):
    """A machine whose records wait behind one that cannot be folded; machine "": those of the whole site.

    since: when the record came in, UTC. waiting: events, those of this record included.
    """

    machine: str
    id: str
    position: int
    type: str
    reason: str
    topologies: list[str]
    since: str = ""
    waiting: int = 0

    def take(self, record: Record) -> None:
        """A record that waits."""
        self.waiting += record.n
        if record.position == self.position:
            self.since = format_instant(Instant(record.ingested))


class Source(msgspec.Struct, kw_only=True):
    """What became of a source's events."""

    source: str
    received: int = 0
    appended: int = 0
    duplicate: int = 0
    quarantined: int = 0
    late: int = 0
    gaps: int = 0
    missing: int = 0
    balanced: bool = True


class Fold(msgspec.Struct, kw_only=True):
    """What one fold has of the log; skipped is part of folded."""

    topology: str
    appended: int
    folded: int
    skipped: int
    parked: int
    balanced: bool


class Stages(msgspec.Struct, kw_only=True):
    """Events on their way to the rows, up to a position of the log; parked: in at least one fold."""

    position: int
    appended: int
    folded: int
    parked: int
    projected: int
    behind: int
    late: int
    gaps: int
    missing: int
    topologies: list[Fold]


class Audit(msgspec.Struct, kw_only=True):
    """The account of a folder."""

    balanced: bool
    sources: list[Source]
    stages: Stages
    parked: list[Parked]
    problems: list[str]


def audit(directory: Path) -> Audit:
    """Counts the log of a folder and compares it with what was said and done; raises Unavailable, InvalidSettings."""
    with compose.reading(directory) as log, compose.read_store(directory) as connection:
        connection.execute("BEGIN")
        try:
            reached, lots = place_of(connection, PLACE).position, _lots(connection)
            stands = _parked(connection)
        finally:
            connection.execute("ROLLBACK")
        end, counted = _taken_in(log)
        walk = _Walk(stands, reached, {lot.position for lot in lots.values()})
        problems = walk.all(log, end)
    sources = walk.sources()
    unlike = [
        name for name in sorted(counted.keys() | walk.appended.keys()) if walk.appended[name] != counted.get(name, 0)
    ]
    problems += [_unlike(name, walk.appended[name], counted.get(name, 0)) for name in unlike]
    for each in sources:
        each.balanced = each.source not in walk.wrong and each.source not in unlike
    folds = [walk.fold(name, lot, reached, problems) for name, lot in sorted(lots.items())]
    stages = walk.stages(folds)
    return Audit(
        balanced=not problems, sources=sources, stages=stages, parked=list(stands.values()), problems=problems
    )  # fmt: skip


def parked(directory: Path) -> list[Parked]:
    """The machines whose records wait, and how many events do."""
    with compose.reading(directory) as log, compose.read_store(directory) as connection:
        found = list(_parked(connection).values())
        for each in found:
            after = each.position - 1
            while records := log.read_machine(each.machine, after, BATCH):
                for record in records:
                    if _waits(each, record):
                        each.take(record)
                after = records[-1].position
    return found


def _waits(parked: Parked, record: Record) -> bool:
    mine = record.machine == parked.machine and record.position >= parked.position
    return mine and (record.type != RELEASE or bool(wrong(record)))


def _parked(connection: Connection) -> dict[tuple[str, int], Parked]:
    """By machine and position: what is parked in several folds is there once."""
    found: dict[tuple[str, int], Parked] = {}
    sql = "SELECT machine, position, id, type, reason, topology FROM parked ORDER BY machine, position, topology"
    for machine, position, id_, kind, reason, topology in connection.execute(sql):
        made = Parked(machine=machine, position=position, id=id_, type=kind, reason=reason, topologies=[])
        found.setdefault((machine, position), made).topologies.append(topology)
    return found


class _Lot(msgspec.Struct, frozen=True):
    """What a fold's newest checkpoint says: its position, and events folded, skipped, parked up to there."""

    position: int
    folded: int
    skipped: int
    parked: int


def _lots(connection: Connection) -> dict[str, _Lot]:
    checkpoints = SqliteCheckpoints(connection)
    found: dict[str, _Lot] = {}
    for topology in (make() for make in TOPOLOGIES):
        name, version = topology.name, topology.version
        manifests = drive(checkpoints.manifests(name, version))
        at = max((manifest.position for manifest in manifests), default=0)
        page = checkpoints.page(name, version, PAGE, at) if at else None
        found[name] = _Lot(at, *counts_of(page))
    return found


def _taken_in(log: LogReader) -> tuple[int, Mapping[str, int]]:
    """The end of the log, and the events by source that the log counted up to there, while others may append."""
    for _ in range(TRIES):
        end, counted = log.end(), log.sources()
        if log.end() == end:
            return end, counted
    raise Unavailable(f"{log.path}: expected a moment in which nothing is appended, got none; try again")


class _Walk:
    """One look at every record."""

    def __init__(self, parked: Mapping[tuple[str, int], Parked], reached: int, places: set[int]) -> None:
        self.appended: Counter[str] = Counter()
        self.wrong: set[str] = set()
        self._parked, self._reached, self._places = parked, reached, places | {reached}
        self._duplicate: Counter[str] = Counter()
        self._quarantined: Counter[str] = Counter()
        self._noted: Counter[str] = Counter()
        self._late: Counter[str] = Counter()
        self._gaps: Counter[str] = Counter()
        self._missing: Counter[str] = Counter()
        self._watermark: dict[str, int] = {}
        self._total = self._held = 0
        self._at: dict[int, tuple[int, dict[str, int]]] = {0: (0, {})}
        self._waiting: Counter[str] = Counter()
        self._problems: list[str] = []

    def all(self, log: LogReader, end: int) -> list[str]:
        """Walks to the end; gives what is wrong."""
        for record in _records(log, end, self._problems):
            self._take(record)
        for source in sorted(self._noted):
            if self._noted[source] > self.appended[source]:
                self._wrong(
                    source, f"its notes say {self._noted[source]} events appended, the log has {self.appended[source]}"
                )
        return self._problems

    def sources(self) -> list[Source]:
        """The account of every source but Tailrace itself."""
        names = (self.appended.keys() | self._duplicate.keys() | self._quarantined.keys() | self._gaps.keys()) - {OWN}
        return [
            Source(
                source=name, received=self.appended[name] + self._duplicate[name] + self._quarantined[name],
                appended=self.appended[name], duplicate=self._duplicate[name], quarantined=self._quarantined[name],
                late=self._late[name], gaps=self._gaps[name], missing=self._missing[name],
            )
            for name in sorted(names)
        ]  # fmt: skip

    def fold(self, name: str, lot: _Lot, reached: int, problems: list[str]) -> Fold:
        """What a fold has up to where the rows stand, after its own count was checked."""
        total, waiting = self._at.get(lot.position, (0, {}))
        there = waiting.get(name, 0)
        said = lot.folded + lot.parked
        right = said == total and lot.parked == there
        if not right:
            problems.append(
                f"fold {name}: its checkpoint at position {lot.position} says {lot.folded} events folded and "
                f"{lot.parked} parked, the log has {total} up to there, {there} of them parked"
            )
        appended, held = self._at.get(reached, (0, {}))
        parked = held.get(name, 0)
        return Fold(
            topology=name, appended=appended, folded=appended - parked, skipped=lot.skipped, parked=parked,
            balanced=right,
        )  # fmt: skip

    def stages(self, folds: Sequence[Fold]) -> Stages:
        """The whole."""
        appended, waiting = self._at.get(self._reached, (0, {}))
        held = waiting.get("", 0)
        return Stages(
            position=self._reached, appended=appended, folded=appended - held, parked=held, projected=appended,
            behind=self._total - appended, late=self._late.total(), gaps=self._gaps.total(),
            missing=self._missing.total(), topologies=list(folds),
        )  # fmt: skip

    def _take(self, record: Record) -> None:
        self.appended[record.source] += record.n
        self._total += record.n
        self._hold(record)
        if record.position in self._places:
            self._at[record.position] = self._total, dict(self._waiting)
        if not wrong(record):
            self._note(record)
            self._look(record)

    def _hold(self, record: Record) -> None:
        """Counts what is parked, by fold, and in any of them under ""."""
        held = [
            each for (machine, _), each in self._parked.items() if machine == record.machine and _waits(each, record)
        ]
        for name in {name for each in held for name in each.topologies}:
            self._waiting[name] += record.n
        if held:
            self._waiting[""] += record.n
        for each in held:
            each.take(record)

    def _note(self, record: Record) -> None:
        if record.source != OWN:
            return
        for event in codec.events_of(record):
            if isinstance(event, SourceAccounted):
                name = event.source
                self._duplicate[name] += event.duplicate
                self._quarantined[name] += event.quarantined
                self._noted[name] += event.appended
                if event.received != event.appended + event.duplicate + event.quarantined:
                    self._wrong(name, f"the note at position {record.position} does not add up")
            elif isinstance(event, GapDetected):
                self._gaps[event.source] += 1
                self._missing[event.source] += event.last - event.first + 1

    def _look(self, record: Record) -> None:
        """Counts what is late."""
        if record.type not in OBSERVED or not record.machine:
            return
        over = self._watermark.get(record.machine, 0) // MINUTE * MINUTE
        if record.t_max < over:
            self._late[record.source] += record.n
        elif record.t_min < over:
            self._late[record.source] += int((Frame(record.payload).t < over).sum())
        self._watermark[record.machine] = max(self._watermark.get(record.machine, 0), record.t_max)

    def _wrong(self, source: str, why: str) -> None:
        self.wrong.add(source)
        self._problems.append(f"source {source}: {why}")


def _records(log: LogReader, end: int, problems: list[str]) -> Iterator[Record]:
    after = 0
    while after < end:
        try:
            records = log.read(after, min(BATCH, end - after))
        except Unavailable as error:
            problems.append(str(error))
            return
        if not records:
            problems.append(f"{log.path}: expected a record at position {after + 1}, got none")
            return
        for record in records:
            if record.position != after + 1:
                problems.append(
                    f"{log.path}: expected a record at position {after + 1}, got {record.position} as the next one"
                )
            after = record.position
            yield record


def _unlike(source: str, there: int, counted: int) -> str:
    name = "Tailrace's own events" if source == OWN else f"source {source}"
    return f"{name}: expected {counted} events in the log, which it counted when it took them in, got {there}"


def shown(found: Audit) -> dict[str, Any]:
    """The account as plain values, for JSON."""
    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain
