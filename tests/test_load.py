"""Two hundred machines at 1 Hz for five minutes: what comes in is folded as it comes, and memory stays where it is."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from commands import live, running, until
from components import program
from simulator_process import Process
from tailrace.app import compose

pytestmark = pytest.mark.soak

MACHINES = 200
SECONDS = int(os.environ.get("TAILRACE_LOAD_SECONDS", "300"))
EVERY_S = 5.0
WARM = 0.3
"""The part of the time in which caches fill; growth is counted after it."""

BEHIND_S = 10.0
"""So much of what came may wait for the fold at any look."""

GROWTH_MIB = 32


class Look(NamedTuple):
    """How `up` is: records in the log, how far the fold is, MiB resident, CPU seconds used."""

    end: int
    reached: int
    resident: float
    cpu: float


def test_two_hundred_machines_leave_no_backlog_and_memory_is_flat(tmp_path: Path) -> None:
    program("mosquitto")
    with Process(tmp_path / "sim", "--machines", str(MACHINES)) as process:
        assert process.ready["machines"] == MACHINES
        data = tmp_path / "data"
        with running(Path(process.ready["plant"]), data) as up:
            until(lambda: _machines(data) == MACHINES, "every machine is heard", 120)
            looks: list[Look] = []
            began = time.monotonic()
            while time.monotonic() - began < SECONDS:
                time.sleep(EVERY_S)
                looks.append(_look(data, up.process.pid))
            rate = (looks[-1].end - looks[0].end) / (SECONDS - EVERY_S)
            behind = max(each.end - each.reached for each in looks) / rate
            growth = looks[-1].resident - looks[int(WARM * len(looks))].resident
            cpu = (looks[-1].cpu - looks[0].cpu) / (SECONDS - EVERY_S)
            print(f"{rate:.0f} records/s, at most {behind:.1f} s behind, {cpu:.2f} cores")
            print(f"{looks[-1].resident:.0f} MiB resident, {growth:+.1f} MiB after the first {WARM:.0%}")
            assert all(later.end > look.end for look, later in pairwise(looks))
            assert behind < BEHIND_S
            assert growth < GROWTH_MIB
            assert "Traceback" not in up.said()


def _machines(data: Path) -> int:
    with compose.reading(data) as log:
        return len(log.machines())


def _look(data: Path, pid: int) -> Look:
    said = live(data)
    assert said is not None
    with compose.reading(data) as log:
        end = log.end()
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Look(end, int(said["reached"]), resident, (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"))
