"""Source: nodes of an OPC UA server, by subscription.

Rules: one notification is one delivery; the server is told that it arrived after everything in it is durable, and is asked
for the next one then. A value that is no signal's, and a node that the server does not have, is rejected by name while the
others go on. A server that is away is tried again, with growing pauses, for ever; what happened meanwhile is between
`connection.lost` and `connection.restored`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

from tailrace.connectors.link import Link, Now, Pauses
from tailrace.connectors.opcua_connection import Connection, Lost, Notification
from tailrace.connectors.opcua_nodes import Nodes
from tailrace.connectors.opcua_settings import OpcUaMachine, OpcUaSettings
from tailrace.engine.source import Delivery, Health

SHOWN = 5


class OpcUaSource:
    """One server's nodes. `now` gives ns UTC."""

    def __init__(self, settings: OpcUaSettings, now: Now = time.time_ns) -> None:
        self.name = settings.name
        self._settings = settings
        self._now = now
        self._link = Link(settings.name, now)
        self._nodes = Nodes(settings, self._link)
        self._told: set[int] = set()

    @property
    def health(self) -> Health:
        return self._link.health

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """What the server sends, for ever."""
        pauses = Pauses(0.2, self._settings.retry_max_s)
        while True:
            began, stood = time.monotonic(), False
            connection = Connection(self._settings, self._now)
            try:
                refused = await connection.open()
                stood = True
                yield self._begin(refused)
                while True:
                    yield self._delivery(await connection.next())
            except Lost as lost:
                own = self._link.down(lost.reason, lost.heard if stood else None, self._nodes.watched)
            finally:
                await connection.close()
            if own:
                yield Delivery(events=own, session=self._link.run)
            await asyncio.sleep(pauses.next(time.monotonic() - began if stood else 0.0))

    def _begin(self, refused: Sequence[tuple[int, str]]) -> Delivery:
        """A new connection: what it restores, and each node that the server does not have, once."""
        self._nodes.forget()
        names = [why for _, why in refused]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        detail = f"nodes that the server does not give: {', '.join(names[:SHOWN])}{more}" if names else ""
        rejected = [self._nodes.missing(handle, why) for handle, why in refused]
        fresh = [each for (handle, _), each in zip(refused, rejected, strict=True) if handle not in self._told]
        self._told.update(handle for handle, _ in refused)
        return Delivery(events=self._link.up(detail), rejected=fresh, session=self._link.run)

    def _delivery(self, notification: Notification) -> Delivery:
        events, rejected = self._nodes.read(notification.changes, notification.arrival)
        if notification.gap is not None:
            events.insert(0, self._link.gap("", "notifications", *notification.gap))

        async def acknowledge() -> None:
            notification.stored.set()

        return Delivery(events=events, rejected=rejected, session=self._link.run, acknowledge=acknowledge)


__all__ = ["OpcUaMachine", "OpcUaSettings", "OpcUaSource"]
