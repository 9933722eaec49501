"""Frames of readings as Arrow columns: one row a reading, one column a signal, and no object a reading.

Rules
1. A signal is a column of its name. A cumulative counter is `counter_<name>`; a signal whose name another column of the table has
   is `signal_<name>`.
2. A column has the type that the signal has in every frame: float64, int64, bool or text. A signal that is a number in one and
   text in another is text, its numbers spelled as in an events file, so nothing is rounded. A missing value is null.
3. `quality` is null where all of a reading is good, else {signal: uncertain | bad | status code} as JSON, as in an events file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tailrace.schemas import codec
from tailrace.schemas.frame import DTYPES, Column, Frame, quality_word
from tailrace.schemas.record import Record

TYPES = {"f8": pa.float64(), "i8": pa.int64(), "b1": pa.bool_(), "u4": pa.string()}
TEXT = pa.string()

Key = tuple[str, bool]
"""A signal's name, and whether it is a cumulative counter."""


class Block(NamedTuple):
    """A frame of a record, and which of its readings are asked for; None = all."""

    record: Record
    frame: Frame
    keep: NDArray[np.bool_] | None

    @property
    def n(self) -> int:
        """How many readings are asked for."""
        return len(self.frame) if self.keep is None else int(self.keep.sum())

    def cut(self, values: Any) -> Any:
        """The part that is asked for."""
        return values if self.keep is None else values[self.keep]


class Kinds:
    """What types each signal has, over the frames that were seen."""

    def __init__(self) -> None:
        self._kinds: dict[Key, set[str]] = {}

    def see(self, frame: Frame) -> None:
        """Takes a frame in. A column without a value says nothing of its type."""
        for i, column in enumerate(frame.header.columns):
            kinds = self._kinds.setdefault((column.name, column.counter), set())
            if column.dtype not in kinds and ((valid := frame.valid(i)) is None or valid.any()):
                kinds.add(column.dtype)

    def columns(self, taken: Iterable[str]) -> dict[Key, pa.Field]:
        """The column of each signal, by name; counters last."""
        names, found = set(taken), {}
        for key in sorted(self._kinds, key=lambda key: (key[1], key[0])):
            name = f"counter_{key[0]}" if key[1] else key[0]
            while name in names:
                name = f"signal_{name}"
            names.add(name)
            found[key] = pa.field(name, _type(self._kinds[key], counter=key[1]))
        return found


def _type(kinds: set[str], *, counter: bool) -> pa.DataType:
    if counter:
        return pa.int64()
    return TYPES[min(kinds, default="f8")] if len(kinds) < 2 else TEXT


def times(blocks: Sequence[Block]) -> NDArray[np.int64]:
    """The time of each reading, ns UTC."""
    return np.concatenate([block.cut(block.frame.t) for block in blocks])


def repeated(values: Sequence[str], blocks: Sequence[Block]) -> pa.Array:
    """A text of each block, for each of its readings."""
    codes = {value: i for i, value in enumerate(dict.fromkeys(values))}
    numbers = np.repeat([codes[value] for value in values], [block.n for block in blocks])
    return pa.array(list(codes), TEXT).take(pa.array(numbers, pa.int32()))


def ids(blocks: Sequence[Block]) -> pa.Array:
    """The id of each reading: its own, or the one that the sequence of its source makes."""
    parts = []
    for sequenced, run in groupby(blocks, key=lambda block: bool(block.record.first_seq)):
        some = list(run)
        if not sequenced:
            parts += [_cut(pa.array(block.frame.ids, TEXT), block) for block in some]
            continue
        stems = [f"{codec.SEQUENCED}{block.record.source}:{block.record.session}:" for block in some]
        numbers = [block.cut(block.record.first_seq + np.arange(len(block.frame), dtype=np.int64)) for block in some]
        spelled = pa.array(np.concatenate(numbers)).cast(TEXT)
        parts.append(pc.binary_join_element_wise(repeated(stems, some), spelled, ""))
    return pa.concat_arrays(parts)


def seqs(blocks: Sequence[Block]) -> pa.Array:
    """The order among equal times, null where there is none."""
    parts = []
    for block in blocks:
        seq = block.frame.seq
        parts.append(block.cut(np.full(len(block.frame), -1, np.int64) if seq is None else seq))
    found = np.concatenate(parts)
    return pa.array(found, pa.int64(), mask=found < 0)


def quality(blocks: Sequence[Block]) -> pa.Array:
    """What is not good in each reading, as JSON."""
    if not any(column.status for block in blocks for column in block.frame.header.columns):
        return pa.nulls(sum(block.n for block in blocks), TEXT)
    return pa.concat_arrays([_cut(_quality(block.frame), block) for block in blocks])


def _quality(frame: Frame) -> pa.Array:
    columns = frame.header.columns
    some = {i: status for i in range(len(columns)) if (status := frame.status(i)) is not None}
    if not some:
        return pa.nulls(len(frame), TEXT)
    codes, which = np.unique(np.stack(list(some.values())), axis=1, return_inverse=True)
    names = [columns[i].name for i in some]
    words = [
        {name: quality_word(code) for name, code in zip(names, each, strict=True) if code} for each in codes.T.tolist()
    ]
    spelled = pa.array([msgspec.json.encode(each).decode() if each else None for each in words], TEXT)
    return spelled.take(pa.array(which.reshape(-1)))


class Places:
    """Where the column of a signal stands in a frame; frames of a stream share their layout, so it is worked out once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Sequence[Column], dict[Key, int]]] = {}

    def of(self, frame: Frame) -> dict[Key, int]:
        columns = frame.header.columns
        known = self._known.get(id(columns))
        if known is None:
            known = columns, {(column.name, column.counter): i for i, column in enumerate(columns)}
            self._known[id(columns)] = known  # holding the columns keeps their id theirs
        return known[1]


def values(blocks: Sequence[Block], key: Key, kind: pa.DataType, places: Places) -> pa.Array:
    """A signal as a column over all readings of the blocks."""
    found = [places.of(block.frame).get(key) for block in blocks]
    if kind == TEXT:
        return pa.concat_arrays([_texts(block, i) for block, i in zip(blocks, found, strict=True)])
    data, valid = [], []
    whole = True
    for block, i in zip(blocks, found, strict=True):
        there = None if i is None else block.frame.valid(i)
        data.append(np.zeros(block.n) if i is None else block.cut(block.frame.data(i)))
        if i is None or there is not None:
            whole = False
        valid.append((block, i, there))
    joined = np.concatenate(data) if len({each.dtype for each in data}) == 1 else _joined(data, kind)
    mask = None if whole else ~np.concatenate([_there(*each) for each in valid])
    return pa.array(joined, mask=mask).cast(kind)


def _joined(data: Sequence[NDArray[Any]], kind: pa.DataType) -> NDArray[Any]:
    """Where a signal is missing, or a counter's column was kept as floats, the types are not one."""
    return np.concatenate([each.astype(kind.to_pandas_dtype()) for each in data])


def _there(block: Block, i: int | None, there: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    if there is None:
        return np.full(block.n, i is not None)
    return np.asarray(block.cut(there))


def _texts(block: Block, i: int | None) -> pa.Array:
    if i is None:
        return pa.nulls(block.n, TEXT)
    frame, column = block.frame, block.frame.header.columns[i]
    data, there = frame.data(i), frame.valid(i)
    mask = None if there is None else ~there
    if DTYPES[column.dtype] == DTYPES["u4"]:
        words = pa.array(column.words or [""], TEXT)
        codes = data if there is None else np.where(there, data, 0)
        spelled = words.take(pa.array(codes.astype(np.int32), mask=mask))
    else:
        spelled = pa.array([msgspec.json.encode(each).decode() for each in data.tolist()], TEXT)
        spelled = spelled if mask is None else pc.if_else(pa.array(mask), pa.scalar(None, TEXT), spelled)
    return _cut(spelled, block)


def _cut(array: pa.Array, block: Block) -> pa.Array:
    return array if block.keep is None else array.filter(pa.array(block.keep))
