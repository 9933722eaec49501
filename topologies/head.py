"""What is kept of a machine beside its days: a page of the fold's state. Nothing but the record of it."""

from __future__ import annotations

import msgspec

from tailrace.schemas.event import CounterName
from tailrace.topologies.plan import NONE, Plan
from tailrace.topologies.steps import FOREVER


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """A tick: its t (ns) and its place in the log."""

    t: int
    place: int


class Head(msgspec.Struct, kw_only=True):
    """What is kept of a machine beside its days.

    first: earliest observation (ns, or FOREVER). watermark: latest. closed: end of the last emitted minute. last_state and
    last_tick: latest t of each (or NONE); last_point: where the last state or loss begins. skipped: stretches without buckets.
    first_read: earliest reading by counter. clock: code of the clock of the state that came last (or NONE). seen: by source the
    latest tick that named it, and by "" the latest of all.
    """

    plan: Plan = Plan()
    words: list[str] = []
    products: list[str] = msgspec.field(default_factory=lambda: [""])
    clocks: list[str] = []
    clock: int = NONE
    days: list[int] = []
    first: int = FOREVER
    watermark: int = NONE
    closed: int = NONE
    last_state: int = NONE
    last_tick: int = NONE
    last_point: int = NONE
    seen: dict[str, Seen] = {}
    skipped: list[tuple[int, int]] = []
    first_read: dict[CounterName, int] = {}
