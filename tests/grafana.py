"""Grafana's part in a dashboard: what it makes of a statement before a data source gets it, and of the rows that come back.

Rules, as Grafana's two SQL data sources have them: `$__from` and `$__to` are ms UTC, in every data source; `${name:sqlstring}` is
every chosen value in quotes, a quote in it doubled. A series needs a column `time` that never falls, and cells that are all whole
or all broken: the SQLite data source takes the kind of a column from its first cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

DASHBOARDS = Path(__file__).parents[1] / "docker" / "grafana" / "dashboards"
KINDS = ("mssql", "sqlite")


class Asked(NamedTuple):
    """One target of a panel."""

    dashboard: str
    panel: dict[str, Any]
    target: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.dashboard}: {self.panel['title']}"

    @property
    def sql(self) -> str:
        return str(self.target.get("rawSql") or self.target["rawQueryText"])

    @property
    def series(self) -> bool:
        return (self.target.get("format") or self.target["queryType"]) in ("time_series", "time series")

    @property
    def units(self) -> dict[str, str]:
        """The unit of each column."""
        return {
            each["matcher"]["options"]: each["properties"][0]["value"]
            for each in self.panel["fieldConfig"]["overrides"]
        }


def boards(kind: str) -> dict[str, dict[str, Any]]:
    """The dashboards of a data source, by name, as they are in the repository."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((DASHBOARDS / kind).glob("*.json"))}


def asked(kind: str) -> list[Asked]:
    """Every target of every panel."""
    return [
        Asked(name, panel, target)
        for name, board in boards(kind).items()
        for panel in board["panels"]
        for target in panel["targets"]
    ]


def expanded(sql: str, start: int, end: int, machines: Sequence[str]) -> str:
    """A statement as the data source gets it, for a window in ns and the machines that were chosen."""
    quoted = ",".join("'" + name.replace("'", "''") + "'" for name in machines)
    found = sql.replace("$__from", str(start // 1_000_000)).replace("$__to", str(end // 1_000_000))
    found = found.replace("${machineID:sqlstring}", quoted)
    left = re.findall(r"\$\w+|\$\{[^}]*\}", found)
    assert not left, f"nothing says what {left} are"
    return found
