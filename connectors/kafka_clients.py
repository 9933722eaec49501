"""How every client of Kafka is made: which brokers, how they are spoken to, and who one is there.

Rules: the certificate of a broker is checked, its name too. A password comes from a file or an environment variable when a client
is made, and is in no message. What the brokers refuse is said in their words, for the library only says that it found none.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from pathlib import Path
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.tls import tls
from tailrace.schemas.errors import InvalidSettings, Unavailable

PROTOCOLS = {
    (False, False): "PLAINTEXT",
    (True, False): "SSL",
    (False, True): "SASL_PLAINTEXT",
    (True, True): "SASL_SSL",
}
ASK_MS = 5000

# aiokafka logs what it then raises; and refused attempts, again and again, where brokers are away.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def options(settings: KafkaSettings) -> dict[str, Any]:
    """What each client is given. Raises InvalidSettings where a file or a password is not to be had."""
    return {"bootstrap_servers": settings.servers, **security(settings)}


def security(settings: KafkaSettings) -> dict[str, Any]:
    """Protocol, TLS and who one is."""
    found: dict[str, Any] = {"security_protocol": PROTOCOLS[settings.encrypted, bool(settings.username)]}
    if settings.encrypted:
        found["ssl_context"] = context(settings)
    if settings.username:
        found["sasl_mechanism"] = settings.mechanism
        found["sasl_plain_username"] = settings.username
        found["sasl_plain_password"] = password(settings)
    return found


def context(settings: KafkaSettings) -> ssl.SSLContext:
    """For TLS; raises InvalidSettings."""
    try:
        return tls(settings.ca, settings.cert, settings.key)
    except ssl.SSLError as error:
        raise InvalidSettings(
            f"log: expected PEM files in ca, cert and key that belong together, got: {error.reason or error}"
        ) from None
    except OSError as error:
        raise InvalidSettings(f"log: {error.filename}: expected a PEM file, got: {error.strerror}") from None


def password(settings: KafkaSettings) -> str:
    """The password of the user; raises InvalidSettings where it is not to be had."""
    if settings.password_env:
        found = os.environ.get(settings.password_env, "")
        if not found:
            raise InvalidSettings(
                f"log: expected the password of {settings.username!r} in the environment variable {settings.password_env}, "
                "got nothing there"
            )
        return found
    path = Path(settings.password_file)
    try:
        found = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "bytes that are no text"
        raise InvalidSettings(f"log: password_file {path}: expected a file with the password, got: {reason}") from None
    if not found:
        raise InvalidSettings(f"log: password_file {path}: expected a file with the password, got an empty one")
    return found


async def refusal(settings: KafkaSettings) -> str:
    """What each broker says to somebody who wants to speak to it; "" where one of them answers."""
    said = []
    for server in settings.servers:
        host, _, port = server.rpartition(":")
        try:
            connection = await create_conn(host, int(port), request_timeout_ms=ASK_MS, **security(settings))
        except (KafkaError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            said.append(f"{server}: {_words(error)}")
        else:
            connection.close()
            return ""
    return "; ".join(said)


async def away(settings: KafkaSettings, error: BaseException) -> Unavailable:
    """What is said where no broker could be reached."""
    said = await refusal(settings) or _words(error)
    return Unavailable(f"{settings.where}: expected a broker that answers, got {said}")


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not one that is trusted here: {error.verify_message}; ca names who signed it"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, KafkaError):
        return str(error)  # it begins with its name
    return f"{type(error).__name__}: {error}".rstrip(": ")
