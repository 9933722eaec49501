"""When scores become an alarm, and when a model no longer describes its machine.

Rules: an alarm is raised by an unusual reading (score 1 or more) if k of the last n readings were; it is cleared by the first
reading at which that has not held for hold_s; for cooldown_s after that none is raised. Times are those of the readings;
one that is earlier than what it is compared with proves nothing. Drift is watched on the scores by River's Page-Hinkley test,
written out for many scores at a time; it never changes a model: a fault that lasts would be learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Literal, NamedTuple

import msgspec

from tailrace.schemas.anomaly import Settings
from tailrace.schemas.instant import SECOND
from tailrace.topologies.plan import NONE

WATCHED_MAX = 2.0
"""Scores above it count as this much for drift, so that one wild reading is no drift."""
DRIFT_DELTA = 0.05
DRIFT_ALPHA = 1 - 0.0001
"""How much of the sum is left at the next score."""

DRIFT_ROWS = 100
"""A rise of the mean score below DRIFT_DELTA is none, and none is seen within so many scores."""


class Standing(msgspec.Struct):
    """An alarm that is raised."""

    id: str
    t: int
    peak: float


Due = Literal["raise", "clear"]


class Alarm(msgspec.Struct):
    """window: times of the last n readings, NONE for those that were usual. calm: since when it is calm. cleared: when."""

    window: list[int] = []
    raised: Standing | None = None
    calm: int = NONE
    cleared: int = NONE

    def steps(self, t: Sequence[int], scores: Sequence[float], settings: Settings) -> Iterator[tuple[int, Due]]:
        """Takes in scores; tells at which of them what has become due. The caller calls `stand` or `clear` before it goes on."""
        unusual = [k for k, score in enumerate(scores) if score >= 1.0]
        unusual.append(len(scores))
        k = 0
        for hot in unusual:
            while self.raised is not None and k < hot:  # usual scores may clear it
                if due := self.step(t[k], scores[k], settings):
                    yield k, due
                k += 1
            self._quiet(hot - k, settings.n)
            if hot < len(scores) and (due := self.step(t[hot], scores[hot], settings)):
                yield hot, due
            k = hot + 1

    def _quiet(self, count: int, n: int) -> None:
        """So many usual scores while no alarm is raised: they only move the window on."""
        if count:
            self.window.extend([NONE] * min(count, n))
            del self.window[: max(len(self.window) - n, 0)]

    def step(self, t: int, score: float, settings: Settings) -> Due | None:
        """Takes in a score; tells what has become due. The caller then calls `stand` or `clear`."""
        window = self.window
        window.append(t if score >= 1.0 else NONE)
        if len(window) > settings.n:
            del window[: len(window) - settings.n]
        hot = len(window) - window.count(NONE) >= settings.k
        if self.raised is None:
            return "raise" if hot and score >= 1.0 and not self._cooling(t, settings) else None
        self.raised.peak = max(self.raised.peak, score)
        if hot:
            self.calm = NONE
        elif self.calm == NONE or t < self.calm:
            self.calm = t
        return "clear" if self.calm != NONE and t - self.calm >= settings.hold_s * SECOND else None

    @property
    def since(self) -> int:
        """The first unusual reading of the window."""
        return min(t for t in self.window if t != NONE)

    def stand(self, id_: str, t: int, score: float) -> None:
        """The alarm is raised."""
        self.raised, self.calm = Standing(id_, t, score), NONE

    def clear(self, t: int) -> None:
        """The alarm is over."""
        self.raised, self.calm, self.cleared, self.window = None, NONE, t, []

    def restart(self) -> None:
        """What was seen until now says nothing of what follows."""
        self.raised, self.calm, self.cleared, self.window = None, NONE, NONE, []

    def _cooling(self, t: int, settings: Settings) -> bool:
        return self.cleared != NONE and 0 <= t - self.cleared < settings.cooldown_s * SECOND


class Drift(NamedTuple):
    """The score that told of a drift, by its place among those taken in, and the mean of the scores since the drift before."""

    place: int
    mean: float


class Watch:
    """The drift test. Its numbers are how many scores there were, their mean, the sum, its minimum and whether that was drift."""

    def __init__(self, numbers: Sequence[float] = ()) -> None:
        self._numbers = list(numbers)

    def take(self, scores: Sequence[float], limit: float) -> list[Drift]:
        """Takes in scores; gives those that tell that the scores have risen for good. Operation by operation as River does."""
        found: list[Drift] = []
        if not scores:
            return found
        count, mean, total, least, drifted = self._numbers or _FRESH
        for place, score in enumerate(scores):
            if drifted:
                count, mean, total, least, drifted = _FRESH
            value = min(score, WATCHED_MAX)
            count += 1.0
            mean += (1.0 / count) * (value - mean)
            total = DRIFT_ALPHA * total + (value - mean) - DRIFT_DELTA
            least = min(least, total)
            if count >= DRIFT_ROWS and total - least > limit:
                drifted = 1.0
                found.append(Drift(place, mean))
        self._numbers = [count, mean, total, least, drifted]
        return found

    def numbers(self) -> list[float]:
        """What another one goes on from."""
        return list(self._numbers)


_FRESH = (0.0, 0.0, 0.0, inf, 0.0)
