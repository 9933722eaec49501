"""Writes the dashboards of dashboards.py as Grafana reads them, once for each database: `make dashboards`.

What differs between the two is in SOURCES alone: which data source is asked, and how a target names its statement. Both take
long rows (time, machine, values) and make a series of each machine and value. What is there is overwritten; nothing else is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dashboards import DASHBOARDS
from description import Dashboard, Panel

HERE = Path(__file__).parent
SCHEMA_VERSION = 39
"""Of the dashboard's JSON: Grafana 11 reads it and every later one brings it to its own."""

WIDTH = 24
SERIES = ("timeseries", "bars")


class Source(NamedTuple):
    """A data source as provisioning/ declares it."""

    type: str
    uid: str
    title: str

    @property
    def reference(self) -> dict[str, str]:
        return {"type": self.type, "uid": self.uid}


SOURCES = {
    "mssql": Source("mssql", "tailrace-mssql", "SQL Server"),
    "sqlite": Source("frser-sqlite-datasource", "tailrace-sqlite", "SQLite"),
}


def target(source: Source, sql: str, *, series: bool) -> dict[str, Any]:
    """A statement, as the data source wants to be asked."""
    head: dict[str, Any] = {"refId": "A", "datasource": source.reference}
    if source.type == "mssql":
        return head | {
            "editorMode": "code",
            "format": "time_series" if series else "table",
            "rawQuery": True,
            "rawSql": sql,
        }
    return head | {
        "queryText": sql,
        "queryType": "time series" if series else "table",
        "rawQueryText": sql,
        "timeColumns": ["time"],
    }


def dashboard(source: Source, one: Dashboard) -> dict[str, Any]:
    """A dashboard's JSON."""
    return {
        "uid": f"{source.uid}-{one.name}",
        "title": one.title,
        "description": f"{one.meaning} From {source.title}.",
        "tags": ["tailrace"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": one.since, "to": "now"},
        "timezone": "browser",
        "links": [
            {"type": "dashboards", "title": "Tailrace", "tags": ["tailrace"], "keepTime": True, "includeVars": True}
        ],
        "templating": {"list": [_machines(source)]},
        "panels": list(_placed(source, one)),
    }


def _machines(source: Source) -> dict[str, Any]:
    """The variable machineID: any number of machines, all of them at first."""
    return {
        "name": "machineID",
        "label": "Machine",
        "type": "query",
        "datasource": source.reference,
        "query": "SELECT machine FROM machine ORDER BY machine",
        "includeAll": True,
        "multi": True,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "refresh": 1,
        "sort": 0,
    }


def _placed(source: Source, one: Dashboard) -> Iterator[dict[str, Any]]:
    """The panels from left to right, a new line where the next one does not fit."""
    x = y = height = 0
    for n, panel in enumerate(one.panels, 1):
        width, rows = panel.size
        if x + width > WIDTH:
            x, y, height = 0, y + height, 0
        place = {"x": x, "y": y, "w": width, "h": rows}
        yield _panel(source, panel) | {"id": n, "gridPos": place}
        x, height = x + width, max(height, rows)


def _panel(source: Source, panel: Panel) -> dict[str, Any]:
    return {
        "type": "timeseries" if panel.form in SERIES else panel.form,
        "title": panel.title,
        "description": panel.meaning,
        "datasource": source.reference,
        "targets": [target(source, panel.sql, series=panel.form in SERIES)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    """What holds for every column; series of one value are called by their machine alone."""
    if panel.form not in SERIES:
        return {}
    custom: dict[str, Any] = {"spanNulls": False, "showPoints": "auto"}
    if panel.form == "bars":
        custom = {"drawStyle": "bars", "fillOpacity": 80, "stacking": {"mode": "normal", "group": "A"}}
    defaults: dict[str, Any] = {"custom": custom}
    if len(panel.units) == 1:
        (unit,) = panel.units.values()
        defaults |= {"unit": unit, "displayName": "${__field.labels.machine}"}
    if panel.threshold is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.threshold}]
        defaults |= {"thresholds": {"mode": "absolute", "steps": steps}}
        custom["thresholdsStyle"] = {"mode": "line"}
    return defaults


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    """The unit of each column, by its name."""
    return [
        {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": unit}]}
        for name, unit in panel.units.items()
    ]


def _options(panel: Panel) -> dict[str, Any]:
    if panel.form == "table":
        return {"showHeader": True, "cellHeight": "sm"}
    if panel.form in SERIES:
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    by_row = panel.form == "bargauge"
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": by_row}
    return {"reduceOptions": reduced} | ({"orientation": "horizontal", "displayMode": "basic"} if by_row else {})


def main(folder: Path) -> None:
    for name, source in SOURCES.items():
        for one in DASHBOARDS:
            path = folder / name / f"{one.name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(dashboard(source, one), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "dashboards")
