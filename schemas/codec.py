"""Between events and the bytes of a record's payload.

Rules: telemetry is framed (schemas/frame.py), every other event is msgpack with field names; decoding what was encoded gives
an equal event. A type or version that this release does not know is kept as it is and refused here with InvalidEvent.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tailrace.schemas import frame
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import OWN, TYPES, AnyEvent, Event, Telemetry
from tailrace.schemas.instant import Instant, Span, format_instant, format_seconds, parse_instant, parse_span
from tailrace.schemas.record import Record

SEQUENCED = "seq:"


MAP16 = 0xDE
"""Begins a msgpack map whose number of entries takes two bytes."""


def _to_int(value: Any) -> int:
    if isinstance(value, (Instant, Span)):
        return int(value)
    raise NotImplementedError(f"cannot encode {type(value).__name__}")


def _from_int(kind: type, value: Any) -> Any:
    return kind(value)


def _compact(payload: bytes) -> bytes:
    """The same map with the shortest header: msgspec takes a wide one for a type of 16 fields, however few of them are said."""
    wide, high, fields = payload[:3]
    return bytes((0x80 | fields,)) + payload[3:] if wide == MAP16 and not high and fields < 16 else payload


_encode = msgspec.msgpack.Encoder(enc_hook=_to_int).encode
_decoders = {name: msgspec.msgpack.Decoder(cls, dec_hook=_from_int).decode for name, cls in TYPES.items()}


def type_of(event: Event) -> str:
    """The event's type, as it stands in a JSON line."""
    return str(event.__struct_config__.tag)


def record_of(event: Event, *, source: str = "", session: str = "", site: str = "", trace: str = "") -> Record:
    """A business event as a record of its own; `event.ingested` must be set."""
    payload = _compact(_encode(event))
    return Record(
        type=type_of(event), payload=payload, id=event.id, site=site, machine=event.machine, source=source,
        session=session, clock=event.clock, t_min=int(event.t), t_max=int(event.t), ingested=int(event.ingested or 0),
        trace=trace, crc32=zlib.crc32(payload),
    )  # fmt: skip


def frame_record(
    payload: bytes, *, machine: str, ingested: int, source: str = "", session: str = "", first_seq: int = 0,
    clock: str = "", site: str = "", trace: str = "",
) -> Record:  # fmt: skip
    """A frame's bytes as a record. With first_seq > 0 identity is the sequence, else the frame's own ids."""
    decoded = frame.Frame(payload)
    t = decoded.t
    identity = f"{SEQUENCED}{source}:{session}:{first_seq}" if first_seq else decoded.ids[0]
    return Record(
        type="telemetry", payload=payload, id=identity, site=site, machine=machine, source=source, session=session,
        first_seq=first_seq, n=len(decoded), clock=clock, t_min=int(t.min()), t_max=int(t.max()), ingested=ingested,
        trace=trace, crc32=zlib.crc32(payload),
    )  # fmt: skip


def readings_record(readings: Sequence[Telemetry], **envelope: Any) -> Record:
    """Readings of one machine, clock and ingest time as a framed record; envelope: as for frame_record."""
    first = readings[0]
    payload = frame.from_readings(readings, ids=not envelope.get("first_seq"))
    return frame_record(
        payload, machine=first.machine, clock=first.clock, ingested=int(first.ingested or 0), **envelope
    )


def ids_of(record: Record) -> list[str]:
    """The id of each event in a record, in order."""
    if record.first_seq:
        stem = f"{SEQUENCED}{record.source}:{record.session}:"
        return [f"{stem}{record.first_seq + i}" for i in range(record.n)]
    if record.type == "telemetry":
        return frame.Frame(record.payload).ids
    return [record.id]


def events_of(record: Record) -> Iterator[AnyEvent]:
    """The events in a record, in order; raises InvalidEvent for what is damaged, or of another release."""
    if record.type == "telemetry":
        decoded = frame_of(record)
        yield from decoded.readings(record.machine, record.clock, ids_of(record), record.ingested)
        return
    _require_readable(record)
    try:
        yield _decoders[record.type](record.payload)  # type: ignore[misc]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(f"position {record.position}: a {record.type} does not decode: {error}") from None


def frame_of(record: Record) -> frame.Frame:
    """The frame of a record of readings; raises as `events_of` does."""
    _require_readable(record)
    return frame.Frame(record.payload)


def _require_readable(record: Record) -> None:
    if record.version != 1 or record.type not in TYPES:
        raise InvalidEvent(f"position {record.position}: {record.type}@{record.version} is not known to this release")
    if not record.intact():
        raise InvalidEvent(
            f"position {record.position}: expected a payload with crc32 {record.crc32:#010x}, got another"
        )


def without(record: Record, keep: Sequence[bool]) -> Record | None:
    """The record trimmed to the readings to keep, or None; a sequenced frame must stay one run."""
    rows = [i for i, wanted in enumerate(keep) if wanted]
    if len(rows) == record.n:
        return record
    if not rows:
        return None
    readings = [reading for reading, wanted in zip(events_of(record), keep, strict=True) if wanted]
    first_seq = record.first_seq and record.first_seq + rows[0]
    if first_seq and rows[-1] - rows[0] + 1 != len(rows):
        raise ValueError("a sequenced frame is trimmed to one run")
    return readings_record(
        [r for r in readings if isinstance(r, Telemetry)], source=record.source, session=record.session,
        first_seq=first_seq, site=record.site, trace=record.trace,
    )  # fmt: skip


# -- JSON lines --------------------------------------------------------------------------------------------------------


def _to_text(value: Any) -> Any:
    if isinstance(value, Instant):
        return format_instant(value)
    if isinstance(value, Span):
        exact = format_seconds(value)
        return int(exact) if exact == exact.to_integral_value() else msgspec.Raw(format(exact, "f").encode())
    raise NotImplementedError(f"cannot encode {type(value).__name__}")


_encode_json = msgspec.json.Encoder(enc_hook=_to_text).encode
_encode_canonical = msgspec.json.Encoder(enc_hook=_to_text, order="deterministic").encode


def to_line(event: Event) -> bytes:
    """The event as one JSON line, without the newline."""
    return _encode_json(event)


def canonical(event: Event) -> bytes:
    """The same bytes for the same content, however it was written: no id, no ingest time, one spelling per value."""
    plain = msgspec.structs.replace(event, id="", ingested=None)
    if isinstance(plain, Telemetry):
        plain = msgspec.structs.replace(
            plain,
            values={name: _one_spelling(value) for name, value in plain.values.items()},
            quality={name: code for name, q in plain.quality.items() if (code := frame.status_code(q))},
        )
    return _encode_canonical(plain)


def digest(event: Event) -> bytes:
    """16 bytes that tell content from other content. A time of arrival is none of it: what comes again arrives later."""
    if event.clock == OWN:
        event = msgspec.structs.replace(event, t=Instant(0))
    return hashlib.blake2b(canonical(event), digest_size=16).digest()


def _one_spelling(value: Any) -> Any:
    if frame.kind_of(value) != "f8":
        return value
    return float(value) + 0.0


__all__ = [
    "canonical", "digest", "events_of", "frame_of", "frame_record", "ids_of", "parse_instant", "parse_span", "readings_record",
    "record_of", "to_line", "type_of", "without",
]  # fmt: skip
