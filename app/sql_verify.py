"""The rows of the database that a folder feeds, as digests of one position of the log.

Rules: where nobody owns the folder it is brought up to date first; else `tailrace up` does that, and a moment is waited for at
which all its projections stand together and none moves while its rows are read.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from tailrace.app import compose
from tailrace.app.sql_feed import Feed
from tailrace.app.sql_origin import ORIGIN, Origin, SqlStore
from tailrace.projections import digest
from tailrace.projections.store_settings import ReadModels
from tailrace.schemas.errors import Unavailable

TRIES = 20
AGAIN_S = 0.5


class Stands(msgspec.Struct, frozen=True):
    """position: in the log; digests: by read model, of the rows there."""

    where: str
    position: int
    digests: dict[str, str]


def digests(directory: Path, settings: ReadModels) -> Stands:
    """What its rows are. Raises Conflict where they are not of this log, Unavailable where it is away or never stands still."""
    if compose.owner_of(directory) is None:
        Feed(directory, settings).once()
    return asyncio.run(_stands(settings))


async def _stands(settings: ReadModels) -> Stands:
    store = compose.sql_store(settings)
    try:
        for _ in range(TRIES):
            before = Origin.of(await store.place(ORIGIN))
            if before.whole == before.reached:
                found = await digest.digests_of(store.read)
                if Origin.of(await store.place(ORIGIN)) == before:
                    return Stands(settings.where, before.whole, found)
            await asyncio.sleep(AGAIN_S)
    finally:
        await store.close()
    raise Unavailable(f"{settings.where}: its rows move while they are read; ask again at a quieter time")


async def reaches(store: SqlStore) -> int:
    """Up to where all its rows are there."""
    try:
        return Origin.of(await store.place(ORIGIN)).whole
    finally:
        await store.close()
