"""Grafana: the dashboards are those that are described, and every panel has its rows, in its units, from a filled store."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
import yaml

import grafana
import mssql_server
from commands import tailrace_json
from grafana import KINDS, Asked
from tailrace.app import compose
from tailrace.connectors.simulator_history import History
from tailrace.connectors.simulator_plant import Identity, Plant
from tailrace.engine.ingest import Ingest
from tailrace.engine.store import Change, Place
from tailrace.projections.store_mssql import MssqlStore
from tailrace.projections.tables import metadata
from tailrace.projections.views import ASSET_VALUES
from tailrace.schemas.instant import DAY, HOUR, format_instant, parse_instant

DOCKER = Path(__file__).parents[1] / "docker"
NOW = 20_010 * DAY + 5 * HOUR
START = NOW - 30 * HOUR
CLOSED = NOW - HOUR
"""Until here every minute of every machine is over, and in the rows."""

RATIOS = {"OEE", "Availability", "Performance", "Quality", "DefectRatio"}


class Rows(NamedTuple):
    """What a statement gave."""

    names: list[str]
    cells: list[tuple[Any, ...]]

    def column(self, name: str) -> list[Any]:
        return [row[self.names.index(name)] for row in self.cells]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with what eight simulated machines did in two days, folded."""
    folder = tmp_path_factory.mktemp("grafana") / "data"
    folder.mkdir()

    async def fill() -> None:
        log = compose.SqliteLog(folder / compose.EVENTS_FILE)
        source = History(Plant(Identity(seed=3, began=NOW - 2 * DAY, machines=8)), lambda: NOW)
        await Ingest(source, log, clock=lambda: NOW, token="t", site="Demo Plant").run()
        await log.close()

    asyncio.run(fill())
    compose.catch_up(folder)
    return folder


@pytest.fixture(scope="module")
def store(filled: Path) -> Iterator[sqlite3.Connection]:
    """The rows as the SQLite data source opens them (provisioning/sqlite)."""
    with closing(sqlite3.connect(f"file:{filled / compose.READ_FILE}?mode=ro", uri=True)) as connection:
        yield connection


def machines_of(store: sqlite3.Connection) -> list[str]:
    """What the variable machineID offers."""
    (variable,) = grafana.boards("sqlite")["oee"]["templating"]["list"]
    return [name for (name,) in store.execute(variable["query"])]


def rows(
    store: sqlite3.Connection, one: Asked, start: int = START, end: int = NOW, machines: Sequence[str] = ()
) -> Rows:
    found = store.execute(grafana.expanded(one.sql, start, end, machines or machines_of(store)))
    return Rows([each[0] for each in found.description], found.fetchall())


def panel(title: str) -> Asked:
    (found,) = [one for one in grafana.asked("sqlite") if one.panel["title"] == title]
    return found


# -- the files -------------------------------------------------------------------------------------------------------------


def test_the_dashboards_are_what_the_description_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, DOCKER / "grafana" / "make.py", tmp_path], check=True)
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.json")}
    kept = {path.relative_to(grafana.DASHBOARDS): path.read_text() for path in grafana.DASHBOARDS.rglob("*.json")}
    assert made == kept, "`make dashboards` writes them"
    assert len(made) == 3 * len(KINDS)


def test_both_databases_are_asked_the_same() -> None:
    of_both = [[(one.name, one.sql, one.series, one.units) for one in grafana.asked(kind)] for kind in KINDS]
    assert of_both[0] == of_both[1]
    assert len({name for name, *_ in of_both[0]}) == len(of_both[0])


@pytest.mark.parametrize("kind", KINDS)
def test_every_panel_asks_the_data_source_that_is_provisioned(kind: str) -> None:
    text = (DOCKER / "grafana" / "provisioning" / kind / "datasources" / "tailrace.yaml").read_text()
    (source,) = yaml.safe_load(text)["datasources"]
    reference = {"type": source["type"], "uid": source["uid"]}
    for one in grafana.asked(kind):
        assert one.panel["datasource"] == one.target["datasource"] == reference
    for board in grafana.boards(kind).values():
        (variable,) = board["templating"]["list"]
        assert (variable["name"], variable["datasource"]) == ("machineID", reference)
        assert board["uid"].startswith(source["uid"]) and len(board["uid"]) <= 40, "Grafana takes no longer one"
    assert len({board["uid"] for each in KINDS for board in grafana.boards(each).values()}) == 3 * len(KINDS)


def test_panels_do_not_lie_on_each_other() -> None:
    for board in grafana.boards("sqlite").values():
        places = [each["gridPos"] for each in board["panels"]]
        cells = [
            (x, y)
            for place in places
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len(set(cells)) == len(cells)
        assert max(x for x, _ in cells) < 24
        assert len({each["id"] for each in board["panels"]}) == len(places)


# -- the rows --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", grafana.asked("sqlite"), ids=lambda one: one.name)
def test_a_panel_has_rows_in_its_units(store: sqlite3.Connection, one: Asked) -> None:
    found = rows(store, one)
    assert found.cells
    text = {name for name in found.names if any(isinstance(cell, str) for cell in found.column(name))}
    assert set(found.names) - text - {"time"} == set(one.units), "a column of numbers has a unit, and no other has"
    for name in found.names:
        kinds = {type(cell) for cell in found.column(name) if cell is not None}
        assert len(kinds) == 1, f"{name} is {kinds}: the data source takes all cells for what the first one is"
    for name in RATIOS & set(found.names):
        assert all(0 <= cell <= 1.2 for cell in found.column(name) if cell is not None)
    for name, unit in one.units.items():
        if unit == "dateTimeAsIso":
            assert all(START // 1_000_000 <= cell < NOW // 1_000_000 for cell in found.column(name))
    if one.series:
        times = found.column("time")
        assert times == sorted(times) and times[0] >= START // 10**9 // 3600 * 3600 and times[-1] < NOW // 10**9
        assert len(set(times)) > 12, "hours"


def test_a_machine_that_was_not_chosen_is_in_no_panel(store: sqlite3.Connection) -> None:
    for one in grafana.asked("sqlite"):
        found = rows(store, one, machines=["MCH004"])
        for name in {"machine", "MachineID"} & set(found.names):
            assert set(found.column(name)) == {"MCH004"}, one.name
        assert rows(store, one, machines=["it's", "'; DROP TABLE machine; --"]).cells in ([], [(0,)], [(None,)]), (
            one.name
        )


def test_what_is_not_in_the_window_is_in_no_panel(store: sqlite3.Connection) -> None:
    now = {"Assets", "State"}
    for one in grafana.asked("sqlite"):
        if one.panel["title"] not in now:
            assert rows(store, one, NOW, NOW + DAY).cells in ([], [(0,)], [(None,)]), one.name


def test_the_assets_are_the_view(store: sqlite3.Connection) -> None:
    found = rows(store, panel("Assets"))
    assert found.names == ["MachineID", *ASSET_VALUES]
    assert found.column("MachineID") == machines_of(store)
    assert len(found.cells) == 8


def test_oee_is_what_the_command_says(store: sqlite3.Connection, filled: Path) -> None:
    by_machine = rows(store, panel("By machine"), end=CLOSED)
    window = ("--from", format_instant(START), "--to", format_instant(CLOSED), "--definition", "iso", "--dir", filled)
    for row in by_machine.cells:
        said = tailrace_json("oee", "--machine", row[0], *window)
        want = [said[name] for name in ("oee", "availability", "performance", "quality", "total", "reject", "pbt")]
        assert list(row[1:]) == pytest.approx(want, rel=1e-12), row[0]


def test_production_is_what_the_command_says(store: sqlite3.Connection, filled: Path) -> None:
    window = ("--from", format_instant(START), "--to", format_instant(CLOSED), "--definition", "iso", "--dir", filled)
    said = tailrace_json("oee", "--machine", "MCH005", *window)
    for title, want in (
        ("Defect ratio", said["scrap_ratio"]),
        ("Average production rate", said["throughput"]),
        ("Average cycle time", said["run"] / said["total"]),
    ):
        assert rows(store, panel(title), end=CLOSED, machines=["MCH005"]).cells == [
            (pytest.approx(want, rel=1e-12),)
        ], title
    by_machine = rows(store, panel("Average production rate by machine"), end=CLOSED)
    assert dict(by_machine.cells)["MCH005"] == pytest.approx(said["throughput"], rel=1e-12)


def test_anomalies_are_what_the_command_says(store: sqlite3.Connection, filled: Path) -> None:
    listed = tailrace_json("anomaly", "list", "--dir", filled, "--limit", 1000)["items"]
    said = [each for each in listed if START <= parse_instant(each["DetectionTime"]) < NOW]
    assert 10 < len(said) < len(listed)
    assert rows(store, panel("Anomaly count")).cells == [(len(said),)]
    assert sum(rows(store, panel("Anomalies by hour")).column("Anomaly_Count")) == len(said)
    highest = sorted(said, key=lambda each: (-(each["peak"] or each["AnomalyScore"]), each["RecordID"]))[:10]
    assert rows(store, panel("Top 10 anomalies")).column("RecordID") == [each["RecordID"] for each in highest]


# -- SQL Server ------------------------------------------------------------------------------------------------------------

NOT_READ = {"checkpoint", "oee_bucket", "oee_history", "state_interval"}
"""Tables that no panel reads: the store's own, and the large ones."""


@pytest.fixture(scope="module")
def server(store: sqlite3.Connection) -> Iterator[tuple[sa.Connection, str]]:
    """The rows of the folder in SQL Server, put there by its store, in a schema of their own."""
    url = mssql_server.require()
    with mssql_server.schema(url) as schema:
        asyncio.run(_copy(store, url, schema))
        with mssql_server.connected(url) as connection:
            yield connection, schema


async def _copy(store: sqlite3.Connection, url: str, schema: str) -> None:
    target = MssqlStore.open(url, schema)
    try:
        await target.commit(
            "grafana",
            Place(),
            [Change(name, _all(store, name)) for name in sorted(metadata.tables.keys() - NOT_READ)],
            Place(1),
        )
    finally:
        await target.close()


def _all(store: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    """The rows of a table, without the minutes that no panel reads."""
    only = " WHERE resolution_s = 3600" if table == "signal_rollup" else ""
    found = store.execute(f"SELECT * FROM {table}{only}")
    return [dict(zip((each[0] for each in found.description), row, strict=True)) for row in found]


@pytest.mark.parametrize("one", grafana.asked("mssql"), ids=lambda one: f"mssql-{one.name}")
def test_a_panel_has_the_same_rows_on_sql_server(
    store: sqlite3.Connection, server: tuple[sa.Connection, str], one: Asked
) -> None:
    connection, schema = server
    sql = grafana.expanded(one.sql, START, NOW, machines_of(store))
    with connection.begin():
        found = connection.exec_driver_sql(re.sub(r"FROM (?=[a-z])", f"FROM {schema}.", sql).replace("%", "%%"))
        cells = [tuple(row) for row in found.all()]
    want = rows(store, one)
    assert list(found.keys()) == want.names
    assert len(cells) == len(want.cells)
    for got, wanted in zip(cells, want.cells, strict=True):
        assert [float(cell) if isinstance(cell, Decimal) else cell for cell in got] == [
            pytest.approx(cell, rel=1e-12) if isinstance(cell, float) else cell for cell in wanted
        ]
