"""The command line: `tailrace …`. Exit codes: 0 done, 1 data is bad or a check does not hold, 2 wrong use, 3 outside failed.

Rules: a user's mistake is a sentence, never a stack trace. Commands are in cli_*.py, one file a theme; each is imported when
it is called, so that `tailrace --help` is there at once.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

import tailrace
from tailrace.app.output import hush, note, put_json, settle
from tailrace.schemas.errors import InvalidSettings, TailraceError, Unavailable

WHERE = {
    "demo": "cli_demo",
    "init": "cli_plant",
    "validate": "cli_plant",
    "up": "cli_plant",
    "worker": "cli_worker",
    "rows": "cli_rows",
    "status": "cli_status",
    "oee": "cli_oee",
    "stops": "cli_stops",
    "reason": "cli_reason",
    "anomaly": "cli_anomaly",
    "explain": "cli_explain",
    "doctor": "cli_doctor",
    "import": "cli_import",
    "export": "cli_export",
    "copy": "cli_copy",
    "tail": "cli_export",
    "log": "cli_log",
    "replay": "cli_replay",
    "diff": "cli_diff",
    "rebuild": "cli_rebuild",
    "audit": "cli_audit",
    "parked": "cli_parked",
}

DONE, BAD, WRONG_USE, OUTSIDE, INTERRUPTED = 0, 1, 2, 3, 130


class Commands(click.Group):
    """The commands by name, from the file where each stands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(WHERE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in WHERE:
            return None
        module = importlib.import_module(f"tailrace.app.{WHERE[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_")
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(tailrace.__version__, prog_name="tailrace")
def group() -> None:
    """Machine signals into exact numbers: one log in, everything else a function of it."""


def main(arguments: list[str] | None = None) -> None:
    """Runs a command and exits with its code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Runs a command; gives its exit code."""
    try:
        with group.make_context("tailrace", list(arguments)) as context:
            code: Any = group.invoke(context)
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except click.exceptions.Exit as end:
        return end.exit_code
    except BrokenPipeError:
        hush()
        return DONE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (click.ClickException, TailraceError, OSError) as error:
        message = _words(error)
        note(f"tailrace: {message}")
        if "--json" in arguments:
            put_json({"error": message})
        settle()
        return _code(error)


def _words(error: click.ClickException | TailraceError | OSError) -> str:
    if isinstance(error, click.UsageError):
        usage = f"; {error.ctx.command_path} --help says more" if error.ctx else ""
        return f"{error.format_message().rstrip('.')}{usage}"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError):
        return (f"{error.filename}: " if error.filename else "") + (error.strerror or str(error))
    return str(error)


def _code(error: Exception) -> int:
    if isinstance(error, (click.ClickException, InvalidSettings)):
        return WRONG_USE
    return OUTSIDE if isinstance(error, (Unavailable, OSError)) else BAD


__all__ = ["main", "run"]
