"""What an OPC UA data value is worth: its time and clock, its quality, and the value itself if a signal can hold it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from tailrace.connectors import terms
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import Scalar

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME = datetime(1601, 1, 2, tzinfo=UTC)
"""OPC UA writes "no time" as its epoch, 1601-01-01."""

_MICROSECOND = timedelta(microseconds=1)
_QUALITY = {0x4000_0000: "uncertain", 0x8000_0000: "bad"}
_INFO, _OVERFLOW = 0x0C80, 0x0480
"""Info type "data value", and its bit "overflow"."""


class Change(NamedTuple):
    """A data change: which slot, and what the server said."""

    handle: int
    value: ua.DataValue


class Fact(NamedTuple):
    """A data value as it counts: equal ones say the same. `clock` is 0 for the source's time, 1 the server's, 2 the arrival."""

    clock: int
    t: int
    code: int
    value: Any

    @property
    def bad(self) -> bool:
        """Whether the value must not be used."""
        return self.code >> 30 >= 2

    @property
    def quality(self) -> str | int | None:
        """The word or status code; None for a good one."""
        return _QUALITY.get(self.code, self.code) if self.code else None


def fact(value: ua.DataValue, arrival: int) -> Fact:
    """What a data value says; one without a value is bad."""
    code = (value.StatusCode.value if value.StatusCode is not None else 0) & 0xFFFF_0000
    plain = value.Value.Value if value.Value is not None else None
    if plain is None and code >> 30 < 2:
        code = 0x8000_0000
    for clock, stamp in enumerate((value.SourceTimestamp, value.ServerTimestamp)):
        if stamp is not None and stamp > _NO_TIME:
            since: timedelta = cast(datetime, stamp) - _EPOCH
            return Fact(clock, since // _MICROSECOND * 1000, code, plain)
    return Fact(2, arrival, code, plain)


def overflowed(value: ua.DataValue) -> bool:
    """Whether the server's queue of this node was full: changes before this one are missing."""
    return value.StatusCode is not None and value.StatusCode.value & _INFO == _OVERFLOW


def scalar(value: object) -> Scalar:
    """A signal's value; raises InvalidEvent for what no signal can hold."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise InvalidEvent(f"expected a finite number of 64 bits, text or a boolean, got {terms.shown(value)}")


def raw(value: ua.DataValue) -> bytes:
    """A data value as OPC UA writes it, or else as Python does: a structure whose type nobody has told us."""
    try:
        return struct_to_binary(value)
    except Exception:
        return repr(value).encode(errors="replace")


def _text(value: str) -> str:
    """asyncua keeps bytes that are no UTF-8 as lone surrogates, which no log can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidEvent(f"expected text in UTF-8, got {terms.shown(value)}") from None
    return value
