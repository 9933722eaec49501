"""What a plant file says about an OPC UA server: its address, and which node of it is what of which machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from tailrace.connectors.terms import Key, check_cycles, check_name, check_source, check_words
from tailrace.schemas.event import CounterName

Role = Literal["state", "counter", "product", "cycle", "value"]

_NODE = re.compile(r"(ns=\d{1,5};|nsu=[^;]+;)?(i=\d{1,10}|s=.+|g=[0-9a-fA-F-]{36}|b=.+)", re.DOTALL)
_POLICIES = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss", "Basic256", "Basic128Rsa15")


class NodeState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A state's node, its words by value, and the word for a value that `map` does not name (else: refused)."""

    node: str
    map: dict[Key, str] = {}
    default: str | None = None


class Slot(NamedTuple):
    """One node and what it is: `name` is the signal, the counter, or the field of the plant file."""

    machine: str
    role: Role
    name: str
    node: str


class OpcUaMachine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which node is what of a machine. A node is named as in `ns=2;s=MCH003.State`, `ns=2;i=1001` or `nsu=<uri>;s=…`.

    state: the state word, or a value with `map`. counters: cumulative counts `total`, `good`, `reject`. product: what is
    being made; ideal_cycle_s: seconds per part as a node, a number, or a table by product. values: signals by name.
    """

    state: str | NodeState | None = None
    counters: dict[CounterName, str] = {}
    product: str | None = None
    ideal_cycle_s: str | float | dict[str, float] | None = None
    values: dict[str, str] = {}

    def __post_init__(self) -> None:
        slots = list(self.slots(""))
        if not slots:
            raise ValueError("expected at least one of state, counters, product, values")
        for slot in slots:
            check_name(slot.role, slot.name)
            if not _NODE.fullmatch(slot.node):
                where = {"value": f"values.{slot.name}", "counter": f"counters.{slot.name}"}.get(slot.role, slot.name)
                raise ValueError(
                    f"{where}: expected a node id like ns=2;s=MCH003.State or ns=2;i=1001, got {slot.node!r}"
                )
        if self.ideal_cycle_s is not None and self.product is None:
            raise ValueError("ideal_cycle_s: expected product beside it; a cycle belongs to a product")
        check_cycles("ideal_cycle_s", self.ideal_cycle_s)
        if isinstance(self.state, NodeState):
            check_words("state", self.state.map)

    def slots(self, machine: str) -> Iterator[Slot]:
        """Every node of the machine."""
        if self.state is not None:
            yield Slot(machine, "state", "state", self.state.node if isinstance(self.state, NodeState) else self.state)
        for counter, node in self.counters.items():
            yield Slot(machine, "counter", counter, node)
        if self.product is not None:
            yield Slot(machine, "product", "product", self.product)
        if isinstance(self.ideal_cycle_s, str):
            yield Slot(machine, "cycle", "ideal_cycle_s", self.ideal_cycle_s)
        for name, node in self.values.items():
            yield Slot(machine, "value", name, node)


class OpcUaSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="opcua"
):
    """A source of `kind: opcua`.

    name: how the source is called in status, ids and clocks. url: opc.tcp://host:4840/. username, password: if the server asks.
    security: `Policy,Mode,certificate,key[,server certificate]`, as in Basic256Sha256,SignAndEncrypt,cert.der,key.pem;
    absent: none. application_uri: absent, the one in that certificate. machines: the nodes, by machine.
    publishing_interval_ms: how often the server sends; sampling_interval_ms: how often it looks (0: as fast as it can).
    queue_size: changes that the server keeps per node while nobody fetches them (a server may keep fewer).
    keepalive_s: how often a server with nothing to say says so; twice that in silence ends the connection.
    timeout_s: how long a request may take. retry_max_s: the longest pause between attempts to connect.
    """

    name: str
    url: str
    machines: dict[str, OpcUaMachine]
    username: str | None = None
    password: str | None = None
    security: str = ""
    application_uri: str = ""
    publishing_interval_ms: Annotated[int, msgspec.Meta(ge=10, le=3_600_000)] = 100
    sampling_interval_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 0
    queue_size: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 10_000
    keepalive_s: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 5.0
    timeout_s: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 4.0
    retry_max_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0

    def __post_init__(self) -> None:
        check_source(self.name)
        _check_url(self.url)
        if self.security:
            _check_security(self.security)
        if not self.machines:
            raise ValueError("machines: expected at least one machine with its nodes")
        for name in self.machines:
            check_name("machines", name)
        if self.password is not None and self.username is None:
            raise ValueError("password: expected username beside it")

    @property
    def slots(self) -> list[Slot]:
        """Every node of the source."""
        return [slot for name, machine in self.machines.items() for slot in machine.slots(name)]


def _check_url(text: str) -> None:
    """Raises ValueError for an address that is no server's."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise ValueError(f"url: expected opc.tcp://host:4840/, got {text!r} ({error})") from None
    if url.scheme != "opc.tcp" or not url.hostname or port == 0:
        raise ValueError(f"url: expected opc.tcp://host:4840/, got {text!r}")


def _check_security(text: str) -> None:
    """Raises ValueError for a security string that asyncua could not take."""
    parts = text.split(",")
    if len(parts) not in (4, 5) or not all(parts):
        raise ValueError(f"security: expected Policy,Mode,certificate,key[,server certificate], got {text!r}")
    if parts[0] not in _POLICIES:
        raise ValueError(f"security: expected a policy among {', '.join(_POLICIES)}, got {parts[0]!r}")
    if parts[1] not in ("Sign", "SignAndEncrypt"):
        raise ValueError(f"security: expected the mode Sign or SignAndEncrypt, got {parts[1]!r}")
