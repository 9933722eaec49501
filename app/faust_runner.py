"""A worker on Kafka (app/kafka_worker.py) that Faust hosts: one agent on `events`, raw bytes, no table.

Rules
1. Faust says which partitions are this process's, and brings their messages; where a partition stands, its Share alone says.
   What is before a message that comes early is read from the log; a message that comes late is dropped.
2. What Faust has fetched in a rebalance it may never bring: a partition that it was silent about is read to its end.
3. What fails is tried again with a new Share before the agent goes on: Faust takes a message whose agent raised for done. The
   offsets that it commits decide nothing but where it begins to bring messages.
4. A Faust app that crashed is thrown away, and another one begins.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from typing import Any

import faust

from tailrace.app.kafka_host import Host, Share
from tailrace.connectors.kafka_records import record_of
from tailrace.schemas.errors import Unavailable

QUIET_S = 1.0
"""Silence of Faust about a partition, after which its log is looked at."""

LOOK_S = 0.02
END_S = 30.0
REBALANCE_S, REQUEST_S = 5.0, 10.0
"""At least so long; Faust wants a request to wait for longer than a session."""


class HostedShare(Share):
    """A partition that can also read for itself."""

    brought = 0.0
    """When Faust brought something of it, or it was read."""

    async def reach(self, until: int | None = None) -> None:
        self.brought = time.monotonic()
        await super().reach(until)


class FaustWorker(Host[HostedShare]):
    """Runs until `stop`."""

    _kind = HostedShare

    async def _stay(self) -> None:
        """One Faust app, until `stop` or until it crashes."""
        with tempfile.TemporaryDirectory(prefix="tailrace-faust-") as folder:
            app, tasks = self._app(folder), list[asyncio.Task[Any]]()
            try:
                await app.start()
                tasks += [
                    asyncio.create_task(each) for each in (app._crashed.wait(), self._stopped.wait(), self._tend())
                ]
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    each.result()
                if app._crashed.is_set():
                    raise Unavailable(f"Faust has crashed: {app.crash_reason!r}")
            finally:
                for each in tasks:
                    each.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._assign(())
                async with asyncio.timeout(END_S):
                    await app.stop()

    def _app(self, folder: str) -> Any:
        settings = self._settings
        app = faust.App(
            settings.group, broker=[f"kafka://{each}" for each in settings.servers], store="memory://", datadir=folder,
            web_enabled=False, topic_disable_leader=True, topic_allow_declare=False, stream_wait_empty=False,
            processing_guarantee="at_least_once", broker_session_timeout=settings.session_s,
            broker_heartbeat_interval=settings.session_s / 5,
            broker_rebalance_timeout=max(settings.session_s, REBALANCE_S),
            broker_request_timeout=max(settings.session_s, REQUEST_S),
        )  # fmt: skip
        topic = app.topic(
            settings.events, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )

        async def revoked(_: Any, partitions: Any, **__: Any) -> None:
            await self._assign(())

        async def assigned(_: Any, partitions: Any, **__: Any) -> None:
            await self._assign(each.partition for each in partitions if each.topic == settings.events)

        async def fold(stream: Any) -> None:
            async for event in stream.events():
                await self._take(event.message)

        app.on_partitions_revoked.connect(revoked, weak=False)
        app.on_partitions_assigned.connect(assigned, weak=False)
        app.agent(topic)(fold)
        app.finalize()
        return app

    # -- partitions ----------------------------------------------------------------------------------------------------

    async def _tend(self) -> None:
        """Restores what was assigned and is not held; reads what Faust is silent about."""
        while True:
            await self._begin()
            for partition, share in list(self._shares.items()):
                async with self._lock:
                    if self._shares.get(partition) is share and share.brought < time.monotonic() - QUIET_S:
                        await self._guard(partition, share.reach())
            await asyncio.sleep(QUIET_S / 4)

    async def _guard(self, partition: int, doing: Any) -> bool:
        done = await super()._guard(partition, doing)
        share = self._shares.get(partition)
        if done and share is not None:
            self.held[partition] = share.position
        return done

    # -- messages ------------------------------------------------------------------------------------------------------

    async def _take(self, message: Any) -> None:
        """Returns when the message is folded, or when its partition has changed hands."""
        generation = self._generation
        while not self._stopped.is_set():
            async with self._lock:
                if generation != self._generation:
                    return
                share = self._shares.get(message.partition)
                if share is not None and await self._guard(message.partition, self._fold(share, message)):
                    return
            await asyncio.sleep(LOOK_S)

    async def _fold(self, share: HostedShare, message: Any) -> None:
        share.brought = time.monotonic()
        if message.offset > share.position:
            await share.reach(message.offset)
        if message.offset == share.position:
            await share.take([record_of(message)])
