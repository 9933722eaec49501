"""The simulated plant's MQTT broker, on loopback: mosquitto where there is one, else amqtt inside this process.

Rules: mosquitto keeps everything that a listener who is away should get (its own limits would drop it), in a file of the data
folder; when it dies it is started again on the same port. amqtt is for demos only: it speaks MQTT 3.1.1, keeps nothing on disk,
and loses messages of sessions that are away. Only this process's broker is ever ended, by its own id.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import importlib
import logging
import os
import shutil
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tailrace.schemas.errors import Unavailable

HOST = "127.0.0.1"
READY_S = 10.0
STOP_S = 2.0
AGAIN_S = 0.5
FOLDER = "broker"
_PLACES = "/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/sbin"
_said = logging.getLogger("tailrace")

CONFIG = """\
# Written at every start of the demo.
user {user}
listener {port} {host}
allow_anonymous true
# mosquitto keeps 1,000 messages for a client that is away, and sends 20 at once: too few for a machine.
max_queued_messages 0
max_inflight_messages 1000
persistence true
persistence_location {folder}/
autosave_interval 1
log_dest stderr
"""


class Broker:
    """A running broker, as an async context. `url`, `kind` and `version` say how to reach it."""

    def __init__(self, directory: Path, port: int = 0, *, program: str | None = "mosquitto") -> None:
        self.port = usable_port(port)
        self._folder = directory.absolute() / FOLDER
        self._program = program and shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_PLACES}")
        self._process: asyncio.subprocess.Process | None = None
        self._embedded: Any = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def kind(self) -> Literal["mosquitto", "amqtt"]:
        return "mosquitto" if self._program else "amqtt"

    @property
    def version(self) -> Literal["5", "3.1.1"]:
        """The MQTT that it speaks."""
        return "5" if self._program else "3.1.1"

    @property
    def url(self) -> str:
        return f"mqtt://{HOST}:{self.port}"

    @property
    def note(self) -> str:
        """What a person should know of it."""
        if self._program:
            return f"mosquitto on {self.url}"
        return f"amqtt on {self.url}, embedded, for demos only: it loses messages (mosquitto on PATH would be used)"

    async def __aenter__(self) -> Broker:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns when it takes connections. Raises Unavailable."""
        if self._program:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._end_orphan()
            await self._spawn()
            self._watching = asyncio.create_task(self._watch(), name="broker")
        else:
            self._embedded = await _embedded(self.port)

    async def stop(self) -> None:
        """In good order: what is kept for others is written."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        if self._process is not None:
            await _ended(self._process)
            self._process = None
            self._pid_file.unlink(missing_ok=True)
        if self._embedded is not None:
            embedded, self._embedded = self._embedded, None
            with contextlib.suppress(Exception):  # it is going in any case, and what it says of that helps nobody
                await asyncio.wait_for(embedded.shutdown(), STOP_S)

    # -- mosquitto -------------------------------------------------------------------------------------------------------

    @property
    def _pid_file(self) -> Path:
        return self._folder / "mosquitto.pid"

    async def _spawn(self) -> None:
        config = self._folder / "mosquitto.conf"
        config.write_text(CONFIG.format(user=getpass.getuser(), port=self.port, host=HOST, folder=self._folder))
        log = self._folder / "mosquitto.log"
        with log.open("wb") as out:
            self._process = await asyncio.create_subprocess_exec(
                str(self._program), "-c", str(config), stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,  # Ctrl-C is for the demo, which ends its broker in good order
            )  # fmt: skip
        self._pid_file.write_text(str(self._process.pid))
        try:
            async with asyncio.timeout(READY_S):
                while not await _listens(self.port):
                    if self._process.returncode is not None:
                        raise Unavailable(f"mosquitto ended at once: {_last_line(log)}; its log is {log}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            await _ended(self._process)
            raise Unavailable(f"mosquitto does not take connections on {self.url}; its log is {log}") from None

    async def _watch(self) -> None:
        """Starts it again when it dies."""
        while True:
            assert self._process is not None
            code = await self._process.wait()
            _said.error("broker: mosquitto ended (code %s); starting it again on port %d", code, self.port)
            while True:
                await asyncio.sleep(AGAIN_S)
                with contextlib.suppress(Unavailable, OSError):
                    await self._spawn()
                    break

    def _end_orphan(self) -> None:
        """Ends the broker that a killed demo left on this folder: nobody else has its configuration file open by name."""
        with contextlib.suppress(OSError, ValueError):
            pid = int(self._pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if os.fsencode(self._folder / "mosquitto.conf") in command:
                os.kill(pid, signal.SIGTERM)


async def _embedded(port: int) -> Any:
    try:
        embedded = importlib.import_module("amqtt.broker")
    except ImportError:
        raise Unavailable(
            "expected mosquitto on PATH, or the package amqtt for a broker inside the demo; found neither: install mosquitto, "
            "or run `pip install tailrace[demo]`"
        ) from None
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    logging.getLogger("transitions").setLevel(logging.ERROR)
    config: Mapping[str, Any] = {
        "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = embedded.Broker(config)
    serve = broker.stream_connected

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str) -> None:
        try:
            await serve(reader, writer, listener_name)
        finally:  # amqtt leaves the line open to a client that it refuses, or that goes while it is ending
            writer.close()

    broker.stream_connected = served
    await broker.start()
    return broker


async def _ended(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def usable_port(wanted: int = 0) -> int:
    """The wanted port of the loopback if nobody listens there, else a free one."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise Unavailable(f"expected a free port on {HOST}, got none")
