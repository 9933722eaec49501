"""How each `tailrace worker --dir` is, as a file in `workers/` of that folder: who it is, and how far it has folded.

Rules: a worker writes its own file every SAY_S and takes it away when it ends in good order. A file that is older than QUIET_S is
of one that was killed or hangs, and is shown so. Nobody decides anything by these files; deleting them costs nothing.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from tailrace.app import durable
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.instant import SECOND, format_instant

FOLDER = "workers"
SAY_S = 2.0
QUIET_S = 30.0
KEPT_S = 86_400.0
"""After a day of silence a file says nothing to anybody, and the next worker takes it away."""


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """since, heard: ns UTC. partitions: number -> position up to which it is folded."""

    pid: int
    host: str
    group: str
    runner: str
    since: int
    heard: int
    partitions: dict[str, int]


async def tell(directory: Path, group: str, runner: str, held: Callable[[], Mapping[int, int]]) -> None:
    """Writes the file of this process until cancelled, then takes it away. Raises Unavailable where it cannot be written."""
    folder, since = directory / FOLDER, time.time_ns()
    host = socket.gethostname()
    path = folder / f"{host}-{os.getpid()}-{secrets.token_hex(4)}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_sweep, folder, since)
        while True:
            said = Worker(
                pid=os.getpid(), host=host, group=group, runner=runner, since=since, heard=time.time_ns(),
                partitions={str(partition): position for partition, position in sorted(held().items())},
            )  # fmt: skip
            await asyncio.to_thread(durable.replace, path, msgspec.json.encode(said))
            await asyncio.sleep(SAY_S)
    except OSError as error:
        raise Unavailable(f"{folder}: expected a folder that can be written, got: {error.strerror}") from None
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def workers(directory: Path, now: int) -> list[dict[str, Any]]:
    """Every worker of a folder, as `tailrace status` shows it; now: ns UTC."""
    return [
        {
            "pid": each.pid,
            "host": each.host,
            "group": each.group,
            "runner": each.runner,
            "since": format_instant(each.since // SECOND * SECOND),
            "silent_s": round(max(0, now - each.heard) / SECOND, 1),
            "alive": now - each.heard < QUIET_S * SECOND,
            "partitions": each.partitions,
        }
        for _, each in _files(directory / FOLDER)
    ]


def _sweep(folder: Path, now: int) -> None:
    for path, each in _files(folder):
        if now - each.heard > KEPT_S * SECOND:
            path.unlink(missing_ok=True)


def _files(folder: Path) -> list[tuple[Path, Worker]]:
    found = []
    for path in sorted(folder.glob("*.json")):
        with suppress(OSError, msgspec.MsgspecError):
            found.append((path, msgspec.json.decode(path.read_bytes(), type=Worker)))
    return found
