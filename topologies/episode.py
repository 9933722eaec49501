"""Unplanned episodes: maximal stretches of category unplanned, before any clipping by window or schedule.

Rules: an open episode holds to the latest of the window's end, the last state and the last tick; with an as-of time exactly
to that time. An episode belongs to the stretch in which it begins; its length decides whether it was a microstop.
"""

from __future__ import annotations

import msgspec
import numpy as np

from tailrace.schemas.instant import DAY
from tailrace.topologies.machine import Machine
from tailrace.topologies.plan import SHIFT, UNPLANNED
from tailrace.topologies.steps import BEGINNING
from tailrace.topologies.tally import Ints, Pieces, pieces


class Episodes(msgspec.Struct, frozen=True):
    """[start, end) in ns, un-clipped, shape (n,) each."""

    start: Ints
    end: Ints


def episodes(machine: Machine, a: int, b: int, as_of: int | None) -> Episodes:
    """The unplanned episodes that have a part in [a, b)."""
    horizon = max(b, machine.head.last_state, machine.head.last_tick) if as_of is None else max(a, as_of)
    lo, hi = a, min(b, horizon)
    while lo > machine.earliest() and _unplanned(machine, lo, lo + 1)[0]:
        lo = max(lo - DAY, machine.earliest())
    while hi < horizon and _unplanned(machine, hi - 1, hi)[-1]:
        hi = min(hi + DAY, horizon)
    if lo >= hi:
        return Episodes(np.empty(0, np.int64), np.empty(0, np.int64))
    piece = pieces(machine, np.array([lo, hi], np.int64))
    down = piece.category == UNPLANNED
    begins = np.flatnonzero(down & ~np.append(False, down[:-1]))
    ends = np.flatnonzero(down & ~np.append(down[1:], False))
    start, end = piece.start[begins], piece.end[ends]
    within = (start < b) & (end > a)
    return Episodes(start[within], end[within])


def microstop_time(found: Episodes, piece: Pieces, threshold: int) -> int:
    """ns of unplanned shift time in the pieces that belongs to episodes shorter than the threshold."""
    mine = (piece.category == UNPLANNED) & (piece.schedule == SHIFT)
    if not mine.any():
        return 0
    start, end = piece.start[mine], piece.end[mine]
    which = np.searchsorted(found.start, start, side="right") - 1
    short = (found.end - found.start)[which] < threshold
    return int((end - start)[short].astype(object).sum()) if short.any() else 0


def begun(found: Episodes, machine: Machine, a: int, b: int, threshold: int) -> tuple[int, int]:
    """(breakdowns, microstops): episodes that begin in [a, b), in a shift and not in a planned stop."""
    counted = (found.start >= a) & (found.start < b) & (found.start > BEGINNING)
    counted &= machine.steps("schedule").at(found.start) == SHIFT
    short = int(((found.end - found.start)[counted] < threshold).sum())
    return int(counted.sum()) - short, short


def _unplanned(machine: Machine, a: int, b: int) -> Ints:
    return np.asarray(pieces(machine, np.array([a, b], np.int64)).category == UNPLANNED)
