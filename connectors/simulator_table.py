"""What the simulated plant is made of: machines and their levels, signals and how they behave, what goes wrong and how often.

Rules: a level is what a signal reads while the machine runs its first product and nothing is wrong. Machines beyond the eight
named ones get levels by chance from the seed. Times of day are nobody's business here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from tailrace.connectors.simulator_noise import key, uniform
from tailrace.schemas.instant import MINUTE
from tailrace.schemas.instant import SECOND as S

Protocol = Literal["opcua", "mqtt"]

RUNNING, SETUP, STOPPED, STARVED, BLOCKED, BREAK, MAINTENANCE, FAULT = range(8)
WORDS = ("running", "setup", "stopped", "starved", "blocked", "break", "maintenance", "fault")
"""State words by code; the codes are what the OPC UA nodes hold."""

LOADS = (1.0, 0.45, 0.3, 0.35, 0.35, 0.15, 0.1, 0.05)
"""How hard a machine works in each state, as a share of running."""


class Signal(NamedTuple):
    """unit; decimals of the sensor; rest: share of the level that is there at standstill; lag: time constant, ns, in which it
    follows the load; wander, noise: slow and fast change, as shares of the level."""

    unit: str
    decimals: int
    rest: float
    lag: int
    wander: float
    noise: float


SIGNALS: Mapping[str, Signal] = {
    "MachineTemp": Signal("°C", 1, 0.42, 14 * MINUTE, 0.008, 0.003),
    "CO2Level": Signal("ppm", 0, 0.62, 25 * MINUTE, 0.05, 0.008),
    "EnergyConsumed": Signal("kWh", 2, 0.15, 25 * MINUTE, 0.015, 0.004),
    "EnvTemp": Signal("°C", 1, 1.0, 0, 0.02, 0.002),
    "Humidity": Signal("%RH", 1, 1.0, 0, 0.035, 0.004),
    "PowerPeak": Signal("kW", 2, 0.1, 0, 0.01, 0.02),
    "Vibration": Signal("mm/s", 2, 0.15, 0, 0.02, 0.03),
}

CYCLE = "CycleTime"
UNITS: Mapping[str, str] = {name: each.unit for name, each in SIGNALS.items()} | {CYCLE: "s"}
"""The unit of every signal; a cycle time is that of the part made last, and absent while none is made."""

_ASSET = ("MachineTemp", "CO2Level", "EnergyConsumed", "EnvTemp", "Humidity", "PowerPeak")
_LEVELS: Mapping[str, tuple[float, ...]] = {
    "MCH003": (71.0,),
    "MCH004": (76.5, 475, 11.5, 32.0, 48.6, 4.14),
    "MCH005": (72.9, 817, 13.8, 27.1, 63.1, 4.13),
    "MCH006": (72.0, 1148, 16.3, 32.8, 67.8, 4.29),
    "MCH007": (75.0, 638, 12.4, 27.3, 44.4, 4.05),
    "MCH008": (73.4, 707, 14.9, 23.8, 54.7, 4.23),
    "MCH009": (72.7, 825, 19.7, 27.3, 45.5, 2.88),
    "MCH010": (73.8, 480, 18.5, 28.1, 51.7, 2.28),
}
MACHINES_MIN = len(_LEVELS)


class Product(NamedTuple):
    """What a machine can make: ideal cycle in ns; heft: how hard it works at it."""

    name: str
    ideal: int
    heft: float


class Profile(NamedTuple):
    """A machine. pace: its speed as a share of the ideal one. frailty: how often it fails, 1 = as the table below.

    scrap: share of parts that are rejected when nothing is wrong.
    """

    name: str
    line: str
    area: str
    protocol: Protocol
    levels: Mapping[str, float]
    products: tuple[Product, ...]
    pace: float
    frailty: float
    scrap: float


class Trouble(NamedTuple):
    """Something that goes wrong. minutes: how long the machine stands (0: it runs on); hours: how long it comes on before.

    effects: what is added to a signal at the height of it, as a share of its level; cycle: to the cycle time; scrap: parts.
    """

    why: str
    weight: float
    minutes: tuple[float, float]
    hours: tuple[float, float]
    effects: Mapping[str, float]
    cycle: float = 0.0
    scrap: float = 0.0


TROUBLES = (
    Trouble(
        "Bearing overheated", 3, (25, 80), (1.5, 4), {"MachineTemp": 0.13, "PowerPeak": 0.16, "Vibration": 2.0}, 0.04
    ),
    Trouble("Hydraulic pressure lost", 3, (14, 45), (1, 3), {"MachineTemp": 0.04, "PowerPeak": -0.09}, 0.16),
    Trouble("Tool broken", 4, (8, 20), (1, 2.5), {"PowerPeak": 0.12, "Vibration": 1.2}, 0.05, 0.18),
    Trouble("Part jammed", 5, (6, 18), (0, 0), {}),
    Trouble("Drive tripped", 3, (12, 55), (0, 0), {}),
    Trouble("Extraction weak", 1, (0, 0), (2, 5), {"CO2Level": 0.4}),
    Trouble("Air conditioning off", 1, (0, 0), (2, 5), {"EnvTemp": 0.16, "Humidity": 0.2}),
)

TROUBLES_PER_DAY = 2.8
MICROSTOP_EVERY_S = 2400.0
SHORT_STOPS_PER_DAY = 3.0


def profiles(seed: int, count: int = MACHINES_MIN) -> list[Profile]:
    """The first `count` machines, MCH003 and on; the first half of them speaks OPC UA, the others MQTT."""
    return [_profile(seed, i, "opcua" if i < count // 2 else "mqtt") for i in range(count)]


def _profile(seed: int, i: int, protocol: Protocol) -> Profile:
    name = f"MCH{i + 3:03}"
    pace, frailty, scrap, base = uniform(key(seed, name, "profile"), np.arange(4)).tolist()
    line = i // 4 + 1
    return Profile(
        name=name,
        line=f"Line {line}",
        area="Machining" if line % 2 else "Assembly",
        protocol=protocol,
        levels=_levels(seed, name),
        products=tuple(_products(line, 9.0 + 12.0 * base)),
        pace=0.80 + 0.12 * pace,
        frailty=0.6 + 1.2 * frailty,
        scrap=0.008 + 0.022 * scrap,
    )


def _levels(seed: int, name: str) -> dict[str, float]:
    if name in _LEVELS:
        return dict(zip(_ASSET, _LEVELS[name], strict=False))
    chance = uniform(key(seed, name, "levels"), np.arange(len(SIGNALS))).tolist()
    least = (70.0, 450.0, 11.0, 23.0, 44.0, 2.2, 1.4)
    most = (78.0, 1150.0, 20.0, 33.0, 68.0, 4.4, 2.8)
    drawn = [round(a + (b - a) * c, 2) for a, b, c in zip(least, most, chance, strict=True)]
    return dict(zip(SIGNALS, drawn, strict=True))


def _products(line: int, base_s: float) -> list[Product]:
    shapes = ((1.0, 1.0), (1.3, 1.05), (0.8, 0.95))
    return [
        Product(f"P{line}{n}0", round(base_s * factor * 10) * S // 10, heft)
        for n, (factor, heft) in enumerate(shapes, 1)
    ]
