"""Frames of one machine as long columns of integers, and back to the very bytes that they were.

Rules: frames whose columns have the same names and types, in order, make a stream. A column of a stream is int64, which Parquet
packs by differences, with a Coding that says how the integers came about: numbers with few decimals are counted in units of
their last decimal, as a sensor's resolution makes them; any other float is its bits. Where values jump about, running sums are
kept, whose differences are the values and pack in fewer bits than differences of values do. Times count in a unit that divides
them all. The bytes of a header stand as they are. A frame that does not come back as the same bytes is not taken apart at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.frame import DTYPES, Frame
from tailrace.schemas.instant import SECOND

Ints = NDArray[np.int64]

DECIMALS_MAX = 9
BITS = -1
"""Decimals of a column of floats that are kept as their bits."""

SAMPLE = 512
UNITS = (SECOND, SECOND // 10**3, SECOND // 10**6, 100)
EXACT = float(2**53)
COLUMNS_MAX = 256
"""A frame of more columns is not taken apart: every one is a column of the file."""

BLOCK = 32
"""Values that are packed in bits of one width."""


class Coding(msgspec.Struct, frozen=True, array_like=True):
    """One column: what its integers stand for. sums: they are running sums."""

    dtype: str
    complete: bool
    decimals: int
    sums: bool


class Stream(msgspec.Struct, frozen=True, array_like=True):
    """How the frames of a stream were taken apart. number: which stream of its group it is; unit: of times, ns."""

    number: int
    unit: int
    has_seq: bool
    columns: list[Coding]


class Parts(NamedTuple):
    """Frames of one stream, taken apart; head and valid are one per frame, the others all readings in a row."""

    stream: Stream
    sizes: list[int]
    heads: list[bytes]
    valid: list[bytes]
    t: Ints
    seq: Ints | None
    columns: list[Ints]


def width(payload: bytes) -> int:
    """How many columns a frame has at most, once it is taken apart."""
    frame = _narrow(payload)
    return 0 if frame is None else len(frame.header.columns)


def parse(payload: bytes) -> Frame | None:
    """The frame, or None where its bytes are not to be taken apart."""
    frame = _narrow(payload)
    if frame is None:
        return None
    data = [frame.data(i).tobytes() for i in range(len(frame.header.columns))]
    seq = frame.seq
    blocks = [_head(frame), frame.t.tobytes(), *([] if seq is None else [seq.tobytes()])]
    valid = _valid(frame)
    return frame if _joined([*blocks, *_interleaved(frame, data, valid)]) == payload else None


def _narrow(payload: bytes) -> Frame | None:
    try:
        frame = Frame(payload)
    except (InvalidEvent, ValueError):
        return None
    return frame if len(frame.header.columns) <= COLUMNS_MAX else None


def shape(frame: Frame) -> tuple[Any, ...]:
    """What the frames of one stream have in common."""
    return frame.header.has_seq, tuple((c.name, c.dtype, c.counter, c.complete) for c in frame.header.columns)


def apart(frames: Sequence[Frame], number: int) -> Parts:
    """Takes frames of one shape apart."""
    first = frames[0]
    t = np.concatenate([frame.t for frame in frames])
    unit = next((each for each in UNITS if not (t % each).any()), 1)
    codings, columns = [], []
    for i, column in enumerate(first.header.columns):
        decimals, values = _integers(np.concatenate([frame.data(i) for frame in frames]))
        sums = _jumps(values)
        codings.append(Coding(column.dtype, column.complete, decimals, sums))
        columns.append(np.cumsum(values) if sums else values)
    seqs = [frame.seq for frame in frames] if first.header.has_seq else []
    return Parts(
        Stream(number, unit, first.header.has_seq, codings),
        [len(frame) for frame in frames],
        [_head(frame) for frame in frames],
        [b"".join(_valid(frame)) for frame in frames],
        t // unit,
        np.concatenate([seq for seq in seqs if seq is not None]) if seqs else None,
        columns,
    )


def together(parts: Parts) -> list[bytes]:
    """The frames' bytes."""
    stream = parts.stream
    t = _bytes(parts.t * stream.unit)
    seq = None if parts.seq is None else _bytes(parts.seq)
    data = [_bytes(_values(*each)) for each in zip(stream.columns, parts.columns, strict=True)]
    widths = [DTYPES[coding.dtype].itemsize for coding in stream.columns]
    payloads, at = [], 0
    for n, head, valid in zip(parts.sizes, parts.heads, parts.valid, strict=True):
        end = at + n
        blocks: list[bytes | memoryview] = [head, t[8 * at : 8 * end]]
        if seq is not None:
            blocks.append(seq[8 * at : 8 * end])
        bits, read = (n + 7) // 8, 0
        for coding, width, column in zip(stream.columns, widths, data, strict=True):
            blocks.append(column[width * at : width * end])
            if not coding.complete:
                blocks.append(valid[read : read + bits])
                read += bits
        payloads.append(_joined(blocks))
        at = end
    return payloads


# -- the parts of a frame ------------------------------------------------------------------------------------------------


def _head(frame: Frame) -> bytes:
    return frame.payload[: 4 + int.from_bytes(frame.payload[:4], "little")]


def _valid(frame: Frame) -> list[bytes]:
    """The validity bits of the columns that have some."""
    size, end = (len(frame) + 7) // 8, len(frame.payload) - frame.header.size
    return [
        frame.payload[end + at : end + at + size]
        for at, column in zip(frame.header.validity, frame.header.columns, strict=True)
        if not column.complete
    ]


def _interleaved(frame: Frame, data: list[bytes], valid: list[bytes]) -> list[bytes]:
    bits = iter(valid)
    blocks = []
    for column, each in zip(frame.header.columns, data, strict=True):
        blocks += [each] if column.complete else [each, next(bits)]
    return blocks


_PADS = [b"", *(bytes(8 - i) for i in range(1, 8))]


def _joined(blocks: Sequence[bytes | memoryview]) -> bytes:
    """Blocks one after the other, each filled up to 8 bytes."""
    if not any(len(block) & 7 for block in blocks):
        return b"".join(blocks)
    return b"".join(piece for block in blocks for piece in (block, _PADS[len(block) & 7]))


# -- numbers as integers -------------------------------------------------------------------------------------------------


def _integers(data: NDArray[Any]) -> tuple[int, Ints]:
    """The decimals of the values (0 where they are integers anyway), and the integers."""
    if data.dtype != DTYPES["f8"]:
        return 0, data.astype(np.int64)
    for decimals in range(DECIMALS_MAX + 1):
        if _scaled(data[:SAMPLE], decimals) is not None:
            found = _scaled(data, decimals)
            if found is not None:
                return decimals, found
    return BITS, data.view(np.int64)


def _scaled(data: NDArray[np.float64], decimals: int) -> Ints | None:
    """The values in units of the last decimal, where dividing gives back the very same bits."""
    with np.errstate(all="ignore"):
        scaled = np.rint(data * 10.0**decimals)
        if not (np.abs(scaled) < EXACT).all():
            return None
    integers = scaled.astype(np.int64)
    back = integers / 10.0**decimals
    return integers if (back.view(np.int64) == data.view(np.int64)).all() else None


def _values(coding: Coding, kept: Ints) -> NDArray[Any]:
    """The column as it stood in the frames."""
    integers = _differences(kept) if coding.sums else kept
    if coding.dtype != "f8":
        return integers.astype(DTYPES[coding.dtype])
    if coding.decimals == BITS:
        return integers
    return integers / 10.0**coding.decimals if coding.decimals else integers.astype(np.float64)


def _differences(sums: Ints) -> Ints:
    found = np.empty_like(sums)
    found[:1] = sums[:1]
    np.subtract(sums[1:], sums[:-1], out=found[1:])
    return found


def _bytes(values: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(values).data.cast("B")


def _jumps(values: Ints) -> bool:
    """Whether values lie closer together than their differences do, so that the values themselves are to be packed."""
    blocks = values[: len(values) // BLOCK * BLOCK].reshape(-1, BLOCK)
    if not len(blocks):
        return False
    return _bits(blocks) < _bits(np.diff(blocks, axis=1))


def _bits(blocks: Ints) -> float:
    with np.errstate(over="ignore"):
        return float(np.log2(1.0 + np.abs(np.ptp(blocks, axis=1).astype(np.float64))).sum())
