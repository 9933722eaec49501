"""Between a record and a Kafka message: the key is the machine, the value the payload, the headers the envelope.

Rules: a header has the name of its field; text is UTF-8, a number is decimal digits; what is at its default is left out.
A position is an offset + 1. A message of `events` that is damaged, or that somebody else wrote, is a record all the same: a
fold parks it (engine/parking.py) under the machine that its key names, and others go on. In `derived` it is an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from itertools import chain, groupby, repeat
from typing import Any, NamedTuple

from tailrace.schemas.errors import Unavailable
from tailrace.schemas.record import UNREADABLE, Derived, Record

TEXTS = ("type", "id", "site", "source", "session", "clock", "trace")
NUMBERS = ("version", "first_seq", "n", "t_min", "t_max", "ingested", "crc32", "copy_of")
DEFAULTS = {name: getattr(Record(type="", payload=b""), name) for name in (*TEXTS, *NUMBERS)}
_READ: dict[str, Callable[[bytes], Any]] = {name: bytes.decode for name in TEXTS} | {name: int for name in NUMBERS}

RARE = ("version", "trace", "copy_of")
COMMON = tuple(name for name in (*TEXTS, *NUMBERS) if name not in RARE)
"""Fields that make few enough arguments for Python to pass them on as they are: two more take four times as long."""

ALIKE_MIN = 8
"""Messages with the same headers, one after the other, from which on it pays to take them apart together."""

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


def records_of(messages: Sequence[Any]) -> list[Record]:
    """The entries of the `events` log in messages that were read, as `record_of` gives each of them.

    Messages that follow each other mostly have the same headers: they are taken apart header by header.
    """
    found: list[Record] = []
    for width, group in groupby(messages, lambda message: len(message.headers)):
        some = list(group)
        try:
            columns = _columns(some, width) if len(some) >= ALIKE_MIN else None
        except (TypeError, ValueError, AttributeError):
            columns = None
        found += map(record_of, some) if columns is None else _rows(some, columns)
    return found


def _columns(messages: Sequence[Any], width: int) -> dict[str, Sequence[Any]] | None:
    """What headers of messages say, by field; None where those of some have other names, or a rare one is there."""
    flat = list(chain.from_iterable(chain.from_iterable(message.headers for message in messages)))
    columns: dict[str, Sequence[Any]] = {}
    bare, last = list[bytes](), ""
    for at in range(0, 2 * width, 2):
        names, before, bare = flat[at :: 2 * width], bare, flat[at + 1 :: 2 * width]
        name = names[0]
        if names.count(name) < len(names):
            return None
        read = _READ.get(name)
        if read is None:
            continue
        if name in RARE:
            return None
        if bare.count(bare[0]) == len(bare):
            columns[name] = [read(bare[0])] * len(bare)
        elif bare == before and last in NUMBERS and name in NUMBERS:  # a frame of one reading begins when it ends
            columns[name] = columns[last]
        else:
            columns[name] = list(map(read, bare))
        last = name
    return columns


def _rows(messages: Sequence[Any], columns: dict[str, Sequence[Any]]) -> list[Record]:
    """The records of messages whose headers are known, none of them rare."""
    machines = {key: _text(key or b"") for key in {message.key for message in messages}}
    fields = (columns.get(name) or repeat(DEFAULTS[name]) for name in COMMON)
    return [
        Record(
            type=kind, payload=message.value or b"", id=event, site=site, machine=machines[message.key], source=source,
            session=session, first_seq=first, n=n, clock=clock, t_min=begin, t_max=end, ingested=came, crc32=crc,
            position=message.offset + 1,
        )
        for message, kind, event, site, source, session, clock, first, n, begin, end, came, crc in zip(
            messages, *fields, strict=False
        )
    ]  # fmt: skip


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
