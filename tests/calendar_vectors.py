"""The vectors of kind `calendar` as calendars of a plant file: each shift is that of an exception day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import yaml

import oee_vectors
from tailrace.engine.calendar import Instance
from tailrace.schemas.instant import DAY, SECOND, format_instant, parse_instant


def plant(vectors: Sequence[oee_vectors.Vector]) -> str:
    """A plant file with a machine and a calendar, both named after it, for each vector."""
    document = {
        "site": {"name": "S", "timezone": "UTC"},
        "machines": {vector["id"]: {"calendar": vector["id"]} for vector in vectors},
        "calendars": [_calendar(vector) for vector in vectors],
    }
    return yaml.safe_dump(document, sort_keys=False)


def window(vector: oee_vectors.Vector) -> tuple[int, int]:
    """[from, to) in ns that holds every shift of a vector."""
    shifts = vector["expect"]["shifts"]
    start = min(parse_instant(each["start_utc"]) for each in shifts)
    return start - DAY, max(parse_instant(each["end_utc"]) for each in shifts) + DAY


def answer(instances: Sequence[Instance]) -> list[dict[str, Any]]:
    """Shifts as a vector expects them."""
    return [shown(each.start, each.end) for each in instances]


def shown(start: int, end: int) -> dict[str, Any]:
    return {"start_utc": format_instant(start), "end_utc": format_instant(end), "seconds": (end - start) // SECOND}


def _calendar(vector: oee_vectors.Vector) -> dict[str, Any]:
    days: dict[str, list[dict[str, str]]] = {}
    for n, each in enumerate(vector["input"]["shifts"]):
        start, end = (datetime.fromisoformat(each[name]) for name in ("start_local", "end_local"))
        assert timedelta(0) < end - start <= timedelta(days=1)
        clock = {"name": f"shift{n}", "start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}
        days.setdefault(f"{start:%Y-%m-%d}", []).append(clock)
    exceptions = [{"date": day, "shifts": shifts} for day, shifts in days.items()]
    first = datetime.fromisoformat(min(days)) - timedelta(days=1)
    return {
        "name": vector["id"], "timezone": vector["input"]["tz"], "valid_from": f"{first:%Y-%m-%d}", "exceptions": exceptions,
    }  # fmt: skip
