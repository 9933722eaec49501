"""What somebody can do to the running plant: one type a command, and scripts of them.

Rules: a command is a JSON object with `do`; what is wrong with it is said with the field. Lengths are plant time. A script is
such objects, one a line, each with `after_s`: seconds since the script began.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from tailrace.schemas.errors import InvalidSettings

Minutes = Annotated[float, msgspec.Meta(gt=0, le=1440)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """Fields of every command. after_s: in a script, when."""

    after_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class Break(Command, frozen=True, kw_only=True, tag="break"):
    """A machine breaks down."""

    machine: str
    minutes: Minutes = 5.0


class Repair(Command, frozen=True, kw_only=True, tag="repair"):
    """A machine that was broken runs again."""

    machine: str


class Late(Command, frozen=True, kw_only=True, tag="late"):
    """What a machine says comes some seconds later."""

    machine: str
    seconds: Seconds = 30.0
    minutes: Minutes = 2.0


class Duplicate(Command, frozen=True, kw_only=True, tag="duplicate"):
    """What a machine says comes twice."""

    machine: str
    minutes: Minutes = 2.0


class Reorder(Command, frozen=True, kw_only=True, tag="reorder"):
    """What a machine says within some seconds comes in any order."""

    machine: str
    seconds: Seconds = 10.0
    minutes: Minutes = 2.0


class Skew(Command, frozen=True, kw_only=True, tag="skew"):
    """A machine's clock is wrong: ahead, or behind if negative."""

    machine: str
    seconds: Annotated[float, msgspec.Meta(ge=-86_400, le=86_400)] = 90.0
    minutes: Minutes = 5.0


class Missing(Command, frozen=True, kw_only=True, tag="missing"):
    """A sensor gives nothing."""

    machine: str
    signal: str = "MachineTemp"
    minutes: Minutes = 5.0


class Down(Command, frozen=True, kw_only=True, tag="down"):
    """The collector's way to half of the machines is cut: the OPC UA server, or the broker, is away."""

    protocol: Literal["opcua", "mqtt"]
    minutes: Minutes = 0.5


class Clear(Command, frozen=True, kw_only=True, tag="clear"):
    """Every fault between the machines and the collector ends; broken machines stay broken."""


class Status(Command, frozen=True, kw_only=True, tag="status"):
    """How is it?"""


AnyCommand = Break | Repair | Late | Duplicate | Reorder | Skew | Missing | Down | Clear | Status

_decode = msgspec.json.Decoder(AnyCommand).decode

EXAMPLE = '{"do":"break","machine":"MCH006"}'

SCRIPT = (
    Late(machine="MCH007", seconds=20, minutes=2, after_s=60),
    Duplicate(machine="MCH008", minutes=2, after_s=120),
    Reorder(machine="MCH009", seconds=8, minutes=2, after_s=180),
    Missing(machine="MCH004", signal="CO2Level", minutes=3, after_s=240),
    Skew(machine="MCH010", seconds=45, minutes=2, after_s=300),
    Down(protocol="opcua", minutes=0.5, after_s=420),
    Down(protocol="mqtt", minutes=0.5, after_s=540),
    Break(machine="MCH006", minutes=6, after_s=600),
)
"""Each of them once, within a quarter of an hour."""


def parse(text: bytes) -> AnyCommand:
    """The command in a line; raises InvalidSettings."""
    try:
        found: AnyCommand = _decode(text)
        return found
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        shown = text.decode(errors="replace").strip()[:200]
        raise InvalidSettings(f"expected a command like {EXAMPLE}, got {shown!r}: {error}") from None


def load(path: Path) -> list[AnyCommand]:
    """The script in a file, by time; raises InvalidSettings with the line."""
    found: list[AnyCommand] = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InvalidSettings(f"{path}: expected a script that can be read, got: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                found.append(parse(line))
        except InvalidSettings as error:
            raise InvalidSettings(f"{path} line {number}: {error}") from None
    return sorted(found, key=lambda command: command.after_s)
