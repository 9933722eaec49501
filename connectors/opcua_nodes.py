"""From data changes of OPC UA nodes to events.

Rules: changes of one machine with the same time become one reading. The time is the source's, by the clock that is named
after the source; else the server's (clock `<source>/server`), else that of arrival (clock `tailrace`). A bad value is never
a number: it has a quality and nothing else, and a bad state is the state `unknown`. What the server says again, as it does
when a subscription begins, is given again with the id that it had; but for a state, which is news that it holds still.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from asyncua import ua

from tailrace.connectors import mapping, terms
from tailrace.connectors.link import Link
from tailrace.connectors.opcua_settings import NodeState, OpcUaSettings, Slot
from tailrace.connectors.opcua_values import Change, Fact, fact, overflowed, raw, scalar
from tailrace.engine.source import Rejected
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import OWN, AnyEvent, Scalar, Telemetry
from tailrace.schemas.instant import EARLIEST, LATEST, Instant, Span


class _News(NamedTuple):
    """A change that says what was not known."""

    handle: int
    value: ua.DataValue
    fact: Fact


class _Made:
    """What a machine makes. While `waits`, its cycle is a node that was not heard yet: no product goes without it."""

    __slots__ = ("cycle", "product", "waits")

    def __init__(self, waits: bool) -> None:
        self.waits = waits
        self.product: str | None = None
        self.cycle: Span | None = None


class Nodes:
    """Reads the changes of one source's nodes."""

    def __init__(self, settings: OpcUaSettings, link: Link) -> None:
        self._source, self._link = settings.name, link
        self._clocks = (settings.name, f"{settings.name}/server", OWN)
        self._slots = settings.slots
        self._mapper = mapping.Mapper()
        self._words = {name: _words(machine.state) for name, machine in settings.machines.items()}
        cycles = {name: machine.ideal_cycle_s for name, machine in settings.machines.items()}
        self._cycles = {name: terms.Cycles(None if isinstance(each, str) else each) for name, each in cycles.items()}
        self._made = {name: _Made(isinstance(each, str)) for name, each in cycles.items()}
        self._facts: dict[int, Fact] = {}
        self._carrier: dict[int, Telemetry] = {}
        self._overflows: Counter[int] = Counter()

    @property
    def watched(self) -> list[str]:
        """The machines whose state comes through this source."""
        return [slot.machine for slot in self._slots if slot.role == "state"]

    def forget(self) -> None:
        """A new connection: the next state of every machine is an event."""
        self._mapper.forget()
        for handle, slot in enumerate(self._slots):
            if slot.role == "state":
                self._facts.pop(handle, None)

    def missing(self, handle: int, why: str) -> Rejected:
        """A node that the server does not have."""
        slot = self._slots[handle]
        if slot.role == "cycle":
            self._made[slot.machine].waits = False
        return Rejected(
            f"expected a node of the server for {slot.name} of {slot.machine}, got {why}", slot.node.encode(), slot.node
        )

    def read(self, changes: Sequence[Change], arrival: int) -> tuple[list[AnyEvent], list[Rejected]]:
        """The events of one notification, in the order of their time, and the changes that are none."""
        asked = [change for change in changes if 0 <= change.handle < len(self._slots)]
        rejected = [_unasked(change) for change in changes if not 0 <= change.handle < len(self._slots)]
        events: list[AnyEvent] = list(self._gaps(asked))
        again, groups = self._sorted_out(asked, arrival)
        for group in groups:
            made, refused = self._group(group, arrival)
            events += made
            rejected += refused
        return [*again, *events], rejected

    def _sorted_out(self, changes: Sequence[Change], arrival: int) -> tuple[list[Telemetry], list[list[_News]]]:
        """The readings that brought what is said again, and the news: one machine and instant after the other."""
        again: dict[str, Telemetry] = {}
        groups: dict[tuple[int, int, str, int], list[_News]] = {}
        nth: Counter[tuple[int, int, int]] = Counter()
        for change in changes:
            said = fact(change.value, arrival)
            if said == self._facts.get(change.handle):
                if reading := self._carrier.get(change.handle):
                    again[reading.id] = reading
                continue
            self._facts[change.handle] = said
            self._carrier.pop(change.handle, None)
            place = (change.handle, said.clock, said.t)
            key = (said.clock, said.t, self._slots[change.handle].machine, nth[place])
            groups.setdefault(key, []).append(_News(*change, said))
            nth[place] += 1
        return list(again.values()), [groups[key] for key in sorted(groups)]

    def _group(self, group: Sequence[_News], arrival: int) -> tuple[Sequence[AnyEvent], list[Rejected]]:
        """One machine at one instant."""
        rejected: list[Rejected] = []
        good: list[_News] = []
        parts = _Parts()
        for news in group:
            try:
                self._take(parts, self._slots[news.handle], news.fact)
                good.append(news)
            except InvalidEvent as error:
                rejected.append(self._rejected(news, str(error)))
        try:
            events = self._events(parts, self._slots[group[0].handle].machine, group[0].fact, arrival)
        except InvalidEvent as error:
            return [], rejected + [self._rejected(news, str(error)) for news in good]
        reading = next((event for event in events if isinstance(event, Telemetry)), None)
        if reading is not None:
            self._carrier.update((news.handle, reading) for news in good)
        return events, rejected

    def _take(self, parts: _Parts, slot: Slot, said: Fact) -> None:
        """Adds what a change says; raises InvalidEvent where it says nothing that can be taken."""
        if said.quality is not None and slot.role != "state":
            parts.quality[slot.name] = said.quality
        if slot.role == "state":
            parts.state = "unknown" if said.bad else self._words[slot.machine].word(said.value)
        elif slot.role in ("product", "cycle"):
            parts.made = True
            self._make(self._made[slot.machine], slot.role, None if said.bad else said.value)
        elif said.bad:
            return
        elif slot.role == "value":
            parts.values[slot.name] = scalar(said.value)
        else:
            parts.counters[slot.name] = terms.count(said.value)

    def _make(self, made: _Made, role: str, value: object) -> None:
        if role == "cycle":
            made.waits = False
            made.cycle = made.cycle if value is None else terms.cycle(value)
        elif value is not None:
            made.product = terms.product(value)

    def _events(self, parts: _Parts, machine: str, said: Fact, arrival: int) -> list[AnyEvent]:
        if not EARLIEST <= said.t < LATEST:
            raise InvalidEvent(f"expected a source time in the years 1970 to 2200, got {said.t} ns since 1970")
        if self._clocks[said.clock] == OWN:
            self._link.at_least_once()
        product, cycle = self._product(parts, machine)
        whole = mapping.Said(
            machine=machine, t=Instant(said.t), clock=self._clocks[said.clock], state=parts.state, product=product, cycle=cycle,
            values=parts.values, quality=parts.quality, counters=parts.counters,
        )  # fmt: skip
        return self._mapper.events(whole, mapping.by_content(self._source), arrival, self._link.connection)

    def _product(self, parts: _Parts, machine: str) -> tuple[str | None, Span | None]:
        """The product and its cycle, if one of them was just said."""
        made = self._made[machine]
        if not parts.made or made.waits or made.product is None:
            return None, None
        return made.product, made.cycle or self._cycles[machine].of(made.product)

    def _gaps(self, changes: Sequence[Change]) -> Iterator[AnyEvent]:
        for change in changes:
            if overflowed(change.value):
                slot = self._slots[change.handle]
                self._overflows[change.handle] += 1
                n = self._overflows[change.handle]
                yield self._link.gap(slot.machine, f"overflow/{slot.node}", n, n)

    def _rejected(self, news: _News, reason: str) -> Rejected:
        slot = self._slots[news.handle]
        return Rejected(f"{slot.name} of {slot.machine}: {reason}", raw(news.value), slot.node)


class _Parts:
    """What the nodes of one machine said at one instant."""

    def __init__(self) -> None:
        self.state: str | None = None
        self.made = False
        self.values: dict[str, Scalar] = {}
        self.quality: dict[str, str | int] = {}
        self.counters: dict[Any, int] = {}


def _words(state: str | NodeState | None) -> terms.Words:
    return terms.Words(state.map, state.default) if isinstance(state, NodeState) else terms.Words({})


def _unasked(change: Change) -> Rejected:
    return Rejected(
        f"expected a node that was asked for, got one that the server calls {change.handle}", raw(change.value)
    )
