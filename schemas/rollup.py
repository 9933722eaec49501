"""What topology `rollup` says: what the readings of a signal were in a minute and in an hour, many such rows in one body.

Rules: a row is absolute, by (signal, resolution, start); a later revision replaces it. Of a row without a usable reading (n = 0)
the five values and the two times mean nothing. Times are int64 ns UTC, values float64 in the signal's unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.errors import InvalidEvent

TOPOLOGY = "rollup"
KIND = "signal.rolled"

INTS = (
    "signal", "resolution_ns", "start_ns", "n", "bad", "first_t_ns", "last_t_ns", "revision", "known_from_ns", "cause",
)  # fmt: skip
"""signal: index into the names. n: usable readings. bad: readings that were said and are not usable."""

FLOATS = ("low", "high", "sum", "first", "last")
"""sum is added up in the order of the log; first and last are by the readings' times."""

SIGNAL, RESOLUTION, START, N, BAD, FIRST_T, LAST_T, REVISION, KNOWN_FROM, CAUSE = range(len(INTS))
LOW, HIGH, SUM, FIRST, LAST = range(len(FLOATS))

ROWS_MAX = 500
"""Rows in one derived record: 500 rows, each with a signal of its own and a long name, stay below 256 KiB."""


class Rolled(msgspec.Struct, frozen=True):
    """Rows of consecutive n. ints: one line of INTS a line, shape (len(INTS), rows); floats: (len(FLOATS), rows)."""

    ints: NDArray[np.int64]
    floats: NDArray[np.float64]
    names: Sequence[str]

    def __len__(self) -> int:
        return int(self.ints.shape[1])


class _Header(msgspec.Struct, frozen=True, array_like=True):
    n: int
    ints: list[str]
    floats: list[str]
    names: list[str]


_decode_header = msgspec.msgpack.Decoder(_Header).decode


def encode(rolled: Rolled) -> bytes:
    """u32 header length, header (columns and names), then the columns as little-endian int64 and float64."""
    header = msgspec.msgpack.encode(_Header(len(rolled), list(INTS), list(FLOATS), list(rolled.names)))
    blocks = (header, rolled.ints.astype("<i8").tobytes(), rolled.floats.astype("<f8").tobytes())
    return len(header).to_bytes(4, "little") + b"".join(blocks)


def decode(body: bytes) -> Rolled:
    """The rows of a body; raises InvalidEvent for columns of a newer release."""
    length = int.from_bytes(body[:4], "little")
    header = _decode_header(memoryview(body)[4 : 4 + length])
    if header.ints[: len(INTS)] != list(INTS) or header.floats[: len(FLOATS)] != list(FLOATS):
        raise InvalidEvent(
            f"expected columns {INTS + FLOATS}, got {header.ints + header.floats}: another Tailrace wrote this"
        )
    ints = _matrix(body, "<i8", len(header.ints), header.n, 4 + length)
    floats = _matrix(body, "<f8", len(header.floats), header.n, 4 + length + ints.nbytes)
    return Rolled(ints[: len(INTS)], floats[: len(FLOATS)], header.names)


def _matrix(body: bytes, dtype: str, rows: int, n: int, at: int) -> NDArray[Any]:
    return np.frombuffer(body, dtype, rows * n, at).reshape(rows, n)
