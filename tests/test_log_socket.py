"""One owner, many processes: who may append, what the owner survives, and what those hear who wait when it goes."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest

from log_records import everything, large, numbers, sequenced, state
from tailrace.connectors import log_socket
from tailrace.connectors.log_socket import SocketLog, serve
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_file import EVENTS_FILE
from tailrace.connectors.ownership import INFO, Owner, own, owner_of
from tailrace.engine.log import Receipt
from tailrace.schemas.errors import InvalidEvent, NotFound, Owned, SendFailed, Unavailable

CHILD = [sys.executable, str(Path(__file__).with_name("log_child.py"))]
WAIT_S = 60.0


class House(NamedTuple):
    """An owned folder with its log, and a client."""

    directory: Path
    socket: Path
    behind: SqliteLog
    log: SocketLog


@pytest.fixture
def directory() -> Iterator[Path]:
    """A folder with a short name, since a socket's address is short."""
    with tempfile.TemporaryDirectory(prefix="own-") as name:
        yield Path(name)


@pytest.fixture
async def house(directory: Path) -> AsyncIterator[House]:
    with own(directory) as owned:
        behind = SqliteLog(directory / EVENTS_FILE)
        server = await serve(behind, owned.socket, lambda: {"sources": ["plc"], "n": 1})
        log = SocketLog(directory)
        yield House(directory, owned.socket, behind, log)
        await log.close()
        await server.close()
        await behind.close()


@contextmanager
def owner_process(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A real process that owns the folder and serves its log."""
    with subprocess.Popen(
        [*CHILD, "own", str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        try:
            yield child
        finally:
            child.kill()


# -- owning --------------------------------------------------------------------------------------------------------------------


def test_a_second_owner_is_refused_with_the_first_ones_pid(directory: Path) -> None:
    with owner_process(directory) as child:
        with pytest.raises(Owned, match=f"process {child.pid} owns this folder since 20"):
            own(directory)
        owner = owner_of(directory)
        assert owner is not None
        assert owner.pid == child.pid


def test_a_killed_owner_leaves_the_folder_free(directory: Path) -> None:
    with owner_process(directory) as child:
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has reaped it
        assert (directory / INFO).exists()
        assert owner_of(directory) is None
        with own(directory) as owned:
            assert owned.owner.pid == os.getpid()
            with pytest.raises(Owned, match=f"process {os.getpid()} owns"):
                own(directory)
    with own(directory):
        pass
    assert sorted(os.listdir(directory)) == [EVENTS_FILE, f"{EVENTS_FILE}-shm", f"{EVENTS_FILE}-wal", "owner.lock"]


def test_an_owner_that_has_not_said_who_it_is_owns_all_the_same(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.connectors.ownership.ANSWER_S", 0.05)
    with own(directory):
        (directory / INFO).unlink()
        with pytest.raises(Owned, match="has not said which it is"):
            own(directory)
        (directory / INFO).write_bytes(b"{broken")
        with pytest.raises(Owned, match="has not said which it is"):
            own(directory)


def test_a_folder_that_cannot_be_is_said(directory: Path) -> None:
    (directory / "file").write_text("")
    with pytest.raises(Unavailable, match="expected a folder to keep data in, got: Not a directory"):
        own(directory / "file" / "below")


async def test_the_socket_is_the_users_alone(house: House) -> None:
    assert stat.S_IMODE(house.socket.stat().st_mode) == 0o600
    assert house.socket.parent == house.directory


async def test_a_long_path_gets_a_short_socket_of_its_own(directory: Path) -> None:
    deep = directory / ("d" * 120)
    with own(deep) as owned:
        behind = SqliteLog(deep / EVENTS_FILE)
        server = await serve(behind, owned.socket)
        folder = owned.socket.parent
        assert len(str(owned.socket)) < 100
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        log = SocketLog(deep)
        assert (await log.append([state(1)])).appended == 1
        await log.close()
        await server.close()
        await behind.close()
    assert not folder.exists()


def test_the_short_socket_of_a_killed_owner_goes_with_the_next(directory: Path) -> None:
    deep = directory / ("d" * 120)
    with owner_process(deep) as child:
        owner = owner_of(deep)
        assert owner is not None
        folder = Path(owner.socket).parent
        assert folder.exists()
        child.kill()
        child.wait()
    own(deep).close()
    assert not folder.exists()


def test_a_forged_note_of_an_owner_removes_nothing(directory: Path) -> None:
    victim = directory / "victim"
    victim.write_text("precious")
    for path in (str(victim), "victim", "../" + directory.name + "/victim"):
        (directory / INFO).write_bytes(msgspec.json.encode(Owner(1, "", path)))
        own(directory).close()
    assert victim.read_text() == "precious"


# -- appending through the owner -----------------------------------------------------------------------------------------------


async def test_a_receipt_comes_after_the_commit(house: House) -> None:
    for i in range(20):
        receipt = await house.log.append([state(i)])
        assert [record.id for record in await house.log.read(receipt.last - 1, 1)] == [f"e{i}"]


async def test_a_long_append_goes_in_portions_and_counts_as_one(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_socket, "REQUEST_BYTES", 100_000)
    await house.behind.append([state(0), large(30_000, id="b7")])
    records = [state(0)] + [large(40_000 + i, id=f"b{i}") for i in range(20)]
    receipt = await house.log.append(records)
    assert (receipt.last, receipt.appended, receipt.duplicate) == (2 + 19, 19, 1)
    assert [(c.record, c.id, c.position) for c in receipt.conflicts] == [(8, "b7", 2)]
    assert [record.id for record in await everything(house.log)][2:] == [f"b{i}" for i in range(20) if i != 7]


async def test_what_no_log_can_keep_is_refused_as_invalid_by_the_owner_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.connectors.identity.check", lambda record: None)
    monkeypatch.setattr(house.behind, "append", _refuse)
    with pytest.raises(InvalidEvent, match="not this one"):
        await house.log.append([state(1)])


async def _refuse(records: object) -> Receipt:
    raise InvalidEvent("not this one")


async def test_the_owner_says_how_it_is(house: House) -> None:
    assert await house.log.status() == {"sources": ["plc"], "n": 1}


async def test_other_processes_append_and_are_followed(house: House) -> None:
    batches = house.log.follow(0, 100)
    children = [
        await asyncio.create_subprocess_exec(
            *CHILD, "append", str(house.directory), *(str(i) for i in range(k, 40, 2)), stdout=subprocess.PIPE
        )
        for k in (0, 1, 0)
    ]
    seen: list[str] = []
    while len(seen) < 40:
        seen += [record.id for record in await asyncio.wait_for(anext(batches), WAIT_S)]
    assert sorted(seen) == sorted(f"e{i}" for i in range(40))
    for child in children:
        out, _ = await child.communicate()
        assert 1 <= int(out) <= 40
    assert await house.log.end() == 40


# -- when the owner goes -------------------------------------------------------------------------------------------------------


async def test_without_an_owner_one_can_read_but_not_append(directory: Path) -> None:
    log = SocketLog(directory)
    with pytest.raises(NotFound, match="there is no log here"):
        await log.end()
    with pytest.raises(Unavailable, match="no process owns this folder"):
        await log.append([state(1)])
    with own(directory):
        behind = SqliteLog(directory / EVENTS_FILE)
        await behind.append([state(1)])
        await behind.close()
    assert [record.id for record in await log.read(0, 10)] == ["e1"]
    with pytest.raises(Unavailable, match="no process owns this folder"):
        await log.status()
    await log.close()


async def test_an_owner_that_does_not_listen_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_socket, "CONNECT_S", 0.1)
    log = SocketLog(directory)
    with (
        own(directory),
        pytest.raises(Unavailable, match=f"process {os.getpid()} owns this folder and does not answer"),
    ):
        await log.append([state(1)])
    await log.close()


async def test_an_owner_that_is_killed_while_one_appends(directory: Path) -> None:
    """Whoever has a receipt is in the log; the others hear of it at once, send again to the next owner, and count once."""
    log = SocketLog(directory)
    with owner_process(directory) as child:
        await log.append([state(0)])
        appends = [asyncio.ensure_future(_produce(log, k)) for k in range(8)]
        seen = 0
        async for batch in log.follow(0, 100):
            seen += len(batch)
            if seen >= 50:
                break
        child.kill()
        acknowledged = await asyncio.wait_for(asyncio.gather(*appends), WAIT_S)
        child.wait()
    with owner_process(directory):
        for k in range(8):
            await log.append([sequenced(1, 1000, session=f"s{k}")])
    records = await everything(log)
    for k in range(8):
        mine = [record for record in records if record.session == f"s{k}"]
        assert sorted(numbers(mine)) == list(range(1, 1001))
        assert sum(record.n for record in mine[: acknowledged[k]]) == 5 * acknowledged[k]
    await log.close()


async def _produce(log: SocketLog, k: int) -> int:
    """Appends until it fails; how often it did not."""
    for i in range(200):
        try:
            await log.append([sequenced(1 + 5 * i, 5, session=f"s{k}")])
        except SendFailed:
            return i
        except Unavailable as error:  # had its receipt, and then looked for the owner
            assert "no process owns this folder" in str(error)  # noqa: PT017
            return i
    pytest.fail("the owner was to be killed while we append")


# -- what the owner survives -----------------------------------------------------------------------------------------------------


def _garbage() -> Iterator[bytes]:
    random = Random(7)
    good = msgspec.msgpack.encode(log_socket.Append(1, [state(1)]))
    yield b""
    yield b"\0"
    yield b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield b"\xff" * 64
    yield _framed(b"")
    yield _framed(b"\x93\x93\x93")
    yield _framed(b"\xc1")
    yield _framed(msgspec.msgpack.encode(["drop", 1, []]))
    yield _framed(msgspec.msgpack.encode(["append", 1, [{"type": "telemetry"}]]))
    yield _framed(msgspec.msgpack.encode(["append", "one", []]))
    yield _framed(b"\x91" * 100_000)
    yield _framed(good)[:-3]
    yield (log_socket.MESSAGE_BYTES_MAX + 1).to_bytes(4, "big")
    for _ in range(200):
        damaged = bytearray(_framed(good))
        for _ in range(random.randint(1, 4)):
            damaged[random.randrange(4, len(damaged))] = random.randrange(256)
        yield bytes(damaged)
    for _ in range(50):
        yield random.randbytes(random.randint(1, 300))


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


async def test_garbage_harms_nobody_else(house: House) -> None:
    noise: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
    await house.log.append([state(1000)])
    for garbage in _garbage():
        reader, writer = await asyncio.open_unix_connection(str(house.socket))
        writer.write(garbage)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), WAIT_S)
        writer.close()
        await writer.wait_closed()
    assert (await house.log.append([state(1001)])).appended == 1
    assert all(record.intact() for record in await everything(house.log))
    assert noise == []


async def test_a_message_that_is_too_long_is_refused_before_it_comes(house: House) -> None:
    reader, writer = await asyncio.open_unix_connection(str(house.socket))
    writer.write((log_socket.MESSAGE_BYTES_MAX + 1).to_bytes(4, "big"))
    answer = await asyncio.wait_for(reader.read(), WAIT_S)
    assert b"expected a message of at most" in answer
    writer.close()
    await writer.wait_closed()


async def test_half_a_message_keeps_nobody_waiting(house: House) -> None:
    idle = [await asyncio.open_unix_connection(str(house.socket)) for _ in range(5)]
    for _, writer in idle:
        writer.write(b"\0\0\1\0half")
    assert (await asyncio.wait_for(house.log.append([state(1)]), WAIT_S)).appended == 1
    for _, writer in idle:
        writer.close()
        await writer.wait_closed()


async def test_the_number_of_clients_is_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_socket, "CLIENTS_MAX", 3)
    await house.log.append([state(1)])
    clients: list[Any] = [await asyncio.open_unix_connection(str(house.socket)) for _ in range(5)]
    ends = [asyncio.ensure_future(reader.read()) for reader, _ in clients]
    done, _ = await asyncio.wait(ends, timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED)
    assert {end.result() for end in done} == {b""}
    assert (await house.log.append([state(2)])).appended == 1
    for _, writer in clients:
        writer.close()
    await asyncio.gather(*ends)


async def test_a_client_that_hangs_up_early_is_appended_for(house: House) -> None:
    _, writer = await asyncio.open_unix_connection(str(house.socket))
    writer.write(_framed(msgspec.msgpack.encode(log_socket.Append(1, [state(5)]))))
    writer.close()
    await writer.wait_closed()
    batch = await asyncio.wait_for(anext(house.behind.follow(0, 1)), WAIT_S)
    assert [record.id for record in batch] == ["e5"]


async def test_a_listening_socket_is_replaced_not_shared(directory: Path) -> None:
    stale = socket.socket(socket.AF_UNIX)
    with own(directory) as owned:
        stale.bind(str(owned.socket))
        stale.close()
        behind = SqliteLog(directory / EVENTS_FILE)
        server = await serve(behind, owned.socket)
        log = SocketLog(directory)
        assert (await log.append([state(1)])).appended == 1
        await log.close()
        await server.close()
        await behind.close()
