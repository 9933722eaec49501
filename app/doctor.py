"""What Tailrace needs of a machine, looked at: libraries, disk, clock, ports, helpers, the data folder and the sources.

Rules: a check looks and changes nothing, but for a scratch file beside the data that it takes away again. `attention` means that
something will not work or may lose data; what is merely good to know is `ok`. Each says what was found and what to do.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tailrace.app import cli_options as options
from tailrace.app import compose, doctor_read_models, kafka_folder, sql_folder
from tailrace.app.doctor_check import Check, judged
from tailrace.app.pipeline import PLACE
from tailrace.app.same_log import SameLog
from tailrace.app.settings import Plant
from tailrace.app.web import HOST, PORT, PORTS
from tailrace.projections.store_sqlite import place_of
from tailrace.schemas.errors import Conflict, TailraceError, Unavailable
from tailrace.schemas.instant import SECOND, format_instant

PYTHON_MIN = (3, 11)
SQLITE_MIN = (3, 35, 0)
FREE_MIN = 1 << 30
FLUSH_MIN = 50.0
"""Flushes a second below which acknowledgements come slowly: each append waits for one."""

FLUSH_S = 0.4
REACH_S = 1.0
CLOCK_MIN = 1_735_689_600 * SECOND
"""2025-01-01: no clock that was ever set is before it."""

CLOCK_BACK = 60 * SECOND
DEFAULT_PORTS = {"opc.tcp": 4840, "mqtt": 1883, "mqtts": 8883}


def examine(directory: Path, clock: Callable[[], int] = time.time_ns) -> list[Check]:
    """Every check, for a data folder that need not be there; clock gives ns UTC. One that fails is told, the others go on."""
    found: list[Check] = []
    for name, look in _looks(directory, clock):
        try:
            found += look()
        except (TailraceError, OSError, sqlite3.Error) as error:
            found.append(Check(name, "attention", str(error), "see what is said, and try again"))
    return found


def _looks(directory: Path, clock: Callable[[], int]) -> list[tuple[str, Callable[[], Iterator[Check]]]]:
    return [
        ("python", _python), ("libraries", _libraries), ("sqlite", lambda: _sqlite(directory)),
        ("disk", lambda: _disk(directory)), ("ports", _ports), ("clock", lambda: _clock(directory, clock())),
        ("helpers", _helpers), ("data", lambda: _data(directory)), ("plant", _plant),
        ("kafka", lambda: _kafka(directory)), ("read models", lambda: _read_models(directory)),
    ]  # fmt: skip


# -- this installation -----------------------------------------------------------------------------------------------------


def _python() -> Iterator[Check]:
    found = f"{platform.python_version()} ({sys.executable}) on {platform.system()} {platform.machine()}"
    needed = ".".join(map(str, PYTHON_MIN))
    yield judged("python", sys.version_info >= PYTHON_MIN, found, f"install Python {needed} or later")


def _libraries() -> Iterator[Check]:
    found, missing = [], []
    for name in sorted(map(_bare, _needed())):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    shown = ", ".join(found + [f"{name} is missing" for name in missing])
    yield judged("libraries", not missing, shown, f"install them: pip install {' '.join(missing)}")


def _needed() -> list[str]:
    try:
        requirements = metadata.requires("tailrace") or []
    except metadata.PackageNotFoundError:
        return []
    return [each for each in requirements if "extra ==" not in each]


def _bare(requirement: str) -> str:
    """The name in a requirement like `numpy>=2.0`."""
    name = requirement
    for mark in "<>=!~;[ ":
        name = name.partition(mark)[0]
    return name


def _sqlite(directory: Path) -> Iterator[Check]:
    needed = ".".join(map(str, SQLITE_MIN))
    good = sqlite3.sqlite_version_info >= SQLITE_MIN
    yield judged("sqlite", good, sqlite3.sqlite_version, f"install a Python whose SQLite is {needed} or later")
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=_near(directory)) as scratch:
        with closing(sqlite3.connect(Path(scratch) / "wal.db")) as connection:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("CREATE TABLE t (x)")
        yield judged(
            "wal", mode == "wal", f"journal mode {mode}", "keep the data on a disk of this machine, not a network one"
        )


# -- the machine -----------------------------------------------------------------------------------------------------------


def _disk(directory: Path) -> Iterator[Check]:
    near = _near(directory)
    rate = _flushes(near)
    todo = "appends wait for the disk's flushes: keep the data on a faster disk"
    yield judged("flush", rate >= FLUSH_MIN, f"{rate:.0f} flushes a second in {near}", todo)
    free = shutil.disk_usage(near).free
    yield judged(
        "space", free >= FREE_MIN, f"{free / 1e9:.1f} GB free in {near}", "make room: a full disk stops every source"
    )


def _near(directory: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    near = directory.absolute()
    while not near.is_dir():
        near = near.parent
    return near


def _flushes(folder: Path) -> float:
    """How often a second the disk takes 4 KiB for good."""
    with tempfile.TemporaryFile(prefix=".doctor-", dir=folder) as file:
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < FLUSH_S:
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.perf_counter() - began)


def _ports() -> Iterator[Check]:
    taken = [port for port in range(PORT, PORT + PORTS) if not _free(port)]
    first = next((port for port in range(PORT, PORT + PORTS) if port not in taken), None)
    last = PORT + PORTS - 1
    shown = f"{HOST}:{PORT} is free" if first == PORT else f"{HOST}:{PORT} is in use, the next free one is {first}"
    todo = f"every port from {PORT} to {last} is in use: name another with --port"
    yield judged("ports", first is not None, shown if first else f"{PORT} to {last} are in use", todo)


def _free(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, port))
        except OSError:
            return False
        return True


def _clock(directory: Path, now: int) -> Iterator[Check]:
    newest = _newest(directory)
    behind = newest - now
    if now < CLOCK_MIN:
        yield Check("clock", "attention", f"it is {format_instant(max(now, 0))} here", "set this machine's clock")
    elif behind > CLOCK_BACK:
        found = f"{format_instant(now)}, but the log has an event that came in at {format_instant(newest)}"
        yield Check(
            "clock", "attention", found, "the clock was set back: set it right before anything more is taken in"
        )
    else:
        yield Check("clock", "ok", format_instant(now // SECOND * SECOND))


def _newest(directory: Path) -> int:
    """When the newest record came in; 0 where there is none."""
    if not (directory / compose.EVENTS_FILE).is_file():
        return 0
    with compose.reading(directory) as log:
        newest = log.read(max(0, log.end() - 100), 100)
    return max((record.ingested for record in newest), default=0)


def _helpers() -> Iterator[Check]:
    """Programs that the demo and the tests use when they are there."""
    mosquitto = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    shown = (
        _version([mosquitto, "-h"])
        if mosquitto
        else "not here: the demo takes an embedded broker, which loses messages"
    )
    yield Check("mosquitto", "ok", shown)
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next((path for name in names if (path := shutil.which(name))), None)
    yield Check("chromium", "ok", chromium or "not here: only the tests of the page use it")


def _version(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"
    return f"{command[0]}: {(done.stdout or done.stderr).partition(chr(10))[0]}"


# -- the data --------------------------------------------------------------------------------------------------------------


def _data(directory: Path) -> Iterator[Check]:
    near = _near(directory)
    writable = os.access(near, os.W_OK | os.X_OK)
    yield judged("folder", writable, f"{directory.absolute()}", f"let this user write in {near}")
    if not (directory / compose.EVENTS_FILE).is_file():
        yield Check("log", "ok", "none yet: `tailrace import` or `tailrace up` makes one")
        return
    with compose.reading(directory) as log:
        end = log.end()
        yield Check("log", "ok", f"{log.events_count()} events in {end} records of {len(log.machines())} machines")
    owner = compose.owner_of(directory)
    yield from _owner(directory, owner)
    yield from _rows(directory, end, owner is not None)


def _rows(directory: Path, end: int, owned: bool) -> Iterator[Check]:
    if not (directory / compose.READ_FILE).is_file():
        yield Check("rows", "ok", f"none yet: the next command makes {compose.READ_FILE} from the log")
        return
    with compose.read_store(directory) as connection, compose.reading(directory) as log:
        reached = place_of(connection, PLACE).position
        (refused,) = connection.execute("SELECT count(*) FROM quarantine").fetchone()
        yield from _origin(SameLog(directory / compose.READ_FILE, connection, log))
    found = f"up to position {reached} of {end}"
    yield judged("rows", reached >= end or owned, found, "`tailrace status` folds the rest, or says what holds it up")
    shown = f"{refused} events could not be taken; `tailrace export` shows why, as ingest.quarantined"
    yield Check("quarantine", "ok", shown if refused else "nothing was refused")


def _origin(log: SameLog) -> Iterator[Check]:
    try:
        log.require()
    except Conflict as error:
        yield Check("same log", "attention", str(error), "every command that shows figures stops until then")
    else:
        yield Check("same log", "ok", "the rows were made of this log")


def _owner(directory: Path, owner: compose.Owner | None) -> Iterator[Check]:
    if owner is None:
        yield Check("up", "ok", "not running")
        return
    running = f"process {owner.pid} owns the folder since {owner.since}"
    if not compose.listens(directory):
        yield Check("up", "ok", f"{running}, a command that ends by itself")
        return
    try:
        status = asyncio.run(_asked(directory))
    except Unavailable as error:
        yield Check("up", "attention", f"{running}, but does not answer: {error}", f"look at process {owner.pid}")
        return
    troubles = [f"{what}: {trouble}" for what, trouble in status["troubles"].items()]
    away = [
        f"{each['source']}: {each['detail'] or 'not connected'}" for each in status["sources"] if not each["connected"]
    ]
    wrong = "; ".join(dict.fromkeys(troubles + away))
    yield judged("up", not wrong, f"{running}; {wrong or 'every source is connected'}", "see what each one says")


async def _asked(directory: Path) -> Any:
    log = compose.SocketLog(directory)
    try:
        return await log.status()
    finally:
        await log.close()


def _plant() -> Iterator[Check]:
    """The plant file of this folder, if there is one, and whether something listens where its sources are."""
    plant = options.here()
    if plant is None:
        yield Check("plant", "ok", "no plant.yaml here: `tailrace init` writes one")
        return
    yield Check("plant", "ok", f"{plant.site.name}: {len(plant.machines)} machines, {len(plant.sources)} sources")
    yield from _sources(plant)


def _read_models(directory: Path) -> Iterator[Check]:
    """The database that gets the read models too, if the folder or the plant file names one."""
    plant = options.here()
    settings = sql_folder.read(directory) or (plant.read_models if plant else None)
    if settings is not None:
        yield from doctor_read_models.looks(settings)


def _kafka(directory: Path) -> Iterator[Check]:
    """The log on Kafka that the folder or the plant file names, if there is one."""
    folder, plant = kafka_folder.read(directory), options.here()
    log = folder.log if folder else plant.log if plant else None
    if log is not None:
        from tailrace.app.doctor_kafka import looks  # noqa: PLC0415  aiokafka takes a while to import

        yield from looks(log)


def _sources(plant: Plant) -> Iterator[Check]:
    for source in plant.sources:
        address = urlsplit(source.url)
        host, port = address.hostname or "", address.port or DEFAULT_PORTS.get(address.scheme, 0)
        try:
            socket.create_connection((host, port), REACH_S).close()
        except OSError as error:
            found = f"{source.url}: nothing answers on {host}:{port}: {error.strerror or error}"
            yield Check(f"source {source.name}", "attention", found, "start it, or put its right url in plant.yaml")
        else:
            yield Check(f"source {source.name}", "ok", f"{source.url}: something listens on {host}:{port}")
