"""`tailrace up`: owns a data folder, carries every source into its log, and keeps its rows up with it.

Rules: nothing that is outside ends it: a source that is away, a full disk, a record that cannot be folded are shown, and
tried again with growing pauses. SIGTERM and SIGINT end it within STOP_S, in this order: sources are asked for no more, what
they gave is appended and acknowledged, what was appended is folded and in the rows.
The fold runs in a thread, so that sources are heard and answered meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tailrace.app import calendar_events, compose, declared, garbage, sql_folder
from tailrace.app.archiving import Archiving
from tailrace.app.catching_up import CatchingUp
from tailrace.app.live import Changes
from tailrace.app.pipeline import Pipeline
from tailrace.app.settings import Plant
from tailrace.engine.ingest import Ingest
from tailrace.engine.log import Log
from tailrace.engine.source import Source
from tailrace.schemas import codec
from tailrace.schemas.errors import Owned, SendFailed, TailraceError
from tailrace.schemas.event import OWN, ClockTicked
from tailrace.schemas.instant import Instant, format_instant

TICK_S = 10.0
DUE_S = 3600.0
"""How often it is looked whether the calendars' next month is due."""

ARCHIVE_S = 3600.0
"""How long after one archiving the next begins."""

WATCH_S = 0.5
STOP_S = 5.0
FLUSH_S = 2.0
"""How long what sources gave may take to get into the log when `up` ends; the rest is not acknowledged, so it comes again."""

ARRIVE_S = 0.5
"""How long what came last may take from a log on Kafka into the folder when `up` ends."""

FOLD_S = 1.5
"""How long the fold may take to reach the end of the log when `up` ends; the rest is folded at the next start."""

RETRY_FIRST_S = 0.5
RETRY_LAST_S = 30.0

SWITCH_S = 0.001
"""How long the fold may keep the interpreter from sources, appends and page."""

FEED = "read models"
"""What is wrong with the database of `read_models` is said under this name."""

SHOW_S = 2.0
"""How long what shows the folder may take to end."""

if TYPE_CHECKING:
    from tailrace.app.api import Served
    from tailrace.app.following import Following

Clock = Callable[[], int]
Show = Callable[["Served", asyncio.Event], Coroutine[Any, Any, None]]
"""Shows a folder (app/web.py) until the event is set."""

Carry = Callable[[Source], Coroutine[Any, Any, bool]]
"""Carries a source that ends into the log; False when `up` ends before it."""

First = Callable[[Carry], Coroutine[Any, Any, Sequence[Source]]]
"""Carries what has to be in the log before the plant's sources are heard; gives sources that are heard beside them."""

_said = logging.getLogger("tailrace")


class Runner:
    """One `tailrace up`."""

    def __init__(
        self,
        plant: Plant,
        directory: Path,
        clock: Clock = time.time_ns,
        show: Show | None = None,
        first: First | None = None,
    ) -> None:
        self._plant, self._directory, self._clock, self._show, self._first = plant, directory, clock, show, first
        self._changes = Changes(directory, clock)
        self._catching_up = CatchingUp()
        self._stop = asyncio.Event()
        self._ingests: list[Ingest] = []
        self._troubles: dict[str, str] = {}
        self._reached = 0
        self._ticked = 0
        self._said_until = 0
        self._following: Following | None = None
        self._archiving = Archiving(directory, plant.archive.after_days, clock) if plant.archive else None
        self._feed = sql_folder.feed(directory, plant.read_models, self._heard_of_feed)

    @property
    def reached(self) -> int:
        """The position in the log up to which everything is in the rows."""
        return self._reached

    def stop(self) -> None:
        """Ends `run`."""
        self._stop.set()

    async def run(self) -> None:
        """Until `stop`. Raises Owned where another process owns the folder, Unavailable where the folder cannot be used."""
        with await self._own() as ownership:
            self._troubles.pop("folder", None)
            await self.run_on(ownership)

    async def run_on(self, ownership: compose.Ownership) -> None:
        """The same on a folder that is this process's already."""
        sys.setswitchinterval(SWITCH_S)
        garbage.settle()
        async with compose.plant_log(self._directory, self._plant.log) as log:
            self._following = log.following
            server = await compose.serve(log.people, ownership.socket, self.status)
            try:
                await self._run(log)
            finally:
                await server.close()

    async def _own(self) -> compose.Ownership:
        """The folder, once a command that holds it for a moment has let go; another `up` listens, and keeps it."""
        while True:
            try:
                return compose.own(self._directory)
            except Owned as error:
                if self._stop.is_set() or compose.listens(self._directory):
                    raise
                self._say("folder", error)
                await self._pause(RETRY_FIRST_S / 5)

    def status(self) -> dict[str, Any]:
        """How it is now: sources as they are connected, and what is wrong."""
        sources = [
            {
                "source": each.source.name,
                "connected": each.source.health.connected,
                "since": format_instant(each.source.health.since),
                "detail": each.trouble or self._troubles.get(each.source.name, "") or each.source.health.detail,
                "at_least_once": each.source.health.at_least_once,
            }
            for each in self._ingests
        ]
        return {
            "pid": os.getpid(),
            "sources": sources,
            "troubles": self._troubles,
            "kafka": self._following.status if self._following else None,
            "read_models": msgspec.to_builtins(self._feed.status) if self._feed else None,
            "reached": self._reached,
            "catching_up": self._catching_up.share,
            "archive": self._archiving.status if self._archiving else None,
        }

    async def _run(self, log: compose.PlantLog) -> None:
        with compose.pipeline(self._directory) as pipeline:
            hearing = [asyncio.create_task(self._hear(log), name="sources")]
            watching = [
                asyncio.create_task(self._watch(), name="watch"),
                asyncio.create_task(self._look_ahead(log), name="calendars"),
                asyncio.create_task(self._insist("changes", self._changes.watch), name="changes"),
            ]
            if log.following is not None:
                watching.append(asyncio.create_task(self._follow(log.following), name="following"))
            if self._archiving is not None:
                watching.append(asyncio.create_task(self._archive(self._archiving), name="archive"))
            folding = asyncio.create_task(self._fold(log.here, pipeline), name="fold")
            showing = [asyncio.create_task(self._shown(log.people), name="page")]
            _said.info(
                "up on %s with %d sources, process %d; Ctrl-C ends it",
                self._directory, len(self._plant.sources), os.getpid(),
            )  # fmt: skip
            sql_folder.write(self._directory, self._plant.read_models)
            if self._feed is not None:
                self._feed.start()
            await self._stop.wait()
            _said.info("ending: carrying what is on its way")
            for each in self._ingests:
                each.stop()
            await _ended(hearing, FLUSH_S)
            await self._arrived()
            await _ended([*watching, folding], 0)
            await asyncio.to_thread(self._finish, pipeline)
            if self._feed is not None:
                await asyncio.to_thread(self._feed.stop)
            await _ended(showing, SHOW_S)

    async def _arrived(self) -> None:
        """What this process appended to Kafka is in the folder, unless that takes long; the rest comes at the next start."""
        if self._following is not None:
            with contextlib.suppress(TimeoutError, TailraceError):
                await asyncio.wait_for(self._following.arrived(), ARRIVE_S)

    async def _shown(self, log: Log) -> None:
        """What shows the folder may fail; sources and figures go on."""
        if self._show is None:
            return
        from tailrace.app.api import Served  # noqa: PLC0415  Litestar takes a while to import

        try:
            await self._show(Served(self._directory, log, self.status, self._changes, self._clock), self._stop)
        except Exception as error:
            self._say("page", error)

    async def _follow(self, following: Following) -> None:
        """Brings a log on Kafka into the folder, until `up` ends."""
        while not self._stop.is_set():
            await self._insist("log", following.run)

    async def _declare(self, log: Log) -> None:
        now = self._clock()
        records, known = declared.declare(self._plant, declared.read(self._directory), now)
        if records:
            await log.append(records)
        declared.write(self._directory, known)
        self._said_until = calendar_events.due(now)

    async def _look_ahead(self, log: compose.PlantLog) -> None:
        """Says the next month of the calendars when it is due."""
        while True:
            await asyncio.sleep(DUE_S)
            if calendar_events.due(self._clock()) > self._said_until:
                await self._insist("plant file", lambda: self._declare(log.sources))

    async def _archive(self, archiving: Archiving) -> None:
        """Archives what is old, again and again, each time once there is no backlog."""
        while True:
            while not self._catching_up.over:
                await self._pause(WATCH_S)
            await self._insist("archive", archiving.run)
            await asyncio.sleep(ARCHIVE_S)

    async def _hear(self, log: compose.PlantLog) -> None:
        """What comes first, then every source at once. The clock ticks with the sources: before, it would make the past late."""
        if log.following is not None:
            await self._insist("log", log.following.prepare)
        await self._insist("plant file", lambda: self._declare(log.sources))
        beside: Sequence[Source] = ()
        if self._first is not None:
            beside = await self._first(lambda source: self._carry_to_end(source, log.sources))
        if self._stop.is_set():
            return
        ingests = [self._ingest(each, log.sources) for each in (*beside, *map(compose.source_of, self._plant.sources))]
        ticking = asyncio.create_task(self._tick(log), name="clock")
        try:
            await asyncio.gather(*map(self._carry, ingests))
        finally:
            await _ended([ticking], 0)

    def _ingest(self, source: Source, log: Log) -> Ingest:
        site, signals = self._plant.site.name, self._plant.signals
        made = Ingest(source, log, clock=self._clock, token=secrets.token_hex(8), site=site, signals=signals)
        self._ingests.append(made)
        return made

    async def _carry_to_end(self, source: Source, log: Log) -> bool:
        ingest = self._ingest(source, log)
        await self._insist(source.name, ingest.run)
        self._ingests.remove(ingest)
        return not self._stop.is_set()

    async def _carry(self, ingest: Ingest) -> None:
        """One source, again and again until the end."""
        name = ingest.source.name
        while not self._stop.is_set():
            await self._insist(name, ingest.run)
            await self._pause(RETRY_FIRST_S)

    async def _insist(self, what: str, task: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Does something until it works; says what is wrong meanwhile."""
        wait = RETRY_FIRST_S
        while not self._stop.is_set():
            try:
                await task()
            except Exception as error:
                self._say(what, error)
                await self._pause(wait)
                wait = min(2 * wait, RETRY_LAST_S)
            else:
                self._troubles.pop(what, None)
                return

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    def _heard_of_feed(self, words: str) -> None:
        """What is wrong with the database that is fed, '' once nothing is."""
        if words and self._troubles.get(FEED) != words:
            _said.error("%s: %s", FEED, words)
        if words:
            self._troubles[FEED] = words
        else:
            self._troubles.pop(FEED, None)

    def _say(self, what: str, error: Exception) -> None:
        message = str(error) if isinstance(error, TailraceError) else f"{type(error).__name__}: {error}"
        if self._troubles.get(what) != message:
            _said.error("%s: %s", what, message, exc_info=None if isinstance(error, TailraceError) else error)
        self._troubles[what] = message

    # -- the fold --------------------------------------------------------------------------------------------------------

    async def _fold(self, log: compose.SqliteLog, pipeline: Pipeline) -> None:
        while not self._stop.is_set():
            end = await log.end()
            await self._insist("fold", lambda: self._fold_to_end(log, pipeline))
            await self._appended(log, end)

    async def _fold_to_end(self, log: compose.SqliteLog, pipeline: Pipeline) -> None:
        while not self._stop.is_set() and await asyncio.to_thread(pipeline.step):
            self._reached = pipeline.reached
            self._catching_up.look(self._reached, await log.end())
            self._changes.notify()
        self._catching_up.done()

    async def _appended(self, log: compose.SqliteLog, after: int) -> None:
        """Returns when there is something after a position, or when `up` ends."""
        following = log.follow(after, 1)
        waits = [asyncio.ensure_future(anext(following)), asyncio.ensure_future(self._stop.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    def _finish(self, pipeline: Pipeline) -> None:
        try:
            deadline = time.monotonic() + FOLD_S
            while pipeline.step() and time.monotonic() < deadline:
                pass
            pipeline.checkpoint()
        except Exception as error:
            self._say("fold", error)

    async def _watch(self) -> None:
        """Says how sources are, each time it changes."""
        said: dict[str, str] = {}
        while True:
            for each in self._ingests:
                health = each.source.health
                words = (
                    f"{'connected' if health.connected else 'not connected'}: {each.trouble or health.detail}".rstrip(
                        ": "
                    )
                )
                if said.get(each.source.name) != words:
                    _said.info("%s: %s", each.source.name, words)
                said[each.source.name] = words
            await asyncio.sleep(WATCH_S)

    # -- the clock -------------------------------------------------------------------------------------------------------

    async def _tick(self, log: compose.PlantLog) -> None:
        while True:
            with contextlib.suppress(SendFailed):
                await self._tick_once(log)
            await asyncio.sleep(TICK_S)

    async def _tick_once(self, log: compose.PlantLog) -> None:
        now = self._clock()
        if now <= (self._ticked or await _last_tick(log.here)):
            return
        self._ticked = now
        healths = {each.source.name: each.source.health for each in self._ingests}
        since = {name: Instant(health.since) for name, health in sorted(healths.items()) if health.connected}
        tick = ClockTicked(t=Instant(now), clock=OWN, id=f"tick:{now}", since=since, ingested=Instant(now))
        await log.sources.append([codec.record_of(tick, source=OWN, site=self._plant.site.name)])


async def up(plant: Plant, directory: Path, show: Show | None = None) -> None:
    """Runs until SIGTERM or SIGINT."""
    runner = Runner(plant, directory, show=show)
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, runner.stop)
    await runner.run()


async def _last_tick(log: compose.SqliteLog) -> int:
    """The newest tick among the newest records; a clock that was set back does not tick until it has caught up."""
    newest = await log.read(max(0, await log.end() - 1000), 1000)
    return max((record.t_max for record in newest if record.type == "clock.ticked" and record.source == OWN), default=0)


async def _ended(tasks: Sequence[asyncio.Task[None]], seconds: float) -> None:
    """Gives tasks some time to end, then ends them."""
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
