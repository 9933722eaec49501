"""Values as rows hold them beside their numbers, for people and BI tools.

The rows of a minute, hour or shift share their times, so a text is kept for the next that asks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from tailrace.schemas.instant import SECOND


@lru_cache(1 << 14)
def utc(ns: int) -> str:
    """The instant as text in UTC with microseconds."""
    whole, rest = divmod(ns, SECOND)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%d %H:%M:%S}.{rest // 1000:06d}"
