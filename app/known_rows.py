"""The rows as they were known at a time: what machines did, their stops and their alarms.

Rules: known at T is the prefix of the log of app/oee_picture.py. Every output of a fold carries the position of the record that
caused it; so those that were caused inside the prefix, through the projections that make the rows, are the rows as they stood at
its end, and nothing is folded again. A machine of which nothing had come is not there, and neither is a tree of reasons that was
not said yet; where a machine stands and the units of its signals are those of now.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tailrace.app import compose
from tailrace.app.oee_picture import Picture, pictured
from tailrace.app.pipeline import drive
from tailrace.engine.projection import Part, Projection
from tailrace.engine.store import Place
from tailrace.projections.anomaly import AnomalyRows
from tailrace.projections.stops import KINDS as STOPS
from tailrace.projections.stops import StopRows
from tailrace.projections.store_sqlite import SqliteStore
from tailrace.projections.tables import machine, metadata, reason, relation, signal_unit
from tailrace.schemas.anomaly import CLEARED, RAISED
from tailrace.schemas.record import Derived

FACTS = (machine.name, reason.name, relation.name, signal_unit.name)
"""Tables that events alone make, which are taken as they are."""

SOME = 200


@contextmanager
def known_rows(directory: Path, known_at: int | None) -> Iterator[sqlite3.Connection]:
    """The rows of a folder, as they were known at a time (ns); None = as they are."""
    if known_at is None:
        with compose.read_store(directory) as connection:
            yield connection
        return
    with pictured(directory, known_at) as picture, rows_of(picture) as connection:
        yield connection


@contextmanager
def rows_of(picture: Picture) -> Iterator[sqlite3.Connection]:
    """The rows of a picture of a folder: the folder's own, or those of an earlier one in memory."""
    if picture.stands:
        yield picture.connection
        return
    with closing(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)) as made:
        store = SqliteStore(made)
        _project(picture, store, StopRows(), STOPS)
        _project(picture, store, AnomalyRows(), {RAISED, CLEARED})
        for name in FACTS:
            copy_table(picture.connection, made, name)
        later = [(name,) for (name,) in made.execute("SELECT machine FROM machine") if not came(picture, name)]
        made.executemany("DELETE FROM machine WHERE machine = ?", later)
        said = [id_ for (id_,) in made.execute("SELECT DISTINCT said FROM reason")]
        made.executemany("DELETE FROM reason WHERE said = ?", [(id_,) for id_ in said if not _said(picture, id_)])
        yield made


def came(picture: Picture, name: str) -> bool:
    """Whether an event of a machine had come."""
    after = 0
    while records := picture.log.read_machine(name, after, SOME):
        for record in records:
            if record.machine == name or record.position > picture.until:
                return record.position <= picture.until
        after = records[-1].position
    return False


def _said(picture: Picture, event_id: str) -> bool:
    record = picture.log.find(event_id)
    return record is not None and record.position <= picture.until


def _project(picture: Picture, store: SqliteStore, rows: Projection[Derived], kinds: Collection[str]) -> None:
    marks = ", ".join("?" * len(kinds))
    sql = (
        "SELECT topology, version, key, first_n, n, kind, cause, body, position FROM derived "
        f"WHERE cause <= ? AND kind IN ({marks}) ORDER BY key, first_n"
    )
    found = (
        Derived(**dict(zip(_FIELDS, row, strict=True)))
        for row in picture.connection.execute(sql, (picture.until, *kinds))
    )
    parts = [Part(record) for record in found if rows.wants(record)]
    drive(store.commit(rows.name, Place(), rows.changes(parts), Place()))


_FIELDS = ("topology", "version", "key", "first_n", "n", "kind", "cause", "body", "position")


def copy_table(of: sqlite3.Connection, into: sqlite3.Connection, name: str) -> None:
    """Puts the rows of a table into the same table elsewhere."""
    columns = ", ".join(f'"{column.name}"' for column in metadata.tables[name].columns)
    marks = ", ".join("?" * len(metadata.tables[name].columns))
    into.executemany(f"INSERT INTO {name} ({columns}) VALUES ({marks})", of.execute(f"SELECT {columns} FROM {name}"))
