"""One connection to an OPC UA server: a session, a subscription, its notifications in order, and its end.

Rules: the next notification is asked for, and the last one confirmed to the server, when the last one is stored; until then
the server keeps both it and what follows, within the queue of each node. The end of a connection is Lost, once, with the
reason and with the last moment at which the server was heard. A subscription whose first message does not come, or that is
silent for two keep-alives, ends it, even if the server answers other requests: subscriptions do fall silent. A connection is
never mended; the source makes a new one.

asyncua's own Subscription confirms before anything is stored, and its auto_reconnect deletes the live subscription after a
refused transfer; so the services of its session are called here directly.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto.uacrypto import load_certificate
from asyncua.ua.attribute_ids import AttributeIds
from cryptography import x509

from tailrace.connectors.link import Now
from tailrace.connectors.opcua_settings import OpcUaSettings
from tailrace.connectors.opcua_values import Change
from tailrace.connectors.opcua_words import in_words

DEFAULT_URI = "urn:tailrace:collector"
CHUNK = 500
"""Nodes in one request; servers refuse much larger ones."""

SESSION_MS = 60_000
CLOSE_S = 2.0
PROBE_MIN_S = 1.0
"""asyncua asks the server for its state every so often, and gives it as long to answer."""

LIFETIME_S = 3600.0
"""How long the server keeps a subscription while an append is under way."""

logging.getLogger("asyncua").addHandler(logging.NullHandler())


class Lost(Exception):
    """The connection is gone; `heard` (ns UTC) was the server's last sign of life."""

    def __init__(self, reason: str, heard: int) -> None:
        super().__init__(reason)
        self.reason, self.heard = reason, heard


class Notification(NamedTuple):
    """Data changes that came together; `stored` is set when the server may forget them. `gap`: numbers never seen."""

    changes: Sequence[Change]
    arrival: int
    stored: asyncio.Event
    gap: tuple[int, int] | None = None


class Connection:
    """See the file's rules. `open`, then `next` until Lost, then `close`, whatever happened."""

    def __init__(self, settings: OpcUaSettings, now: Now) -> None:
        self._settings, self._now = settings, now
        probe_s = max(settings.keepalive_s, PROBE_MIN_S)
        self._client = Client(settings.url, timeout=settings.timeout_s, watchdog_intervall=probe_s)
        self._client.name = self._client.description = "Tailrace"
        self._client.application_uri = settings.application_uri or DEFAULT_URI
        self._client.session_timeout = SESSION_MS
        self._client.connection_lost_callback = self._dropped
        if settings.username is not None:
            self._client.set_user(settings.username)
            self._client.set_password(settings.password or "")
        self._notifications: asyncio.Queue[Notification] = asyncio.Queue(1)
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._heard = now()
        self._patience = self._alive_s = 0.0
        self._silent_since = time.monotonic()
        self._waiting = False
        self._next_number = 0

    async def open(self) -> list[tuple[int, str]]:
        """Connects and subscribes; gives the slots whose node the server refused, and why. Raises Lost."""
        try:
            if self._settings.security:
                await self._secure()
            await self._client.connect()
            return await self._subscribe()
        except Exception as error:  # asyncua lets through whatever its decoders and its cryptography raise
            raise Lost(in_words(error, self._settings), 0) from error

    async def _secure(self) -> None:
        """A server compares the name that we give with the one in our certificate."""
        certificate = await load_certificate(self._settings.security.split(",")[2])
        self._client.application_uri = self._settings.application_uri or _name_in(certificate)
        await self._client.set_security_string(self._settings.security)

    async def _subscribe(self) -> list[tuple[int, str]]:
        subscription = await self._client.uaclient.session.create_subscription(self._parameters(), self._published)
        interval_s = subscription.RevisedPublishingInterval / 1000
        self._silent_since = time.monotonic()
        self._patience = interval_s + self._settings.timeout_s
        self._alive_s = 2 * interval_s * max(subscription.RevisedMaxKeepAliveCount, 1) + self._settings.timeout_s
        return await self._monitor(subscription.SubscriptionId)

    async def next(self) -> Notification:
        """The next notification; raises Lost."""
        taking = asyncio.ensure_future(self._notifications.get())
        try:
            while not taking.done():
                self._listen()
                if self._ended.done():
                    raise Lost(self._ended.result(), self._heard)
                await asyncio.wait(
                    (taking, self._ended), timeout=self._patience / 4, return_when=asyncio.FIRST_COMPLETED
                )
            return taking.result()
        finally:
            taking.cancel()

    async def close(self) -> None:
        """Ends session and socket, with good manners while the server answers."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._client.disconnect()
        except Exception as error:
            logging.getLogger(__name__).debug("while closing: %r", error)
        finally:
            self._client.disconnect_socket()

    async def _monitor(self, subscription: int) -> list[tuple[int, str]]:
        refused: list[tuple[int, str]] = []
        slots = self._settings.slots
        for start in range(0, len(slots), CHUNK):
            parameters = ua.CreateMonitoredItemsParameters()
            parameters.SubscriptionId = subscription
            parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
            wanted: list[int] = []
            for handle in range(start, min(start + CHUNK, len(slots))):
                try:
                    parameters.ItemsToCreate.append(await self._item(handle, slots[handle].node))
                    wanted.append(handle)
                except ValueError as error:
                    refused.append((handle, str(error)))
            results = await self._client.uaclient.session.create_monitored_items(parameters)
            refused += [
                (handle, f"{slots[handle].node!r}: {result.StatusCode.name}")
                for handle, result in zip(wanted, results, strict=True)
                if not result.StatusCode.is_good()
            ]
        return refused

    async def _item(self, handle: int, node: str) -> ua.MonitoredItemCreateRequest:
        """Raises ValueError for a namespace that the server does not have."""
        item = ua.MonitoredItemCreateRequest()
        item.ItemToMonitor.NodeId = await self._node(node)
        item.ItemToMonitor.AttributeId = AttributeIds.Value
        item.MonitoringMode = ua.MonitoringMode.Reporting
        item.RequestedParameters.ClientHandle = handle
        item.RequestedParameters.SamplingInterval = self._settings.sampling_interval_ms
        item.RequestedParameters.QueueSize = self._settings.queue_size
        item.RequestedParameters.DiscardOldest = True
        return item

    async def _node(self, text: str) -> ua.NodeId:
        node = ua.NodeId.from_string(text)
        if not isinstance(node, ua.ExpandedNodeId) or not node.NamespaceUri:
            return node
        spaces = await self._client.get_namespace_array()
        if node.NamespaceUri not in spaces:
            raise ValueError(f"{text!r}: the server has no namespace {node.NamespaceUri!r}")
        return ua.NodeId(node.Identifier, ua.Int16(spaces.index(node.NamespaceUri)), node.NodeIdType)

    def _parameters(self) -> ua.CreateSubscriptionParameters:
        given = self._settings
        parameters = ua.CreateSubscriptionParameters()
        parameters.RequestedPublishingInterval = given.publishing_interval_ms
        parameters.RequestedMaxKeepAliveCount = max(1, round(given.keepalive_s * 1000 / given.publishing_interval_ms))
        parameters.RequestedLifetimeCount = max(
            3 * parameters.RequestedMaxKeepAliveCount, round(LIFETIME_S * 1000 / given.publishing_interval_ms)
        )
        parameters.MaxNotificationsPerPublish = 10_000
        parameters.PublishingEnabled = True
        return parameters

    async def _published(self, result: ua.PublishResult) -> None:
        """Runs in asyncua's publish loop, which confirms and asks again when this returns."""
        message = result.NotificationMessage
        changes: list[Change] = []
        for data in message.NotificationData or []:
            if isinstance(data, ua.DataChangeNotification):
                changes += [Change(item.ClientHandle, item.Value) for item in data.MonitoredItems]
            elif isinstance(data, ua.StatusChangeNotification):
                self._end(f"the server ended the subscription: {data.Status.name}")
                return
        self._heard, self._silent_since, self._patience = self._now(), time.monotonic(), self._alive_s
        if not changes:
            return
        gap = self._missed(message.SequenceNumber)
        notification = Notification(changes, self._heard, asyncio.Event(), gap)
        self._waiting = True
        await self._notifications.put(notification)
        await notification.stored.wait()
        self._waiting, self._silent_since = False, time.monotonic()

    def _missed(self, number: int) -> tuple[int, int] | None:
        """The numbers of notifications that never came."""
        expected, self._next_number = self._next_number, number + 1
        return (expected, number - 1) if 0 < expected < number else None

    def _listen(self) -> None:
        """Ends a connection on which the subscription has fallen silent; waiting for the log is not silence."""
        silence = time.monotonic() - self._silent_since
        if not self._waiting and silence > self._patience:
            self._end(f"the subscription has been silent for {silence:.0f} s")

    async def _dropped(self, error: Exception) -> None:
        silent = isinstance(error, TimeoutError)
        self._end(
            "the server does not answer" if silent else f"the connection was cut ({str(error) or type(error).__name__})"
        )

    def _end(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)


def _name_in(certificate: x509.Certificate) -> str:
    """The application URI of a certificate."""
    with suppress(x509.ExtensionNotFound):
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), DEFAULT_URI)
    return DEFAULT_URI
