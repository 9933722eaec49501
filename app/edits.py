"""What a person changes: a reason for a stop, as an event that the fold judges. REST and CLI both come here.

Rules: the server stamps the time. An edit names the revision it was made on; if another edit was faster, EditConflict carries the
stop as it is and the edit as it was meant, and nothing has changed. What is said of an open stop holds until it is over. The
answer comes when the rows show the edit.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import sqlalchemy as sa

from tailrace.app import compose
from tailrace.app.pipeline import PLACE
from tailrace.engine.log import Log
from tailrace.projections import queries
from tailrace.projections.store_sqlite import place_of
from tailrace.projections.tables import command
from tailrace.schemas import codec, line
from tailrace.schemas.answer import ReasonEdit, StopItem
from tailrace.schemas.errors import Conflict, InvalidInput, NotFound, Unavailable
from tailrace.schemas.event import Category, ReasonAssigned
from tailrace.schemas.instant import Instant, parse_instant
from tailrace.schemas.stop import CATEGORIES

VERDICT_S = 5.0
POLL_S = 0.01


class EditConflict(Conflict):
    """Somebody else edited the stop first: `current` is how it stands, `proposed` what was to be written."""

    def __init__(self, current: StopItem, proposed: ReasonEdit) -> None:
        super().__init__(
            f"stop {current.id}: expected revision {proposed.expected_revision}, got {current.revision}: it was changed "
            f"meanwhile to {current.category!r} {current.reason!r} by {current.by or 'nobody'}; look, and try again"
        )
        self.current, self.proposed = current, proposed


async def assign_reason(
    directory: Path, log: Log, stop_id: str, edit: ReasonEdit, clock: Callable[[], int] = time.time_ns
) -> StopItem:
    """The stop with its new reason. Raises NotFound, InvalidInput, EditConflict, or Unavailable when nobody folds."""
    if edit.category not in CATEGORIES:
        raise InvalidInput(f"category: expected one of {', '.join(sorted(CATEGORIES))}, got {edit.category!r}")
    stop = _stop(directory, stop_id, clock())
    event = _event(stop, edit, clock())
    line.check(event)
    receipt = await log.append([codec.record_of(event, source="people")])
    await _folded(directory, receipt.last)
    current = _stop(directory, stop_id, clock())
    if not _accepted(directory, event.id):
        raise EditConflict(current, edit)
    return current


def _event(stop: StopItem, edit: ReasonEdit, now: int) -> ReasonAssigned:
    end = None if stop.end is None else parse_instant(stop.end)
    return ReasonAssigned(
        machine=stop.machine, t=Instant(now), ingested=Instant(now), id=f"edit:{secrets.token_hex(12)}",
        start=parse_instant(stop.start), end=end, category=cast(Category, edit.category), reason=edit.reason, by=edit.by,
        stop=stop.id, expected_revision=edit.expected_revision,
    )  # fmt: skip


async def _folded(directory: Path, position: int) -> None:
    deadline = time.monotonic() + VERDICT_S
    while True:
        with compose.read_store(directory) as connection:
            if place_of(connection, PLACE).position >= position:
                return
        if time.monotonic() > deadline:
            raise Unavailable(
                f"the edit is in the log at position {position}, but nothing folded it within {VERDICT_S:.0f} s; "
                "see `tailrace status` for what holds the fold up"
            )
        await asyncio.sleep(POLL_S)


def _accepted(directory: Path, event_id: str) -> bool:
    """An edit that named no revision has no verdict, and stands."""
    with compose.read_store(directory) as connection:
        found = queries.rows(connection, sa.select(command.c.accepted).where(command.c.id == event_id))
    return not found or bool(found[0]["accepted"])


def _stop(directory: Path, stop_id: str, now: int) -> StopItem:
    with compose.read_store(directory) as connection:
        stop = queries.stop_of(connection, stop_id, now)
    if stop is None:
        raise NotFound(f"expected the id of a stop (`tailrace stops` lists them), got {stop_id[:80]!r}")
    return stop
