"""OEE tallies without a policy: what a bucket of a machine and a product holds, and how many of them travel as one body.

Rules: everything is int64 (ns, parts, ns x parts), so sums are exact. Time is by schedule class and category. Parts are by
place: in a shift, or outside of it (off schedule, or in a planned stop) while idle or while running. `ideal` columns are the
sum of ideal cycle x parts where the cycle is known; `no_ideal` counts the parts whose cycle is not. Columns are only added at
the end; a body names the columns it has. A body of restated minutes says what caused them, and has one cause.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.errors import InvalidEvent

CLASSES = ("off", "planned", "shift")
CATEGORIES = ("run", "unplanned", "setup", "planned", "unknown")
PLACES = ("off_idle", "off_run", "planned_idle", "planned_run", "shift")
GRADES = ("good", "reject", "rework")
COUNTER_FLAGS = ("rollover", "reset", "backstep", "anomaly")

TIME = tuple(f"{c}_{k}_ns" for c in CLASSES for k in CATEGORIES)
PARTS = tuple(f"{p}_{g}" for p in PLACES for g in GRADES)
IDEAL = tuple(f"{p}_{g}_ideal_ns" for p in PLACES for g in GRADES)
NO_IDEAL = tuple(f"{p}_no_ideal" for p in PLACES)
FLAGS = tuple(f"counter_{f}" for f in COUNTER_FLAGS)

COLUMNS = TIME + PARTS + IDEAL + NO_IDEAL + FLAGS
"""The columns of a tally matrix, in order; shape (rows, len(COLUMNS)), int64."""

AT_TIME = slice(0, len(TIME))
AT_PARTS = slice(AT_TIME.stop, AT_TIME.stop + len(PARTS))
AT_IDEAL = slice(AT_PARTS.stop, AT_PARTS.stop + len(IDEAL))
AT_NO_IDEAL = slice(AT_IDEAL.stop, AT_IDEAL.stop + len(NO_IDEAL))
AT_FLAGS = slice(AT_NO_IDEAL.stop, len(COLUMNS))

KIND = "oee.bucket"
ROWS_MAX = 500
"""Rows in one derived record: 500 rows of all columns stay below 256 KiB."""

_KEYS = ("start_ns", "product", "revision", "known_from", "cause")


TEXT_MAX = 500
"""Characters of a text of a cause that are kept."""


class Cause(msgspec.Struct, frozen=True, array_like=True):
    """What restated minutes: id of its (first) event, type, events in the record, who said it or else which source, and why."""

    id: str
    type: str
    n: int
    by: str
    reason: str


class Buckets(msgspec.Struct, frozen=True):
    """Rows of consecutive n: start (ns), product (index into products), revision, known_from (ns), cause, and their tallies.

    said: what the one cause of all of them was, where they were restated.
    """

    start: NDArray[np.int64]
    product: NDArray[np.int64]
    revision: NDArray[np.int64]
    known_from: NDArray[np.int64]
    cause: NDArray[np.int64]
    tallies: NDArray[np.int64]
    products: Sequence[str]
    said: Cause | None = None

    def __len__(self) -> int:
        return len(self.start)


class _Header(msgspec.Struct, frozen=True, array_like=True):
    n: int
    columns: list[str]
    products: list[str]
    said: Cause | None = None


_decode_header = msgspec.msgpack.Decoder(_Header).decode


def encode(buckets: Buckets) -> bytes:
    """A header naming the columns that are not all zero, then those columns as little-endian int64."""
    present = np.flatnonzero(buckets.tallies.any(axis=0))
    header = msgspec.msgpack.encode(
        _Header(len(buckets), [*_KEYS, *(COLUMNS[i] for i in present)], list(buckets.products), buckets.said)
    )
    keys = (buckets.start, buckets.product, buckets.revision, buckets.known_from, buckets.cause)
    matrix = np.vstack([*keys, buckets.tallies[:, present].T]).astype("<i8")
    return len(header).to_bytes(4, "little") + header + matrix.tobytes()


def decode(body: bytes) -> Buckets:
    """The rows of a body; raises InvalidEvent for a column of a newer release."""
    length = int.from_bytes(body[:4], "little")
    header = _decode_header(memoryview(body)[4 : 4 + length])
    matrix = np.frombuffer(body, "<i8", len(header.columns) * header.n, 4 + length).reshape(-1, header.n)
    tallies = np.zeros((header.n, len(COLUMNS)), np.int64)
    for name, values in zip(header.columns[len(_KEYS) :], matrix[len(_KEYS) :], strict=True):
        if name not in _INDEX:
            raise InvalidEvent(f"expected tally columns of this release, got {name!r}: a newer Tailrace wrote this")
        tallies[:, _INDEX[name]] = values
    start, product, revision, known_from, cause = matrix[: len(_KEYS)]
    return Buckets(start, product, revision, known_from, cause, tallies, header.products, header.said)


_INDEX = {name: i for i, name in enumerate(COLUMNS)}
