"""Which bucket each instant of a window counts in, as the figures sort it: the window as a step function.

Rules: the pieces are those of the tallies (topologies/tally.py), the episodes those of the figures, and a bucket is where
`account` puts a piece of that schedule class, category and length of episode. So the steps add up to the figures exactly.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.app.oee_answer import definitions
from tailrace.projections.oee_result import Measured, account
from tailrace.schemas.bucket import AT_TIME, CATEGORIES, CLASSES, COLUMNS
from tailrace.schemas.event import Policy
from tailrace.topologies.episode import Episodes, episodes
from tailrace.topologies.machine import Machine
from tailrace.topologies.plan import SHIFT, UNPLANNED
from tailrace.topologies.tally import Ints, Pieces, pieces

BUCKETS = ("run", "microstop", "breakdown", "setup", "unknown", "planned_stop", "excluded", "not_scheduled")


class Sorted(msgspec.Struct, frozen=True):
    """Stretches [start, end) in ns, and the bucket of each, as an index into BUCKETS; shape (n,) each."""

    start: Ints
    end: Ints
    bucket: Ints


def sort(machine: Machine, start: int, end: int) -> Sorted:
    """The window [start, end) in ns."""
    found = episodes(machine, start, end, None)
    parts = []
    for a, b, _, policy in definitions(machine, start, end):
        piece = pieces(machine, np.array([a, b], np.int64))
        parts.append(Sorted(piece.start, piece.end, buckets(piece, found, policy)))
    return Sorted(*(np.concatenate([getattr(part, name) for part in parts]) for name in Sorted.__struct_fields__))


def buckets(piece: Pieces, found: Episodes, policy: Policy) -> Ints:
    """The bucket of each piece under a policy."""
    short = _short(piece, found, policy.microstop_s).astype(np.int64)
    return np.asarray(_table(policy)[piece.schedule, piece.category, short])


def _short(piece: Pieces, found: Episodes, threshold: int) -> NDArray[np.bool_]:
    """Whether each piece lies in an episode that is a microstop."""
    down = (piece.schedule == SHIFT) & (piece.category == UNPLANNED)
    which = np.searchsorted(found.start, piece.start, side="right") - 1
    lengths = np.append(found.end - found.start, 0)
    return np.asarray(down & (which >= 0) & (lengths[which] < threshold))


def _table(policy: Policy) -> Ints:
    """The bucket by schedule class, category, and whether it is a microstop."""
    table = np.empty((len(CLASSES), len(CATEGORIES), 2), np.int64)
    for schedule, category, short in np.ndindex(table.shape):
        tallies = np.zeros(len(COLUMNS), np.int64)
        tallies[AT_TIME][schedule * len(CATEGORIES) + category] = 1
        microstop = int(short and schedule == SHIFT and category == UNPLANNED)
        counted = account(Measured(tallies.tolist(), microstop, 0, 0, policy))
        table[schedule, category, short] = next(i for i, name in enumerate(BUCKETS) if getattr(counted, name))
    return table
