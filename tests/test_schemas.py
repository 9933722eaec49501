"""Records, frames and lines: what was written stays readable, what goes in comes out, what is wrong is said."""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import golden_files
from tailrace.schemas import codec, frame, instant, line
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import TYPES, ClockTicked, DefinitionSet, Event, Policy, StateChanged, Telemetry
from tailrace.schemas.instant import EARLIEST, LATEST, SECOND, Instant, Span, format_instant, parse_instant, parse_span
from tailrace.schemas.record import Record

QUICK = settings(derandomize=True, deadline=None, max_examples=150, database=None)
NOW = int(parse_instant("2026-11-20T06:00:00Z"))


# -- golden records ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", golden_files.NAMES)
def test_golden_records_are_read(name: str) -> None:
    """What version 1 wrote is, event by event, what its lines say."""
    written = [event for record in golden_files.records(name) for event in codec.events_of(record)]
    said = [line.parse(text) for text in golden_files.lines(name)]
    assert written == said
    assert all(record.intact() for record in golden_files.records(name))


@pytest.mark.parametrize("name", golden_files.NAMES)
def test_golden_records_are_still_written(name: str) -> None:
    assert golden_files.encoded(name) == golden_files.records(name)


def test_golden_lines_are_still_written() -> None:
    texts = golden_files.lines("events.v1")
    assert [codec.to_line(line.parse(text)) for text in texts] == texts


def test_every_event_type_has_a_golden_line() -> None:
    seen = {codec.type_of(line.parse(text)) for name in golden_files.NAMES for text in golden_files.lines(name)}
    assert seen == set(TYPES)


def test_golden_lines_name_every_field() -> None:
    """Some line of each type shows each of its fields, so that none changes its name unseen."""
    shown: dict[str, set[str]] = {}
    for text in (text for name in golden_files.NAMES for text in golden_files.lines(name)):
        row = msgspec.json.decode(text)
        shown.setdefault(row["type"], set()).update(row)
    common = {"machine", "id", "clock", "seq", "ingested", "t"}
    own = {
        tag: {field.encode_name for field in msgspec.structs.fields(kind)} - common
        for tag, kind in TYPES.items()
        if not tag.startswith(("workorder", "effect"))
    }
    assert {tag: fields - shown[tag] for tag, fields in own.items() if fields - shown[tag]} == {}


def test_golden_frames_hold_every_kind_of_column() -> None:
    columns = [c for r in golden_files.records("frames.v1") for c in frame.Frame(r.payload).header.columns]
    assert {c.dtype for c in columns} == set(frame.DTYPES)
    assert (
        {c.complete for c in columns}
        == {c.counter for c in columns}
        == {bool(c.status) for c in columns}
        == {True, False}
    )


# -- round trips -------------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KEYS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)
INT64 = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.booleans() | FLOATS | INT64 | TEXTS
JSON = st.recursive(
    st.none() | SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)
ATOMS: dict[Any, st.SearchStrategy[Any]] = {
    Instant: st.integers(EARLIEST, LATEST - 1).map(Instant),
    Span: st.integers(1, line.CYCLE_MAX).map(Span),
    str: TEXTS,
    int: st.integers(-(10**9), 10**9) | st.integers(0, 40),
    float: FLOATS,
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    type(None): st.none(),
    Any: JSON,
}


def _any(kind: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of an annotation of a record."""
    if kind in ATOMS:
        return ATOMS[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in (UnionType, Union):
        return st.one_of(*(_any(each) for each in inner))
    if origin is list:
        return st.lists(_any(inner[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(KEYS if inner[0] is str else _any(inner[0]), _any(inner[1]), max_size=3)
    return st.builds(kind, **{name: _any(each) for name, each in get_type_hints(kind).items() if name[0] != "_"})


EVENTS = st.one_of(*(_any(kind) for kind in TYPES.values()))


def _acceptable(event: Event) -> bool:
    try:
        line.check(event)
    except InvalidEvent:
        return False
    return True


@settings(QUICK, max_examples=500)
@given(EVENTS)
def test_a_line_gives_the_event_back(event: Event) -> None:
    event = msgspec.structs.replace(event, machine=event.machine[:64] or "M", seq=event.seq and abs(event.seq))
    assume(_acceptable(event))
    again = line.parse(codec.to_line(event))
    assert again == event
    assert codec.canonical(again) == codec.canonical(event)


@settings(QUICK, max_examples=500)
@given(EVENTS)
def test_a_record_gives_the_event_back(event: Event) -> None:
    event = msgspec.structs.replace(event, machine=event.machine[:64] or "M", ingested=event.ingested or Instant(0))
    assume(_acceptable(event))
    record = codec.readings_record([event]) if isinstance(event, Telemetry) else codec.record_of(event)
    (again,) = codec.events_of(record)
    assert again.ingested == event.ingested
    assert again.id == event.id
    assert codec.canonical(again) == codec.canonical(event)
    assert record.intact()
    assert codec.ids_of(record) == [event.id]


NAMES = st.sampled_from(["A", "B", "C", "total"])
CELLS = {
    "A": FLOATS | st.integers(-(2**53), 2**53),
    "B": st.booleans(),
    "C": TEXTS,
    "total": st.integers(2**53 + 1, 2**63 - 1),
}
QUALITIES = st.sampled_from(["good", "bad", "uncertain"]) | st.integers(0, 2**32 - 1)


@st.composite
def _readings(draw: st.DrawFn) -> list[Telemetry]:
    def reading(i: int) -> Telemetry:
        return Telemetry(
            machine="M", t=Instant(draw(st.integers(EARLIEST, LATEST - 1))), id=f"r{i}", ingested=Instant(7), clock="c",
            seq=draw(st.none() | st.integers(0, 2**63 - 1)),
            values={name: draw(CELLS[name]) for name in draw(st.sets(NAMES))},
            quality=draw(st.dictionaries(NAMES, QUALITIES, max_size=3)),
            counters=draw(st.dictionaries(st.sampled_from(["total", "good", "reject"]), st.integers(0, 2**62 - 1))),
        )  # fmt: skip

    return [reading(i) for i in range(draw(st.integers(1, 20)))]


@settings(QUICK, max_examples=80)
@given(_readings(), st.booleans())
def test_a_frame_gives_its_readings_back(readings: list[Telemetry], sequenced: bool) -> None:
    envelope: dict[str, Any] = {"source": "s", "session": "x", "first_seq": 5} if sequenced else {}
    record = codec.readings_record(readings, **envelope)
    again = list(codec.events_of(record))
    ids = [f"seq:s:x:{5 + i}" if sequenced else r.id for i, r in enumerate(readings)]
    assert [e.id for e in again] == ids == codec.ids_of(record)
    assert [codec.canonical(e) for e in again] == [codec.canonical(r) for r in readings]
    assert (record.n, record.t_min, record.t_max) == (
        len(readings),
        min(r.t for r in readings),
        max(r.t for r in readings),
    )


@settings(QUICK, max_examples=40)
@given(_readings(), st.data())
def test_a_trimmed_frame_keeps_what_was_wanted(readings: list[Telemetry], data: st.DataObject) -> None:
    keep = data.draw(st.lists(st.booleans(), min_size=len(readings), max_size=len(readings)))
    trimmed = codec.without(codec.readings_record(readings), keep)
    wanted = [r for r, kept in zip(readings, keep, strict=True) if kept]
    found = list(codec.events_of(trimmed)) if trimmed else []
    assert [codec.canonical(e) for e in found] == [codec.canonical(r) for r in wanted]
    assert [e.id for e in found] == [r.id for r in wanted]


def test_a_sequenced_frame_is_trimmed_to_one_run_only() -> None:
    readings = [Telemetry(machine="M", t=Instant(i), id=f"seq:s:x:{i + 1}", ingested=Instant(0)) for i in range(4)]
    record = codec.readings_record(readings, source="s", session="x", first_seq=1)
    trimmed = codec.without(record, [False, True, True, False])
    assert trimmed is not None
    assert codec.ids_of(trimmed) == ["seq:s:x:2", "seq:s:x:3"]
    assert codec.without(record, [True] * 4) is record
    assert codec.without(record, [False] * 4) is None
    with pytest.raises(ValueError, match="one run"):
        codec.without(record, [True, False, True, False])


def test_columns_say_what_is_there() -> None:
    readings = [
        Telemetry(machine="M", t=Instant(i), values={"A": 1.5} if i else {}, counters={"good": i}) for i in range(3)
    ]
    found = frame.Frame(frame.from_readings(readings, ids=False))
    a, good = found.index("A"), found.index("good", counter=True)
    assert a is not None
    assert good is not None
    assert found.index("good") is found.index("B") is None
    assert found.data(good).tolist() == [0, 1, 2]
    valid = found.valid(a)
    assert valid is not None
    assert valid.tolist() == [False, True, True]
    assert found.data(a)[valid].tolist() == [1.5, 1.5]
    assert found.valid(good) is None
    assert found.t.tolist() == [0, 1, 2]
    assert found.seq is None
    assert found.ids == []


# -- one identity for one content --------------------------------------------------------------------------------------


def _row(**fields: Any) -> bytes:
    return msgspec.json.encode(
        {"type": "state.changed", "machine": "M", "t": "2026-11-20T06:00:00Z", "state": "idle"} | fields
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_row(), _row(t="2026-11-20T07:00:00+01:00")),
        (_row(), _row(t=1795154400)),
        (_row(), _row(id="x", ingested=5)),
        (b'{"type":"telemetry","machine":"M","t":0,"values":{"a":1,"b":-0.0}}',
         b'{"type":"telemetry","machine":"M","t":0,"quality":{"b":"good"},"values":{"b":0,"a":1.0}}'),
        (b'{"type":"telemetry","machine":"M","t":0,"quality":{"b":"bad"}}',
         b'{"type":"telemetry","machine":"M","t":0,"quality":{"b":2147483648}}'),
        (b'{"type":"parts.counted","machine":"M","t":0,"good":0}', b'{"type":"parts.counted","machine":"M","t":0.0}'),
        (b'{"type":"product.changed","machine":"M","t":0,"product":"P","ideal_cycle_s":1.5}',
         b'{"type":"product.changed","machine":"M","t":0,"product":"P","ideal_cycle_s":15e-1}'),
    ],
)  # fmt: skip
def test_the_same_content_has_one_digest(one: bytes, other: bytes) -> None:
    assert codec.digest(line.parse(one)) == codec.digest(line.parse(other))


@pytest.mark.parametrize(
    "other",
    [
        _row(state="running"),
        _row(machine="N"),
        _row(seq=0),
        _row(clock="plc"),
        _row(t="2026-11-20T06:00:00.000000001Z"),
    ],
)
def test_other_content_has_another_digest(other: bytes) -> None:
    assert codec.digest(line.parse(_row())) != codec.digest(line.parse(other))


def test_a_line_without_an_id_is_told_by_its_content_and_number() -> None:
    def ids() -> list[str]:
        numbered = line.Numbered()
        return [numbered.identify(line.parse(text)) for text in (_row(), _row(), _row(id="own"), _row(seq=1))]

    first = ids()
    assert first == ids()
    assert len(set(first)) == 4
    assert first[2] == "own"


# -- time --------------------------------------------------------------------------------------------------------------


@QUICK
@given(st.integers(EARLIEST, LATEST - 1))
def test_an_instant_survives_its_text(ns: int) -> None:
    assert parse_instant(format_instant(ns)) == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00Z", 0),
        ("1970-01-01 00:00:01,5z", 1_500_000_000),
        ("1969-12-31T23:00:01-0100", SECOND),
        ("2200-12-31T23:59:59.999999999Z", LATEST - 1),
        (0.1, 100_000_000),
        (1_795_154_400, NOW),
        (1_795_154_400.000001, NOW + 1000),
    ],
)
def test_times_are_read_to_the_nanosecond(text: object, ns: int) -> None:
    assert parse_instant(text) == ns


@pytest.mark.parametrize(
    "text",
    ["2026-11-20T06:00:00", "2026-11-20", "2026-11-20T25:00:00Z", "2026-02-30T00:00:00Z", "1969-12-31T23:59:59Z",
     "2026-11-20T06:00:00.1234567890Z", "2026-11-20T06:00:00+24:00", "2201-01-01T00:00:00Z", "٢٠٢٦-11-20T06:00:00Z",
     "", "now", True, None, [], -1, 1e300, float("nan"), float("inf"), 10**30],
)  # fmt: skip
def test_a_time_that_is_none_is_refused(text: object) -> None:
    with pytest.raises(InvalidEvent, match=r"expected .*, got "):
        parse_instant(text)


def test_a_time_of_a_million_digits_is_refused_at_once() -> None:
    """Written out, 1e999990 costs half a minute of CPU: one line would hold up an import."""
    begun = time.process_time()
    with pytest.raises(InvalidEvent, match=r"expected ISO 8601 .*, got 1E\+999990"):
        line.parse(b'{"type":"clock.ticked","t":1e999990}')
    assert time.process_time() - begun < 5


def test_a_span_is_exact_in_a_line() -> None:
    event = DefinitionSet(t=Instant(0), name="a", version=1, policy=Policy(microstop_s=Span(2**63 - 1)))
    assert b'"microstop_s":9223372036.854775807' in codec.to_line(event)
    assert line.parse(codec.to_line(event)) == event


def test_spans_are_seconds_outside() -> None:
    assert parse_span(1.5) == 1_500_000_000
    assert instant.seconds(1_500_000_000) == 1.5
    assert isinstance(instant.seconds(2 * SECOND), int)
    assert str(instant.format_seconds(1)) == "1E-9"


# -- refusals ----------------------------------------------------------------------------------------------------------

_T = b'"machine":"M","t":0'
REFUSED: list[tuple[bytes, str]] = [
    (b"", r"expected one JSON object, got b''"),
    (b"not json", r"expected one JSON object, got b'not json'"),
    (b'{"type":"state.changed",%b,"state":"x"} {}' % _T, r"expected one JSON object, .*trailing"),
    (b'{"type":"state.changed",%b,"state":"\xff"}' % _T, r"utf-8"),
    (b"[]", r"Expected `object`, got `array`"),
    (b"[" * 10_000, r"Expected `object`, got `array`"),
    (b'{"type":"model.set",%b,"name":"m","version":1,"settings":{"a":%b' % (_T, b"[" * 100_000), r"recursion"),
    (b"{%b}" % _T, r"missing required field `type`"),
    (b'{"type":"state.change",%b,"state":"x"}' % _T, r"did you mean 'state.changed'\?\), got 'state.change' in `type`"),
    (b'{"type":"zzz"}', r"expected the type of an event \(telemetry, .*\), got 'zzz'"),
    (b'{"type":1}', r"Expected `str` - at `\$.type`"),
    (b'{"type":"state.changed",%b}' % _T, r"missing required field `state`"),
    (b'{"type":"state.changed",%b,"state":"x","stat":"y"}' % _T, r"known field \(did you mean 'state'\?\), got 'stat'"),
    (b'{"type":"state.changed",%b,"state":7}' % _T, r"Expected `str`, got `int` - at `\$.state`"),
    (b'{"type":"state.changed","t":0,"state":"x"}', r"state.changed: expected a machine, got none"),
    (b'{"type":"state.changed","machine":"%b","t":0,"state":"x"}' % (b"m" * 65), r"machine of at most 64 .*, got 'mmm"),
    (b'{"type":"state.changed","machine":"a\\nb","t":0,"state":"x"}', r"printable characters, got 'a\\nb'"),
    (b'{"type":"state.changed",%b,"state":"x","id":"%b"}' % (_T, b"i" * 257), r"id of at most 256 characters, got 257"),
    (b'{"type":"state.changed",%b,"state":"x","seq":-1}' % _T, r"expected seq of 0 or more, got -1"),
    (b'{"type":"state.changed",%b,"state":"x","seq":9223372036854775808}' % _T, r"seq to fit 64 bits, got 9223372036854775808"),
    (b'{"type":"state.changed","machine":"M","t":"2026-11-20T06:00:00","state":"x"}', r"with offset .*, got '2026.*`\$.t`"),
    (b'{"type":"state.changed","machine":"M","t":1e999999999,"state":"x"}', r"expected ISO 8601 .*, got 1E\+999999999"),
    (b'{"type":"state.changed","machine":"M","t":1e999999,"state":"x"}', r"expected ISO 8601 .*, got 1E\+999999"),
    (b'{"type":"state.changed","machine":"M","t":null,"state":"x"}', r"expected ISO 8601 .*, got None"),
    (b'{"type":"state.changed",%b,"state":"x","ingested":"soon"}' % _T, r"expected a time .*, got 'soon' - at `\$.ingested`"),
    (b'{"type":"telemetry",%b,"values":{"a":null}}' % _T, r"Expected `bool \| int \| float \| str`, got `null`"),
    (b'{"type":"telemetry",%b,"values":{"a":1e999}}' % _T, r"out of range"),
    (b'{"type":"telemetry",%b,"values":{"a":NaN}}' % _T, r"expected one JSON object"),
    (b'{"type":"telemetry",%b,"values":{"a":9223372036854775808}}' % _T, r"64-bit number for 'a', got 9223372036854775808"),
    (b'{"type":"telemetry",%b,"values":{"a\\u0000":1}}' % _T, r"expected a signal of at most 64 printable"),
    (b'{"type":"telemetry",%b,"quality":{"a":"goof"}}' % _T, r"expected quality good, .*, got 'goof'"),
    (b'{"type":"telemetry",%b,"quality":{"a":4294967296}}' % _T, r"expected quality good, .*, got 4294967296"),
    (b'{"type":"telemetry",%b,"quality":{"":"bad"},"counters":{"total":-1}}' % _T, r"counter 'total' from 0 to .*, got -1"),
    (b'{"type":"telemetry",%b,"counters":{"all":1}}' % _T, r"expected one of total, good, reject, got 'all'"),
    (b'{"type":"counter.read",%b,"counter":"all","value":1}' % _T, r"one of total, good, reject, got 'all' at `\$.counter`"),
    (b'{"type":"counter.read",%b,"counter":"total","value":1.5}' % _T, r"Expected `int`, got `float` - at `\$.value`"),
    (b'{"type":"counter.read",%b,"counter":"total","value":-1}' % _T, r"counter value from 0 to .*, got -1"),
    (b'{"type":"counter.read",%b,"counter":"total","value":4611686018427387904}' % _T, r"counter value .*, got 46116"),
    (b'{"type":"parts.counted",%b,"good":%d}' % (_T, line.PARTS_MAX + 1), r"at most \d+ parts in good, got \d+1"),
    (b'{"type":"parts.counted",%b,"rework":%d}' % (_T, -line.PARTS_MAX - 1), r"at most \d+ parts in rework, got -\d+1"),
    (b'{"type":"parts.counted",%b,"product":"%b"}' % (_T, b"p" * 65), r"expected a product of at most 64"),
    (b'{"type":"product.changed",%b,"product":"p","ideal_cycle_s":0}' % _T, r"ideal_cycle_s above 0, .*, got 0"),
    (b'{"type":"product.changed",%b,"product":"p","ideal_cycle_s":1e7}' % _T, r"ideal_cycle_s above 0, .*, got 1"),
    (b'{"type":"product.changed",%b,"product":"p","ideal_cycle_s":"1"}' % _T, r"expected a number of seconds, got '1'"),
    (b'{"type":"reason.assigned",%b,"from":5,"to":5,"category":"run"}' % _T, r"expected from before to, got 1970-.*:05Z"),
    (b'{"type":"reason.assigned",%b,"from":1,"to":5,"category":"ran"}' % _T, r"one of run, unplanned, .*, got 'ran'"),
    (b'{"type":"calendar.set",%b,"intervals":[{"kind":"shift","from":5,"to":4}]}' % _T, r"interval from before to, got"),
    (b'{"type":"calendar.set",%b,"intervals":[{"kind":"off","from":5,"to":6}]}' % _T, r"one of shift, planned_stop, got 'off'"),
    (b'{"type":"calendar.set",%b,"intervals":[{"kind":"shift","from":5,"too":6}]}' % _T, r"mean 'to'\?\), got 'too' - at"),
    (b'{"type":"definition.set","t":0,"name":"","version":1}', r"expected a name of the definition, got none"),
    (b'{"type":"definition.set","t":0,"name":"a","version":1,"policy":{"microstop_s":-1}}', r"microstop_s of 0 or more, got -1"),
    (b'{"type":"definition.set","t":0,"name":"a","version":1,"policy":{"setup":"x"}}', r"one of loss, exclude, got 'x'"),
    (b'{"type":"definition.set","t":0,"name":"a","version":1,"policy":{"state_map":{"a":"x"}}}', r"one of run, .*, got 'x'"),
    (b'{"type":"definition.set","t":0,"name":"a","version":1,"policy":{"setpu":"x"}}', r"mean 'setup'\?\), got 'setpu'"),
    (b'{"type":"definition.set","t":0,"name":"a","version":9223372036854775808}', r"version to fit 64 bits, got 9223"),
    (b'{"type":"machine.registered",%b,"counters":{"total":{"modulus":0}}}' % _T, r"modulus of counter 'total' from 1 .*, got 0"),
    (b'{"type":"machine.registered",%b,"counters":{"good":{"max_step":-1}}}' % _T, r"max_step of counter 'good' from 0 .*got -1"),
    (b'{"type":"machine.registered",%b,"counters":{"good":{"backstep_max":-1}}}' % _T, r"backstep_max of counter 'good' .* -1"),
    (b'{"type":"model.set",%b,"name":"m","version":1,"settings":{"a":[1e999]}}' % _T, r"finite number, got inf"),
    (b'{"type":"approval.decided",%b,"approval":"a","decision":"approved","evidence":{"a":9223372036854775808}}' % _T,
     r"64-bit number, got 9223372036854775808"),
    (b'{"type":"workorder.started",%b,"order":"o","quantity":-9223372036854775809}' % _T, r"quantity to fit 64 bits, got -922"),
    (b'{"type":"quality.recorded",%b,"characteristic":"c","value":9223372036854775808}' % _T, r"64-bit number, got 9223"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_wrong_line_is_refused_in_words(text: bytes, message: str) -> None:
    with pytest.raises(InvalidEvent, match=message):
        line.parse(text)


def test_a_time_ahead_of_its_arrival_is_refused() -> None:
    def event(t: int, ingested: int | None = None) -> StateChanged:
        return StateChanged(
            machine="M", t=Instant(t), state="x", ingested=None if ingested is None else Instant(ingested)
        )

    line.check_time(event(NOW + line.AHEAD_MAX), NOW)
    line.check_time(event(NOW, NOW), NOW)
    for wrong, message in (
        (
            event(NOW + line.AHEAD_MAX + 1),
            "expected t at most 5 min after the event came in .*, got 2026-11-20T06:05:00",
        ),
        (event(NOW, NOW - line.AHEAD_MAX - 1), "expected t at most 5 min after the event came in"),
        (event(NOW, NOW + line.AHEAD_MAX + 1), "expected ingested in the past .*, got 2026-11-20T06:05:00"),
    ):
        with pytest.raises(InvalidEvent, match=message):
            line.check_time(wrong, NOW)


@QUICK
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_rubbish_is_refused_and_never_worse(text: bytes) -> None:
    with pytest.raises(InvalidEvent):
        line.parse(text)


def _mutants(rng: random.Random, text: bytes, n: int) -> Iterator[bytes]:
    for _ in range(n):
        found = bytearray(text)
        for _ in range(rng.choice((1, 1, 2))):
            at = rng.randrange(len(found))
            kind = rng.randrange(3)
            if kind == 0:
                found[at] = rng.randrange(256)
            elif kind == 1:
                del found[at : at + rng.choice((1, 2, 9))]
            else:
                found[at:at] = rng.choice((b"9" * 20, b"\\u0000", b'"', b"{", b"e99", b"-", b"\0" * 8))
            found = found or bytearray(b" ")
        yield bytes(found)


def test_a_damaged_line_is_refused_or_still_an_event() -> None:
    rng = random.Random(7)
    taken = 0
    for text in golden_files.lines("events.v1"):
        for mutant in _mutants(rng, text, 90):
            try:
                event = line.parse(mutant)
            except InvalidEvent:
                continue
            taken += 1
            assert line.parse(codec.to_line(event)) == event
            if not isinstance(event, Telemetry):
                assert list(codec.events_of(codec.record_of(event))) == [event]
    assert taken > 100


def test_a_damaged_payload_is_refused_or_still_readable() -> None:
    rng = random.Random(8)
    for name in golden_files.NAMES:
        for record in golden_files.records(name):
            for payload in _mutants(rng, record.payload, 40):
                try:
                    list(codec.events_of(msgspec.structs.replace(record, payload=payload, crc32=zlib.crc32(payload))))
                except InvalidEvent:
                    continue


def test_a_payload_that_is_not_the_one_that_was_written_is_refused() -> None:
    (record,) = golden_files.records("events.v1")[:1]
    with pytest.raises(InvalidEvent, match=r"expected a payload with crc32 0x[0-9a-f]{8}, got another"):
        list(codec.events_of(msgspec.structs.replace(record, crc32=record.crc32 ^ 1)))


_HEADER = frame.Header(2, [frame.Column("A", "f8")])


def _payload(header: Any, body: bytes) -> bytes:
    text = msgspec.msgpack.encode(header)
    whole = len(text).to_bytes(4, "little") + text
    return whole.ljust((len(whole) + 7) & ~7, b"\0") + body


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "expected a frame header"),
        (b"\x04\x00\x00\x00abc", "expected a frame header"),
        (_payload(_HEADER, bytes(31)), r"expected a frame of \d+ bytes, got \d+"),
        (_payload(_HEADER, bytes(33)), r"expected a frame of \d+ bytes, got \d+"),
        (_payload(frame.Header(0, []), b""), "expected 1 to 1000 readings in a frame, got 0"),
        (_payload(frame.Header(1001, []), bytes(8008)), "expected 1 to 1000 readings in a frame, got 1001"),
        (_payload(frame.Header(-1, []), b""), "expected 1 to 1000 readings in a frame, got -1"),
        (_payload(frame.Header(1, [frame.Column("A", "f4")]), bytes(16)), "expected a column of .*, got 'f4' for 'A'"),
        (_payload(frame.Header(1, [frame.Column("A", "f8", status=[(1, 2)])]), bytes(16)), "expected 1 status codes for 'A'"),
        (_payload(frame.Header(1, [], ids=["a", "b"]), bytes(8)), "expected 1 ids in a frame, got 2"),
        (_payload([1, [], False, [7]], bytes(8)), "expected ids in a frame's header"),
        (_payload(frame.Header(1, [frame.Column("A", "u4", words=["x"])]), bytes(8) + b"\x01" + bytes(7)),
         "expected codes below 1 for the words of 'A', got 1"),
    ],
)  # fmt: skip
def test_a_wrong_frame_is_refused_in_words(payload: bytes, message: str) -> None:
    record = Record(type="telemetry", payload=payload, machine="M", crc32=zlib.crc32(payload))
    with pytest.raises(InvalidEvent, match=message):
        list(codec.events_of(record))


def test_what_cannot_be_one_frame_is_refused_in_words() -> None:
    mixed = [Telemetry(machine="M", t=Instant(0), values={"A": value}) for value in (1.5, "on")]
    with pytest.raises(InvalidEvent, match=r"expected one type of value for signal 'A' in a frame, got \['f8', 'u4'\]"):
        frame.from_readings(mixed, ids=False)
    with pytest.raises(InvalidEvent, match="expected 1 to 1000 readings in a frame, got 0"):
        frame.encode(np.zeros(0, np.int64), [])
    many = [Telemetry(machine="M", t=Instant(0))] * 1001
    with pytest.raises(InvalidEvent, match="got 1001"):
        frame.from_readings(many, ids=False)


@pytest.mark.parametrize(
    "changed", [{"version": 2}, {"type": "state.guessed"}, {"payload": b"\xc1"}, {"payload": b"\x80"}]
)
def test_a_record_of_another_release_is_refused_in_words(changed: Mapping[str, Any]) -> None:
    record = codec.record_of(ClockTicked(t=Instant(0), id="x", ingested=Instant(0)))
    other = msgspec.structs.replace(record, **changed)
    with pytest.raises(InvalidEvent, match=r"position 0: .*(not known|does not decode)"):
        list(codec.events_of(msgspec.structs.replace(other, crc32=zlib.crc32(other.payload))))
