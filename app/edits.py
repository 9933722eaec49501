"""What a person changes of stops (docs/stops.md): reason, split, merge, undo, each an event that the fold judges.

REST, CLI and page all come here.

Rules: the server stamps the time. An edit names the revision it was made on; if another edit was faster, EditConflict carries the
stop as it is and the edit as it was meant, and nothing has changed. What is said of an open stop holds until it is over. The
answer comes when the rows show the edit.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, cast

from tailrace.app import compose
from tailrace.app.pipeline import PLACE
from tailrace.engine.log import Log
from tailrace.projections import queries, stop_queries
from tailrace.projections.stop_queries import Made
from tailrace.projections.store_sqlite import place_of
from tailrace.schemas import codec, line
from tailrace.schemas.answer import MergeEdit, Page, ReasonEdit, SplitEdit, StopEdit, StopItem, UndoEdit
from tailrace.schemas.errors import Conflict, InvalidEvent, InvalidInput, NotFound, Unavailable
from tailrace.schemas.event import AnyEvent, Category, Gap, ReasonAssigned, ReasonRetracted, StopMerged, StopSplit
from tailrace.schemas.instant import Instant, format_instant, parse_instant
from tailrace.schemas.stop import CATEGORIES

VERDICT_S = 30.0
POLL_S = 0.01


class EditConflict(Conflict):
    """Somebody else edited the stop first: `current` is how it stands, `proposed` what was to be done."""

    def __init__(self, current: StopItem, proposed: StopEdit, expected: int) -> None:
        super().__init__(
            f"stop {current.id}: expected revision {expected}, got {current.revision}: it was changed "
            f"meanwhile to {current.category!r} {current.reason!r} by {current.by or 'nobody'}; look, and try again"
        )
        self.current, self.proposed, self.expected = current, proposed, expected


class Editing(NamedTuple):
    """The folder whose stops are edited, the log that takes the events, and the time (ns UTC)."""

    directory: Path
    log: Log
    clock: Callable[[], int] = time.time_ns


async def assign_reason(
    directory: Path, log: Log, stop_id: str, edit: ReasonEdit, clock: Callable[[], int] = time.time_ns
) -> StopItem:
    """The stop with its new reason. Raises NotFound, InvalidInput, EditConflict, or Unavailable when nobody folds."""
    if edit.category not in CATEGORIES:
        raise InvalidInput(f"category: expected one of {', '.join(sorted(CATEGORIES))}, got {edit.category!r}")
    editing = Editing(directory, log, clock)
    stop = _made(editing, stop_id)
    event = ReasonAssigned(
        **_head(editing, stop), start=Instant(stop.start), end=None if stop.end is None else Instant(stop.end),
        category=cast(Category, edit.category), reason=edit.reason, by=edit.by, stop=stop.id,
        expected_revision=edit.expected_revision, gaps=[Gap(start=Instant(a), end=Instant(b)) for a, b in stop.gaps],
    )  # fmt: skip
    await _say(editing, stop, edit, event)
    return _shown(editing, stop)


async def split_stop(editing: Editing, stop_id: str, edit: SplitEdit) -> Page[StopItem]:
    """The stops that are there in place of one, by time. Raises as assign_reason."""
    stop = _made(editing, stop_id)
    at = _time("at", edit.at)
    end = editing.clock() if stop.end is None else stop.end
    if not stop.start < at < end:
        inside = f"after {format_instant(stop.start)} and before {format_instant(end)}"
        raise _refusal(editing, stop, edit, f"at: expected a time inside the stop, {inside}, got {format_instant(at)}")
    head = _head(editing, stop)
    await _say(
        editing,
        stop,
        edit,
        StopSplit(**head, stop=stop.id, at=at, by=edit.by, expected_revision=edit.expected_revision),
    )
    return _there(editing, stop)


async def merge_stops(editing: Editing, stop_id: str, edit: MergeEdit) -> Page[StopItem]:
    """The one stop that is there in place of several. Raises as assign_reason."""
    named = [_made(editing, each) for each in dict.fromkeys([stop_id, *edit.stops])]
    if len(named) < 2:
        raise InvalidInput("stops: expected the id of another stop, got none")
    machines = {stop.machine for stop in named}
    if len(machines) > 1:
        raise InvalidInput(f"stops: expected stops of one machine, got {', '.join(sorted(machines))}")
    named.sort(key=lambda stop: stop.start)
    first, last = named[0], named[-1]
    with compose.read_store(editing.directory) as connection:
        between = stop_queries.made_in(connection, first.machine, first.start, last.start)
    left_out = [stop.id for stop in between if stop not in named]
    if left_out:
        raise InvalidInput(f"stops: expected every stop from the first to the last, got none of {', '.join(left_out)}")
    expected = dict(edit.expected_revisions)
    if edit.expected_revision is not None:
        expected[stop_id] = edit.expected_revision
    event = StopMerged(
        **_head(editing, first), stops=[stop.id for stop in named], by=edit.by, start=Instant(first.start),
        end=Instant(last.start), expected_revision=expected.pop(first.id, None), expected_revisions=expected,
    )  # fmt: skip
    await _say(editing, first, edit, event)
    return _there(editing, first)


async def undo_edit(editing: Editing, stop_id: str, edit: UndoEdit) -> Page[StopItem]:
    """The stops that are there when the last edit of one is taken back, by time. Raises as assign_reason."""
    stop = _made(editing, stop_id)
    if not stop.edit:
        problem = f"stop {stop.id}: expected an edit of it that stands, got none: there is nothing to undo"
        raise _refusal(editing, stop, edit, problem)
    event = ReasonRetracted(
        **_head(editing, stop), reason_id=stop.edit, by=edit.by, stop=stop.id, expected_revision=edit.expected_revision
    )
    await _say(editing, stop, edit, event)
    return _there(editing, stop)


def _refusal(editing: Editing, stop: Made, edit: SplitEdit | UndoEdit, problem: str) -> EditConflict | InvalidInput:
    """What is wrong with an edit; of one that was made on another revision, that."""
    if edit.expected_revision not in (None, stop.revision):
        return EditConflict(_shown(editing, stop), edit, edit.expected_revision)
    return InvalidInput(problem)


def _head(editing: Editing, stop: Made) -> dict[str, Any]:
    now = Instant(editing.clock())
    return {"machine": stop.machine, "t": now, "ingested": now, "id": f"edit:{secrets.token_hex(12)}"}


async def _say(editing: Editing, stop: Made, edit: StopEdit, event: AnyEvent) -> None:
    """The event is in the log, folded, and stands. Raises EditConflict where it does not."""
    try:
        line.check(event)
    except InvalidEvent as error:
        raise InvalidInput(str(error)) from None
    receipt = await editing.log.append([codec.record_of(event, source="people")])
    await folded(editing.directory, receipt.last)
    with compose.read_store(editing.directory) as connection:
        verdict = stop_queries.verdict(connection, event.id)
    if verdict is not None and not verdict.accepted:
        changed = stop if verdict.stop == stop.id else _made(editing, verdict.stop)
        raise EditConflict(_shown(editing, changed), edit, verdict.expected_revision)


async def folded(directory: Path, position: int) -> None:
    """Returns when the rows are that far; raises Unavailable where nobody folds."""
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


def _made(editing: Editing, stop_id: str) -> Made:
    with compose.read_store(editing.directory) as connection:
        found = stop_queries.made(connection, stop_id)
    if found is None:
        raise NotFound(f"expected the id of a stop (`tailrace stops` lists them), got {stop_id[:80]!r}")
    return found


def _shown(editing: Editing, stop: Made) -> StopItem:
    """The stop as it stands; where it went into another one meanwhile, that."""
    with compose.read_store(editing.directory) as connection:
        found = queries.stop_of(connection, stop.id, editing.clock())
    if found is not None:
        return found
    items = _there(editing, stop).items
    if not items:
        raise NotFound(
            f"stop {stop.id}: expected it to be there still, got none: facts have changed what happened then"
        )
    return items[0]


def _there(editing: Editing, stop: Made) -> Page[StopItem]:
    """The stops that have a part in the time of one, by time."""
    with compose.read_store(editing.directory) as connection:
        found = stop_queries.made_in(connection, stop.machine, stop.start, stop.end)
        items = [queries.stop_of(connection, each.id, editing.clock()) for each in found]
    return Page([item for item in items if item is not None])


def _time(field: str, given: str | float) -> Instant:
    try:
        return parse_instant(given if isinstance(given, str) else Decimal(str(given)))
    except InvalidEvent as error:
        raise InvalidInput(f"{field}: {error}") from None


__all__ = ["EditConflict", "Editing", "assign_reason", "merge_stops", "split_stop", "undo_edit"]
