"""What a plant file says about a log on Kafka: where the brokers are, and what the topics are called."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

TOPIC_MAX = 200
"""Characters in the beginning of a topic's name; Kafka takes 249 for the whole."""


class KafkaSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="kafka"
):
    """A log of `kind: kafka`.

    servers: brokers to begin with, host:port. topics: what the names of the topics begin with: <topics>.events and so on.
    partitions: how many machines may be folded side by side, once and for all; replication: copies of each. `tailrace init`
    makes the topics with them. group: workers of one name share the machines. session_s: silence after which a worker's
    machines go to another one. send_s: how long an append may wait for its acknowledgement.
    tls: whether the brokers are spoken to over TLS, as they are where ca, cert or key is given. ca, cert, key: PEM files (ca
    absent: what the system trusts; cert and key where brokers ask for a certificate). username: who one is, by SASL; mechanism:
    in which way. password_file, password_env: the file or the environment variable with the password, which is never shown.
    """

    servers: Annotated[list[str], msgspec.Meta(min_length=1)]
    topics: Annotated[str, msgspec.Meta(min_length=1, max_length=TOPIC_MAX)] = "tailrace"
    partitions: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 8
    replication: Annotated[int, msgspec.Meta(ge=1, le=7)] = 3
    group: Annotated[str, msgspec.Meta(min_length=1)] = "tailrace"
    session_s: Annotated[float, msgspec.Meta(ge=1, le=1800)] = 10.0
    send_s: Annotated[float, msgspec.Meta(ge=0.1, le=600)] = 30.0

    tls: bool = False
    ca: str = ""
    cert: str = ""
    key: str = ""
    username: str = ""
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    password_file: str = ""
    password_env: str = ""

    def __post_init__(self) -> None:
        if bool(self.cert) != bool(self.key):
            raise ValueError("cert: expected cert and key together, got one of them")
        if self.username and bool(self.password_file) == bool(self.password_env):
            raise ValueError("username: expected password_file or password_env beside it, and not both")
        if (self.password_file or self.password_env) and not self.username:
            raise ValueError("username: expected one beside password_file or password_env, got none")
        if not re.fullmatch(r"[A-Za-z0-9._-]+", self.topics) or self.topics in (".", ".."):
            raise ValueError(f"topics: expected letters, digits, '.', '_' and '-', got {self.topics!r}")
        for server in self.servers:
            host, _, port = server.rpartition(":")
            if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
                raise ValueError(f"servers: expected host:port, got {server!r}; 9092 is the usual port")

    @property
    def events(self) -> str:
        """The topic of the `events` log."""
        return f"{self.topics}.events"

    @property
    def derived(self) -> str:
        """The topic of the `derived` log."""
        return f"{self.topics}.derived"

    @property
    def checkpoints(self) -> str:
        """The topic of state pages and manifests."""
        return f"{self.topics}.checkpoints"

    @property
    def encrypted(self) -> bool:
        """Whether the brokers are spoken to over TLS."""
        return self.tls or bool(self.ca or self.cert)

    @property
    def where(self) -> str:
        """The brokers, for messages."""
        return f"kafka {', '.join(self.servers)}"
