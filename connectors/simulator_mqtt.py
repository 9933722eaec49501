"""The simulated machines on MQTT: one JSON message a sample, QoS 1, on `plant/<machine>/data`.

Rules: a message carries the machine's own count and the boot that it counts from, so one that comes twice is known. What the
broker has not confirmed waits here and is sent again, in order, for as long as it takes; so is what it confirmed in the last
KEPT_S before it went, since a broker that is killed forgets what it has not saved. If more than WAITING_MAX wait while it is
away, the oldest go, counted in `lost`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any

import aiomqtt

from tailrace.connectors.simulator_broker import HOST, Broker
from tailrace.connectors.simulator_feed import Sample
from tailrace.connectors.simulator_table import Product
from tailrace.schemas.instant import SECOND, format_instant

TOPIC = "plant/{machine}/data"
Message = tuple[str, bytes]
WAITING_MAX = 100_000
AT_ONCE = 200
KEPT_S = 5.0
CANCEL_S = 0.3
RETRY_S = 0.3
_said = logging.getLogger("tailrace")
_quiet = logging.getLogger("tailrace.plant.mqtt")
_quiet.setLevel(logging.ERROR)  # that many messages wait for their confirmation is meant


class Publisher:
    """Sends samples to a broker, as an async context. boot: names this run in every message."""

    def __init__(self, broker: Broker, boot: str) -> None:
        self._broker, self._boot = broker, boot
        self._waiting: deque[Message] = deque()
        self._confirmed: deque[tuple[float, Message]] = deque()
        self._more, self._empty = asyncio.Event(), asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self.sent = self.lost = 0
        self.connected = False

    @property
    def waiting(self) -> int:
        """Messages that the broker has not confirmed."""
        return len(self._waiting)

    def give(self, samples: Iterable[Sample]) -> None:
        """Queues what is to be sent."""
        for sample in samples:
            self._waiting.append((TOPIC.format(machine=sample.machine), payload(sample, self._boot)))
        while len(self._waiting) > WAITING_MAX and not self.connected:
            self._waiting.popleft()
            self.lost += 1
        if self._waiting:
            self._empty.clear()
            self._more.set()

    async def drained(self) -> None:
        """Returns when nothing waits."""
        await self._empty.wait()

    async def __aenter__(self) -> Publisher:
        self._sending = asyncio.create_task(self._send(), name="publisher")
        return self

    async def __aexit__(self, *_: object) -> None:
        sending, self._sending = self._sending, None
        while sending is not None and not sending.done():
            sending.cancel()  # again: before Python 3.12 asyncio.wait_for may swallow one that comes as it succeeds
            await asyncio.wait({sending}, timeout=CANCEL_S)

    async def _send(self) -> None:
        """Connects, again and again, and sends."""
        version = aiomqtt.ProtocolVersion.V5 if self._broker.version == "5" else aiomqtt.ProtocolVersion.V311
        while True:
            with contextlib.suppress(aiomqtt.MqttError, OSError):
                client = aiomqtt.Client(
                    HOST, self._broker.port, protocol=version, identifier="plant", timeout=5.0, logger=_quiet
                )
                async with client:
                    self.connected = True
                    self._waiting.extendleft(message for _, message in reversed(self._confirmed))
                    self._confirmed.clear()
                    await self._send_on(client)
            if self.connected:
                _said.info("plant: the broker is gone; %d messages wait", len(self._waiting))
            self.connected = False
            await asyncio.sleep(RETRY_S)

    async def _send_on(self, client: aiomqtt.Client) -> None:
        """Sends what comes, until the connection ends, which raises MqttError."""
        gone = asyncio.ensure_future(_gone(client))
        waits: set[asyncio.Future[Any]] = {gone}
        try:
            while not gone.done():
                await self._send_all(client)
                more = asyncio.ensure_future(self._more.wait())
                waits = {gone, more}
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                more.cancel()
            gone.result()
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _send_all(self, client: aiomqtt.Client) -> None:
        while self._waiting:
            some = [self._waiting[i] for i in range(min(AT_ONCE, len(self._waiting)))]
            await _all(client.publish(topic, message, qos=1) for topic, message in some)
            self._confirm(len(some))
        self._more.clear()
        self._empty.set()

    def _confirm(self, n: int) -> None:
        now = time.monotonic()
        self._confirmed.extend((now, self._waiting.popleft()) for _ in range(n))
        while self._confirmed[0][0] < now - KEPT_S:
            self._confirmed.popleft()
        self.sent += n


async def _gone(client: aiomqtt.Client) -> None:
    """Raises MqttError when the connection has ended; nothing ever comes on it."""
    async for _ in client.messages:
        pass


def payload(sample: Sample, boot: str) -> bytes:
    """The message of a sample; a sensor that should give something and does not is null."""
    moment = sample.moment
    values: dict[str, float | None] = {**moment.values, **dict.fromkeys(sample.silent)}
    return json.dumps(
        {
            "ts": format_instant(sample.stamp),
            "boot": boot,
            "seq": sample.n,
            "state": moment.state,
            "product": moment.product.name,
            "ideal": ideal_s(moment.product),
            "counts": {"total": moment.total, "reject": moment.reject},
            "values": values,
        },
        separators=(",", ":"),
    ).encode()


def ideal_s(product: Product) -> float:
    """The ideal cycle in seconds."""
    return product.ideal / SECOND


async def _all(sending: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Sends all, in their order, and raises what the first failure was once all have an end."""
    results = await asyncio.gather(*sending, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
