"""What every page is given: the folder, the plant's clock and zone, and a way to ask that blocks a thread, never the loop."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any, Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from nicegui import background_tasks
from nicegui.context import context

from tailrace.app import compose
from tailrace.app.api import Served
from tailrace.app.live import Told
from tailrace.app.oee_query import definitions_of
from tailrace.app.settings import Site
from tailrace.app.ui_figures import Figures
from tailrace.app.ui_groups import Groups
from tailrace.app.ui_text import Zone
from tailrace.projections.oee_definition import BUILT_IN, VERSION
from tailrace.schemas.errors import TailraceError

RETRY_S = 1.0
P = ParamSpec("P")
T = TypeVar("T")


class Desk:
    """One a process."""

    def __init__(self, served: Served, site: Site) -> None:
        self.served, self.site = served, site
        self.zone = Zone(ZoneInfo(site.timezone), site.timezone)
        self.figures = Figures(served.directory, served.clock, self._behind)
        self.groups = Groups(served.directory, served.clock, self._behind)

    def _behind(self) -> bool:
        """Whether the fold has not reached what came in."""
        return self.served.status()["catching_up"] is not None

    def now(self) -> int:
        """The server's clock, ns UTC."""
        return self.served.clock()

    async def definitions(self, machine: str) -> list[str]:
        """name@version of every definition that a machine can be judged by; those of every plant while it is not known."""
        with suppress(TailraceError):
            return await asyncio.to_thread(definitions_of, self.served.directory, machine)
        return [f"{name}@{VERSION}" for name in BUILT_IN]

    async def ask(
        self, question: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The answer of a question to the read models (projections/queries.py)."""

        def asked() -> T:
            with compose.read_store(self.served.directory) as connection:
                return question(connection, *args, **kwargs)

        return await asyncio.to_thread(asked)

    def live(self, take: Callable[[list[Told]], Awaitable[None]]) -> None:
        """Calls `take` with what stands and then with what changes, as long as the page that is being built is open."""
        self.while_open(self._follow(take))

    def while_open(self, task: Awaitable[Any]) -> None:
        """Runs something as long as the page that is being built is open."""
        client = context.client
        running = background_tasks.create(task, name=f"page {client.id}", context=client)
        client.on_delete(running.cancel)

    async def _follow(self, take: Callable[[list[Told]], Awaitable[None]]) -> None:
        while True:
            try:
                async with aclosing(self.served.changes.batches()) as batches:
                    async for batch in batches:
                        await take(batch)
                return
            except TailraceError:
                await asyncio.sleep(RETRY_S)
