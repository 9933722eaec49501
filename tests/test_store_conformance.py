"""What every Store does, whichever database is behind it. A new adapter is a class here and a name in ADAPTERS.

Differences are declared as features of the adapter (`outlives`: what was committed is there after opening again); no test asks
which adapter it has. SQL Server takes part where TAILRACE_TEST_MSSQL_URL names one (tests/mssql_server.py).
"""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

import mssql_server
from tailrace.engine.store import Change, Place, Store
from tailrace.projections import mssql_driver
from tailrace.projections.store_memory import MemoryStore
from tailrace.projections.store_mssql import MssqlStore
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

    def crashing(self) -> Sequence[str]:
        """The words for store_child.py: commits that are killed."""
        ...

    async def close(self) -> None: ...


class InMemory:
    outlives = False

    def __init__(self, folder: Path) -> None:
        self._store = MemoryStore()

    def open(self) -> Store:
        return self._store

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]:
        return self._store.rows(table)

    def crashing(self) -> Sequence[str]:
        pytest.skip("declared: nothing outlives this adapter")

    async def close(self) -> None:
        pass


class InSqlite:
    outlives = True

    def __init__(self, folder: Path) -> None:
        self._file = folder / "read.db"
        self._connections: list[sqlite3.Connection] = []

    def open(self) -> Store:
        return SqliteStore(self._connect())

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]:
        with closing(sqlite3.connect(self._file)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1")]

    def crashing(self) -> Sequence[str]:
        return ("sqlite", str(self._file), "")

    async def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        self._connections.append(sqlite3.connect(self._file, isolation_level=None))
        return self._connections[-1]


class InMssql:
    """Every test has the schema of this process to itself, and finds it empty; writers have their connections from one pool."""

    outlives = True

    def __init__(self, folder: Path) -> None:
        self._engine, self._schema = MSSQL[0]
        with mssql_server.connected(mssql_server.URL) as connection:
            mssql_server.empty(connection, self._schema)

    def open(self) -> Store:
        return MssqlStore(self._engine, self._schema)

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]:
        with mssql_server.connected(mssql_server.URL) as connection:
            return mssql_server.rows(connection, self._schema, table)

    def crashing(self) -> Sequence[str]:
        return ("mssql", mssql_server.URL, self._schema)

    async def close(self) -> None:
        pass


pytestmark = pytest.mark.asyncio(loop_scope="module")  # one loop, so that connections outlive a test
ADAPTERS: dict[str, type[Adapter]] = {"memory": InMemory, "sqlite": InSqlite, "mssql": InMssql}
MSSQL: list[tuple[AsyncEngine, str]] = []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mssql(mssql_schema: str) -> AsyncIterator[None]:
    engine = mssql_driver.engine(mssql_server.URL)
    MSSQL.append((engine, mssql_schema))
    yield
    MSSQL.clear()
    await engine.dispose()


@pytest.fixture(params=ADAPTERS)
def kind(request: pytest.FixtureRequest) -> type[Adapter]:
    if request.param == "mssql":
        request.getfixturevalue("mssql")
    return ADAPTERS[request.param]


@pytest_asyncio.fixture(loop_scope="module")
async def adapter(kind: type[Adapter], tmp_path: Path) -> AsyncIterator[Adapter]:
    made = kind(tmp_path)
    yield made
    await made.close()


EPOCH = "1970-01-01 00:00:00.000000"
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
    await adapter.close()
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


async def test_a_row_stands_unless_the_one_that_is_there_is_newer(adapter: Adapter) -> None:
    """In the first column that is named, or, where that is equal, in the second; of equal rows the one that comes last."""
    store = adapter.open()
    said = [((5, 2), 1.0), ((5, 1), 2.0), ((4, 9), 3.0), ((5, 2), 4.0), ((5, 3), 5.0), ((6, 0), 6.0), ((5, 9), 7.0)]
    wanted = [1.0, 1.0, 1.0, 4.0, 5.0, 6.0, 6.0]
    place = ZERO
    for n, (((t, seq), value), stands) in enumerate(zip(said, wanted, strict=True), 1):
        reading = {"machine": "M1", "signal": "T", "clock": "", "t_ns": t, "seq": seq}
        row = reading | {"t": "", "value": value, "text": None, "status": 0, "position": n}
        reached = Place(n)
        await store.commit("readings", place, [Change("signal_clock", [row], newest=("t_ns", "seq"))], reached)
        place = reached
        assert [each["value"] for each in adapter.rows("signal_clock")] == [stands], n


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
    return {"machine": machine, "start_ns": 0, "start": EPOCH, "n": n, "unusual": 0, "max": highest, "sum_e6": 10 * n}


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
    return {
        "machine": "M1",
        "start_ns": start * MINUTE,
        "end_ns": end * MINUTE,
        "name": name,
        "start": EPOCH,
        "end": EPOCH,
    }


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


async def test_the_same_rows_again_change_nothing(adapter: Adapter) -> None:
    store = adapter.open()
    changes = [
        *upsert(machine("M1", site="S"), machine("M2")),
        Change("oee_bucket", [minute(0, run=5), minute(1, run=6)]),
        Change("shift", [shift(0, 90, "F")], [{"machine": "M1", "start_ns": MINUTE, "name": "F"}]),
        *[Change(table, again=[stretch(0, 90)]) for table in ("oee_hour", "oee_shift")],
    ]
    found = []
    for at in range(3):
        await store.commit("oee", Place(at), changes, Place(at + 1))
        found.append([adapter.rows(each) for each in ("machine", "oee_bucket", "shift", "oee_hour", "oee_shift")])
    assert found[0] == found[1] == found[2]
    assert [len(rows) for rows in found[0]] == [2, 2, 1, 1, 1]


def reading(signal: str, value: float | None, t_ns: int = 0, t: str = EPOCH) -> dict[str, Any]:
    place = {"machine": "M1", "signal": signal, "clock": "", "seq": 0, "position": 1}
    return place | {"t_ns": t_ns, "t": t, "value": value, "text": None, "status": 0}


async def test_what_is_no_number_is_null(adapter: Adapter) -> None:
    values = {"a": math.nan, "b": math.inf, "c": -math.inf, "d": None, "e": 1.5}
    rows = [reading(signal, value) for signal, value in values.items()]
    await adapter.open().commit("now", ZERO, [Change("signal_clock", rows, newest=("t_ns",))], ONE)
    assert [row["value"] for row in adapter.rows("signal_clock")] == [None, None, None, None, 1.5]


async def test_numbers_come_back_to_the_last_bit(adapter: Adapter) -> None:
    dice = random.Random(7)
    values = [0.1, 1 / 3, -2.5e-8, 5e-324, sys.float_info.max, sys.float_info.min, 123456789.123456789, 1e16, 1e22, 0.0]
    values += [struct.unpack("<d", dice.randbytes(8))[0] for _ in range(200)]
    values = [value for value in values if math.isfinite(value)]
    rows = [reading(f"s{i:03}", value) for i, value in enumerate(values)]
    await adapter.open().commit("now", ZERO, [Change("signal_clock", rows)], ONE)
    assert [row["value"].hex() for row in adapter.rows("signal_clock")] == [value.hex() for value in values]


async def test_integers_keep_all_of_their_64_bits(adapter: Adapter) -> None:
    edges = [-(2**63), -(2**53) - 1, -1, 0, 2**31, 2**53 + 1, 2**63 - 1]
    rows = [reading(f"s{i}", 0.0, t_ns=edge) for i, edge in enumerate(edges)]
    await adapter.open().commit("now", ZERO, [Change("signal_clock", rows)], ONE)
    assert [row["t_ns"] for row in adapter.rows("signal_clock")] == edges


async def test_times_keep_their_microseconds(adapter: Adapter) -> None:
    times = [
        EPOCH, "2026-11-20 06:00:00.000001", "2026-11-20 06:00:00.125000", "2026-11-20 06:00:00.126999",
        "2026-11-20 23:59:59.999999", "2200-12-31 23:59:59.999999",
    ]  # fmt: skip
    store = adapter.open()
    await store.commit(
        "now", ZERO, [Change("signal_clock", [reading(f"s{i}", 0.0, t=t) for i, t in enumerate(times)])], ONE
    )
    assert [row["t"] for row in adapter.rows("signal_clock")] == times


KEYS = [
    "M1",
    "m1",
    "M\u00fcller 3",
    "Mu\u0308ller 3",
    "\u041f\u0440\u0435\u0441\u0441",
    "\u6a5f\u68b0",
    "a'b]c[d\"e\\f",
    "x;--",
    " M1",
    "ss",
    "\u00df",
    "\U0001f916",
]


async def test_keys_that_differ_are_rows_that_differ(adapter: Adapter) -> None:
    store = adapter.open()
    await store.commit("facts", ZERO, upsert(*[machine(name, site=name) for name in KEYS]), ONE)
    await store.commit("facts", ONE, upsert(*[machine(name, line=name) for name in KEYS]), TWO)
    found = {row["machine"]: (row["site"], row["line"]) for row in adapter.rows("machine")}
    assert found == {name: (name, name) for name in KEYS}
    await store.commit("facts", TWO, [Change("machine", delete=[machine(name) for name in KEYS[1:]])], Place(3))
    assert [row["machine"] for row in adapter.rows("machine")] == ["M1"]


async def test_a_row_older_than_the_one_that_is_there_does_not_stand(adapter: Adapter) -> None:
    store = adapter.open()
    await store.commit(
        "now", ZERO, [Change("signal_clock", [reading("a", 1.0, 5), reading("b", 1.0, 5)], newest=("t_ns",))], ONE
    )
    rows = [reading("a", 2.0, 4), reading("b", 3.0, 5), reading("b", 4.0, 4), reading("c", 5.0, 1)]
    await store.commit("now", ONE, [Change("signal_clock", rows, newest=("t_ns",))], TWO)
    assert [(row["signal"], row["value"]) for row in adapter.rows("signal_clock")] == [
        ("a", 1.0),
        ("b", 3.0),
        ("c", 5.0),
    ]


async def test_a_large_batch_is_one_commit(adapter: Adapter) -> None:
    rows = [minute(at % 900, machine=f"M{at // 900}", run=at) for at in range(2500)]
    await adapter.open().commit("oee", ZERO, [Change("oee_bucket", rows)], ONE)
    assert sorted(row["shift_run_ns"] for row in adapter.rows("oee_bucket")) == list(range(2500))


async def test_many_marks_are_a_place_like_any_other(adapter: Adapter) -> None:
    store, marks = adapter.open(), {f"oee@3/M{i:05}": i for i in range(3000)}
    await store.commit("oee", ZERO, [], Place(1, marks))
    assert await store.place("oee") == Place(1, marks)
    await store.commit("oee", Place(1, dict(reversed(marks.items()))), [], TWO)
    with pytest.raises(StaleWriter):
        await store.commit("oee", Place(1, marks), [], Place(3))


async def test_four_writers_race_each_of_30_batches_and_30_win(adapter: Adapter) -> None:
    writers, batches = 4, 30
    wins: list[tuple[int, int]] = []

    async def race(writer: int) -> None:
        store = adapter.open()
        for at in range(batches):
            rows = [
                machine(f"B{at:02}", site=f"writer {writer}"),
                machine("all", site=str(at), line=f"writer {writer}"),
            ]
            try:
                await store.commit("race", Place(at), upsert(*rows), Place(at + 1))
            except StaleWriter:
                continue
            wins.append((at, writer))

    # A writer may come to a batch before the one before it is there: it asks again until every batch is won.
    while len(wins) < batches:
        await asyncio.gather(*(race(writer) for writer in range(writers)))
    assert sorted(at for at, _ in wins) == list(range(batches))
    found = {row["machine"]: row for row in adapter.rows("machine")}
    assert found.pop("all")["line"] == f"writer {dict(wins)[batches - 1]}"
    assert {name: row["site"] for name, row in found.items()} == {f"B{at:02}": f"writer {who}" for at, who in wins}


async def test_readers_see_what_was_committed_and_never_fail(adapter: Adapter) -> None:
    writer, readers = adapter.open(), [adapter.open() for _ in range(3)]
    done = asyncio.Event()

    async def read(store: Store) -> int:
        seen = 0
        while not done.is_set():
            at = (await store.place("facts")).position
            rows = {row["machine"]: int(row["site"]) for row in await asyncio.to_thread(adapter.rows, "machine")}
            now = (await store.place("facts")).position
            assert all(at <= value <= now for value in rows.values()), (at, rows, now)
            assert now == 0 or len(rows) == 20 or not rows
            seen += 1
            await asyncio.sleep(0)
        return seen

    async def write() -> None:
        for at in range(15):
            await writer.commit(
                "facts", Place(at), upsert(*[machine(f"M{i:02}", site=str(at + 1)) for i in range(20)]), Place(at + 1)
            )
            await asyncio.sleep(0)
        done.set()

    *seen, _ = await asyncio.gather(*(read(store) for store in readers), write())
    assert all(seen)


async def test_a_writer_that_is_killed_at_any_step_leaves_rows_and_place_that_agree(adapter: Adapter) -> None:
    store = adapter.open()
    assert await store.place("crash1") == ZERO
    command = [sys.executable, CHILD, *adapter.crashing()]
    child = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=300)
    assert child.returncode == 0, child.stderr
    commits = int(child.stdout)
    assert commits > 5
    rows = [row["machine"].partition("/")[0] for row in adapter.rows("machine")]
    ends = [((await store.place(f"crash{n}")).position, rows.count(f"crash{n}")) for n in range(1, commits + 1)]
    assert set(ends) == {(0, 0), (1, 3)}
    assert ends[-2:] == [(1, 3), (1, 3)], "the last is whole, and the one before is killed after its COMMIT"


CHILD = str(Path(__file__).with_name("store_child.py"))
