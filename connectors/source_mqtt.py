"""Source: JSON messages of an MQTT broker, by mapping.

Rules: a message is acknowledged to the broker after everything in it is durable, and on its own connection only; until then
the broker keeps it and delivers it again, with the same ids. What waits is taken at once; consecutive messages of one run
are one delivery. A payload that the mapping cannot read is rejected with its bytes and its topic, and the stream goes on.
Retained messages are readings like any other. A broker that is away is tried again, with growing pauses, for ever.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt
from paho.mqtt.subscribeoptions import SubscribeOptions

from tailrace.connectors.link import Link, Now, Pauses
from tailrace.connectors.mqtt_client import Client
from tailrace.connectors.mqtt_reader import Reader, Run
from tailrace.connectors.mqtt_settings import PORTS, MqttSettings
from tailrace.connectors.mqtt_topics import Machine, filter_of
from tailrace.connectors.payload import Payload
from tailrace.connectors.tls import tls
from tailrace.engine.source import Delivery, Health
from tailrace.schemas.event import AnyEvent
from tailrace.schemas.instant import SECOND

BATCH_MAX = 1000
KEEPALIVE, CUT = "Keep alive timeout", "Unspecified error"
"""What paho says when the broker was silent, and when it just went."""

logging.getLogger("mqtt").addHandler(logging.NullHandler())


class MqttSource:
    """One broker's messages. `now` gives ns UTC."""

    def __init__(self, settings: MqttSettings, now: Now = time.time_ns) -> None:
        self.name = settings.name
        self._settings = settings
        self._now = now
        self._link = Link(settings.name, now)
        machine = Machine(settings.filters, settings.machine)
        self._reader = Reader(settings.name, machine, Payload(settings.payload, settings.name), self._link)

    @property
    def health(self) -> Health:
        return self._link.health

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """What the broker sends, for ever."""
        pauses = Pauses(0.2, self._settings.retry_max_s)
        while True:
            began, stood = time.monotonic(), False
            try:
                async with self._client() as client:
                    detail = await self._subscribe(client)
                    self._reader.forget()
                    stood = True
                    for delivery in self._own(self._link.up(detail)):
                        yield delivery
                    async with aclosing(self._received(client)) as received:
                        async for delivery in received:
                            yield delivery
            except (aiomqtt.MqttError, OSError) as error:  # ssl.SSLError is an OSError
                reason = _in_words(error, self._settings)
            heard = self._heard(reason) if stood else None
            for delivery in self._own(self._link.down(reason, heard, self._reader.watched)):
                yield delivery
            await asyncio.sleep(pauses.next(time.monotonic() - began if stood else 0.0))

    def _client(self) -> Client:
        """Raises OSError where a certificate cannot be read."""
        given = self._settings
        url = urlsplit(given.url)
        return Client(
            url.hostname or "",
            url.port or PORTS[url.scheme],
            version=given.protocol,
            window=given.receive_maximum,
            session_s=given.session_expiry_s,
            now=self._now,
            identifier=given.client_id or f"tailrace-{given.name}",
            username=given.username or (unquote(url.username) if url.username else None),
            password=given.password or (unquote(url.password) if url.password else None),
            keepalive=given.keepalive_s,
            timeout=given.timeout_s,
            tls_context=tls(given.ca, given.cert, given.key) if url.scheme == "mqtts" else None,
        )

    async def _subscribe(self, client: Client) -> str:
        """Asks for every filter, always: a session that the broker lost has none. Gives those that were refused, in words."""
        filters = [filter_of(text) for text in self._settings.filters]
        qos = self._settings.qos
        asked: Any = SubscribeOptions(qos=qos) if self._settings.protocol == "5" else qos
        codes = await client.subscribe([(text, asked) for text in filters])
        refused = [f"{text} ({code})" for text, code in zip(filters, codes, strict=True) if _value(code) >= 0x80]
        if len(refused) == len(filters):
            raise aiomqtt.MqttError(f"the broker refused to subscribe to {', '.join(refused)}")
        return f"the broker refused to subscribe to {', '.join(refused)}" if refused else ""

    async def _received(self, client: Client) -> AsyncGenerator[Delivery, None]:
        while True:
            for run in self._reader.runs(await client.receive(BATCH_MAX)):
                yield _delivery(client, run)

    def _own(self, events: Sequence[AnyEvent]) -> list[Delivery]:
        return [Delivery(events=events, session=self._link.run)] if events else []

    def _heard(self, reason: str) -> int:
        """When the broker last gave a sign: just now, unless it was its silence that ended the connection."""
        silent = 2 * self._settings.keepalive_s * SECOND if reason == KEEPALIVE else 0
        return self._now() - silent


def _delivery(client: Client, run: Run) -> Delivery:
    async def acknowledge() -> None:
        client.acknowledge(run.messages)

    return Delivery(
        events=run.events, rejected=run.rejected, session=run.session, acknowledge=acknowledge, origins=run.origins
    )


def _in_words(error: Exception, settings: MqttSettings) -> str:
    """What a person needs to know: who did not answer, and what to try."""
    text = str(error) or type(error).__name__
    if text == KEEPALIVE:
        return text
    url = urlsplit(settings.url)
    if isinstance(error, FileNotFoundError):
        return f"expected a file for TLS at {error.filename}, got nothing there"
    if "timed out" in text and url.scheme == "mqtts":
        text += " (a broker that wants a client certificate does not answer without one: cert, key)"
    elif "timed out" in text:
        text += " (if the broker speaks TLS on this port: mqtts://)"
    elif "authorized" in text or "password" in text:
        text += " (check username and password)"
    elif text == CUT or "taken over" in text:
        name = settings.client_id or f"tailrace-{settings.name}"
        text = f"the connection was cut (if that goes on: does another client call itself {name!r}? set client_id)"
    return f"the broker at {url.hostname}:{url.port or PORTS[url.scheme]}: {text}"


def _value(code: Any) -> int:
    return int(getattr(code, "value", code))


__all__ = ["MqttSettings", "MqttSource"]
