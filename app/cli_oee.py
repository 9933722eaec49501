"""`tailrace oee`: the figures of a machine, a line or a plant in a window, in every hour of it, and under several definitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.cli_oee_diff import RATIOS, TIMES, diff_
from tailrace.app.cli_oee_history import history_
from tailrace.app.oee_windows import lengths
from tailrace.app.output import console, length, note, percent, put_json, table
from tailrace.schemas.instant import format_instant

WINDOWS_MAX = 10_000
SHIFT = -1
"""--every shift: the windows are the shifts that begin in the window, of each machine its own."""

COMPARED = ("pbt", "base", "operating", "setup", "breakdown", "microstop", "unknown")


T = TypeVar("T")


class _Every(options.Length):
    """A length of time, or `shift`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return SHIFT if value in ("shift", SHIFT) else super().convert(value, param, ctx)


class Window(NamedTuple):
    """What --machine, --from, --to and --as-of say; None where it was not said."""

    machine: str | None
    start: int | None
    end: int | None
    as_of: int | None
    known_at: int | None


def _window(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a Window, which a command takes as `window`."""

    @wraps(command)
    def with_window(**given: Any) -> None:
        command(window=Window(*(given.pop(name) for name in Window._fields)), **given)

    found: Callable[..., None] = with_window
    for option in (
        click.option("--known-at", type=options.Time(), help="What was known then: nothing that came in later."),
        click.option("--as-of", type=options.Time(), help="Count nothing that is stamped later."),
        click.option("--to", "end", type=options.Time(), help="End, exclusive."),
        click.option("--from", "start", type=options.Time(), help="Start: ISO 8601 with offset, or Unix seconds."),
        click.option("--machine", help="Which machine."),
    ):
        found = option(found)
    return found


@click.group("oee", invoke_without_command=True, short_help="OEE of a machine, a line or a plant in a window.")
@options.directory
@_window
@click.option("--machines", help="Of these together: M1,M2,M3.")
@click.option("--line", help="Of a line (ISA-95), at its bottleneck and summed up.")
@click.option("--site", "sites", multiple=True, help="Of all machines of a site; name it again for more sites.")
@click.option(
    "--every", type=_Every(), help="A row for each such length (15min, 1h, 1d), or for each machine's shifts: shift."
)
@click.option("--definition", help="Judge by it instead of the machine's own: iso, vorne, semi, plant-a, plant-a@3.")
@options.as_json
@click.pass_context
def oee_(
    context: click.Context, *, directory: Path | None, window: Window, machines: str | None, line: str | None,
    sites: Sequence[str], every: int | None, definition: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Show the OEE of a machine, or of several, in [from, to), exact for any window; seconds, parts and ratios 0..1 with --json.

    With --every shift, and no machine named, it is the shift report of all machines. The options of a command below stand behind
    its name.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    kinds = (("--machine", window.machine), ("--machines", machines), ("--line or --site", line or sites))
    if not _require_one(kinds) and every != SHIFT:
        _needed(context, "machine", None)
    start, end = _ends(context, window)
    windows = _windows(start, end, None if every == SHIFT else every)
    names = [window.machine] if window.machine is not None else machines.split(",") if machines else []
    target = options.folder(directory)
    compose.catch_up(target)
    if every == SHIFT:
        from tailrace.app import shift_report  # noqa: PLC0415  numpy takes a while to import, --help need not wait

        shifts = shift_report.Asked(start, end, window.as_of, definition)
        found = shift_report.report(target, shifts, machines=names, line=line, sites=sites, known_at=window.known_at)
    elif window.machine is not None:
        from tailrace.app.oee_query import oee  # noqa: PLC0415  as above

        found = oee(target, window.machine, windows, window.as_of, definition, window.known_at)
    else:
        from tailrace.app.oee_group import Asked, of  # noqa: PLC0415  as above

        asked = [Asked(a, b, window.as_of, definition) for a, b in windows]
        found = of(target, asked, line=line, sites=sites, machines=names, known_at=window.known_at)
    if as_json:
        put_json({"items": found} if every else found[0])
    elif every and not found:
        note("no shift of a calendar begins in the window")
    elif every:
        console().print(_rows(found))
    elif window.machine is not None:
        _show(found[0])
    else:
        _show_group(found[0])


@oee_.command("compare", short_help="The same window under several definitions.")
@options.directory
@_window
@click.option("--machines", help="Of these together instead: M1,M2,M3.")
@click.option("--line", help="Of a line (ISA-95) instead.")
@click.option("--definition", "definitions", multiple=True, required=True, help="One of them; name it again for more.")
@options.as_json
@click.pass_context
def compare_(
    context: click.Context, *, directory: Path | None, window: Window, machines: str | None, line: str | None,
    definitions: Sequence[str], as_json: bool,
) -> None:  # fmt: skip
    """Show the OEE of a machine, or of several, in [from, to) under each definition, side by side.

    With --json: {"definitions": […]}, each with the figures of `tailrace oee`.
    """
    from tailrace.app.oee_group import Asked, of  # noqa: PLC0415  as above
    from tailrace.app.oee_query import compare  # noqa: PLC0415  as above

    _require_one((("--machine", window.machine), ("--machines", machines), ("--line", line)))
    several = machines is not None or line is not None
    machine = "" if several else _needed(context, "machine", window.machine)
    ((begin, until),) = _windows(*_ends(context, window), None)
    target = options.folder(directory)
    compose.catch_up(target)
    if several:
        asked = [Asked(begin, until, window.as_of, definition) for definition in definitions]
        found = of(target, asked, line=line, machines=machines.split(",") if machines else (), known_at=window.known_at)
    else:
        found = compare(target, machine, begin, until, definitions, window.as_of, window.known_at)
    if as_json:
        put_json({"definitions": found})
    else:
        console().print(f"{_name(found[0])}  {found[0]['from']} .. {found[0]['to']}")
        console().print(_side_by_side([each.get("sum", each) | {"oee": each["oee"]} for each in found]))


oee_.add_command(diff_)
oee_.add_command(history_)


def _needed(context: click.Context, name: str, value: T | None) -> T:
    """An option that this form of a command needs."""
    if value is None:
        raise click.MissingParameter(ctx=context, param=next(p for p in context.command.params if p.name == name))
    return value


def _require_one(kinds: Sequence[tuple[str, object]]) -> bool:
    """Whether what the figures are of is named; refuses it in two ways at once."""
    named = [option for option, given in kinds if given]
    if len(named) > 1:
        *most, last = (option for option, _ in kinds)
        raise click.UsageError(f"expected one of {', '.join(most)} and {last}, got {' and '.join(named)}")
    return bool(named)


def _ends(context: click.Context, window: Window) -> tuple[int, int]:
    return _needed(context, "start", window.start), _needed(context, "end", window.end)


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
    if every and (end - start) // every >= WINDOWS_MAX:
        raise click.BadParameter(
            f"expected at most {WINDOWS_MAX} windows, got {-(-(end - start) // every)}; take a longer --every"
        )
    return lengths(start, end, every)


def _rows(found: Sequence[Mapping[str, Any]]) -> Any:
    """A row a window; of a line the figures are those of its sum, but for OEE. A shift stands beside its machine."""
    by_shift = "shift" in found[0]
    places = ("machine", "shift") if by_shift else ("from",)
    rows = [
        [*(each[name] for name in places), *(percent(whole[name]) for name in RATIOS[:-1]), percent(each["oee"]),
         whole["good"], whole["reject"], length(whole["run"]), length(whole["breakdown"]), " ".join(each["flags"])]
        for each, whole in ((each, each.get("sum", each)) for each in found)
    ]  # fmt: skip
    columns = [*places, *RATIOS, "good", "reject", "run", "breakdown", "flags"]
    return table(columns, rows, title="OEE by shift" if by_shift else f"{_name(found[0])}, OEE")


def _name(found: Mapping[str, Any]) -> str:
    members = [each["machine"] for each in found.get("members", ())]
    return str(found.get("machine") or found.get("line") or f"{len(members)} machines")


def _show_group(found: Mapping[str, Any]) -> None:
    out = console()
    out.print(f"{_name(found)}  {found['from']} .. {found['to']}")
    whole = found.get("sum", found)
    if "sum" in found:
        slowest = found["bottleneck"] or "unknown, for an ideal cycle is missing"
        parts = f"good parts of {found['output']}" if found["output"] else "its own good parts"
        out.print(f"OEE at the bottleneck: {percent(found['oee'])}; bottleneck: {slowest}, judged by {parts}")
    waiting = [name for name in ("starved", "blocked") if "sum" in found]
    rows = [
        [each["machine"], *(percent(each[name]) for name in RATIOS), length(each["base"]), each["good"],
         *(length(each[name]) for name in waiting), percent(each["completeness"]), " ".join(each["flags"])]
        for each in found["members"]
    ]  # fmt: skip
    total = [
        "sum", *(percent(whole[name]) for name in RATIOS), length(whole["base"]), whole["good"],
        *(length(sum(each[name] for each in found["members"])) for name in waiting), percent(whole["completeness"]),
        " ".join(whole["flags"]),
    ]  # fmt: skip
    out.print(table(["machine", *RATIOS, "base", "good", *waiting, "known", "flags"], [*rows, total]))
    out.print(f"mean of the members' OEEs, which is no OEE of the group: {percent(whole['mean_of_oee'])}")


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
