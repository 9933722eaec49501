"""Time zones by their IANA name."""

from __future__ import annotations

import difflib
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones


def zone(name: str) -> ZoneInfo | None:
    """The zone of a name; None where there is no such one."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None


def problems(name: str) -> list[str]:
    """What is wrong with the name of a zone."""
    if zone(name) is not None:
        return []
    close = difflib.get_close_matches(name, available_timezones(), 1)
    hint = f"did you mean {close[0]!r}?" if close else "`timedatectl list-timezones` shows them"
    return [f"expected the IANA name of a time zone, like Europe/Berlin, got {name!r}; {hint}"]
