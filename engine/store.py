"""Port: where read models live.

Order     `commit` moves a projection from one place of its log to the next, in one transaction with the rows.
Ack       when it returns, rows and place are both stored, or neither is.
Fence     `expected` is the place the writer believes in; if the store's is another, StaleWriter is raised, nothing is written.
Rows      absolute values by business key. Of several rows of one key the last stands; where a change names columns in
          `newest`, a row stands unless the one that is there is larger in them, the first counting most. Rows to `add` are
          numbers to put together with those that are there, each column as its table says (the sum, or the larger): for what
          comes once. Rows to `keep` name, by its key, a row of the table that this one keeps, and the columns that a kept row has
          beside: it is copied as it stands, before what comes after it in the commit; not where it is missing, or of revision
          `until` or later. Rows to make `again` are worked out from other tables, as their table says, after all that stands
          before them in the commit.
Retry     after any error the whole commit may be tried again.
Callers   one projector a projection; anyone may read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

Row = Mapping[str, Any]


class Change(msgspec.Struct, frozen=True):
    """Rows for one table; `delete` holds the keys to take out. A row names every key column and any value columns.

    add: rows that name every column. again: stretches (machine, start_ns, end_ns) of which all rows are made again.
    keep: keys of rows to copy from elsewhere, with `until` and the columns that a copy has beside.
    """

    table: str
    upsert: Sequence[Row] = ()
    delete: Sequence[Row] = ()
    newest: tuple[str, ...] = ()
    add: Sequence[Row] = ()
    again: Sequence[Row] = ()
    keep: Sequence[Row] = ()


class Place(msgspec.Struct, frozen=True):
    """How far a projection has come: position in its log, and the mark per (topology, version, key)."""

    position: int = 0
    marks: Mapping[str, int] = {}


class Store(Protocol):
    """Read models and the places of their projections."""

    async def commit(self, projection: str, expected: Place, changes: Sequence[Change], reached: Place) -> None: ...

    async def place(self, projection: str) -> Place: ...
