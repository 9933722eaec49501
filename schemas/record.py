"""One entry of a log: an envelope (SQLite columns = Kafka headers) around a payload.

Rules: a record holds one event, or a frame of readings of one machine; its payload is never rewritten. Identity is either
(source, session, first_seq .. first_seq+n-1) when first_seq > 0, or the ids of its events. Positions start at 1, so 0 means
"not in a log yet". `crc32` is over the payload. Neither can be part of a cycle, so the collector need not look at them.
"""

from __future__ import annotations

import zlib

import msgspec

UNREADABLE = 0
"""The version of a record whose envelope cannot be read: no release writes it."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An entry of the `events` log. Times are int64 ns UTC; n counts the readings or events inside.

    copy_of: where a log has several partitions, the position in the site's home partition of the record that this is a copy
    of; 0 = it is none.
    """

    type: str
    payload: bytes
    version: int = 1
    id: str = ""
    site: str = ""
    machine: str = ""
    source: str = ""
    session: str = ""
    first_seq: int = 0
    n: int = 1
    clock: str = ""
    t_min: int = 0
    t_max: int = 0
    ingested: int = 0
    trace: str = ""
    crc32: int = 0
    copy_of: int = 0
    position: int = 0

    def intact(self) -> bool:
        """Whether the payload is the one that was written."""
        return zlib.crc32(self.payload) == self.crc32


class Derived(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An entry of the `derived` log: n consecutive events of one key, first_n .. first_n+n-1, each a function of the log.

    Identity of each is (topology, version, key, n). `cause` is the position of the record that caused the last of them: a
    pointer, never an identity. `body` is a codec's bytes (schemas/derived.py).
    """

    topology: str
    version: int
    key: str
    first_n: int
    n: int = 1
    kind: str
    cause: int
    body: bytes
    position: int = 0

    @property
    def last_n(self) -> int:
        """The n of the last event inside."""
        return self.first_n + self.n - 1
