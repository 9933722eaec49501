"""`tailrace anomaly`: what was unusual."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.cli_lists import check_window, put_page, walk, window
from tailrace.app.known import require_machine
from tailrace.app.output import console, table
from tailrace.projections import queries
from tailrace.schemas.answer import AnomalyItem


@click.group("anomaly", short_help="What was unusual.")
def anomaly_() -> None:
    """Alarms of the models that learn what is usual of each machine."""


@anomaly_.command("list", short_help="Alarms, newest first.")
@options.directory
@window
@click.option("--open", "open_only", is_flag=True, help="Only those that are not over.")
@options.as_json
def list_(
    directory: Path | None, machine: str | None, start: int | None, end: int | None, limit: int, cursor: str | None,
    open_only: bool, as_json: bool,
) -> None:  # fmt: skip
    """List alarms that have a part in [from, to), newest first, with what stood out.

    With --json: {"items": […], "next": cursor or null}.
    """
    check_window(start, end)
    target = options.folder(directory)
    compose.catch_up(target)
    require_machine(target, machine)
    with compose.read_store(target) as connection:
        found = walk(
            lambda at, n: queries.anomalies(
                connection, machine=machine, start=start, end=end, open_only=open_only, cursor=at, limit=n
            ),
            cursor, limit,
        )  # fmt: skip
    put_page(found, _show, as_json=as_json)


def _show(items: Sequence[AnomalyItem]) -> None:
    if not items:
        console().print("no anomalies")
        return
    rows = [
        (each.detected, each.cleared or "open", each.machine, f"{each.score:.2f}", each.severity, each.explanation,
         each.record_id)
        for each in items
    ]  # fmt: skip
    columns = ["DetectionTime", "cleared", "machine", "AnomalyScore", "severity", "because", "RecordID"]
    console().print(table(columns, rows))
