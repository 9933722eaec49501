"""The embedded log for every process but its owner: appends go through the owner's socket, reads come from the file.

Rules: the socket is the user's own (0600). A message is a length (4 bytes, big-endian) and msgpack; both ends bound it. A
client numbers its requests and may have many under way; the owner answers each after its commit, in any order. What a client
sends is checked before it touches the log: whatever is wrong with it ends that client's connection, nothing else.
When the owner goes, every append under way raises SendFailed; the next one looks for the owner anew.
"""

from __future__ import annotations

import asyncio
import os
import socket as sockets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tailrace.connectors import identity
from tailrace.connectors.archive import Sealed
from tailrace.connectors.log_sqlite_file import EVENTS_FILE
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.connectors.log_sqlite_reads import Reads
from tailrace.connectors.ownership import owner_of
from tailrace.engine.log import Conflict, Log, Receipt
from tailrace.schemas.errors import InvalidEvent, SendFailed, TailraceError, Unavailable
from tailrace.schemas.record import Record

MESSAGE_BYTES_MAX = 2 * identity.PAYLOAD_MAX
REQUEST_BYTES = 4 * 1024 * 1024
"""Payloads in one request; a longer append goes in several."""

CLIENTS_MAX = 64
UNDER_WAY_MAX = 256
CONNECT_S = 5.0
POLL_S = 0.003
LENGTH_BYTES = 4


class Append(msgspec.Struct, frozen=True, array_like=True, tag="append"):
    """Client: take these records."""

    number: int
    records: list[Record]


class Ask(msgspec.Struct, frozen=True, array_like=True, tag="ask"):
    """Client: how are you?"""

    number: int


class Seal(msgspec.Struct, frozen=True, array_like=True, tag="seal"):
    """Client: enter this file of the archive; without one, remove what is archived."""

    number: int
    sealed: Sealed | None


class Took(msgspec.Struct, frozen=True, array_like=True, tag="took"):
    """Owner: this became of the records."""

    number: int
    receipt: Receipt


class Status(msgspec.Struct, frozen=True, array_like=True, tag="status"):
    """Owner: this is how I am."""

    number: int
    status: dict[str, Any]


class Did(msgspec.Struct, frozen=True, array_like=True, tag="did"):
    """Owner: that is done."""

    number: int


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """Owner: it did not work. invalid: what was sent is to blame."""

    number: int
    invalid: bool
    reason: str


class OwnedLog(Log, Protocol):
    """A log that its owner can archive as well."""

    async def seal(self, sealed: Sealed) -> None: ...

    async def sweep(self) -> None: ...


Request = Append | Ask | Seal
Reply = Took | Status | Did | Failed

_encode = msgspec.msgpack.Encoder().encode
_request = msgspec.msgpack.Decoder(Request).decode
_reply = msgspec.msgpack.Decoder(Reply).decode


# -- the owner's side ----------------------------------------------------------------------------------------------------


async def serve(log: OwnedLog, path: Path, status: Callable[[], Mapping[str, Any]] = dict) -> LogServer:
    """Listens at a path and appends to the log what clients send. Raises Unavailable where it cannot listen."""
    server = LogServer(log, status)
    await server.start(path)
    return server


class LogServer:
    """The listening socket and its clients."""

    def __init__(self, log: OwnedLog, status: Callable[[], Mapping[str, Any]]) -> None:
        self._log = log
        self._status = status
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self, path: Path) -> None:
        """Begins to listen."""
        try:
            self._server = await asyncio.start_unix_server(self._client, sock=_private_socket(path))
        except OSError as error:
            raise Unavailable(f"{path}: expected to listen on a local socket here, got: {error}") from None

    async def close(self) -> None:
        """Takes no more requests, answers those under way, and hangs up."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._clients) >= CLIENTS_MAX:
            writer.close()
            return
        self._clients.add(task)
        under_way: set[asyncio.Task[None]] = set()
        try:
            await self._requests(reader, writer, under_way)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except InvalidEvent as error:
            _send(writer, Failed(0, True, str(error)))
        finally:
            self._clients.discard(task)
            if under_way:
                await asyncio.wait(under_way)
            with suppress(OSError):
                writer.close()
                await writer.wait_closed()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, under_way: set[asyncio.Task[None]]
    ) -> None:
        while True:
            request = _decoded(_request, await _message(reader))
            while len(under_way) >= UNDER_WAY_MAX:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.create_task(self._answer(request, writer))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        _send(writer, await self._reply(request))
        with suppress(OSError):
            await writer.drain()

    async def _reply(self, request: Request) -> Reply:
        try:
            if isinstance(request, Ask):
                return Status(request.number, dict(self._status()))
            if isinstance(request, Seal):
                await (self._log.seal(request.sealed) if request.sealed else self._log.sweep())
                return Did(request.number)
            return Took(request.number, await self._log.append(request.records))
        except InvalidEvent as error:
            return Failed(request.number, True, str(error))
        except Exception as error:  # whatever it is, this client must hear of it
            reason = str(error) if isinstance(error, TailraceError) else f"{type(error).__name__}: {error}"
            return Failed(request.number, False, reason)


def _private_socket(path: Path) -> sockets.socket:
    """A listening socket that is 0600 from its first moment; one that a dead owner left is replaced."""
    path.unlink(missing_ok=True)
    listening = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    try:
        os.fchmod(listening.fileno(), 0o600)
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(CLIENTS_MAX)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


# -- the other processes' side -------------------------------------------------------------------------------------------


class SocketLog(Reads):
    """The `events` log of a data folder, as seen by a process that does not own it. Reading needs no owner."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._reader = LogReader(directory / EVENTS_FILE)
        self._owner: _Owner | None = None
        self._calls: set[asyncio.Future[Reply]] = set()
        self._connecting = asyncio.Lock()
        self._closed = False

    async def append(self, records: Sequence[Record]) -> Receipt:
        self._open()
        for record in records:
            identity.check(record)
        receipts = []
        for first, some in _requests(records):
            reply = await self._call(partial(Append, records=some))
            if not isinstance(reply, Took):
                raise SendFailed(f"{self.directory}: expected a receipt from the owner, got {type(reply).__name__}")
            receipts.append(_shifted(reply.receipt, first))
        return _joined(receipts) if receipts else Receipt(self._reader.end())

    async def status(self) -> Mapping[str, Any]:
        """What the owner says of itself; raises Unavailable when there is no owner."""
        self._open()
        reply = await self._call(Ask)
        return reply.status if isinstance(reply, Status) else {}

    async def seal(self, sealed: Sealed) -> None:
        """Has the owner enter a file of the archive; raises InvalidEvent where its records are others."""
        self._open()
        await self._call(partial(Seal, sealed=sealed))

    async def sweep(self) -> None:
        """Has the owner remove what is archived."""
        self._open()
        await self._call(partial(Seal, sealed=None))

    async def follow(self, after: int, limit: int) -> AsyncIterator[Sequence[Record]]:
        while True:
            version = self._version()
            batch = await self.read(after, limit)
            if batch:
                after = batch[-1].position
                yield batch
                continue
            while self._version() == version:  # noqa: ASYNC110 - the file tells no other process that it has grown
                await asyncio.sleep(POLL_S)

    async def close(self) -> None:
        self._closed = True
        while self._calls:
            await asyncio.wait(self._calls)
        if self._owner is not None:
            await self._owner.close()
        self._reader.close()

    async def _call(self, request: Callable[[int], Request]) -> Reply:
        call = asyncio.ensure_future(self._ask(request))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        reply = await call
        if isinstance(reply, Failed):
            raise (InvalidEvent if reply.invalid else SendFailed)(reply.reason)
        return reply

    async def _ask(self, request: Callable[[int], Request]) -> Reply:
        async with self._connecting:
            if self._owner is None or self._owner.lost:
                self._owner = await _connect(self.directory)
        return await self._owner.call(request)

    def _version(self) -> int:
        self._open()
        return self._reader.version()

    def _open(self) -> None:
        if self._closed:
            raise Unavailable(f"{self.directory}: the log is closed")


class _Owner:
    """A connection to the owner, with the requests that wait for its replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        self._reader = reader
        self._writer = writer
        self._name = name
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._sending = asyncio.Lock()
        self._replies = asyncio.create_task(self._receive(), name=f"replies of {name}")

    @property
    def lost(self) -> bool:
        """Whether a new connection is needed."""
        return self._replies.done()

    async def call(self, request: Callable[[int], Request]) -> Reply:
        """Sends a request and waits for its reply; raises SendFailed when the owner goes before."""
        number = next(self._numbers)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        try:
            async with self._sending:
                if self.lost:
                    raise self._gone()
                self._waiting[number] = reply
                _send(self._writer, request(number))
                with suppress(OSError):  # then the end of the replies says the same
                    await self._writer.drain()
            return await reply
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """Hangs up."""
        self._replies.cancel()
        await asyncio.gather(self._replies, return_exceptions=True)
        with suppress(OSError):
            self._writer.close()
            await self._writer.wait_closed()

    async def _receive(self) -> None:
        try:
            while True:
                reply = _decoded(_reply, await _message(self._reader))
                waiting = self._waiting.get(reply.number)
                if waiting is not None and not waiting.done():
                    waiting.set_result(reply)
        except (OSError, asyncio.IncompleteReadError, InvalidEvent):
            pass
        finally:
            self._writer.close()
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(self._gone())

    def _gone(self) -> SendFailed:
        return SendFailed(f"{self._name} went away before it answered; the append may be sent again")


async def _connect(directory: Path) -> _Owner:
    deadline = asyncio.get_running_loop().time() + CONNECT_S
    while True:
        owner = owner_of(directory)
        if owner is None:
            raise Unavailable(f"{directory}: no process owns this folder, so nobody can append to it")
        path = directory / owner.socket
        try:
            reader, writer = await asyncio.open_unix_connection(str(path))
            return _Owner(reader, writer, f"process {owner.pid}, the owner of {directory},")
        except OSError as error:
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(
                    f"{directory}: process {owner.pid} owns this folder and does not answer: {error}"
                ) from None
            await asyncio.sleep(10 * POLL_S)


def _requests(records: Sequence[Record]) -> Iterator[tuple[int, list[Record]]]:
    """The records in portions that fit a message, each with the index of its first."""
    some: list[Record] = []
    size = 0
    first = 0
    for i, record in enumerate(records):
        if some and size + len(record.payload) > REQUEST_BYTES:
            yield first, some
            some, size, first = [], 0, i
        some.append(record)
        size += len(record.payload)
    if some:
        yield first, some


def _shifted(receipt: Receipt, first: int) -> Receipt:
    conflicts = [Conflict(each.record + first, each.row, each.id, each.position) for each in receipt.conflicts]
    return msgspec.structs.replace(receipt, conflicts=tuple(conflicts))


def _joined(receipts: Sequence[Receipt]) -> Receipt:
    return Receipt(
        max(each.last for each in receipts),
        sum(each.appended for each in receipts),
        sum(each.duplicate for each in receipts),
        tuple(conflict for each in receipts for conflict in each.conflicts),
    )


# -- messages ------------------------------------------------------------------------------------------------------------


async def _message(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
    if length > MESSAGE_BYTES_MAX:
        raise InvalidEvent(f"expected a message of at most {MESSAGE_BYTES_MAX} bytes, got {length}")
    return await reader.readexactly(length)


def _decoded(decode: Callable[[bytes], Any], message: bytes) -> Any:
    try:
        return decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(f"expected a message of this protocol, got {message[:16]!r}… ({error})") from None


def _send(writer: asyncio.StreamWriter, message: Request | Reply) -> None:
    body = _encode(message)
    writer.write(len(body).to_bytes(LENGTH_BYTES, "big") + body)
