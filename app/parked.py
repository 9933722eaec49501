"""What a person decides about a parked machine (engine/parking.py): try its record again, skip it, or put another in its place.

Rules: a decision is an event, `parking.released`, that names machine and record; so it is in the log, with its author, and a
replay decides the same. Folds may be held up by different records of a machine: each of them is decided by its own event,
oldest first. The answer comes when the rows show what came of it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from tailrace.app.audit import Parked, parked
from tailrace.app.edits import folded
from tailrace.engine.log import Log
from tailrace.schemas import codec, line
from tailrace.schemas.errors import InvalidInput, NotFound
from tailrace.schemas.event import ParkingReleased
from tailrace.schemas.instant import Instant

Action = Literal["retry", "skip", "patched"]


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """released: ids of the records that were decided. parked: what of the machine waits now."""

    machine: str
    action: Action
    by: str
    released: list[str]
    parked: list[Parked]


async def release(
    directory: Path, log: Log, machine: str, action: Action, *, by: str, patch: Mapping[str, Any] | None = None,
    event: str = "", clock: Callable[[], int] = time.time_ns,
) -> Released:  # fmt: skip
    """Decides about what parks a machine, "" = the site's own records; event: about one record alone.

    Raises NotFound where nothing is parked, InvalidInput where a patch could mean several records, Unavailable when nobody folds.
    """
    found = _chosen(directory, machine, event)
    if patch is not None and len(found) > 1:
        ids = ", ".join(each.id for each in found)
        raise InvalidInput(f"{_who(machine)}: expected --event with a patch, as several records are parked: {ids}")
    events = [_released(each, action, by, patch or {}, clock()) for each in found]
    for each in events:
        line.check(each)
    receipt = await log.append([codec.record_of(each, source="people") for each in events])
    await folded(directory, receipt.last)
    left = [each for each in parked(directory) if each.machine == machine]
    return Released(machine=machine, action=action, by=by, released=[each.id for each in found], parked=left)


def _chosen(directory: Path, machine: str, event: str) -> list[Parked]:
    every = parked(directory)
    found = [each for each in every if each.machine == machine and event in ("", each.id)]
    if not found:
        there = ", ".join(sorted({f"{_who(each.machine)} by {each.id}" for each in every})) or "nothing"
        what = f" by {event!r}" if event else ""
        raise NotFound(f"expected a machine that is parked, got {_who(machine)}{what}; parked: {there}")
    return sorted(found, key=lambda each: each.position)


def _released(each: Parked, action: Action, by: str, patch: Mapping[str, Any], now: int) -> ParkingReleased:
    return ParkingReleased(
        machine=each.machine, t=Instant(now), ingested=Instant(now), id=f"release:{secrets.token_hex(12)}", parked=each.id,
        action=action, patch=dict(patch), by=by,
    )  # fmt: skip


def _who(machine: str) -> str:
    return f"machine {machine!r}" if machine else "the site"
