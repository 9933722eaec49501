"""The dashboard in a real browser, over a real `tailrace up` with a day of history and events that come while it is looked at."""

from __future__ import annotations

import re
import sqlite3
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

import seeing
from browsing import PHONE, chromium, looking, wide
from commands import tailrace_json, until
from seeing import RATIOS, figures_shown, tile
from tailrace.app.ui_text import number, percent
from tailrace.schemas.event import ConnectionLost, IngestQuarantined, StateChanged, Telemetry
from tailrace.schemas.unit import MINUS
from ui_plant import HOT, INTO_SHIFT, MACHINES, UNITS, Live, apart, shown, stamped

PAGES = ("", "machine/MCH006", "signals", "stops", "anomalies", "sources", "log")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def live(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with shown(tmp_path_factory.mktemp("plant")) as plant:
        yield plant
        assert "Traceback" not in plant.up.said()


def rest(live: Live, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    return seeing.rest(live.url, path, body)


def test_the_floor_says_what_every_machine_does_and_how_well(browser: Browser, live: Live) -> None:
    with looking(browser, live.url) as page:
        assert page.title() == "Floor · Tailrace"
        expect(page.locator("a.tile")).to_have_count(len(MACHINES))
        assert [each.split("\n")[0] for each in page.locator(".tile-head h2").all_inner_texts()] == MACHINES
        expect(page.locator(".big.figure")).to_have_count(len(MACHINES))
        expect(page.locator(".spark i")).to_have_count(8 * len(MACHINES))
        assert page.locator("body").inner_text().count("Europe/Berlin") >= 1


def test_figures_on_the_page_are_those_of_the_command_and_of_rest(browser: Browser, live: Live) -> None:
    with looking(browser, live.url) as page:
        for machine in ("MCH003", "MCH008"):
            expect(tile(page, machine).locator(".big.figure")).to_be_visible()
            start, end, ratios = figures_shown(tile(page, machine))
            window = ("--machine", machine, "--from", start, "--to", end)
            said = apart(tailrace_json, "oee", "--dir", live.directory, *window)
            query = urllib.parse.urlencode({"machine": machine, "from": start, "to": end})
            assert rest(live, f"oee?{query}")["items"] == [said]
            assert ratios == {name: percent(said[name]) for name in RATIOS}


def test_a_machine_that_breaks_turns_red_at_once(browser: Browser, live: Live) -> None:
    with looking(browser, live.url) as page:
        expect(tile(page, "MCH006")).to_have_class("tile is-run")
        live.state("MCH006", "fault")
        expect(tile(page, "MCH006")).to_have_class("tile is-unplanned")
        expect(tile(page, "MCH006")).to_contain_text("Down")
        expect(tile(page, "MCH006")).to_contain_text("fault")
        expect(page.locator(".counts")).to_contain_text("down")
        live.state("MCH006", "running")
        expect(tile(page, "MCH006")).to_have_class("tile is-run")


def test_a_machine_that_nobody_sees_is_unknown_and_says_why(browser: Browser, live: Live) -> None:
    with looking(browser, live.url) as page:
        expect(tile(page, "MCH004")).to_have_class("tile is-run")
        live.say(stamped(ConnectionLost, machine="MCH004", source="line"))
        expect(tile(page, "MCH004")).to_have_class("tile is-unknown")
        expect(tile(page, "MCH004").locator(".tile-state")).to_contain_text("connection lost")
        (item,) = [item for item in rest(live, "machines")["items"] if item["machine"] == "MCH004"]
        assert (item["state"], item["category"], item["why"]) == ("unknown", "unknown", "connection lost")
        live.state("MCH004", "running")
        expect(tile(page, "MCH004")).to_have_class("tile is-run")
        expect(tile(page, "MCH004").locator(".tile-state")).not_to_contain_text("connection lost")


def test_long_words_stay_on_the_line_of_their_tile(browser: Browser, live: Live) -> None:
    with looking(browser, live.url) as page:
        live.state("MCH009", "maintenance")
        expect(tile(page, "MCH009")).to_have_class("tile is-planned")
        line = tile(page, "MCH009").locator(".tile-state")
        line.locator(".since").evaluate("each => each.textContent = 'since 28 Nov · 12\u202fd 22\u202fh'")
        wide, high = line.evaluate("each => [each.scrollWidth - each.clientWidth, each.clientHeight]")
        assert wide <= 0 and high < 24
        assert line.get_attribute("title") == "Planned stop, maintenance"
        live.state("MCH009", "running")
        expect(tile(page, "MCH009")).to_have_class("tile is-run")


def test_a_new_machine_gets_a_tile_and_what_it_never_said_is_no_data(browser: Browser, tmp_path: Path) -> None:
    with shown(tmp_path, history=False) as live, looking(browser, live.url) as page:
        expect(page.locator("#main")).to_contain_text("No machine has said anything yet")
        expect(page.locator("#main")).to_contain_text("tailrace import")
        live.say(stamped(StateChanged, machine="A <b>&", state="offline"))
        expect(page.locator("a.tile")).to_have_count(1)
        expect(page.locator("a.tile h2")).to_have_text("A <b>&")
        expect(page.locator("a.tile")).to_have_class("tile is-unknown")
        expect(page.locator("a.tile .big.none")).to_have_text("no data")
        page.locator("a.tile").click()
        expect(page.locator("h1")).to_have_text("A <b>&")
        expect(page.locator("#main")).to_contain_text("No signal yet")
        expect(page.locator("#main")).to_contain_text("No stop yet")


def test_the_waterfall_adds_up_as_it_is_shown(browser: Browser, live: Live) -> None:
    with looking(browser, f"{live.url}machine/MCH006") as page:
        expect(page.locator("[data-minutes=valuable]")).to_be_visible()
        shown = page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('[data-minutes]')].map(e => [e.dataset.minutes, e.textContent]))"
        )
        minutes = {
            name: round(10 * float(text.replace("\u2212", "-").replace("\u202f", "").removesuffix("min")))
            for name, text in shown.items()
        }
        losses = (
            "not_scheduled",
            "planned_stop",
            "excluded",
            "setup",
            "breakdown",
            "unknown",
            "microstop",
            "speed_loss",
            "quality_loss",
        )
        assert minutes["calendar"] + sum(minutes[name] for name in losses) == minutes["valuable"]
        assert minutes["calendar"] + sum(minutes[name] for name in losses[:3]) == minutes["pbt"]
        start, end, _ = figures_shown(page.locator("#main"))
        said = apart(tailrace_json, "oee", "--dir", live.directory, "--machine", "MCH006", "--from", start, "--to", end)
        for name, tenths in minutes.items():
            assert abs(abs(tenths) - abs(said[name]) / 6) <= 1, name
        expect(page.locator(".signal")).to_have_count(8)
        expect(page.locator(".signal", has_text="Humidity")).to_contain_text("%RH")
        page.get_by_role("button", name="24 h").click()
        expect(page.get_by_role("button", name="24 h")).to_have_attribute("aria-pressed", "true")


def test_the_same_shift_by_another_definition(browser: Browser, live: Live) -> None:
    with looking(browser, f"{live.url}machine/MCH006") as page:
        expect(page.locator("[data-minutes=valuable]")).to_be_visible()
        expect(page.locator("[data-definition='']")).to_contain_text("by ")
        page.get_by_role("button", name="semi@1").click()
        expect(page.locator("[data-definition='semi@1']")).to_contain_text("by semi@1")
        expect(page.get_by_role("button", name="semi@1")).to_have_attribute("aria-pressed", "true")
        start, end, ratios = figures_shown(page.locator("#main"))
        asked = ("--machine", "MCH006", "--from", start, "--to", end, "--definition", "semi")
        said = apart(tailrace_json, "oee", "--dir", live.directory, *asked)
        assert ratios == {name: percent(said[name]) for name in RATIOS}
        page.get_by_role("button", name="own", exact=True).click()
        expect(page.locator("[data-definition='']")).to_be_visible()


def cells(page: Page) -> dict[tuple[str, str], str]:
    """What the table of signals shows, by machine and signal."""
    found = page.evaluate(
        """[...document.querySelectorAll(".assets tbody tr")].flatMap(row =>
        [...row.querySelectorAll("[data-signal]")].map(cell =>
            [row.querySelector("a").textContent, cell.dataset.signal, cell.innerText.replace(/\\s+/g, " ").trim()]))"""
    )
    return {(machine, signal): text for machine, signal, text in found}


def test_the_table_of_signals_is_what_rest_and_sql_say(browser: Browser, live: Live) -> None:
    with looking(browser, f"{live.url}signals") as page:
        expect(page.locator(".assets tbody tr")).to_have_count(len(MACHINES))
        heads = page.locator(".assets th").all_inner_texts()
        assert heads[:2] == ["Machine", "MachineTemp °C"]
        assert sorted(heads[1:]) == sorted(f"{name} {unit}" for name, unit in UNITS.items())
        items = {(item["machine"], item["signal"]): item["value"] for item in rest(live, "signals?limit=1000")["items"]}
        said = {key: number(value) for key, value in items.items() if key[1] in UNITS}
        assert cells(page) == {(m, s): said.get((m, s), "no data") for m in MACHINES for s in UNITS}
        with closing(sqlite3.connect(live.directory / "read.db")) as connection:
            connection.row_factory = sqlite3.Row
            for row in connection.execute("SELECT * FROM asset_data"):
                for signal in UNITS.keys() & set(row.keys()):
                    assert row[signal] == items.get((row["MachineID"], signal)), (row["MachineID"], signal)
        assert {cells(page)["MCH003", signal] for signal in UNITS if signal != "MachineTemp"} == {"no data"}


def test_a_cell_changes_as_it_is_read_and_a_new_signal_is_a_new_column(browser: Browser, live: Live) -> None:
    with looking(browser, f"{live.url}signals") as page:
        row = page.locator(".assets tbody tr", has_text="MCH003")
        expect(row).to_be_visible()
        live.say(stamped(Telemetry, machine="MCH003", values={"MachineTemp": 0.0}))
        expect(row.locator("[data-signal=MachineTemp]")).to_have_text(re.compile(r"^0\s°C$"))
        live.say(stamped(Telemetry, machine="MCH003", values={"Tilt": -1.5}, quality={"MachineTemp": "bad"}))
        expect(row.locator("[data-signal=Tilt]")).to_have_text(f"{MINUS}1.5")
        expect(row.locator("[data-signal=MachineTemp]")).to_contain_text("bad")
        expect(page.locator("[data-signal=Tilt]", has_text="no data")).to_have_count(len(MACHINES) - 1)
        assert page.locator(".assets th").all_inner_texts()[-1] == "Tilt"


def stopped(live: Live) -> dict[str, Any]:
    """A breakdown of the running shift that has no reason yet, long enough to be seen in its figures."""
    now = time.time()
    for machine in MACHINES:
        window = f"machine={machine}&from={now - INTO_SHIFT / 1e9 + 300:.0f}&to={now - 60:.0f}"
        for stop in rest(live, f"stops?{window}")["items"]:
            fresh = stop["category"] == "unplanned" and stop["revision"] == 1 and not stop["reason"]
            if fresh and stop["end"] and stop["duration_s"] > 300:
                found: dict[str, Any] = stop
                return found
    raise AssertionError("expected a breakdown without a reason in the running shift, got none")


def explain(page: Page, stop: dict[str, Any]) -> None:
    page.locator(f'[data-stop="{stop["id"]}"] button').click()
    expect(page.get_by_role("dialog")).to_contain_text(f"Why was {stop['machine']} down?")


def test_a_reason_changes_the_figures_on_the_page(browser: Browser, live: Live) -> None:
    stop = stopped(live)
    with looking(browser, f"{live.url}machine/{stop['machine']}") as page:
        loss = page.locator("[data-minutes=planned_stop]")
        expect(loss).to_be_visible()
        before, availability = loss.inner_text(), page.locator("[data-figure=availability]").inner_text()
        explain(page, stop)
        page.get_by_role("radio", name="Planned stop").click()
        page.get_by_label("Why").fill("Cleaning & <oiling>")
        page.get_by_label("Your name").fill("Ann")
        page.get_by_role("button", name="Save").click()
        row = page.locator(f'[data-stop="{stop["id"]}"]')
        expect(row).to_contain_text("Cleaning & <oiling>")
        expect(row).to_contain_text("Planned stop")
        expect(page.locator("[data-figure=availability]")).not_to_have_text(availability)
        expect(loss).not_to_have_text(before)
        start, end, ratios = figures_shown(page.locator("#main"))
        said = apart(
            tailrace_json, "oee", "--dir", live.directory, "--machine", stop["machine"], "--from", start, "--to", end
        )
        assert ratios == {name: percent(said[name]) for name in RATIOS}
        page.goto(f"{live.url}stops")
        expect(page.locator(".pareto")).to_contain_text("Cleaning & <oiling>")


def test_an_edit_that_was_overtaken_shows_both_versions(browser: Browser, live: Live) -> None:
    stop = stopped(live)
    with looking(browser, f"{live.url}machine/{stop['machine']}") as page:
        explain(page, stop)
        page.get_by_role("radio", name="Setup").click()
        page.get_by_label("Why").fill("Tool change")
        theirs = {"category": "unplanned", "reason": "Jam", "by": "Björn", "expected_revision": stop["revision"]}
        rest(live, f"stops/{stop['id']}/reason", theirs)
        page.get_by_role("button", name="Save").click()
        versions = page.locator(".versions")
        expect(versions).to_contain_text("Stands now")
        for words in ("Jam", "Björn", "Tool change"):
            expect(versions).to_contain_text(words)
        page.get_by_role("button", name="Write mine over it").click()
        row = page.locator(f'[data-stop="{stop["id"]}"]')
        expect(row).to_contain_text("Tool change")
        expect(page.get_by_role("dialog")).to_have_count(0)
    with looking(browser, f"{live.url}machine/{stop['machine']}") as page:
        expect(page.locator(f'[data-stop="{stop["id"]}"]')).to_contain_text("Tool change")


def test_a_stop_is_split_and_put_together_again_on_a_phone(browser: Browser, live: Live) -> None:
    stop = stopped(live)
    with looking(browser, f"{live.url}machine/{stop['machine']}") as page:
        page.set_viewport_size({"width": 390, "height": 844})
        explain(page, stop)
        page.get_by_role("button", name="Split").click()
        expect(page.get_by_role("alert")).to_contain_text("After how many minutes?")
        page.get_by_label("Split after, min").fill("100000")
        page.get_by_role("button", name="Split").click()
        expect(page.get_by_role("alert")).to_contain_text("expected a time inside the stop")
        page.get_by_label("Split after, min").fill("2.5")
        page.get_by_role("button", name="Split").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.locator(f'[data-stop="{stop["id"]}"]')).to_contain_text("2 min 30 s")
        explain(page, stop)
        page.get_by_role("button", name="Undo last edit").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        window = f"machine={stop['machine']}&from={stop['start']}&to={stop['end']}".replace("+", "%2B")
        (whole,) = rest(live, f"stops?{window}")["items"]
        assert (whole["id"], whole["duration_s"], whole["revision"]) == (stop["id"], stop["duration_s"], 3)


def test_an_anomaly_is_on_the_floor_and_in_the_list_with_its_reason(browser: Browser, live: Live) -> None:
    (alarm,) = rest(live, f"anomalies?machine={HOT}")["items"]
    with looking(browser, live.url) as page:
        expect(tile(page, HOT).locator(".badge")).to_contain_text("1")
        expect(page.locator(".tile .badge")).to_have_count(1)
        page.goto(f"{live.url}anomalies")
        row = page.locator(f'[data-record="{alarm["RecordID"]}"]')
        for words in (
            alarm["RecordID"],
            HOT,
            alarm["severity"],
            "MachineTemp is",
            "open",
            f"{alarm['AnomalyScore']:.2f}",
        ):
            expect(row).to_contain_text(words)
        assert row.locator("time").get_attribute("datetime") == alarm["DetectionTime"]
        page.goto(f"{live.url}machine/{HOT}")
        expect(page.locator(".alarms")).to_contain_text("MachineTemp is")
        expect(page.locator(".band i.over").first).to_be_visible()
        expect(page.locator(".trend path")).to_have_count(len(UNITS))


def test_sources_say_what_became_of_what_came(browser: Browser, live: Live) -> None:
    with looking(browser, f"{live.url}sources") as page:
        said = apart(tailrace_json, "status", "--dir", live.directory)["sources"][0]
        row = page.locator('[data-source="line"]')
        for name in ("received", "appended", "duplicate", "quarantined"):
            digits = "".join(row.locator(f'[data-label="{name.capitalize()}"]').inner_text().split())
            assert digits.removeprefix(name.capitalize()) == str(said[name]), name
        what = {"source": "line", "where": "plant/MCH004/data", "reason": "expected a time, got 'soon'", "raw": b"{}"}
        live.say(stamped(IngestQuarantined, **what))
        expect(page.locator("#main")).to_contain_text("expected a time, got 'soon'")


def test_the_log_runs_along(browser: Browser, live: Live) -> None:
    with looking(browser, f"{live.url}log") as page:
        live.state("MCH010", "blocked")
        expect(page.locator(".log p").first).to_contain_text('state="blocked"')
        page.get_by_role("button", name="Hold still").click()
        expect(page.get_by_role("button", name="Go on")).to_be_visible()
        live.state("MCH010", "running")
        until(lambda: rest(live, "machines?limit=100")["items"][-1]["category"] == "run", "it is folded")
        expect(page.locator(".log p").first).to_contain_text('state="blocked"')
        page.get_by_role("button", name="Go on").click()
        expect(page.locator(".log p").first).to_contain_text('state="running"')


@pytest.mark.parametrize("path", PAGES)
def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, live: Live, path: str) -> None:
    with looking(browser, live.url + path, viewport=PHONE, device_scale_factor=2) as page:
        expect(page.locator("h1")).to_be_visible()
        assert wide(page) <= 0
        for link in page.locator(".nav a").all():
            box = link.bounding_box()
            assert box is not None
            assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
        if path in ("", "machine/MCH006"):
            expect(page.locator(".big.figure").first).to_be_visible()


def test_light_and_dark_follow_the_system_and_then_the_person(browser: Browser, live: Live) -> None:
    with looking(browser, live.url, color_scheme="dark") as page:
        expect(page.locator("body.body--dark")).to_have_count(1)
        expect(page.locator(".big.figure")).to_have_count(len(MACHINES))
        page.get_by_role("button", name="Light or dark").click()
        expect(page.locator("body.body--dark")).to_have_count(0)
        page.reload()
        expect(page.locator("body.body--light")).to_have_count(1)


def test_everything_is_reached_by_keyboard(browser: Browser, live: Live) -> None:
    with looking(browser, live.url) as page:
        reached = []
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate(
                    "document.activeElement.textContent.trim().slice(0, 15) || document.activeElement.ariaLabel"
                )
            )
        assert reached[0] == "Skip to content"
        bar = ["Floor", "Signals", "Stops", "Anomalies", "Sources", "Log", "Light or dark"]
        assert [name for name in reached if name in bar] == bar
        assert [name[:6] for name in reached if name.startswith("MCH")] == MACHINES[
            : len([n for n in reached if n.startswith("MCH")])
        ]
        page.locator("a.tile").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text(MACHINES[0])


def test_a_machine_that_is_not_there_is_said_to_be_unknown(browser: Browser, live: Live) -> None:
    with looking(browser, f"{live.url}machine/M%3C1", allowed="404") as page:
        expect(page.locator("#main")).to_contain_text("No machine is called M<1")
        page.get_by_role("link", name="MCH004").click()
        expect(page.locator("h1")).to_have_text("MCH004")
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        urllib.request.urlopen(f"{live.url}machine/M9", timeout=10)
    caught.value.close()
