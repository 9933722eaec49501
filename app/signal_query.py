"""A signal over time: from the rollups, or, where they are coarser than a short window wants, its readings from the log.

Rule: a signal that is read less than twice a minute has no minutes, so a window of up to a day shows its readings one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from tailrace.app import compose
from tailrace.projections.series import POINTS_MAX, rollups
from tailrace.schemas.answer import RollupItem, Rollups
from tailrace.schemas.frame import BAD, Frame
from tailrace.schemas.instant import DAY, MINUTE, SECOND, format_instant
from tailrace.schemas.record import Record

NUMBERS = ("f8", "i8")


def signal_series(directory: Path, machine: str, signal: str, start: int, end: int) -> Rollups:
    """At most POINTS_MAX items of [start, end), by time; resolution_s of 0: each is one reading. Raises as `rollups` does."""
    with compose.read_store(directory) as connection:
        found = rollups(connection, machine, signal, start, end)
    if found.resolution_s * SECOND <= MINUTE or end - start > DAY:
        return found
    with compose.reading(directory) as log:
        frames = log.telemetry(machine, start, end, POINTS_MAX + 1)
    if len(frames) > POINTS_MAX:
        return found
    points = sorted(point for record in frames for point in _points(record, signal) if start <= point[0] < end)
    if len(points) > POINTS_MAX:
        return found
    return msgspec.structs.replace(found, resolution_s=0, items=[_item(t, value) for t, value in points])


def _points(record: Record, signal: str) -> Iterator[tuple[int, float]]:
    """The usable numbers of a signal in a frame."""
    frame = Frame(record.payload)
    i = frame.index(signal)
    if i is None or frame.header.columns[i].dtype not in NUMBERS:
        return
    valid, status = frame.valid(i), frame.status(i)
    there = np.ones(len(frame), np.bool_) if valid is None else valid
    usable = there if status is None else there & (status < BAD)
    yield from zip(frame.t[usable].tolist(), map(float, frame.data(i)[usable].tolist()), strict=True)


def _item(t: int, value: float) -> RollupItem:
    figures = dict.fromkeys(("min", "max", "mean", "first", "last"), value)
    return RollupItem(start=format_instant(t), n=1, bad=0, **figures)
