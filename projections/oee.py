"""Projection `oee`: buckets of the derived log become rows of `oee_bucket`, the latest revision standing, and sums of them.

What a row was before it is restated goes to `oee_history`, with what restated it: from the rows at hand where it came in the
same batch, else from the table.

A bucket of zeros means that its minute holds nothing of that product any more: its row goes. `shift` has the shift instances of
topology `shifts`; `oee_hour` and `oee_shift` are made again with every change (projections/oee_rollup.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from tailrace.engine.projection import Part
from tailrace.engine.store import Change
from tailrace.projections.oee_rollup import shift_rows, summed
from tailrace.projections.texts import utc
from tailrace.schemas import bucket, shift
from tailrace.schemas.record import Derived

_COLUMNS = ("machine", "start_ns", "product", "start", "revision", "known_from_ns", *bucket.COLUMNS)

Key = tuple[str, int, str]
KEY = ("machine", "start_ns", "product")

KINDS = {("oee", 3, bucket.KIND), (shift.TOPOLOGY, 1, shift.KIND)}


class OeeRows:
    """The mapping for topology `oee` (version 3) and `shifts` (version 1)."""

    name = "oee"
    reads: Literal["events", "derived"] = "derived"

    def wants(self, record: Derived) -> bool:
        return (record.topology, record.version, record.kind) in KINDS

    def changes(self, parts: Sequence[Part[Derived]]) -> list[Change]:
        rows: dict[Key, dict[str, Any] | None] = {}
        was: list[dict[str, Any]] = []
        keep: list[dict[str, Any]] = []
        shifts: list[tuple[str, shift.Shift]] = []
        for record, skip in parts:
            if record.kind == shift.KIND:
                shifts += [(record.key, each) for each in shift.decode(record.body)[skip:]]
            else:
                found = bucket.decode(record.body)
                for key, ended in _ended(record.key, found, skip):
                    if key not in rows:
                        keep.append(ended)
                    elif (row := rows[key]) is not None:
                        was.append(row | {name: value for name, value in ended.items() if name != "until"})
                rows.update(_rows(record.key, found, skip))
        gone = [dict(zip(KEY, key, strict=True)) for key, row in rows.items() if row is None]
        minutes = Change("oee_bucket", [row for row in rows.values() if row is not None], gone)
        history = Change("oee_history", was, keep=keep)
        return [shift_rows(shifts), history, minutes, *summed({key[:2] for key in rows}, shifts)]


def _ended(machine: str, found: bucket.Buckets, skip: int) -> Iterator[tuple[Key, dict[str, Any]]]:
    """The keys of rows that are restated, and what a row of history has beside the row that ends."""
    if found.said is None:
        return
    by = {
        "cause": found.said.id, "cause_type": found.said.type, "cause_events": found.said.n, "by": found.said.by,
        "reason": found.said.reason,
    }  # fmt: skip
    columns = np.stack([found.start, found.product, found.revision, found.known_from], axis=1)[skip:].tolist()
    for start, code, revision, known in columns:
        key = (machine, start, found.products[code])
        yield key, dict(zip(KEY, key, strict=True)) | {"known_to_ns": known, "until": revision} | by


def _rows(machine: str, found: bucket.Buckets, skip: int) -> dict[Key, dict[str, Any] | None]:
    keys = np.stack([found.start, found.product, found.revision, found.known_from], axis=1)[skip:].tolist()
    tallies = found.tallies[skip:]
    present: list[bool] = np.asarray(tallies.any(axis=1)).tolist()
    rows: dict[Key, dict[str, Any] | None] = {}
    for (start, code, revision, known), cells, some in zip(keys, tallies.tolist(), present, strict=True):
        product = found.products[code]
        values = (machine, start, product, utc(start), revision, known, *cells)
        rows[(machine, start, product)] = dict(zip(_COLUMNS, values, strict=True)) if some else None
    return rows
