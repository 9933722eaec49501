"""When scores become an alarm, and when a model no longer describes its machine.

Rules: an alarm is raised by an unusual reading (score 1 or more) if k of the last n readings were; it is cleared by the first
reading at which that has not held for hold_s; for cooldown_s after that none is raised. Times are those of the readings;
one that is earlier than what it is compared with proves nothing. Drift is watched on the scores by River's Page-Hinkley test;
it never changes a model: a fault that lasts would be learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tailrace.schemas.anomaly import Settings
from tailrace.schemas.instant import SECOND
from tailrace.topologies.plan import NONE

WATCHED_MAX = 2.0
"""Scores above it count as this much for drift, so that one wild reading is no drift."""
DRIFT_DELTA = 0.05
DRIFT_ROWS = 100
"""A rise of the mean score below DRIFT_DELTA is none, and none is seen within so many scores."""


class Standing(msgspec.Struct):
    """An alarm that is raised."""

    id: str
    t: int
    peak: float


class Alarm(msgspec.Struct):
    """window: times of the last n readings, NONE for those that were usual. calm: since when it is calm. cleared: when."""

    window: list[int] = []
    raised: Standing | None = None
    calm: int = NONE
    cleared: int = NONE

    def step(self, t: int, score: float, settings: Settings) -> Literal["raise", "clear"] | None:
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


class Watch:
    """The drift test. Its numbers are how many scores there were, their mean, the sum, its minimum and whether that was drift."""

    def __init__(self, numbers: Sequence[float] = ()) -> None:
        self._numbers = numbers
        self._test: Any = None

    @property
    def mean(self) -> float:
        """Of the scores since the last drift."""
        return self.numbers()[1]

    def update(self, score: float, limit: float) -> bool:
        """Whether this score tells that the scores have risen for good."""
        if self._test is None:
            self._test = _page_hinkley(self._numbers)
        test = self._test
        test.threshold = limit
        test.update(min(score, WATCHED_MAX))
        return bool(test.drift_detected)

    def numbers(self) -> list[float]:
        """What another one goes on from."""
        if self._test is None:
            return list(self._numbers)
        test = self._test
        return [test._x_mean.n, test._x_mean._mean, test._sum_increase, test._min_increase, float(test.drift_detected)]


def _page_hinkley(numbers: Sequence[float]) -> Any:
    from river.drift import PageHinkley  # noqa: PLC0415  takes most of a second, and only a machine with scores needs it
    from river.stats import Mean  # noqa: PLC0415

    test = PageHinkley(DRIFT_ROWS, DRIFT_DELTA, mode="up")
    if numbers:
        count, mean, test._sum_increase, test._min_increase, seen = numbers
        test._x_mean, test._drift_detected = Mean._from_state(count, mean), bool(seen)
    return test
