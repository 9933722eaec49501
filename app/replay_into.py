"""A replay into a folder of its own: some of a log, folded again, as fast as it goes or at a pace.

Rules
1. The folder is a data folder like any other: records in the order of the log they come from, envelopes kept, rows made of them
   by the same folds. Nothing acts outside, and the log that is replayed is only read.
2. What is before `start` is taken at full speed, since figures build on it; from there on `speed` times as fast as it happened.
   What happened at `end` or later is left out, readings inside a frame included; `machine` takes one machine and the site;
   `until_event` ends after the record that holds the event.
3. A record that is damaged is left out and named: no log takes it, and in the log it comes from its machine is parked.
4. `overrides` change what people set (app/what_if.py), in the folder alone.
5. `replay.json` keeps what was asked and how far it is, written after the records are stored. So a replay that was interrupted
   goes on where it was; a folder with anything else in it, or of another replay, is refused.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec

from tailrace.app import compose, durable
from tailrace.app.pipeline import Pipeline
from tailrace.app.wanted import Wanted
from tailrace.app.what_if import SET, WhatIf
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidSettings, NotFound, Unavailable
from tailrace.schemas.instant import SECOND, format_instant
from tailrace.schemas.record import Record

FILE = "replay.json"
BATCH = 500
OWNERSHIP = {"owner.lock", "owner.json"}

NOTES = frozenset({"source.accounted", "ingest.quarantined"})
"""Accounts of whole sources: they say nothing true of a part of what the sources brought."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be replayed. start, end: ns UTC; topologies: those that are folded, all where none is named.

    overrides: by name, as app/what_if.py takes them.
    """

    source: str
    start: int | None = None
    end: int | None = None
    machine: str = ""
    topologies: list[str] = []
    speed: float | None = None
    until_event: str = ""
    overrides: dict[str, Any] = {}

    @property
    def whole(self) -> bool:
        """Whether every record up to some place is taken."""
        return not self.machine and self.end is None


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What `replay.json` holds.

    read: position in the log that is replayed; kept: position here; until: where it ends; damaged: positions left out.
    """

    version: int = 1
    asked: Asked
    until: int
    read: int = 0
    kept: int = 0
    events: int = 0
    damaged: list[int] = []
    found: bool = False

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.found or self.read >= self.until


Tell = Callable[[int, int], None]
"""Hears how many records are replayed, of how many."""


def begun(directory: Path) -> Replay | None:
    """The replay that a folder is of; raises InvalidSettings where the note of it does not decode."""
    path = directory / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Replay)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise InvalidSettings(f"{path}: expected what a replay wrote, got: {error}; name another folder") from None


async def run(asked: Asked, into: Path, tell: Tell, paused: asyncio.Event) -> Replay:
    """Replays until all is done or `paused` is set. Raises InvalidSettings, NotFound, Unavailable, Owned."""
    source = Path(asked.source)
    with compose.reading(source) as log:
        replay = _begin(asked, into, log.end())
        if replay.done:
            return replay
        with compose.own(into):
            _save(into, replay)
            replay = await _Run(log, into, replay, tell, paused).all()
    if asked.until_event and replay.done and not replay.found:
        raise NotFound(
            f"{source}: expected an event {asked.until_event!r} to end at, got none up to position {replay.until}; "
            f"{into} holds everything up to there"
        )
    return replay


def _begin(asked: Asked, into: Path, end: int) -> Replay:
    if into.resolve() == Path(asked.source).resolve():
        raise InvalidSettings(f"--into {into}: expected another folder than the one that is replayed")
    if into.exists() and not into.is_dir():
        raise InvalidSettings(f"--into {into}: expected a folder, got a file")
    stands = begun(into)
    if stands is None:
        other = sorted(path.name for path in into.iterdir() if path.name not in OWNERSHIP) if into.is_dir() else []
        if other:
            raise InvalidSettings(
                f"--into {into}: expected a new or empty folder, or one of this replay, got one with {', '.join(other[:3])}"
            )
        return Replay(asked=asked, until=end)
    for field in Asked.__struct_fields__:
        mine, its = getattr(asked, field), getattr(stands.asked, field)
        if mine != its and field != "speed":
            raise InvalidSettings(
                f"--into {into}: expected the replay that it holds ({_words(field, its)}), got {_words(field, mine)}; "
                "name another folder, or ask for the same to go on"
            )
    return msgspec.structs.replace(stands, asked=asked)


def _words(field: str, value: object) -> str:
    shown = format_instant(value) if isinstance(value, int) else value
    return f"{field.replace('_', ' ')} {shown!r}" if shown else f"no {field.replace('_', ' ')}"


def _save(into: Path, replay: Replay) -> None:
    try:
        durable.replace(into / FILE, msgspec.json.encode(replay))
    except OSError as error:
        raise Unavailable(f"{into}: expected a folder that can be written, got: {error.strerror}") from None


class _Run:
    """One run of a replay, from where it is."""

    def __init__(self, log: LogReader, into: Path, replay: Replay, tell: Tell, paused: asyncio.Event) -> None:
        self._log, self._into, self._replay, self._tell, self._paused = log, into, replay, tell, paused
        self._pace = _Pace(replay.asked)
        said = Wanted(types=SET).records(log, replay.until) if replay.asked.overrides else ()
        some = [part for record in said for part in selected(replay.asked, record)]
        self._what_if = WhatIf(replay.asked.overrides, next(iter(log.read(0, 1)), None), some)

    async def all(self) -> Replay:
        """Everything that is left, or up to the pause."""
        only = self._replay.asked.topologies or compose.TOPOLOGIES
        here = compose.SqliteLog(self._into / compose.EVENTS_FILE)
        try:
            with compose.pipeline(self._into, only=only) as pipeline:
                await self._all(here, pipeline)
                pipeline.checkpoint()
        finally:
            await here.close()
        return self._replay

    async def _all(self, here: compose.SqliteLog, pipeline: Pipeline) -> None:
        stored = await here.end() - self._replay.kept
        pipeline.drain()
        async with aclosing(self._due()) as parts:
            async for records, read in parts:
                kept = list(self._kept(records))
                skip, stored = min(stored, len(kept)), max(0, stored - len(kept))
                if kept[skip:]:
                    await here.append(kept[skip:])
                await asyncio.to_thread(pipeline.drain)
                self._replay = msgspec.structs.replace(
                    self._replay, read=read, kept=self._replay.kept + len(kept),
                    events=self._replay.events + sum(record.n for record in kept), found=self._found(records),
                    damaged=self._replay.damaged + [record.position for record in records if not record.intact()],
                )  # fmt: skip
                _save(self._into, self._replay)
                self._tell(read, self._replay.until)
                if self._replay.done or self._paused.is_set():
                    return

    def _kept(self, records: Sequence[Record]) -> Iterator[Record]:
        """What stands in this folder for records of the log; before its first one, what the overrides say."""
        if not self._replay.read:
            yield from self._what_if.before
        for record in records:
            yield from selected(self._replay.asked, self._what_if.replaced(record))

    async def _due(self) -> AsyncGenerator[tuple[Sequence[Record], int], None]:
        """Records whose time has come, and the position that is read with them."""
        while self._replay.read < self._replay.until:
            read = self._replay.read
            records = self._log.read(read, min(BATCH, self._replay.until - read))
            for part in self._ended(self._pace.parts(records)):
                wait = self._pace.wait(part[0])
                if wait > 0 and await self._pauses(wait):
                    return
                yield part, part[-1].position

    def _ended(self, parts: Iterator[list[Record]]) -> Iterator[list[Record]]:
        """Nothing after the record that holds the event at which it ends."""
        for part in parts:
            at = next((i for i, record in enumerate(part) if self._found([record])), None)
            yield part if at is None else part[: at + 1]
            if at is not None:
                return

    def _found(self, records: Sequence[Record]) -> bool:
        until = self._replay.asked.until_event
        return bool(until) and any(until == record.id or until in _ids(record) for record in records)

    async def _pauses(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._paused.wait(), seconds)
        except TimeoutError:
            return False
        return True


def _ids(record: Record) -> Sequence[str]:
    return codec.ids_of(record) if record.intact() else ()


class _Pace:
    """When a record is due: as long after the first one of the window, by the machines' clocks, as speed says."""

    def __init__(self, asked: Asked) -> None:
        self._speed, self._start = asked.speed, asked.start
        self._first: tuple[int, float] | None = None
        self._reached = 0

    def parts(self, records: Sequence[Record]) -> Iterator[list[Record]]:
        """Records that are due together: without a pace all of them, else those of the same second."""
        if self._speed is None:
            if records:
                yield list(records)
            return
        for _, same in itertools.groupby(records, key=self._second):
            yield list(same)

    def wait(self, record: Record) -> float:
        """Seconds until a record is due; 0 or less: now."""
        if self._speed is None or record.t_max < (self._start or 0):
            return 0
        if self._first is None:
            self._first = record.t_max, time.monotonic()
        t, began = self._first
        return began + (record.t_max - t) / SECOND / self._speed - time.monotonic()

    def _second(self, record: Record) -> int:
        self._reached = max(self._reached, record.t_max)
        return self._reached // SECOND


def selected(asked: Asked, record: Record) -> list[Record]:
    """What of a record is replayed: it, some of its readings as records, or nothing."""
    if not record.intact() or (asked.machine and record.machine not in (asked.machine, "")):
        return []
    if not asked.whole and record.type in NOTES:
        return []
    if asked.end is None or record.t_max < asked.end:
        return [record]
    return [] if record.t_min >= asked.end else list(_before(record, asked.end))


def _before(record: Record, end: int) -> Iterator[Record]:
    """A frame without the readings at `end` or later; each run of the others stays one frame."""
    times = [int(event.t) for event in codec.events_of(record)]
    place = 0
    for early, run in itertools.groupby(times, key=lambda t: t < end):
        n = len(list(run))
        keep = [place <= i < place + n for i in range(record.n)]
        place += n
        if early and (part := codec.without(record, keep)) is not None:
            yield part
