"""Projection `readings`: the latest reading of each signal by each clock that stamped it, straight from the events.

Rules: within one clock the latest is the one of the largest (t, seq, position); clocks are never sorted against each other, so
each has a row of its own, and the view `signal_now` (projections/views.py) says which of them stands. What is late by its own
clock changes nothing here. Records are looked at from the last one back, since most of the earlier ones have nothing to add.
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

Latest = dict[tuple[str, str, str], dict[str, Any]]
"""Machine, signal and clock -> the row of signal_clock."""

NO_SEQ = -1


class NowRows:
    """The mapping."""

    name = "readings"
    reads: Literal["events", "derived"] = "events"

    def wants(self, record: Record) -> bool:
        return record.version == 1 and record.type == "telemetry"

    def changes(self, parts: Sequence[Part[Record]]) -> list[Change]:
        found: Latest = {}
        for record, _ in reversed(parts):
            look(found, record)
        return [Change("signal_clock", list(found.values()), newest=("t_ns", "seq"))]


def look(found: Latest, record: Record, until: int | None = None) -> None:
    """Puts in the latest reading of each signal in a frame, not after `until` (ns), where it is newer than what was found.

    Frames are given from the last of the log back, so of two readings of one (t, seq) the one that was found stands.
    """
    frame = Frame(record.payload)
    t, seq = frame.t, frame.seq
    early = None if until is None or record.t_max <= until else t <= until
    last: int | None = None
    row: int | None
    for i, column in enumerate(frame.header.columns):
        key = (record.machine, column.name, record.clock)
        stands = found.get(key)
        if stands is not None and record.t_max < stands["t_ns"]:
            continue
        if column.complete and early is None:
            last = row = _last(t, seq) if last is None else last
        else:
            row = _latest(frame, i, early)
        if row is None:
            continue
        place = (int(t[row]), NO_SEQ if seq is None else int(seq[row]))
        if stands is None or place > (stands["t_ns"], stands["seq"]):
            found[key] = {
                "machine": record.machine, "signal": column.name, "clock": record.clock, "seq": place[1],
                "position": record.position, **_reading(frame, i, row),
            }  # fmt: skip


def _last(t: NDArray[np.int64], seq: NDArray[np.int64] | None) -> int:
    """The row of the largest (t, seq); of equal ones the last."""
    if seq is None:
        return len(t) - 1 - int(t[::-1].argmax())
    return int(np.lexsort((seq, t))[-1])


def _latest(frame: Frame, i: int, early: NDArray[np.bool_] | None) -> int | None:
    """The row of a column's latest reading, of those that are early; None where the frame says nothing of it."""
    valid, status, seq = frame.valid(i), frame.status(i), frame.seq
    said = np.ones(len(frame), np.bool_) if valid is None else valid
    if status is not None:
        said = said | (status != 0)
    if early is not None:
        said = said & early
    rows = np.flatnonzero(said)
    return int(rows[_last(frame.t[rows], None if seq is None else seq[rows])]) if len(rows) else None


def _reading(frame: Frame, i: int, row: int) -> dict[str, Any]:
    valid, status, words = frame.valid(i), frame.status(i), frame.header.columns[i].words
    value = frame.data(i)[row] if valid is None or valid[row] else None
    t = int(frame.t[row])
    return {
        "t_ns": t, "t": utc(t), "value": None if value is None or words else float(value),
        "text": words[int(value)] if value is not None and words else None,
        "status": 0 if status is None else int(status[row]),
    }  # fmt: skip
