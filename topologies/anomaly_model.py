"""The model of one product on one machine: three quarters of the warm-up tell what is usual, the last quarter how far usual
readings stand from it, and then it is frozen: nothing that is scored is ever learned.

Rules: the score is the larger of the worst |z| and the distance, each over its limit, so 1 is where one of them is reached.
A limit is CALM deviations above what the last quarter showed, not below the one in the settings and not above twice of it.
For d features the limit of the distance is (√(2d-1) + limit) / √2: √2 x distance is nearly normal about √(2d-1) with
deviation 1 where features are normal (R. A. Fisher's approximation of a chi distribution).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.anomaly import Feature, Reason, Settings
from tailrace.topologies.anomaly_distance import Floats
from tailrace.topologies.anomaly_learning import Learning, Sums, lower_bytes, size_of, triangle
from tailrace.topologies.anomaly_usual import Bools, Far, Usual

if TYPE_CHECKING:
    from river.stats import Var

CALM = 4.0
CALM_ROWS_MIN = 10
RELATED_MIN = 2
"""With fewer features there is no relation, and the distance is |z| again."""
ROOT_2 = sqrt(2.0)


class Limits(NamedTuple):
    """Where the score is 1: of the worst |z|, and of the distance in deviations above what is usual."""

    z: float
    distance: float


class Page(msgspec.Struct, frozen=True, array_like=True):
    """A model as bytes. sums: while it learns; then names, numbers (mean and deviation, float64) and correlation (float32,
    lower triangle). calm: count, mean and sum of squares of worst |z| and of distances. number: 0 until it is frozen.
    learning: as in the settings that asked for it."""

    product: str
    learning: int
    number: int
    rows: int
    sums: Sums | None
    names: list[str]
    numbers: bytes
    correlation: bytes
    calm: list[float]
    left_out: list[str]
    full: bool


class Model:
    """A product's model. number: which learning of the machine it was, 0 until it is over; rows: readings of the warm-up so far;
    left_out: features that cannot be measured by; full: whether there were more than there is room for."""

    def __init__(self, product: str, learning: int = 0, page: Page | None = None) -> None:
        from river.stats import Var  # noqa: PLC0415  only a machine with telemetry needs River

        self.product, self.learning = product, learning
        self.number = page.number if page else 0
        self.rows = page.rows if page else 0
        self.left_out = page.left_out if page else []
        self.full = page.full if page else False
        self._learning = Learning(page.sums if page else None) if page is None or page.sums else None
        self._usual = _usual_of(page) if page and not page.sums else None
        self._worst, self._excess = Var(), Var()
        if page:
            _fill(self._worst, page.calm[:3])
            _fill(self._excess, page.calm[3:])

    def page(self) -> Page:
        """The model as it is."""
        sums = self._learning.sums() if self._learning else None
        names, numbers, correlation = _parts(self._usual) if self._usual else ([], b"", b"")
        calm = [*_numbers(self._worst), *_numbers(self._excess)]
        left_out, full = self.left_out, self.full
        return Page(
            self.product, self.learning, self.number, self.rows, sums, names, numbers, correlation, calm, left_out, full
        )

    @property
    def size(self) -> int:
        """Bytes that the model takes in a page, at most."""
        found = self._learning or self._usual
        assert found is not None
        return size_of([self.product, *found.names, *self.left_out])

    @property
    def features(self) -> list[Feature]:
        """What is usual of each feature, once that is known."""
        return self._usual.features() if self._usual else []

    # -- the warm-up ---------------------------------------------------------------------------------------------------

    def warm(self, names: Sequence[str], values: Floats, present: Bools, settings: Settings) -> int | None:
        """Learns from readings (d, n); gives how many there were when the warm-up was over, None if it goes on."""
        for i in np.flatnonzero(present.any(axis=0)).tolist():
            self.rows += 1
            if self._learning:
                there = np.flatnonzero(present[:, i]).tolist()
                self._learning.learn({names[k]: float(values[k, i]) for k in there})
                if self.rows >= settings.warmup * 3 // 4:
                    self._usual, self.left_out = self._learning.usual()
                    self.full, self._learning = self._learning.full, None
            elif self._usual:
                self._calibrate(*self._usual.standardised(names, values[:, [i]], present[:, [i]]))
            if self._usual and self.rows >= settings.warmup:
                return i + 1
        return None

    def _calibrate(self, z: Floats, present: Bools) -> None:
        assert self._usual is not None
        far = self._usual.far(z, present)
        if far.features[0]:
            self._worst.update(float(far.worst[0]))
        if far.features[0] >= RELATED_MIN:
            self._excess.update(ROOT_2 * float(far.distance[0]) - sqrt(2.0 * int(far.features[0]) - 1.0))

    # -- scores --------------------------------------------------------------------------------------------------------

    def limits(self, settings: Settings) -> Limits:
        """Where the score is 1."""
        z, distance = settings.z_limit, settings.distance_limit
        seen_z, seen_distance = _above(self._worst, 0.0), _above(self._excess, 1.0)
        return Limits(min(max(z, seen_z), 2.0 * z), min(max(distance, seen_distance), 2.0 * distance))

    def score(
        self, names: Sequence[str], values: Floats, present: Bools, settings: Settings
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """The scores of readings (d, n) and which have one; both (n,)."""
        assert self._usual is not None
        far = self._usual.far(*self._usual.standardised(names, values, present))
        by_level, by_distance = _scores(far, self.limits(settings))
        return np.maximum(by_level, by_distance), far.features > 0

    def reasons(
        self, names: Sequence[str], values: Floats, present: Bools, settings: Settings
    ) -> tuple[list[Reason], list[str]]:
        """Why one reading (d, 1) scores as it does, and which features it does not have."""
        assert self._usual is not None
        z, there = self._usual.standardised(names, values, present)
        by_level, by_distance = _scores(self._usual.far(z, there), self.limits(settings))
        level = bool(by_level[0] >= by_distance[0])
        missing = [name for name, has in zip(self._usual.names, there[:, 0].tolist(), strict=True) if not has]
        return self._usual.reasons(z[:, 0], there[:, 0], settings.reasons, by_level=level), missing


def _scores(far: Far, limits: Limits) -> tuple[Floats, Floats]:
    """Scores by the worst feature and by the distance, each (n,)."""
    features = np.maximum(far.features, 1)
    most = (np.sqrt(2.0 * features - 1.0) + limits.distance) / ROOT_2
    return far.worst / limits.z, np.where(far.features >= RELATED_MIN, far.distance / most, 0.0)


def _above(var: Var, least: float) -> float:
    """CALM deviations, of at least `least`, above the mean of what the end of a warm-up showed; 0 where it showed too little."""
    if var.n < CALM_ROWS_MIN:
        return 0.0
    return max(float(var.mean.get()), 0.0) + CALM * max(sqrt(var.get()), least)


def _fill(var: Var, numbers: Sequence[float]) -> None:
    var.mean.n, var.mean._mean, var._S = numbers


def _numbers(var: Var) -> list[float]:
    return [var.mean.n, var.mean._mean, var._S]


def _parts(usual: Usual) -> tuple[list[str], bytes, bytes]:
    numbers = np.array([usual.mean, usual.deviation], "<f8").tobytes()
    return list(usual.names), numbers, lower_bytes(usual.correlation)


def _usual_of(page: Page) -> Usual:
    mean, deviation = np.frombuffer(page.numbers, "<f8").reshape(2, -1)
    return Usual(page.names, mean, deviation, triangle(page.correlation, len(page.names)))
