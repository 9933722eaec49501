"""`tailrace demo`: a simulated plant with a month of history, live on a page; and what can be done to it meanwhile."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import shutil
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from tailrace.app import cli_options as options
from tailrace.app.output import console, put_json

if TYPE_CHECKING:
    from tailrace.app.demo import Shown
    from tailrace.connectors.simulator_commands import AnyCommand

LOOK_S = 0.2


@click.group("demo", invoke_without_command=True, short_help="A simulated plant of eight machines, live on a page.")
@options.directory
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the page (default: 8420, or the next free one).")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="What the plant does is drawn from it (default: 1).")
@click.option(
    "--speed", type=click.FloatRange(0.1, 60), default=1.0, show_default=True, help="Plant seconds per second."
)
@click.option("--machines", type=click.IntRange(8, 200), help="How many (default: 8).")
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True, help="Days of history.")
@click.option("--zone", help="Time zone of the plant, as Europe/Berlin (default: UTC).")
@click.option(
    "--faults", is_flag=True, help="Disturb the plant: late, repeated and lost messages, a broker that is away."
)
@click.option("--script", type=click.Path(path_type=Path), help="Disturb it by this script, one JSON command a line.")
@click.pass_context
def demo_(ctx: click.Context, /, directory: Path | None, port: int | None, no_browser: bool, **wanted: Any) -> None:
    """Run a simulated plant: a month of history, then live over OPC UA and MQTT, until Ctrl-C.

    Started again on the same folder it goes on. While it runs, another terminal can disturb it.
    """
    if ctx.invoked_subcommand is not None:
        return
    from tailrace.app import demo, web  # noqa: PLC0415  servers and drivers take a while to import, --help need not wait
    from tailrace.connectors import simulator_commands as commands  # noqa: PLC0415

    script, faults = wanted.pop("script"), wanted.pop("faults")
    played = commands.load(script) if script else commands.SCRIPT if faults else ()
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("tailrace").setLevel(logging.WARNING)
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)

    async def watch(shown: Shown) -> None:
        await _tell(shown, browser=not no_browser)
        await shown.simulator.play(played)

    with web.listen(web.HOST, port) as listening:
        asyncio.run(demo.run(options.folder(directory), demo.Wanted(**wanted), listening, watch))
    console().print("The demo ended; its data stays. Start it again and it goes on.")


@demo_.command("break", short_help="A machine breaks down.")
@click.argument("machine")
@click.option(
    "--minutes", type=click.FloatRange(0, 1440, min_open=True), default=5.0, show_default=True, help="For how long."
)
@options.directory
@options.as_json
@click.pass_context
def break_(ctx: click.Context, machine: str, minutes: float, directory: Path | None, as_json: bool) -> None:
    """Break MACHINE of the demo that runs on the data folder."""
    from tailrace.connectors.simulator_commands import Break  # noqa: PLC0415

    _do(ctx, directory, Break(machine=machine, minutes=minutes), as_json)


@demo_.command("repair", short_help="A broken machine runs again.")
@click.argument("machine")
@options.directory
@options.as_json
@click.pass_context
def repair_(ctx: click.Context, machine: str, directory: Path | None, as_json: bool) -> None:
    """End what `demo break` did to MACHINE."""
    from tailrace.connectors.simulator_commands import Repair  # noqa: PLC0415

    _do(ctx, directory, Repair(machine=machine), as_json)


@demo_.command("do", short_help="Any other disturbance, as JSON.")
@click.argument("command")
@options.directory
@options.as_json
@click.pass_context
def do_(ctx: click.Context, command: str, directory: Path | None, as_json: bool) -> None:
    """Carry out COMMAND, a JSON object: {"do":"late","machine":"MCH007","seconds":20,"minutes":2}.

    do: break, repair, late, duplicate, reorder, skew, missing, down, clear, status.
    """
    from tailrace.connectors.simulator_commands import parse  # noqa: PLC0415

    _do(ctx, directory, parse(command.encode()), as_json)


def _do(ctx: click.Context, directory: Path | None, command: AnyCommand, as_json: bool) -> None:
    from tailrace.connectors.simulator_control import ask  # noqa: PLC0415

    given = directory or (ctx.parent.params["directory"] if ctx.parent else None)
    answer = ask(options.folder(given), command)
    if as_json:
        put_json(answer)
    else:
        console().print(answer["said"])


# -- what a person is told ---------------------------------------------------------------------------------------------


async def _tell(shown: Shown, *, browser: bool) -> None:
    """What was started and where, at once; how far the history is; then what to try."""
    out = console()
    simulator, plant = shown.simulator, shown.plant
    spoken = {each: ", ".join(machine.profile.name for machine in plant.spoken_by(each)) for each in ("opcua", "mqtt")}
    out.print(f"[bold]{len(plant.machines)} simulated machines[/], seed {plant.identity.seed}", highlight=False)
    out.print(f"  OPC UA  {_short(spoken['opcua'])}  on {simulator.server.url}")
    out.print(f"  MQTT    {_short(spoken['mqtt'])}  through {simulator.broker.note}")
    lies = "events.db is the log, read.db what is made of it, plant.yaml the plant file"
    out.print(f"  data    {escape(str(shown.directory))}: {lies}")
    out.print(f"  page    [bold]{shown.url}[/]   REST {shown.url}api/v1, described at {shown.url}api/docs")
    await _opened(shown, browser)
    await _history(shown)
    here = "" if shown.directory == options.folder(None) else escape(f" --dir {shlex.quote(str(shown.directory))}")
    name = _program()
    out.print("\n[bold]Three things to try[/], in another terminal:")
    out.print(f"  {name} demo break MCH006{here}    its tile turns red, and its OEE falls")
    out.print(f"  {shown.url}machine/MCH006    give a stop a reason, and watch OEE restate")
    out.print(f"  {name} tail{here}    what comes in, as it comes")
    out.print("\nCtrl-C ends it. Started again it goes on where it was.")


async def _opened(shown: Shown, browser: bool) -> None:
    """A browser on the page, where there is a screen for one."""
    screen = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if browser and screen:
        await asyncio.to_thread(webbrowser.open, shown.url)


async def _history(shown: Shown) -> None:
    """Returns when the machines speak and everything before is in the figures."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = TextColumn("  history"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeElapsedColumn()
    with Progress(*columns, console=console(), transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("history", total=1.0)
        while not shown.ready:
            bar.update(task, completed=shown.runner.status()["catching_up"] or 0.0)
            await asyncio.sleep(LOOK_S)


def _short(names: str) -> str:
    first, *rest = names.split(", ")
    return names if len(rest) < 8 else f"{first} … {rest[-1]}"


def _program() -> str:
    """How this command was called, so that the words can be typed again."""
    called = sys.argv[0]
    if Path(called).name != "tailrace":
        return "tailrace"
    return "tailrace" if shutil.which("tailrace") == called else shlex.quote(os.path.relpath(called))
