"""What a folder that follows Kafka makes of damage and of ids that came again with other content: others go on, all is named."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kafka_broker import topics, unique
from log_records import everything, identified, sequenced, state
from tailrace.app import compose, kafka_folder
from tailrace.connectors.kafka_records import Message, message_of
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import open_log, partition_of
from tailrace.connectors.log_sqlite_verify import verify
from tailrace.engine.parking import wrong
from tailrace.schemas import codec
from tailrace.schemas.event import IngestQuarantined, SourceAccounted
from tailrace.schemas.record import Record

DEADLINE_S = 60.0


async def plant(partitions: int = 1) -> KafkaSettings:
    return await asyncio.to_thread(lambda: topics(name := unique("followed"), partitions=partitions, group=name))


async def followed(data: Path, settings: KafkaSettings) -> list[Record]:
    """What is in the folder once everything has arrived, and what was said of that."""
    await asyncio.to_thread(lambda: data.mkdir(exist_ok=True))
    async with compose.plant_log(data, settings) as log:
        assert log.following is not None
        running = asyncio.create_task(log.following.run())
        try:
            for _ in range(2):  # what following says itself is there after the first
                arriving = asyncio.create_task(log.following.arrived())
                async with asyncio.timeout(DEADLINE_S):
                    await asyncio.wait([running, arriving], return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    running.result()
                await arriving
            return list(await everything(log.here))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def sent(settings: KafkaSettings, messages: Sequence[Message]) -> None:
    sender = Sender(settings)
    await sender.send(settings.events, messages)
    await sender.close()


def damage(record: Record) -> Message:
    """A record whose last byte is another than was written."""
    message = message_of(record, 0)
    assert message.value
    return message._replace(value=message.value[:-1] + bytes([message.value[-1] ^ 1]))


async def test_damage_parks_its_machine_in_a_folder_and_nothing_else_waits(tmp_path: Path) -> None:
    """Also after a crash between events.db and the place: nothing is there twice, and the file is whole."""
    settings = await plant()
    garbage = msgspec.structs.replace(state(9, machine="M9"), payload=b"{", crc32=zlib.crc32(b"{"))
    bad = [
        damage(state(2, machine="M2")), Message(0, b"M3", b"hello"), damage(sequenced(1, 5, machine="M4")),
        damage(identified([(1, "a"), (2, "b")])), message_of(garbage, 0),
        Message(0, b"M5", b"x", [("type", b"telemetry"), ("n", b"0")]),
    ]  # fmt: skip
    good = [message_of(state(i, machine="M7"), 0) for i in (20, 21)]
    await sent(settings, [good[0], *bad, good[1]])
    found = await followed(tmp_path, settings)
    assert [record.machine for record in found] == ["M7", "M2", "M3", "M4", "M1", "M9", "M5", "M7"]
    assert [bool(wrong(record)) for record in found] == [False, *[True] * 6, False]
    assert [record.payload for record in found] == [message.value for message in (good[0], *bad, good[1])]
    assert [record.id for record in found][:2] == ["e20", "e2"]
    verdict = await asyncio.to_thread(verify, tmp_path / "events.db")
    assert (verdict.ok, verdict.records) == (True, 8), verdict
    folder = kafka_folder.read(tmp_path)
    assert folder is not None
    begin = msgspec.structs.replace(folder, places=[0], hashes=[b""], end=0)
    await asyncio.to_thread(kafka_folder.write, tmp_path, begin)
    assert await followed(tmp_path, settings) == found


async def test_a_second_content_of_an_id_is_quarantined_once_however_many_folders_follow(tmp_path: Path) -> None:
    settings = await plant(partitions=3)
    log = await open_log(settings, partition_of("", 3))
    first = [state(1), identified([(1, "a"), (2, "b"), (3, "c")]), sequenced(1, 4), state(5, machine="M2")]
    again = [
        state(1, word="other"),
        state(5, machine="M2"),
        identified([(2, "b"), (3, "c"), (4, "d")], shift=0.5),
        sequenced(3, 4, shift=0.5),
    ]
    await log.append(first)
    await log.append(again)
    found = await followed(tmp_path / "one", settings)
    assert await followed(tmp_path / "one", settings) == found
    other = await followed(tmp_path / "two", settings)
    said = [event for record in found if record.source == "tailrace" for event in codec.events_of(record)]
    assert sorted(event.id for event in said) == sorted(
        event.id for record in other if record.source == "tailrace" for event in codec.events_of(record)
    )
    quarantined = [event for event in said if isinstance(event, IngestQuarantined)]
    assert sorted(event.reason.split("'")[1] for event in quarantined) == [
        "b", "c", "e1", "seq:mqtt:s1:3", "seq:mqtt:s1:4"
    ]  # fmt: skip
    assert all(event.where.startswith("Kafka partition:position ") for event in quarantined)
    assert b'"other"' in next(event.raw for event in quarantined if "'e1'" in event.reason)
    accounts = [event for event in said if isinstance(event, SourceAccounted)]
    assert sorted((event.source, event.received, event.quarantined) for event in accounts) == [
        ("file", 2, 2), ("mqtt", 2, 2), ("plc", 1, 1)
    ]  # fmt: skip
    home = [record for record in await everything(log) if record.source == "tailrace"]
    assert len({(record.id, record.payload) for record in home}) == len(said)
    await log.close()
