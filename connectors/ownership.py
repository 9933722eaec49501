"""One process owns a data folder; every other one speaks to it.

Rules: who holds the lock on `owner.lock` is the owner, and `owner.json` says who that is and where its socket is. The lock is
the kernel's: it goes when its process goes, however that ends, and the file left behind means nothing. A second owner is
refused with the first one's pid. A folder that is made outlives a power loss, as what is acknowledged in it has to.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from tailrace.schemas.errors import Owned, Unavailable
from tailrace.schemas.instant import format_instant

LOCK, INFO, SOCKET = "owner.lock", "owner.json", "owner.sock"

SOCKET_PATH_BYTES = 100
"""Longer paths do not fit a socket's address (104 bytes on some systems)."""

SHORT_PREFIX = "tailrace-"
ANSWER_S = 1.0
"""How long a new owner may take to write who it is."""


class Owner(msgspec.Struct, frozen=True):
    """Who owns a folder. socket: a path, relative to the folder where it lies inside."""

    pid: int
    since: str
    socket: str


class Ownership:
    """The folder is ours until `close`."""

    def __init__(self, directory: Path, lock: int, owner: Owner) -> None:
        self.directory = directory
        self.owner = owner
        self._lock = lock

    @property
    def socket(self) -> Path:
        """Where the owner is to listen."""
        return self.directory / self.owner.socket

    def close(self) -> None:
        """Gives the folder up; harmless when done twice."""
        if self._lock < 0:
            return
        _remove_socket(self.directory, self.owner)
        (self.directory / INFO).unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = -1

    def __enter__(self) -> Ownership:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def own(directory: Path, clock: Callable[[], int] = time.time_ns) -> Ownership:
    """Takes the folder, which is made when there is none. Raises Owned with the owner's pid, or Unavailable."""
    directory = directory.absolute()
    try:
        _make(directory)
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"{directory}: expected a folder to keep data in, got: {error.strerror}") from None
    try:
        _lock(lock, directory)
        return Ownership(directory, lock, _announce(directory, clock()))
    except OSError as error:
        os.close(lock)
        raise Unavailable(f"{directory}: expected a folder to keep data in, got: {error.strerror}") from None
    except BaseException:
        os.close(lock)
        raise


def owner_of(directory: Path) -> Owner | None:
    """Who says to own the folder, if that process lives."""
    try:
        owner = msgspec.json.decode((directory / INFO).read_bytes(), type=Owner)
    except (OSError, msgspec.MsgspecError):
        return None
    return owner if _lives(owner.pid) else None


def _make(directory: Path) -> None:
    """Makes a folder and those above it, each with its entry on the disk; what is in it is synced by who writes it."""
    made = [each for each in (directory, *directory.parents) if not each.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for each in reversed(made):
        with suppress(OSError):  # a file system that syncs no folder, or a folder above that is not ours to read
            entries = os.open(each.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(entries)
            finally:
                os.close(entries)


def _lock(lock: int, directory: Path) -> None:
    deadline = time.monotonic() + ANSWER_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = owner_of(directory)
            if owner is not None:
                raise Owned(
                    f"{directory}: process {owner.pid} owns this folder since {owner.since}; stop it, or go through it"
                ) from None
            if time.monotonic() > deadline:
                raise Owned(f"{directory}: another process owns this folder, and has not said which it is") from None
            time.sleep(0.01)
        else:
            return


def _announce(directory: Path, now: int) -> Owner:
    with suppress(OSError, msgspec.MsgspecError):  # what a killed owner left
        _remove_socket(directory, msgspec.json.decode((directory / INFO).read_bytes(), type=Owner))
    socket = SOCKET
    if len(os.fsencode(directory / SOCKET)) > SOCKET_PATH_BYTES:
        socket = str(Path(tempfile.mkdtemp(prefix=SHORT_PREFIX)) / SOCKET)
    owner = Owner(os.getpid(), format_instant(now // 1_000_000_000 * 1_000_000_000), socket)
    draft = directory / f"{INFO}.new"
    draft.write_bytes(msgspec.json.encode(owner))
    draft.replace(directory / INFO)
    return owner


def _remove_socket(directory: Path, owner: Owner) -> None:
    path = directory / owner.socket
    if path == directory / SOCKET:
        path.unlink(missing_ok=True)
    elif path.name == SOCKET and path.parent.name.startswith(SHORT_PREFIX):
        with suppress(OSError):
            path.unlink(missing_ok=True)
            path.parent.rmdir()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return not _ended(pid)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True


def _ended(pid: int) -> bool:
    """Whether a process has ended and only its parent has not looked yet, where the system tells."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] in (b"Z", b"X")
