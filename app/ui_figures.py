"""OEE as pages show it: of the running shift (without one, of the last 8 hours) and hour by hour, kept fresh while it is watched.

Rules: the figures are those of `oee` (app/oee_query.py), which CLI and REST ask too; a page names the window, so that anyone
can ask for the same. One machine after the other is worked out in a thread, those that just changed first; the work takes at
most a part of the time, so many machines cost freshness, never the fold. Closed hours are asked again when something changed,
and when what was asked while the fold was behind may have been of half a history.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tailrace.app import compose
from tailrace.app.oee_query import oee
from tailrace.app.ui_text import instant
from tailrace.projections import queries
from tailrace.schemas.errors import NotFound, TailraceError
from tailrace.schemas.instant import HOUR, MINUTE, SECOND

HOURS = 8
ROUND_S = 2.0
"""How old the figures of a machine may get where there are few."""

BEHIND_S = 0.5
"""Between two machines, while the fold is behind."""

REST = 3.0
"""Working out a machine is followed by a pause of REST times as long as it took."""

KEPT = MINUTE
"""How long closed hours are believed without asking again."""


class Shown(msgspec.Struct, frozen=True):
    """Figures of [start, end); shift: [from, to) of the running shift. hours: start of each hour and its figures, by time.

    behind: the fold has not reached what came in until then, so what is not there may only not be known yet.
    """

    machine: str
    start: int
    end: int
    shift: tuple[int, int] | None
    figures: dict[str, Any]
    hours: list[tuple[int, dict[str, Any]]]
    asked: int
    behind: bool = False


Take = Callable[[Shown], None]


class _Watcher(msgspec.Struct, eq=False):
    take: Take
    machines: Collection[str]


class Figures:
    """The newest figures of every machine that somebody watches."""

    def __init__(self, directory: Path, clock: Callable[[], int], behind: Callable[[], bool]) -> None:
        self._directory, self._clock, self._behind = directory, clock, behind
        self._shown: dict[str, Shown] = {}
        self._watchers: list[_Watcher] = []
        self._urgent: dict[str, None] = {}
        self._stale: set[str] = set()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def known(self, machine: str) -> Shown | None:
        """What was worked out last, if anything."""
        return self._shown.get(machine)

    def touch(self, machine: str) -> None:
        """Something of a machine changed: it is next, closed hours included."""
        self._urgent[machine] = None
        self._stale.add(machine)
        self._woken.set()

    @contextmanager
    def watching(self, machines: Collection[str], take: Take) -> Iterator[None]:
        """Calls `take` with new figures of the machines (a collection that may grow)."""
        watcher = _Watcher(take, machines)
        self._watchers.append(watcher)
        for machine in machines:
            self._urgent[machine] = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="figures")
        self._woken.set()
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    async def _run(self) -> None:
        """Until nobody watches."""
        ring: list[str] = []
        while self._watchers:
            wanted = {machine for watcher in self._watchers for machine in watcher.machines}
            if not self._urgent and not ring:
                ring = sorted(wanted)
            machine = self._next(ring)
            began = time.monotonic()
            if machine in wanted:
                await self._refresh(machine)
            await self._pause(max(ROUND_S / max(1, len(wanted)), REST * (time.monotonic() - began)))

    def _next(self, ring: list[str]) -> str:
        if self._urgent:
            machine = next(iter(self._urgent))
            del self._urgent[machine]
            if machine in ring:
                ring.remove(machine)
            return machine
        return ring.pop(0) if ring else ""

    async def _pause(self, seconds: float) -> None:
        """Ends early when something is urgent; while the fold is behind everything always is, and the fold needs the time."""
        if self._behind():
            await asyncio.sleep(BEHIND_S)
            return
        self._woken.clear()
        if not self._urgent:
            try:
                await asyncio.wait_for(self._woken.wait(), seconds)
            except TimeoutError:
                return

    async def _refresh(self, machine: str) -> None:
        before = None if machine in self._stale else self._shown.get(machine)
        self._stale.discard(machine)
        behind = self._behind()
        try:
            shown = await asyncio.to_thread(shown_of, self._directory, machine, self._clock(), before, behind=behind)
        except NotFound:
            return
        except TailraceError:
            self._stale.add(machine)
            return
        self._shown[machine] = shown
        for watcher in list(self._watchers):
            if machine in watcher.machines:
                watcher.take(shown)


def shown_of(directory: Path, machine: str, now: int, before: Shown | None = None, *, behind: bool = False) -> Shown:
    """What is shown of a machine now; closed hours are taken from what was shown a moment before."""
    end = now // SECOND * SECOND
    fresh = before is not None and not before.behind and now - before.asked < KEPT
    shift = _shift(directory, machine, now)
    start = shift[0] if shift and shift[0] < end else end - HOURS * HOUR
    kept = dict(before.hours) if before and fresh else {}
    hour = end // HOUR * HOUR
    begins = [hour - n * HOUR for n in range(HOURS - 1, -1, -1)]
    wanted = [each for each in begins if each not in kept or each >= hour - HOUR]
    windows = [(each, max(each + SECOND, min(each + HOUR, end))) for each in wanted]
    figures, *asked = oee(directory, machine, [(start, end), *windows])
    found = kept | dict(zip(wanted, asked, strict=True))
    return Shown(
        machine=machine, start=start, end=end, shift=shift, figures=figures, hours=[(each, found[each]) for each in begins],
        asked=before.asked if before and fresh else now, behind=behind,
    )  # fmt: skip


def _shift(directory: Path, machine: str, now: int) -> tuple[int, int] | None:
    """[from, to) of the running shift; of those that overlap, the one that began last."""
    with compose.read_store(directory) as connection:
        found = queries.shifts(connection, machine, now, now + 1)
    return (instant(found[-1].start), instant(found[-1].end)) if found else None
