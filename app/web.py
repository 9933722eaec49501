"""The page and the REST API over HTTP, in the event loop of `tailrace up`.

Rules: on this machine only, unless told otherwise, and then only for a browser that was sent here: a request names this host,
and one that another site's page makes is refused. The server ends with `up`, whatever is still connected.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from tailrace.app.settings import Site
from tailrace.schemas.errors import InvalidSettings, Unavailable

if TYPE_CHECKING:
    from tailrace.app.api import Served

HOST = "127.0.0.1"
PORT = 8420
PORTS = 100
"""Ports that are tried from PORT on, where none was asked for."""

LINGER_S = 1.0
"""How long open connections have when the server ends."""

Scope = MutableMapping[str, Any]
Send = Callable[[Scope], Awaitable[None]]
Receive = Callable[[], Awaitable[Scope]]
_said = logging.getLogger("tailrace")


class App(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None: ...


def listen(host: str = HOST, port: int | None = None) -> socket.socket:
    """A listening socket. Without a port the first free one from PORT on; 0 = any free one. Raises Unavailable."""
    if port is not None:
        return _bound(host, port)
    for each in range(PORT, PORT + PORTS):
        try:
            found = _bound(host, each)
        except _InUse:
            continue
        if each != PORT:
            _said.warning("port %d is in use, so the page is on port %d", PORT, each)
        return found
    raise Unavailable(
        f"expected a free port from {PORT} to {PORT + PORTS - 1} on {host}, got none; name one with --port"
    )


class Web:
    """What `up` shows: the page at /, the REST API at /api."""

    def __init__(self, listening: socket.socket, site: Site) -> None:
        self._socket, self._site = listening, site
        host, port = listening.getsockname()[:2]
        self.host = host
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    async def run(self, served: Served, stop: asyncio.Event) -> None:
        """Serves until `stop` is set."""
        # It takes half a second to import, and the sources need not wait for it.
        uvicorn, application = await asyncio.to_thread(_load)
        app = guarded(application(served, self._site), self.host)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=LINGER_S,
            ws_max_size=1 << 20,
        )
        server = uvicorn.Server(config)
        server.capture_signals = _no_signals
        serving = asyncio.ensure_future(server.serve([self._socket]))
        stopping = asyncio.ensure_future(stop.wait())
        _said.info("page on %s, REST API on %sapi/v1, described at %sapi/docs", self.url, self.url, self.url)
        try:
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            served.changes.close()
            await serving
            if not stop.is_set():
                raise Unavailable("the page's server ended by itself; `tailrace up` goes on without it")
        finally:
            serving.cancel()
            stopping.cancel()


def guarded(app: App, host: str) -> App:
    """The application, for requests that name this host and come from no other site's page."""
    names = {"localhost", "127.0.0.1", "::1", host.lower()}
    anywhere = host in ("0.0.0.0", "::")

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        here, origin = headers.get(b"host", b"").decode("latin-1"), headers.get(b"origin")
        known = anywhere or (urlsplit(f"//{here}").hostname or "") in names
        own = origin is None or urlsplit(origin.decode("latin-1")).netloc == here
        if known and own:
            await app(scope, receive, send)
        else:
            await _refuse(
                scope, send, f"expected a request for {host} from its own page, got one for {here!r}\n".encode()
            )

    return guard


async def _refuse(scope: Scope, send: Send, why: bytes) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": why})


class _InUse(Unavailable):
    """Somebody else listens there."""


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise InvalidSettings(f"--host: expected a name or address of this machine, got {host!r}: {error}") from None
    found = socket.socket(family, kind, protocol)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(128)
    except OSError as error:
        found.close()
        raise _words(host, port, error) from None
    return found


def _words(host: str, port: int, error: OSError) -> Exception:
    if error.errno == errno.EADDRINUSE:
        return _InUse(
            f"expected port {port} of {host} to be free, got one that is in use: end what listens there, or name another "
            "with --port"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return InvalidSettings(f"--host: expected an address of this machine, got {host!r}")
    return Unavailable(f"port {port} of {host} cannot be used: {error.strerror}; name another with --port")


def _load() -> tuple[Any, Any]:
    import uvicorn  # noqa: PLC0415

    from tailrace.app.ui_pages import application  # noqa: PLC0415

    return uvicorn, application


@contextmanager
def _no_signals() -> Iterator[None]:
    """`up` has handlers of its own."""
    yield
