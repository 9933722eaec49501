"""`tailrace demo` as a newcomer meets it: started, looked at in a browser, disturbed, ended and started again.

Rules: nothing here rests on what the machines happen to do; where a stop is needed, one is made. The plant is where it is
between eleven and twelve o'clock: its shift has gone on for five hours, and no break is near.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from browsing import PHONE, chromium, looking, picture, wide
from commands import TAILRACE, tailrace, tailrace_json, until
from components import program
from seeing import RATIOS, figures_shown, rest, tile
from tailrace.app.demo_plant import Demo
from tailrace.app.ui_text import percent
from tailrace.connectors.simulator_plant import Identity
from tailrace.schemas.instant import HOUR, MINUTE
from ui_plant import apart

DAYS = 10
ZONE = f"Etc/GMT{(time.gmtime().tm_hour - 11 + 12) % 24 - 12:+d}"
"""Where it is eleven now; these names count hours west of Greenwich."""

READY_S = 300.0
MACHINES = [f"MCH{n:03d}" for n in range(3, 11)]


class Running:
    """A demo as a process of its own."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self._log = directory.with_name(f"{directory.name}.demo.log")
        self._log.write_bytes(b"")
        arguments = [
            "demo",
            "--no-browser",
            "--dir",
            str(directory),
            "--port",
            "0",
            "--days",
            str(DAYS),
            "--zone",
            ZONE,
            *options,
        ]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*TAILRACE, *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )  # fmt: skip

    def said(self) -> str:
        return self._log.read_text()

    def ready(self) -> str:
        """The page's address, once the past is worked out."""
        over = self.process.poll
        until(lambda: "Three things to try" in self.said() or over() is not None, "the demo is ready", READY_S)
        assert over() is None, self.said()
        found = re.search(r"page +(http://\S+/) ", self.said())
        assert found, self.said()
        return found[1]

    def end(self, number: int = signal.SIGTERM) -> None:
        """Asks it to end, and waits until it has."""
        self.process.send_signal(number)
        self.process.wait(60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def demo(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    program("mosquitto")
    running = Running(tmp_path_factory.mktemp("demo") / "data")
    try:
        running.ready()
        yield running
        assert "Traceback" not in running.said()
    finally:
        if running.process.poll() is None:
            running.end()


@pytest.fixture
def url(demo: Running) -> str:
    return demo.ready()


def asked(*arguments: object) -> dict[str, Any]:
    """The answer of a command."""
    return apart(tailrace_json, *arguments)


def do(demo: Running, *arguments: object) -> dict[str, Any]:
    """A subcommand of `tailrace demo`, from another terminal."""
    return asked("demo", *arguments, "--dir", demo.directory)


def test_it_says_what_it_started_where_the_data_lies_and_what_to_try(demo: Running) -> None:
    said = demo.said()
    for words in (
        "8 simulated machines, seed 1", "MCH003, MCH004, MCH005, MCH006  on opc.tcp://127.0.0.1:",
        "MCH007, MCH008, MCH009, MCH010  through mosquitto on mqtt://127.0.0.1:", str(demo.directory), "events.db", "plant.yaml",
        "demo break MCH006", "give a stop a reason", "tail --dir", "Ctrl-C",
    ):  # fmt: skip
        assert words in said, words
    found = asked("status", "--dir", demo.directory)
    assert found["machines"] == MACHINES
    received = {each["source"]: each["received"] for each in found["sources"]}
    assert received["history"] > 8 * (DAYS - 1) * 1440
    until(lambda: len(asked("status", "--dir", demo.directory)["sources"]) == 3, "both protocols are heard", READY_S)


def temperature(url: str, machine: str) -> Any:
    """A signal that is read whether the machine runs or not, as its plant has breakdowns of its own."""
    (found,) = [each for each in rest(url, f"signals?machine={machine}")["items"] if each["signal"] == "MachineTemp"]
    return found


def test_the_floor_is_live(browser: Browser, url: str) -> None:
    with looking(browser, url) as page:
        expect(page.locator("a.tile")).to_have_count(8)
        expect(page.locator(".tile .big")).to_have_count(8)
        expect(page.locator(".backlog-in")).to_have_count(0)
        for machine, protocol in (("MCH008", "MQTT"), ("MCH003", "OPC UA")):
            heard = temperature(url, machine)
            until(lambda: temperature(url, machine)["t"] > heard["t"], f"{protocol} brings more", READY_S)  # noqa: B023
        picture(page, "floor")


def test_a_broken_machine_turns_red(browser: Browser, demo: Running, url: str) -> None:
    with looking(browser, url) as page:
        expect(page.locator(".tile .big")).to_have_count(8)
        sound = [each for each in ("MCH006", "MCH008", *MACHINES) if "fault" not in tile(page, each).inner_text()]
        for machine in list(dict.fromkeys(sound))[:3]:  # of the others nobody repairs what broke by itself
            do(demo, "break", machine, "--minutes", 30)
            expect(tile(page, machine)).to_have_class("tile is-unplanned")
            expect(tile(page, machine)).to_contain_text("fault")
            if machine == sound[0]:
                picture(page, "floor-down")
            do(demo, "repair", machine)


def an_ended_stop(demo: Running, url: str, page: Page) -> dict[str, Any]:
    """A stop of MCH006 in the window that its page shows: one that happened, or one that is made."""
    start = figures_shown(page.locator("#main"))[0]

    def found() -> list[dict[str, Any]]:
        stops = rest(url, f"stops?machine=MCH006&from={start}")["items"]
        over = [each for each in stops if each["end"] and each["start"] > start and each["duration_s"] > 7]
        return [each for each in over if each["category"] == "unplanned" and not each["reason"]]

    if not found():
        do(demo, "break", "MCH006", "--minutes", 0.2)
        until(found, "a stop came and went", READY_S)
    return found()[0]


def test_a_reason_changes_oee_on_the_page(browser: Browser, demo: Running, url: str) -> None:
    with looking(browser, f"{url}machine/MCH006") as page:
        expect(page.locator("[data-minutes=valuable]")).to_be_visible()
        picture(page, "machine", whole=True)
        planned = page.locator("[data-minutes=planned_stop]")
        stop = an_ended_stop(demo, url, page)
        before = planned.inner_text()
        page.locator(f'[data-stop="{stop["id"]}"] button').click()
        page.get_by_role("radio", name="Planned stop").click()
        page.get_by_label("Why").fill("Cleaning")
        page.get_by_label("Your name").fill("Ann")
        picture(page, "reason")
        page.get_by_role("button", name="Save").click()
        expect(page.locator(f'[data-stop="{stop["id"]}"]')).to_contain_text("Cleaning")
        expect(planned).not_to_have_text(before)
        page.goto(f"{url}stops")
        expect(page.locator(".pareto")).to_contain_text("Cleaning")
        picture(page, "stops")
    listed = asked("stops", "--dir", demo.directory, "--machine", "MCH006", "--from", stop["start"])["items"]
    (said,) = [each for each in listed if each["id"] == stop["id"]]
    assert (said["category"], said["reason"], said["by"], said["revision"]) == ("planned_stop", "Cleaning", "Ann", 2)


def test_an_edit_that_was_overtaken_shows_both_versions(browser: Browser, demo: Running, url: str) -> None:
    with looking(browser, f"{url}machine/MCH006") as page:
        expect(page.locator("[data-minutes=valuable]")).to_be_visible()
        stop = an_ended_stop(demo, url, page)
        page.locator(f'[data-stop="{stop["id"]}"] button').click()
        page.get_by_role("radio", name="Setup").click()
        page.get_by_label("Why").fill("Tool change")
        theirs = {"category": "unplanned", "reason": "Jam", "by": "Björn", "expected_revision": stop["revision"]}
        rest(url, f"stops/{stop['id']}/reason", theirs)
        page.get_by_role("button", name="Save").click()
        for words in ("Stands now", "Jam", "Björn", "Tool change"):
            expect(page.locator(".versions")).to_contain_text(words)
        picture(page, "conflict")


def test_page_rest_command_and_sql_say_the_same(browser: Browser, demo: Running, url: str) -> None:
    with looking(browser, url) as page:
        for machine in ("MCH003", "MCH009"):
            expect(tile(page, machine).locator(".big")).to_be_visible()
            start, end, shown = figures_shown(tile(page, machine))
            said = asked("oee", "--dir", demo.directory, "--machine", machine, "--from", start, "--to", end)
            assert rest(url, f"oee?machine={machine}&from={start}&to={end}")["items"] == [said]
            for name in RATIOS:
                assert said[name] is None or shown[name] == percent(said[name])
    hour = (time.time_ns() - 3 * HOUR) // HOUR * HOUR
    window = ("--from", hour // 10**9, "--to", (hour + HOUR) // 10**9)
    said = asked("oee", "--dir", demo.directory, "--machine", "MCH004", *window)
    with closing(sqlite3.connect(demo.directory / "read.db")) as connection:
        (good, reject) = connection.execute(
            "SELECT sum(shift_good), sum(shift_reject) FROM oee_hour WHERE machine = 'MCH004' AND start_ns = ?",
            (hour,),
        ).fetchone()
        cells = connection.execute("SELECT * FROM asset_data WHERE MachineID = 'MCH003'")
        asset = dict(zip([each[0] for each in cells.description], cells.fetchone(), strict=True))
    assert (said["good"], said["reject"]) == (good, reject)
    assert asset.pop("MachineTemp") is not None
    assert {name for name, value in asset.items() if value is None} >= {
        "CO2Level",
        "EnergyConsumed",
        "EnvTemp",
        "Humidity",
        "PowerPeak",
    }


@pytest.mark.parametrize("path", ["", "machine/MCH006", "stops", "anomalies", "signals", "sources", "log"])
def test_on_a_phone(browser: Browser, url: str, path: str) -> None:
    with looking(browser, url + path, viewport=PHONE, device_scale_factor=2) as page:
        expect(page.locator("h1")).to_be_visible()
        assert wide(page) <= 0
        if path in ("", "machine/MCH006"):
            expect(page.locator(".big").first).to_be_visible()
            picture(page, f"phone-{path.partition('/')[0] or 'floor'}")


def test_in_the_dark(browser: Browser, url: str) -> None:
    with looking(browser, url, color_scheme="dark") as page:
        expect(page.locator("body.body--dark")).to_have_count(1)
        expect(page.locator(".tile .big")).to_have_count(8)
        picture(page, "floor-dark")


def test_the_other_pages(browser: Browser, url: str) -> None:
    with looking(browser, f"{url}anomalies") as page:
        expect(page.locator("[data-record]").first).to_be_visible()
        picture(page, "anomalies")
        page.goto(f"{url}signals")
        expect(page.locator("#main")).to_contain_text("no data")
        picture(page, "signals")
        page.goto(f"{url}sources")
        for name in ("history", "machining", "assembly"):
            expect(page.locator(f'[data-source="{name}"]')).to_be_visible()
        picture(page, "sources")
        page.goto(f"{url}log")
        expect(page.locator(".log p").first).to_be_visible()


def test_a_broker_that_is_killed_is_started_again_and_nothing_is_lost(demo: Running, url: str) -> None:
    def heard() -> str:
        return str(rest(url, "signals?machine=MCH010")["items"][0]["t"])

    os.kill(int((demo.directory / "broker" / "mosquitto.pid").read_text()), signal.SIGKILL)
    until(lambda: "broker: mosquitto ended (code -9); starting it again" in demo.said(), "it is noticed", READY_S)
    before = heard()
    until(lambda: heard() > before, "messages come again", READY_S)
    (source,) = [each for each in rest(url, "status")["sources"] if each["source"] == "assembly"]
    assert source["received"] == source["appended"] + source["duplicate"] and not source["quarantined"]


def test_wrong_wishes_are_answered_in_words(demo: Running, url: str, tmp_path: Path) -> None:
    port = url.rstrip("/").rpartition(":")[2]
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "newer").mkdir()
    newer = Demo(version=7, identity=Identity(seed=1, began=0))
    (tmp_path / "newer" / "demo.json").write_bytes(msgspec.json.encode(newer))
    (tmp_path / "plant").mkdir()
    with closing(sqlite3.connect(tmp_path / "plant" / "events.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    for arguments, code, words in (
        (("demo", "--no-browser", "--dir", demo.directory), 3, f"process {demo.process.pid} owns this folder"),
        (("demo", "--no-browser", "--dir", tmp_path / "a", "--port", port), 3, "got one that is in use"),
        (("demo", "--no-browser", "--dir", tmp_path / "newer"), 2, "expected a demo of version 1, got 7"),
        (("demo", "--no-browser", "--dir", tmp_path / "plant"), 2, "one with other data; name another with --dir"),
        (("demo", "--no-browser", "--dir", tmp_path / "file" / "below"), 3, "expected a folder to keep data in"),
        (("demo", "--no-browser", "--dir", tmp_path / "b", "--machines", "7"), 2, "--machines"),
        (("demo", "--no-browser", "--dir", tmp_path / "b", "--zone", "Ulm"), 2, "got 'Ulm'"),
        (("demo", "--no-browser", "--dir", tmp_path / "b", "--speed", "fast"), 2, "--speed"),
        (("demo", "break", "MCH016", "--dir", demo.directory), 1, "expected a machine of the simulated plant (MCH003 … MCH010)"),
        (("demo", "break", "MCH006", "--dir", tmp_path), 3, "expected a running demo here, found none"),
        (("demo", "do", "{}", "--dir", demo.directory), 2, "expected a command like"),
    ):  # fmt: skip
        said = apart(partial(tailrace, *arguments, code=code)).stderr
        assert words in said, said
        assert "Traceback" not in said
    assert not (tmp_path / "a").exists()
    assert do(demo, "do", '{"do":"status"}')["status"]["machines"] == 8


def test_started_again_it_goes_on_and_history_is_not_made_twice(demo: Running) -> None:
    demo.end()
    assert demo.process.returncode == 0 and "Traceback" not in demo.said()
    assert not (demo.directory / "broker" / "mosquitto.pid").exists()
    before = minutes_of_history(demo.directory)
    again = Running(demo.directory)
    try:
        url = again.ready()
        after = minutes_of_history(demo.directory)
        for machine in MACHINES:
            assert after[machine][: len(before[machine])] == before[machine]
            assert len(after[machine]) == len(set(after[machine]))
        (history,) = [each for each in rest(url, "status")["sources"] if each["source"] == "history"]
        assert history["duplicate"] == history["quarantined"] == 0
        heard = rest(url, "signals?machine=MCH004")["items"][0]["t"]
        until(lambda: rest(url, "signals?machine=MCH004")["items"][0]["t"] > heard, "machines speak again", READY_S)
    finally:
        again.end(signal.SIGINT)
        assert again.process.returncode == 0 and "Traceback" not in again.said()


def minutes_of_history(directory: Path) -> dict[str, list[int]]:
    """The minutes of which each machine's readings are in the log as history, in the order of the log."""
    found: dict[str, list[int]] = {machine: [] for machine in MACHINES}
    with closing(sqlite3.connect(directory / "events.db")) as connection:
        rows = connection.execute(
            "SELECT machine, t_min, n FROM record WHERE type = 'telemetry' AND source = 'history' ORDER BY position"
        )
        for machine, t, n in rows:
            found[machine] += [t // MINUTE + each for each in range(n)]
    return found
