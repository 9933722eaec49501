"""Logs with archives, for tests: one that archives whatever was appended, and records of every kind that a frame can have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from random import Random
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from log_records import NOW, sequenced, state
from tailrace.connectors.archive import Sealed
from tailrace.connectors.archive_make import make, making
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.engine.log import Receipt
from tailrace.schemas import codec, frame
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.instant import SECOND
from tailrace.schemas.record import Record

FOREVER = 2**62


async def archive_all(log: SqliteLog, before: int = FOREVER, *, sweep: bool = True) -> list[Sealed]:
    """Archives everything that a log has, and sweeps it out."""
    done = []
    with making(log.path.parent) as folder, closing(LogReader(log.path)) as reader:
        while sealed := make(folder, reader, before):
            await log.seal(sealed)
            if sweep:
                await log.sweep()
            done.append(sealed)
    return done


class ArchivingLog(SqliteLog):
    """A log that archives after every third append, so that there is always something in both places."""

    appends = 0
    archiving = False

    async def append(self, records: Sequence[Record]) -> Receipt:
        receipt = await super().append(records)
        self.appends += 1
        if self.appends % 3 == 0 and not self.archiving:
            await self._archive()
        return receipt

    async def _archive(self) -> None:
        self.archiving = True
        try:
            await archive_all(self)
        except Unavailable:
            if not self._closed:  # else it was closed meanwhile, which ends it as it ends appends
                raise
        finally:
            self.archiving = False


def mixed(n: int, seed: int = 1) -> list[Record]:
    """Records of several machines and kinds, at positions from 1."""
    random = Random(seed)
    records = []
    for i in range(n):
        kind = random.randrange(4)
        if kind == 0:
            records.append(state(i, machine=random.choice(["M1", "Fräse-α", ""])))
        elif kind == 1:
            records.append(sequenced(1 + 20 * i, 20, session=f"s{i % 2}"))
        else:
            records.append(any_frame(i, random.choice(["M1", "M2"])))
    return [msgspec.structs.replace(record, position=i) for i, record in enumerate(records, 1)]


def any_frame(seed: int, machine: str = "M1") -> Record:
    """A frame with columns of every type, some with holes and statuses, with floats of every sort."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1, 2, 7, 8, 33, 200]))
    columns = [_column(rng, n, name) for name in ("decimal", "counter", "flag", "word", "float", "odd", "step")]
    t = NOW + np.cumsum(rng.integers(0, 2 * SECOND, n)) * int(rng.choice([1, 100]))
    seq = rng.integers(-1, 5, n) if rng.random() < 0.3 else None
    ids = [f"{seed}-{i}" for i in range(n)]
    payload = frame.encode(t.astype(np.int64), columns, seq=seq, ids=ids)
    return codec.frame_record(
        payload, machine=machine, ingested=NOW + seed, source="any", session=f"a{seed % 3}", clock="plc", site="Köln"
    )


def _column(rng: np.random.Generator, n: int, name: str) -> tuple[frame.Column, NDArray[Any], NDArray[np.bool_] | None]:
    made: dict[str, Callable[[], NDArray[Any]]] = {
        "decimal": lambda: np.round(rng.normal(70, 5, n), 2),
        "counter": lambda: 2**60 + np.cumsum(rng.integers(0, 9, n)),
        "flag": lambda: rng.random(n) < 0.5,
        "word": lambda: rng.integers(0, 3, n).astype(np.uint32),
        "float": lambda: rng.normal(0, 1e-3, n),
        "odd": lambda: rng.choice([0.0, -0.0, np.nan, np.inf, -np.inf, 1e300, 5e-324, 1.5], n),
        "step": lambda: np.round(np.cumsum(rng.normal(0, 0.1, n)), 1) + 0.0,
    }
    data = made[name]()
    kind = {"counter": "i8", "flag": "b1", "word": "u4"}.get(name, "f8")
    valid = None if rng.random() < 0.6 else rng.random(n) < 0.7
    status = [] if rng.random() < 0.6 else [(frame.BAD, n - n // 2), (0, n // 2)][: 1 + (n > 1)]
    words = ["a", "b", "ż"] if name == "word" else []
    return frame.Column(name, kind, name == "counter", valid is None, status, words), data, valid
