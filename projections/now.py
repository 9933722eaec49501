"""Projection `now`: the latest reading of each signal, straight from the events.

What is late by its own time changes nothing here: a row stands unless a newer one is there; of two of one time the later in the
log stands. Records are looked at from the last one back, since most of the earlier ones have nothing to add.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tailrace.engine.projection import Part
from tailrace.engine.store import Change
from tailrace.projections.texts import utc
from tailrace.schemas.frame import Frame
from tailrace.schemas.record import Record


class NowRows:
    """The mapping."""

    name = "now"
    reads: Literal["events", "derived"] = "events"

    def wants(self, record: Record) -> bool:
        return record.version == 1 and record.type == "telemetry"

    def changes(self, parts: Sequence[Part[Record]]) -> list[Change]:
        signals: dict[tuple[str, str], dict[str, Any]] = {}
        for record, _ in reversed(parts):
            _look(signals, record)
        return [Change("signal_now", list(signals.values()), newest="t_ns")]


def _adds(found: dict[str, Any] | None, t: int) -> bool:
    """Whether what was said at t, earlier in the log, is newer than what was found."""
    return found is None or bool(t > found["t_ns"])


def _look(signals: dict[tuple[str, str], dict[str, Any]], record: Record) -> None:
    """The latest reading of each signal in a frame that says anything of it, where it is newer than what was found."""
    frame = Frame(record.payload)
    last: int | None = None
    for i, column in enumerate(frame.header.columns):
        key = (record.machine, column.name)
        if not _adds(signals.get(key), record.t_max):
            continue
        if last is None:
            last = _last(frame.t)
        row = last if column.complete else _latest(frame, i)
        if row is not None and _adds(signals.get(key), int(frame.t[row])):
            signals[key] = {"machine": record.machine, "signal": column.name, **_reading(frame, i, row)}


def _last(t: NDArray[np.int64]) -> int:
    """The row of the latest time; of equal ones the last."""
    return len(t) - 1 - int(t[::-1].argmax())


def _latest(frame: Frame, i: int) -> int | None:
    """The row of a column's latest reading, or None where the frame says nothing of it."""
    valid, status = frame.valid(i), frame.status(i)
    said = np.ones(len(frame), np.bool_) if valid is None else valid
    if status is not None:
        said = said | (status != 0)
    rows = np.flatnonzero(said)
    return int(rows[_last(frame.t[rows])]) if len(rows) else None


def _reading(frame: Frame, i: int, row: int) -> dict[str, Any]:
    valid, status, words = frame.valid(i), frame.status(i), frame.header.columns[i].words
    value = frame.data(i)[row] if valid is None or valid[row] else None
    t = int(frame.t[row])
    return {
        "t_ns": t, "t": utc(t), "value": None if value is None or words else float(value),
        "text": words[int(value)] if value is not None and words else None,
        "status": 0 if status is None else int(status[row]),
    }  # fmt: skip
