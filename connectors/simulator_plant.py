"""The simulated plant: its machines, its zone, and one timeline of each that history and live share.

Rules: seed and beginning decide everything but what people cause (`force`), and that is a list which can be kept and given
again. The plant has no clock: whoever asks says when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from zoneinfo import ZoneInfo

import msgspec

from tailrace.connectors.simulator_machine import Machine
from tailrace.connectors.simulator_script import Stop
from tailrace.connectors.simulator_table import FAULT, MACHINES_MIN, Protocol, profiles
from tailrace.schemas.errors import NotFound
from tailrace.schemas.instant import DAY

SITE = "Demo Plant"
DEFINITION = "standard"
SOURCES: Mapping[Protocol, str] = {"opcua": "machining", "mqtt": "assembly"}
"""The source that hears a machine, by its protocol; its clock has the same name."""


class Caused(msgspec.Struct, frozen=True, order=True):
    """A machine stood on [start, end) because somebody wanted it to."""

    start: int
    end: int
    machine: str


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What a plant is made from. began: its first instant, ns; zone: an IANA name."""

    seed: int
    began: int
    machines: int = MACHINES_MIN
    zone: str = "UTC"


class Plant:
    """The machines by name."""

    def __init__(self, identity: Identity, caused: Sequence[Caused] = ()) -> None:
        self.identity = identity
        self.zone: tzinfo = ZoneInfo(identity.zone)
        began = identity.began // DAY * DAY
        self.machines = {
            each.name: Machine(identity.seed, each, began, self.zone)
            for each in profiles(identity.seed, identity.machines)
        }
        self.began = began
        self._caused: tuple[Caused, ...] = ()
        self.force(caused)

    @property
    def caused(self) -> tuple[Caused, ...]:
        """What people caused, in order."""
        return self._caused

    def machine(self, name: str) -> Machine:
        """A machine; raises NotFound."""
        if name not in self.machines:
            known = list(self.machines)
            raise NotFound(f"expected a machine of the simulated plant ({known[0]} … {known[-1]}), got {name!r}")
        return self.machines[name]

    def spoken_by(self, protocol: Protocol) -> list[Machine]:
        """The machines that speak a protocol."""
        return [each for each in self.machines.values() if each.profile.protocol == protocol]

    def stop(self, name: str, start: int, end: int) -> None:
        """A machine stands on [start, end)."""
        self.machine(name)
        self.force([*self._caused, Caused(start, end, name)])

    def repair(self, name: str, t: int) -> bool:
        """Ends what was caused to a machine and still goes on at t; whether there was any."""
        self.machine(name)
        kept = [
            msgspec.structs.replace(each, end=min(each.end, t)) if each.machine == name else each
            for each in self._caused
        ]
        kept = [each for each in kept if each.end > each.start]
        ended = tuple(sorted(kept)) != self._caused
        self.force(kept)
        return ended

    def force(self, caused: Sequence[Caused]) -> None:
        """These, and no others, are the stops that people caused."""
        self._caused = tuple(sorted(caused))
        for name, machine in self.machines.items():
            machine.force(tuple(Stop(each.start, each.end, FAULT) for each in self._caused if each.machine == name))


__all__ = ["DEFINITION", "SITE", "SOURCES", "Caused", "Identity", "Plant"]
