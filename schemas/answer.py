"""What read models answer, one record per row, as REST, CLI and dashboard show it: times are ISO 8601 text in UTC."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from tailrace.schemas.anomaly import Reason

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list; `next` asks for the one after it, null at the end."""

    items: list[T]
    next: str | None = None


class MachineItem(msgspec.Struct, frozen=True, kw_only=True):
    """A machine, where it stands (ISA-95) and what it does now; without a state nothing was heard of it yet.

    why: `connection lost` where the state is unknown because nobody watches, else "".
    """

    machine: str
    site: str | None
    area: str | None
    line: str | None
    definition: str | None
    state: str | None
    category: str | None
    since: str | None
    why: str = ""


class SignalItem(msgspec.Struct, frozen=True, kw_only=True):
    """The latest reading of a signal. value: a number in `unit`, a text, or null; quality: good, uncertain, bad or a code."""

    machine: str
    signal: str
    t: str
    value: float | str | None
    quality: str | int
    unit: str


class IntervalItem(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch in which a machine was in one state and category; an end of null still holds. why: as of a machine."""

    machine: str
    start: str
    end: str | None
    state: str
    category: str
    why: str = ""


class ParetoItem(msgspec.Struct, frozen=True, kw_only=True):
    """What stops of one category, reason and loss cost in a window, and how many they were.

    loss: which of the six big losses, null = none. share: of all time down in the window; cumulative: with the shares of all
    before it; both null where that is 0 s.
    """

    category: str
    reason: str
    loss: str | None
    duration_s: float
    stops: int
    share: float | None
    cumulative: float | None


class BigLoss(msgspec.Struct, frozen=True, kw_only=True):
    """One of the six big losses, or `unknown`, in a window, and its share of all of them; null where no ideal cycle is known."""

    loss: str
    duration_s: float | None
    share: float | None


class Mean(msgspec.Struct, frozen=True, kw_only=True):
    """A mean with what it is made of: sum_s / n in seconds, null where n is 0."""

    formula: str
    sum_s: float
    n: int
    mean_s: float | None


class StopReport(msgspec.Struct, frozen=True, kw_only=True):
    """What stops cost in a window, most time first, the mean times between failures and to repair, and the six big losses.

    lost_s: pbt - valuable of the OEE, which `losses` add up to; null where an ideal cycle is missing.
    """

    items: list[ParetoItem]
    losses: list[BigLoss]
    lost_s: float | None
    down_s: float
    stops: int
    mtbf: Mean
    mttr: Mean


class StopItem(msgspec.Struct, frozen=True, kw_only=True):
    """A stop; an end of null is still open, and then duration_s runs until now."""

    id: str
    machine: str
    start: str
    end: str | None
    duration_s: float
    category: str
    reason: str
    by: str
    revision: int


class AnomalyItem(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={"record_id": "RecordID", "score": "AnomalyScore", "detected": "DetectionTime"},
):
    """An alarm: raised at `detected` for readings that are unusual since `since`; a `cleared` of null still holds.

    score: of the reading that raised it, 1 = the threshold. explanation: which features stood out, in words; reasons: the same
    as fields. peak: highest score, cleared_by: `calm`, `product` or `learning`; both null until it is over.
    """

    record_id: str
    score: float
    detected: str
    machine: str
    since: str
    severity: str
    explanation: str
    reasons: list[Reason]
    product: str
    flags: list[str]
    cleared: str | None
    cleared_by: str | None
    peak: float | None


class ScoreItem(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of a machine in 5 minutes from `start`: how many, how many of 1 or more, mean and highest."""

    start: str
    n: int
    unusual: int
    mean: float
    max: float


class RollupItem(msgspec.Struct, frozen=True, kw_only=True):
    """What a signal was from `start` on: n usable readings, bad ones, and of the usable ones what stands here; null = none."""

    start: str
    n: int
    bad: int
    min: float | None
    max: float | None
    mean: float | None
    first: float | None
    last: float | None


class Rollups(msgspec.Struct, frozen=True, kw_only=True):
    """A signal in a window: each item covers resolution_s seconds, or is one reading (0). Nothing read, no item."""

    machine: str
    signal: str
    unit: str
    resolution_s: int
    items: list[RollupItem]


class ShiftItem(msgspec.Struct, frozen=True, kw_only=True):
    """A shift of a machine, as its calendar has it."""

    machine: str
    start: str
    end: str
    name: str


class QuarantineItem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that could not be taken, and why."""

    id: str
    t: str
    source: str
    where: str
    reason: str


OeeItem = dict[str, Any]
"""The figures of docs/oee.md, of a machine, a line or a group."""

OeeDiff = dict[str, Any]
"""`before` and `after` with the figures of docs/oee.md, and `moved`."""

OeeRestated = dict[str, Any]
"""A line of the ledger: `before`, `after`, who, when and why, `minutes` and `moved` (docs/oee.md)."""

Explained = dict[str, Any]
"""What a figure is made of, or what an event changed (docs/oee.md)."""


class ReasonEdit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says of a stop, and the revision of the stop that was on the screen."""

    category: str
    reason: str = ""
    by: str = ""
    expected_revision: int | None = None


class SplitEdit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a person cuts a stop in two (ISO 8601 with offset, or Unix seconds), and the revision that was on the screen."""

    at: str | float
    by: str = ""
    expected_revision: int | None = None


class MergeEdit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stops that a person joins with one, and the revisions that were on the screen: of that one, and of others by id."""

    stops: list[str]
    by: str = ""
    expected_revision: int | None = None
    expected_revisions: dict[str, int] = {}


class UndoEdit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person takes the last edit of a stop back, which was on the screen in this revision."""

    by: str = ""
    expected_revision: int | None = None


StopEdit = ReasonEdit | SplitEdit | MergeEdit | UndoEdit
"""What a person may do to a stop."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was not answered (RFC 9457): `detail` says what was expected, what came, and where."""

    status: int
    title: str
    detail: str


class EditProblem(Problem, frozen=True, kw_only=True):
    """Why an edit does not stand; where somebody else was faster, the stop as it is now, and what was to be done."""

    current: StopItem | None = None
    proposed: dict[str, Any] | None = None
