"""A line of an MTConnect SHDR log as events: `time|key|value|key|value…`, or one condition with six fields.

Rules: a key that ends in "execution" gives the machine's state (ACTIVE: running, UNAVAILABLE: unknown, any other word:
stopped, with the word itself kept as a value); part counts give cumulative counters; everything else is a value, a number
where it is one. Conditions give their level, and code and text where there are any. UNAVAILABLE is a bad quality without a
value: the agent says it where it hears nothing, and stamps it by its own clock; all else bears the device's. A machine has one
state and one counter of each name: where a log has several such keys (paths), the first that says something is taken, and the
others are values. A line is taken whole or refused whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import AnyEvent, CounterName, Scalar, StateChanged, Telemetry
from tailrace.schemas.instant import Instant, parse_instant

UNAVAILABLE = "UNAVAILABLE"
AGENT, DEVICE = "agent", "device"
"""The clocks of what the agent says for itself, and of what it passes on."""

LEVELS = {"NORMAL", "WARNING", "FAULT", UNAVAILABLE}
QUALIFIERS = {"", "HIGH", "LOW"}
CONDITION_FIELDS = 7

_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_COUNTERS: dict[str, CounterName] = {
    "partcount": "total",
    "partcountact": "total",
    "partcountall": "total",
    "partcountgood": "good",
    "partcountbad": "reject",
}
_COUNTER = re.compile(r"(partcount(?:act|all|good|bad)?)$")


class Shdr:
    """Reads the lines of one machine's log, in order."""

    def __init__(self, machine: str) -> None:
        self._machine = machine
        self._keys: dict[str, str] = {}

    def events(self, line: bytes) -> list[AnyEvent]:
        """The events on a line, states first; raises InvalidEvent. A protocol line (`* PONG`) has none."""
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidEvent(f"expected text in UTF-8, got {line[:40]!r} ({error.reason})") from None
        if not text.strip() or text.startswith("*"):
            return []
        stamp, *fields = (field.strip() for field in text.split("|"))
        t = parse_instant(stamp.partition("@")[0])
        if len(fields) + 1 == CONDITION_FIELDS and fields[1].upper() in LEVELS and fields[4].upper() in QUALIFIERS:
            return [self._condition(t, fields)]
        return list(self._reading(t, list(_items(fields, text))))

    def _reading(self, t: Instant, items: list[tuple[str, str]]) -> Iterator[AnyEvent]:
        values: dict[str, Scalar] = {}
        quality: dict[str, str | int] = {}
        counters: dict[CounterName, int] = {}
        for key, word in items:
            missing = word.upper() == UNAVAILABLE
            counter = self._claims(_counter(key), key, missing)
            if self._claims("state" if key.lower().endswith("execution") else None, key, missing):
                clock = AGENT if missing else DEVICE
                yield StateChanged(machine=self._machine, t=t, clock=clock, state=_state(word), native=word)
            elif missing:
                quality[key] = "bad"
            elif counter is not None:
                counters[counter] = _count(key, word)  # type: ignore[index]
            else:
                values[key] = float(word) if _NUMBER.fullmatch(word) else word
        if values or quality or counters:
            clock = DEVICE if values or counters else AGENT
            yield Telemetry(machine=self._machine, t=t, clock=clock, values=values, quality=quality, counters=counters)

    def _condition(self, t: Instant, fields: list[str]) -> Telemetry:
        name, level, code, _, _, text = fields
        if not name:
            raise InvalidEvent(f"expected a name before the level {level!r}")
        if level.upper() == UNAVAILABLE:
            return Telemetry(machine=self._machine, t=t, clock=AGENT, quality={name: "bad"})
        said = {name: level.upper(), f"{name}.code": code, f"{name}.text": text}
        return Telemetry(
            machine=self._machine, t=t, clock=DEVICE, values={key: word for key, word in said.items() if word}
        )

    def _claims(self, role: str | None, key: str, missing: bool) -> str | None:
        """The role, if this key has it: nobody does yet, or it is the first that said something."""
        if role is None or self._keys.get(role, key) != key:
            return None
        if not missing:
            self._keys[role] = key
        return role


def _items(fields: list[str], text: str) -> Iterator[tuple[str, str]]:
    if len(fields) % 2 and not fields[-1]:
        fields.pop()
    if not fields or len(fields) % 2:
        raise InvalidEvent(f"expected time|key|value…, got {text[:80]!r}")
    keys = fields[::2]
    if not all(keys) or keys[0].startswith("@"):
        raise InvalidEvent(f"expected a name before each value, got {text[:80]!r}")
    if len(set(keys)) != len(keys):
        raise InvalidEvent(f"expected each name once on a line, got {text[:80]!r}")
    yield from zip(keys, fields[1::2], strict=True)


def _state(word: str) -> str:
    return {"ACTIVE": "running", UNAVAILABLE: "unknown"}.get(word.upper(), "stopped")


def _counter(key: str) -> str | None:
    found = _COUNTER.search(key.lower().replace("_", ""))
    return _COUNTERS[found[1]] if found else None


def _count(key: str, word: str) -> int:
    if not _NUMBER.fullmatch(word) or not float(word).is_integer():
        raise InvalidEvent(f"expected a whole number of parts for {key}, got {word[:40]!r}")
    return int(float(word))
