"""What is not the same in two data folders: rows of the read models, and the figures of machines.

Rules
1. Rows are compared by their business key, in the columns of their digest (projections/digest.py), inside the database.
2. A read model is compared where both folders fold it: a replay of one topology has no rows of others, and says so.
3. Rows of OEE are policy-free, so another definition moves none of them. The figures are compared too: of each machine, over the
   hours of which either folder knows something. What a definition is called makes no difference.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tailrace.app import compose, replay_into
from tailrace.app.known_span import span
from tailrace.app.oee_query import oee
from tailrace.projections import digest
from tailrace.schemas.errors import NotFound

ADDED, REMOVED, CHANGED = KINDS = ("added", "removed", "changed")
FIGURES = "oee"
PLACE = ("machine", "from", "to")

FOLDS = {
    "oee": ("oee_bucket", "oee_history", "oee_hour", "oee_shift"), "shifts": ("shift", "oee_shift"),
    "stops": ("stop", "state_interval", "command", "machine_now"), "rollup": ("signal_rollup",),
    "anomaly": ("anomaly", "score_rollup"),
}  # fmt: skip
"""Read models by the topologies that have to be folded for them."""

Row = dict[str, Any]
Figures = dict[str, Any]


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """One read model: rows in each folder, and how many of them are only in one or not the same."""

    before: int
    after: int
    added: int = 0
    removed: int = 0
    changed: int = 0


class Machines(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a machine; null where the folder knows nothing of it."""

    machine: str
    before: Figures | None
    after: Figures | None

    @property
    def differs(self) -> bool:
        """Whether any figure is another."""
        one, other = ({**(side or {}), "definition": None} for side in (self.before, self.after))
        return one != other


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: equal says that nothing differs; left_out names the models that are not folded in both."""

    equal: bool
    models: dict[str, Models]
    left_out: list[str]
    oee: list[Machines]


def diff(first: Path, second: Path) -> Found:
    """How many rows differ, by read model, and the figures of every machine in both folders."""
    with _both(first, second) as connection:
        names, left_out = _models(first, second)
        models = {name: _counted(connection, name) for name in names}
    machines = list(_figures(first, second))
    same = all(not (each.added or each.removed or each.changed) for each in models.values())
    equal = same and not any(each.differs for each in machines)
    return Found(equal=equal, models=models, left_out=left_out, oee=machines)


def changes(first: Path, second: Path) -> Iterator[Row]:
    """Every row that differs, as the columns of `diff` in docs/analysts.md; the figures last."""
    with _both(first, second) as connection:
        for model in _models(first, second)[0]:
            keys = digest.keys_of(model)
            yield from (_change(model, keys, *pair) for pair in _pairs(connection, model))
    for each in _figures(first, second):
        if each.differs:
            yield _change(FIGURES, list(PLACE), each.before, each.after)


def _models(first: Path, second: Path) -> tuple[list[str], list[str]]:
    """The read models that both folders fold, and the others."""
    folded = [_folded(each) for each in (first, second)]
    missing = {model for name, models in FOLDS.items() for model in models if any(name not in each for each in folded)}
    return [name for name in digest.MODELS if name not in missing], sorted(missing)


def _folded(directory: Path) -> set[str]:
    replay = replay_into.begun(directory)
    return set(replay.asked.topologies if replay and replay.asked.topologies else compose.TOPOLOGIES)


@contextmanager
def _both(first: Path, second: Path) -> Iterator[sqlite3.Connection]:
    """The rows of the first folder as `main`, those of the second as `other`, in one picture each."""
    for each in (first, second):
        compose.catch_up(each)
    with compose.read_store(second):
        pass  # its tables are there, whatever release made them
    with compose.read_store(first) as connection:
        connection.execute("ATTACH DATABASE ? AS other", (str(second / compose.READ_FILE),))
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")
            connection.execute("DETACH DATABASE other")


def _counted(connection: sqlite3.Connection, model: str) -> Models:
    before, after = (
        int(connection.execute(f'SELECT count(*) FROM {side}."{model}"').fetchone()[0]) for side in ("main", "other")
    )
    found = dict.fromkeys(KINDS, 0)
    for pair in _pairs(connection, model):
        found[_kind(*pair)] += 1
    return Models(before=before, after=after, **found)


def _pairs(connection: sqlite3.Connection, model: str) -> Iterator[tuple[Row | None, Row | None]]:
    """The rows that differ, before and after, in the order of their keys."""
    keys = digest.keys_of(model)
    before, after = (_only(connection, model, keys, *sides) for sides in (("main", "other"), ("other", "main")))
    for key in sorted(before.keys() | after.keys()):
        yield before.get(key), after.get(key)


def _only(connection: sqlite3.Connection, model: str, keys: list[str], here: str, there: str) -> dict[Any, Row]:
    names = digest.columns_of(model)
    columns = ", ".join(f'"{name}"' for name in names)
    sql = f'SELECT {columns} FROM {here}."{model}" EXCEPT SELECT {columns} FROM {there}."{model}"'
    with closing(connection.execute(sql)) as cursor:
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
    return {tuple(row[name] for name in keys): row for row in rows}


def _kind(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    return ADDED if before is None else REMOVED if after is None else CHANGED


def _change(model: str, keys: list[str], before: Row | None, after: Row | None) -> Row:
    """What differs of a row; of one that a side lacks, all of it."""
    row = after if before is None else before
    assert row is not None
    differ = [] if before is None or after is None else [name for name in before if before[name] != after[name]]
    said = [None if each is None else {name: each[name] for name in differ or each} for each in (before, after)]
    return {
        "model": model, "change": _kind(before, after), "machine": row.get("machine"),
        "key": {name: row[name] for name in keys}, "columns": differ, "before": said[0], "after": said[1],
    }  # fmt: skip


def _figures(first: Path, second: Path) -> Iterator[Machines]:
    spans = [known for each in (first, second) if (known := span(each)) is not None]
    if not spans:
        return
    window = min(start for start, _ in spans), max(end for _, end in spans)
    for machine in sorted({*_machines(first), *_machines(second)}):
        before, after = (_of(each, machine, window) for each in (first, second))
        if before or after:
            yield Machines(machine=machine, before=before, after=after)


def _machines(directory: Path) -> list[str]:
    with compose.reading(directory) as log:
        return log.machines()


def _of(directory: Path, machine: str, window: tuple[int, int]) -> Figures | None:
    try:
        return oee(directory, machine, [window])[0]
    except NotFound:
        return None
