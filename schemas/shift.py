"""What topology `shifts` says: the shift instances that a machine's calendars schedule.

Rules: absolute, by (machine, start, name); an end that is the start means that there is no such shift any more. Times are int64
ns UTC. Many travel in one body, one n each.
"""

from __future__ import annotations

import msgspec

TOPOLOGY = "shifts"
KIND = "shift.set"

NAME_MAX = 64
"""Characters of a name; what is longer is cut."""

ROWS_MAX = 500
"""Shifts in one derived record: with the longest names they stay below 256 KiB."""


class Shift(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A shift [start, end); `name` is what the calendar calls it, "" where it does not."""

    start: int
    end: int
    name: str


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(list[Shift]).decode
