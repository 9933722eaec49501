"""The sha256 chains: what makes a change of anything that was written show, wherever in the log it is.

Rules: a record's digest is over its envelope and its payload. The link of a record is over the link before it of the same
(source, session) and its digest, so that what one sender brought can be checked by itself, in any log that keeps its order.
The chain of a log is over the chain before and the digest, record by record in the order of positions, so that its last value
stands for every record. A position is no part of a digest: it is the place in the chain, and another log gives another one.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from hashlib import sha256

import msgspec

from tailrace.schemas.record import Record

START = bytes(32)
"""The link and the chain before the first record."""

PIECE_BYTES = 2040
"""hashlib gives up the interpreter's lock for more at once, and may wait 5 ms to get it back beside a busy fold."""

_encode = msgspec.msgpack.Encoder().encode


def digest(record: Record) -> bytes:
    """32 bytes that stand for everything in a record but its position."""
    r = record
    payload = memoryview(r.payload)
    made = sha256(_encode((
        r.type, r.version, r.id, r.site, r.machine, r.source, r.session, r.first_seq, r.n, r.clock, r.t_min, r.t_max,
        r.ingested, r.trace, r.crc32, len(payload),
    )))  # fmt: skip
    for at in range(0, len(payload), PIECE_BYTES):
        made.update(payload[at : at + PIECE_BYTES])
    return made.digest()


def joined(before: bytes, after: bytes) -> bytes:
    """The next value of a chain."""
    return sha256(before + after).digest()


class Chain:
    """Both chains, as records are added in the order of the log. links: the last link of each (source, session)."""

    def __init__(self, head: bytes = START, links: MutableMapping[tuple[str, str], bytes] | None = None) -> None:
        self.head = head
        self.links: MutableMapping[tuple[str, str], bytes] = {} if links is None else links

    def add(self, record: Record) -> tuple[bytes, bytes]:
        """The record's link and the chain with it."""
        sender, content = (record.source, record.session), digest(record)
        link = self.links[sender] = joined(self.links.get(sender, START), content)
        self.head = joined(self.head, content)
        return link, self.head
