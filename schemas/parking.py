"""What is said of a stream that waits (engine/parking.py): kinds `stream.parked` and `stream.released` of every topology.

Rule: the key of such an output is KEY and the machine. No machine's name has a tab, so it is nobody else's key.
"""

from __future__ import annotations

import msgspec

KEY = "parking\t"
PARKED, RELEASED = "stream.parked", "stream.released"


class Parked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The record that parks its machine's stream: where it stands, what it is, and why it cannot be folded.

    machine: "" for what concerns the whole site. waiting: events held up, those of this record included. copy_of: as in a
    record.
    """

    machine: str
    position: int
    id: str
    type: str
    reason: str
    waiting: int
    copy_of: int = 0


decode = msgspec.msgpack.Decoder(Parked).decode
