"""What the workers of bench/kafka.py fold, as Tailrace's records and as messages of the peers, and the minutes that are true.

Ten machines run and count a part every two seconds; each is read once a second, with eight values. A shape has so many readings
a message: 1, or frames of 200. A peer's message is a msgpack list of `minutes.Reading`, keyed by machine; a minute that a peer
sends is a msgpack list of machine, start in ns, run time in ns and parts. One partition.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from figure import EPOCH, SIGNALS
from minutes import MINUTE, Reading
from tailrace.connectors import kafka_topics
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_kafka import open_log
from tailrace.schemas import codec, frame
from tailrace.schemas.event import ProductChanged, StateChanged
from tailrace.schemas.instant import SECOND, Instant, Span
from tailrace.schemas.record import Record

MACHINES = tuple(f"M{i:02d}" for i in range(10))
VALUE = 70.5
BATCH = 500
LARGE = {"max.message.bytes": str(18 * 1024 * 1024)}

Minutes = dict[tuple[str, int], tuple[int, int]]
"""Machine and start in ns: run time in ns, and parts."""


class Shape(NamedTuple):
    """A name, readings in a message, and seconds that each machine is read for: whole messages."""

    name: str
    frame: int
    seconds: int

    @property
    def readings(self) -> int:
        return len(MACHINES) * self.seconds

    @property
    def topics(self) -> str:
        """What the names of its topics begin with."""
        return f"bench-{self.frame}"

    @property
    def messages(self) -> str:
        """The topic of the peers' messages."""
        return f"{self.topics}.messages"


def truth(shape: Shape) -> Minutes:
    """The minutes that are over, by arithmetic: one part in two seconds, counted from the first reading on."""
    begins = range(0, (shape.seconds - 1) // 60 * 60, 60)
    return {
        (machine, EPOCH + begin * SECOND): (MINUTE, (begin + 59) // 2 - max(begin - 1, 0) // 2)
        for machine in MACHINES for begin in begins
    }  # fmt: skip


async def fill(shape: Shape, settings: KafkaSettings) -> None:
    """The topics of a shape, and what is in them."""
    async with kafka_topics.admin(settings) as admin:
        await admin.create_topics([NewTopic(shape.messages, 1, 1, topic_configs=LARGE)])
    await kafka_topics.make(settings)
    log, some = await open_log(settings), list[Record]()
    for record in _records(shape):
        some.append(record)
        if len(some) >= BATCH:
            await log.append(some)
            some = []
    await log.append(some)
    await log.close()
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.servers, linger_ms=20, max_batch_size=2**20, max_request_size=2**22
    )
    await producer.start()
    for machine, message in _messages(shape):
        await producer.send(shape.messages, message, key=machine.encode())
    await producer.stop()


def _rows(shape: Shape) -> Iterator[tuple[str, range]]:
    for first in range(0, shape.seconds, shape.frame):
        yield from ((machine, range(first, first + shape.frame)) for machine in MACHINES)


def _messages(shape: Shape) -> Iterator[tuple[str, bytes]]:
    encode, values = msgspec.msgpack.encode, [VALUE] * len(SIGNALS)
    for machine in MACHINES:
        yield machine, encode([Reading(machine, EPOCH, "running", [])])
    for machine, seconds in _rows(shape):
        yield machine, encode([Reading(machine, EPOCH + at * SECOND, at // 2, values) for at in seconds])


def _records(shape: Shape) -> Iterator[Record]:
    """The same, and a product before the first, for ours asks for one."""
    for machine in MACHINES:
        base: dict[str, Any] = {"machine": machine, "t": Instant(EPOCH), "ingested": Instant(EPOCH)}
        product = ProductChanged(product="P1", ideal_cycle=Span(2 * SECOND), id=f"{machine}-p", **base)
        yield codec.record_of(product, source="bench")
        yield codec.record_of(StateChanged(state="running", id=f"{machine}-s", **base), source="bench")
    for machine, seconds in _rows(shape):
        at = np.arange(seconds.start, seconds.stop, dtype=np.int64)
        columns: list[Any] = [(frame.Column(name, "f8"), np.full(len(at), VALUE), None) for name in SIGNALS]
        columns.append((frame.Column("total", "i8", counter=True), at // 2, None))
        yield codec.frame_record(
            frame.encode(EPOCH + at * SECOND, columns), machine=machine, ingested=EPOCH + (seconds.stop - 1) * SECOND,
            source="bench", session=machine, first_seq=1 + seconds.start,
        )  # fmt: skip
