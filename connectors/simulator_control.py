"""How another process speaks to the running plant: a local socket in the data folder, a line of JSON each way.

Rules: the socket is the user's own (0600). `simulator.json` says where it is and which process listens; left behind by one that
was killed, it means nothing. What is wrong with a command is answered in words, and the connection goes on.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from tailrace.connectors.simulator_commands import AnyCommand, parse
from tailrace.schemas.errors import InvalidInput, NotFound, TailraceError, Unavailable

INFO, SOCKET = "simulator.json", "simulator.sock"
SOCKET_PATH_BYTES = 100
"""Longer paths do not fit a socket's address (104 bytes on some systems)."""

LINE_MAX = 1 << 16
ANSWER_S = 10.0
Handle = Callable[[AnyCommand], Awaitable[Mapping[str, Any]]]


class Info(msgspec.Struct, frozen=True):
    """Who listens, and where."""

    pid: int
    socket: str


class Control:
    """Listens for commands, as an async context; `handle` carries them out and answers."""

    def __init__(self, directory: Path, handle: Handle) -> None:
        self._directory, self._handle = directory.absolute(), handle
        self._server: asyncio.Server | None = None
        self._apart: Path | None = None

    async def __aenter__(self) -> Control:
        path = self._directory / SOCKET
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
            self._apart = Path(tempfile.mkdtemp(prefix="tailrace-"))
            path = self._apart / SOCKET
        try:
            path.unlink(missing_ok=True)
            before = os.umask(0o177)
            try:
                self._server = await asyncio.start_unix_server(self._client, path, limit=LINE_MAX)
            finally:
                os.umask(before)
            draft = self._directory / f"{INFO}.new"
            draft.write_bytes(msgspec.json.encode(Info(os.getpid(), str(path))))
            draft.replace(self._directory / INFO)
        except OSError as error:
            raise Unavailable(f"{path}: expected to listen on a local socket here, got: {error}") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for path in (self._directory / INFO, self._directory / SOCKET):
            path.unlink(missing_ok=True)
        if self._apart is not None:
            shutil.rmtree(self._apart, ignore_errors=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, asyncio.CancelledError):
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            return await self._handle(parse(line))
        except TailraceError as error:
            return {"error": str(error), "wrong": isinstance(error, (InvalidInput, NotFound))}
        except OSError as error:
            return {"error": f"{self._directory}: {error.strerror}", "wrong": False}


def ask(directory: Path, command: AnyCommand) -> dict[str, Any]:
    """Sends a command to the plant that runs on a folder, and gives its answer.

    Raises Unavailable where none runs or answers, InvalidInput where the command is wrong.
    """
    nobody = f"{directory}: expected a running demo here, found none; start one with `tailrace demo --dir {directory}`"
    try:
        info = msgspec.json.decode((directory / INFO).read_bytes(), type=Info)
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(ANSWER_S)
            line.connect(info.socket)
            line.sendall(msgspec.json.encode(command) + b"\n")
            with line.makefile("rb") as answers:
                answer = answers.readline(LINE_MAX)
    except TimeoutError:
        raise Unavailable(f"{directory}: the demo (process {info.pid}) does not answer within {ANSWER_S:g} s") from None
    except (OSError, msgspec.MsgspecError):
        raise Unavailable(nobody) from None
    if not answer:
        raise Unavailable(nobody)
    found: dict[str, Any] = msgspec.json.decode(answer)
    if "error" in found:
        raise (InvalidInput if found.get("wrong") else Unavailable)(found["error"])
    return found
