"""A `tailrace worker` in a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commands import TAILRACE

END_S = 90.0


@contextmanager
def worker(plant: Path, log: Path, *options: object, killed: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """Until it is ended, in good order; killed: whoever uses it has killed it."""
    with log.open("wb") as said:
        one = subprocess.Popen([*TAILRACE, "worker", str(plant), *map(str, options)], stdout=said, stderr=said)
    try:
        yield one
        if not killed:
            one.terminate()
            assert one.wait(END_S) == 0, log.read_text()
    finally:
        one.kill()
        one.wait(END_S)
