"""`tailrace oee`: the figures of a machine in a window, in every hour of it, and under several definitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.output import console, length, note, percent, put_json, table
from tailrace.schemas.instant import format_instant

WINDOWS_MAX = 10_000

TIMES = ("not_scheduled", "planned_stop", "excluded", "setup", "breakdown", "unknown", "microstop", "run")
COMPARED = ("pbt", "base", "operating", "setup", "breakdown", "microstop", "unknown")
RATIOS = ("availability", "performance", "quality", "oee")


T = TypeVar("T")


def _window(command: Callable[..., None]) -> Callable[..., None]:
    """The options --machine, --from, --to and --as-of."""
    for option in (
        click.option("--as-of", type=options.Time(), help="Count nothing that is stamped later."),
        click.option("--to", "end", type=options.Time(), help="End, exclusive."),
        click.option("--from", "start", type=options.Time(), help="Start: ISO 8601 with offset, or Unix seconds."),
        click.option("--machine", help="Which machine."),
    ):
        command = option(command)
    return command


@click.group("oee", invoke_without_command=True, short_help="OEE of a machine in a window.")
@options.directory
@_window
@click.option("--every", type=options.Length(), help="A row for each such length: 15min, 1h, 1d.")
@click.option("--definition", help="Judge by it instead of the machine's own: iso, vorne, semi, plant-a, plant-a@3.")
@options.as_json
@click.pass_context
def oee_(
    context: click.Context, directory: Path | None, machine: str | None, start: int | None, end: int | None,
    as_of: int | None, every: int | None, definition: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Show the OEE of a machine in [from, to), exact for any window; seconds, parts and ratios 0..1 with --json.

    The options of a command below stand behind its name.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from tailrace.app.oee_query import oee  # noqa: PLC0415  numpy takes a while to import, --help need not wait

    name, begin, until = (_needed(context, *each) for each in (("machine", machine), ("start", start), ("end", end)))
    windows = _windows(begin, until, every)
    target = options.folder(directory)
    compose.catch_up(target)
    found = oee(target, name, windows, as_of, definition)
    if as_json:
        put_json({"items": found} if every else found[0])
    elif every:
        console().print(_rows(found))
    else:
        _show(found[0])


@oee_.command("compare", short_help="The same window under several definitions.")
@options.directory
@_window
@click.option("--definition", "definitions", multiple=True, required=True, help="One of them; name it again for more.")
@options.as_json
@click.pass_context
def compare_(
    context: click.Context, directory: Path | None, machine: str | None, start: int | None, end: int | None,
    as_of: int | None, definitions: Sequence[str], as_json: bool,
) -> None:  # fmt: skip
    """Show the OEE of a machine in [from, to) under each definition, side by side.

    With --json: {"definitions": […]}, each with the figures of `tailrace oee`.
    """
    from tailrace.app.oee_query import compare  # noqa: PLC0415  as above

    name, begin, until = (_needed(context, *each) for each in (("machine", machine), ("start", start), ("end", end)))
    ((begin, until),) = _windows(begin, until, None)
    target = options.folder(directory)
    compose.catch_up(target)
    found = compare(target, name, begin, until, definitions, as_of)
    if as_json:
        put_json({"definitions": found})
    else:
        console().print(f"{name}  {found[0]['from']} .. {found[0]['to']}")
        console().print(_side_by_side(found))


def _needed(context: click.Context, name: str, value: T | None) -> T:
    """An option that this form of a command needs."""
    if value is None:
        raise click.MissingParameter(ctx=context, param=next(p for p in context.command.params if p.name == name))
    return value


def _refuse_options(context: click.Context) -> None:
    """Options that stand before the name of a command would be lost."""
    given = [
        p for p in context.command.params if context.get_parameter_source(p.name or "") is ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(
            f"expected {given[0].opts[0]} behind `{context.invoked_subcommand}`, got it before it", context
        )


def _windows(start: int, end: int, every: int | None) -> list[tuple[int, int]]:
    if start >= end:
        raise click.BadParameter(f"expected --from before --to, got {format_instant(start)} and {format_instant(end)}")
    if not every:
        return [(start, end)]
    if (end - start) // every >= WINDOWS_MAX:
        raise click.BadParameter(
            f"expected at most {WINDOWS_MAX} windows, got {-(-(end - start) // every)}; take a longer --every"
        )
    return [(at, min(at + every, end)) for at in range(start, end, every)]


def _rows(found: Sequence[Mapping[str, Any]]) -> Any:
    rows = [
        [each["from"], *(percent(each[name]) for name in RATIOS), each["good"], each["reject"], length(each["run"]),
         length(each["breakdown"]), " ".join(each["flags"])]
        for each in found
    ]  # fmt: skip
    columns = ["from", *RATIOS, "good", "reject", "run", "breakdown", "flags"]
    return table(columns, rows, title=f"{found[0]['machine']}, OEE")


def _side_by_side(found: Sequence[Mapping[str, Any]]) -> Any:
    names = [", ".join(each["definition"]) for each in found]
    figures = (*RATIOS, "nee", "ooe", "teep", "quality_count", "first_pass_yield", "completeness")
    rows = [[name, *(percent(each[name]) for each in found)] for name in figures]
    rows += [[name, *(length(each[name]) for each in found)] for name in COMPARED]
    rows += [[name, *(str(each[name]) for each in found)] for name in ("total", "good", "reject", "rework")]
    return table(["", *names], rows)


def _show(found: Mapping[str, Any]) -> None:
    out = console()
    out.print(f"{found['machine']}  {found['from']} .. {found['to']}")
    out.print(table(RATIOS, [[percent(found[name]) for name in RATIOS]]))
    out.print(table(["time", "h:min:s"], [[name, length(found[name])] for name in TIMES if found[name]]))
    out.print(f"parts: {found['total']} = {found['good']} good + {found['reject']} reject + {found['rework']} rework")
    if found["flags"]:
        out.print(f"flags: {', '.join(found['flags'])}")
    known = found["completeness"]
    used = ", ".join(found["definition"]) or "the defaults"
    out.print(f"definition: {used}; known: {percent(known)} of the scheduled time; revision {found['revision']}")
    if not found["calendar"]:
        note("the window lies after everything that is known of this machine")
