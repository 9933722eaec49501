"""Decoding: frames of columns against msgspec objects that hold the same readings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from figure import READINGS, SIGNALS, cpu, payload, show
from tailrace.schemas import codec
from tailrace.schemas.event import Telemetry
from tailrace.schemas.frame import Frame

FRAMES = 500
ROUNDS = 9


def columns(payloads: Sequence[bytes]) -> None:
    """Header, times and every column as numpy."""
    for each in payloads:
        decoded = Frame(each)
        decoded.t  # noqa: B018
        for i in range(len(SIGNALS)):
            decoded.data(i)


def objects(batches: Sequence[bytes], decode: Any) -> None:
    for each in batches:
        decode(each)


def main() -> int:
    decode = msgspec.msgpack.Decoder(list[Telemetry], dec_hook=lambda kind, value: kind(value)).decode
    encode = msgspec.msgpack.Encoder(enc_hook=int).encode
    payloads = [payload(i, ids=True) for i in range(FRAMES)]
    bare = [payload(i) for i in range(FRAMES)]
    batches = [encode(_readings(each)) for each in payloads]
    turns = [
        (cpu(lambda: columns(bare)), cpu(lambda: columns(payloads)), cpu(lambda: objects(batches, decode)))
        for _ in range(ROUNDS)
    ]
    sequenced, named, single = (FRAMES * READINGS / min(turn) for turn in zip(*turns, strict=True))
    show("decode: msgspec objects", single / 1e6, "M readings per CPU second")
    show("decode: frames with ids", named / 1e6, "M readings per CPU second")
    show("decode: frames of a sequence", sequenced / 1e6, "M readings per CPU second")
    return 0 if show("decode: frames / objects", named / single, "x", at_least=15) else 1


def _readings(frame: bytes) -> list[Telemetry]:
    record = codec.frame_record(frame, machine="M1", ingested=0)
    return [event for event in codec.events_of(record) if isinstance(event, Telemetry)]


if __name__ == "__main__":
    sys.exit(main())
