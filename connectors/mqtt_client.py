"""aiomqtt with the acknowledgement, and the pace, in the caller's hand.

Rules: nothing is acknowledged unless `acknowledge` is called, in the order in which messages came (MQTT 5, 4.6) and on the
connection on which they came; one client is one connection. What waits is bounded: by the broker's window (Receive Maximum),
and where no window holds, as at QoS 0 or with mosquitto 2.0.11, which opens it by a whole window at every acknowledgement,
by not reading from the socket while WAITING_MAX messages wait.

aiomqtt has no public way to acknowledge (its issue 345) or to stop reading, and its iterator makes a task per message. So
this file alone reaches into it: for `_client`, which is paho, `_disconnected` and `_on_socket_open`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Literal, NamedTuple, cast

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

Version = Literal["5", "3.1.1"]

WAITING_MAX = 10_000
"""Messages that wait; then the socket is not read until half of them are taken."""

READS_MAX = 100
"""Packets in one turn of the event loop."""

CONNECT_S = 3.0
"""Seconds for the TCP connection; the thread that makes it cannot be stopped, so a stop of the program waits for it."""


NOBODY = "tailrace/nobody"
SETTLE_S = 1.0
"""Before it leaves, a client asks something and waits for the answer, so long at most: a broker that answers has seen every
acknowledgement before it. mosquitto 2.0.11 drops what it has not read when the line closes, and sends it all again."""


class Received(NamedTuple):
    """A message and when it arrived (ns UTC)."""

    message: aiomqtt.Message
    arrival: int


class Inbox:
    """Messages that wait, stamped as they arrive; the part of asyncio.Queue that aiomqtt fills."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._waiting: deque[Received] = deque()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put_nowait(self, message: aiomqtt.Message) -> None:
        self._waiting.append(Received(message, self._now()))
        self._changed.set()

    def wake(self) -> None:
        """Lets `some` return, with nothing if nothing waits."""
        self._changed.set()

    async def some(self, most: int) -> list[Received]:
        """What waits, at most so many; waits for one."""
        if not self._waiting:
            self._changed.clear()
            await self._changed.wait()
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]


class Client(aiomqtt.Client):
    """One connection; see the file's rules."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        version: Version,
        window: int,
        session_s: int,
        now: Callable[[], int],
        **options: Any,
    ) -> None:
        self._inbox = Inbox(now)
        super().__init__(
            host,
            port,
            **_session(version, window, session_s),
            queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", lambda maxsize: self._inbox),
            **options,
        )
        self._client.manual_ack_set(True)
        self._client.connect_timeout = CONNECT_S
        self._paused = False
        self._acknowledged = False

    async def receive(self, most: int) -> list[Received]:
        """The messages that wait, at most so many; waits for one. After the connection only what cannot come again.

        Raises MqttError, with the reason, when the connection is gone and nothing is left.
        """
        while True:
            received = await self._inbox.some(most)
            self._pace()
            if not self._disconnected.done():
                if received:
                    return received
                continue
            loose = [each for each in received if not each.message.qos]
            if loose or received:
                return loose
            raise aiomqtt.MqttError(_reason(self._disconnected.exception()))

    def acknowledge(self, messages: Iterable[aiomqtt.Message]) -> None:
        """Tells the broker that these are stored; does nothing once the connection is gone."""
        if self._disconnected.done():
            return
        for message in messages:
            if message.qos:
                self._acknowledged = True
                self._client.ack(message.mid, message.qos)

    async def __aenter__(self) -> Client:
        joining = asyncio.ensure_future(super().__aenter__())
        try:
            await asyncio.shield(joining)
        except asyncio.CancelledError:
            # A thread makes the connection and cannot be stopped: what it brings is closed when it comes.
            joining.add_done_callback(self._hang_up)
            raise
        except Exception:
            self._hang_up(joining)
            raise
        self._disconnected.add_done_callback(lambda _: self._inbox.wake())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            if self._acknowledged and not self._disconnected.done():
                await self.unsubscribe(NOBODY, timeout=SETTLE_S)
        with contextlib.suppress(aiomqtt.MqttError):
            await super().__aexit__(kind, error, trace)
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()

    def _on_socket_open(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        """In the thread that connects: aiomqtt's reader is registered, then ours instead of it."""
        super()._on_socket_open(client, userdata, sock)
        self._loop.call_soon_threadsafe(self._listen)

    def _listen(self) -> None:
        sock = self._client.socket()
        if sock is not None:
            self._loop.add_reader(sock.fileno(), self._read)

    def _read(self) -> None:
        """Takes packets as long as they bring messages: a turn of the event loop for each would cost as much as the packet."""
        try:
            for _ in range(READS_MAX):
                before = len(self._inbox)
                self._client.loop_read()
                if len(self._inbox) == before and not self._decrypted():
                    break
        except Exception as error:
            # A socket that breaks while it is read: paho lets through what the operating system says.
            if not self._disconnected.done():
                self._disconnected.set_exception(error)
        self._pace()

    def _decrypted(self) -> bool:
        """Whether TLS holds bytes that the operating system will not announce again."""
        sock = self._client.socket()
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0

    def _pace(self) -> None:
        """Reads or does not, by what waits."""
        sock = self._client.socket()
        if sock is None:
            return
        if not self._paused and len(self._inbox) >= WAITING_MAX:
            self._paused = True
            self._loop.remove_reader(sock.fileno())
        elif self._paused and len(self._inbox) <= WAITING_MAX // 2:
            self._paused = False
            self._listen()

    def _hang_up(self, joining: asyncio.Future[Any]) -> None:
        """Closes the socket of a connection that nobody will use; a broker that never answered leaves it open."""
        if not joining.cancelled():
            joining.exception()
        self._client.disconnect()
        self._client.loop_write()


def _session(version: Version, window: int, session_s: int) -> dict[str, Any]:
    """How to ask for a session that stays; MQTT 3.1.1 has no words for a window or an end of it."""
    if version == "3.1.1":
        return {"protocol": aiomqtt.ProtocolVersion.V311, "clean_session": False}
    properties = _connect_properties(window, session_s)
    return {"protocol": aiomqtt.ProtocolVersion.V5, "clean_start": False, "properties": properties}


def _connect_properties(window: int, session_s: int) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = window
    properties.SessionExpiryInterval = session_s
    return properties


def _reason(error: BaseException | None) -> str:
    if isinstance(error, aiomqtt.MqttCodeError):
        return str(error.rc)
    return str(error) if error else "the broker ended the connection"
