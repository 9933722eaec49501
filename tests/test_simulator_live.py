"""The simulated plant over real protocols: read back by real clients, taken by the real sources, disturbed on purpose."""

from __future__ import annotations

import asyncio
import getpass
import importlib.util
import json
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaStatusCodeError

from components import missing, program
from tailrace.app import compose, settings
from tailrace.app.demo_plant import plant_text
from tailrace.connectors import simulator_commands as commands
from tailrace.connectors.memory import MemoryLog
from tailrace.connectors.simulator import Clock, Simulator
from tailrace.connectors.simulator_broker import Broker, usable_port
from tailrace.connectors.simulator_control import ask
from tailrace.connectors.simulator_faults import Fault, Faults
from tailrace.connectors.simulator_feed import Feed
from tailrace.connectors.simulator_mqtt import Publisher, payload
from tailrace.connectors.simulator_opcua import PlantServer, names_of, node_of
from tailrace.connectors.simulator_plant import Caused, Identity, Plant
from tailrace.connectors.simulator_table import WORDS
from tailrace.engine.ingest import Ingest
from tailrace.schemas import codec, event
from tailrace.schemas.errors import InvalidInput, InvalidSettings, Unavailable
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND, parse_instant

DEADLINE_S = 60.0
in_one_loop = pytest.mark.asyncio(loop_scope="module")


def now_plant(machines: int = 8) -> Plant:
    return Plant(Identity(seed=1, began=time.time_ns() - DAY, machines=machines))


async def until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)


# -- each protocol by itself -------------------------------------------------------------------------------------------


async def test_an_opcua_client_reads_what_the_machine_is() -> None:
    plant = now_plant()
    machine = plant.machine("MCH004")
    begin = time.time_ns()
    async with PlantServer(plant.spoken_by("opcua")) as server, Client(server.url) as client:
        state = client.get_node(node_of("MCH004", "State"))
        with pytest.raises(UaStatusCodeError, match="BadWaitingForInitialData"):
            await state.read_value()
        feed = Feed(plant.spoken_by("opcua"), begin)
        samples = feed.until(begin + 3 * HOUR)
        await server.give(samples)
        moment = [sample.moment for sample in samples if sample.machine == "MCH004"][-1]
        said: dict[str, Any] = {
            "State": WORDS.index(moment.state),
            "Total": moment.total,
            "Reject": moment.reject,
            **moment.values,
        }
        said |= {
            "State": WORDS.index(moment.state),
            "Product": moment.product.name,
            "IdealCycle": moment.product.ideal / SECOND,
        }
        for name, value in said.items():
            data = await client.get_node(node_of("MCH004", name)).read_data_value()
            assert data.Value and data.StatusCode and data.Value.Value == value and data.StatusCode.is_good()
        turn = [turn.t for turn in machine.turns(begin, moment.t + 1) if turn.state][-1]
        stamp = (await state.read_data_value()).SourceTimestamp
        assert stamp and parse_instant(stamp.isoformat()) == turn // 1000 * 1000, "the machine's own time"
        folder = await client.nodes.objects.get_child(["2:MCH003"])
        found = {(await child.read_browse_name()).Name for child in await folder.get_children()}
        assert found == set(names_of(plant.machine("MCH003"))) and "CO2Level" not in found
        await server.give([samples[-1]._replace(machine="MCH004", moment=moment, silent=frozenset({"CO2Level"}))])
        with pytest.raises(UaStatusCodeError, match="BadSensorFailure"):
            await client.get_node(node_of("MCH004", "CO2Level")).read_value()


async def test_an_mqtt_client_reads_what_the_machines_are(tmp_path: Path) -> None:
    program("mosquitto")
    plant, begin = now_plant(), time.time_ns()
    machines = plant.spoken_by("mqtt")
    samples = Feed(machines, begin).until(begin + 2 * MINUTE)
    async with Broker(tmp_path) as broker, aiomqtt.Client("127.0.0.1", broker.port) as client:
        assert (
            broker.kind == "mosquitto" and "max_queued_messages 0" in (tmp_path / "broker/mosquitto.conf").read_text()
        )
        await client.subscribe("plant/+/data", qos=1)
        async with Publisher(broker, "b1") as publisher:
            publisher.give(samples)
            messages = [message async for message in _some(client, len(samples))]
            await asyncio.wait_for(publisher.drained(), DEADLINE_S)
            assert publisher.sent == len(samples) and publisher.lost == publisher.waiting == 0
    received = [json.loads(message.payload) | {"at": message.topic.value} for message in messages]
    assert {each["boot"] for each in received} == {"b1"}
    for machine in machines:
        name = machine.profile.name
        mine = [each for each in received if each["at"] == f"plant/{name}/data"]
        assert [each["seq"] for each in mine] == list(range(len(mine))) and len(mine) >= 120
        for each in mine:
            moment = machine.at(int(parse_instant(each["ts"])))
            assert each["values"] == moment.values and each["state"] == moment.state
            assert each["counts"] == {"total": moment.total, "reject": moment.reject}
            assert (each["product"], each["ideal"]) == (moment.product.name, moment.product.ideal / SECOND)


async def _some(client: aiomqtt.Client, n: int) -> AsyncIterator[aiomqtt.Message]:
    async with asyncio.timeout(DEADLINE_S):
        async for message in client.messages:
            yield message
            n -= 1
            if not n:
                return


async def test_amqtt_stands_in_where_there_is_no_mosquitto(tmp_path: Path) -> None:
    if importlib.util.find_spec("amqtt") is None:
        missing("the package amqtt")
    plant, begin = now_plant(), time.time_ns()
    samples = Feed(plant.spoken_by("mqtt"), begin).until(begin + 10 * SECOND)
    async with Broker(tmp_path, program=None) as broker:
        assert broker.kind == "amqtt" and "demos only" in broker.note and "loses messages" in broker.note
        protocol = aiomqtt.ProtocolVersion.V311
        async with aiomqtt.Client("127.0.0.1", broker.port, protocol=protocol) as client:
            await client.subscribe("plant/+/data", qos=1)
            async with Publisher(broker, "b") as publisher:
                publisher.give(samples)
                found = Counter([message.topic.value async for message in _some(client, len(samples))])
    assert set(found) == {f"plant/{machine.profile.name}/data" for machine in plant.spoken_by("mqtt")}


async def test_the_demos_plant_file_hears_amqtt_too(tmp_path: Path) -> None:
    if importlib.util.find_spec("amqtt") is None:
        missing("the package amqtt")
    plant, begin = now_plant(), time.time_ns()
    async with Broker(tmp_path, program=None) as broker:
        path = tmp_path / "plant.yaml"
        path.write_text(plant_text(plant, "opc.tcp://127.0.0.1:1/", broker.url, broker.version))
        (source,) = [compose.source_of(each) for each in settings.load(path).sources if each.name == "assembly"]
        log = MemoryLog()
        ingest = Ingest(source, log, clock=time.time_ns, token="t", site="Demo Plant")
        running = asyncio.create_task(ingest.run())
        try:
            await until(lambda: source.health.connected, "the source listens")
            async with Publisher(broker, "b") as publisher:
                publisher.give(Feed(plant.spoken_by("mqtt"), begin).until(begin + 10 * SECOND))
                await until(lambda: ingest.account.appended >= 4 * 10, "what the machines say is in the log")
        finally:
            ingest.stop()
            await asyncio.wait_for(running, DEADLINE_S)
    assert ingest.account.quarantined == 0


async def test_no_broker_at_all_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "amqtt.broker", None)
    with pytest.raises(Unavailable, match="mosquitto on PATH, or the package amqtt"):
        await Broker(tmp_path, program=None).start()


async def test_a_broker_that_is_killed_loses_nothing_that_a_known_listener_should_get(tmp_path: Path) -> None:
    program("mosquitto")
    plant, begin = now_plant(), time.time_ns()
    feed = Feed(plant.spoken_by("mqtt"), begin)
    whole = Feed(plant.spoken_by("mqtt"), begin).until(begin + 60 * SECOND)
    expected = {(f"plant/{sample.machine}/data", sample.n) for sample in whole}
    seen: set[tuple[str, int]] = set()
    saved = tmp_path / "broker/mosquitto.db"

    async def listen(broker: Broker, enough: Callable[[], bool]) -> None:
        client = aiomqtt.Client("127.0.0.1", broker.port, identifier="listener", clean_session=False)
        async with asyncio.timeout(DEADLINE_S), client:
            await client.subscribe("plant/+/data", qos=1)
            publisher.give(feed.until(begin + 20 * SECOND))
            async for message in client.messages:
                seen.add((message.topic.value, json.loads(message.payload)["seq"]))
                if enough():
                    return

    async with Broker(tmp_path) as broker, Publisher(broker, "b") as publisher:
        await listen(broker, lambda: len(seen) >= 80)
        left = time.time()
        await until(lambda: saved.exists() and saved.stat().st_mtime > left, "the broker has saved who listens")
        pid = int((tmp_path / "broker/mosquitto.pid").read_text())
        publisher.give(feed.until(begin + 40 * SECOND))
        await asyncio.wait_for(publisher.drained(), DEADLINE_S)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not publisher.connected, "the publisher knows")
        publisher.give(feed.until(begin + 60 * SECOND))
        assert publisher.waiting >= 80
        await until(lambda: not publisher.waiting, "everything is confirmed")
        assert int((tmp_path / "broker/mosquitto.pid").read_text()) != pid
        await listen(broker, lambda: expected <= seen)


async def test_a_broker_that_a_killed_demo_left_behind_is_ended(tmp_path: Path) -> None:
    path = program("mosquitto")
    async with Broker(tmp_path):
        config = tmp_path / "broker/mosquitto.conf"
    port = usable_port()
    config.write_text(f"listener {port} 127.0.0.1\nuser {getpass.getuser()}\n")
    left = await asyncio.create_subprocess_exec(path, "-c", str(config), stderr=asyncio.subprocess.DEVNULL)
    try:
        await until(lambda: _listens(port), "the old broker has read its configuration")
        (tmp_path / "broker/mosquitto.pid").write_text(str(left.pid))
        async with Broker(tmp_path):
            await asyncio.wait_for(left.wait(), DEADLINE_S)
    finally:
        with suppress(ProcessLookupError):
            left.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# -- faults ------------------------------------------------------------------------------------------------------------


def test_faults_hold_back_repeat_and_shuffle_and_lose_nothing() -> None:
    plant, begin = now_plant(), time.time_ns()
    machine = plant.machine("MCH008")
    whole = Feed([machine, plant.machine("MCH009")], begin).until(begin + 5 * MINUTE)

    def through(*faults: Fault) -> list[Any]:
        feed, filter_ = Feed([machine, plant.machine("MCH009")], begin), Faults(seed=1)
        for fault in faults:
            filter_.add(fault)
        out: list[Any] = []
        for second in range(1, 401):
            now = begin + second * SECOND
            out += [(now, each) for each in filter_.through(feed.until(min(now, begin + 5 * MINUTE)), now)]
        return out

    plain = [each for _, each in through()]
    assert plain == whole
    end = begin + 2 * MINUTE
    late = [(now, each) for now, each in through(Fault("late", "MCH008", end, 30 * SECOND)) if each.machine == "MCH008"]
    assert sorted(each.n for _, each in late) == list(range(len(late)))
    assert all(now - each.moment.t >= 29 * SECOND for now, each in late if each.moment.t < end - 2 * SECOND)
    assert [each.n for _, each in late] != sorted(each.n for _, each in late), "what is held back is overtaken"
    twice = Counter(each.n for _, each in through(Fault("duplicate", "MCH008", end)) if each.machine == "MCH008")
    assert set(twice.values()) == {1, 2} and set(twice) == set(range(len(late)))
    mixed = [each.n for _, each in through(Fault("reorder", "MCH008", end, 10 * SECOND)) if each.machine == "MCH008"]
    assert sorted(mixed) == list(range(len(late))) and mixed != sorted(mixed)
    assert mixed == [e.n for _, e in through(Fault("reorder", "MCH008", end, 10 * SECOND)) if e.machine == "MCH008"]
    skewed = [each for _, each in through(Fault("skew", "MCH008", end, -90 * SECOND)) if each.machine == "MCH008"]
    assert {each.stamp - each.moment.t for each in skewed} == {-90 * SECOND, 0}
    silent = [
        each for _, each in through(Fault("missing", "MCH008", end, signal="CO2Level")) if each.machine == "MCH008"
    ]
    assert json.loads(payload(silent[0], "b"))["values"]["CO2Level"] is None
    assert json.loads(payload(silent[-1], "b"))["values"]["CO2Level"] > 0
    others = [each for _, each in through(Fault("late", "MCH008", end, 30 * SECOND)) if each.machine == "MCH009"]
    assert others == [each for each in whole if each.machine == "MCH009"]


def test_what_a_fault_holds_back_comes_when_faults_are_cleared() -> None:
    plant, begin = now_plant(), time.time_ns()
    feed, faults = Feed([plant.machine("MCH008")], begin), Faults(seed=1)
    faults.add(Fault("late", "MCH008", begin + HOUR, 10 * MINUTE))
    assert faults.through(feed.until(begin + MINUTE), begin + MINUTE) == []
    assert faults.clear() == 1 and faults.on == []
    out = faults.through(feed.until(begin + 2 * MINUTE), begin + 2 * MINUTE)
    assert [each.n for each in out] == list(range(len(out))) and len(out) >= 120


def test_scripts_and_commands_are_read_strictly(tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text('{"do":"late","machine":"MCH007","after_s":60}\n\n{"do":"down","protocol":"mqtt","after_s":5}\n')
    assert commands.load(script) == [
        commands.Down(protocol="mqtt", after_s=5), commands.Late(machine="MCH007", after_s=60),
    ]  # fmt: skip
    script.write_text('{"do":"down","protocol":"mqtt"}\n{"do":"explode"}\n')
    with pytest.raises(InvalidSettings, match=r"script.jsonl line 2: .*explode"):
        commands.load(script)
    with pytest.raises(InvalidSettings, match="can be read"):
        commands.load(tmp_path / "none")
    for wrong in (
        b"{",
        b'{"do":"break"}',
        b'{"do":"break","machine":"M","minutes":0}',
        b'{"do":"late","machine":"M","x":1}',
    ):
        with pytest.raises(InvalidSettings, match="expected a command like"):
            commands.parse(wrong)
    kinds = {type(command) for command in commands.SCRIPT}
    assert {
        commands.Late,
        commands.Duplicate,
        commands.Reorder,
        commands.Skew,
        commands.Missing,
        commands.Down,
    } <= kinds


# -- the whole plant ---------------------------------------------------------------------------------------------------


class Heard:
    """The plant as `up` hears it: its plant file, the real sources, a log."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        path = folder / "plant.yaml"
        path.write_text(plant_text(simulator.plant, simulator.server.url, simulator.broker.url))
        plant = settings.load(path)
        self.log = MemoryLog()
        self.ingests = [
            Ingest(compose.source_of(each), self.log, clock=time.time_ns, token="t", signals=plant.signals)
            for each in plant.sources
        ]

    async def events(self, machine: str, kind: type[Any], after: int = 0) -> list[Any]:
        records = await self.log.read(after, 10_000_000)
        found = [e for r in records if r.machine == machine for e in codec.events_of(r)]
        return [each for each in found if isinstance(each, kind)]

    async def states(self, machine: str) -> list[tuple[int, str]]:
        return sorted((int(each.t), each.state) for each in await self.events(machine, event.StateChanged))


class Running:
    """A plant that runs and is heard."""

    def __init__(self, folder: Path, kept: list[Caused], simulator: Simulator, heard: Heard) -> None:
        self.folder, self.kept, self.simulator, self.heard = folder, kept, simulator, heard
        self.plant = simulator.plant

    async def ask(self, command: commands.AnyCommand) -> dict[str, Any]:
        return await asyncio.to_thread(ask, self.folder, command)

    def ingest(self, source: str) -> Ingest:
        return next(each for each in self.heard.ingests if each.source.name == source)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    program("mosquitto")
    kept: list[Caused] = []

    def keep(caused: Any) -> None:
        kept[:] = caused

    async with Simulator(now_plant(), folder, time.time_ns, keep=keep) as simulator:
        await simulator.begin()
        heard = Heard(simulator, folder)
        tasks = [asyncio.create_task(each.run()) for each in heard.ingests]
        try:
            await until(lambda: all(each.account.appended > 8 for each in heard.ingests), "both sources hear the plant")
            yield Running(folder, kept, simulator, heard)
        finally:
            for each in heard.ingests:
                each.stop()
            await asyncio.wait(tasks, timeout=DEADLINE_S)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One plant for the tests that follow; each leaves it as it found it."""
    async with running(tmp_path_factory.mktemp("live")) as one:
        yield one


@in_one_loop
async def test_sources_take_the_plant_as_it_is(live: Running) -> None:
    after = await live.heard.log.end()
    deadline = time.monotonic() + DEADLINE_S
    while not all([await live.heard.events(name, event.Telemetry, after) for name in live.plant.machines]):
        assert time.monotonic() < deadline, "every machine is heard"
        await asyncio.sleep(0.1)
    for ingest in live.heard.ingests:
        assert ingest.account.quarantined == 0, ingest.shown
    for name, machine in live.plant.machines.items():
        readings = await live.heard.events(name, event.Telemetry, after)
        for reading in readings:
            moment = machine.at(int(reading.t))
            for name_, value in reading.values.items():
                assert moment.values[name_] == value
            for counter, value in reading.counters.items():
                assert value == getattr(moment, counter)
        signals = {each for reading in readings for each in (*reading.values, *reading.quality)}
        assert (signals - {"CycleTime"} == {"MachineTemp"}) is (name == "MCH003")
        states = await live.heard.states(name)
        assert states and all(machine.at(t).state == state for t, state in states)
        products = await live.heard.events(name, event.ProductChanged)
        now = machine.product(time.time_ns())
        assert [(each.product, int(each.ideal_cycle or 0)) for each in products] == [(now.name, now.ideal)]


@in_one_loop
@pytest.mark.parametrize("protocol", ["opcua", "mqtt"])
async def test_a_machine_broken_from_another_process_is_heard_to_stand(live: Running, protocol: Any) -> None:
    sound = [each for each in live.plant.spoken_by(protocol) if each.at(time.time_ns()).state != "fault"]
    machine = sound[0].profile.name
    code = (
        "import sys; from pathlib import Path; from tailrace.connectors.simulator_control import ask; "
        "from tailrace.connectors.simulator_commands import Break; "
        f"print(ask(Path(sys.argv[1]), Break(machine={machine!r}, minutes=3))['said'])"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(live.folder), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await child.communicate()
    assert child.returncode == 0 and f"{machine} stands until" in said.decode()
    start = live.plant.caused[-1].start
    deadline = time.monotonic() + DEADLINE_S
    while (start, "fault") not in await live.heard.states(machine):
        assert time.monotonic() < deadline, "the fault is heard"
        await asyncio.sleep(0.02)
    assert live.kept == list(live.plant.caused) and live.simulator.status()["broken"] == [machine]
    answer = await live.ask(commands.Repair(machine=machine))
    assert "runs again" in answer["said"] and answer["status"]["broken"] == []
    assert "was not broken by anybody" in (await live.ask(commands.Repair(machine=machine)))["said"]


def test_without_a_plant_a_command_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="expected a running demo here, found none"):
        ask(tmp_path, commands.Status())
    (tmp_path / "simulator.json").write_text(json.dumps({"pid": 1, "socket": str(tmp_path / "gone.sock")}))
    with pytest.raises(Unavailable, match="expected a running demo here, found none"):
        ask(tmp_path, commands.Status())


@in_one_loop
async def test_commands_are_answered_in_words_and_heard(live: Running) -> None:
    with pytest.raises(InvalidInput, match=r"MCH003 … MCH010.*'MCH099'"):
        await live.ask(commands.Break(machine="MCH099"))
    with pytest.raises(InvalidInput, match=r"expected a sensor of MCH003 \(MachineTemp\), got 'CO2Level'"):
        await live.ask(commands.Missing(machine="MCH003", signal="CO2Level"))
    for command, words in (
        (commands.Skew(machine="MCH007", seconds=90), "MCH007: its clock is 90 s wrong, until"),
        (commands.Missing(machine="MCH004", signal="CO2Level"), "MCH004: CO2Level gives nothing, until"),
        (commands.Duplicate(machine="MCH009"), "MCH009: everything comes twice, until"),
    ):
        assert words in (await live.ask(command))["said"]
    status = (await live.ask(commands.Status()))["status"]
    assert len(status["faults"]) == 3 and status["machines"] == 8 and "mosquitto" in status["broker"]
    mqtt = live.ingest("assembly")
    known = mqtt.account.duplicate
    await until(lambda: mqtt.account.duplicate > known + 2, "repeats are known")
    deadline = time.monotonic() + DEADLINE_S
    while not any(r.quality.get("CO2Level") for r in await live.heard.events("MCH004", event.Telemetry)):
        assert time.monotonic() < deadline, "the missing sensor is heard as bad"
        await asyncio.sleep(0.05)
    skewed = await live.heard.events("MCH007", event.Telemetry)
    assert max(int(each.t) for each in skewed) > time.time_ns() + 80 * SECOND
    assert mqtt.account.quarantined == 0, mqtt.shown
    assert "3 faults ended" in (await live.ask(commands.Clear()))["said"]
    assert live.simulator.status()["faults"] == []


@in_one_loop
@pytest.mark.parametrize(("protocol", "name"), [("opcua", "machining"), ("mqtt", "assembly")])
async def test_the_way_to_the_machines_is_cut_and_comes_back(live: Running, protocol: Any, name: str) -> None:
    ingest = live.ingest(name)
    await live.ask(commands.Down(protocol=protocol, minutes=0.01))
    await until(lambda: not ingest.source.health.connected, f"{name} is away")
    await until(lambda: ingest.source.health.connected, f"{name} is back")
    before = ingest.account.appended
    await until(lambda: ingest.account.appended > before + 4, f"{name} speaks")
    assert ingest.account.quarantined == 0, ingest.shown
    if protocol == "mqtt":
        numbers = sorted(each.seq for each in await live.heard.events("MCH008", event.Telemetry))
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "MQTT loses nothing by it"


async def test_a_plant_that_ends_leaves_nothing(tmp_path: Path) -> None:
    program("mosquitto")
    async with Simulator(now_plant(), tmp_path, time.time_ns) as simulator:
        await simulator.begin()
        ports = [simulator.server.port, simulator.broker.port]
        await simulator.play()
        pid = int((tmp_path / "broker/mosquitto.pid").read_text())
        assert oct(os.stat(tmp_path / "simulator.sock").st_mode)[-3:] == "600"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not [name for name in os.listdir(tmp_path) if name.startswith("simulator")]
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_ports_that_are_taken_are_left_alone(tmp_path: Path) -> None:
    program("mosquitto")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        simulator = Simulator(now_plant(), tmp_path, time.time_ns, opcua_port=port, mqtt_port=port)
        assert port not in (simulator.server.port, simulator.broker.port)
        assert str(simulator.server.port) in simulator.server.url and str(simulator.broker.port) in simulator.broker.url


def test_a_faster_plant_has_a_faster_clock() -> None:
    real = [10 * SECOND]
    clock = Clock(1000 * SECOND, 60.0, lambda: real[0])
    assert clock() == 1000 * SECOND
    real[0] += 2 * SECOND
    assert clock() == 1120 * SECOND
