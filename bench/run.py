"""Every bench in turn, and a table at the end: figure, target, reached or missed. Exit code 1 where one is missed.

Each bench is a program of its own, so that none warms up or disturbs another; what it prints is what is judged.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

ALWAYS = ("decode", "append", "fold", "archive", "export", "anomaly", "reports", "page", "demo", "rebuild", "workers")
BENCHES = (*ALWAYS, "mssql") if os.environ.get("TAILRACE_TEST_MSSQL_URL") else ALWAYS
FIGURE = re.compile(r"(?P<name>\S.*?) {2,}(?P<value>\S+) (?P<unit>.*?)(?: {2,}\(target (?P<target>.*)\))?")
BOUND = re.compile(r"(?P<sign>[≥≤])\s*(?P<bound>[-+.,\de]+)")


class Figure(NamedTuple):
    name: str
    value: str
    unit: str
    target: str

    @property
    def reached(self) -> bool | None:
        """None without a target, and where it holds under a condition: that is for the bench itself to judge."""
        bound = BOUND.fullmatch(self.target)
        if bound is None:
            return None
        value, limit = float(self.value.replace(",", "")), float(bound["bound"].replace(",", ""))
        return value >= limit if bound["sign"] == "≥" else value <= limit


def parsed(line: str) -> Figure | None:
    """The figure on a line that a bench printed, or None."""
    match = FIGURE.fullmatch(line.rstrip())
    if match is None or not re.fullmatch(r"[-+.,\de]+", match["value"]):
        return None
    return Figure(match["name"], match["value"], match["unit"], match["target"] or "")


def run(bench: str) -> tuple[list[Figure], int]:
    """What a bench printed, and its exit code; its lines are shown as they come."""
    path = Path(__file__).with_name(f"{bench}.py")
    figures = []
    with subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            print(line, end="", flush=True)
            if figure := parsed(line):
                figures.append(figure)
    return figures, child.returncode


def main(benches: tuple[str, ...]) -> int:
    table = Table("figure", "value", "unit", "target", "")
    failed = False
    for bench in benches:
        figures, code = run(bench)
        failed |= code != 0 or not figures
        for figure in figures:
            verdict = {None: "", True: "reached", False: "[red]missed"}[figure.reached]
            failed |= figure.reached is False
            table.add_row(*figure, verdict)
        if code != 0 and all(figure.reached is not False for figure in figures):
            table.add_row(bench, "", "", "", f"[red]exit code {code}")
    Console(width=120).print(table)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:]) or BENCHES))
