"""The log of a folder for whoever is not its `up`: through the process that owns the folder, or as its owner meanwhile.

Rules: as owner, an edit returns when it is folded and in the rows, so that whoever edits sees what became of it; a running
`tailrace up` folds by itself. A folder that follows a log on Kafka has nothing of its own: what is appended goes through `up`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

from tailrace.app import compose, kafka_folder
from tailrace.app.pipeline import Pipeline
from tailrace.engine.log import Log, Receipt
from tailrace.schemas.errors import Owned
from tailrace.schemas.record import Record

WAIT_S = 30.0
"""How long another command may own the folder before one gives up."""

POLL_S = 0.1


@asynccontextmanager
async def edit_log(directory: Path) -> AsyncIterator[Log]:
    """A log that takes edits. Raises InvalidSettings where there is no folder, Owned where it is not to be had."""
    compose.events_file(directory)
    ownership = await _own(directory)
    if ownership is None:
        through = compose.SocketLog(directory)
        try:
            yield through
        finally:
            await through.close()
        return
    with ownership:
        kafka_folder.require_none(directory)
        with compose.pipeline(directory) as pipeline:
            log = _Folding(directory, pipeline)
            try:
                pipeline.drain()
                yield log
                pipeline.checkpoint()
            finally:
                await log.close()


@asynccontextmanager
async def folder_log(directory: Path) -> AsyncIterator[compose.SocketLog | compose.SqliteLog]:
    """The log as it is, for who brings records or files; the folder is made. Raises Owned where it is not to be had."""
    ownership = await _own(directory)
    events = directory / compose.EVENTS_FILE
    with ownership or nullcontext():
        log = compose.SocketLog(directory) if ownership is None else compose.SqliteLog(events)
        try:
            yield log
        finally:
            await log.close()


class _Folding(compose.SqliteLog):
    """A log whose appends are folded at once."""

    def __init__(self, directory: Path, pipeline: Pipeline) -> None:
        super().__init__(directory / compose.EVENTS_FILE)
        self._pipeline = pipeline

    async def append(self, records: Sequence[Record]) -> Receipt:
        receipt = await super().append(records)
        await asyncio.to_thread(self._pipeline.drain)
        return receipt


async def _own(directory: Path) -> compose.Ownership | None:
    """The folder, once a command that owns it for a moment has let go; None where its owner takes appends from others."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return compose.own(directory)
        except Owned:
            if compose.listens(directory):
                return None
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(POLL_S)
