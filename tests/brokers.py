"""A real mosquitto on a free port of the loopback, started and ended by the test that uses it.

Its own limits (1,000 queued messages, 20 under way) would drop what a persistent session should keep, so they are lifted.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from components import program

READY_S = 60.0


class Broker:
    """One mosquitto. `kill` ends it at once, `stop` in good order, `start` brings it back on the same port."""

    def __init__(self, folder: Path, *, persistent: bool = True, extra: str = "", port: int = 0) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._program = program("mosquitto")
        self._config = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._config.write_text(
            ("user root\n" if os.geteuid() == 0 else "")
            + f"{extra or f'listener {self.port} 127.0.0.1{chr(10)}allow_anonymous true'}\n"
            "max_queued_messages 0\n"
            "max_inflight_messages 1000\n"
            + (f"persistence true\npersistence_location {folder}/\n" if persistent else "persistence false\n")
        )

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when the broker takes connections."""
        self._log = (self.folder / "mosquitto.log").open("ab")
        self._process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=self._log, stderr=self._log)
        wait_until(self._listens, "mosquitto takes connections")

    def kill(self) -> None:
        """As a power cut."""
        self._end(lambda process: process.kill())

    def stop(self) -> None:
        """In good order: what is persistent is written."""
        self._end(lambda process: process.terminate())

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process is not None:
            how(self._process)
            self._process.wait(READY_S)
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "mosquitto.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.5).close()
        except OSError:
            return False
        return True


@contextmanager
def broker(folder: Path, *, persistent: bool = True, extra: str = "", port: int = 0) -> Iterator[Broker]:
    """A running broker; `extra` replaces the listener's lines and then names the same port."""
    one = Broker(folder, persistent=persistent, extra=extra, port=port)
    one.start()
    try:
        yield one
    finally:
        one.kill()


@contextmanager
def publisher(mosquitto: Broker) -> Iterator[paho.Client]:
    """Who sends."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="sender", protocol=paho.MQTTv5)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str, seconds: float = READY_S) -> None:
    """Returns when the condition holds; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)
