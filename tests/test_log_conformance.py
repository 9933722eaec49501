"""The one contract of the port `Log`, run by every adapter. Differences are features that an adapter declares."""

from __future__ import annotations

import asyncio
import tempfile
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Protocol

import msgspec
import pytest

from archive_logs import ArchivingLog
from kafka_broker import topics
from log_records import NOW, events, everything, identified, large, numbers, reading, sequenced, state
from tailrace.connectors.log_kafka import open_log
from tailrace.connectors.log_socket import LogServer, SocketLog, serve
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.memory import MemoryLog
from tailrace.connectors.ownership import Ownership, own
from tailrace.engine.log import Log, Receipt
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent, Unavailable
from tailrace.schemas.event import Telemetry
from tailrace.schemas.record import Record

WAIT_S = 60.0


class Queries(Log, Protocol):
    """What every adapter can tell besides the port."""

    async def read_machine(self, machine: str, after: int, limit: int) -> list[Record]: ...

    async def events_count(self) -> int: ...

    async def sources(self) -> dict[str, int]: ...

    async def machines(self) -> list[str]: ...


class Adapter:
    """How a log is opened.

    durable: what was appended is there when it is opened again. drops_repeats: an append drops what is in the log already;
    without it repeats reach the log, and the first stage of a fold drops them. tells: it answers more than the port asks for.
    """

    durable = True
    drops_repeats = True
    tells = True

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def open(self) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class InMemory(Adapter):
    durable = False

    async def open(self) -> Any:
        self.log = MemoryLog()
        return self.log

    async def close(self) -> None:
        await self.log.close()


class InFile(Adapter):
    async def open(self) -> Any:
        self.log = SqliteLog(self.directory / "events.db")
        return self.log

    async def close(self) -> None:
        await self.log.close()


class InArchive(Adapter):
    """What was appended leaves the file for the archive all the time."""

    async def open(self) -> Any:
        self.log = ArchivingLog(self.directory / "events.db")
        return self.log

    async def close(self) -> None:
        await self.log.close()


class ThroughSocket(Adapter):
    owner: Ownership
    server: LogServer

    async def open(self) -> Any:
        self.owner = own(self.directory)
        self.behind = SqliteLog(self.directory / "events.db")
        self.server = await serve(self.behind, self.owner.socket)
        self.log = SocketLog(self.directory)
        return self.log

    async def close(self) -> None:
        await self.log.close()
        await self.server.close()
        await self.behind.close()
        self.owner.close()


class InKafka(Adapter):
    drops_repeats = False
    tells = False

    async def open(self) -> Any:
        self.log = await open_log(await asyncio.to_thread(topics, self.directory.name))
        return self.log

    async def close(self) -> None:
        await self.log.close()


@pytest.fixture
def _drops_repeats(adapter: Adapter) -> None:
    if not adapter.drops_repeats:
        pytest.skip("repeats reach this log")


@pytest.fixture
def _tells(adapter: Adapter) -> None:
    if not adapter.tells:
        pytest.skip("this log answers what its port asks for, and no more")


drops_repeats = pytest.mark.usefixtures("_drops_repeats")
tells = pytest.mark.usefixtures("_tells")


@pytest.fixture(
    params=[InMemory, InFile, InArchive, ThroughSocket, InKafka], ids=["memory", "file", "archive", "socket", "kafka"]
)
async def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Adapter]:
    # A folder of its own with a short name, since a socket's address is short.
    with tempfile.TemporaryDirectory(prefix="log-") as directory:
        yield request.param(Path(directory))


@pytest.fixture
async def log(adapter: Adapter) -> AsyncIterator[Queries]:
    yield await adapter.open()
    await adapter.close()


def receipt(last: int, appended: int = 0, duplicate: int = 0) -> Receipt:
    return Receipt(last, appended, duplicate)


# -- order -----------------------------------------------------------------------------------------------------------------


async def test_positions_rise_by_one_from_one(log: Queries) -> None:
    assert await log.end() == 0
    assert await log.append([state(1), state(2)]) == receipt(2, 2)
    assert await log.append([sequenced(1, 5)]) == receipt(3, 5)
    assert await log.end() == 3
    assert [r.position for r in await log.read(0, 10)] == [1, 2, 3]


async def test_reading_begins_after_a_position_and_ends_at_the_limit(log: Queries) -> None:
    await log.append([state(i) for i in range(10)])
    assert [r.position for r in await log.read(3, 4)] == [4, 5, 6, 7]
    assert [r.position for r in await log.read(8, 4)] == [9, 10]
    assert list(await log.read(10, 4)) == []


async def test_a_batch_that_was_not_full_has_more_when_it_is_asked_for_again(log: Queries) -> None:
    for end in range(1, 7):
        await log.append([state(end)])
        assert [r.position for r in await log.read(2, 3)] == list(range(3, min(end, 5) + 1))
        assert [r.position for r in await log.read(0, 3)] == list(range(1, min(end, 3) + 1))


async def test_a_record_comes_back_as_it_was(log: Queries) -> None:
    t = reading(7).t
    event = Telemetry(
        machine="Fräse-α", t=t, id="日本\x00語", clock="µ", values={"größe": 1.5, "text": "ż\u2028"}, ingested=t
    )  # fmt: skip
    record = codec.readings_record([event], source="ſource", session="séance", site="Köln", trace="00-\x7f")
    await log.append([record, state(1)])
    first, second = await log.read(0, 2)
    assert first == msgspec.structs.replace(record, position=1)
    assert second == msgspec.structs.replace(state(1), position=2)
    assert events([first]) == [event]


async def test_large_payloads_and_nothing_at_all(log: Queries) -> None:
    assert await log.append([]) == receipt(0)
    record = large(5_000_000)
    await log.append([record, state(1)])
    assert (await log.read(0, 1))[0].payload == record.payload
    assert await log.append([]) == receipt(2)


async def test_many_producers_lose_nothing_and_keep_their_order(log: Queries) -> None:
    async def produce(k: int) -> list[Receipt]:
        session = f"producer-{k}"
        return [await log.append([sequenced(1 + 10 * i, 10, session=session, machine=f"M{k}")]) for i in range(12)]

    receipts = await asyncio.gather(*(produce(k) for k in range(64)))
    assert {(r.appended, r.duplicate, r.conflicts) for each in receipts for r in each} == {(10, 0, ())}
    records = await everything(log)
    assert len(records) == 64 * 12
    for k in range(64):
        mine = [record for record in records if record.session == f"producer-{k}"]
        assert numbers(mine) == list(range(1, 121))
        assert all(done.last >= record.position for done, record in zip(receipts[k], mine, strict=True))


async def test_appends_from_one_task_after_the_other_keep_their_order(log: Queries) -> None:
    await asyncio.gather(*(log.append([state(i)]) for i in range(200)))
    assert [record.id for record in await everything(log)] == [f"e{i}" for i in range(200)]


# -- identity by id --------------------------------------------------------------------------------------------------------


@drops_repeats
async def test_an_id_is_one_event_whenever_it_came_in(log: Queries) -> None:
    await log.append([state(1)])
    assert await log.append([state(1, ingested=NOW + 5), state(2)]) == receipt(2, 1, 1)
    assert [record.id for record in await everything(log)] == ["e1", "e2"]


@drops_repeats
async def test_an_id_twice_in_one_append(log: Queries) -> None:
    assert await log.append([state(1), state(1), state(2), state(1)]) == receipt(2, 2, 2)


@drops_repeats
async def test_other_content_under_a_known_id_is_a_conflict(log: Queries) -> None:
    await log.append([state(1), state(2)])
    got = await log.append([state(3), state(2, word="down"), state(2)])
    assert (got.last, got.appended, got.duplicate) == (3, 1, 1)
    assert [(c.record, c.row, c.id, c.position) for c in got.conflicts] == [(1, 0, "e2", 2)]
    assert "down" not in [getattr(event, "state", "") for event in events(await everything(log))]


@drops_repeats
async def test_a_conflict_inside_one_append_names_the_first(log: Queries) -> None:
    got = await log.append([state(1), state(1, word="down")])
    assert (got.appended, [(c.record, c.row, c.id, c.position) for c in got.conflicts]) == (1, [(1, 0, "e1", 1)])


@drops_repeats
async def test_a_frame_with_ids_is_trimmed_to_what_is_new(log: Queries) -> None:
    await log.append([identified([(1, "a"), (2, "b")])])
    got = await log.append([identified([(0, "z"), (2, "b"), (3, "c"), (3, "c"), (4, "d")])])
    assert got == receipt(2, 3, 2)
    assert numbers(await everything(log)) == [1, 2, 0, 3, 4]
    assert [event.id for event in events(await everything(log))] == ["a", "b", "z", "c", "d"]
    assert await log.append([identified([(4, "d"), (1, "a")])]) == receipt(2, 0, 2)


@drops_repeats
async def test_a_conflict_in_a_frame_names_its_row_and_spares_the_others(log: Queries) -> None:
    await log.append([identified([(1, "a")])])
    got = await log.append([identified([(2, "b"), (9, "a"), (3, "c"), (8, "b")])])
    assert (got.appended, got.duplicate) == (2, 0)
    assert [(c.record, c.row, c.id, c.position) for c in got.conflicts] == [(0, 1, "a", 1), (0, 3, "b", 2)]
    assert numbers(await everything(log)) == [1, 2, 3]


@drops_repeats
async def test_events_without_an_id_are_always_new(log: Queries) -> None:
    assert await log.append([state(1, id=""), state(1, id="")]) == receipt(2, 2)
    assert await log.append([state(2, id=""), identified([(1, ""), (1, "")])]) == receipt(4, 3)


# -- identity by sequence --------------------------------------------------------------------------------------------------


@drops_repeats
async def test_a_sequenced_frame_again_is_a_duplicate(log: Queries) -> None:
    await log.append([sequenced(1, 10)])
    assert await log.append([sequenced(1, 10), sequenced(11, 10), sequenced(11, 10)]) == receipt(2, 10, 20)
    assert numbers(await everything(log)) == list(range(1, 21))


@drops_repeats
@pytest.mark.parametrize(
    ("known", "first", "n", "records"),
    [
        pytest.param([(10, 10)], 5, 10, [(5, 5)], id="its right is known"),
        pytest.param([(10, 10)], 15, 10, [(20, 5)], id="its left is known"),
        pytest.param([(10, 5)], 5, 20, [(5, 5), (15, 10)], id="its middle is known"),
        pytest.param(
            [(10, 2), (14, 2), (18, 2)], 9, 12, [(9, 1), (12, 2), (16, 2), (20, 1)], id="several parts are known"
        ),
        pytest.param([(1, 5), (6, 5)], 3, 6, [], id="it is known in two frames"),
        pytest.param([(1, 5), (11, 5)], 6, 5, [(6, 5)], id="it fills a gap"),
        pytest.param([(100, 5)], 1, 5, [(1, 5)], id="it comes late"),
        pytest.param([(1, 1000)], 1000, 2, [(1001, 1)], id="the last of a full frame is known"),
    ],
)
async def test_a_partly_known_frame_is_trimmed(
    log: Queries, known: list[tuple[int, int]], first: int, n: int, records: list[tuple[int, int]]
) -> None:
    await log.append([sequenced(*each) for each in known])
    fresh = sum(length for _, length in records)
    assert await log.append([sequenced(first, n)]) == receipt(len(known) + len(records), fresh, n - fresh)
    added = (await everything(log))[len(known) :]
    assert [(r.first_seq, r.n) for r in added] == records
    assert numbers(added) == [first + i for first, length in records for i in range(length)]
    assert all(record.intact() and record.id == codec.ids_of(record)[0] for record in added)


@drops_repeats
async def test_sequences_are_apart_by_source_and_session(log: Queries) -> None:
    frames = [sequenced(1, 5), sequenced(1, 5, session="s2"), sequenced(1, 5, source="opcua")]
    assert await log.append(frames) == receipt(3, 15)


@drops_repeats
async def test_other_content_under_a_known_number_is_a_conflict(log: Queries) -> None:
    await log.append([state(1), sequenced(10, 5)])
    got = await log.append([sequenced(13, 4, shift=0.5)])
    assert (got.last, got.appended, got.duplicate) == (3, 2, 0)
    ids = ["seq:mqtt:s1:13", "seq:mqtt:s1:14"]
    assert [(c.record, c.row, c.id, c.position) for c in got.conflicts] == [(0, 0, ids[0], 2), (0, 1, ids[1], 2)]
    assert numbers(await everything(log)) == [10, 11, 12, 13, 14, 15.5, 16.5]


# -- both forms of a number mean one event ---------------------------------------------------------------------------------


@drops_repeats
async def test_an_exported_sequence_that_is_imported_gives_duplicates(log: Queries) -> None:
    await log.append([sequenced(1, 5), sequenced(8, 3)])
    exported = [(n, f"seq:mqtt:s1:{n}") for n in (1, 2, 3, 4, 5, 8, 9, 10)]
    assert await log.append([identified(exported)]) == receipt(2, 0, 8)
    assert await log.append([identified([(6, "seq:mqtt:s1:6"), (8, "seq:mqtt:s1:8")])]) == receipt(3, 1, 1)
    got = await log.append([identified([(9, "seq:mqtt:s1:9")], shift=0.5)])
    assert [(c.row, c.id, c.position) for c in got.conflicts] == [(0, "seq:mqtt:s1:9", 2)]


@drops_repeats
async def test_an_imported_sequence_that_comes_live_gives_duplicates(log: Queries) -> None:
    await log.append([identified([(n, f"seq:mqtt:s1:{n}") for n in (3, 4, 7)])])
    assert await log.append([sequenced(1, 10)]) == receipt(4, 7, 3)
    assert [(r.first_seq, r.n) for r in (await everything(log))[1:]] == [(1, 2), (5, 2), (8, 3)]
    got = await log.append([sequenced(7, 1, shift=0.5)])
    assert [(c.id, c.position) for c in got.conflicts] == [("seq:mqtt:s1:7", 1)]


@drops_repeats
async def test_a_business_event_may_have_a_number_too(log: Queries) -> None:
    await log.append([sequenced(1, 2), state(3, id="seq:mqtt:s1:3"), sequenced(4, 2)])
    assert await log.append([state(3, id="seq:mqtt:s1:3"), sequenced(1, 2)]) == receipt(3, 0, 3)
    got = await log.append([sequenced(2, 4), state(9, id="seq:mqtt:s1:5")])
    assert (got.appended, got.duplicate) == (0, 3)
    assert [(c.record, c.row, c.position) for c in got.conflicts] == [(0, 1, 2), (1, 0, 3)]


@drops_repeats
async def test_an_id_is_its_text_wherever_source_and_session_meet(log: Queries) -> None:
    await log.append([sequenced(1, 3, source="a", session="b:c")])
    assert await log.append([sequenced(1, 3, source="a:b", session="c")]) == receipt(1, 0, 3)
    assert await log.append([sequenced(3, 2, source="a:b", session="c")]) == receipt(2, 1, 1)


@drops_repeats
async def test_what_only_looks_like_a_number_is_an_id(log: Queries) -> None:
    await log.append([sequenced(1, 9, source="a", session="b")])
    looks = [
        "seq:a:b:07",
        "seq:a:b:0",
        "seq:a:b:",
        "seq:a:b:7 ",
        "seq:b:7",
        "seq:a:b:٧",
        f"seq:a:b:{2**63}",
        "SEQ:a:b:7",
    ]
    assert await log.append([state(i, id=each) for i, each in enumerate(looks)]) == receipt(1 + len(looks), len(looks))


# -- everything at once ----------------------------------------------------------------------------------------------------


@drops_repeats
@pytest.mark.parametrize("seed", range(12))
async def test_random_repeats_overlaps_and_forgeries_leave_each_event_once(log: Queries, seed: int) -> None:
    """Against a dict: whatever comes in whatever form, the first content of an id stays, and the counts say the rest."""
    random = Random(seed)
    known: dict[str, float] = {}
    for _ in range(25):
        batch = [_random_record(random) for _ in range(random.randint(1, 5))]
        got = await log.append(batch)
        appended, duplicate, conflicts = 0, 0, []
        for i, record in enumerate(batch):
            for row, (event_id, event) in enumerate(zip(codec.ids_of(record), codec.events_of(record), strict=True)):
                value = _content(event)
                if event_id not in known:
                    known[event_id] = value
                    appended += 1
                elif known[event_id] == value:
                    duplicate += 1
                else:
                    conflicts.append((i, row, event_id))
        assert (got.appended, got.duplicate) == (appended, duplicate)
        assert sorted((c.record, c.row, c.id) for c in got.conflicts) == conflicts
        assert got.last == await log.end()
    records = await everything(log, limit=7)
    kept = [
        (event_id, _content(event))
        for r in records
        for event_id, event in zip(codec.ids_of(r), codec.events_of(r), strict=True)
    ]
    assert len(kept) == len(known)
    assert dict(kept) == known


def _random_record(random: Random) -> Record:
    session = random.choice(["s1", "s2"])
    shift = 0.5 if random.random() < 0.1 else 0.0
    first, n = random.randint(1, 150), random.randint(1, 20)
    make: Callable[[], Record] = random.choice(
        [
            lambda: sequenced(first, n, session=session, shift=shift),
            lambda: sequenced(first, n, session=session, shift=shift),
            lambda: identified([(first + i, f"seq:mqtt:{session}:{first + i}") for i in range(n)], shift=shift),
            lambda: identified([(i, f"id-{i}") for i in random.choices(range(60), k=n)], shift=shift),
            lambda: state(first, id=f"seq:mqtt:{session}:{first}"),
            lambda: state(first, id=f"id-{first}"),
        ]
    )
    return make()


def _content(event: Any) -> float:
    return float(event.values["number"]) if isinstance(event, Telemetry) else -1.0


# -- bad records -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 0}, {"n": 1001}, {"n": 4}, {"first_seq": -1}, {"first_seq": 2**63 - 2}, {"machine": "\ud800"}, {"t_min": 2**63},
        {"payload": b"no frame", "crc32": zlib.crc32(b"no frame")}, {"crc32": 1},
    ],
    ids=str,
)  # fmt: skip
async def test_a_record_that_no_log_can_keep_is_refused_with_all_beside_it(log: Queries, wrong: dict[str, Any]) -> None:
    record = msgspec.structs.replace(identified([(1, "a"), (2, "b"), (3, "c")]), **wrong)
    with pytest.raises(InvalidEvent):
        await log.append([state(1), record])
    assert await log.end() == 0
    assert await log.append([state(1)]) == receipt(1, 1)


@drops_repeats
async def test_a_record_of_a_newer_release_is_kept_whole(log: Queries) -> None:
    newer = msgspec.structs.replace(state(1), type="mood.changed", version=3)
    frame = msgspec.structs.replace(sequenced(1, 3), version=2)
    assert await log.append([newer, frame, newer, frame]) == receipt(2, 4, 4)
    assert await log.read(0, 9) == [msgspec.structs.replace(r, position=i) for i, r in enumerate([newer, frame], 1)]
    got = await log.append(
        [msgspec.structs.replace(newer, payload=b"other", crc32=zlib.crc32(b"other")), sequenced(3, 2)]
    )
    assert (got.appended, [(c.record, c.row, c.position) for c in got.conflicts]) == (1, [(0, 0, 1), (1, 0, 2)])
    got = await log.append([msgspec.structs.replace(sequenced(4, 3), version=2)])
    assert (got.appended, len(got.conflicts)) == (0, 3)


@pytest.mark.parametrize("seed", range(6))
async def test_a_frame_that_was_damaged_before_it_came_stops_nobody(log: Queries, seed: int) -> None:
    """Its checksum is that of the damage, so no envelope shows it: it is refused, kept, or in conflict, and others go on."""
    random = Random(seed)
    for i in range(60):
        first = random.randint(1, 60)
        good = (
            sequenced(first, 6) if random.random() < 0.5 else identified([(n, f"{n}") for n in range(first, first + 6)])
        )
        payload = bytearray(good.payload[: random.randint(1, 2 * len(good.payload))])
        for _ in range(random.randint(0, 3)):
            payload[random.randrange(len(payload))] = random.randrange(256)
        bad = msgspec.structs.replace(good, payload=bytes(payload), crc32=zlib.crc32(payload))
        before = await log.end()
        with suppress(InvalidEvent):
            got = await log.append([bad])
            assert got.appended + got.duplicate + len(got.conflicts) == 6
        got = await log.append([good, state(i)])
        assert got.appended + got.duplicate + len(got.conflicts) == 7
        assert before < got.last == await log.end()


# -- following -------------------------------------------------------------------------------------------------------------


async def test_a_follower_gets_what_is_there_and_what_comes(log: Queries) -> None:
    await log.append([state(i) for i in range(5)])
    batches = log.follow(1, 3)
    assert [r.position for r in await _next(batches)] == [2, 3, 4]
    assert [r.position for r in await _next(batches)] == [5]
    waiting = asyncio.ensure_future(_next(batches))
    await asyncio.sleep(0)
    await log.append([state(10), state(11)])
    assert [r.position for r in await waiting] == [6, 7]
    await _leave(batches)


async def test_followers_see_every_record_once_while_it_grows(log: Queries) -> None:
    async def follow(limit: int) -> list[int]:
        seen: list[int] = []
        batches = log.follow(0, limit)
        while len(seen) < 300:
            seen += [record.position for record in await _next(batches)]
        await _leave(batches)
        return seen

    followers = [asyncio.ensure_future(follow(limit)) for limit in (1, 7, 500)]
    await asyncio.gather(*(log.append([state(i), state(i + 150)]) for i in range(150)))
    assert await asyncio.gather(*followers) == [list(range(1, 301))] * 3


async def _next(batches: Any) -> Any:
    return await asyncio.wait_for(anext(batches), WAIT_S)


async def _leave(batches: Any) -> None:
    await batches.aclose()


# -- closing and opening again -----------------------------------------------------------------------------------------------


async def test_a_closed_log_says_so(adapter: Adapter) -> None:
    log = await adapter.open()
    await log.append([state(1)])
    batches = log.follow(1, 10)
    waiting = asyncio.ensure_future(anext(batches))
    await asyncio.sleep(0)
    await adapter.close()
    for call in (log.append([state(2)]), log.read(0, 1), log.end(), waiting):
        with pytest.raises(Unavailable, match="closed"):
            await asyncio.wait_for(call, WAIT_S)
    await log.close()


async def test_closing_waits_for_appends_under_way(adapter: Adapter) -> None:
    log = await adapter.open()
    appends = [asyncio.ensure_future(log.append([sequenced(1, 200, session=f"s{i}")])) for i in range(30)]
    await asyncio.sleep(0)
    await adapter.close()
    assert [append.result().appended for append in appends] == [200] * 30
    if adapter.durable:
        again = await adapter.open()
        assert {record.session for record in await everything(again)} == {f"s{i}" for i in range(30)}
        await adapter.close()


async def test_an_opened_log_goes_on_where_it_was(adapter: Adapter) -> None:
    if not adapter.durable:
        pytest.skip("nothing of this log outlives it")
    log = await adapter.open()
    await log.append([state(1), sequenced(1, 10), identified([(1, "a"), (2, "b")])])
    before = await everything(log)
    await adapter.close()
    again = await adapter.open()
    assert await everything(again) == before
    assert await again.append([state(2)]) == receipt(4, 1)
    await adapter.close()


@drops_repeats
async def test_an_opened_log_knows_what_it_had(adapter: Adapter) -> None:
    if not adapter.durable:
        pytest.skip("nothing of this log outlives it")
    log = await adapter.open()
    await log.append([state(1), sequenced(1, 10), identified([(1, "a"), (2, "seq:mqtt:s2:7")])])
    await adapter.close()
    again = await adapter.open()
    assert await again.events_count() == 13
    repeats = [
        state(1),
        sequenced(1, 10),
        identified([(1, "a")]),
        sequenced(9, 4),
        sequenced(6, 3, session="s2"),
        state(2),
    ]
    got = await again.append(repeats)
    assert (got.last, got.appended, got.duplicate) == (7, 2 + 2 + 1, 1 + 10 + 1 + 2)
    assert [(c.record, c.row, c.position) for c in got.conflicts] == [(4, 1, 3)]
    await adapter.close()


# -- what every adapter can tell besides the port ----------------------------------------------------------------------------


@tells
async def test_one_machine_is_read_together_with_the_site(log: Queries) -> None:
    machines = ["A", "B", "", "A", "C", "", "B", "A"]
    await log.append([state(i, machine=machine) for i, machine in enumerate(machines)])
    assert [r.position for r in await log.read_machine("A", 0, 10)] == [1, 3, 4, 6, 8]
    assert [r.position for r in await log.read_machine("A", 1, 3)] == [3, 4, 6]
    assert [r.position for r in await log.read_machine("", 0, 10)] == [3, 6]
    assert [r.position for r in await log.read_machine("nobody", 3, 10)] == [6]
    assert list(await log.machines()) == ["A", "B", "C"]


@tells
async def test_events_are_counted_by_source(log: Queries) -> None:
    own = msgspec.structs.replace(state(9), source="tailrace")
    await log.append([state(1), sequenced(1, 10), own])
    await log.append([state(1), sequenced(6, 10), state(2)])
    assert dict(await log.sources()) == {"plc": 2, "mqtt": 15, "tailrace": 1}
    assert await log.events_count() == 17
