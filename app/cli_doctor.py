"""`tailrace doctor`: whether this machine has what Tailrace needs, and what is wrong with a data folder."""

from __future__ import annotations

from pathlib import Path

import click

from tailrace.app import cli_options as options
from tailrace.app.output import console, put_json
from tailrace.app.settings import DATA
from tailrace.schemas.errors import InvalidSettings

ATTENTION = 1


@click.command("doctor", short_help="Look whether everything needed is there.")
@options.directory
@options.as_json
def doctor_(directory: Path | None, as_json: bool) -> int:
    """Look at Python and its libraries, SQLite, the disk, the clock, ports, helpers, the data folder and its sources.

    Exit code 1 when something needs attention.
    """
    from tailrace.app.doctor import examine  # noqa: PLC0415  it knows every adapter, --help need not wait

    checks = examine(_folder(directory))
    wrong = [each for each in checks if each.state != "ok"]
    if as_json:
        put_json({"ok": not wrong, "checks": checks})
    else:
        out = console()
        for each in checks:
            out.print(f"{'  ' if each.state == 'ok' else '! '}{each.name:12} {each.found}")
            if each.todo:
                out.print(f"  {'':12} {each.todo}")
        out.print("nothing needs attention" if not wrong else f"{len(wrong)} of {len(checks)} need attention")
    return ATTENTION if wrong else 0


def _folder(directory: Path | None) -> Path:
    """The data folder; a plant file that is wrong is one of the things to be found."""
    try:
        return options.folder(directory)
    except InvalidSettings:
        return Path(DATA)
