"""Runs commands as a person or a script does, and `tailrace up` as a process of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from tailrace.app.cli import run

TAILRACE = [sys.executable, "-c", "from tailrace.app.cli import main; main()"]
DEADLINE_S = 90.0


class Done(NamedTuple):
    """What a command printed."""

    stdout: str
    stderr: str


def tailrace(*arguments: object, code: int = 0, cwd: Path | None = None) -> Done:
    """A command that has to end with this exit code; run in this process, since starting one takes half a second."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    before = Path.cwd()
    os.chdir(cwd or before)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            got = run([str(each) for each in arguments])
    finally:
        os.chdir(before)
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    done = Done(out.buffer.getvalue().decode(), err.getvalue())
    assert got == code, f"{arguments}: exit code {got}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done


def tailrace_json(*arguments: object, code: int = 0, cwd: Path | None = None) -> dict[str, Any]:
    """The one JSON object of a command."""
    found = json.loads(tailrace(*arguments, "--json", code=code, cwd=cwd).stdout)
    assert isinstance(found, dict)
    return found


class Up:
    """A running `tailrace up`."""

    def __init__(self, plant: Path, directory: Path, *options: str) -> None:
        self.directory = directory
        self.log = directory.with_name(f"{directory.name}.up.log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*TAILRACE, "up", str(plant), "--dir", str(directory), *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Asks it to end, and waits until it has."""
        self.process.send_signal(number)
        self.process.wait(DEADLINE_S)

    def kill(self) -> None:
        """Ends it in the middle of whatever it does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def said(self) -> str:
        return self.log.read_text()


@contextmanager
def running(plant: Path, directory: Path) -> Iterator[Up]:
    """`tailrace up`, ready to be asked."""
    up = Up(plant, directory)
    try:
        until(lambda: live(directory) is not None or up.process.poll() is not None, "up is ready")
        yield up
    finally:
        if up.process.poll() is None:
            up.kill()


def live(directory: Path) -> Mapping[str, Any] | None:
    """What a running `up` says of itself."""
    if not (directory / "owner.json").exists() or not (directory / "events.db").exists():
        return None
    found = tailrace_json("status", "--dir", directory)
    up: Mapping[str, Any] | None = found["up"]
    return up


def until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
    """Waits for a condition; fails with what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s until {what}"
        time.sleep(0.02)
