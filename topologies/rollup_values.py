"""The numbers in frames, as flat columns, and what those of one signal and one minute have in common.

Rules: a usable value is a number whose quality is good or uncertain; one that is bad, or of which only a quality was said, is
counted as bad. Texts, truth values and cumulative counters are no signals to roll up. Values of a signal stand in the order of
the log. Every sum is added up in that order with what was there before as its first element (`sums`), so that no way of
cutting the log changes it; the least and the greatest value do not hang on an order, once 0 has one sign.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.frame import BAD, Frame
from tailrace.schemas.instant import MINUTE

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NUMBERS = frozenset({"f8", "i8"})


class Values(msgspec.Struct, frozen=True):
    """Usable values: code of the signal, t (ns) and value, shape (n,) each; signal by signal, each in the order of the log."""

    code: Ints
    t: Ints
    value: Floats


class Bad(msgspec.Struct, frozen=True):
    """Readings that are not usable: code of the signal and t (ns)."""

    code: Ints
    t: Ints


class Groups(msgspec.Struct, frozen=True):
    """Values of one signal in one minute (minutes since 1970), sorted by (code, minute), shape (groups,) each.

    first and last are by t; of equal t the first and the last in the log. `which` says for each value, in the order of the
    log, to which group it belongs.
    """

    code: Ints
    minute: Ints
    n: Ints
    first_t: Ints
    last_t: Ints
    low: Floats
    high: Floats
    first: Floats
    last: Floats
    which: Ints


class _Found:
    """Parts of columns, by the code of their signal."""

    def __init__(self) -> None:
        self.t: dict[int, list[Ints]] = {}
        self.value: dict[int, list[NDArray[np.float64 | np.int64]]] = {}
        self.bad: dict[int, list[Ints]] = {}

    def add(self, code: int, t: Ints, value: NDArray[np.float64 | np.int64]) -> None:
        self.t.setdefault(code, []).append(t)
        self.value.setdefault(code, []).append(value)


def read(frames: Sequence[Frame], code: Callable[[str], int]) -> tuple[Values, Bad]:
    """The numbers in frames; `code` gives the code of a signal."""
    found = _Found()
    plans: dict[int, list[tuple[int, int, bool]]] = {}
    for frame in frames:
        plan = plans.get(id(frame.header))
        if plan is None:
            plan = plans[id(frame.header)] = _plan(frame, code)
        t = frame.t
        for i, signal, whole in plan:
            if whole:
                found.add(signal, t, frame.data(i))
            else:
                _add_some(found, signal, t, frame, i)
    return _values(found), _bad(found)


def group(values: Values) -> Groups:
    """The groups of some values."""
    minute = values.t // MINUTE
    base = int(minute.min())
    span = int(minute.max()) - base + 1
    key = values.code * span + (minute - base)
    order = None if _in_order(key, values.t) else np.lexsort((values.t, key))
    keys, t, value = key, values.t, values.value
    if order is not None:
        keys, t, value = keys[order], t[order], value[order]
    begins = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=begins[1:])
    start = np.flatnonzero(begins)
    last = np.empty(len(start), np.int64)
    last[:-1], last[-1] = start[1:] - 1, len(keys) - 1
    which = np.cumsum(begins) - 1
    if order is not None:
        which[order] = which.copy()
    code, offset = np.divmod(keys[start], span)
    return Groups(
        code, offset + base, last - start + 1, t[start], t[last], np.minimum.reduceat(value, start),
        np.maximum.reduceat(value, start), value[start], value[last], which,
    )  # fmt: skip


def sums(state: Floats, which: Ints, value: Floats) -> Floats:
    """The running sum of each group: what was there, then the values in their order."""
    index = np.concatenate([np.arange(len(state)), which])
    return np.bincount(index, weights=np.concatenate([state, value])).astype(np.float64, copy=False)


def _plan(frame: Frame, code: Callable[[str], int]) -> list[tuple[int, int, bool]]:
    """(column, code of its signal, whether every reading has a good value) of the columns with numbers."""
    return [
        (i, code(column.name), column.complete and not column.status)
        for i, column in enumerate(frame.header.columns)
        if column.dtype in NUMBERS and not column.counter
    ]


def _add_some(found: _Found, signal: int, t: Ints, frame: Frame, i: int) -> None:
    valid, status = frame.valid(i), frame.status(i)
    there = np.ones(len(frame), np.bool_) if valid is None else valid
    codes = np.zeros(len(frame), np.int64) if status is None else status
    usable = there & (codes < BAD)
    refused = (there | (codes != 0)) & ~usable
    if usable.any():
        found.add(signal, t[usable], frame.data(i)[usable])
    if refused.any():
        found.bad.setdefault(signal, []).append(t[refused])


def _values(found: _Found) -> Values:
    codes = sorted(found.t)
    times = [part for code in codes for part in found.t[code]]
    if not times:
        return Values(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))
    value = np.concatenate([part for code in codes for part in found.value[code]]).astype(np.float64, copy=False)
    return Values(_codes(found.t, codes), np.concatenate(times), value + 0.0)  # of -0 it makes 0


def _bad(found: _Found) -> Bad:
    codes = sorted(found.bad)
    times = [part for code in codes for part in found.bad[code]]
    return Bad(_codes(found.bad, codes), np.concatenate(times) if times else np.empty(0, np.int64))


def _codes(parts: dict[int, list[Ints]], codes: Sequence[int]) -> Ints:
    return np.repeat(np.array(codes, np.int64), [sum(map(len, parts[code])) for code in codes])


def _in_order(key: Ints, t: Ints) -> bool:
    before, after = key[:-1], key[1:]
    return bool(((after > before) | ((after == before) & (t[1:] >= t[:-1]))).all())
