"""The simulated machines on OPC UA: a real server on loopback with a node for each thing that a machine says.

Rules: nodes are `ns=2;s=<machine>.<name>` with State (a code, see WORDS), Total, Reject, Product, IdealCycle, CycleTime and one
a sensor. A node is written when its value differs from what it holds, with the machine's own time as source time; product and
ideal cycle are written together. A sensor that should give something and does not is BadSensorFailure.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.status_codes import StatusCodes

from tailrace.connectors.simulator_broker import HOST, usable_port
from tailrace.connectors.simulator_feed import Sample
from tailrace.connectors.simulator_machine import Machine, Moment
from tailrace.connectors.simulator_mqtt import ideal_s
from tailrace.connectors.simulator_table import CYCLE, WORDS

NAMESPACE = "urn:tailrace:demo"
INDEX = 2
STOP_S = 2.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CODES = {word: code for code, word in enumerate(WORDS)}
_KINDS = {
    "State": ua.VariantType.Int32,
    "Total": ua.VariantType.UInt32,
    "Reject": ua.VariantType.UInt32,
    "Product": ua.VariantType.String,
}

logging.getLogger("asyncua").setLevel(logging.CRITICAL)


def node_of(machine: str, name: str) -> str:
    """The node id, as it stands in a plant file."""
    return f"ns={INDEX};s={machine}.{name}"


def names_of(machine: Machine) -> list[str]:
    """The nodes of a machine."""
    return ["State", "Total", "Reject", "Product", "IdealCycle", CYCLE, *machine.profile.levels]


class PlantServer:
    """The server of some machines, as an async context. Nodes have no value until `give` brings one."""

    def __init__(self, machines: Sequence[Machine], port: int = 0) -> None:
        self.port = usable_port(port)
        self._machines = machines
        self._server: Server | None = None
        self._nodes: dict[tuple[str, str], ua.NodeId] = {}
        self._held: dict[tuple[str, str], Any] = {}
        self._stamps: dict[tuple[str, str], datetime] = {}

    @property
    def url(self) -> str:
        return f"opc.tcp://{HOST}:{self.port}/"

    async def __aenter__(self) -> PlantServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Serves; what the nodes held before a stop they hold again."""
        server = Server()
        await server.init()
        server.set_endpoint(self.url)
        server.set_server_name("Tailrace demo plant")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await server.register_namespace(NAMESPACE)
        for machine in self._machines:
            await self._build(server, machine)
        self._server = server
        held, stamps = self._held, self._stamps
        self._held, self._stamps = {}, {}
        for key, value in held.items():
            await self._write(*key, value, stamps[key])
        await server.start()

    async def stop(self) -> None:
        """Cuts every connection."""
        server, self._server = self._server, None
        if server is not None:
            with contextlib.suppress(Exception):  # it is going in any case
                await asyncio.wait_for(server.stop(), STOP_S)

    async def give(self, samples: Iterable[Sample]) -> None:
        """Writes what samples say; while the server is stopped they are what it will hold when it starts."""
        for sample in samples:
            stamp = _EPOCH + timedelta(microseconds=sample.stamp // 1000)
            for name, value in _said(sample.moment, sample.silent):
                await self._write(sample.machine, name, value, stamp)

    async def _build(self, server: Server, machine: Machine) -> None:
        name = machine.profile.name
        folder = await server.nodes.objects.add_object(_id(name), f"{INDEX}:{name}")
        for what in names_of(machine):
            kind = _KINDS.get(what, ua.VariantType.Double)
            start: Any = "" if kind is ua.VariantType.String else 0
            node = await folder.add_variable(_id(f"{name}.{what}"), f"{INDEX}:{what}", start, kind)
            nothing = ua.DataValue(StatusCode=_status(StatusCodes.BadWaitingForInitialData))
            await server.write_attribute_value(node.nodeid, nothing)
            self._nodes[name, what] = node.nodeid

    async def _write(self, machine: str, name: str, value: Any, stamp: datetime) -> None:
        key = machine, name
        if self._held.get(key, _NEVER) == value and not self._goes_with_product(name, stamp, machine):
            return
        self._held[key], self._stamps[key] = value, stamp
        if self._server is not None:
            await self._server.write_attribute_value(self._nodes[key], _data(name, value, stamp))

    def _goes_with_product(self, name: str, stamp: datetime, machine: str) -> bool:
        """An ideal cycle is said again with a product, though two products may have the same."""
        return name == "IdealCycle" and self._stamps.get((machine, "Product")) == stamp != self._stamps.get(
            (machine, name)
        )


_NEVER = object()
_FAILED = object()


def _said(moment: Moment, silent: frozenset[str]) -> Iterator[tuple[str, Any]]:
    yield "State", _CODES[moment.state]
    yield "Product", moment.product.name
    yield "IdealCycle", ideal_s(moment.product)
    yield "Total", moment.total
    yield "Reject", moment.reject
    for name, value in moment.values.items():
        yield name, _FAILED if name in silent else value


def _data(name: str, value: Any, stamp: datetime) -> ua.DataValue:
    when = cast(ua.DateTime, stamp)
    if value is _FAILED:
        return ua.DataValue(StatusCode=_status(StatusCodes.BadSensorFailure), SourceTimestamp=when)
    return ua.DataValue(ua.Variant(value, _KINDS.get(name, ua.VariantType.Double)), SourceTimestamp=when)


def _id(name: str) -> ua.NodeId:
    return ua.NodeId(ua.String(name), ua.Int16(INDEX))


def _status(code: int) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(code))
