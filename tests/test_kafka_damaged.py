"""Damaged and foreign messages on Kafka: each parks the machine that its key names, by its position, and others go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kafka_broker import kafka, topics, unique
from kafka_plant import DEADLINE_S, LOOK_S
from log_records import state
from tailrace.app import kafka_worker
from tailrace.app.kafka_worker import KafkaWorker
from tailrace.connectors.derived_kafka import KafkaDerivedLog
from tailrace.connectors.kafka_records import Message, message_of
from tailrace.connectors.kafka_sender import Sender
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import KafkaLog, open_log
from tailrace.schemas import parking
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.record import Record
from worker_echo import Echo


def plant() -> KafkaSettings:
    return topics(name := unique("damaged"), group=name, session_s=6.0)


async def folded(settings: KafkaSettings, end: int) -> tuple[list[str], dict[str, parking.Parked]]:
    """What a worker of the group says of everything up to a position, and what is parked."""
    worker = KafkaWorker(settings, lambda: [Echo()])
    running = asyncio.ensure_future(worker.run())
    async with asyncio.timeout(DEADLINE_S):
        while worker.held.get(0, 0) < end:
            assert not running.done()
            await asyncio.sleep(LOOK_S)
    worker.stop()
    await running
    sender = Sender(settings)
    derived = KafkaDerivedLog(settings, 0, sender)
    found = await derived.read(0, 1000)
    await derived.close()
    await sender.close()
    parked = {each.key: parking.decode(each.body) for each in found if each.kind == parking.PARKED}
    return [each.body.decode() for each in found if each.kind == "echoed"], parked


def numbered(last: int) -> list[Record]:
    return [state(i, machine=f"M{i % 3}", word=f"word-{i:03}") for i in range(1, last + 1)]


async def test_a_payload_that_is_not_what_was_written_parks_its_machine() -> None:
    settings, messages = plant(), [message_of(record, 0) for record in numbered(12)]
    messages[6] = messages[6]._replace(value=(messages[6].value or b"").replace(b"word-007", b"wort-007"))
    sender = Sender(settings)
    await sender.send(settings.events, messages)
    await sender.close()
    said, parked = await folded(settings, 12)
    assert {key: (each.machine, each.position, each.id) for key, each in parked.items()} == {
        "parking\tM1": ("M1", 7, "e7")
    }
    assert parked["parking\tM1"].reason.startswith("damaged: expected a payload with crc32 0x")
    assert sorted(said) == sorted(
        f"e{i} {(i + 2) // 3 if i % 3 else i // 3}" for i in (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)
    )  # fmt: skip


FOREIGN = {
    "no headers": (Message(0, b"M1", b"{}"), "M1"),
    "no number": (Message(0, b"M1", b"{}", [("type", b"state.changed"), ("n", b"many")]), "M1"),
    "no text": (Message(0, b"M1", b"{}", [("type", b"\xff")]), "M1"),
    "no value": (Message(0, b"M1", None, message_of(state(9), 0).headers), "M1"),
    "a key that is no text": (Message(0, b"M\xff", b"{}"), "M\\xff"),
    "no key": (Message(0, b"", b"{}", [("type", b"hello")]), ""),
}


@pytest.mark.parametrize("what", FOREIGN)
async def test_what_somebody_else_wrote_is_parked(what: str) -> None:
    settings, (foreign, machine) = plant(), FOREIGN[what]
    good = [message_of(state(i, machine="M2"), 0) for i in range(1, 5)]
    sender = Sender(settings)
    await sender.send(settings.events, [*good[:2], foreign, *good[2:]])
    await sender.close()
    said, parked = await folded(settings, 5)
    assert said == ["e1 1", "e2 2", "e3 3", "e4 4"]
    assert [(each.machine, each.position) for each in parked.values()] == [(machine, 3)]


def flip(settings: KafkaSettings, text: bytes) -> None:
    """One bit in what the broker has stored, and serves."""
    (path,) = Path(kafka()._folder).glob(f"{settings.events}-0/*.log")
    stored = path.read_bytes()
    assert stored.count(text) == 1
    with path.open("r+b") as file:
        file.seek(stored.index(text))
        file.write(bytes([text[0] ^ 1]))


async def stored(settings: KafkaSettings) -> None:
    """Twelve records, four in each batch of the broker."""
    records = numbered(12)
    async with opened(settings) as log:
        for i in (0, 4, 8):
            await log.append(records[i : i + 4])


@asynccontextmanager
async def opened(settings: KafkaSettings) -> AsyncIterator[KafkaLog]:
    log = await open_log(settings)
    try:
        yield log
    finally:
        await log.close()


@pytest.mark.parametrize("piece", [2, kafka_worker.PIECE])
async def test_a_bit_that_the_disk_flipped_parks_its_machine_and_no_other(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the fetch that fails is one of several that are folded together."""
    monkeypatch.setattr(kafka_worker, "PIECE", piece)
    settings = await asyncio.to_thread(plant)
    await stored(settings)
    await asyncio.to_thread(flip, settings, b"word-007")
    said, parked = await folded(settings, 12)
    assert [(each.machine, each.position, each.id) for each in parked.values()] == [("M1", 7, "e7")]
    assert len(said) == 10
    async with opened(settings) as log:
        for limit in (1, 2, 100):
            read = [record for after in range(0, 12, limit) for record in await log.read(after, limit)]
            assert [record.position for record in read if not record.intact()] == [7]
            assert [record.position for record in read] == list(range(1, 13))


async def test_a_flipped_envelope_stops_what_reads_there_for_nobody_can_tell_which_it_is() -> None:
    settings = await asyncio.to_thread(plant)
    await stored(settings)
    await asyncio.to_thread(flip, settings, b"e7\x0c")
    async with opened(settings) as log:
        assert [record.position for record in await log.read(0, 4)] == [1, 2, 3, 4]
        with pytest.raises(
            Unavailable, match=r"partition 0: expected messages from position 5 on whose checksum holds"
        ):
            await log.read(4, 4)
        assert [record.position for record in await log.read(8, 4)] == [9, 10, 11, 12]
