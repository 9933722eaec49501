"""A file read line by line: what is an event becomes one, what is not is rejected with its line, twice is once."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from components import shared
from tailrace.connectors import source_file
from tailrace.connectors.memory import MemoryLog
from tailrace.connectors.shdr import Shdr
from tailrace.connectors.source_file import Counts, open_file
from tailrace.engine.ingest import Account, Ingest
from tailrace.engine.source import Delivery, Rejected
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent, InvalidSettings
from tailrace.schemas.event import AnyEvent, StateChanged, Telemetry
from tailrace.schemas.instant import SECOND, parse_instant

T = "2026-11-20T06:00:00.7167146Z"


async def read(path: Path, machine: str = "") -> tuple[list[AnyEvent], list[Rejected]]:
    deliveries: list[Delivery] = [each async for each in open_file(path, machine).deliveries()]
    return [e for d in deliveries for e in d.events], [r for d in deliveries for r in d.rejected]


async def imported(path: Path, log: MemoryLog) -> Account:
    worker = Ingest(open_file(path), log, clock=lambda: 1_900_000_000 * SECOND, token="t", live=False)
    await worker.run()
    return worker.account


def shdr(*lines: str, machine: str = "M1") -> list[AnyEvent]:
    reader = Shdr(machine)
    return [event for line in lines for event in reader.events(line.encode())]


def states(events: list[AnyEvent]) -> list[str]:
    return [event.state for event in events if isinstance(event, StateChanged)]


def readings(events: list[AnyEvent]) -> list[Telemetry]:
    return [event for event in events if isinstance(event, Telemetry)]


# -- the events file ---------------------------------------------------------------------------------------------------


async def test_lines_become_events_or_are_rejected_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"type":"state.changed","machine":"M1","t":1,"state":"running","id":"e1"}\r\n'
        b"\n"
        b"not json\n"
        b'{"type":"state.changed","machine":"M1","t":"2026-11-20T06:00:00","state":"running"}\n'
        b'{"type":"nonsense","machine":"M1","t":1}\n'
        b'{"type":"clock.ticked","t":5}'
    )
    events, rejected = await read(path)
    assert [codec.type_of(event) for event in events] == ["state.changed", "clock.ticked"]
    assert [(r.where, r.raw[:10]) for r in rejected] == [
        ("day.jsonl line 3", b"not json"),
        ("day.jsonl line 4", b'{"type":"s'),
        ("day.jsonl line 5", b'{"type":"n'),
    ]
    assert "offset" in rejected[1].reason


async def test_a_second_import_is_all_duplicates_and_equal_lines_are_events_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "counts.jsonl"
    line = '{"type":"parts.counted","machine":"M1","t":1,"good":1}\n'
    path.write_text(line * 3)
    log = MemoryLog()
    assert await imported(path, log) == Account(3, 3)
    assert await imported(path, log) == Account(3, 0, 3)
    path.write_text(line * 5)
    assert await imported(path, log) == Account(5, 2, 3)


async def test_a_quarantined_line_keeps_its_own_bytes(tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    path.write_text(
        '{"type":"state.changed", "machine":"M1", "t":1, "state":"running", "id":"e1"}\n'
        '{"type":"state.changed", "machine":"M1", "t":1, "state":"stopped", "id":"e1"}\n'
        '{"type":"state.changed", "machine":"M1", "t":4000000000, "state":"running"}\n'
    )
    log = MemoryLog()
    assert await imported(path, log) == Account(3, 1, 0, 2)
    notes = [event for record in await log.read(1, 10) for event in codec.events_of(record)]
    assert [(n.where, n.raw) for n in notes if codec.type_of(n) == "ingest.quarantined"] == [  # type: ignore[union-attr]
        ("two.jsonl line 3", b'{"type":"state.changed", "machine":"M1", "t":4000000000, "state":"running"}'),
        ("two.jsonl line 2", b'{"type":"state.changed", "machine":"M1", "t":1, "state":"stopped", "id":"e1"}'),
    ]


async def test_an_endless_line_is_rejected_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_bytes(b"x" * (3 * source_file.LINE_MAX) + b'\n{"type":"clock.ticked","t":5}\n')
    events, (rejected,) = await read(path)
    assert len(events) == 1
    assert len(rejected.raw) == source_file.KEPT_MAX
    assert str(3 * source_file.LINE_MAX + 1) in rejected.reason


async def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_file, "REMEMBERED", 1000)
    monkeypatch.setattr(Counts.__init__, "__defaults__", (1000,))
    path = tmp_path / "long.jsonl"
    with path.open("w") as file:
        for i in range(40_000):
            file.write(f'{{"type":"parts.counted","machine":"M1","t":{i},"good":1}}\n')
    tracemalloc.start()
    count = 0
    async for delivery in open_file(path).deliveries():
        count += len(delivery.events)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40_000
    assert peak < 3_000_000


def test_counts_are_the_same_in_memory_and_on_disk() -> None:
    counts = Counts(remembered=2)
    words = [b"a", b"b", b"c", b"a", b"c", b"d", b"c", b"b"]
    assert [counts.add(word) for word in words] == [1, 1, 1, 2, 2, 1, 3, 2]
    counts.close()


@pytest.mark.parametrize(("name", "machine", "words"), [("run.csv", "", "MQTT"), ("x" * 65 + ".shdr", "", "--machine")])
def test_a_file_that_cannot_be_read_yet_is_refused_in_words(
    tmp_path: Path, name: str, machine: str, words: str
) -> None:
    path = tmp_path / name
    path.write_text("t,topic,payload\n")
    with pytest.raises(InvalidSettings, match=words):
        open_file(path, machine)


# -- MTConnect ---------------------------------------------------------------------------------------------------------


def test_a_line_is_a_state_counters_and_one_reading() -> None:
    state, reading = shdr(f"{T}|pexecution|ACTIVE|ppartcount|3|p1block|G01 X5|Fovr|100.5|p1PalletID|UNAVAILABLE")
    assert (state, reading) == (
        StateChanged(machine="M1", t=parse_instant(T), clock="device", state="running", native="ACTIVE"),
        Telemetry(
            machine="M1",
            t=parse_instant(T),
            clock="device",
            values={"p1block": "G01 X5", "Fovr": 100.5},
            quality={"p1PalletID": "bad"},
            counters={"total": 3},
        ),
    )
    assert state.t % SECOND == 716_714_600


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("ACTIVE", "running"),
        ("UNAVAILABLE", "unknown"),
        ("READY", "stopped"),
        ("INTERRUPTED", "stopped"),
        ("", "stopped"),
    ],
)
def test_execution_words(word: str, state: str) -> None:
    assert states(shdr(f"{T}|Mazak:EXECUTION|{word}")) == [state]


def test_a_machine_has_one_execution_and_one_counter_of_each_name() -> None:
    events = shdr(
        f"{T}|p1execution|UNAVAILABLE|p2execution|UNAVAILABLE",
        f"{T}|p2execution|ACTIVE",
        f"{T}|p1execution|STOPPED|PartCountAll|UNAVAILABLE",
        f"{T}|PartCountAct|5|PartCountAll|90|PartCountGood|4|part_count_bad|1|PartCountTarget|100",
    )
    assert states(events) == ["unknown", "unknown", "running"]
    last = readings(events)[-1]
    assert last.counters == {"total": 5, "good": 4, "reject": 1}
    assert last.values == {"PartCountAll": 90.0, "PartCountTarget": 100.0}
    assert readings(events)[0].quality == {"PartCountAll": "bad"}
    assert readings(events)[0].values == {"p1execution": "STOPPED"}


@pytest.mark.parametrize(
    ("line", "values", "quality"),
    [
        ("cond|Normal||||", {"cond": "NORMAL"}, {}),
        ("cond|WARNING|406|||MEMORY PROTECT", {"cond": "WARNING", "cond.code": "406", "cond.text": "MEMORY PROTECT"}, {}),
        ("temp|Fault|1|5|HIGH|too hot", {"temp": "FAULT", "temp.code": "1", "temp.text": "too hot"}, {}),
        ("cond|Unavailable||||", {}, {"cond": "bad"}),
        ("avail|UNAVAILABLE|mode|AUTO|Fovr|1e2", {"mode": "AUTO", "Fovr": 100.0}, {"avail": "bad"}),
        ("a|NaN|b|inf|c|1_000|d|12345678901234567890", {"a": "NaN", "b": "inf", "c": "1_000", "d": "12345678901234567890"}, {}),
        ("a|1|b|", {"a": 1.0, "b": ""}, {}),
        ("a|1|", {"a": 1.0}, {}),
    ],
)  # fmt: skip
def test_values_and_conditions(line: str, values: dict[str, object], quality: dict[str, object]) -> None:
    (reading,) = readings(shdr(f"{T}|{line}"))
    assert (reading.values, reading.quality) == (values, quality)


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"2026-11-20T06:00:00|a|1",
        b"2026-13-20T06:00:00Z|a|1",
        T.encode() + b"|a",
        T.encode() + b"|a|1|b",
        T.encode() + b"||1",
        T.encode() + b"|a|1|a|2",
        T.encode() + b"|@ASSET@|id|tool|<xml/>|x",
        T.encode() + b"|partcount|many",
        T.encode() + b"|partcount|1.5",
        T.encode() + b"|a|\xff",
        T.encode(),
    ],
)
def test_a_broken_line_is_refused_whole(line: bytes) -> None:
    with pytest.raises(InvalidEvent, match="expected"):
        Shdr("M1").events(line)


def test_the_agent_stamps_what_is_unavailable_and_the_device_all_else() -> None:
    events = shdr(
        f"{T}|execution|UNAVAILABLE|mode|UNAVAILABLE",
        f"{T}|servo|Unavailable||||",
        f"{T}|execution|READY|mode|AUTO|tool|UNAVAILABLE",
        f"{T}|servo|Normal||||",
    )
    assert [event.clock for event in events] == ["agent"] * 3 + ["device"] * 3


def test_protocol_chatter_is_nothing() -> None:
    assert shdr("* PONG 10000", "", f"{T}@100.5|a|1") == shdr(f"{T}|a|1")


@pytest.mark.parametrize(
    ("name", "machine", "changes", "counts"),
    [("nist_Mazak01-20161206-20161207.shdr", "", 445, 9), ("mtc_okuma_extract.shdr", "Okuma", 16, 8)],
)
async def test_real_recordings_lose_nothing(name: str, machine: str, changes: int, counts: int) -> None:
    """The figures are counted by hand: `grep -c execution`, and part counts that are numbers."""
    events, rejected = await read(shared(f"recordings/{name}"), machine)
    assert not rejected
    assert len(states(events)) == changes
    assert sum("total" in reading.counters for reading in readings(events)) == counts
    assert {event.machine for event in events} == {machine or name.removesuffix(".shdr")}
