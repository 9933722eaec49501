"""Which machines a data folder has heard of."""

from __future__ import annotations

from pathlib import Path

from tailrace.app import compose
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas.errors import NotFound

SHOWN = 20


def require_machine(directory: Path, machine: str | None) -> None:
    """Raises NotFound for a machine without an event; None asks for none."""
    if machine is not None:
        with compose.reading(directory) as log:
            require_in(log, machine)


def require_in(log: LogReader, machine: str) -> None:
    """The same for a log that is open."""
    machines = log.machines()
    if machine not in machines:
        known = ", ".join(machines[:SHOWN]) or "none yet"
        raise NotFound(f"expected a machine that has events, got {machine!r}; known are: {known}")
