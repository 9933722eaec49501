"""Whether a source hears its machines: its health in words, and the events that say when it did not.

Rules: `connection.lost` is stamped with the last moment at which something was heard, `connection.restored` with the moment
at which the machines are watched again, both by the collector's own clock. A loss is one of every machine whose state comes
through the source, and names it; where no state came yet, it names none. The first connection of a run restores nothing.
Pauses between attempts grow, and start short again after a connection that held.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection
from typing import Any

from tailrace.engine.source import Health
from tailrace.schemas.event import OWN, AnyEvent, ConnectionLost, ConnectionRestored, GapDetected
from tailrace.schemas.instant import Instant

Now = Callable[[], int]
HELD_S = 10.0


class Pauses:
    """Seconds to wait before the next attempt: `first`, doubled each time, at most `most`."""

    def __init__(self, first: float, most: float) -> None:
        self._first, self._most = min(first, most), most
        self._next = self._first

    def next(self, held: float = 0.0) -> float:
        """The pause after a connection that was up for `held` seconds."""
        if held >= HELD_S:
            self._next = self._first
        pause, self._next = self._next, min(2 * self._next, self._most)
        return pause


class Link:
    """The state of one source's connection. `run` names this run of the collector."""

    def __init__(self, source: str, now: Now = time.time_ns) -> None:
        self._source, self._now = source, now
        self._lost = False
        self._told = 0
        self._connections = 0
        self.run = secrets.token_hex(8)
        self.health = Health(connected=False, since=now(), detail="not started")

    def up(self, detail: str = "") -> list[AnyEvent]:
        """The machines are watched; gives the event that says so after a loss."""
        self._connections += 1
        self._say(True, detail)
        events: list[AnyEvent] = []
        if self._lost:
            events.append(ConnectionRestored(t=self._t(), id=self._id("restored"), clock=OWN, source=self._source))
        self._lost = False
        return events

    @property
    def connection(self) -> str:
        """Names the connection that stands, of all of all runs."""
        return f"{self.run}/{self._connections}"

    def down(self, detail: str, heard: int | None = None, machines: Collection[str] = ()) -> list[AnyEvent]:
        """The machines are not watched; `heard` (ns UTC) was the last sign of life of a connection that stood."""
        self._say(False, detail)
        if heard is None or self._lost:
            return []
        self._lost = True
        t = Instant(min(heard, self._now()))
        lost: dict[str, Any] = {"t": t, "clock": OWN, "source": self._source, "reason": detail}
        return [ConnectionLost(machine=machine, id=self._id("lost"), **lost) for machine in sorted(machines) or [""]]

    def gap(self, machine: str, what: str, first: int, last: int) -> AnyEvent:
        """That `first`..`last` of a count named `what` are missing."""
        return GapDetected(
            machine=machine, t=self._t(), id=self._id("gap"), clock=OWN, source=self._source, session=what,
            first=first, last=last,
        )  # fmt: skip

    def at_least_once(self) -> None:
        """Something came that has neither a sequence nor a time of its own: a repeat of it cannot be told apart."""
        if not self.health.at_least_once:
            self._say(self.health.connected, self.health.detail, at_least_once=True)

    def _say(self, connected: bool, detail: str, at_least_once: bool | None = None) -> None:
        before = self.health
        self.health = Health(
            connected=connected,
            since=before.since if before.connected is connected else self._now(),
            detail=detail,
            at_least_once=before.at_least_once if at_least_once is None else at_least_once,
        )

    def _t(self) -> Instant:
        return Instant(self._now())

    def _id(self, what: str) -> str:
        self._told += 1
        return f"{what}:{self._source}:{self.run}:{self._told}"
