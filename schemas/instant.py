"""Points and lengths of time as int64 nanoseconds, and their text forms.

Rules: an instant is nanoseconds since 1970-01-01T00:00:00Z; text has an offset or is refused; nine decimals are kept,
more are refused; years run from 1970 to 2200. A span is nanoseconds inside and seconds in JSON.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from tailrace.schemas.errors import InvalidEvent

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EARLIEST = 0
LATEST = int(datetime(2201, 1, 1, tzinfo=UTC).timestamp()) * SECOND

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(?:([Zz])|([+-])(\d\d):?(\d\d))",
    re.ASCII,
)


class Instant(int):
    """Nanoseconds since the Unix epoch, UTC."""

    __slots__ = ()


class Span(int):
    """A length of time in nanoseconds; seconds in JSON."""

    __slots__ = ()


def parse_instant(value: object) -> Instant:
    """An instant from ISO 8601 text with offset, or from a number of Unix seconds.

    Raises InvalidEvent with what was expected and what came.
    """
    if isinstance(value, str):
        return _from_text(value)
    ns = _nanoseconds(value, "ISO 8601 with offset, or Unix seconds")
    return _in_range(ns, value)


def parse_span(value: object) -> Span:
    """A span in nanoseconds from a number of seconds."""
    return Span(_nanoseconds(value, "a number of seconds"))


def format_instant(ns: int) -> str:
    """ISO 8601 in UTC with as many decimals (0, 3, 6 or 9) as the value needs."""
    seconds, rest = divmod(int(ns), SECOND)
    text = datetime.fromtimestamp(seconds, UTC).isoformat()[:_TO_THE_SECOND]
    for digits in (0, 3, 6, 9):
        scale = 10 ** (9 - digits)
        if rest % scale == 0:
            return text + (f".{rest // scale:0{digits}d}" if digits else "") + "Z"
    raise AssertionError("nine decimals always fit")


_TO_THE_SECOND = len("2026-11-20T06:00:00")


def seconds(ns: int) -> int | float:
    """Seconds of a length in ns: an int where it is whole, else the nearest float."""
    whole, rest = divmod(int(ns), SECOND)
    return whole if rest == 0 else int(ns) / SECOND


def format_seconds(ns: int) -> Decimal:
    """Seconds of a length in ns, exactly."""
    return Decimal(int(ns)).scaleb(-9).normalize()


def _from_text(text: str) -> Instant:
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise InvalidEvent(f"expected a time as ISO 8601 with offset (2026-11-20T06:00:00.250Z), got {text[:80]!r}")
    year, month, day, hour, minute, second, fraction, _, sign, off_h, off_m = match.groups()
    try:
        stamp = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=UTC)
    except ValueError as error:
        raise InvalidEvent(f"expected a time that exists, got {text[:80]!r} ({error})") from None
    offset = 0
    if sign is not None:
        if int(off_h) > 23 or int(off_m) > 59:
            raise InvalidEvent(f"expected an offset within 23:59, got {text[:80]!r}")
        offset = (int(off_h) * 60 + int(off_m)) * (1 if sign == "+" else -1)
    elapsed = stamp - datetime(1970, 1, 1, tzinfo=UTC)
    whole = (elapsed.days * 86_400 + elapsed.seconds - offset * 60) * SECOND
    return _in_range(whole + int((fraction or "").ljust(9, "0")), text)


def _nanoseconds(value: object, expected: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise InvalidEvent(f"expected {expected}, got {value!r}")
    try:
        exact = Decimal(repr(value) if isinstance(value, float) else value)
        # Checked before it is worked out: 1e999999 has a million digits, and more is beyond decimal itself.
        fits = exact.is_finite() and exact.adjusted() < 10
        ns = int(exact.scaleb(9).to_integral_value()) if fits else 2**63
    except (ArithmeticError, ValueError):
        raise InvalidEvent(f"expected {expected}, got {str(value)[:80]}") from None
    if abs(ns) > 2**63 - 1:
        raise InvalidEvent(f"expected {expected} that fits 64 bits of nanoseconds, got {str(value)[:80]}")
    return ns


def _in_range(ns: int, shown: object) -> Instant:
    if not EARLIEST <= ns < LATEST:
        raise InvalidEvent(f"expected a time in the years 1970 to 2200, got {str(shown)[:80]!r}")
    return Instant(ns)
