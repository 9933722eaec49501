"""What topology `stops` says: the stretches of a machine's states, and which of them are stops.

Rules: both are absolute, by (machine, start) and by id; an end of None is open; an end that is the start means that there is
no such stretch any more. Times are int64 ns UTC.
"""

from __future__ import annotations

import msgspec

INTERVAL = "state.interval"
OPENED, CLOSED, RESTATED = "stop.opened", "stop.closed", "stop.restated"
STOPS = frozenset({OPENED, CLOSED, RESTATED})
CATEGORIES = frozenset({"run", "unplanned", "setup", "planned_stop", "unknown"})
"""What a person may say that a stop was."""

ACCEPTED, REJECTED = "command.accepted", "command.rejected"


class StateInterval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A machine was in one state and one category on [start, end). why: what made it unknown, where nobody watched."""

    start: int
    end: int | None
    state: str
    category: str
    why: str = ""


class Stop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stretch in which the machine was down, by its states or by what people said of it, cut and joined as people said.

    category: `unplanned`, or what the latest reason that overlaps it says. revision: 1, and one more for every edit of it that
    stands; growing, closing and late facts are no edits. gaps: where the machine was not down, in a stop that was joined.
    edit: id of the event of the last edit that made it what it is, '' = none; taking that one back undoes it.
    """

    id: str
    start: int
    end: int | None
    state: str
    category: str
    reason: str
    by: str
    revision: int
    gaps: list[tuple[int, int]] = []
    edit: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an edit (the id of its event) that named the revision it was made on."""

    id: str
    stop: str
    accepted: bool
    expected_revision: int
    revision: int


decode_verdict = msgspec.msgpack.Decoder(Verdict).decode
decode_interval = msgspec.msgpack.Decoder(StateInterval).decode
decode_stop = msgspec.msgpack.Decoder(Stop).decode
encode = msgspec.msgpack.Encoder().encode
