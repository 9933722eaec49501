"""Kafka over TLS and SASL, on a real broker: who is let in, and what is said to those who are not, without a password in it."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from brokers import free_port
from certificates import certificate
from kafka_broker import KafkaBroker, unique
from log_records import everything
from tailrace.connectors import kafka_clients, kafka_topics
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import open_log
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidSettings, Unavailable
from tailrace.schemas.event import PartsCounted
from tailrace.schemas.instant import Instant

SECRET = "hush-it-is-secret"
MODULES = "org.apache.kafka.common.security"
LISTENERS = """
listeners=PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller}},SSL://localhost:{tls},SASL_SSL://localhost:{sasl}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller}},SSL://localhost:{tls},SASL_SSL://localhost:{sasl}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={folder}/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/authority.crt
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required user_ann="{secret}";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={modules}.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
"""


class Guarded(NamedTuple):
    """A broker that lets in whom it knows, and the files for it."""

    folder: Path
    tls: str
    sasl: str

    def settings(self, server: str, **more: Any) -> KafkaSettings:
        given = {"ca": str(self.folder / "authority.crt"), **more}
        return KafkaSettings(servers=[server], topics=unique("tls"), partitions=2, replication=1, send_s=5, **given)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("tls")
    authority = certificate(folder, "authority")
    certificate(folder, "server", authority)
    certificate(folder, "client", authority)
    certificate(folder, "stranger")
    (folder / "keystore.pem").write_text((folder / "server.key").read_text() + (folder / "server.crt").read_text())
    (folder / "password").write_text(f"{SECRET}\n")
    (folder / "wrong").write_text("hush-this-is-wrong")
    tls, sasl = free_port(), free_port()
    extra = LISTENERS.format(tls=tls, sasl=sasl, folder=folder, secret=SECRET, modules=MODULES)
    users = [f"SCRAM-SHA-{bits}=[name=ann,password={SECRET}]" for bits in (256, 512)]
    broker = KafkaBroker(folder, extra=extra, users=users)
    atexit.register(broker.kill)
    broker.start()
    yield Guarded(folder, f"localhost:{tls}", f"localhost:{sasl}")
    broker.kill()


async def used(settings: KafkaSettings) -> list[str]:
    """The ids in a log that was made, written and read with these settings."""
    await kafka_topics.make(settings)
    log = await open_log(settings)
    try:
        event = PartsCounted(machine="M2", t=Instant(1), ingested=Instant(1), id="e1", good=1)
        await log.append([codec.record_of(event, source="t")])
        found = []
        for partition in range(settings.partitions):
            part = await open_log(settings, partition)
            found += [record.id for record in await everything(part)]
            await part.close()
        return found
    finally:
        await log.close()


async def test_a_log_over_tls_with_a_client_certificate(guarded: Guarded) -> None:
    files = {"cert": str(guarded.folder / "client.crt"), "key": str(guarded.folder / "client.key")}
    assert await used(guarded.settings(guarded.tls, **files)) == ["e1"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_log_for_a_user_with_a_password(
    guarded: Guarded, mechanism: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_TEST_SECRET", SECRET)
    user = {"username": "ann", "mechanism": mechanism}
    file = {"password_file": str(guarded.folder / "password")}
    for password in (file, {"password_env": "TAILRACE_TEST_SECRET"}):
        settings = guarded.settings(guarded.sasl, **user, **password)
        assert await used(settings) == ["e1"]
        assert SECRET not in repr(settings) + msgspec.json.encode(settings).decode()


async def test_who_is_not_let_in_hears_why(guarded: Guarded) -> None:
    user = {"username": "ann", "password_file": str(guarded.folder / "password")}
    wrong = user | {"password_file": str(guarded.folder / "wrong")}
    stranger = {"ca": str(guarded.folder / "stranger.crt")}
    for server, given, words in (
        (guarded.sasl, wrong, "Authentication"),
        (guarded.sasl, user | stranger, "its certificate is not one that is trusted here"),
        (guarded.tls, {}, ""),
    ):
        settings = guarded.settings(server, **given)
        with pytest.raises(Unavailable, match="expected a broker that answers") as refused:
            await kafka_topics.check(settings)
        assert words in str(refused.value)
        assert "hush" not in str(refused.value)


def test_files_and_passwords_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOBODY_SET_THIS", raising=False)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "text.pem").write_text("no certificate")
    base: dict[str, Any] = {"servers": ["b:9092"]}
    for more, words in (
        ({"ca": str(tmp_path / "none.pem")}, "none.pem: expected a PEM file"),
        ({"ca": str(tmp_path / "text.pem")}, "expected PEM files in ca, cert and key"),
        ({"username": "ann", "password_env": "NOBODY_SET_THIS"}, "environment variable NOBODY_SET_THIS, got nothing"),
        ({"username": "ann", "password_file": str(tmp_path / "none")}, "expected a file with the password"),
        ({"username": "ann", "password_file": str(tmp_path / "empty")}, "got an empty one"),
    ):
        with pytest.raises(InvalidSettings, match="log: ") as refused:
            kafka_clients.options(KafkaSettings(**base | more))
        assert words in str(refused.value)


def test_settings_that_contradict_each_other_are_refused() -> None:
    for more, words in (
        ({"cert": "c.pem"}, "expected cert and key together"),
        ({"username": "ann"}, "expected password_file or password_env"),
        ({"username": "ann", "password_file": "f", "password_env": "E"}, "and not both"),
        ({"password_env": "E"}, "expected one beside password_file or password_env"),
    ):
        with pytest.raises(ValueError, match=words):
            KafkaSettings(servers=["b:9092"], **more)  # type: ignore[arg-type]
