"""Projection `rollup`: what signals were, minute by minute and hour by hour, as rows of `signal_rollup`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from tailrace.engine.projection import Part
from tailrace.engine.store import Change
from tailrace.projections.texts import utc
from tailrace.schemas import rollup
from tailrace.schemas.instant import SECOND
from tailrace.schemas.record import Derived

_VALUES = ("min", "max", "sum", "first", "last")
assert len(_VALUES) == len(rollup.FLOATS)


class RollupRows:
    """The mapping for version 1 of topology `rollup`."""

    name = "rollup"
    reads: Literal["events", "derived"] = "derived"

    def wants(self, record: Derived) -> bool:
        return record.topology == rollup.TOPOLOGY and record.version == 1 and record.kind == rollup.KIND

    def changes(self, parts: Sequence[Part[Derived]]) -> list[Change]:
        rows = [row for record, skip in parts for row in _rows(record.key, rollup.decode(record.body), skip)]
        newest = {(row["machine"], row["signal"], row["resolution_s"], row["start_ns"]): row for row in rows}
        return [Change("signal_rollup", list(newest.values()))]


def _rows(machine: str, found: rollup.Rolled, skip: int) -> Iterator[dict[str, Any]]:
    for ints, floats in zip(found.ints.T[skip:].tolist(), found.floats.T[skip:].tolist(), strict=True):
        signal, resolution, start, n, bad, first_t, last_t, revision, known, _ = ints
        values = [value if n and math.isfinite(value) else None for value in floats]
        times = (first_t, last_t) if n else (None, None)
        yield {
            "machine": machine, "signal": found.names[signal], "resolution_s": resolution // SECOND, "start_ns": start,
            "start": utc(start), "n": n, "bad": bad, **dict(zip(_VALUES, values, strict=True)),
            "first_t_ns": times[0], "last_t_ns": times[1], "revision": revision, "known_from_ns": known,
        }  # fmt: skip
