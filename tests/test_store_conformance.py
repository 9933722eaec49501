"""What every Store does, whichever database is behind it. A new adapter is a class here and a name in ADAPTERS.

Differences are declared as features of the adapter (`outlives`: what was committed is there after opening again); no test asks
which adapter it has.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from tailrace.engine.store import Change, Place, Store
from tailrace.projections.store_memory import MemoryStore
from tailrace.projections.store_sqlite import SqliteStore
from tailrace.schemas import bucket
from tailrace.schemas.errors import StaleWriter
from tailrace.schemas.instant import MINUTE


class Adapter(Protocol):
    """A kind of store: `open` gives another writer of the same rows, `rows` what is stored, by key."""

    outlives: bool

    def __init__(self, folder: Path) -> None: ...

    def open(self) -> Store: ...

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]: ...

    def close(self) -> None: ...


class InMemory:
    outlives = False

    def __init__(self, folder: Path) -> None:
        self._store = MemoryStore()

    def open(self) -> Store:
        return self._store

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]:
        return self._store.rows(table)

    def close(self) -> None:
        pass


class InSqlite:
    outlives = True

    def __init__(self, folder: Path) -> None:
        self._file = folder / "read.db"
        self._connections: list[sqlite3.Connection] = []

    def open(self) -> Store:
        return SqliteStore(self._connect())

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]:
        connection = self._connect()
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1")]

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        self._connections.append(sqlite3.connect(self._file, isolation_level=None))
        return self._connections[-1]


ADAPTERS: dict[str, type[Adapter]] = {"memory": InMemory, "sqlite": InSqlite}


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Adapter]:
    kind = ADAPTERS[request.param](tmp_path)
    yield kind
    kind.close()


ZERO = Place()
ONE = Place(1, {"oee@1/M1": 3, "oee@1/": 2**62})
TWO = Place(2, {"oee@1/M1": 4, "oee@1/Müller 3": 1})


def machine(name: str, **columns: str) -> dict[str, str]:
    return {"machine": name, **columns}


def upsert(*rows: Mapping[str, Any]) -> list[Change]:
    return [Change("machine", rows)]


async def test_a_new_projection_is_at_the_beginning(adapter: Adapter) -> None:
    assert await adapter.open().place("oee") == ZERO


async def test_rows_and_place_are_stored_together(adapter: Adapter) -> None:
    store = adapter.open()
    await store.commit("oee", ZERO, upsert(machine("M1", site="S", area="A", line="L", definition="d")), ONE)
    assert await store.place("oee") == ONE
    assert adapter.rows("machine") == [machine("M1", site="S", area="A", line="L", definition="d")]


async def test_what_was_committed_outlives_the_writer(adapter: Adapter) -> None:
    if not adapter.outlives:
        pytest.skip("declared: nothing outlives this adapter")
    await adapter.open().commit("oee", ZERO, upsert(machine("M1")), ONE)
    adapter.close()
    assert await adapter.open().place("oee") == ONE
    assert [row["machine"] for row in adapter.rows("machine")] == ["M1"]


@pytest.mark.parametrize("believed", [ZERO, TWO, Place(1, {"oee@1/M1": 2})], ids=["behind", "ahead", "other marks"])
async def test_a_stale_writer_writes_nothing(adapter: Adapter, believed: Place) -> None:
    await adapter.open().commit("oee", ZERO, upsert(machine("M1", site="old")), ONE)
    stale = adapter.open()
    with pytest.raises(StaleWriter, match="oee"):
        await stale.commit("oee", believed, upsert(machine("M1", site="new"), machine("M2")), Place(7))
    assert await stale.place("oee") == ONE
    assert [(row["machine"], row["site"]) for row in adapter.rows("machine")] == [("M1", "old")]


async def test_of_two_writers_with_the_same_belief_one_goes_on(adapter: Adapter) -> None:
    first, second = adapter.open(), adapter.open()
    assert await first.place("oee") == await second.place("oee") == ZERO
    await first.commit("oee", ZERO, upsert(machine("M1")), ONE)
    with pytest.raises(StaleWriter):
        await second.commit("oee", ZERO, upsert(machine("M2")), ONE)
    assert [row["machine"] for row in adapter.rows("machine")] == ["M1"]


async def test_a_commit_that_fails_on_the_way_stores_nothing(adapter: Adapter) -> None:
    store = adapter.open()
    wrong = [*upsert(machine("M1")), Change("machine", [{"machine": "M2", "nowhere": 1}])]
    with pytest.raises(Exception, match="nowhere"):
        await store.commit("oee", ZERO, wrong, ONE)
    assert await store.place("oee") == ZERO
    assert not adapter.rows("machine")
    await store.commit("oee", ZERO, upsert(machine("M1")), ONE)
    assert len(adapter.rows("machine")) == 1


async def test_a_row_changes_the_columns_that_it_names(adapter: Adapter) -> None:
    store = adapter.open()
    await store.commit("oee", ZERO, upsert(machine("M1", site="S", line="L1")), ONE)
    await store.commit("oee", ONE, upsert(machine("M1", line="L2")), TWO)
    assert adapter.rows("machine") == [{"machine": "M1", "site": "S", "area": None, "line": "L2", "definition": None}]


async def test_the_last_row_of_a_key_stands(adapter: Adapter) -> None:
    rows = [machine("M1", site="a"), machine("M2", site="b"), machine("M1", site="c")]
    await adapter.open().commit("oee", ZERO, upsert(*rows), ONE)
    assert [row["site"] for row in adapter.rows("machine")] == ["c", "b"]


async def test_a_row_of_the_key_alone_does_not_empty_the_rest(adapter: Adapter) -> None:
    store = adapter.open()
    await store.commit("oee", ZERO, upsert(machine("M1", site="S")), ONE)
    await store.commit("oee", ONE, upsert(machine("M1")), TWO)
    assert [row["site"] for row in adapter.rows("machine")] == ["S"]


async def test_deleted_keys_are_gone_and_changes_apply_in_order(adapter: Adapter) -> None:
    store = adapter.open()
    await store.commit("oee", ZERO, upsert(machine("M1"), machine("M2"), machine("M3", site="old")), ONE)
    changes = [
        Change("machine", delete=[machine("M1"), machine("M3"), machine("never there")]),
        *upsert(machine("M3", line="new")),
    ]
    await store.commit("oee", ONE, changes, TWO)
    assert [(row["machine"], row["site"], row["line"]) for row in adapter.rows("machine")] == [
        ("M2", None, None), ("M3", None, "new"),
    ]  # fmt: skip


async def test_numbers_are_added_to_what_is_there_and_the_larger_is_kept(adapter: Adapter) -> None:
    store = adapter.open()
    await store.commit("anomaly", ZERO, [Change("score_rollup", add=[scores(2, 0.5), scores(1, 3.0)])], ONE)
    await store.commit("anomaly", ONE, [Change("score_rollup", add=[scores(4, 1.0), scores(1, 7.0, "M2")])], TWO)
    found = [
        (row["machine"], row["n"], row["unusual"], row["max"], row["sum_e6"]) for row in adapter.rows("score_rollup")
    ]
    assert found == [("M1", 7, 0, 3.0, 70), ("M2", 1, 0, 7.0, 10)]
    with pytest.raises(StaleWriter):
        await store.commit("anomaly", ONE, [Change("score_rollup", add=[scores(9, 9.0)])], TWO)
    assert adapter.rows("score_rollup")[0]["n"] == 7


def scores(n: int, highest: float, machine: str = "M1") -> dict[str, Any]:
    return {"machine": machine, "start_ns": 0, "start": "", "n": n, "unusual": 0, "max": highest, "sum_e6": 10 * n}


async def test_a_stretch_is_made_again_from_the_rows_before_it_in_the_commit(adapter: Adapter) -> None:
    store = adapter.open()
    changes = [
        Change("shift", [shift(0, 90, "F"), shift(90, 150, "S"), shift(80, 100, "overlap")]),
        Change("oee_bucket", [minute(0, run=5), minute(59, run=7), minute(60, run=11), minute(89, run=13), minute(90)]),
        Change("oee_bucket", [minute(1, "P2", run=2, revision=3), minute(0, machine="M2")]),
        *[Change(table, again=[stretch(0, 91)]) for table in ("oee_hour", "oee_shift")],
    ]
    await store.commit("oee", ZERO, changes, ONE)
    assert hours(adapter) == [(0, "", 2, 12, 1), (0, "P2", 1, 2, 3), (60, "", 3, 25, 1)]
    assert adapter.rows("oee_hour")[0]["start"] == "2026-11-20 06:00:00.000000"
    assert shifts(adapter) == [
        ("F", 0, 90, "", 4, 36), ("F", 0, 90, "P2", 1, 2), ("S", 90, 150, "", 1, 1), ("overlap", 80, 100, "", 2, 14),
    ]  # fmt: skip
    gone = {"machine": "M1", "start_ns": 1 * MINUTE, "product": "P2"}
    changes = [
        Change("shift", [shift(90, 160, "S")], [{"machine": "M1", "start_ns": 0, "name": "F"}]),
        Change("oee_bucket", [minute(89, run=14)], [gone]),
        *[
            Change(table, again=[stretch(1, 2), stretch(89, 90), stretch(90, 160)])
            for table in ("oee_hour", "oee_shift")
        ],
    ]
    await store.commit("oee", ONE, changes, TWO)
    assert hours(adapter) == [(0, "", 2, 12, 1), (60, "", 3, 26, 1)]
    assert shifts(adapter) == [("S", 90, 160, "", 1, 1), ("overlap", 80, 100, "", 2, 15)]


def minute(at: int, product: str = "", machine: str = "M1", run: int = 1, revision: int = 1) -> dict[str, Any]:
    columns = dict.fromkeys(bucket.COLUMNS, 0) | {"shift_run_ns": run}
    keys = {"machine": machine, "start_ns": at * MINUTE, "product": product, "revision": revision, "known_from_ns": 1}
    return {**keys, "start": f"2026-11-20 {6 + at // 60:02}:{at % 60:02}:00.000000", **columns}


def shift(start: int, end: int, name: str) -> dict[str, Any]:
    return {"machine": "M1", "start_ns": start * MINUTE, "end_ns": end * MINUTE, "name": name, "start": "", "end": ""}


def stretch(start: int, end: int) -> dict[str, Any]:
    return {"machine": "M1", "start_ns": start * MINUTE, "end_ns": end * MINUTE}


def hours(adapter: Adapter) -> list[tuple[Any, ...]]:
    rows = adapter.rows("oee_hour")
    return sorted(
        (row["start_ns"] // MINUTE, row["product"], row["minutes"], row["shift_run_ns"], row["revision"])
        for row in rows
    )


def shifts(adapter: Adapter) -> list[tuple[Any, ...]]:
    return sorted(
        (
            row["name"],
            row["start_ns"] // MINUTE,
            row["end_ns"] // MINUTE,
            row["product"],
            row["minutes"],
            row["shift_run_ns"],
        )
        for row in adapter.rows("oee_shift")
    )


async def test_a_place_moves_without_rows(adapter: Adapter) -> None:
    store = adapter.open()
    await store.commit("oee", ZERO, [], ONE)
    assert await store.place("oee") == ONE


async def test_projections_have_places_of_their_own(adapter: Adapter) -> None:
    store = adapter.open()
    await store.commit("oee", ZERO, [], TWO)
    await store.commit("facts", ZERO, [], ONE)
    assert (await store.place("oee"), await store.place("facts")) == (TWO, ONE)


async def test_values_come_back_as_they_were(adapter: Adapter) -> None:
    row = {
        "id": "q'1\"", "t_ns": -(2**63), "t": "2026-11-20 06:00:00.000000", "source": "Prüfstand 4", "place": "",
        "reason": "expected a line, got '\\n\u20ac'", "raw": bytes(range(256)),
    }  # fmt: skip
    await adapter.open().commit("facts", ZERO, [Change("quarantine", [row])], ONE)
    assert adapter.rows("quarantine") == [row]


async def test_what_a_row_was_is_kept_before_it_changes(adapter: Adapter) -> None:
    store = adapter.open()
    await store.commit("oee", ZERO, [Change("oee_bucket", [minute(0, run=5), minute(1, run=6)])], ONE)
    keep = [kept(0, until=2), kept(1, until=1), kept(2, until=2)]
    changes = [Change("oee_history", keep=keep), Change("oee_bucket", [minute(0, run=7, revision=2)])]
    await store.commit("oee", ONE, changes, TWO)
    (row,) = adapter.rows("oee_history")
    assert row == minute(0, run=5) | {name: value for name, value in kept(0, until=2).items() if name != "until"}
    assert [row["shift_run_ns"] for row in adapter.rows("oee_bucket")] == [7, 6]


def kept(at: int, until: int) -> dict[str, Any]:
    said = {"cause": "r1", "cause_type": "reason.assigned", "cause_events": 1, "by": "ada", "reason": "lubrication"}
    key = {"machine": "M1", "start_ns": at * MINUTE, "product": ""}
    return key | {"known_to_ns": 9, "until": until} | said
