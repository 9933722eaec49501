"""OEE as pages show it: of the running shift (without one, of the last 8 hours) and hour by hour, kept fresh while it is watched.

Rules: the figures are those of `oee` (app/oee_query.py), which CLI and REST ask too; a page names the window and the definition,
so that anyone can ask for the same. One machine after the other is worked out in a thread, those that just changed first; the
work takes at most a part of the time, so many machines cost freshness, never the fold. Closed hours are asked again when
something changed, and when what was asked while the fold was behind may have been of half a history.
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
Key = tuple[str, str]
"""A machine, and the definition that it is judged by; "" = its own."""


class _Watcher(msgspec.Struct, eq=False):
    take: Take
    machines: Collection[str]
    definition: str

    def wanted(self) -> set[Key]:
        return {(machine, self.definition) for machine in self.machines}


class Figures:
    """The newest figures of every machine that somebody watches."""

    def __init__(self, directory: Path, clock: Callable[[], int], behind: Callable[[], bool]) -> None:
        self._directory, self._clock, self._behind = directory, clock, behind
        self._shown: dict[Key, Shown] = {}
        self._watchers: list[_Watcher] = []
        self._urgent: dict[Key, None] = {}
        self._stale: set[Key] = set()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def known(self, machine: str, definition: str = "") -> Shown | None:
        """What was worked out last, if anything."""
        return self._shown.get((machine, definition))

    def touch(self, machine: str) -> None:
        """Something of a machine changed: it is next, closed hours included."""
        self._urgent |= {
            (machine, definition): None for definition in ("", *(each.definition for each in self._watchers))
        }
        self._stale |= {key for key in (*self._shown, (machine, "")) if key[0] == machine}
        self._woken.set()

    @contextmanager
    def watching(self, machines: Collection[str], take: Take, definition: str = "") -> Iterator[None]:
        """Calls `take` with new figures of the machines (a collection that may grow), under a definition or their own."""
        watcher = _Watcher(take, machines, definition)
        self._watchers.append(watcher)
        self._urgent |= dict.fromkeys(watcher.wanted())
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="figures")
        self._woken.set()
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    async def _run(self) -> None:
        """Until nobody watches."""
        ring: list[Key] = []
        while self._watchers:
            wanted = {key for watcher in self._watchers for key in watcher.wanted()}
            if not self._urgent and not ring:
                ring = sorted(wanted)
            key = self._next(ring)
            began = time.monotonic()
            if key in wanted:
                await self._refresh(key)
            await self._pause(max(ROUND_S / max(1, len(wanted)), REST * (time.monotonic() - began)))

    def _next(self, ring: list[Key]) -> Key | None:
        if self._urgent:
            key = next(iter(self._urgent))
            del self._urgent[key]
            if key in ring:
                ring.remove(key)
            return key
        return ring.pop(0) if ring else None

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

    async def _refresh(self, key: Key) -> None:
        before = None if key in self._stale else self._shown.get(key)
        self._stale.discard(key)
        behind = self._behind()
        try:
            shown = await asyncio.to_thread(
                shown_of, self._directory, key[0], self._clock(), before, behind=behind, definition=key[1]
            )
        except NotFound:
            return
        except TailraceError:
            self._stale.add(key)
            return
        self._shown[key] = shown
        for watcher in list(self._watchers):
            if key in watcher.wanted():
                watcher.take(shown)


def shown_of(
    directory: Path, machine: str, now: int, before: Shown | None = None, *, behind: bool = False, definition: str = ""
) -> Shown:
    """What is shown of a machine now, under a definition; closed hours are taken from what was shown a moment before."""
    end = now // SECOND * SECOND
    fresh = before is not None and not before.behind and now - before.asked < KEPT
    shift = shift_at(directory, machine, now)
    start = shift[0] if shift and shift[0] < end else end - HOURS * HOUR
    kept = dict(before.hours) if before and fresh else {}
    hour = end // HOUR * HOUR
    begins = [hour - n * HOUR for n in range(HOURS - 1, -1, -1)]
    wanted = [each for each in begins if each not in kept or each >= hour - HOUR]
    windows = [(each, max(each + SECOND, min(each + HOUR, end))) for each in wanted]
    figures, *asked = oee(directory, machine, [(start, end), *windows], None, definition or None)
    found = kept | dict(zip(wanted, asked, strict=True))
    return Shown(
        machine=machine, start=start, end=end, shift=shift, figures=figures, hours=[(each, found[each]) for each in begins],
        asked=before.asked if before and fresh else now, behind=behind,
    )  # fmt: skip


def shift_at(directory: Path, machine: str, now: int) -> tuple[int, int] | None:
    """[from, to) of the running shift; of those that overlap, the one that began last."""
    with compose.read_store(directory) as connection:
        found = queries.shifts(connection, machine, now, now + 1)
    return (instant(found[-1].start), instant(found[-1].end)) if found else None
