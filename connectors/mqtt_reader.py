"""Messages to events, with the identity that a message has.

Rules: the identity is the device's own sequence; without one the message's bytes, where they carry a time; without either
our own count, and then a repeat cannot be told apart. A retained message says what holds now: its state is said again with every
connection. Consecutive messages of one session are one run, in their order.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import aiomqtt

from tailrace.connectors import mapping
from tailrace.connectors.link import Link
from tailrace.connectors.mqtt_client import Received
from tailrace.connectors.mqtt_topics import Machine
from tailrace.connectors.payload import Payload, decode
from tailrace.engine.source import Origin, Rejected
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import AnyEvent


class Run(NamedTuple):
    """Consecutive messages of one session and what they became; `origins` has one entry per event."""

    session: str
    messages: Sequence[aiomqtt.Message]
    events: Sequence[AnyEvent]
    rejected: Sequence[Rejected]
    origins: Sequence[Origin]


class _Read(NamedTuple):
    session: str
    message: aiomqtt.Message
    events: Sequence[AnyEvent] = ()
    rejected: Sequence[Rejected] = ()


class Reader:
    """Reads the messages of one source. `watched`: the machines whose state came through it."""

    def __init__(self, source: str, machine: Machine, payload: Payload, link: Link) -> None:
        self._source, self._link = source, link
        self._machine, self._payload = machine, payload
        self._mapper = mapping.Mapper()
        self._counted: dict[str, int] = {}
        self.watched: set[str] = set()

    def forget(self) -> None:
        """A new connection: the next state of every machine is an event."""
        self._mapper.forget()

    def runs(self, batch: Sequence[Received]) -> Iterator[Run]:
        """The messages in their order, cut where the session changes."""
        read = [self._read(*received) for received in batch]
        for session, same in itertools.groupby(read, key=lambda each: each.session):
            run = list(same)
            yield Run(
                session,
                [each.message for each in run],
                [event for each in run for event in each.events],
                [rejected for each in run for rejected in each.rejected],
                [Origin(each.message.payload, each.message.topic.value) for each in run for _ in each.events],
            )

    def _read(self, message: aiomqtt.Message, arrival: int) -> _Read:
        topic, raw = message.topic.value, message.payload
        try:
            document = decode(raw)
            machine = self._machine.of(topic, document)
            session, n, identify = self._identity(machine, topic, raw, document)
            said = self._payload.said(document, machine, n, arrival)
            snapshot = self._link.connection if message.retain else ""
            events = self._mapper.events(said, identify, arrival, snapshot)
            self.watched |= {machine} if said.state is not None else set()
            return _Read(session, message, events)
        except (InvalidEvent, RecursionError) as error:
            return _Read(self._link.run, message, rejected=[Rejected(str(error), raw, topic)])

    def _identity(
        self, machine: str, topic: str, raw: bytes, document: Any
    ) -> tuple[str, int | None, mapping.Identify]:
        """The session that a message belongs to, its number in it if the device gives one, and the ids of its events."""
        numbered = self._payload.sequence(document)
        if numbered is not None:
            run = mapping.run_of(machine, numbered.session)
            return run, numbered.n, mapping.by_sequence(self._source, run, numbered.n)
        if self._payload.timed:
            return self._link.run, None, mapping.by_message(self._source, topic, raw)
        self._link.at_least_once()
        run = mapping.run_of(machine, self._link.run)
        n = self._counted[run] = self._counted.get(run, -1) + 1
        return run, None, mapping.by_sequence(self._source, run, n)
