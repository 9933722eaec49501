"""The events file: one event a line of JSON, read strictly.

Rules: an unknown type or field, a wrong value, a time without offset or a broken line is refused with InvalidEvent; the
caller quarantines it and goes on. A line without an id gets one from its content and from how many-th such line it is, so
that reading a file twice gives the same events.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from tailrace.schemas import codec, frame
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import (
    NO_MACHINE,
    TYPES,
    AnyEvent,
    ApprovalDecided,
    BomSet,
    CalendarSet,
    CommandRequested,
    CounterRead,
    DefinitionSet,
    Event,
    MachineRegistered,
    ModelSet,
    ParkingReleased,
    PartsCounted,
    ProductChanged,
    QualityRecorded,
    ReasonAssigned,
    ReasonsSet,
    StopMerged,
    StopSplit,
    Telemetry,
)
from tailrace.schemas.instant import MINUTE, SECOND, Instant, Span, format_instant, parse_instant, parse_span
from tailrace.schemas.reason import repeated
from tailrace.schemas.refusal import explained

AHEAD_MAX = 5 * MINUTE
KEY_MAX = 64
ID_MAX = 256
PARTS_MAX = 10**9
CYCLE_MAX = 10**6 * SECOND


def _typed(kind: type, value: Any) -> Any:
    try:
        return parse_instant(value) if kind is Instant else parse_span(value)
    except InvalidEvent as error:
        raise ValueError(str(error)) from None


_decode = msgspec.json.Decoder(AnyEvent, dec_hook=_typed, float_hook=Decimal).decode


def parse(line: bytes) -> AnyEvent:
    """The event on a line; raises InvalidEvent saying what was expected, what came and in which field."""
    try:
        event: AnyEvent = _with_floats(_decode(line))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(explained(str(error), line)) from None
    check(event)
    return event


def check(event: Event) -> None:
    """Refuses with InvalidEvent what no type can say: missing keys, endless numbers, an interval that ends before it starts."""
    kind = codec.type_of(event)
    if not event.machine and kind not in NO_MACHINE:
        raise InvalidEvent(f"{kind}: expected a machine, got none")
    _key("machine", event.machine)
    if len(event.id) > ID_MAX:
        raise InvalidEvent(f"expected an id of at most {ID_MAX} characters, got {len(event.id)}")
    for name in _INTEGERS[kind]:
        number = getattr(event, name)
        if number is not None and not -(2**63) <= number < 2**63:
            raise InvalidEvent(f"expected {name} to fit 64 bits, got {str(number)[:80]}")
    if event.seq is not None and event.seq < 0:
        raise InvalidEvent(f"expected seq of 0 or more, got {event.seq}")
    _CHECKS.get(type(event), lambda _: None)(event)


def check_time(event: Event, now: int) -> None:
    """Refuses what happened later than five minutes after it came in (a clock that is wrong)."""
    ingested = int(event.ingested or now)
    latest = min(ingested, now) + AHEAD_MAX
    if event.t > latest:
        raise InvalidEvent(
            f"expected t at most 5 min after the event came in ({format_instant(latest)}), got {format_instant(event.t)}"
        )
    if ingested > now + AHEAD_MAX:
        raise InvalidEvent(f"expected ingested in the past ({format_instant(now)}), got {format_instant(ingested)}")


class Numbered:
    """Gives events without an id the one that their content and their count in this file make.

    count: counts a content once more and gives how often it was seen; by default in memory.
    """

    def __init__(self, count: Callable[[bytes], int] | None = None) -> None:
        self._seen: dict[bytes, int] = {}
        self._count = count or self._in_memory

    def identify(self, event: Event) -> str:
        """The event's own id, or hash(content, how many-th)."""
        if event.id:
            return event.id
        content = hashlib.blake2b(codec.canonical(event), digest_size=16).digest()
        nth = self._count(content)
        return hashlib.blake2b(content + nth.to_bytes(8, "big"), digest_size=16).hexdigest()

    def _in_memory(self, content: bytes) -> int:
        nth = self._seen[content] = self._seen.get(content, 0) + 1
        return nth


def _with_floats(event: AnyEvent) -> AnyEvent:
    """Numbers of a free-form field as floats: only times and spans are read as decimals."""
    field = _FREE.get(type(event))
    return msgspec.structs.replace(event, **{field: _floats(getattr(event, field))}) if field else event


def _floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _floats(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_floats(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value


def _free(event: Event) -> None:
    _finite(getattr(event, _FREE[type(event)]))


def _finite(value: Any) -> None:
    """Refuses a number that msgpack and SQL cannot hold, however deep it stands."""
    if isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            _finite(each)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidEvent(f"expected a finite number, got {value}")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InvalidEvent(f"expected a 64-bit number, got {str(value)[:80]}")


def _definition(event: DefinitionSet) -> None:
    _key("name", event.name)
    if not event.name:
        raise InvalidEvent("expected a name of the definition, got none")
    if event.policy.microstop_s < 0:
        raise InvalidEvent(f"expected microstop_s of 0 or more, got {event.policy.microstop_s / SECOND}")


def _machine(event: MachineRegistered) -> None:
    for name, counter in event.counters.items():
        for field, least in (("modulus", 1), ("max_step", 0), ("backstep_max", 0)):
            number = getattr(counter, field)
            if number is not None and not least <= number < 2**62:
                raise InvalidEvent(f"expected {field} of counter {name!r} from {least} to 2**62-1, got {number}")


def _bom(event: BomSet) -> None:
    _finite(event.components)


def _quality(event: QualityRecorded) -> None:
    _finite(event.value)


def _key(field: str, value: str) -> None:
    if len(value) > KEY_MAX or not value.isprintable():
        raise InvalidEvent(f"expected a {field} of at most {KEY_MAX} printable characters, got {value[:80]!r}")


def _telemetry(event: Telemetry) -> None:
    for name, value in event.values.items():
        _key("signal", name)
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidEvent(f"expected a finite number for {name!r}, got {value}")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise InvalidEvent(f"expected a 64-bit number for {name!r}, got {str(value)[:80]}")
    for name, quality in event.quality.items():
        _key("signal", name)
        frame.status_code(quality)
    for name, value in event.counters.items():
        if not 0 <= value < 2**62:
            raise InvalidEvent(f"expected counter {name!r} from 0 to 2**62-1, got {str(value)[:80]}")


def _counter(event: CounterRead) -> None:
    if not 0 <= event.value < 2**62:
        raise InvalidEvent(f"expected a counter value from 0 to 2**62-1, got {event.value}")


def _parts(event: PartsCounted) -> None:
    _key("product", event.product)
    for name in ("good", "reject", "rework"):
        if abs(getattr(event, name)) > PARTS_MAX:
            raise InvalidEvent(f"expected at most {PARTS_MAX} parts in {name}, got {getattr(event, name)}")


def _product(event: ProductChanged) -> None:
    _key("product", event.product)
    if event.ideal_cycle is not None and not 0 < event.ideal_cycle <= CYCLE_MAX:
        raise InvalidEvent(
            f"expected ideal_cycle_s above 0, at most {CYCLE_MAX // SECOND}, got {event.ideal_cycle / SECOND}"
        )


def _reason(event: ReasonAssigned) -> None:
    if event.end is not None and event.end <= event.start:
        raise InvalidEvent(f"expected from before to, got {format_instant(event.start)} .. {format_instant(event.end)}")
    for gap in event.gaps:
        if gap.end <= gap.start:
            raise InvalidEvent(
                f"expected a gap from before to, got {format_instant(gap.start)} .. {format_instant(gap.end)}"
            )


def _reasons(event: ReasonsSet) -> None:
    if not event.reasons:
        raise InvalidEvent("expected a reason or more in reasons, got none")
    for each in event.reasons:
        if not each.reason:
            raise InvalidEvent("expected a name of the reason, got none")
        for name in (each.reason, *each.path):
            _key("reason", name)
    twice = repeated(event.reasons)
    if twice is not None:
        raise InvalidEvent(f"expected each reason once, got {twice!r} again")


def _split(event: StopSplit) -> None:
    if not event.stop:
        raise InvalidEvent("expected the id of a stop in stop, got none")


def _merged(event: StopMerged) -> None:
    if len(set(event.stops)) < 2:
        raise InvalidEvent(f"expected two stops or more in stops, got {len(set(event.stops))}")
    if (event.start is None) != (event.end is None):
        raise InvalidEvent("expected both of from and to, or none of them, got one")
    if event.start is not None and event.end is not None and event.end <= event.start:
        raise InvalidEvent(f"expected from before to, got {format_instant(event.start)} .. {format_instant(event.end)}")
    unknown = event.expected_revisions.keys() - set(event.stops)
    if unknown:
        raise InvalidEvent(f"expected_revisions: expected ids that stand in stops, got {min(unknown)[:80]!r}")
    _finite(event.expected_revisions)


def _calendar(event: CalendarSet) -> None:
    for interval in event.intervals:
        if interval.end < interval.start:
            raise InvalidEvent(
                f"expected interval from before to, got {format_instant(interval.start)} .. {format_instant(interval.end)}"
            )


_CHECKS: dict[type, Any] = {
    Telemetry: _telemetry, CounterRead: _counter, PartsCounted: _parts, ProductChanged: _product,
    ReasonAssigned: _reason, ReasonsSet: _reasons, StopSplit: _split, StopMerged: _merged,
    CalendarSet: _calendar, DefinitionSet: _definition, MachineRegistered: _machine,
    BomSet: _bom, QualityRecorded: _quality,
    ModelSet: _free, ApprovalDecided: _free, CommandRequested: _free, ParkingReleased: _free,
}  # fmt: skip
_FREE: dict[type, str] = {
    ModelSet: "settings", ApprovalDecided: "evidence", CommandRequested: "arguments", ParkingReleased: "patch",
}  # fmt: skip
_INTEGERS = {
    name: tuple(field.name for field in msgspec.structs.fields(kind) if field.type in (int, int | None))
    for name, kind in TYPES.items()
}

__all__ = ["Numbered", "Span", "check", "check_time", "parse"]
