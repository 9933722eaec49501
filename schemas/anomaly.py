"""What topology `anomaly` says: scores of readings, alarms with their reasons, and what a model has learned.

Rules: a score is a number from 0 on, 1.0 is the threshold of the model that gave it, so scores of machines compare. Scores
travel many in one body, one n each; everything else is one event a body. `id` of an alarm is its RecordID. Times are
int64 ns UTC; `event` is the id of the reading that caused something.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.unit import MINUS, NO_UNIT, Measure, figure, measure_of

TOPOLOGY = "anomaly"
SCORED, RAISED, CLEARED = "anomaly.scored", "anomaly.raised", "anomaly.cleared"
LEARNED, DRIFTED, CONFIGURED = "anomaly.learned", "anomaly.drifted", "anomaly.configured"

ROWS_MAX = 6000
"""Scores in one derived record: even with a cause and a model of its own each, they stay below 256 KiB."""

Why = Literal["calm", "product", "learning"]
Severity = Literal["warning", "major", "critical"]
SEVERITIES: tuple[tuple[float, Severity], ...] = ((4.0, "critical"), (2.0, "major"), (0.0, "warning"))
"""From which score on an alarm is how severe."""

NOTHING = 1e-9
"""A share of a value below which another is 0 in words."""

IGNORED_MAX = 320
"""Characters in the names of ignored signals: settings are part of a state that is bounded."""

Positive = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=31_536_000)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Settings of the model, as in a `model.set` named `anomaly`; docs/anomaly.md says what each does.

    A reading is unusual from score 1. An alarm is raised when k of the last n scored readings are, and cleared when that has not
    held for hold_s; for cooldown_s after that none is raised. Another `learning` than before: everything is learned again.
    """

    warmup: Annotated[int, msgspec.Meta(ge=40, le=100_000)] = 400
    z_limit: Positive = 5.0
    distance_limit: Positive = 4.0
    k: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    n: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5
    hold_s: Seconds = 60.0
    cooldown_s: Seconds = 300.0
    drift_limit: Positive = 100.0
    reasons: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3
    learning: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    ignore: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=16)] = []


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """A feature that stood out: z is how many standard deviations it was from what was expected.

    how: `level`, expected is the mean of the warm-up; `relation`, expected is what the other features of the reading imply.
    """

    name: str
    value: float
    expected: float
    z: float
    how: Literal["level", "relation"]


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm begins: at t the k-th of n readings was unusual, the first of them at `since`.

    score and reasons are of the reading at t; missing: features of the model that it did not have. model: which learning of
    the machine, from 1.
    """

    id: str
    event: str
    t: int
    since: int
    score: float
    severity: Severity
    product: str
    model: int
    reasons: list[Reason]
    missing: list[str]


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """The alarm `id`, raised at `raised`, is over; peak: its highest score, severity: that of the peak.

    why: `calm`, the readings were usual again for long enough; `product`, the machine makes something else; `learning`, what
    is usual is learned again, as the settings ask.
    """

    id: str
    event: str
    t: int
    raised: int
    peak: float
    severity: Severity
    why: Why


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """What was usual of a feature: its mean, and the standard deviation that z counts in."""

    name: str
    mean: float
    deviation: float


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """A warm-up is over: from the next reading of the product on scores are given.

    left_out: features that had too few values, or no spread to measure by; full: there were more than a model has room for.
    The limits are where the score is 1: of |z| of one feature, and of the distance of all (docs/anomaly.md).
    """

    model: int
    event: str
    t: int
    product: str
    rows: int
    features: list[Feature]
    left_out: list[str]
    full: bool
    z_limit: float
    distance_limit: float


class Drifted(msgspec.Struct, frozen=True, kw_only=True):
    """The scores have risen for good: what was learned no longer describes the machine; mean: of the scores that were watched."""

    event: str
    t: int
    product: str
    model: int
    mean: float


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """The event `event`, a model.set, was judged; refused: why, or "" where its settings stand from `valid_from` on."""

    event: str
    t: int
    valid_from: int
    version: int
    refused: str


class Scores(msgspec.Struct, frozen=True):
    """Scores of consecutive n, in log order: t (ns), score, position of the cause, model; each of shape (n,)."""

    t: NDArray[np.int64]
    score: NDArray[np.float64]
    cause: NDArray[np.int64]
    model: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.t)


class _Header(msgspec.Struct, frozen=True, array_like=True):
    n: int
    causes: list[tuple[int, int]]
    models: list[tuple[int, int]]


def severity_of(score: float) -> Severity:
    """How severe a score is."""
    return next(word for bound, word in SEVERITIES if score >= bound)


def record_id(event: str, topology: str, version: int, n: int) -> str:
    """RecordID: 32 hex digits that a refold gives again."""
    return hashlib.blake2b(f"{event}\n{topology}\n{version}\n{n}".encode(), digest_size=16).hexdigest()


def settings_of(given: dict[str, Any]) -> Settings:
    """Settings from those of a model.set; raises InvalidEvent saying which is wrong."""
    try:
        settings = msgspec.convert(given, Settings)
    except msgspec.ValidationError as error:
        raise InvalidEvent(f"settings of model {TOPOLOGY!r}: {error}") from None
    if (length := sum(map(len, settings.ignore))) > IGNORED_MAX:
        raise InvalidEvent(
            f"settings of model {TOPOLOGY!r}: expected names to ignore of {IGNORED_MAX} characters in all, got {length}"
        )
    if settings.k > settings.n:
        raise InvalidEvent(
            f"settings of model {TOPOLOGY!r}: expected k of at most n, got k={settings.k}, n={settings.n}"
        )
    return settings


def explanation(reasons: Sequence[Reason], units: Mapping[str, str]) -> str:
    """Reasons in words; units: what the plant says of the machine's signals, by name."""
    return "; ".join(sentence(each, measure_of(each.name, units.get(each.name))) for each in reasons)


def sentence(reason: Reason, measure: Measure = NO_UNIT) -> str:
    """A reason in words, with the unit in which its feature is measured."""
    usual = "usually" if reason.how == "level" else "expected from the others"
    size = max(abs(reason.value), abs(reason.expected))
    value, expected = (_figure(number, size, measure) for number in (reason.value, reason.expected))
    return f"{reason.name} is {value}, {usual} {expected} ({_signed(f'{reason.z:+.1f}')} deviations)"


def _figure(value: float, size: float, measure: Measure) -> str:
    """Beside one of that size, what is left over of a smoothed 0 is 0."""
    shown = 0.0 if abs(value) < NOTHING * size else value * measure.factor
    return figure(_signed(f"{shown:.4g}"), measure.unit)


def _signed(text: str) -> str:
    return text.replace("-", MINUS)


def encode_scores(scores: Scores) -> bytes:
    """u32 header length, header (causes and models run-length), t as little-endian int64, scores as float64."""
    header = _encode(_Header(len(scores), _runs(scores.cause), _runs(scores.model)))
    blocks = (header, scores.t.astype("<i8").tobytes(), scores.score.astype("<f8").tobytes())
    return len(header).to_bytes(4, "little") + b"".join(blocks)


def decode_scores(body: bytes) -> Scores:
    """The rows of a body."""
    length = int.from_bytes(body[:4], "little")
    header = _decode_header(memoryview(body)[4 : 4 + length])
    t = np.frombuffer(body, "<i8", header.n, 4 + length)
    score = np.frombuffer(body, "<f8", header.n, 4 + length + 8 * header.n)
    return Scores(t, score, _spread(header.causes), _spread(header.models))


def _runs(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return [(int(values[a]), b - a) for a, b in pairwise(edges)]


def _spread(runs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    values, lengths = np.array(runs, np.int64).reshape(-1, 2).T
    return np.repeat(values, lengths)


_encode = msgspec.msgpack.Encoder().encode
_decode_header = msgspec.msgpack.Decoder(_Header).decode

encode = msgspec.msgpack.Encoder().encode
decode_raised = msgspec.msgpack.Decoder(Raised).decode
decode_cleared = msgspec.msgpack.Decoder(Cleared).decode
decode_learned = msgspec.msgpack.Decoder(Learned).decode
decode_drifted = msgspec.msgpack.Decoder(Drifted).decode
decode_configured = msgspec.msgpack.Decoder(Configured).decode
