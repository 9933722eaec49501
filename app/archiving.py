"""Archiving by itself, where the plant file says so: `tailrace log archive` as a child of `up`.

Rules: the child is the last in line for the processor, and ends with `up`. What it does, and what an end at any moment leaves, is
that command's (app/archive.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tailrace.app.archive import sealed_hours
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.instant import DAY, format_instant

NICE = 10
CHILD = f"import os; os.nice({NICE}); from tailrace.app.cli import main; main()"


class _Said(msgspec.Struct):
    """What `tailrace log archive --json` says."""

    archived_records: int


class Archiving:
    """What is older than some days leaves `events.db`."""

    def __init__(self, directory: Path, after_days: int, clock: Callable[[], int]) -> None:
        self._directory, self._after_days, self._clock = directory, after_days, clock
        self._running = False
        self._before: int | None = None
        self._archived: int | None = None

    @property
    def status(self) -> dict[str, Any]:
        """Of how many days, whether it is at work, up to which time it was done last, and how many records are archived."""
        return {
            "after_days": self._after_days,
            "running": self._running,
            "before": None if self._before is None else format_instant(self._before),
            "archived_records": self._archived,
        }

    async def run(self) -> None:
        """Once. Raises Unavailable with what the command says."""
        before = sealed_hours(self._clock() - self._after_days * DAY)
        self._running = True
        try:
            self._archived = await self._archive(before)
            self._before = before
        finally:
            self._running = False

    async def _archive(self, before: int) -> int:
        command = ["log", "archive", "--dir", str(self._directory), "--before", format_instant(before), "--json"]
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, *command, stdout=PIPE, stderr=PIPE)
        try:
            out, words = await child.communicate()
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.terminate()
                await child.wait()
        if child.returncode:
            said = words.decode(errors="replace").strip().removeprefix("tailrace: ")
            raise Unavailable(said or f"expected `tailrace log archive` to end with 0, got {child.returncode}")
        return msgspec.json.decode(out, type=_Said).archived_records
