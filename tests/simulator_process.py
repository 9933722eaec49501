"""The simulated plant as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


class Process:
    """`python -m tailrace.app.demo_simulator`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "tailrace.app.demo_simulator", "--dir", str(folder), *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.child.stdout is not None
        self.ready: dict[str, Any] = json.loads(self.child.stdout.readline() or b"{}")

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it in good order, its broker too: it goes when its standard input does."""
        try:
            self.child.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise
