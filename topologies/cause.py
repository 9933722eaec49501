"""Why minutes were restated, in the words that go with them: which event, by whom, for what reason."""

from __future__ import annotations

from tailrace.schemas import codec
from tailrace.schemas.bucket import TEXT_MAX, Cause
from tailrace.schemas.record import Record


def cause_of(record: Record) -> Cause:
    """What is said of a record that restates; long texts are cut."""
    by, reason = record.source, ""
    if record.type != "telemetry":
        for said in codec.events_of(record):
            by = getattr(said, "by", "") or by
            reason = getattr(said, "reason", "") or getattr(said, "comment", "")
    id_, by, reason = (text[:TEXT_MAX] for text in (codec.ids_of(record)[0], by, reason))
    return Cause(id_, record.type, record.n, by, reason)
