"""Nothing that a source brings is lost, counted twice or acknowledged too early."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
import pytest

from tailrace.connectors.memory import MemoryLog
from tailrace.engine import ingest
from tailrace.engine.ingest import Account, Ingest
from tailrace.engine.log import Receipt
from tailrace.engine.packing import Arrival, pack
from tailrace.engine.source import Delivery, Health, Origin, Rejected
from tailrace.schemas import codec, frame, line
from tailrace.schemas.errors import InvalidEvent, SendFailed
from tailrace.schemas.event import (
    OWN,
    AnyEvent,
    ConnectionLost,
    DefinitionSet,
    IngestQuarantined,
    SourceAccounted,
    StateChanged,
    Telemetry,
)
from tailrace.schemas.instant import SECOND, Instant
from tailrace.schemas.record import Record

NOW = 1_800_000_000 * SECOND


def reading(i: int, machine: str = "M1", **fields: object) -> Telemetry:
    given = {"id": f"r{i}", "t": Instant(NOW - SECOND + i), "machine": machine, "values": {"temp": float(i)}, **fields}
    return Telemetry(**given)  # type: ignore[arg-type]


def state(i: int, word: str = "running", machine: str = "M1") -> StateChanged:
    return StateChanged(machine=machine, t=Instant(NOW - SECOND + i), id=f"s{i}", state=word)


class Given:
    """A source that brings what it was given, and then ends or waits."""

    def __init__(self, deliveries: Sequence[Delivery], *, ends: bool = True, name: str = "given") -> None:
        self.name = name
        self.acknowledged: list[int] = []
        self.asked = 0
        self.left = False
        self.waits = asyncio.Event()
        self._given = deliveries
        self._ends = ends

    @property
    def health(self) -> Health:
        return Health(connected=True, since=0)

    async def deliveries(self) -> AsyncIterator[Delivery]:
        try:
            for i, each in enumerate(self._given):
                self.asked = i + 1
                yield msgspec.structs.replace(each, acknowledge=self._acknowledge(i))
            if not self._ends:
                self.waits.set()
                await asyncio.Event().wait()
        finally:
            self.left = True

    def _acknowledge(self, i: int) -> Callable[[], object]:
        async def done() -> None:
            assert not self.left or self._ends, "an acknowledgement needs the connection"
            self.acknowledged.append(i)

        return done


class Failing(MemoryLog):
    """A log whose appends fail a number of times: before anything is stored, or after."""

    def __init__(self, failures: int, *, stored: bool = False) -> None:
        super().__init__()
        self.failures = failures
        self._stored = stored

    async def append(self, records: Sequence[Record]) -> Receipt:
        if self.failures and self._stored:
            await super().append(records)
        if self.failures:
            self.failures -= 1
            raise SendFailed("no room on the disk")
        return await super().append(records)


async def carry(source: Given, log: MemoryLog, **options: object) -> Ingest:
    worker = Ingest(source, log, **{"clock": lambda: NOW, "token": "t", **options})  # type: ignore[arg-type]
    await asyncio.wait_for(worker.run(), 60)
    return worker


async def events_in(log: MemoryLog) -> list[tuple[Record, AnyEvent]]:
    return [(record, event) for record in await log.read(0, 1_000_000) for event in codec.events_of(record)]


async def account_in(log: MemoryLog, source: str) -> Account:
    """The account of a source, from the log alone."""
    found = await events_in(log)
    appended = sum(record.source == source for record, _ in found)
    notes = [e for r, e in found if r.source == OWN and isinstance(e, SourceAccounted) and e.source == source]
    duplicate, quarantined = sum(e.duplicate for e in notes), sum(e.quarantined for e in notes)
    return Account(appended + duplicate + quarantined, appended, duplicate, quarantined)


async def test_everything_is_appended_or_known_or_quarantined() -> None:
    log = MemoryLog()
    delivery = Delivery(
        events=[
            reading(1),
            reading(2),
            reading(1),
            state(3),
            state(3, "stopped"),
            reading(4, t=Instant(NOW + 301 * SECOND)),
        ],
        rejected=[Rejected("expected JSON, got this", b"\xff\x00", "line 9")],
        origins=[Origin(b"raw%d" % i, f"line {i}") for i in range(6)],
    )
    source = Given([delivery])
    worker = await carry(source, log)
    assert worker.account == Account(received=7, appended=3, duplicate=1, quarantined=3)
    assert await account_in(log, "given") == worker.account
    refused = [e for r, e in await events_in(log) if isinstance(e, IngestQuarantined)]
    assert [(e.raw, e.where, e.source) for e in refused] == [
        (b"\xff\x00", "line 9", "given"),
        (b"raw5", "line 5", "given"),
        (b"raw4", "line 4", "given"),
    ]
    assert "5 min" in refused[1].reason
    assert "'s3'" in refused[2].reason and "position 2" in refused[2].reason and "line 4" in refused[2].reason
    assert source.acknowledged == [0]


async def test_an_account_of_plain_appends_needs_no_note() -> None:
    log = MemoryLog()
    await carry(Given([Delivery(events=[reading(i)]) for i in range(10)]), log)
    assert all(record.source == "given" for record in await log.read(0, 100))
    assert await account_in(log, "given") == Account(10, 10)


async def test_a_failed_append_is_neither_acknowledged_nor_dropped() -> None:
    log, pauses = Failing(3), list[float]()
    source = Given([Delivery(events=[reading(1)]), Delivery(events=[reading(2)])])
    troubles: list[str] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        troubles.append(worker.trouble)
        assert source.acknowledged == []

    worker = Ingest(source, log, clock=lambda: NOW, token="t", pause=pause)
    await worker.run()
    assert pauses == [0.1, 0.2, 0.4]
    assert troubles == ["no room on the disk"] * 3 and worker.trouble == ""
    assert worker.account == Account(2, 2) and source.acknowledged == [0, 1]


async def test_a_failed_append_that_was_stored_is_not_stored_twice() -> None:
    log = Failing(2, stored=True)
    await carry(Given([Delivery(events=[reading(1), state(2)])]), log, pause=lambda _: asyncio.sleep(0))
    assert Counter(e.id for _, e in await events_in(log) if e.machine) == {"r1": 1, "s2": 1}


async def test_importing_a_broken_file_twice_counts_twice_and_keeps_one_note_each() -> None:
    log = MemoryLog()
    broken = [Rejected("expected JSON, got {", b"{"), Rejected("expected JSON, got {", b"{"), Rejected("got [", b"[")]
    for token in ("first", "second"):
        worker = await carry(Given([Delivery(events=[reading(1)], rejected=broken)]), log, token=token)
        assert worker.account.quarantined == 3
    kinds = Counter(type(e).__name__ for _, e in await events_in(log))
    assert kinds == {"Telemetry": 1, "IngestQuarantined": 3, "SourceAccounted": 2}
    assert await account_in(log, "given") == Account(8, 1, 1, 6)


async def test_a_signal_that_is_not_declared_is_quarantined() -> None:
    log = MemoryLog()
    good, wrong = reading(1), reading(2, values={"temp": 1.0, "presure": 2.0})
    other = reading(3, machine="M2", values={"anything": 1.0})
    worker = await carry(Given([Delivery(events=[good, wrong, other])]), log, signals={"M1": frozenset({"temp"})})
    assert worker.account == Account(3, 2, 0, 1)
    (note,) = [e for _, e in await events_in(log) if isinstance(e, IngestQuarantined)]
    assert "presure" in note.reason and "temp" in note.reason
    assert line.parse(note.raw).id == "r2"


async def test_what_a_source_says_of_itself_is_tailraces_own() -> None:
    lost = ConnectionLost(t=Instant(NOW), id="lost1", source="given")
    log = MemoryLog()
    worker = await carry(Given([Delivery(events=[reading(1), lost, reading(2)])]), log)
    assert worker.account == Account(2, 2)
    assert [(r.source, e.id) for r, e in await events_in(log)] == [("given", "r1"), (OWN, "lost1"), ("given", "r2")]
    from_file = MemoryLog()
    worker = await carry(Given([Delivery(events=[lost])], name="file:x"), from_file, live=False)
    assert worker.account == Account(1, 1)


async def test_stopping_carries_and_acknowledges_what_was_taken_then_leaves() -> None:
    source, log = Given([Delivery(events=[reading(i)]) for i in range(50)], ends=False), MemoryLog()
    worker = Ingest(source, log, clock=lambda: NOW, token="t")
    running = asyncio.create_task(worker.run())
    await source.waits.wait()
    worker.stop()
    await asyncio.wait_for(running, 60)
    assert source.left and source.acknowledged == list(range(50)) and worker.account.appended == 50


async def test_a_source_that_never_rests_can_be_stopped() -> None:
    class Endless(Given):
        async def deliveries(self) -> AsyncIterator[Delivery]:
            for i in range(10**9):
                yield Delivery(events=[reading(i)])
                if i == 100:
                    worker.stop()
                await asyncio.sleep(0)

    worker = Ingest(Endless([]), MemoryLog(), clock=lambda: NOW, token="t")
    await asyncio.wait_for(worker.run(), 60)
    assert 0 < worker.account.appended <= 200


async def test_a_log_that_cannot_append_stops_the_asking() -> None:
    source = Given([Delivery(events=[reading(i)]) for i in range(3 * ingest.WAITING_MAX)])
    asked: list[int] = []

    async def pause(_: float) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        asked.append(source.asked)

    await asyncio.wait_for(Ingest(source, Failing(3), clock=lambda: NOW, token="t", pause=pause).run(), 60)
    assert asked[-1] == asked[-2] <= ingest.WAITING_MAX + ingest.BATCH_MAX
    assert len(source.acknowledged) == 3 * ingest.WAITING_MAX


async def test_one_event_that_no_log_can_keep_does_not_hold_back_its_neighbours() -> None:
    class Picky(MemoryLog):
        async def append(self, records: Sequence[Record]) -> Receipt:
            if any(record.id == "s7" for record in records):
                raise InvalidEvent("expected at most 16 bytes, got 17")
            return await super().append(records)

    log = Picky()
    worker = await carry(Given([Delivery(events=[state(i) for i in range(20)])]), log)
    assert worker.account == Account(20, 19, 0, 1)
    assert [e.id for _, e in await events_in(log) if e.machine] == [f"s{i}" for i in range(20) if i != 7]


# -- frames ------------------------------------------------------------------------------------------------------------


def frames(events: Sequence[AnyEvent], session: str = "run1") -> list[Record]:
    stamped = [msgspec.structs.replace(event, ingested=event.ingested or Instant(NOW)) for event in events]
    packed, refused = pack([Arrival(event, session) for event in stamped], source="plc", site="")
    assert not refused
    for each in packed:
        assert [arrival.event.id for arrival in each.arrivals] == codec.ids_of(each.record)
    return [each.record for each in packed]


def test_readings_of_one_machine_share_frames_of_at_most_1000() -> None:
    assert [record.n for record in frames([reading(i) for i in range(2500)])] == [1000, 1000, 500]


def test_consecutive_numbers_of_a_session_make_sequenced_frames() -> None:
    ids = [f"seq:plc:run1:{n}" for n in (1, 2, 3, 5, 6)] + [
        "seq:plc:run2:7",
        "other",
        "seq:plc:run1:x",
        "seq:plc:run1:07",
    ]
    got = [(record.first_seq, record.n) for record in frames([reading(i, id=each) for i, each in enumerate(ids)])]
    assert got == [(1, 3), (5, 2), (0, 4)]


@pytest.mark.parametrize(
    ("second", "n"),
    [
        (reading(2), [2]),
        (reading(2, values={"temp": "hot"}), [1, 1]),
        (reading(2, values={"temp": True}), [1, 1]),
        (reading(2, values={"temp": 2**60}), [1, 1]),
        (reading(2, values={}, counters={"total": 5}), [2]),
        (reading(2, values={}, quality={"temp": "bad"}), [2]),
        (reading(2, clock="device"), [1, 1]),
        (reading(2, ingested=Instant(NOW - 5)), [1, 1]),
        (reading(2, machine="M2"), [1, 1]),
    ],
)
def test_what_may_share_a_frame(second: Telemetry, n: list[int]) -> None:
    assert [record.n for record in frames([reading(1), second])] == n


def test_another_event_of_the_machine_or_of_the_site_closes_a_frame() -> None:
    site = DefinitionSet(t=Instant(NOW), id="d", name="a", version=1)
    assert [record.n for record in frames([reading(1), state(2), reading(3)])] == [1, 1, 1]
    assert [record.n for record in frames([reading(1), state(2, machine="M2"), reading(3)])] == [2, 1]
    assert [record.n for record in frames([reading(1), site, reading(3)])] == [1, 1, 1]


def test_a_frame_of_holes_is_closed() -> None:
    sparse = frames([reading(i, values={f"signal{i}": 1.0}) for i in range(1000)])
    cells = sum(record.n * len(frame.Frame(record.payload).header.columns) for record in sparse)
    assert len(sparse) > 1 and cells <= len(sparse) * 1000


@pytest.mark.parametrize("seed", range(20))
def test_packing_keeps_every_event_and_the_order_of_each_machine(seed: int) -> None:
    choice = random.Random(seed)
    events: list[AnyEvent] = []
    for i in range(400):
        machine = choice.choice(["M1", "M2", "M3"])
        kind = choice.random()
        if kind < 0.05:
            events.append(DefinitionSet(t=Instant(NOW), id=f"d{i}", name="a", version=i))
        elif kind < 0.15:
            events.append(state(i, machine=machine))
        else:
            value = choice.choice([1.5, 2, "word", True, 2**60])
            name = choice.choice(["a", "b"])
            event_id = f"seq:plc:run1:{i + 1}" if choice.random() < 0.7 else f"x{i}"
            events.append(
                reading(i, machine=machine, id=event_id, values={name: value}, clock=choice.choice(["", "dev"]))
            )
    stamped = [msgspec.structs.replace(event, ingested=Instant(NOW)) for event in events]
    records = frames(stamped)
    out = [event for record in records for event in codec.events_of(record)]
    assert sorted(codec.canonical(e) for e in out) == sorted(codec.canonical(e) for e in stamped)
    order: dict[str, list[str]] = defaultdict(list)
    expected: dict[str, list[str]] = defaultdict(list)
    for ids, found in ((order, out), (expected, stamped)):
        for event in found:
            for machine in [event.machine] if event.machine else ["M1", "M2", "M3"]:
                ids[machine].append(event.id)
    assert order == expected


def ready(first: int, last: int, temp: float = 0.0) -> Record:
    """A frame as a source inside this process builds it: numbered, and complete with its ingest time."""
    readings = [reading(i, values={"temp": i + temp}, ingested=Instant(NOW)) for i in range(first, last + 1)]
    return codec.readings_record(readings, source="given", session="s", first_seq=first)


async def test_records_that_come_ready_are_known_and_trimmed_and_refused_like_events() -> None:
    log = MemoryLog()
    turn, other = (
        codec.record_of(msgspec.structs.replace(state(9, word), ingested=Instant(NOW)), source="given", session="s")
        for word in ("running", "stopped")
    )
    source = Given([
        Delivery(events=[reading(0, id="plain")]),
        Delivery(records=[ready(1, 5), turn]),
        Delivery(records=[ready(4, 8), other]),
        Delivery(events=[reading(20, id="last")], records=()),
        Delivery(records=[ready(8, 9, temp=0.5)]),
    ])  # fmt: skip
    worker = await carry(source, log)
    assert worker.account == Account(received=16, appended=12, duplicate=2, quarantined=2)
    assert await account_in(log, "given") == worker.account
    found = [e for r, e in await events_in(log) if r.source == "given"]
    order = ["plain", *(f"seq:given:s:{n}" for n in range(1, 6)), "s9", *(f"seq:given:s:{n}" for n in range(6, 9))]
    assert [e.id for e in found] == [*order, "last", "seq:given:s:9"]
    refused = [e for _, e in await events_in(log) if isinstance(e, IngestQuarantined)]
    assert [line.parse(e.raw).id for e in refused] == ["s9", "seq:given:s:8"]
    assert source.acknowledged == [0, 1, 2, 3, 4]


class Held(MemoryLog):
    """A log that stores nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()

    async def append(self, records: Sequence[Record]) -> Receipt:
        await self.free.wait()
        return await super().append(records)


async def test_no_more_ready_records_are_asked_for_than_may_wait() -> None:
    log = Held()
    source = Given([Delivery(records=[ready(1000 * i + 1, 1000 * i + 1000)]) for i in range(40)], ends=False)
    worker = Ingest(source, log, clock=lambda: NOW, token="t")
    running = asyncio.create_task(worker.run())
    for _ in range(500):
        await asyncio.sleep(0)
    assert ingest.WAITING_MAX <= source.asked * 1000 <= ingest.WAITING_MAX + ingest.BATCH_MAX + 2000
    log.free.set()
    await asyncio.wait_for(source.waits.wait(), 60)
    worker.stop()
    await asyncio.wait_for(running, 60)
    assert worker.account == Account(40_000, 40_000) and source.acknowledged == list(range(40))
