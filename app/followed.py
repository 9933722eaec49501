"""What a folder makes of what Kafka has and a log of its own would have refused (app/following.py).

Rules
1. Kafka keeps whatever was sent; so a folder keeps it too. What is damaged, foreign or does not decode stands in events.db as a
   record of version UNREADABLE with the same payload, and parks the machine that its key names, as it does for a worker.
2. Of two events with the same id and other content the first one stays. The other one is quarantined, in the log on Kafka, for it
   was counted as appended by nobody: `ingest.quarantined` with its content, and `source.accounted`.
3. What is said of it hangs on the log on Kafka alone, its id on the place there: any number of folders that follow one log, again
   and again, say it once. Where nobody follows, nobody says it. What Tailrace writes itself is in no account.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from tailrace.connectors import identity
from tailrace.connectors.log_kafka import partition_of
from tailrace.engine.log import Conflict
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import OWN, IngestQuarantined, SourceAccounted
from tailrace.schemas.instant import Instant
from tailrace.schemas.record import UNREADABLE, Record


def kept(record: Record) -> Record:
    """A record as a folder's log takes it."""
    if _taken(record):
        return record
    crc32 = zlib.crc32(record.payload)
    unreadable = msgspec.structs.replace(record, version=UNREADABLE, crc32=crc32)
    if _taken(unreadable):
        return unreadable
    payload = record.payload[: identity.PAYLOAD_MAX]
    return Record(
        type=record.type, version=UNREADABLE, machine=record.machine, payload=payload, crc32=zlib.crc32(payload)
    )


def notes(records: Sequence[Record], conflicts: Sequence[Conflict], partitions: int) -> list[Record]:
    """What a log of so many partitions is told of events that came with other content; records as they stand there."""
    found: list[Record] = []
    for at, some in groupby(conflicts, key=lambda each: each.record):
        record = records[at]
        place = f"{partition_of(record.machine, partitions)}:{record.position}"
        if record.source != OWN:
            said = _said(record, place, list(some))
            found += [codec.record_of(each, source=OWN, site=record.site) for each in said]
    return found


def _said(record: Record, place: str, conflicts: Sequence[Conflict]) -> Iterator[IngestQuarantined | SourceAccounted]:
    t, contents = Instant(record.ingested), _contents(record)
    for each in conflicts:
        raw = contents[each.row]
        yield IngestQuarantined(
            t=t, ingested=t, id=_id("q", place, each.row, raw), source=record.source, raw=raw,
            reason=f"id {each.id!r} came again with other content: expected what came first",
            where=f"Kafka partition:position {place}",
        )  # fmt: skip
    yield SourceAccounted(
        t=t, ingested=t, id=_id("acc", place, len(conflicts), record.payload), source=record.source,
        received=len(conflicts), appended=0, duplicate=0, quarantined=len(conflicts),
    )  # fmt: skip


def _contents(record: Record) -> list[bytes]:
    """Each event as a line; the payload where it does not decode."""
    try:
        lines = [codec.to_line(event) for event in codec.events_of(record)]
    except identity.UNREADABLE:
        lines = []
    return lines if len(lines) == record.n else [record.payload] * record.n


def _id(kind: str, place: str, row: int, content: bytes) -> str:
    digest = hashlib.blake2b(f"{place}:{row}:".encode() + content, digest_size=16)
    return f"{kind}:{digest.hexdigest()}"


def _taken(record: Record) -> bool:
    try:
        identity.offer(record)
    except InvalidEvent:
        return False
    return True
