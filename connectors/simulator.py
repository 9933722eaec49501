"""The simulated plant, running: machines on a real OPC UA server and behind a real MQTT broker, all on loopback.

Rules: entering binds the ports and serves nodes without values; `begin` makes the machines speak, from an instant of the plant's
timeline on, once in real time a second whatever the plant's speed. What somebody causes is kept with `keep` before it is
answered, so that the plant is the same after a restart. Leaving ends everything that was started, within seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import singledispatchmethod
from pathlib import Path
from typing import Any

from tailrace.connectors import simulator_commands as commands
from tailrace.connectors.simulator_broker import Broker
from tailrace.connectors.simulator_commands import AnyCommand
from tailrace.connectors.simulator_control import Control
from tailrace.connectors.simulator_faults import Fault, Faults, Kind
from tailrace.connectors.simulator_feed import Feed, Sample
from tailrace.connectors.simulator_mqtt import Publisher
from tailrace.connectors.simulator_opcua import PlantServer
from tailrace.connectors.simulator_plant import Caused, Plant
from tailrace.connectors.simulator_table import Protocol
from tailrace.schemas.errors import InvalidSettings
from tailrace.schemas.instant import MINUTE, SECOND, format_instant

MS = 1_000_000
PROTOCOLS: tuple[Protocol, ...] = ("opcua", "mqtt")
_said = logging.getLogger("tailrace")


class Clock:
    """The plant's time: at `origin` (ns UTC) when it is made, and `speed` times as fast as the real one from there."""

    def __init__(self, origin: int, speed: float = 1.0, real: Callable[[], int] = time.time_ns) -> None:
        self.speed = speed
        self._origin, self._real, self._began = origin, real, real()

    def __call__(self) -> int:
        """Now."""
        return self._origin + int((self._real() - self._began) * self.speed)


class Simulator:
    """See the file's rules. now: the plant's time; ports: wanted ones, 0 or taken: any free one."""

    def __init__(
        self,
        plant: Plant,
        directory: Path,
        now: Callable[[], int],
        *,
        speed: float = 1.0,
        opcua_port: int = 0,
        mqtt_port: int = 0,
        keep: Callable[[Sequence[Caused]], None] = lambda _: None,
        mosquitto: str | None = "mosquitto",
    ) -> None:
        self.plant = plant
        self.broker = Broker(directory, mqtt_port, program=mosquitto)
        self.server = PlantServer(plant.spoken_by("opcua"), opcua_port)
        self.faults: dict[Protocol, Faults] = {each: Faults(plant.identity.seed) for each in PROTOCOLS}
        self._now, self._speed, self._keep = now, speed, keep
        self._step = max(1, round(speed)) * SECOND
        self._control = Control(directory, self.carry_out)
        self._publisher: Publisher | None = None
        self._feeds: dict[Protocol, Feed] = {}
        self._soon = asyncio.Event()
        self._one = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Simulator:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.broker)
            await stack.enter_async_context(self.server)
            self._publisher = await stack.enter_async_context(Publisher(self.broker, f"{self._now():x}"))
            await stack.enter_async_context(self._control)
            stack.push_async_callback(self._end_tasks)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def begin(self, since: int | None = None) -> None:
        """The machines speak, from `since` (default: now) on."""
        start = self._now() if since is None else since
        for protocol in PROTOCOLS:
            self._feeds[protocol] = Feed(self.plant.spoken_by(protocol), start, self._step)
        await self._speak(self._now())
        self._start(self._run(), "plant")

    async def play(self, script: Sequence[AnyCommand] = commands.SCRIPT) -> None:
        """Carries out a script from now on, in the background."""
        self._start(self._play(script), "script")

    # -- speaking --------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), 1.0 - time.time() % 1.0 + 0.001)
            if self._soon.is_set():  # what was caused begins with the next millisecond
                self._soon.clear()
                await asyncio.sleep(0.005)
            await self._speak(self._now())

    async def _speak(self, now: int) -> None:
        """Everything that is due, on its way to the collector."""
        async with self._one:
            for protocol, feed in self._feeds.items():
                samples = self.faults[protocol].through(feed.until(now), now)
                await self._send(protocol, samples)

    async def _send(self, protocol: Protocol, samples: Sequence[Sample]) -> None:
        if protocol == "opcua":
            await self.server.give(samples)
        elif self._publisher is not None:
            self._publisher.give(samples)

    # -- commands --------------------------------------------------------------------------------------------------------

    async def carry_out(self, command: AnyCommand) -> Mapping[str, Any]:
        """Does it, and says what was done. Raises NotFound, InvalidSettings."""
        return {"said": self._do(command), "status": self.status()}

    def status(self) -> dict[str, Any]:
        """How the plant is."""
        now = _next_ms(self._now())  # what was just caused begins and ends then
        publisher = self._publisher
        return {
            "now": format_instant(now),
            "speed": self._speed,
            "machines": len(self.plant.machines),
            "opcua": self.server.url,
            "mqtt": self.broker.url,
            "broker": self.broker.note,
            "waiting": publisher.waiting if publisher else 0,
            "lost": publisher.lost if publisher else 0,
            "faults": [fault.words() for each in self.faults.values() for fault in each.on],
            "broken": [each.machine for each in self.plant.caused if each.start <= now < each.end],
        }

    @singledispatchmethod
    def _do(self, command: AnyCommand) -> str:
        raise InvalidSettings(f"expected a command that is known, got {command!r}")

    @_do.register
    def _(self, command: commands.Break) -> str:
        start = _next_ms(self._now())
        end = start + int(command.minutes * 60_000) * MS
        self.plant.stop(command.machine, start, end)
        return self._caused(f"{command.machine} stands until {format_instant(end)}")

    @_do.register
    def _(self, command: commands.Repair) -> str:
        ended = self.plant.repair(command.machine, _next_ms(self._now()))
        return self._caused(f"{command.machine} {'runs again' if ended else 'was not broken by anybody'}")

    @_do.register
    def _(self, command: commands.Late) -> str:
        return self._fault("late", command.machine, command.minutes, by=command.seconds)

    @_do.register
    def _(self, command: commands.Duplicate) -> str:
        return self._fault("duplicate", command.machine, command.minutes)

    @_do.register
    def _(self, command: commands.Reorder) -> str:
        return self._fault("reorder", command.machine, command.minutes, by=command.seconds)

    @_do.register
    def _(self, command: commands.Skew) -> str:
        return self._fault("skew", command.machine, command.minutes, by=command.seconds)

    @_do.register
    def _(self, command: commands.Missing) -> str:
        known = self.plant.machine(command.machine).profile.levels
        if command.signal not in known:
            raise InvalidSettings(
                f"expected a sensor of {command.machine} ({', '.join(known)}), got {command.signal!r}"
            )
        return self._fault("missing", command.machine, command.minutes, signal=command.signal)

    @_do.register
    def _(self, command: commands.Down) -> str:
        self._start(self._away(command.protocol, command.minutes), f"down {command.protocol}")
        what = "OPC UA server" if command.protocol == "opcua" else "broker"
        return f"the {what} is away for {command.minutes:g} min"

    @_do.register
    def _(self, command: commands.Clear) -> str:
        return f"{sum(each.clear() for each in self.faults.values())} faults ended"

    @_do.register
    def _(self, command: commands.Status) -> str:
        return "the plant runs"

    def _caused(self, words: str) -> str:
        self._keep(self.plant.caused)
        self._soon.set()
        return words

    def _fault(self, kind: Kind, machine: str, minutes: float, *, by: float = 0.0, signal: str = "") -> str:
        protocol = self.plant.machine(machine).profile.protocol
        fault = Fault(kind, machine, self._now() + int(minutes * MINUTE), int(by * SECOND), signal)
        self.faults[protocol].add(fault)
        return f"{fault.words()}, until {format_instant(fault.until // MS * MS)}"

    async def _away(self, protocol: Protocol, minutes: float) -> None:
        where = self.server if protocol == "opcua" else self.broker
        async with self._one:
            await where.stop()
        await asyncio.sleep(minutes * 60 / self._speed)
        async with self._one:
            await where.start()

    async def _play(self, script: Sequence[AnyCommand]) -> None:
        began = self._now()
        for command in script:
            await asyncio.sleep(max(0.0, (began + command.after_s * SECOND - self._now()) / SECOND / self._speed))
            _said.info("plant: %s", (await self.carry_out(command))["said"])

    def _start(self, what: Any, name: str) -> None:
        task = asyncio.create_task(what, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _next_ms(t: int) -> int:
    """The first whole millisecond after an instant."""
    return t // MS * MS + MS
