"""How many parts a cumulative counter has counted from one reading to the next.

Rules (docs/oee.md, counters): the first reading is a baseline. A rise counts. A drop of at most backstep_max counts as negative;
else, with a modulus, it is a roll-over if that gives at most max_step (without max_step: modulus/2); else a reset, and the
value itself counts. A change above max_step counts nothing and is held: if the next reading stands 0..max_step above it, that
is the new level and only the part above it counts; if not, the held value is forgotten.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.event import Counter

PLAIN, ROLLOVER, RESET, BACKSTEP, ANOMALY = 0, 1, 2, 4, 8
"""Flag bits of a reading, in the order of schemas.bucket.COUNTER_FLAGS after PLAIN."""


class Level(msgspec.Struct, frozen=True, array_like=True):
    """Where a counter stands: its last accepted value (None before the first) and a held one."""

    value: int | None = None
    held: int | None = None


def step(level: Level, value: int, config: Counter) -> tuple[Level, int, int]:
    """The next level, the parts counted and the flag bits of one reading."""
    if level.value is None:
        return Level(value), 0, PLAIN
    limit = config.max_step
    if level.held is not None and limit is not None and 0 <= value - level.held <= limit:
        return Level(value), value - level.held, PLAIN
    rise, flag = _rise(level.value, value, config)
    if limit is not None and rise > limit:
        return Level(level.value, value), 0, ANOMALY
    return Level(value), rise, flag


def deltas(
    level: Level, values: NDArray[np.int64], config: Counter
) -> tuple[Level, NDArray[np.int64], NDArray[np.int64]]:
    """The level after readings (n,), and the parts and flag bits of each (n,), (n,); equal to `step` one by one."""
    if len(values) and level.held is None:
        rises = np.empty(len(values), np.int64)
        rises[0] = 0 if level.value is None else values[0] - level.value
        np.subtract(values[1:], values[:-1], out=rises[1:])
        limit = np.iinfo(np.int64).max if config.max_step is None else config.max_step
        if rises.min() >= 0 and rises.max() <= limit:
            return Level(int(values[-1])), rises, np.zeros(len(values), np.int64)
    parts = np.zeros(len(values), np.int64)
    flags = np.zeros(len(values), np.int64)
    for i, value in enumerate(values.tolist()):
        level, parts[i], flags[i] = step(level, value, config)
    return level, parts, flags


def _rise(before: int, value: int, config: Counter) -> tuple[int, int]:
    rise = value - before
    if rise >= 0:
        return rise, PLAIN
    if -rise <= config.backstep_max:
        return rise, BACKSTEP
    if config.modulus is not None:
        around = rise + config.modulus
        longest = config.modulus if config.max_step is None else 2 * config.max_step
        if 0 <= 2 * around <= longest:
            return around, ROLLOVER
    return value, RESET
