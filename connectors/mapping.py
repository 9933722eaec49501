"""From what a device said to events: the part that OPC UA and MQTT share.

Rules: what one message, or one instant of a machine's nodes, said becomes at most one of each event: `product.changed`,
`state.changed`, `telemetry`, `parts.counted`. A state or a product is an event when it differs from the last one of its
machine; the first state of every connection is one too, so that a snapshot follows every silence. An event is checked before
it leaves; what fails is InvalidEvent and changes nothing that is remembered. An id depends on what was said, never on when
it arrived, wherever the device gives a sequence or a time; but for a snapshot, which says that it holds still: its id is also
the connection's, since a repeat would be dropped and end no silence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from tailrace.schemas import codec, line
from tailrace.schemas.event import (
    AnyEvent,
    CounterName,
    Event,
    PartsCounted,
    ProductChanged,
    Scalar,
    StateChanged,
    Telemetry,
)
from tailrace.schemas.instant import Instant, Span

Identify = Callable[[Event], str]
"""Gives the id of an event that is complete but for its id."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a device said about one machine at one instant; what it did not mention is absent."""

    machine: str
    t: Instant
    clock: str
    seq: int | None = None
    state: str | None = None
    product: str | None = None
    cycle: Span | None = None
    values: dict[str, Scalar] = {}
    quality: dict[str, str | int] = {}
    counters: dict[CounterName, int] = {}
    parts: Mapping[str, Any] = {}


class Mapper:
    """Makes events of what one source says, and remembers the last state and product of each machine."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._products: dict[str, tuple[str, Span | None]] = {}

    def forget(self) -> None:
        """The next state of every machine is an event again: nobody watched in between."""
        self._states.clear()

    def events(self, said: Said, identify: Identify, now: int, snapshot: str = "") -> list[AnyEvent]:
        """The events in what was said, each with its id; raises InvalidEvent, and then remembers nothing of it.

        snapshot: the connection that gives this as what holds now; "" where it is news.
        """
        product = self._product(said)
        if snapshot and said.machine not in self._states:
            identify = _of_snapshot(identify, snapshot)
        events: list[AnyEvent] = [_identified(event, identify) for event in self._unnamed(said, product)]
        if events:
            line.check_time(events[0], now)
        if said.state is not None:
            self._states[said.machine] = said.state
        if product is not None:
            self._products[said.machine] = product
        return events

    def _unnamed(self, said: Said, product: tuple[str, Span | None] | None) -> Iterator[AnyEvent]:
        head: dict[str, Any] = {"machine": said.machine, "t": said.t, "clock": said.clock, "seq": said.seq}
        if product is not None and product != self._products.get(said.machine):
            yield ProductChanged(product=product[0], ideal_cycle=product[1], **head)
        if said.state is not None and said.state != self._states.get(said.machine):
            yield StateChanged(state=said.state, **head)
        if said.values or said.quality or said.counters:
            yield Telemetry(values=said.values, quality=said.quality, counters=said.counters, **head)
        if any(said.parts.values()):
            yield PartsCounted(product=said.product or "", **head, **said.parts)

    def _product(self, said: Said) -> tuple[str, Span | None] | None:
        """The product and cycle that hold now. A cycle alone belongs to the running product, a product keeps its cycle."""
        name, cycle = self._products.get(said.machine, ("", None))
        if said.product is None:
            return (name, said.cycle) if name and said.cycle is not None else None
        return said.product, said.cycle or (cycle if said.product == name else None)


# -- identity ----------------------------------------------------------------------------------------------------------


def run_of(machine: str, session: str) -> str:
    """Names one run of one machine's own count; no two pairs have the same name."""
    return f"{machine}/{session.replace('%', '%25').replace('/', '%2F')}"


def by_sequence(source: str, run: str, sequence: int) -> Identify:
    """Ids from the device's own count. The n of an id starts at 1, so n = sequence + 1 for every device, and 0 is legal."""
    stem = f"{source}:{run}:{sequence + 1}"
    return lambda event: (
        f"{codec.SEQUENCED}{stem}" if isinstance(event, Telemetry) else f"{codec.type_of(event)}:{stem}"
    )


def by_message(*parts: str | bytes) -> Identify:
    """Ids from a whole message: the same bytes from the same place are the same events."""
    stem = hashed(*parts)
    return lambda event: f"{stem}/{codec.type_of(event)}"


def by_content(source: str) -> Identify:
    """Ids from what an event says: the same value of the same time is the same event."""
    return lambda event: hashed(source, codec.canonical(event))


def _of_snapshot(identify: Identify, connection: str) -> Identify:
    """The same, but a state has an id of its connection."""
    return lambda event: hashed(identify(event), connection) if isinstance(event, StateChanged) else identify(event)


def hashed(*parts: str | bytes) -> str:
    """32 hex digits of the parts, each kept apart from the next."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _identified(event: AnyEvent, identify: Identify) -> AnyEvent:
    line.check(event)
    return msgspec.structs.replace(event, id=identify(event))
