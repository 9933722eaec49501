"""What an archive file says beside its records, for SQL: units, names and scales of the columns of a frame, and events as JSON.

Rules: everything here follows from the records, and Tailrace does not read it. `unit` is ns per step of `t`. `signals` has an
entry a column, in the order of c0, c1, …: with `decimals` of 0 to 9 a value is integer / 10^decimals, with -1 the integer is the
bits of a float64; where `base` is not null, the integers are running sums, and that is the sum before the frame. `complete` is
false where `valid` has bits of the column. `event` is a business event as in an events file, null for what is none of this
release.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tailrace.connectors.archive_frames import Parts
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.frame import Frame
from tailrace.schemas.record import Record

SIGNAL = pa.struct([
    ("name", pa.string()), ("kind", pa.string()), ("complete", pa.bool_()), ("decimals", pa.int32()), ("base", pa.int64()),
])  # fmt: skip
FIELDS = [
    pa.field("unit", pa.int64()), pa.field("signals", pa.list_(pa.field("element", SIGNAL))), pa.field("event", pa.string()),
]  # fmt: skip
NAMES = frozenset({"unit", "signals", "event"})
BASE = "signals.list.element.base"
ONCE = ["unit", *(f"signals.list.element.{name}" for name in ("name", "kind", "complete", "decimals"))]
KINDS = {"f8": "number", "i8": "integer", "b1": "flag", "u4": "text"}


def event(record: Record) -> str | None:
    """A business event as in an events file."""
    if record.type == "telemetry":
        return None
    try:
        (found,) = codec.events_of(record)
        return codec.to_line(found).decode()
    except InvalidEvent:
        return None


def signals(frames: Sequence[Frame], parts: Parts) -> Iterator[list[dict[str, Any]]]:
    """The entry of each frame of a stream."""
    ends = np.cumsum(parts.sizes)
    bases = [
        [0, *column[ends[:-1] - 1].tolist()] if coding.sums else [None] * len(frames)
        for coding, column in zip(parts.stream.columns, parts.columns, strict=True)
    ]
    for frame, *base in zip(frames, *bases, strict=True):
        columns = zip(frame.header.columns, parts.stream.columns, base, strict=True)
        yield [
            {
                "name": f"counter_{column.name}" if column.counter else column.name, "kind": KINDS[column.dtype],
                "complete": column.complete, "decimals": coding.decimals, "base": before,
            }
            for column, coding, before in columns
        ]  # fmt: skip
