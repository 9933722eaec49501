"""Projection `oee`: buckets of the derived log become rows of `oee_bucket`, the latest revision standing, and sums of them.

A bucket of zeros means that its minute holds nothing of that product any more: its row goes. `shift` has the shift instances of
topology `shifts`; `oee_hour` and `oee_shift` are made again with every change (projections/oee_rollup.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from tailrace.engine.projection import Part
from tailrace.engine.store import Change
from tailrace.projections.oee_rollup import shift_rows, summed
from tailrace.projections.texts import utc
from tailrace.schemas import bucket, shift
from tailrace.schemas.record import Derived

_COLUMNS = ("machine", "start_ns", "product", "start", "revision", "known_from_ns", *bucket.COLUMNS)

KINDS = {("oee", 2, bucket.KIND), (shift.TOPOLOGY, 1, shift.KIND)}


class OeeRows:
    """The mapping for topology `oee` (version 2) and `shifts` (version 1)."""

    name = "oee"
    reads: Literal["events", "derived"] = "derived"

    def wants(self, record: Derived) -> bool:
        return (record.topology, record.version, record.kind) in KINDS

    def changes(self, parts: Sequence[Part[Derived]]) -> list[Change]:
        rows: dict[tuple[str, int, str], dict[str, Any] | None] = {}
        shifts: list[tuple[str, shift.Shift]] = []
        for record, skip in parts:
            if record.kind == shift.KIND:
                shifts += [(record.key, each) for each in shift.decode(record.body)[skip:]]
            else:
                rows.update(_rows(record.key, bucket.decode(record.body), skip))
        gone = [
            dict(zip(("machine", "start_ns", "product"), key, strict=True)) for key, row in rows.items() if row is None
        ]
        minutes = Change("oee_bucket", [row for row in rows.values() if row is not None], gone)
        return [shift_rows(shifts), minutes, *summed({key[:2] for key in rows}, shifts)]


def _rows(machine: str, found: bucket.Buckets, skip: int) -> dict[tuple[str, int, str], dict[str, Any] | None]:
    keys = np.stack([found.start, found.product, found.revision, found.known_from], axis=1)[skip:].tolist()
    tallies = found.tallies[skip:]
    present: list[bool] = np.asarray(tallies.any(axis=1)).tolist()
    rows: dict[tuple[str, int, str], dict[str, Any] | None] = {}
    for (start, code, revision, known), cells, some in zip(keys, tallies.tolist(), present, strict=True):
        product = found.products[code]
        values = (machine, start, product, utc(start), revision, known, *cells)
        rows[(machine, start, product)] = dict(zip(_COLUMNS, values, strict=True)) if some else None
    return rows
