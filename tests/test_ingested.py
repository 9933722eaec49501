"""Where what was known at a time ends in the log, found by blocks of it: the same place that a look at every record finds."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tailrace.app.oee_picture import known_until
from tailrace.app.pipeline import drive
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.engine.projector import Projector
from tailrace.projections.ingested import BLOCK, IngestedRows
from tailrace.projections.store_sqlite import SqliteStore
from tailrace.schemas import codec
from tailrace.schemas.event import StateChanged
from tailrace.schemas.instant import Instant
from tailrace.schemas.record import Record


class Records(LogReader):
    """Records at hand as a log that is read."""

    def __init__(self, found: Sequence[Record]) -> None:
        super().__init__(Path("none"))
        self._found = found

    def read(self, after: int, limit: int) -> list[Record]:
        return list(self._found[after : after + limit])


class Log:
    """The same for a projector, up to some place."""

    def __init__(self, found: Sequence[Record]) -> None:
        self._found = found

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        return self._found[after : after + limit]

    async def end(self) -> int:
        return len(self._found)


@pytest.mark.parametrize("spread", [1, 10])
@pytest.mark.parametrize("folded", [0, 1, BLOCK, 2 * BLOCK + 7, 3 * BLOCK])
def test_the_place_is_the_one_before_the_first_that_came_in_later(folded: int, spread: int) -> None:
    rng = random.Random(folded)
    said = codec.record_of(StateChanged(machine="M1", t=Instant(1), ingested=Instant(1), id="a", state="idle"))
    times = [rng.randrange(spread) + i for i in range(3 * BLOCK)]
    found = [msgspec.structs.replace(said, position=i, ingested=t) for i, t in enumerate(times, 1)]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        drive(Projector(SqliteStore(connection), IngestedRows(), Log(found[:folded]), batch=300).drain())
        asked = [-1, 0, BLOCK - 2, BLOCK - 1, BLOCK, BLOCK + 1, *rng.sample(times, 40), max(times), max(times) + 1]
        for t in asked:
            wanted = next((i for i, at in enumerate(times) if at > t), len(times))
            assert known_until(Records(found), connection, t) == wanted
