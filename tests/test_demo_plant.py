"""The demo's folder: what it keeps, what it refuses, how it goes on; and the plant as a process that `tailrace up` hears."""

from __future__ import annotations

import os
import secrets
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from commands import live, running, tailrace_json, until
from components import program
from simulator_process import Process
from tailrace.app import compose, settings
from tailrace.app.demo_plant import Demo, heard, keeper, open_demo, plant_of, plant_text, sources_of
from tailrace.connectors import simulator_commands
from tailrace.connectors.simulator_control import ask
from tailrace.connectors.simulator_plant import Caused, Identity, Plant
from tailrace.engine.ingest import Account, Ingest
from tailrace.schemas.errors import InvalidSettings, Unavailable
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND

NOW = 20_010 * DAY + 5 * HOUR + 7 * SECOND


# -- the folder --------------------------------------------------------------------------------------------------------


def test_a_folder_keeps_the_plant_that_it_was_made_with(tmp_path: Path) -> None:
    made = open_demo(tmp_path / "new", NOW, seed=5, days=3)
    assert made.identity.began == 20_007 * DAY and made.identity.machines == 8
    assert open_demo(tmp_path / "new", NOW + 9 * DAY) == made
    wishes: list[tuple[dict[str, Any], str]] = [
        ({"seed": 6}, "--seed: expected 5.*got 6"),
        ({"machines": 20}, "--machines: expected 8.*got 20"),
        ({"zone": "Europe/Berlin"}, "--zone: expected UTC.*got Europe/Berlin"),
    ]
    for wish, words in wishes:
        with pytest.raises(InvalidSettings, match=words):
            open_demo(tmp_path / "new", NOW, **wish)
    keeper(tmp_path / "new", made)([Caused(NOW, NOW + MINUTE, "MCH006")])
    again = open_demo(tmp_path / "new", NOW)
    assert plant_of(again).machine("MCH006").at(NOW).state == "fault"
    assert plant_of(made).machine("MCH006").at(NOW).state != "fault"


def test_a_folder_that_is_no_demo_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"x")
    with pytest.raises(InvalidSettings, match="one with other data; name another with --dir"):
        open_demo(tmp_path, NOW)
    for content, words in (
        (b"{", "expected what a demo wrote"),
        (msgspec.json.encode(Demo(version=7, identity=Identity(seed=1, began=0))), "version 1, got 7"),
    ):
        (tmp_path / "demo.json").write_bytes(content)
        with pytest.raises(InvalidSettings, match=words):
            open_demo(tmp_path, NOW)
    for count in (7, 201):
        with pytest.raises(InvalidSettings, match=f"8 to 200, got {count}"):
            open_demo(tmp_path / "other", NOW, machines=count)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="expected a folder that can be written"):
        open_demo(tmp_path / "file" / "below", NOW)


@pytest.mark.parametrize("machines", [8, 200])
def test_the_plant_file_is_one_that_up_takes(tmp_path: Path, machines: int) -> None:
    plant = Plant(Identity(seed=1, began=NOW, machines=machines))
    path = tmp_path / "plant.yaml"
    path.write_text(plant_text(plant, "opc.tcp://127.0.0.1:1/", "mqtt://127.0.0.1:2"))
    found = settings.load(path)
    assert list(found.machines) == list(plant.machines) and found.data == "."
    assert found.signals["MCH003"] == {"MachineTemp", "CycleTime"} and len(found.signals["MCH004"]) == 7
    assert all(set(each.units) == found.signals[name] for name, each in found.machines.items())
    assert found.machines["MCH004"].units["CO2Level"] == "ppm"
    assert [each.name for each in found.sources] == ["machining", "assembly"]
    named = found.sources[0].machines  # type: ignore[union-attr]
    assert list(named) == [machine.profile.name for machine in plant.spoken_by("opcua")]
    assert found.machines["MCH007"].line == "Line 2" and found.machines["MCH003"].area == "Machining"


async def fill(folder: Path, plant: Plant, now: int) -> Account:
    """What nobody has heard yet, as the demo carries it."""
    history, _ = sources_of(folder, plant, lambda: now)
    log = compose.SqliteLog(folder / compose.EVENTS_FILE)
    ingest = Ingest(history, log, clock=lambda: now, token=secrets.token_hex(4), site="Demo Plant")
    await ingest.run()
    await log.close()
    return ingest.account


async def test_history_is_made_once_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    plant = plant_of(open_demo(tmp_path, NOW, days=1))
    assert heard(tmp_path, plant) == {}
    first = await fill(tmp_path, plant, NOW)
    assert first == Account(first.received, first.received) and first.received > 8 * 29 * 60
    ends = heard(tmp_path, plant)
    assert set(ends) == set(plant.machines) and all(NOW - MINUTE <= end <= NOW for end in ends.values())
    assert (await fill(tmp_path, plant, NOW)).received <= 16, "less than a minute of it was not heard"
    rest = await fill(tmp_path, plant_of(open_demo(tmp_path, NOW)), NOW + HOUR)
    assert 8 * 60 <= rest.appended < 8 * 60 + 200 and rest.quarantined == 0


# -- as a process ------------------------------------------------------------------------------------------------------


def test_up_hears_the_plant_of_another_process_and_figures_follow(tmp_path: Path) -> None:
    program("mosquitto")
    with Process(tmp_path / "sim") as process:
        plant = Path(process.ready["plant"])
        assert process.ready["machines"] == 8 and "mosquitto" in process.ready["broker"]
        data = tmp_path / "data"
        with running(plant, data) as up:
            began = time.time()
            until(lambda: set(_sources(data)) == {"machining", "assembly"}, "both sources bring events")
            until(lambda: min(_sources(data).values()) > 16, "some seconds of it")
            said = ask(tmp_path / "sim", simulator_commands.Break(machine="MCH006"))["said"]
            assert "MCH006 stands until" in said
            until(lambda: _stood(data, "MCH006", began) > 0, "it stands")
            for each in tailrace_json("status", "--dir", data)["sources"]:
                assert each["quarantined"] == 0 and each["appended"] + each["duplicate"] == each["received"]
            assert live(data) is not None
            up.stop()
        process.child.send_signal(signal.SIGTERM)
        assert process.child.wait(60) == 0


def _sources(data: Path) -> dict[str, int]:
    return {each["source"]: each["appended"] for each in tailrace_json("status", "--dir", data)["sources"]}


def _stood(data: Path, machine: str, began: float) -> float:
    """Seconds that a machine stood since."""
    window = ["--from", f"{began:.0f}", "--to", f"{time.time():.3f}"]
    found = tailrace_json("oee", "--dir", data, "--machine", machine, *window)
    return float(found["breakdown"] + found["microstop"])


def test_a_plant_does_not_outlive_the_one_who_started_it(tmp_path: Path) -> None:
    program("mosquitto")
    with Process(tmp_path) as process:
        broker = int((tmp_path / "broker/mosquitto.pid").read_text())
        assert process.child.stdin is not None
        process.child.stdin.close()
        process.child.stdin = None
        assert process.child.wait(10) == 0
        with pytest.raises(ProcessLookupError):
            os.kill(broker, 0)


def test_wrong_options_are_refused_in_words(tmp_path: Path) -> None:
    with Process(tmp_path, "--machines", "3") as process:
        assert process.child.wait(30) == 2 and process.child.stderr is not None
        said = process.child.stderr.read().decode()
        assert "--machines: expected 8 to 200, got 3" in said and "Traceback" not in said
    script = tmp_path / "script"
    script.write_text('{"do":"late"}')
    with Process(tmp_path / "other", "--script", str(script)) as process:
        assert process.child.wait(30) == 2 and process.child.stderr is not None
        assert "script line 1" in process.child.stderr.read().decode()
