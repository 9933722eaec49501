"""What a plant file says about an MQTT broker: its address, what to subscribe to, and what a message says."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from tailrace.connectors import terms
from tailrace.connectors.mqtt_topics import Machine
from tailrace.connectors.payload import PayloadSettings

PORTS = {"mqtt": 1883, "mqtts": 8883}


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="mqtt"):
    """A source of `kind: mqtt`.

    name: how the source is called in status, ids and clocks. url: mqtt://host:1883, or mqtts://host:8883 for TLS; a user and
    a password may stand in it or beside it. ca, cert, key: PEM files for TLS (ca absent: what the system trusts).
    topic or topics: what to subscribe to; `{machine}` stands for the level that names the machine (plant/{machine}/data).
    machine: without `{machine}`: `topic:1` is the second level, `$.id` a path into the payload, other text a fixed name.
    protocol: the MQTT that the broker speaks, "5" or "3.1.1"; the latter knows no receive_maximum and no session_expiry_s.
    qos: 1, or 0 for a broker that cannot do better. client_id: tailrace-<name> if absent; no two clients may share one.
    keepalive_s: silence after which the broker is asked whether it is there. receive_maximum: messages under way at once.
    session_expiry_s: how long the broker keeps messages for a Tailrace that is away. timeout_s: how long an answer may take.
    retry_max_s: the longest pause between attempts to connect.
    """

    name: str
    url: str
    payload: PayloadSettings
    topic: str | None = None
    topics: list[str] = []
    machine: str | None = None
    username: str | None = None
    password: str | None = None
    ca: str = ""
    cert: str = ""
    key: str = ""
    protocol: Literal["5", "3.1.1"] = "5"
    qos: int = 1
    client_id: str = ""
    keepalive_s: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 30
    receive_maximum: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 1000
    session_expiry_s: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 7 * 86_400
    timeout_s: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 5.0
    retry_max_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0

    def __post_init__(self) -> None:
        terms.check_source(self.name)
        _check_url(self.url, bool(self.ca or self.cert or self.key))
        if self.key and not self.cert:
            raise ValueError("key: expected cert beside it")
        if self.qos not in (0, 1):
            raise ValueError(
                f"qos: expected 0 or 1, got {self.qos}; 1 loses nothing, and sequence or time tell a repeat apart, "
                "while QoS 2 would confirm a message before it is stored"
            )
        if (self.topic is None) == (not self.topics):
            raise ValueError("topic: expected either topic or topics, with at least one filter")
        if self.session_expiry_s == 0 and self.qos:
            raise ValueError("session_expiry_s: expected at least 1, or the broker forgets what it has not delivered")
        Machine(self.filters, self.machine)

    @property
    def filters(self) -> list[str]:
        """The topic filters as they were written."""
        return self.topics or [self.topic or ""]


def _check_url(text: str, secrets: bool) -> None:
    """Raises ValueError for a url that is no broker's."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise ValueError(f"url: expected mqtt://host:1883, got {text!r} ({error})") from None
    if url.scheme not in PORTS or not url.hostname or port == 0 or url.path.strip("/") or url.query:
        raise ValueError(f"url: expected mqtt://host:1883 or mqtts://host:8883, got {text!r}")
    if secrets and url.scheme != "mqtts":
        raise ValueError(f"url: expected mqtts:// where ca, cert or key is given, got {text!r}")
