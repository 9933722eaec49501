"""The OPC UA source against a real asyncua server: what the server said, once, and what went wrong, in words."""

from __future__ import annotations

import asyncio
import itertools
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.common.utils import Buffer
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager
from asyncua.ua import uaerrors
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_from_binary
from cryptography.x509.oid import ExtendedKeyUsageOID

import oee_harness as harness
from brokers import free_port
from listening import Listener, listening
from opcua_server import BEGIN_NS, Plant, line_to
from tailrace.app.oee_answer import answer
from tailrace.connectors.link import Link
from tailrace.connectors.opcua_nodes import Nodes
from tailrace.connectors.opcua_values import Change
from tailrace.connectors.opcua_words import in_words
from tailrace.connectors.source_opcua import OpcUaSettings, OpcUaSource
from tailrace.schemas.event import (
    ConnectionLost,
    ConnectionRestored,
    GapDetected,
    ProductChanged,
    StateChanged,
    Telemetry,
)

MS = 1_000_000
S = 1000 * MS
LIVE = pytest.mark.asyncio(loop_scope="module")
numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Plant]:
    """One server for all tests here; each has a machine of its own."""
    plant = Plant()
    await plant.start()
    try:
        yield plant
    finally:
        await plant.server.stop()


@pytest.fixture
def m() -> str:
    """A machine that no other test has."""
    return f"M{next(numbers)}"


def usual(m: str) -> dict[str, Any]:
    return {
        "state": {"node": f"ns=2;s={m}.State", "map": {0: "stopped", 1: "running"}},
        "counters": {"total": f"ns=2;s={m}.Total"},
        "values": {"Temp": f"ns=2;s={m}.Temp"},
    }


def settings(url: str, m: str, machine: Any = None, **change: Any) -> OpcUaSettings:
    base = {
        "kind": "opcua",
        "name": "plc",
        "url": url,
        "machines": {m: machine or usual(m)},
        "publishing_interval_ms": 20,
    }
    return msgspec.convert(base | {"keepalive_s": 0.5, "retry_max_s": 0.3} | change, OpcUaSettings)


def source(url: str, m: str, machine: Any = None, **change: Any) -> OpcUaSource:
    return OpcUaSource(settings(url, m, machine, **change))


def at(ms: float) -> int:
    return BEGIN_NS + int(ms * MS)


def told(listener: Listener) -> list[tuple[int, Any]]:
    """(ms, what) of readings and states, in order; a quality stands in for its value."""
    found: list[tuple[int, Any]] = []
    for event in listener.events:
        if isinstance(event, Telemetry):
            found.append(((event.t - BEGIN_NS) // MS, event.values | event.counters | event.quality))
        elif isinstance(event, StateChanged):
            found.append(((event.t - BEGIN_NS) // MS, event.state))
    return found


def totals(listener: Listener) -> list[int]:
    return [each.counters["total"] for each in listener.of(Telemetry) if each.counters]


async def first_values(listener: Listener) -> None:
    await listener.until(lambda: len(listener.events) == 2, "the first state and reading")


# -- what the server says ------------------------------------------------------------------------------------------------


@LIVE
async def test_what_arrives_equals_a_direct_count_of_what_was_written(server: Plant, m: str) -> None:
    dice = random.Random(5)
    await server.add(m, State=0, Total=0, Temp=20.0)
    async with listening(source(server.url, m)) as listener:
        await first_values(listener)
        states, temperatures = ["stopped"], [20.0]
        for ms in range(1, 2001):
            await server.write(f"{m}.Total", ms, ms)
            if dice.random() < 0.3:
                temperatures.append(dice.uniform(0, 100))
                await server.write(f"{m}.Temp", temperatures[-1], ms)
            if dice.random() < 0.1:
                states.append("running" if states[-1] == "stopped" else "stopped")
                await server.write(f"{m}.State", int(states[-1] == "running"), ms)
        await listener.until(lambda: totals(listener)[-1] == 2000, "the last count")
    readings = listener.of(Telemetry)
    assert totals(listener) == list(range(2001))
    assert [each.t for each in readings] == [at(ms) for ms in range(2001)]
    assert [each.values["Temp"] for each in readings if each.values] == temperatures
    assert [each.state for each in listener.of(StateChanged)] == states
    assert len({event.id for event in listener.events}) == len(listener.events)
    assert {event.clock for event in listener.events} == {"plc"}
    assert not listener.rejected
    assert not listener.of(GapDetected)


@LIVE
async def test_one_instant_of_a_machine_is_one_reading(server: Plant, m: str) -> None:
    await server.add(m, State=1, Total=7, Temp=20.0)
    async with listening(source(server.url, m)) as listener:
        await first_values(listener)
        await server.write(f"{m}.Total", 8, 5)
        await server.write(f"{m}.Temp", 21.5, 5)
        await server.write(f"{m}.Temp", 22.0, 5)
        await server.write(f"{m}.State", 0, 6)
        await listener.until(lambda: len(listener.events) == 5, "the changes")
    assert told(listener) == [
        (0, "running"),
        (0, {"total": 7, "Temp": 20.0}),
        (5, {"total": 8, "Temp": 21.5}),
        (5, {"Temp": 22.0}),
        (6, "stopped"),
    ]


@LIVE
async def test_status_is_quality_and_a_bad_value_is_no_number(server: Plant, m: str) -> None:
    await server.add(m, State=1, Total=1, Temp=20.0)
    async with listening(source(server.url, m)) as listener:
        await first_values(listener)
        await server.write(f"{m}.Temp", 21.0, 1, StatusCodes.BadSensorFailure)
        await server.write(f"{m}.Temp", 22.0, 2, StatusCodes.UncertainLastUsableValue)
        await server.write(f"{m}.Temp", float("nan"), 3)
        await server.write(f"{m}.Total", 2, 3)
        await server.write(f"{m}.Total", 3, 4, StatusCodes.Bad)
        await server.write(f"{m}.State", 1, 5, StatusCodes.BadNoCommunication)
        await server.write(f"{m}.State", 7, 6)
        await server.write(f"{m}.State", 0, 7)
        await listener.until(lambda: told(listener)[-1] == (7, "stopped"), "the last state")
    assert told(listener)[2:] == [
        (1, {"Temp": StatusCodes.BadSensorFailure}),
        (2, {"Temp": StatusCodes.UncertainLastUsableValue}),
        (3, {"total": 2}),
        (4, {"total": "bad"}),
        (5, "unknown"),
        (7, "stopped"),
    ]
    assert [each.values for each in listener.of(Telemetry)[1:3]] == [{}, {"Temp": 22.0}]
    assert [(each.where, each.reason.split(":")[0]) for each in listener.rejected] == [
        (f"ns=2;s={m}.Temp", f"Temp of {m}"),
        (f"ns=2;s={m}.State", f"state of {m}"),
    ]
    kept = struct_from_binary(ua.DataValue, Buffer(listener.rejected[1].raw))
    assert kept.Value is not None
    assert kept.Value.Value == 7, "what was refused is kept as it came"


@LIVE
async def test_text_and_flags_are_values_and_other_things_are_refused(server: Plant, m: str) -> None:
    big, time_ = ua.Variant(2**64 - 1, ua.VariantType.UInt64), ua.DateTime(2026, 1, 1)
    await server.add(m, Text="a", Flag=True, List=[1.0, 2.0], Big=big, Time=time_, Total=-1)
    values = {name: f"ns=2;s={m}.{name}" for name in ("Text", "Flag", "List", "Big", "Time")}
    machine = {"values": values, "counters": {"total": f"ns=2;s={m}.Total"}}
    async with listening(source(server.url, m, machine)) as listener:
        await listener.until(lambda: len(listener.rejected) == 4, "the refused values")
    assert [event.values for event in listener.of(Telemetry)] == [{"Text": "a", "Flag": True}]
    assert {each.where for each in listener.rejected} == {
        f"ns=2;s={m}.{name}" for name in ("List", "Big", "Time", "Total")
    }


@LIVE
async def test_what_happens_tomorrow_is_refused_with_its_bytes(server: Plant, m: str) -> None:
    await server.add(m, State=1, Total=1, Temp=20.0)
    tomorrow = (time.time_ns() - BEGIN_NS) / MS + 86_400_000
    async with listening(source(server.url, m)) as listener:
        await first_values(listener)
        await server.write(f"{m}.Temp", 21.0, tomorrow)
        await server.write(f"{m}.Total", 2, 1)
        await listener.until(lambda: bool(listener.rejected) and totals(listener)[-1] == 2, "one refused, one taken")
    assert "at most 5 min after" in listener.rejected[0].reason


@LIVE
async def test_without_a_source_time_the_servers_counts(server: Plant, m: str) -> None:
    await server.add(m, State=1, Total=1, Temp=20.0)
    async with listening(source(server.url, m)) as listener:
        await first_values(listener)
        before = time.time_ns()
        await server.write(f"{m}.Temp", 21.0, None)
        await listener.until(lambda: len(listener.events) == 3, "the value")
    reading = listener.events[-1]
    assert reading.clock == "plc/server"
    assert before - MS <= reading.t <= time.time_ns()
    assert not listener.source.health.at_least_once


def test_without_any_time_it_is_the_arrival_and_health_says_so() -> None:
    link = Link("plc")
    (reading,), _ = Nodes(settings("opc.tcp://h/", "M1"), link).read([Change(2, ua.DataValue(ua.Variant(5.0)))], at(7))
    assert (reading.clock, reading.t) == ("tailrace", at(7))
    assert link.health.at_least_once


@LIVE
async def test_a_product_goes_with_its_cycle(server: Plant, m: str) -> None:
    machine = {"product": f"ns=2;s={m}.Product", "ideal_cycle_s": f"ns=2;s={m}.Cycle"}
    await server.add(m, Product="P1", Cycle=1.5)
    await server.write(f"{m}.Cycle", 2.0, 50)
    async with listening(source(server.url, m, machine)) as listener:
        await listener.until(lambda: len(listener.events) == 1, "the product")
        await server.write(f"{m}.Product", "P2", 60)
        await server.write(f"{m}.Cycle", 3.0, 60)
        await server.write(f"{m}.Product", "P3", 70)
        await listener.until(lambda: len(listener.events) == 3, "two more")
    made = [(event.t, event.product, event.ideal_cycle) for event in listener.of(ProductChanged)]
    assert made == [(at(50), "P1", 2 * S), (at(60), "P2", 3 * S), (at(70), "P3", 3 * S)]


@LIVE
async def test_a_table_gives_the_cycle_of_a_product(server: Plant, m: str) -> None:
    machine = {"product": f"ns=2;s={m}.Product", "ideal_cycle_s": {"P1": 1.5}}
    await server.add(m, Product="P1")
    async with listening(source(server.url, m, machine)) as listener:
        await listener.until(lambda: len(listener.events) == 1, "the product")
        await server.write(f"{m}.Product", "P2", 1)
        await listener.until(lambda: len(listener.events) == 2, "the other")
    assert [event.ideal_cycle for event in listener.of(ProductChanged)] == [1500 * MS, None]


@LIVE
async def test_what_is_not_acknowledged_waits_at_the_server(server: Plant, m: str) -> None:
    """The next notification is not asked for before; then everything comes, in order, and nothing is missing."""
    await server.add(m, State=1, Total=0, Temp=20.0)
    async with listening(source(server.url, m), acknowledge=False) as listener:
        await first_values(listener)
        for n in range(1, 2501):
            await server.write(f"{m}.Total", n, n)
        cycles = [subscription._publish_cycles_count for subscription in server.subscriptions()]
        await listener.until(
            lambda: all(
                each._publish_cycles_count >= before + 3
                for each, before in zip(server.subscriptions(), cycles, strict=True)
            ),
            "three times the server had something to say and was not asked",
        )
        assert totals(listener) == [0]
        done = 0
        while totals(listener)[-1] < 2500:
            await listener.until(lambda done=done: len(listener.deliveries) > done, "a delivery")  # type: ignore[misc]
            await listener.deliveries[done].acknowledge()
            done += 1
    assert totals(listener) == list(range(2501))


# -- connections ---------------------------------------------------------------------------------------------------------


@LIVE
async def test_a_cut_line_is_mended_and_repeated_values_keep_their_ids(server: Plant, m: str) -> None:
    await server.add(m, State=1, Total=5, Temp=20.0)
    async with line_to(server) as line, listening(source(line.url, m)) as listener:
        await first_values(listener)
        await server.write(f"{m}.Temp", 21.0, 1)
        await listener.until(lambda: len(listener.events) == 3, "a change")
        before = [event.id for event in listener.events]
        cut = time.time_ns()
        line.open = False
        line.cut()
        await listener.until(lambda: not listener.source.health.connected, "health says so")
        await server.write(f"{m}.State", 0, 3)
        line.open = True
        await listener.until(lambda: told(listener)[-1] == (3, "stopped"), "what changed meanwhile")
    (lost,), (restored,) = listener.of(ConnectionLost), listener.of(ConnectionRestored)
    assert lost.t < cut + 100 * MS
    assert lost.t < restored.t
    assert (lost.clock, lost.source) == ("tailrace", "plc")
    after = listener.events[listener.events.index(restored) + 1 :]
    again = {event.id for event in after if event.id in before}
    assert again == set(before[1:]), "the reading that brought the count, and the one that brought the temperature"
    assert [(event.t - BEGIN_NS) // MS for event in after if event.id not in before] == [3]


@LIVE
@pytest.mark.parametrize("changed", [False, True])
async def test_what_was_lost_is_unknown_until_the_state_comes_again(server: Plant, m: str, changed: bool) -> None:
    """A state that holds since before the loss was known all along; one that changed begins where the server stamps it."""
    await server.add(m, State=1, Total=5, Temp=20.0)
    machine = {"state": {"node": f"ns=2;s={m}.State", "map": {0: "stopped", 1: "running"}}}
    async with line_to(server) as line, listening(source(line.url, m, machine)) as listener:
        await listener.until(lambda: bool(listener.of(StateChanged)), "the first state")
        line.open = False
        line.cut()
        await listener.until(lambda: bool(listener.of(ConnectionLost)), "connection lost")
        if changed:
            await server.write(f"{m}.State", 0, (time.time_ns() - BEGIN_NS) / MS)
        line.open = True
        await listener.until(lambda: len(listener.of(StateChanged)) == 2, "the state again")
    (lost,), (first, again) = listener.of(ConnectionLost), listener.of(StateChanged)
    assert (lost.machine, again.state) == (m, "stopped" if changed else "running")
    folded, _ = harness.fold(harness.records(listener.events))
    until = max(int(again.t), int(lost.t)) + 60 * S
    found = answer(folded.machine(m), int(first.t), until)
    assert found["unknown"] == pytest.approx((again.t - lost.t) / S if changed else 0)
    assert again.t > lost.t if changed else again.t == first.t


@LIVE
async def test_a_restart_of_the_collector_gives_the_same_ids_but_for_what_the_state_is_now(
    server: Plant, m: str
) -> None:
    await server.add(m, State=1, Total=5, Temp=20.0)
    runs = []
    for _ in range(2):
        async with listening(source(server.url, m)) as listener:
            await first_values(listener)
        runs.append(listener.events)
    (state, *first), (again, *second) = runs
    assert first == second
    assert (state.id != again.id, msgspec.structs.replace(state, id="")) == (
        True,
        msgspec.structs.replace(again, id=""),
    )


@LIVE
async def test_a_server_that_is_killed_is_found_again() -> None:
    port = free_port()

    def start(first: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, Path(__file__).with_name("opcua_server.py"), str(port), str(first)])

    machine = usual("M1") | {"values": {}}
    async with listening(source(f"opc.tcp://127.0.0.1:{port}/", "M1", machine)) as listener:
        await listener.until(
            lambda: "cannot be reached" in listener.source.health.detail, "words about a server that is away"
        )
        assert not listener.source.health.connected
        process = start(1000)
        try:
            await listener.until(lambda: len(totals(listener)) > 20, "it counts")
            process.kill()
            process.wait()
            await listener.until(lambda: bool(listener.of(ConnectionLost)), "connection lost")
            seen = len(totals(listener))
            process = start(5000)
            await listener.until(lambda: len(totals(listener)) > seen + 20, "it counts again")
        finally:
            process.kill()
            process.wait()
    assert len(listener.of(ConnectionRestored)) == 1
    first, second = totals(listener)[:seen], totals(listener)[seen:]
    assert first == list(range(first[0], first[0] + len(first)))
    assert second == list(range(second[0], second[0] + len(second)))
    assert 1000 <= first[0] < 5000 <= second[0]


@LIVE
async def test_a_subscription_that_falls_silent_is_noticed(server: Plant, m: str) -> None:
    await server.add(m, State=1, Total=0, Temp=20.0)
    async with listening(source(server.url, m, keepalive_s=0.2, timeout_s=0.5)) as listener:
        await first_values(listener)
        for subscription in server.subscriptions():
            subscription._task.cancel()
        await server.write(f"{m}.Total", 1, 1)
        await listener.until(lambda: told(listener)[-1] == (1, {"total": 1}), "the change, over a new subscription")
    assert any("silent" in each.reason for each in listener.of(ConnectionLost))


@LIVE
async def test_a_log_that_is_slow_is_not_taken_for_silence(server: Plant, m: str) -> None:
    await server.add(m, State=1, Total=0, Temp=20.0)
    async with listening(source(server.url, m, keepalive_s=0.3, timeout_s=2.0), acknowledge=False) as listener:
        await first_values(listener)
        patience = time.monotonic() + 5.2  # twice what a silent subscription is given
        await listener.until(lambda: time.monotonic() > patience, "some time")
        assert listener.source.health.connected
        assert not listener.of(ConnectionLost)


# -- nodes and words -----------------------------------------------------------------------------------------------------


@LIVE
async def test_a_node_that_is_not_there_is_named_once_and_the_others_go_on(server: Plant, m: str) -> None:
    absent = {"X": f"ns=2;s={m}.Nothing", "Y": f"nsu=urn:other;s={m}.Temp"}
    await server.add(m, Temp=20.0)
    machine = {"values": {"Temp": f"nsu=urn:plant;s={m}.Temp"} | absent}
    async with line_to(server) as line, listening(source(line.url, m, machine)) as listener:
        await listener.until(lambda: bool(listener.of(Telemetry)), "the node that is there")
        line.cut()
        await listener.until(lambda: bool(listener.of(ConnectionRestored)), "a second connection")
        await server.write(f"{m}.Temp", 21.0, 1)
        await listener.until(lambda: told(listener)[-1] == (1, {"Temp": 21.0}), "a change")
        assert all(node in listener.source.health.detail for node in (f"{m}.Nothing", "urn:other"))
    assert sorted(each.where for each in listener.rejected) == sorted(absent.values())
    assert "BadNodeIdUnknown" in "".join(each.reason for each in listener.rejected)


@LIVE
async def test_many_nodes_are_asked_for_in_pieces(server: Plant, m: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    create = UaSession.create_monitored_items

    async def watched(session: UaSession, params: ua.CreateMonitoredItemsParameters) -> Any:
        sizes.append(len(params.ItemsToCreate))
        return await create(session, params)

    monkeypatch.setattr(UaSession, "create_monitored_items", watched)
    names = [f"S{n}" for n in range(1100)]
    await server.add(m, **dict.fromkeys(names, 1.5))
    machine = {"values": {name: f"ns=2;s={m}.{name}" for name in names}}
    async with listening(source(server.url, m, machine)) as listener:
        await listener.until(lambda: sum(len(each.values) for each in listener.of(Telemetry)) == 1100, "every value")
    assert sizes == [500, 500, 100]


def test_an_overflow_at_the_server_is_a_gap() -> None:
    nodes = Nodes(settings("opc.tcp://127.0.0.1/", "M1"), Link("plc"))
    value = ua.DataValue(ua.Variant(5), StatusCode=ua.StatusCode(ua.UInt32(0x480)))
    (gap, reading), rejected = nodes.read([Change(1, value)], time.time_ns())
    assert isinstance(gap, GapDetected)
    assert (gap.machine, gap.session) == ("M1", "overflow/ns=2;s=M1.Total")
    assert isinstance(reading, Telemetry)
    assert (reading.counters, reading.quality, rejected) == ({"total": 5}, {}, [])


@pytest.mark.parametrize(
    ("handle", "value", "reason"),
    [
        (7, ua.Variant(5.0), "a node that was asked for"),
        (2, ua.Variant("\udcff"), "text in UTF-8"),
        (0, ua.Variant("\udcff"), "a state among"),
    ],
)
def test_what_no_log_could_hold_is_refused_with_its_bytes(handle: int, value: ua.Variant, reason: str) -> None:
    nodes = Nodes(settings("opc.tcp://h/", "M1"), Link("plc"))
    good, bad = Change(1, ua.DataValue(ua.Variant(5))), Change(handle, ua.DataValue(value))
    events, (rejected,) = nodes.read([bad, good], time.time_ns())
    assert reason in rejected.reason
    assert rejected.raw
    assert [type(event) for event in events] == [Telemetry]


@LIVE
async def test_a_notification_that_never_came_is_a_gap(server: Plant, m: str) -> None:
    await server.add(m, State=1, Total=0, Temp=20.0)
    async with listening(source(server.url, m)) as listener:
        await first_values(listener)
        for subscription in server.subscriptions():
            subscription._notification_seq += 3
        await server.write(f"{m}.Total", 1, 1)
        await listener.until(lambda: told(listener)[-1] == (1, {"total": 1}), "the change")
    (gap,) = listener.of(GapDetected)
    assert (gap.source, gap.session, gap.last - gap.first + 1) == ("plc", "notifications", 3)


@pytest.mark.parametrize(
    ("error", "change", "words"),
    [
        (
            AttributeError("'NoneType' object has no attribute 'public_key'"),
            {"username": "u"},
            "needs a secured channel",
        ),
        (TimeoutError(), {}, "does not answer within 4 s"),
        (ConnectionRefusedError(111, "Connection refused"), {}, "cannot be reached (Connection refused)"),
        (uaerrors.BadUserAccessDenied(), {}, "check username and password"),  # type: ignore[no-untyped-call]
        (
            RuntimeError("No matching endpoints: x"),
            {"security": "Basic256Sha256,Sign,a,b"},
            "Basic256Sha256,Sign; check",
        ),
        (FileNotFoundError(2, "No such file", "key.pem"), {}, "key.pem"),
    ],
)
def test_what_went_wrong_is_said_in_words(error: Exception, change: dict[str, Any], words: str) -> None:
    text = in_words(error, settings("opc.tcp://plc-7:4841/", "M1", **{"timeout_s": 4.0} | change))
    assert text.startswith("the server at plc-7:4841: ")
    assert words in text


@LIVE
async def test_a_server_that_talks_nonsense_is_tried_again_in_words(m: str) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(8)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        finally:  # also when the test is over before it has read
            writer.close()

    other = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    async with listening(source(f"opc.tcp://127.0.0.1:{port}/", m, timeout_s=0.5)) as listener:
        await listener.until(lambda: str(port) in listener.source.health.detail, "words")
        assert not listener.events
    other.close()


@LIVE
async def test_a_user_on_a_secured_channel(m: str, tmp_path: Path) -> None:
    for name, use in (("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH)):
        key, made = tmp_path / f"{name}.pem", tmp_path / f"{name}.der"
        await setup_self_signed_certificate(key, made, f"urn:test:{name}", "localhost", [use], {})
    plant = Plant(users=Operators())
    plant.server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    await plant.server.load_certificate(tmp_path / "server.der")
    await plant.server.load_private_key(tmp_path / "server.pem")
    await plant.start()
    try:
        await plant.add(m, State=1, Total=1, Temp=20.0)
        how: dict[str, Any] = {"security": f"Basic256Sha256,SignAndEncrypt,{tmp_path}/client.der,{tmp_path}/client.pem"}
        async with listening(source(plant.url, m, username="operator", password="secret", **how)) as listener:
            await first_values(listener)
        for change, words in [
            (how | {"username": "operator", "password": "wrong"}, "check username and password"),
            (how | {"security": how["security"].replace("client.pem", "none.pem")}, "none.pem"),
            ({}, "no endpoint with no security"),
        ]:
            async with listening(source(plant.url, m, **change)) as listener:
                await listener.until(lambda: "the server at" in listener.source.health.detail, "words")
                assert words in listener.source.health.detail
    finally:
        await plant.server.stop()


class Operators(UserManager):
    """One user with a password."""

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        return User(role=UserRole.User) if (username, password) == ("operator", "secret") else None


@LIVE
async def test_a_user_on_an_unsecured_channel_gets_words(server: Plant, m: str) -> None:
    tokens = [token for endpoint in server.server.iserver.endpoints for token in endpoint.UserIdentityTokens]
    before = [token.SecurityPolicyUri for token in tokens]
    try:
        for token in tokens:
            token.SecurityPolicyUri = "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256"
        async with listening(source(server.url, m, username="operator", password="secret")) as listener:
            await listener.until(lambda: "secured channel" in listener.source.health.detail, "words")
    finally:
        for token, uri in zip(tokens, before, strict=True):
            token.SecurityPolicyUri = uri
