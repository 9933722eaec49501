"""Archiving by itself: `up` moves what is old out of events.db, beside its work, and says how far it is."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from commands import running, tailrace, tailrace_json, until
from tailrace.app.archiving import Archiving
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.instant import DAY, HOUR, format_instant

PLANT = "site: {name: Nord}\n"
OLD, YOUNG = 60, 5
NICED_S = 400.0
"""How long the last in line for the processor may take on a machine that has other work."""


def history(path: Path) -> None:
    """Old events, and some that are not."""
    now = time.time_ns()
    with path.open("w") as file:
        for n in range(OLD + YOUNG):
            came = now - 40 * DAY + 6 * n * HOUR if n < OLD else now - HOUR
            t = format_instant(came)
            said = {"type": "state.changed", "machine": "M1", "t": t, "ingested": t, "id": f"e{n}"}
            file.write(json.dumps(said | {"state": ("running", "idle")[n % 2]}) + "\n")


def archived(data: Path) -> dict[str, Any]:
    found: dict[str, Any] = tailrace_json("status", "--dir", data)["up"]["archive"]
    return found


def test_what_is_old_leaves_the_log_of_a_running_up(tmp_path: Path) -> None:
    plant, data = tmp_path / "plant.yaml", tmp_path / "data"
    plant.write_text(PLANT + "archive: {after_days: 20}\n")
    history(tmp_path / "events.jsonl")
    tailrace("import", tmp_path / "events.jsonl", "--dir", data)
    digests = tailrace_json("replay", "--verify", "--dir", data)
    asked = (
        "stops",
        "--dir",
        data,
        "--machine",
        "M1",
        "--from",
        "2020-01-01T00:00:00Z",
        "--to",
        "2100-01-01T00:00:00Z",
    )
    stops = len(tailrace_json(*asked)["items"])
    with running(plant, data) as up:
        until(lambda: archived(data)["archived_records"], "something is archived", NICED_S)
        found = archived(data)
        assert (found["after_days"], found["running"]) == (20, False)
        assert found["before"] < format_instant(time.time_ns() - 20 * DAY)
        assert "archive: what came in 20 days ago; " in tailrace("status", "--dir", data).stdout
        up.stop()
    assert digests["equal"]
    assert 0 < found["archived_records"] < tailrace_json("log", "verify", "--dir", data)["records"]
    assert list((data / "archive").glob("events-*.parquet"))
    assert len(tailrace_json(*asked)["items"]) == stops
    assert tailrace_json("replay", "--verify", "--dir", data)["equal"]


def test_without_it_nothing_is_archived(tmp_path: Path) -> None:
    plant, data = tmp_path / "plant.yaml", tmp_path / "data"
    plant.write_text(PLANT)
    with running(plant, data):
        assert archived(data) is None
    plant.write_text(PLANT + "archive: {after_days: 0}\n")
    assert "plant.yaml:2: archive.after_days: expected" in tailrace("validate", plant, code=2).stderr


async def test_it_says_what_was_wrong(tmp_path: Path) -> None:
    one = Archiving(tmp_path / "nothing", 30, time.time_ns)
    with pytest.raises(Unavailable, match="nothing: expected a data folder, got no such folder"):
        await one.run()
    assert one.status == {"after_days": 30, "running": False, "before": None, "archived_records": None}
