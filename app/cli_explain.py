"""`tailrace explain`: why a figure is what it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from tailrace.app import cli_options as options
from tailrace.app import compose
from tailrace.app.cli_lists import check_window
from tailrace.app.output import console, length, percent, put_json, table

STRETCHES = 40
"""Lines of time that are shown; the longest ones, in order of time."""


@click.group("explain", short_help="Why a figure is what it is.")
def explain_() -> None:
    """From a figure to what it is made of."""


@explain_.command("oee", short_help="Which stretches and parts make an OEE.")
@options.directory
@click.option("--machine", required=True, help="Which machine.")
@click.option(
    "--from", "start", required=True, type=options.Time(), help="Start: ISO 8601 with offset, or Unix seconds."
)
@click.option("--to", "end", required=True, type=options.Time(), help="End, exclusive.")
@click.option("--definition", help="Judge by it instead of the machine's own.")
@click.option("--events", type=click.IntRange(0, 1000), default=20, show_default=True, help="Raw events to show.")
@click.option("--cursor", help="Go on behind the raw events that were shown: `next` of them.")
@options.as_json
def oee_(
    directory: Path | None, machine: str, start: int, end: int, definition: str | None, events: int, cursor: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Take the OEE of a machine in [from, to) apart: formula, stretches of time, parts, rows, and the raw events behind it.

    Everything adds up to what `tailrace oee` says; exit code 1 if it does not.
    """
    from tailrace.app.explain import explain_oee  # noqa: PLC0415  numpy takes a while to import, --help need not wait

    check_window(start, end)
    target = options.folder(directory)
    compose.catch_up(target)
    found = explain_oee(target, machine, start, end, definition, events=events, cursor=cursor)
    if as_json:
        put_json(found)
    else:
        _show(found)


@explain_.command("event", short_help="What an event changed.")
@click.argument("event_id", metavar="ID")
@options.directory
@options.as_json
def event_(event_id: str, directory: Path | None, as_json: bool) -> None:
    """Show the figures that an event restated, with before and after, and the stops and alarms that came of it.

    Exit code 1 where the log has no such event.
    """
    from tailrace.app.explain_event import explain_event  # noqa: PLC0415  as above

    target = options.folder(directory)
    compose.catch_up(target)
    found = explain_event(target, event_id)
    if as_json:
        put_json(found)
    else:
        _show_event(found)


def _show_event(found: Mapping[str, Any]) -> None:
    out, record = console(), found["record"]
    out.print(f"{found['id']}: {found['type']} of {found['machine'] or 'the site'}, position {record['position']}")
    out.print(f"  source {record['source'] or '–'}, session {record['session'] or '–'}, came in {record['ingested']}")
    for each in found["figures"]:
        restated, closed = each["minutes_restated"], each["minutes_closed"]
        out.print(f"{each['machine']}: {restated} minutes restated, {closed} minutes over with it")
        spans = [
            (span.get("name", "hour"), span["from"], _oee(span["before"]), _oee(span["after"]))
            for span in each["hours"]
        ]
        spans += [(span["name"], span["from"], _oee(span["before"]), _oee(span["after"])) for span in each["shifts"]]
        if spans:
            out.print(table(["", "from", "OEE before", "OEE after"], spans))
    for each in found["stops"]:
        was, now = (stop and (stop["reason"] or stop["category"]) for stop in (each["before"], each["after"]))
        out.print(f"stop {each['id']}: {was or 'there was none'} → {now or 'there is none'}")
    for each in found["anomalies"]:
        out.print(f"alarm {each['RecordID']}: {each['severity']}, {each['explanation']}")
    if not (found["figures"] or found["stops"] or found["anomalies"]):
        out.print("no figure, stop or alarm is other for it")


def _oee(figures: Mapping[str, Any] | None) -> str:
    return "–" if figures is None else percent(figures["oee"])


def _show(found: Mapping[str, Any]) -> None:
    out = console()
    out.print(f"{found['machine']}  {found['from']} .. {found['to']}: OEE {percent(found['value'])}")
    for each in found["formulas"]:
        out.print(f"  {each['name']:12} = {_quotient(each)} = {percent(each['value'])}   ({each['formula']})")
    _show_time(out, found["time"])
    _show_parts(out, found["parts"])
    for each in found["definitions"]:
        policy = " ".join(f"{name}={value}" for name, value in each["policy"].items() if name != "state_map")
        out.print(f"definition: {each['name'] or 'the defaults'} from {each['from']}: {policy}")
    rows = found["buckets"]
    shown = f"{rows['first']} .. {rows['last']}" if rows["rows"] else "none is closed yet"
    out.print(f"rows behind it: {rows['rows']} minutes ({shown}), {rows['restated']} of them restated")
    for each in rows["restatements"][:5]:
        out.print(f"  {each['minute']}: revision {each['revision']}, known since {each['known_from']}")
    _show_events(out, found["events"])
    out.print(f"known until {found['known_until'] or 'never'}")


def _show_events(out: Console, events: Mapping[str, Any]) -> None:
    rows = [
        (each["position"], each["t"], each["ingested"], each["type"], each["source"] or "–", each["session"] or "–", each["seq"],
         each["quality"])
        for each in events["items"]
    ]  # fmt: skip
    if rows:
        out.print(table(["position", "t", "came in", "raw event", "source", "session", "seq", "quality"], rows))
    if events["next"]:
        out.print(f"… and more raw events: --cursor {events['next']}")


def _quotient(each: Mapping[str, Any]) -> str:
    if "above" in each:
        return f"{each['above']} ÷ {each['below']}"
    above, below = (each[name] for name in ("above_s", "below_s"))
    return " ÷ ".join("–" if value is None else length(value) for value in (above, below))


def _show_time(out: Console, time: Sequence[Mapping[str, Any]]) -> None:
    total: Counter[str] = Counter()
    for each in time:
        total[each["bucket"]] += each["seconds"]
    sums = ", ".join(f"{length(value)} {name}" for name, value in total.most_common())
    out.print(f"time: {sums or 'none'}")
    longest = sorted(time, key=lambda each: -each["seconds"])[:STRETCHES]
    rows = [
        (each["from"], each["to"], length(each["seconds"]), each["bucket"], each["state"] or "–", _because(each))
        for each in time
        if each in longest
    ]
    out.print(table(["from", "to", "h:min:s", "counts as", "state", "because"], rows))
    if len(time) > len(rows):
        out.print(f"… and {len(time) - len(rows)} shorter ones; --json has all")


def _because(each: Mapping[str, Any]) -> str:
    """Why a stretch counts where it does."""
    if each["schedule"] == "off":
        return "outside every shift"
    if each["schedule"] == "planned":
        return "planned stop of the calendar"
    said = " ".join(
        [*([repr(each["reason"])] if each["reason"] else []), *([f"by {each['by']}"] if each["by"] else [])]
    )
    stop = f"stop {each['stop']}" if each["stop"] else ""
    return ", ".join(part for part in (f"category {each['category']}", said, stop) if part)


def _show_parts(out: Console, parts: Sequence[Mapping[str, Any]]) -> None:
    if not parts:
        out.print("parts: none")
        return
    rows = [
        (each["product"] or "–", ", ".join(f"{cycle} s" for cycle in each["ideal_cycle_s"]) or "unknown", each["good"],
         each["reject"], each["rework"], length(each["standard_s"]), each["offplan_good"] + each["offplan_reject"])
        for each in parts
    ]  # fmt: skip
    columns = ["product", "ideal cycle", "good", "reject", "rework", "ideal cycle × parts", "off plan"]
    out.print(table(columns, rows))
