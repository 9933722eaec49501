"""The server of page and API: which port it takes, whom it answers, and that it ends with `up` whatever is connected."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from commands import tailrace
from tailrace.app import web
from tailrace.schemas.errors import InvalidSettings, Unavailable
from ui_plant import PLANT, Live, shown


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with web.listen(port=0) as one:
        yield one


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with shown(tmp_path, history=False) as plant:
        yield plant


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(taken: socket.socket, tmp_path: Path) -> None:
    port = taken.getsockname()[1]
    with pytest.raises(Unavailable, match=f"expected port {port} of 127.0.0.1 to be free, got one that is in use"):
        web.listen(port=port)
    (tmp_path / "plant.yaml").write_text(PLANT)
    done = tailrace("up", tmp_path / "plant.yaml", "--dir", tmp_path / "data", "--port", port, code=3)
    assert f"expected port {port}" in done.stderr
    assert not (tmp_path / "data").exists()


def test_without_a_port_the_next_free_one_is_taken(
    taken: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = taken.getsockname()[1]
    monkeypatch.setattr(web, "PORT", port)
    with web.listen() as found:
        assert port < found.getsockname()[1] < port + web.PORTS
        assert f"port {port} is in use, so the page is on port {found.getsockname()[1]}" in caplog.text
    monkeypatch.setattr(web, "PORTS", 1)
    with pytest.raises(Unavailable, match="name one with --port"):
        web.listen()


@pytest.mark.parametrize("host", ["203.0.113.9", "no such host", "x" * 300])
def test_a_host_that_is_not_of_this_machine_is_an_error(host: str) -> None:
    with pytest.raises(InvalidSettings, match="--host: expected"):
        web.listen(host, 0)


def asked(live: Live, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    parts = urlsplit(live.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=60)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_request_that_another_site_makes_is_refused(live: Live) -> None:
    here = urlsplit(live.url).netloc
    assert asked(live, "/api/v1/machines") == (200, b'{"items":[],"next":null}')
    assert asked(live, "/api/v1/machines", Origin=f"http://{here}")[0] == 200
    assert asked(live, "/api/v1/machines", Host=f"localhost:{urlsplit(live.url).port}")[0] == 200
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        status, body = asked(live, "/api/v1/machines", **headers)
        assert (status, body[:8]) == (403, b"expected")
    assert asked(live, "/_nicegui_ws/socket.io/?EIO=4&transport=polling", Origin="http://evil.example")[0] == 403


def test_an_address_that_is_nothing_is_said_to_be(live: Live) -> None:
    status, body = asked(live, "/nothing/here")
    assert status == 404
    assert b"Traceback" not in body
    assert asked(live, "/api/v1/nothing")[0] == 404


def test_up_ends_soon_with_streams_open(live: Live) -> None:
    parts = urlsplit(live.url)
    streams = []
    for _ in range(3):
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=60)
        connection.request("GET", "/api/v1/live")
        streams.append((connection, connection.getresponse()))
    assert b"event: reached" in streams[0][1].read1(4096)
    idle = socket.create_connection((parts.hostname, parts.port), 60)
    live.up.stop()
    assert live.up.process.returncode == 0, live.up.said()
    for connection, answer in streams:
        answer.read()
        connection.close()
    idle.close()
    assert "Traceback" not in live.up.said()
    assert "Exception" not in live.up.said()
