"""Between a record and a Kafka message: the key is the machine, the value the payload, the headers the envelope.

Rules: a header has the name of its field; text is UTF-8, a number is decimal digits; what is at its default is left out.
A position is an offset + 1. A message of `events` that is damaged, or that somebody else wrote, is a record all the same: a
fold parks it (engine/parking.py) under the machine that its key names, and others go on. In `derived` it is an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tailrace.schemas.errors import Unavailable
from tailrace.schemas.record import UNREADABLE, Derived, Record

TEXTS = ("type", "id", "site", "source", "session", "clock", "trace")
NUMBERS = ("version", "first_seq", "n", "t_min", "t_max", "ingested", "crc32", "copy_of")
DEFAULTS = {name: getattr(Record(type="", payload=b""), name) for name in (*TEXTS, *NUMBERS)}
_READ: dict[str, Callable[[bytes], Any]] = {name: bytes.decode for name in TEXTS} | {name: int for name in NUMBERS}

DERIVED_NUMBERS = ("version", "first_n", "n", "cause")


class Message(NamedTuple):
    """What is sent to a partition; a value of None takes the key away where the topic is compacted."""

    partition: int
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def message_of(record: Record, partition: int) -> Message:
    """An entry of the `events` log as it is sent."""
    headers = []
    for name in TEXTS:
        text = getattr(record, name)
        if text:
            headers.append((name, text.encode()))
    for name in NUMBERS:
        number = getattr(record, name)
        if number != DEFAULTS[name]:
            headers.append((name, b"%d" % number))
    return Message(partition, record.machine.encode(), record.payload, headers)


def record_of(message: Any) -> Record:
    """The entry of the `events` log in a message that was read; of version UNREADABLE where its headers are not an envelope."""
    machine, payload, position = _text(message.key or b""), message.value or b"", message.offset + 1
    fields: dict[str, Any] = {}
    try:
        for name, value in message.headers:
            read = _READ.get(name)
            if read is not None:
                fields[name] = read(value)
        return Record(machine=machine, payload=payload, position=position, **fields)
    except (TypeError, ValueError, AttributeError):
        return Record(
            type=fields.get("type", ""), version=UNREADABLE, machine=machine, payload=payload, crc32=zlib.crc32(payload),
            position=position,
        )  # fmt: skip


def damaged(message: Any) -> bool:
    """Whether a message of `events` shows that it is not what was written."""
    record = record_of(message)
    return record.version == UNREADABLE or not record.intact()


def message_of_derived(record: Derived, partition: int) -> Message:
    """An entry of the `derived` log as it is sent."""
    headers = [("topology", record.topology.encode()), ("kind", record.kind.encode())]
    headers += [(name, b"%d" % getattr(record, name)) for name in DERIVED_NUMBERS]
    return Message(partition, record.key.encode(), record.body, headers)


def derived_of(message: Any) -> Derived:
    """The entry of the `derived` log in a message that was read; raises Unavailable where it is foreign."""
    try:
        headers = dict(message.headers)
        numbers = {name: int(headers[name]) for name in DERIVED_NUMBERS}
        return Derived(
            topology=headers["topology"].decode(), kind=headers["kind"].decode(), key=message.key.decode(),
            body=message.value, position=message.offset + 1, **numbers,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unavailable(
            f"{_where(message)}: expected an output that Tailrace wrote, got one with other headers: {error!r}"
        ) from None


def _text(key: bytes) -> str:
    """A key that is no text is nobody's machine, and named apart from every other."""
    return key.decode(errors="backslashreplace")


def _where(message: Any) -> str:
    return f"topic {message.topic}, partition {message.partition}, position {message.offset + 1}"
