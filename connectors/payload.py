"""What a JSON payload says about a machine: the mapping of an MQTT source.

Rules: a payload is taken whole or refused whole, with what was expected, what came and at which path. Time, sequence and
session must be there when they are mapped; everything else may be absent, but not all of it. A null value is a bad one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec

from tailrace.connectors import terms
from tailrace.connectors.jsonpath import ABSENT, Path, numbers
from tailrace.connectors.mapping import Said
from tailrace.connectors.terms import Cycles, Key, Words, shown
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import OWN, CounterName, Scalar
from tailrace.schemas.instant import Instant, parse_instant

SIGNALS_MAX = 1000
SEQUENCE_MAX = 10**18 - 1
DECIMALS = {"s": 0, "ms": -3, "us": -6, "ns": -9}
T = TypeVar("T")
Name = TypeVar("Name", bound=str)


class TimePath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the time stands, and the unit of a number there: s (default), ms, us or ns since 1970. Text is ISO 8601."""

    path: str
    unit: Literal["s", "ms", "us", "ns"] = "s"


class StatePath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the state stands, its words by value, and the word for a value that `map` does not name (else: refused)."""

    path: str
    map: dict[Key, str] = {}
    default: str | None = None


class ValuePath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a signal's value stands, and what it is: number (default; true and false as well) or text."""

    path: str
    type: Literal["number", "text"] = "number"


class PayloadSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which place of the JSON payload says what. A place is a path: `$.temp`, `$.motor.speed`, `$.zones[0]`, `$['a b']`.

    time: when it happened; absent: when it arrived. sequence: the device's own count of its messages, with `session` (a
    boot number or id) when it starts again: together they identify a message. state: the state word, or a value with `map`.
    good, reject, rework: parts since the message before. counters: cumulative counts `total`, `good`, `reject`.
    product: what is being made; ideal_cycle_s: seconds per part as a path, a number, or a table by product.
    values: signals by name, or "*" for every number that nothing else uses.
    """

    time: str | TimePath | None = None
    sequence: str | None = None
    session: str | None = None
    state: str | StatePath | None = None
    good: str | None = None
    reject: str | None = None
    rework: str | None = None
    counters: dict[CounterName, str] = {}
    product: str | None = None
    ideal_cycle_s: str | float | dict[str, float] | None = None
    values: Literal["*"] | dict[str, str | ValuePath] = {}

    def __post_init__(self) -> None:
        for where, text in self.paths().items():
            try:
                Path(text)
            except ValueError as error:
                raise ValueError(f"payload.{where}: {error}") from None
        if not (self.state or self.good or self.reject or self.rework or self.counters or self.product or self.values):
            raise ValueError("payload: expected at least one of state, good, reject, rework, counters, product, values")
        if self.session is not None and self.sequence is None:
            raise ValueError("payload.session: expected sequence beside it; a session alone identifies nothing")
        if self.ideal_cycle_s is not None and self.product is None:
            raise ValueError("payload.ideal_cycle_s: expected product beside it; a cycle belongs to a product")
        for name in self.values if isinstance(self.values, Mapping) else ():
            terms.check_name("payload.values", name)
        terms.check_cycles("payload.ideal_cycle_s", self.ideal_cycle_s)
        if isinstance(self.state, StatePath):
            terms.check_words("payload.state", self.state.map)

    def paths(self) -> dict[str, str]:
        """Every path, by the field that it stands in."""
        found: dict[str, Any] = {
            field: getattr(self, field)
            for field in (
                "time",
                "sequence",
                "session",
                "state",
                "good",
                "reject",
                "rework",
                "product",
                "ideal_cycle_s",
            )
        }
        found |= {f"counters.{name}": path for name, path in self.counters.items()}
        if isinstance(self.values, Mapping):
            found |= {f"values.{name}": path for name, path in self.values.items()}
        texts = {where: getattr(place, "path", place) for where, place in found.items()}
        return {where: text for where, text in texts.items() if isinstance(text, str)}


class Numbered(msgspec.Struct, frozen=True):
    """The device's own identity of a message: n from 0, in a session."""

    session: str
    n: int


class Payload:
    """Reads payloads by one mapping."""

    def __init__(self, settings: PayloadSettings, clock: str) -> None:
        self._clock = clock
        self._every = settings.values == "*"
        paths = {where: Path(text) for where, text in settings.paths().items()}
        self._time, self._sequence, self._session = paths.get("time"), paths.get("sequence"), paths.get("session")
        self._unit = settings.time.unit if isinstance(settings.time, TimePath) else "s"
        self._state, self._product, self._cycle = paths.get("state"), paths.get("product"), paths.get("ideal_cycle_s")
        state = settings.state if isinstance(settings.state, StatePath) else None
        self._words = Words(state.map, state.default) if state else Words({})
        self._cycles = Cycles(None if isinstance(settings.ideal_cycle_s, str) else settings.ideal_cycle_s)
        self._parts = [(name, paths[name]) for name in ("good", "reject", "rework") if name in paths]
        self._counters = [(name, paths[f"counters.{name}"]) for name in settings.counters]
        named = settings.values if isinstance(settings.values, Mapping) else {}
        self._values = [
            (name, paths[f"values.{name}"], _text if getattr(place, "type", "") == "text" else _number)
            for name, place in named.items()
        ]
        self._used = {".".join(map(str, path.steps)) for path in paths.values()}

    @property
    def timed(self) -> bool:
        """Whether payloads carry their own time."""
        return self._time is not None

    def sequence(self, document: Any) -> Numbered | None:
        """The device's identity of this message, or None where none is mapped; raises InvalidEvent."""
        if self._sequence is None:
            return None
        n = _needed(self._sequence, document, terms.whole)
        if not 0 <= n < SEQUENCE_MAX:
            raise InvalidEvent(f"{self._sequence.text}: expected a sequence below {SEQUENCE_MAX}, got {n}")
        return Numbered("0" if self._session is None else _needed(self._session, document, _session), n)

    def said(self, document: Any, machine: str, seq: int | None, arrival: int) -> Said:
        """What the payload says about the machine; raises InvalidEvent with the path that is wrong."""
        product = _read(self._product, document, terms.product)
        values, quality = self._signals(document)
        said = Said(
            machine=machine,
            t=Instant(arrival) if self._time is None else _needed(self._time, document, self._instant),
            clock=OWN if self._time is None else self._clock,
            seq=seq,
            state=_read(self._state, document, self._words.word),
            product=product,
            cycle=_read(self._cycle, document, terms.cycle) or self._cycles.of(product),
            values=values,
            quality=quality,
            counters=_present(self._counters, document),
            parts=_present(self._parts, document),
        )
        if not (said.state or said.product or said.values or said.quality or said.counters or said.parts):
            raise InvalidEvent(f"expected at least one of the mapped fields, got {shown(document)}")
        return said

    def _signals(self, document: Any) -> tuple[dict[str, Scalar], dict[str, str | int]]:
        values: dict[str, Scalar] = {}
        quality: dict[str, str | int] = {}
        if self._every and isinstance(document, dict):
            values.update((name, value) for name, value in numbers(document) if name not in self._used)
        for name, path, kind in self._values:
            found = path.find(document)
            if found is None:
                quality[name] = "bad"
            elif found is not ABSENT:
                values[name] = _needed(path, document, kind)
        if len(values) > SIGNALS_MAX:
            raise InvalidEvent(f"expected at most {SIGNALS_MAX} signals in a payload, got {len(values)}")
        return values, quality

    def _instant(self, value: object) -> Instant:
        try:
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return parse_instant(Decimal(repr(value)).scaleb(DECIMALS[self._unit]))
            return parse_instant(value)
        except InvalidEvent as error:
            hint = " (if it is not in seconds, say so: {path: …, unit: ms})" if self._unit == "s" else ""
            raise InvalidEvent(f"{error}; the payload has {shown(value)}{hint}") from None


def decode(payload: bytes) -> Any:
    """The JSON document in a payload; raises InvalidEvent."""
    try:
        return msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(f"expected JSON, got {shown(payload)} ({error})") from None


def _read(path: Path | None, document: Any, read: Callable[[Any], T]) -> T | None:
    """What stands at the path, read; None where nothing or null does. Raises InvalidEvent that names the path."""
    found = ABSENT if path is None else path.find(document)
    if path is None or found is None or found is ABSENT:
        return None
    try:
        return read(found)
    except InvalidEvent as error:
        raise InvalidEvent(f"{path.text}: {error}") from None


def _needed(path: Path, document: Any, read: Callable[[Any], T]) -> T:
    value = _read(path, document, read)
    if value is None:
        raise InvalidEvent(f"{path.text}: expected a value, got {shown(path.find(document))} in {shown(document)}")
    return value


def _present(paths: Iterable[tuple[Name, Path]], document: Any) -> dict[Name, int]:
    found = ((name, _read(path, document, terms.whole)) for name, path in paths)
    return {name: value for name, value in found if value is not None}


def _number(value: object) -> Scalar:
    return value if isinstance(value, bool) else terms.finite(value)


def _text(value: object) -> Scalar:
    if not isinstance(value, str):
        raise InvalidEvent(f"expected text, got {shown(value)}")
    return value


def _session(value: object) -> str:
    return terms.label("a session", value)
